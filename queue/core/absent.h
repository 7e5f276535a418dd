/* SPDX-License-Identifier: MIT */
/*
 * Jobs that ran when the queue died, and the workers that may still run them.
 *
 * The death of the queue does not disturb a worker, and only the worker knows
 * that it has a job. So a new queue takes such a job for running, with a
 * subscriber that stands for all workers that are not back (core->absent, there
 * as long as it has jobs). A worker that comes takes over what it says it has.
 * What is left comes back
 *
 *  - at once, when the supervisor has told of all workers that live, and each
 *    of them has subscribed or died: nobody has it;
 *  - else after a grace, unless a worker lives that has not subscribed. It may
 *    have any of them, so the queue asks for its end, and waits for that: no
 *    job of a supervised worker runs twice at a time.
 *
 *   RESTORED    grace over,       10 s more
 *   ----> GRACE --------------> INTRODUCTION --+
 *           |   not introduced        |        |
 *           |                         | INTRODUCED, grace over
 *           |   grace over            v        v
 *           +-----------------------> somebody unheard: kill, again and again
 *                                     nobody: back
 */
#ifndef GSQ_CORE_ABSENT_H
#define GSQ_CORE_ABSENT_H

#include "core/core.h"

/* A restored job that ran: in no list yet, but in its state. */
void absent_add(struct core *core, uint32_t job);

/* All jobs are restored; who was alive, and who will speak of the living. */
void absent_begin(struct core *core, bool everything_died, bool supervised);

/* The supervisor has told of all workers that live. */
void absent_introduced(struct core *core);

/* May a worker of which the supervisor says now that it lives have an absent
 * job, as far as that alone tells? */
bool absent_may_have(const struct core *core);

/* Is the running job absent? */
bool absent_has(const struct core *core, const struct job *job);

/* An absent job is this subscriber's, behind what that has. */
void absent_take(
    struct core *core, uint32_t job, struct subscriber *subscriber);

/* A worker that was not heard has died, unplanned. */
void absent_died(struct core *core, struct span reason);

/* To be told when a worker was heard or died: all that is absent comes back if
 * that was the last one. */
void absent_settle(struct core *core);

/* When absent_act is due; INT64_MAX for never. */
int64_t absent_wake_at(const struct core *core);

/* Time has passed. */
void absent_act(struct core *core);

#endif
