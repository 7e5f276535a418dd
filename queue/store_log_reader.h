/* SPDX-License-Identifier: MIT */
/*
 * Reads the log back: bytes through a window of its own, and frames in their
 * order, each checked against all that is known of it.
 */
#ifndef GSQ_QUEUE_STORE_LOG_READER_H
#define GSQ_QUEUE_STORE_LOG_READER_H

#include "queue/store_log_frame.h"
#include "queue/store_log_segments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one with segments set is ready. */
struct reader {
	struct segments *segments;
	char *window; /* owned */
	size_t room;
	uint32_t segment; /* whose bytes are in the window; 0: nobody's */
	uint32_t start;
	size_t count;
};

void reader_release(struct reader *reader);

/* Forgets what was read: it may have been written meanwhile. */
void reader_forget(struct reader *reader);

/* Bytes of a segment, good until the next call; NULL when the segment is
 * shorter. */
int reader_bytes(struct reader *reader, struct segment *segment,
    uint32_t offset, size_t count, const char **ret_bytes);

/* The frame at that place, if there is a good one: NULL payload otherwise. */
int reader_frame(struct reader *reader, struct segment *segment,
    uint32_t offset, uint64_t log_id, struct frame *ret_frame,
    const char **ret_payload);

/* Goes through the log frame by frame. */
struct walk {
	struct reader *reader;
	uint64_t log_id;
	uint32_t segment; /* where the next frame has to be */
	uint32_t offset;
	uint64_t sequence; /* of the frame before; with any: not known */
	uint64_t previous;
	bool any;
};

/* The next frame and its payload, good until the reader is used again. NULL
 * payload, and the walk stands still: there is none that goes on from the one
 * before. */
int walk_next(
    struct walk *walk, struct frame *ret_frame, const char **ret_payload);

#endif
