/* SPDX-License-Identifier: MIT */
/*
 * The file `settings` beside the segments: what the owner wants to have kept
 * besides jobs, some lines of text behind a line that says what it is and in
 * front of their checksum. It is written anew as a whole, and the name moved
 * over the one before.
 */
#ifndef GSQ_QUEUE_STORE_LOG_SETTINGS_H
#define GSQ_QUEUE_STORE_LOG_SETTINGS_H

#include "base/buffer.h"
#include "base/span.h"
#include "queue/io.h"

#include <stddef.h>

#define SETTINGS_NAME "settings"

/* Appends the lines; none when there is no such file. 0, or an errno with the
 * words in reason[reason_bytes]. */
int settings_read(
    struct io *io, struct buffer *lines, char *reason, size_t reason_bytes);

/* Keeps these lines, each with its newline. 0 or an errno; then what was kept
 * before is still there, or these are. */
int settings_write(struct io *io, struct span lines);

#endif
