/* SPDX-License-Identifier: MIT */
/*
 * The end of the log: records gather in a frame, the frame is written in one
 * go. Where a record will lie is known before it is written, and the last
 * frames stay in memory, so that a body that was just put costs no read.
 */
#ifndef GSQ_QUEUE_STORE_LOG_WRITER_H
#define GSQ_QUEUE_STORE_LOG_WRITER_H

#include "base/span.h"
#include "queue/store_log_frame.h"
#include "queue/store_log_recovery.h"
#include "queue/store_log_segments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame in memory. */
struct image {
	uint32_t segment;
	uint32_t offset;
	char *bytes;  /* owned; two sectors more than room */
	size_t count; /* header and records */
	size_t room;
};

#define IMAGE_COUNT 8

struct writer {
	struct segments *segments;
	uint64_t log_id;
	uint32_t offset;   /* where in the head the next frame begins */
	uint64_t sequence; /* of the last frame written */
	uint64_t previous;
	uint64_t durable; /* frames up to that one are on the disk */
	uint64_t next_id;

	/* Where the log begins, and which of it the last whole batch says,
	 * with that sequence: what lies before may go once it is durable. */
	uint32_t first_segment;
	uint32_t said_first;
	uint64_t said_sequence;

	bool in_batch; /* frames of this batch are in the log already */
	bool is_quiet; /* the last frame was empty: all before is vouched for */
	uint64_t log_bytes; /* of all frames written */
	struct image images[IMAGE_COUNT];
	unsigned current; /* the one that gathers */
};

/* Goes on behind that end. */
void writer_init(struct writer *writer, struct segments *segments,
    uint64_t log_id, const struct log_end *end);
void writer_release(struct writer *writer);

/* Room for a record of up to that many bytes; it counts after
 * writer_added. May write what has gathered. */
int writer_room(struct writer *writer, size_t count, char **ret_at);
void writer_added(struct writer *writer, const char *end);

/* The place of a byte of the record that was just written. */
uint64_t writer_place(const struct writer *writer, const char *at);

/* Has the batch anything in it? */
bool writer_has_batch(const struct writer *writer);

/* Forgets what has gathered and is not written, and that segments were cleaned
 * whose jobs may have been in it. */
void writer_drop(struct writer *writer);

/* Writes the end of the batch, with an empty frame if nothing has gathered. */
int writer_end_batch(struct writer *writer);

/* Bytes of the last frames; false when they are not in memory. */
bool writer_recall(const struct writer *writer, uint64_t place, size_t count,
    struct span *ret_bytes);

/* What can still be written without another segment. */
uint64_t writer_free_bytes(const struct writer *writer);

#endif
