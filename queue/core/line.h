/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is. Of the jobs of a queue with one key at most one runs,
 * unless they are parallel.
 *
 * A key has a holder, whose turn it is: READY, RUNNING, or DELAYED after a run
 * until it is tried again. The others are BLOCKED and stand in line, in the
 * order in which their time came; or are DELAYED from the start, and will join
 * it. When the holder ends or dies, the first in line is the holder, in the
 * same step. There is no lock that could be forgotten: a key is busy because
 * there is a job that says so.
 *
 * Of the jobs that coalesce at most one waits, the pending one: what comes is
 * merged into it. So there are never more than two, one that runs and one that
 * will begin after everything that was told until now. When the one that runs
 * has to be tried again, the pending one is folded into it, and gone: it keeps
 * its id, its attempts and the time of its next one, and is found by the id of
 * the other one too.
 */
#ifndef GSQ_CORE_LINE_H
#define GSQ_CORE_LINE_H

#include "core/core.h"

#include <stdint.h>

/* The job, in no list, has come to the queue with that key, if any. */
void line_join(
    struct core *core, uint32_t job, uint32_t key, enum key_mode mode);

/* The time of a job in no list has come: it is READY and in its lane, or
 * BLOCKED. Returns which. */
enum job_state line_enter(struct core *core, uint32_t job);

/* The job that an enqueue with that key and mode is merged into, or 0. */
uint32_t line_pending(
    const struct core *core, uint32_t key, enum key_mode mode);

/* Is the job DELAYED and not in line yet? */
bool line_is_outside(const struct core *core, uint32_t job);

/* The job is about to be delivered. */
void line_began(struct core *core, uint32_t job);

/* Takes a job that does not run out of the list of its state: JOB_NONE. */
void line_take_out(struct core *core, uint32_t job);

/* The same, and out of the table; it is not its turn. */
void line_remove(struct core *core, uint32_t job);

/* A job that was dead, in no list, is about to wait again. */
void line_come_back(struct core *core, uint32_t job);

/* The job is gone or dead, and in no list: whoever is next has the turn. The
 * caller matches the lane. */
void line_leave(struct core *core, uint32_t job);

/* The job is forgotten: its key need not be known any more. */
void line_forget(struct core *core, uint32_t job);

/* Puts a restored job where its state says, in the order of the ids. */
void line_restore(struct core *core, uint32_t job, enum job_state saved);

#endif
