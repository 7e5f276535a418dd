/* SPDX-License-Identifier: MIT */
/*
 * The jobs that a log amounts to, gathered while it is read. It lives during
 * recovery alone; 70 bytes a job.
 *
 * Ids are dense in most places, so jobs are found by groups of neighbours:
 * reading jobs in a row touches the table once in 64, and the order of the
 * ids is the order of the groups.
 */
#ifndef GSQ_QUEUE_STORE_LOG_JOBS_H
#define GSQ_QUEUE_STORE_LOG_JOBS_H

#include "base/map.h"
#include "base/name.h"
#include "base/slab.h"
#include "queue/record.h"

#include <stdint.h>

struct kept {
	uint64_t id;
	uint64_t body;	 /* place of the body */
	uint64_t reason; /* place of the reason */
	int64_t enqueued_ms;
	int64_t due_wall_ms;
	uint32_t body_bytes;
	uint32_t delivery;
	uint32_t queue; /* handle of its name */
	uint16_t attempt;
	uint8_t reason_bytes;
	uint8_t priority;
	uint8_t state;
	uint8_t cause;
};

struct named; /* a queue's name */

struct kept_jobs {
	struct slab jobs;   /* struct kept */
	struct slab groups; /* struct group */
	struct slab names;  /* struct named */
	struct map by_group;
	struct named *by_name;
	uint32_t last_group; /* handle of the one used last */
	uint32_t last_name;
	uint64_t count;
	uint64_t body_bytes; /* of all together */
};

void kept_jobs_init(struct kept_jobs *jobs);
void kept_jobs_release(struct kept_jobs *jobs);

/*
 * Applies a record that starts at bytes, which is that place of the log. A
 * change of a job that is not there is none: its FULL record was in a segment
 * that has been given up since, and a GONE follows (store_log_cleaner.h says
 * why). 0, ENOMEM, or EBADMSG for a queue's name that is none.
 */
int kept_jobs_apply(struct kept_jobs *jobs, const struct stored *stored,
    const char *bytes, uint64_t place);

/* Calls for each job in the order of their ids. The name is good until
 * release. Stops at the first error, which it returns. */
int kept_jobs_each(const struct kept_jobs *jobs,
    int (*each)(void *context, const struct kept *kept, struct span queue),
    void *context);

#endif
