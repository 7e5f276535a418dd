/* SPDX-License-Identifier: MIT */
/*
 * How much of the disk a store may have, and how much it needs. Arithmetic
 * alone; what is alive is counted by what a job's FULL record takes, with a
 * few bytes for what is not known when it goes.
 *
 * wanted   With that much, all that is alive can be written once more in the
 *          course of cleaning, and every job can end: what a new job needs so
 *          that it can be accepted. Never more than the limit.
 * limit    What the files may take: twice what is alive, and some slack.
 * aim      Where cleaning begins: below the limit, which falls at once when
 * jobs end, while the files follow in steps.
 */
#ifndef GSQ_QUEUE_STORE_LOG_SPACE_H
#define GSQ_QUEUE_STORE_LOG_SPACE_H

#include "queue/store_log_segments.h"

#include <stdint.h>

struct account {
	uint64_t jobs;
	uint64_t live_bytes;
};

/* A FULL record without its body, as most are. */
#define RECORD_BYTES_USUAL 32u

/* So that a job can end: one change of state and its GONE. */
#define JOB_RESERVE_BYTES 24u

static inline struct account
account_with(const struct account *account, uint64_t jobs, uint64_t body_bytes)
{
	return (struct account){ account->jobs + jobs,
		account->live_bytes + jobs * RECORD_BYTES_USUAL + body_bytes };
}

static inline uint64_t
space_limit(const struct account *account, const struct log_sizes *sizes)
{
	return 2 * account->live_bytes + sizes->slack_bytes;
}

static inline uint64_t
space_aim(const struct account *account, const struct log_sizes *sizes)
{
	return space_limit(account, sizes) - sizes->slack_bytes / 4;
}

/* To be kept free: the jobs' endings, and what cleaning one segment writes
 * before it gains one. */
static inline uint64_t
space_reserve(const struct account *account, const struct segments *segments)
{
	uint64_t live_bytes = account->live_bytes;
	return (live_bytes < segments->largest ? live_bytes
					       : segments->largest) +
	    segments->largest / 8 + account->jobs * JOB_RESERVE_BYTES;
}

/* A quarter goes to headers, rests of segments and what is dead. */
static inline uint64_t
space_wanted(const struct account *account, const struct segments *segments)
{
	return account->live_bytes + account->live_bytes / 4 +
	    space_reserve(account, segments);
}

#endif
