/* SPDX-License-Identifier: MIT */
/*
 * The files of the log. Segments are numbered in the order of the log; those
 * behind the head are spare.
 *
 *     first ... the log ... head, spare ...
 *
 * A segment is made with all its blocks, so that a write into it never finds
 * the disk full. The one that is no longer needed in front becomes a spare
 * behind, under a new number: its blocks were written once, and a sync after
 * writing over them changes no metadata and is one write of the disk.
 */
#ifndef GSQ_QUEUE_STORE_LOG_SEGMENTS_H
#define GSQ_QUEUE_STORE_LOG_SEGMENTS_H

#include "queue/io.h"

#include <stdbool.h>
#include <stdint.h>

/* The sizes of a store. */
struct log_sizes {
	/* The first segment, and no segment is smaller; each new one has an
	 * eighth of all before, up to the largest. A small queue stays small
	 * on the disk, a small disk can hold one, and what one segment more or
	 * less makes is never much. */
	uint32_t segment_bytes_min;
	uint32_t segment_bytes_max; /* at most SEGMENT_BYTES_MAX */

	/* On disk: at most twice what is alive, and this. */
	uint64_t slack_bytes;
};

extern const struct log_sizes log_sizes_default;

/* A place in the log: number of the segment and offset in one, which is also
 * the handle of a body. Never 0, as numbers start at 1. */
#define PLACE_OFFSET_BITS 26
#define SEGMENT_BYTES_MAX (1u << PLACE_OFFSET_BITS)

static inline uint64_t
place_of(uint32_t segment, uint32_t offset)
{
	return (uint64_t)segment << PLACE_OFFSET_BITS | offset;
}

static inline uint32_t
place_segment(uint64_t place)
{
	return (uint32_t)(place >> PLACE_OFFSET_BITS);
}

static inline uint32_t
place_offset(uint64_t place)
{
	return (uint32_t)place & (SEGMENT_BYTES_MAX - 1);
}

/* "segment-0000000007" */
#define SEGMENT_NAME_BYTES_MAX 32
void segment_name(char *name, uint32_t number);

/* No log gets that far; a name with a number above it is not ours, and numbers
 * behind it can still be given. */
#define SEGMENT_NUMBER_MAX (UINT32_MAX / 2)

/* The number in a name, or 0 when it is not a segment's. */
uint32_t segment_number(const char *name);

struct segment {
	uint32_t number;
	uint32_t bytes;
	uint32_t filled;  /* where blocks begin that were never written */
	uint64_t written; /* sequence of the last frame in it; 0: none yet */
	uint64_t synced;  /* of the last one that is durable */
	uint32_t torn;	  /* recovery: where a tail to be cut ends; else 0 */
	int file;	  /* -1: not open at the moment */
	bool ready;	  /* its name is durable */
};

struct segments {
	struct io *io;
	struct log_sizes sizes;
	struct segment *all; /* owned; numbers follow each other */
	uint32_t count;
	uint32_t room;
	uint32_t head; /* index */
	uint32_t open_count;
	uint32_t closes_next; /* index: whose file makes room for another */
	uint64_t bytes;	      /* of all files */
	uint32_t largest;     /* bytes */
};

void segments_init(
    struct segments *segments, struct io *io, const struct log_sizes *sizes);
void segments_release(struct segments *segments);

/* All files of segments there are, from the number first, in their order;
 * here, and only until segments_keep, numbers may be missing. */
int segments_find(struct segments *segments, uint32_t first);

/* Goes on with [from, to) alone; what is not kept stays on the disk. */
void segments_keep(struct segments *segments, uint32_t from, uint32_t to);

/* The segment with that number, or NULL. */
struct segment *segments_at(const struct segments *segments, uint32_t number);

static inline struct segment *
segments_head(const struct segments *segments)
{
	return &segments->all[segments->head];
}

/* The file of a segment, open until the next call at least. */
int segments_file(
    struct segments *segments, struct segment *segment, int *ret_file);

/* The size the next new segment would have. */
uint32_t segments_next_bytes(const struct segments *segments);

/* Makes another spare, a smaller one when the disk has no more; it is ready
 * after segments_names_synced. ENOSPC: not even that. */
int segments_add(struct segments *segments, uint32_t number_if_none);

/* The directory was synced, begun when that was the last number. */
void segments_names_synced(struct segments *segments, uint32_t last);

/* Is there one whose name is not durable? */
bool segments_names_dirty(const struct segments *segments);

/* Sees to it that there is a spare behind the head that is ready: where none
 * was made ahead of time, now. */
int segments_make_next(struct segments *segments);

/* The first segment, not the head, is not needed any more: it becomes a spare
 * or is removed. */
int segments_recycle_first(struct segments *segments);
int segments_remove_first(struct segments *segments);

/* Removes the last spare. */
int segments_remove_last(struct segments *segments);

#endif
