/* SPDX-License-Identifier: MIT */
#include "queue/store_log_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Small enough that what was read is still in the processor's cache when it is
 * looked at. */
#define WINDOW_BYTES (256u * 1024)

void
reader_release(struct reader *reader)
{
	free(reader->window);
	*reader = (struct reader){ .segments = reader->segments };
}

void
reader_forget(struct reader *reader)
{
	reader->segment = 0;
}

static int
make_room(struct reader *reader, size_t count)
{
	if (reader->room >= count)
		return 0;
	char *window = realloc(reader->window, count);
	if (window == NULL)
		return ENOMEM;
	reader->window = window;
	reader->room = count;
	return 0;
}

/* Keeps what the window has of the bytes from there on. */
static size_t
keep_rest(struct reader *reader, const struct segment *segment, uint32_t offset)
{
	if (reader->segment != segment->number || offset < reader->start ||
	    offset - reader->start >= reader->count)
		return 0;
	size_t skip = offset - reader->start;
	memmove(reader->window, reader->window + skip, reader->count - skip);
	return reader->count - skip;
}

static int
fill(struct reader *reader, struct segment *segment, uint32_t offset,
    size_t count)
{
	size_t left = segment->bytes - offset, more = 0;
	size_t want = count > WINDOW_BYTES ? count : WINDOW_BYTES;
	int file;
	if (want > left)
		want = left;
	int error = make_room(reader, want);
	if (error != 0)
		return error;
	size_t kept = keep_rest(reader, segment, offset);
	reader_forget(reader);
	error = segments_file(reader->segments, segment, &file);
	if (error == 0)
		error = io_read(reader->segments->io, file,
		    reader->window + kept, want - kept, offset + kept, &more);
	if (error != 0)
		return error;
	reader->segment = segment->number;
	reader->start = offset;
	reader->count = kept + more;
	return 0;
}

int
reader_bytes(struct reader *reader, struct segment *segment, uint32_t offset,
    size_t count, const char **ret_bytes)
{
	*ret_bytes = NULL;
	if (offset > segment->bytes || count > segment->bytes - offset)
		return 0;
	if (reader->segment != segment->number || offset < reader->start ||
	    offset - reader->start + count > reader->count) {
		int error = fill(reader, segment, offset, count);
		if (error != 0)
			return error;
	}
	if (count <= reader->count)
		*ret_bytes = reader->window + (offset - reader->start);
	return 0;
}

int
reader_frame(struct reader *reader, struct segment *segment, uint32_t offset,
    uint64_t log_id, struct frame *ret_frame, const char **ret_payload)
{
	const char *bytes;
	*ret_payload = NULL;
	int error =
	    reader_bytes(reader, segment, offset, FRAME_HEADER_BYTES, &bytes);
	if (error != 0 || bytes == NULL)
		return error;
	if (!frame_read(bytes, log_id, ret_frame) ||
	    ret_frame->segment != segment->number ||
	    ret_frame->offset != offset)
		return 0;
	error = reader_bytes(reader, segment, offset,
	    frame_bytes(ret_frame->payload_bytes), &bytes);
	if (error != 0 || bytes == NULL)
		return error;
	if (frame_has_payload(ret_frame, bytes + FRAME_HEADER_BYTES))
		*ret_payload = bytes + FRAME_HEADER_BYTES;
	return 0;
}

int
walk_next(struct walk *walk, struct frame *ret_frame, const char **ret_payload)
{
	*ret_payload = NULL;
	struct segment *segment =
	    segments_at(walk->reader->segments, walk->segment);
	if (segment == NULL)
		return 0;
	int error = reader_frame(walk->reader, segment, walk->offset,
	    walk->log_id, ret_frame, ret_payload);
	if (error != 0 || *ret_payload == NULL)
		return error;
	if (!walk->any &&
	    (ret_frame->sequence != walk->sequence + 1 ||
		ret_frame->previous != walk->previous)) {
		*ret_payload = NULL;
		return 0;
	}
	walk->any = false;
	walk->sequence = ret_frame->sequence;
	walk->previous = ret_frame->checksum;
	walk->offset += (uint32_t)frame_bytes(ret_frame->payload_bytes);
	if ((ret_frame->flags & FRAME_SEAL) != 0) {
		walk->segment++;
		walk->offset = 0;
	}
	return 0;
}
