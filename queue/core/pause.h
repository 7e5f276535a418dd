/* SPDX-License-Identifier: MIT */
/*
 * Closes and opens the gates of a queue: somebody pauses, resumes or drains it,
 * or its time has come. It says so, and wishes it kept.
 */
#ifndef GSQ_CORE_PAUSE_H
#define GSQ_CORE_PAUSE_H

#include "core/core.h"

/* FACT_PAUSE and FACT_DRAIN. A step of these delivers nothing: until the next
 * one pause_undo makes it undone, because it could not be kept. */
void pause_queue(struct core *core, struct lane *lane, const struct fact *fact);
void pause_drain(struct core *core, struct lane *lane, const struct fact *fact);
void pause_undo(struct core *core);

/* A gate as it was kept. */
void pause_restore(
    struct core *core, struct lane *lane, const struct lane_gate *gate);

/* Time has passed: gates open, and jobs go through. Due at gate_wake_at. */
void pause_act(struct core *core);

#endif
