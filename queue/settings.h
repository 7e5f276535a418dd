/* SPDX-License-Identifier: MIT */
/*
 * What people have said of queues, as lines of text, and back; and how many
 * numbers of events are taken:
 *
 *     mail paused SINCE_WALL_MS UNTIL_WALL_MS UID
 *     mail draining
 *     * events THROUGH
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
int settings_print(struct buffer *lines, const struct core *core,
    uint64_t events_through, int64_t wall_offset_ms);

/* Tells the core what the lines say, before any job, and sets
 * *ret_events_through where they say that. False for lines that no
 * settings_print wrote. */
bool settings_restore(struct core *core, struct span lines, int64_t now_ms,
    int64_t wall_offset_ms, uint64_t *ret_events_through);

#endif
