/* SPDX-License-Identifier: MIT */
#include "queue/store_log_bodies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
bodies_init(struct bodies *bodies, const struct writer *writer)
{
	*bodies =
	    (struct bodies){ .writer = writer, .segments = writer->segments };
}

void
bodies_release(struct bodies *bodies)
{
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		free(bodies->blocks[i].bytes);
	free(bodies->large);
	memset(bodies->blocks, 0, sizeof(bodies->blocks));
	bodies->large = NULL;
	bodies->large_room = 0;
}

static const struct block *
find_block(const struct bodies *bodies, uint32_t segment, uint32_t offset,
    uint32_t count)
{
	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		const struct block *block = &bodies->blocks[i];
		if (block->segment == segment && offset >= block->start &&
		    offset - block->start + (uint64_t)count <= block->count)
			return block;
	}
	return NULL;
}

/* How much of a segment is written; the rest of the head will change. */
static uint32_t
written_bytes(const struct bodies *bodies, const struct segment *segment)
{
	const struct segment *head = segments_head(bodies->segments);
	if (segment->number == head->number)
		return bodies->writer->offset;
	return segment->number < head->number ? segment->bytes : 0;
}

static int
read_at(struct bodies *bodies, struct segment *segment, char *bytes,
    uint32_t offset, uint32_t count)
{
	int file;
	size_t done = 0;
	int error = segments_file(bodies->segments, segment, &file);
	if (error == 0)
		error = io_read(
		    bodies->segments->io, file, bytes, count, offset, &done);
	if (error == 0 && done < count)
		error = EBADMSG;
	return error;
}

static int
read_block(struct bodies *bodies, struct segment *segment, uint32_t offset)
{
	struct block *block = &bodies->blocks[bodies->oldest];
	uint32_t left = written_bytes(bodies, segment) - offset;
	block->segment = 0;
	if (block->bytes == NULL &&
	    (block->bytes = malloc(BLOCK_BYTES)) == NULL)
		return ENOMEM;
	block->start = offset;
	block->count = left < BLOCK_BYTES ? left : BLOCK_BYTES;
	int error =
	    read_at(bodies, segment, block->bytes, offset, block->count);
	if (error != 0)
		return error;
	block->segment = segment->number;
	bodies->oldest = (bodies->oldest + 1) % BLOCK_COUNT;
	return 0;
}

static int
read_large(struct bodies *bodies, struct segment *segment, uint32_t offset,
    uint32_t count)
{
	if (bodies->large_room < count) {
		free(bodies->large);
		bodies->large = malloc(count);
		bodies->large_room = bodies->large != NULL ? count : 0;
		if (bodies->large == NULL)
			return ENOMEM;
	}
	return read_at(bodies, segment, bodies->large, offset, count);
}

int
bodies_read(struct bodies *bodies, uint64_t place, uint32_t count,
    struct span *ret_bytes)
{
	uint32_t offset = place_offset(place);
	struct segment *segment =
	    segments_at(bodies->segments, place_segment(place));
	if (count == 0) {
		*ret_bytes = (struct span){ "", 0 };
		return 0;
	}
	if (writer_recall(bodies->writer, place, count, ret_bytes))
		return 0;
	uint32_t written = segment != NULL ? written_bytes(bodies, segment) : 0;
	if (offset > written || count > written - offset)
		return EBADMSG;
	if (count > BLOCK_BYTES / 4) {
		int error = read_large(bodies, segment, offset, count);
		if (error == 0)
			*ret_bytes = (struct span){ bodies->large, count };
		return error;
	}
	const struct block *block =
	    find_block(bodies, segment->number, offset, count);
	if (block == NULL) {
		int error = read_block(bodies, segment, offset);
		if (error != 0)
			return error;
		block = find_block(bodies, segment->number, offset, count);
	}
	*ret_bytes =
	    (struct span){ block->bytes + (offset - block->start), count };
	return 0;
}

int
bodies_read_head(struct bodies *bodies, uint64_t place,
    struct stored *ret_stored, uint32_t *ret_bytes)
{
	const struct segment *segment =
	    segments_at(bodies->segments, place_segment(place));
	uint32_t offset = place_offset(place);
	uint32_t written = segment != NULL ? written_bytes(bodies, segment) : 0;
	uint32_t count = RECORD_BYTES_MAX;
	struct span bytes;
	if (offset >= written)
		return EBADMSG;
	if (count > written - offset)
		count = written - offset;
	int error = bodies_read(bodies, place, count, &bytes);
	if (error != 0)
		return error;
	return record_read_head(bytes.bytes, bytes.bytes + bytes.count,
		   ret_stored, ret_bytes)
	    ? 0
	    : EBADMSG;
}
