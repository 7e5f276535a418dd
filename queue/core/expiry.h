/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are of use until some time, of the monotonic clock. One that has
 * not begun by then, or would have to be tried again after it, is dead
 * (CAUSE_EXPIRED); one that runs runs on.
 */
#ifndef GSQ_CORE_EXPIRY_H
#define GSQ_CORE_EXPIRY_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

void expiry_init(struct heap *expiries, const struct jobs *jobs);

/* The job's terms say so; nothing where they do not. Ends the process without
 * memory: it would be given out too late. */
void expiry_begin(struct core *core, uint32_t job);

/* Another event is merged into the job: it is of use as long as one of both is;
 * 0: for ever. True when that is longer. */
bool expiry_extend(struct core *core, uint32_t job, int64_t expires_at_ms);

/* It has no such time any more: the job is dead or about to be forgotten. */
void expiry_end(struct core *core, uint32_t job);

bool expiry_has_passed(const struct core *core, const struct job *job);

/* When the next one is; INT64_MAX for never. */
int64_t expiry_next_ms(const struct core *core);

/* Takes the time of the next job whose time has passed off it, and returns it;
 * 0: there is none. The time itself stays. */
uint32_t expiry_take(struct core *core);

#endif
