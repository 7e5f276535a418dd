/* SPDX-License-Identifier: MIT */
/*
 * What people have said of queues, as lines of text, and back:
 *
 *     mail paused SINCE_WALL_MS UNTIL_WALL_MS UID
 *     mail draining
 *
 * UNTIL_WALL_MS 0: until somebody ends it.
 */
#ifndef GSQ_QUEUE_SETTINGS_H
#define GSQ_QUEUE_SETTINGS_H

#include "base/buffer.h"
#include "base/span.h"
#include "core/core.h"

#include <stdint.h>

/* How both clocks stand to each other: wall minus monotonic, ms. 0 or ENOMEM.
 */
int settings_print(
    struct buffer *lines, const struct core *core, int64_t wall_offset_ms);

/* Tells the core what the lines say, before any job. False for lines that no
 * settings_print wrote. */
bool settings_restore(struct core *core, struct span lines, int64_t now_ms,
    int64_t wall_offset_ms);

#endif
