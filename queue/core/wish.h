/* SPDX-License-Identifier: MIT */
/*
 * How the parts of the core add to what a step wishes.
 */
#ifndef GSQ_CORE_WISH_H
#define GSQ_CORE_WISH_H

#include "core/core.h"

/* A zeroed wish of that kind behind the others. */
struct wish *wish_add(struct core *core, enum wish_kind kind);

/* The job is over: its record is forgotten. */
void wish_forget(struct core *core, uint32_t job);

void wish_save(struct core *core, uint32_t job, bool with_body);

/* Tells of a job; subscriber 0 when none is concerned. */
void wish_tell_job(struct core *core, enum core_event event, uint32_t job,
    uint32_t subscriber);

#endif
