/* SPDX-License-Identifier: MIT */
/*
 * Jobs that wait for their time: so long, or until the wall clock says so. The
 * latter stand by its time, so that nothing has to be done to them when it is
 * set.
 *
 * wall_ms below is what the wall clock showed when the monotonic one was 0.
 */
#ifndef GSQ_CORE_DUE_H
#define GSQ_CORE_DUE_H

#include "base/heap.h"
#include "core/job.h"

#include <stdint.h>

struct due {
	struct heap by_clock;
	struct heap by_wall;
};

/* A time to wait for. */
struct moment {
	int64_t at_ms;
	bool by_wall; /* of the wall clock */
};

static inline int64_t
moment_ms(struct moment moment, int64_t wall_ms)
{
	return moment.by_wall ? moment.at_ms - wall_ms : moment.at_ms;
}

void due_init(struct due *due, const struct jobs *jobs);
void due_release(struct due *due);

/* The job waits until then. */
void due_add(struct due *due, const struct jobs *jobs, uint32_t handle,
    struct moment at);

/* It does not wait any more. */
void due_remove(struct due *due, const struct jobs *jobs, uint32_t handle);

/* Of a job that waits: when, by the monotonic clock. */
static inline int64_t
due_at_ms(const struct job *job, int64_t wall_ms)
{
	return moment_ms((struct moment){ job->at_ms, job->by_wall }, wall_ms);
}

/* When the first one is due; INT64_MAX when none waits. */
int64_t due_next_ms(
    const struct due *due, const struct jobs *jobs, int64_t wall_ms);

/* Takes out the first one if its time has come; its handle, or 0. */
uint32_t due_take(
    struct due *due, const struct jobs *jobs, int64_t now_ms, int64_t wall_ms);

static inline size_t
due_count(const struct due *due)
{
	return (size_t)due->by_clock.count + due->by_wall.count;
}

#endif
