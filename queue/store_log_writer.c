/* SPDX-License-Identifier: MIT */
#include "queue/store_log_writer.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A batch that grows beyond is written in several frames, so that the memory
 * it takes has a bound. */
#define FRAME_PAYLOAD_BYTES (480u * 1024)

/* An image that grew larger gives its memory back when it is used again. */
#define IMAGE_BYTES_KEPT (128u * 1024)

#define PAGE_BYTES 4096u

/*
 * Blocks of a new segment are set aside but hold nothing, and the first write
 * into one makes the sync write metadata too: 5,000 syncs a second instead of
 * 8,000. So a small frame that arrives at the first such block takes some
 * zeros along, and the frames behind it find blocks that were written. Large
 * frames do not: they would write everything twice, to save a few syncs.
 */
#define FILL_BYTES	(256u * 1024)
#define SMALL_FRAME_MAX (8u * 1024)

#define ZEROS_BYTES (64u * 1024)

void
writer_init(struct writer *writer, struct segments *segments, uint64_t log_id,
    const struct log_end *end)
{
	*writer = (struct writer){
		.segments = segments,
		.log_id = log_id,
		.offset = end->offset,
		.sequence = end->sequence,
		.previous = end->previous,
		.durable = end->sequence,
		.next_id = end->next_id,
		.first_segment = end->first_segment,
		.said_first = end->first_segment,
		.said_sequence = end->sequence,
	};
}

void
writer_release(struct writer *writer)
{
	for (unsigned i = 0; i < IMAGE_COUNT; i++)
		free(writer->images[i].bytes);
	memset(writer->images, 0, sizeof(writer->images));
}

static struct image *
current_image(struct writer *writer)
{
	return &writer->images[writer->current];
}

static size_t
payload_bytes(const struct writer *writer)
{
	size_t count = writer->images[writer->current].count;
	return count > FRAME_HEADER_BYTES ? count - FRAME_HEADER_BYTES : 0;
}

static void
next_image(struct writer *writer)
{
	writer->current = (writer->current + 1) % IMAGE_COUNT;
	struct image *image = current_image(writer);
	if (image->room > IMAGE_BYTES_KEPT) {
		free(image->bytes);
		*image = (struct image){ 0 };
	}
	image->count = 0;
	image->segment = 0;
}

/* ---- writing ---- */

/* Where the write of a frame that ends there shall end. Whole pages: the
 * kernel would have to read the rest of a page that it does not know. */
