/* SPDX-License-Identifier: MIT */
/*
 * Idempotent enqueues: a producer that does not know whether its job was taken
 * says the same again with the same token, and is answered as it was at first,
 * instead of having its job twice.
 *
 * A token is remembered for TOKEN_LIFE_MS, whatever becomes of its job, and
 * kept with it, as a note of its own in the store.
 */
#ifndef GSQ_CORE_REPETITION_H
#define GSQ_CORE_REPETITION_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The fact is an ENQUEUE with a token that was said before: answers as at
 * first, or refuses it as TOKEN_REUSED when it came with something else. False
 * when it was not said before.
 */
bool repetition_answer(struct core *core, const struct fact *fact);

/* Room for the token of an ENQUEUE, before anything else is changed: its
 * handle; 0, refused, when there is none. */
uint32_t repetition_prepare(struct core *core, const struct fact *fact);

/* The ENQUEUE is decided: a token is remembered, or forgotten where it was
 * refused. */
void repetition_settle(
    struct core *core, uint32_t token, const struct lane *lane);

/* A token as it was kept. */
void repetition_restore(struct core *core, const struct fact *fact);

/* When repetition_act is due; INT64_MAX for never. */
int64_t repetition_wake_at(const struct core *core);

/* Time has passed: some are forgotten. */
void repetition_act(struct core *core);

#endif
