/* SPDX-License-Identifier: MIT */
/*
 * Reads bodies back from their places. A backlog is mostly delivered in the
 * order in which it came, so what is read at once serves the next hundreds.
 */
#ifndef GSQ_QUEUE_STORE_LOG_BODIES_H
#define GSQ_QUEUE_STORE_LOG_BODIES_H

#include "queue/record.h"
#include "queue/store_log_writer.h"

#define BLOCK_COUNT 8
#define BLOCK_BYTES (64u * 1024)

/* Bytes of a segment that are written and will not change. */
struct block {
	uint32_t segment; /* 0: none */
	uint32_t start;
	uint32_t count;
	char *bytes; /* owned, BLOCK_BYTES */
};

struct bodies {
	const struct writer *writer;
	struct segments *segments;
	struct block blocks[BLOCK_COUNT];
	unsigned oldest;
	char *large; /* owned; for what no block holds */
	size_t large_room;
};

void bodies_init(struct bodies *bodies, const struct writer *writer);
void bodies_release(struct bodies *bodies);

/* The bytes at a place, good until the next call. EBADMSG: the place is not
 * one of this log, or the log is shorter than it was. */
int bodies_read(struct bodies *bodies, uint64_t place, uint32_t count,
    struct span *ret_bytes);

/* The same of the record at a place, all but its body; *ret_bytes: where that
 * begins. */
int bodies_read_head(struct bodies *bodies, uint64_t place,
    struct stored *ret_stored, uint32_t *ret_bytes);

#endif