static uint32_t
end_of_write(const struct segment *head, uint32_t end, size_t count)
{
	uint32_t until = (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	if (until > head->filled && count <= SMALL_FRAME_MAX)
		until += FILL_BYTES;
	return until < head->bytes ? until : head->bytes;
}

static int
write_out(struct writer *writer, const struct image *image, size_t count)
{
	static char zeros[ZEROS_BYTES];
	struct segment *head = segments_head(writer->segments);
	struct iovec parts[2 + (PAGE_BYTES + FILL_BYTES) / ZEROS_BYTES + 1];
	int part_count = 1, file;
	uint32_t end = image->offset + (uint32_t)count;
	uint32_t until = end_of_write(head, end, count);
	parts[0] = (struct iovec){ image->bytes, count };
	for (uint32_t at = end; at < until;) {
		uint32_t left = until - at;
		uint32_t step = left < ZEROS_BYTES ? left : ZEROS_BYTES;
		parts[part_count++] = (struct iovec){ zeros, step };
		at += step;
	}
	int error = segments_file(writer->segments, head, &file);
	if (error == 0)
		error = io_write(writer->segments->io, file, parts, part_count,
		    image->offset);
	if (error != 0)
		return error;
	if (until > head->filled)
		head->filled = until;
	writer->log_bytes += count;
	return 0;
}

static int
make_room(struct image *image, size_t count)
{
	if (image->room >= count && image->bytes != NULL)
		return 0;
	size_t room = image->room ? image->room : 4 * SECTOR_BYTES;
	while (room < count)
		room *= 2;
	char *bytes = realloc(image->bytes, room + 2 * SECTOR_BYTES);
	if (bytes == NULL)
		return ENOMEM;
	image->bytes = bytes;
	image->room = room;
	return 0;
}

/* Begins to gather, at the place that is next. */
static int
begin_frame(struct writer *writer)
{
	struct image *image = current_image(writer);
	int error = make_room(image, FRAME_HEADER_BYTES);
	if (error != 0)
		return error;
	image->segment = segments_head(writer->segments)->number;
	image->offset = writer->offset;
	image->count = FRAME_HEADER_BYTES;
	return 0;
}

static int
end_frame(struct writer *writer, unsigned flags)
{
	struct image *image = current_image(writer);
	struct segment *head = segments_head(writer->segments);
	struct frame frame = {
		.log_id = writer->log_id,
		.sequence = writer->sequence + 1,
		.previous = writer->previous,
		.synced_through = writer->durable,
		.next_id = writer->next_id,
		.first_segment = writer->first_segment,
		.segment = image->segment,
		.offset = image->offset,
		.payload_bytes = (uint32_t)payload_bytes(writer),
		.flags = (uint16_t)flags,
	};
	size_t count = frame_bytes(frame.payload_bytes);
	CHECK(image->offset + count <= head->bytes);
	frame_close(image->bytes, &frame);
	head->written = frame.sequence;
	int error = write_out(writer, image, count);
	if (error != 0)
		return error;
	writer->sequence = frame.sequence;
	writer->previous = frame.checksum;
	writer->offset += (uint32_t)count;
	writer->in_batch = (flags & FRAME_CONTINUED) != 0;
	writer->is_quiet = flags == 0 && frame.payload_bytes == 0;
	if (!writer->in_batch && frame.first_segment != writer->said_first) {
		writer->said_first = frame.first_segment;
		writer->said_sequence = frame.sequence;
	}
	next_image(writer);
	return 0;
}

/* ---- segments ---- */

/* Would a frame with that much payload leave room for the seal? */
static bool
fits(const struct writer *writer, size_t payload)
{
	return writer->offset + frame_bytes(payload) + SECTOR_BYTES <=
	    segments_head(writer->segments)->bytes;
}

/* Goes on in the next segment, and says so in this one. */
static int
roll(struct writer *writer)
{
	int error = 0;
	if (payload_bytes(writer) > 0)
		error = end_frame(writer, FRAME_CONTINUED);
	/* The next one must be there before the log says that it goes on. */
	if (error == 0)
		error = segments_make_next(writer->segments);
	if (error == 0)
		error = begin_frame(writer);
	if (error == 0)
		error = end_frame(writer,
		    FRAME_SEAL | (writer->in_batch ? FRAME_CONTINUED : 0));
	if (error != 0)
		return error;
	writer->segments->head++;
	writer->offset = 0;
	return 0;
}

int
writer_room(struct writer *writer, size_t count, char **ret_at)
{
	size_t payload = payload_bytes(writer);
	int error = 0;
	if (payload > 0 && payload + count > FRAME_PAYLOAD_BYTES &&
	    fits(writer, payload)) {
		error = end_frame(writer, FRAME_CONTINUED);
		payload = 0;
	}
	if (error == 0 && !fits(writer, payload + count)) {
		error = roll(writer);
		payload = 0;
		if (error == 0 && !fits(writer, count))
			error = EFBIG;
	}
	if (error == 0 && payload == 0)
		error = begin_frame(writer);
	struct image *image = current_image(writer);
	if (error == 0)
		error = make_room(image, image->count + count);
	if (error == 0)
		*ret_at = image->bytes + image->count;
	return error;
}

void
writer_added(struct writer *writer, const char *end)
{
	struct image *image = current_image(writer);
	CHECK(end >= image->bytes + image->count &&
	    end <= image->bytes + image->room);
	image->count = (size_t)(end - image->bytes);
}

uint64_t
writer_place(const struct writer *writer, const char *at)
{
	const struct image *image = &writer->images[writer->current];
	return place_of(
	    image->segment, image->offset + (uint32_t)(at - image->bytes));
}

bool
writer_has_batch(const struct writer *writer)
{
	return writer->in_batch || payload_bytes(writer) > 0;
}

void
writer_drop(struct writer *writer)
{
	/* Among it may be what was written again: where the log begins is said
	 * by what is written, and stays so. */
	if (payload_bytes(writer) > 0)
		writer->first_segment = writer->said_first;
	current_image(writer)->count = 0;
}

int
writer_end_batch(struct writer *writer)
{
	int error = 0;
	if (payload_bytes(writer) == 0) {
		if (!fits(writer, 0))
			error = roll(writer);
		if (error == 0)
			error = begin_frame(writer);
	}
	if (error == 0)
		error = end_frame(writer, 0);
	return error;
}

/* ---- questions ---- */

bool
writer_recall(const struct writer *writer, uint64_t place, size_t count,
    struct span *ret_bytes)
{
	uint32_t segment = place_segment(place), offset = place_offset(place);
	for (unsigned i = 0; i < IMAGE_COUNT; i++) {
		const struct image *image = &writer->images[i];
		if (image->segment != segment || offset < image->offset ||
		    offset - image->offset + count > image->count)
			continue;
		*ret_bytes =
		    (struct span){ image->bytes + (offset - image->offset),
			    count };
		return true;
	}
	return false;
}

uint64_t
writer_free_bytes(const struct writer *writer)
{
	const struct segments *segments = writer->segments;
	size_t payload = payload_bytes(writer);
	uint64_t bytes = segments_head(segments)->bytes - writer->offset;
	if (payload > 0)
		bytes -= frame_bytes(payload);
	for (uint32_t i = segments->head + 1; i < segments->count; i++)
		bytes += segments->all[i].bytes;
	return bytes;
}
