/* SPDX-License-Identifier: MIT */
/*
 * A child of the supervisor, a row of the answer to "tree": how it is.
 */
#ifndef GSQ_QCTL_CHILD_H
#define GSQ_QCTL_CHILD_H

#include "base/span.h"
#include "qctl/text.h"
#include "wire/message.h"

#include <stdbool.h>

#define CHILD_NOTE_BYTES_MAX 256

/* "ready" is not well when what it should run cannot be run. */
bool child_is_unhealthy(const msgpack_object *child);

bool child_is_ready(const msgpack_object *child);
bool child_is_queue(const msgpack_object *child);

/* It died, and is not started again for now. */
bool child_is_held_back(const msgpack_object *child);

/* The style of a state, of the supervisor too. */
enum style child_state_style(struct span state);

/* What is shown as its state, and how. */
struct span child_shown_state(
    const msgpack_object *child, enum style *ret_style);

/* Why it is not well, or how it died: "signal=KILL, 3.2s ago". */
void child_write_brief(
    const msgpack_object *child, char note[CHILD_NOTE_BYTES_MAX]);

/* The same, and what its brake does with it. */
void child_write_note(
    const msgpack_object *child, char note[CHILD_NOTE_BYTES_MAX]);

#endif
