/* SPDX-License-Identifier: MIT */
/*
 * How much a queue may have: jobs that wait or run, the bytes of their bodies,
 * and their keys. Dead jobs do not count: nothing but people takes them away,
 * so a queue full of them would never take a job again.
 */
#ifndef GSQ_CORE_LIMIT_H
#define GSQ_CORE_LIMIT_H

#include "core/core.h"

/* What events would add to a queue as it is, and to an empty one. */
struct growth {
	uint64_t jobs;
	uint64_t own_jobs;
	uint64_t keys;
	uint64_t own_keys;
	int64_t bytes; /* below 0 where shorter bodies replace longer ones */
	uint64_t own_bytes;
};

/* A job that waits or runs from now on, or no longer does. Its key is set. */
void limit_came(struct core *core, uint32_t job);
void limit_left(struct core *core, uint32_t job);

/* Its body has another size; of one that counts. */
void limit_resized(
    struct core *core, const struct job *job, uint32_t bytes_before);

/* Is there anything to look at? */
bool limit_is_set(const struct lane *lane);

/* May one body be so long? TOO_BIG, with the words, when not. */
enum refusal limit_body(
    struct core *core, const struct lane *lane, uint32_t bytes);

/* May the queue grow so? FULL, with core->retry_after_ms set, or TOO_BIG where
 * it could never; both with core->words. */
enum refusal limit_growth(
    struct core *core, const struct lane *lane, const struct growth *growth);

/* When it may be worth while to try again: so many jobs must have ended. */
int64_t limit_retry_after_ms(const struct lane *lane, uint64_t jobs);

#endif
