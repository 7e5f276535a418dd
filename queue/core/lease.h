/* SPDX-License-Identifier: MIT */
/*
 * How long a run may take: its worker has a job for so long, and what overstays
 * is stopped.
 *
 *             nine tenths         its time is over       grace over
 *   RUNNING ------------> WARNED ----------------> STOPPING ------> OVERSTAYED
 *      ^                    |                      STOP              KILL or
 *      +--------------------+                      to its worker     CUT_OFF
 *             touched
 *
 * Its worker is asked first: it ends the handler with all that it started, and
 * its answer ends the run. A worker that does not answer is killed, and known
 * dead before the job is given out again; a foreign one's connection is closed,
 * which is all that can be done. A cancelled job is STOPPING from then on.
 *
 * The time is that of the monotonic clock. It begins with the delivery, and
 * again when a worker comes back with the job after a restart of the queue.
 */
#ifndef GSQ_CORE_LEASE_H
#define GSQ_CORE_LEASE_H

#include "core/core.h"

/* Beyond the grace, for the worker to reap what it killed and to say so. */
#define LEASE_PATIENCE_MS INT64_C(5000)

void lease_init(struct heap *leases, const struct jobs *jobs);

/* A run begins: its job is given to its subscriber with that msgid. Ends the
 * process without memory. */
void lease_begin(struct core *core, uint32_t job, uint32_t msgid);

/* The job ran when the queue died, and nobody is known to have it: it has all
 * the time until somebody comes with it. */
void lease_begin_absent(struct core *core, uint32_t job);

/* Its worker is there again, on another connection. What was said on the one
 * before may be lost: what is to be stopped is told again. */
void lease_resume(struct core *core, uint32_t job);

/* The same of one that was absent: its time begins. */
void lease_resume_absent(struct core *core, uint32_t job);

void lease_end(struct core *core, uint32_t job);

/* Was it stopped because its time was over? */
bool lease_is_over(const struct core *core, const struct job *job);

/* It may take that long from now on; TTR_NONE: as long as it wants; 0: as long
 * as at first. False when it is being stopped already. */
bool lease_extend(struct core *core, uint32_t job, int64_t ttr_ms);

/* Of the time that its run may take; INT64_MAX: it has any. */
int64_t lease_left_ms(const struct core *core, const struct job *job);

/* It is to be stopped now; its record says that it is cancelled. */
void lease_cancel(struct core *core, uint32_t job);

/* When lease_act is due; INT64_MAX for never. */
int64_t lease_wake_at(const struct core *core);

/* Time has passed. */
void lease_act(struct core *core);

#endif
