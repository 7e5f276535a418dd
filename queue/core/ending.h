/* SPDX-License-Identifier: MIT */
/*
 * The end of a run, whatever ended it.
 */
#ifndef GSQ_CORE_ENDING_H
#define GSQ_CORE_ENDING_H

#include "core/core.h"

/* Ends the run of a running job with this outcome (VERDICT_DIED too) and takes
 * it from its subscriber. Does not match: the caller does, once. */
void ending_of_run(
    struct core *core, uint32_t job, const struct outcome *outcome);

/*
 * All jobs that a subscriber holds come back, in the order in which they were
 * delivered, ahead of the others, and meet whoever asks. verdict: RELEASE, DIED
 * or LOST. remains: of the worker, or NULL.
 */
void ending_of_subscriber(struct core *core, struct subscriber *subscriber,
    enum verdict verdict, struct span reason, const struct remains *remains);

/* A job that waits has expired. Matches. */
void ending_of_use(struct core *core, uint32_t job);

/* A job that is in no list and in the state JOB_NONE is forgotten; the next one
 * of its key has the turn. */
void ending_forget(struct core *core, uint32_t job);

#endif
