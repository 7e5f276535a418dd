/* SPDX-License-Identifier: MIT */
#include "queue/store_log_recovery.h"

#include "base/planted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADVICE                                                       \
	"; nothing was changed. 'queue --check' tells more, 'queue " \
	"--salvage' keeps what can be read"

/* How far into a spare segment to look for frames: if it has begun, some are
 * near its beginning. */
#define SPARE_LOOK_BYTES (2u * 1024 * 1024)

#define PAGE_BYTES 4096u

void
recovery_init(struct recovery *recovery, struct io *io,
    struct segments *segments, char *reason, size_t reason_bytes)
{
	*recovery = (struct recovery){
		.io = io,
		.segments = segments,
		.reader.segments = segments,
		.ahead.segments = segments,
		.reason = reason,
		.reason_bytes = reason_bytes,
	};
	kept_jobs_init(&recovery->jobs);
}

void
recovery_release(struct recovery *recovery)
{
	free(recovery->leftovers);
	free(recovery->vouchers.all);
	free(recovery->voids.all);
	free(recovery->unsure);
	reader_release(&recovery->ahead);
	reader_release(&recovery->reader);
	kept_jobs_release(&recovery->jobs);
}

static int __attribute__((format(printf, 3, 4)))
explain(struct recovery *recovery, int error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(recovery->reason, recovery->reason_bytes, format, arguments);
	va_end(arguments);
	return error;
}

static int
explain_failure(struct recovery *recovery, int error, const char *what)
{
	return explain(recovery, error, "cannot %s: %s", what, strerror(error));
}

static int
explain_damage(struct recovery *recovery, uint32_t segment, uint32_t offset,
    const char *what)
{
	char name[SEGMENT_NAME_BYTES_MAX];
	segment_name(name, segment);
	return explain(recovery, EBADMSG,
	    "the store is damaged: '%s' at offset %" PRIu32 ": %s" ADVICE, name,
	    offset, what);
}

static int
explain_missing(struct recovery *recovery, uint32_t segment)
{
	char name[SEGMENT_NAME_BYTES_MAX];
	segment_name(name, segment);
	return explain(recovery, EBADMSG,
	    "the store is damaged: the file '%s' is missing" ADVICE, name);
}

/* ---- which files ---- */

static int
has_begun(struct recovery *recovery, struct segment *segment, bool *ret_begun)
{
	struct frame frame;
	const char *bytes;
	int error = reader_bytes(
	    &recovery->reader, segment, 0, FRAME_HEADER_BYTES, &bytes);
	if (error != 0)
		return explain_failure(recovery, error, "read a segment");
	*ret_begun = bytes != NULL &&
	    frame_read(bytes, recovery->format.log_id, &frame) &&
	    frame.segment == segment->number && frame.offset == 0;
	return 0;
}

static int
note_leftovers(struct recovery *recovery, uint32_t from, uint32_t to)
{
	struct segments *segments = recovery->segments;
	size_t count = segments->count - (to - from);
	if (count == 0)
		return 0;
	recovery->leftovers = calloc(count, sizeof(*recovery->leftovers));
	if (recovery->leftovers == NULL)
		return explain_failure(recovery, ENOMEM, "read the store");
	for (uint32_t i = 0; i < segments->count; i++)
		if (i < from || i >= to)
			recovery->leftovers[recovery->leftover_count++] =
			    segments->all[i].number;
	return 0;
}

static bool
is_next(const struct segments *segments, uint32_t index)
{
	return segments->all[index].number ==
	    segments->all[index - 1].number + 1;
}

/*
 * The log is the run of numbers that ends with the last segment that has
 * begun. In front of a gap lie segments that were given up before; their names
 * go in any order, and may come back after a power cut.
 */
static int
choose_segments(struct recovery *recovery)
{
	struct segments *segments = recovery->segments;
	uint32_t last = segments->count;
	bool begun = false;
	while (last > 0 && !begun) {
		int error = has_begun(recovery, &segments->all[--last], &begun);
		if (error != 0)
			return error;
	}
	if (segments->count == 0 ||
	    (!begun &&
		segments->all[0].number != recovery->format.first_segment))
		return explain_missing(
		    recovery, recovery->format.first_segment);
	uint32_t from = last, to = last + 1;
	while (from > 0 && is_next(segments, from))
		from--;
	while (to < segments->count && is_next(segments, to))
		to++;
	int error = note_leftovers(recovery, from, to);
	if (error == 0)
		segments_keep(segments, from, to);
	return error;
}

/* ---- reading ---- */

static int
apply(struct recovery *recovery, const struct frame *frame, const char *payload)
{
	const char *at = payload;
	const char *end = payload + frame->payload_bytes;
	uint32_t offset = frame->offset + FRAME_HEADER_BYTES;
	if (frame->next_id < recovery->next_id)
		return explain_damage(recovery, frame->segment, frame->offset,
		    "ids would be used again");
	recovery->next_id = frame->next_id;
	while (at < end) {
		struct stored stored;
		const char *record = at;
		uint32_t here = offset + (uint32_t)(record - payload);
		if (!record_read(&at, end, &stored) ||
		    stored.id >= frame->next_id)
			return explain_damage(recovery, frame->segment, here,
			    "no record of this version");
		int error = kept_jobs_apply(
		    &recovery->jobs, &stored, place_of(frame->segment, here));
		if (error == EBADMSG)
			return explain_damage(recovery, frame->segment, here,
			    "the name of a queue is none");
		if (error != 0)
			return explain_failure(
			    recovery, error, "keep the jobs in memory");
	}
	return 0;
}

/* Forgets the frames that are durable as this one says, and adds it. */
static int
note_unsure(struct recovery *recovery, const struct frame *frame)
{
	size_t kept = 0;
	for (size_t i = 0; i < recovery->unsure_count; i++)
		if (recovery->unsure[i].sequence > frame->synced_through ||
		    PLANTED(SYNCED_THROUGH_IGNORED))
			recovery->unsure[kept++] = recovery->unsure[i];
	recovery->unsure_count = kept;
	if (kept == recovery->unsure_room) {
		size_t room = kept ? 2 * kept : 16;
		struct unsure *unsure =
		    realloc(recovery->unsure, room * sizeof(*unsure));
		if (unsure == NULL)
			return explain_failure(
			    recovery, ENOMEM, "read the store");
		recovery->unsure = unsure;
		recovery->unsure_room = room;
	}
	recovery->unsure[recovery->unsure_count++] = (struct unsure){
		.sequence = frame->sequence,
		.segment = frame->segment,
		.offset = frame->offset,
		.bytes = (uint32_t)frame_bytes(frame->payload_bytes),
	};
	return 0;
}

static void
note_end(struct recovery *recovery, const struct walk *walk,
    const struct frame *frame)
{
	recovery->end = (struct log_end){
		.segment = walk->segment,
		.offset = walk->offset,
		.sequence = frame->sequence,
		.previous = frame->checksum,
		.synced_through = frame->synced_through,
		.next_id = frame->next_id,
		.first_segment = frame->first_segment,
	};
}

/* The sequence of the frame that ends the batch of this one, or 0 when it is
 * not there; the walk goes on from here and shows how far it came. */
static int
find_batch_end(struct recovery *recovery, struct walk *walk,
    const struct frame *frame, uint64_t *ret_sequence)
{
	struct frame next = *frame;
	const char *payload;
	walk->reader = &recovery->ahead;
	while ((next.flags & FRAME_CONTINUED) != 0) {
		int error = walk_next(walk, &next, &payload);
		if (error != 0)
			return explain_failure(
			    recovery, error, "read a segment");
		if (payload == NULL) {
			*ret_sequence = 0;
			return 0;
		}
	}
	*ret_sequence = next.sequence;
	return 0;
}

/* Applies whole batches, and leaves *walk where the log cannot be read on. */
static int
replay(struct recovery *recovery, struct walk *walk)
{
	uint64_t whole_through = 0;
	for (;;) {
		struct frame frame;
		const char *payload;
		int error = walk_next(walk, &frame, &payload);
		if (error != 0)
			return explain_failure(
			    recovery, error, "read a segment");
		if (payload == NULL)
			return 0;
		if (frame.sequence > whole_through) {
			struct walk ahead = *walk;
			error = find_batch_end(
			    recovery, &ahead, &frame, &whole_through);
			if (error != 0)
				return error;
			if (whole_through == 0) {
				*walk = ahead;
				return 0;
			}
		}
		error = apply(recovery, &frame, payload);
		if (error == 0)
			error = note_unsure(recovery, &frame);
		if (error != 0)
			return error;
		recovery->frames++;
		recovery->log_bytes += frame_bytes(frame.payload_bytes);
		if ((frame.flags & FRAME_CONTINUED) == 0)
			note_end(recovery, walk, &frame);
	}
}

/* ---- behind the end ---- */

/* What tells of frames that are not part of the log. */
struct trace {
	uint64_t synced_through; /* the highest of them all */
	uint32_t end;		 /* of the last one in this segment */
};

static int
note_place(struct recovery *recovery, struct places *places, uint32_t segment,
    uint32_t offset)
{
	if (places->count == places->room) {
		size_t room = places->room ? 2 * places->room : 16;
		struct place *all =
		    realloc(places->all, room * sizeof(*places->all));
		if (all == NULL)
			return explain_failure(
			    recovery, ENOMEM, "read the store");
		places->all = all;
		places->room = room;
	}
	places->all[places->count++] = (struct place){ segment, offset };
	return 0;
}

static int
look_at_sector(struct recovery *recovery, const struct segment *segment,
    uint32_t offset, const char *sector, struct trace *trace)
{
	struct frame frame;
	uint64_t log_id = recovery->format.log_id;
	uint64_t last = recovery->end.sequence;
	uint32_t end = offset + SECTOR_BYTES;
	if (frame_ended_by(sector, log_id, segment->number, offset) > last)
		trace->end = end;
	if (frame_is_void(sector, log_id, segment->number, offset))
		return note_place(
		    recovery, &recovery->voids, segment->number, offset);
	if (!frame_read(sector, log_id, &frame) ||
	    frame.segment != segment->number || frame.offset != offset ||
	    frame.sequence <= last)
		return 0;
	trace->end = end;
	if (frame.synced_through > trace->synced_through)
		trace->synced_through = frame.synced_through;
	if (frame.synced_through <= last)
		return 0;
	return note_place(
	    recovery, &recovery->vouchers, segment->number, offset);
}

static int
look_through(struct recovery *recovery, struct segment *segment,
    uint32_t offset, struct trace *trace)
{
	uint32_t end = segment->bytes;
	if (segment->number > recovery->end.segment && end > SPARE_LOOK_BYTES)
		end = SPARE_LOOK_BYTES;
	trace->end = offset;
	for (; offset + SECTOR_BYTES <= end; offset += SECTOR_BYTES) {
		const char *sector;
		int error = reader_bytes(
		    &recovery->reader, segment, offset, SECTOR_BYTES, &sector);
		if (error != 0)
			return explain_failure(
			    recovery, error, "read a segment");
		if (sector == NULL)
			return 0;
		error =
		    look_at_sector(recovery, segment, offset, sector, trace);
		if (error != 0)
			return error;
	}
	return 0;
}

/* Damage or a tail? The tail is from the end of the log to segment->torn, in
 * the segments behind from 0. */
static int
judge_tail(struct recovery *recovery, const struct walk *walk)
{
	struct trace trace = { 0 };
	struct segments *segments = recovery->segments;
	for (uint32_t i = 0; i < segments->count; i++) {
		struct segment *segment = &segments->all[i];
		uint32_t offset = 0;
		if (segment->number < recovery->end.segment)
			continue;
		if (segment->number == recovery->end.segment)
			offset = recovery->end.offset;
		int error = look_through(recovery, segment, offset, &trace);
		if (error != 0)
			return error;
		if (trace.end > offset) {
			segment->torn = trace.end;
			recovery->torn_bytes += trace.end - offset;
		}
	}
	if (trace.synced_through > walk->sequence &&
	    !PLANTED(SYNCED_THROUGH_IGNORED))
		return explain_damage(recovery, walk->segment, walk->offset,
		    "what was durable here cannot be read");
	return 0;
}

static int
judge_place(void *context, const struct kept *kept)
{
	struct recovery *recovery = context;
	uint32_t segment = place_segment(kept->full);
	if (segment >= recovery->end.first_segment)
		return 0;
	return explain_damage(recovery, segment, place_offset(kept->full),
	    "a job is in front of where the log is said to begin");
}

/* The segments in front are still there and are about to be given up: no job
 * may need them any more. */
static int
judge_places(struct recovery *recovery)
{
	int error = kept_jobs_each(&recovery->jobs, judge_place, recovery);
	if (error == ENOMEM)
		return explain_failure(recovery, error, "read the store");
	return error;
}

static int
read_log(struct recovery *recovery)
{
	const struct segments *segments = recovery->segments;
	uint32_t first = segments->all[0].number;
	struct walk walk = {
		.reader = &recovery->reader,
		.log_id = recovery->format.log_id,
		.segment = first,
		.any = first != recovery->format.first_segment,
	};
	recovery->end = (struct log_end){ .segment = first,
		.next_id = 1,
		.first_segment = recovery->format.first_segment };
	int error = replay(recovery, &walk);
	if (error != 0)
		return error;
	/* A segment is the first one only once a frame behind its own first
	 * frame is durable. */
	if (walk.any)
		return explain_damage(recovery, walk.segment, walk.offset,
		    "the log does not begin here");
	if (recovery->end.first_segment < first)
		return explain_missing(recovery, recovery->end.first_segment);
	/* A segment ends with the word that it goes on in the next, which was
	 * there before that. */
	if (segments_at(segments, walk.segment) == NULL)
		return explain_missing(recovery, walk.segment);
	if (recovery->end.offset > SEGMENT_BYTES_MAX - SECTOR_BYTES)
		return explain_damage(recovery, walk.segment, walk.offset,
		    "the log does not say where it goes on");
	error = judge_tail(recovery, &walk);
	if (error == 0 && recovery->end.first_segment > first)
		error = judge_places(recovery);
	return error;
}

/* A format file is written after the first segment: where it is missing and
 * frames are there, it was lost. */
static int
judge_empty(struct recovery *recovery)
{
	struct segments *segments = recovery->segments;
	for (uint32_t i = 0; i < segments->count; i++) {
		const char *bytes;
		struct frame frame;
		int error = reader_bytes(&recovery->reader, &segments->all[i],
		    0, FRAME_HEADER_BYTES, &bytes);
		if (error != 0)
			return explain_failure(
			    recovery, error, "read a segment");
		if (bytes != NULL && frame_read(bytes, 0, &frame))
			return explain(recovery, EBADMSG,
			    "the store is damaged: the file '" FORMAT_NAME
			    "' is missing" ADVICE);
	}
	segments_keep(segments, 0, 0);
	return ENOENT;
}

int
recovery_read(struct recovery *recovery)
{
	int error = format_read(recovery->io, &recovery->format,
	    recovery->reason, recovery->reason_bytes);
	if (error != 0 && error != ENOENT)
		return error;
	bool is_new = error == ENOENT;
	error = segments_find(
	    recovery->segments, is_new ? 1 : recovery->format.first_segment);
	if (error != 0)
		return explain_failure(recovery, error, "find the segments");
	if (is_new)
		return judge_empty(recovery);
	error = choose_segments(recovery);
	if (error == 0)
		error = read_log(recovery);
	return error;
}

/* ---- repair ---- */

/* Writes the same bytes again. After a sync that failed the kernel takes them
 * for written, and would not write them at the next one. */
static int
write_again(struct recovery *recovery, const struct unsure *unsure)
{
	struct segment *segment =
	    segments_at(recovery->segments, unsure->segment);
	const char *bytes = NULL;
	int file;
	int error = reader_bytes(
	    &recovery->reader, segment, unsure->offset, unsure->bytes, &bytes);
	if (error == 0 && bytes == NULL)
		error = EIO;
	if (error == 0)
		error = segments_file(recovery->segments, segment, &file);
	if (error != 0)
		return error;
	struct iovec part = { (char *)(uintptr_t)bytes, unsure->bytes };
	segment->written = unsure->sequence;
	return io_write(recovery->io, file, &part, 1, unsure->offset);
}

static int
write_void(struct recovery *recovery, struct segment *segment, uint32_t offset)
{
	char sector[SECTOR_BYTES];
	struct iovec part = { sector, sizeof(sector) };
	int file;
	int error = segments_file(recovery->segments, segment, &file);
	if (error != 0)
		return error;
	frame_make_void(
	    sector, recovery->format.log_id, segment->number, offset);
	return io_write(recovery->io, file, &part, 1, offset);
}

static int
sync_segment(struct recovery *recovery, struct segment *segment)
{
	int file;
	int error = segments_file(recovery->segments, segment, &file);
	return error != 0 ? error : recovery->io->sync(recovery->io, file);
}

/* A start of before cut something off here, and it may not be on the disk that
 * it is gone. */
static int
cut_again(struct recovery *recovery)
{
	const struct places *voids = &recovery->voids;
	int error = 0;
	for (size_t i = 0; i < voids->count && error == 0; i++) {
		const struct place *place = &voids->all[i];
		struct segment *segment =
		    segments_at(recovery->segments, place->segment);
		error = write_void(recovery, segment, place->offset);
		bool is_last = i + 1 == voids->count ||
		    voids->all[i + 1].segment != place->segment;
		if (error == 0 && is_last)
			error = sync_segment(recovery, segment);
	}
	return error;
}

/* If one of these outlived a death in the middle of this, and what it speaks
 * for did not, the tail would look like damage: so each is gone for good before
 * anything in front of it goes. */
static int
cut_vouchers(struct recovery *recovery)
{
	const struct places *vouchers = &recovery->vouchers;
	int error = 0;
	for (size_t i = vouchers->count; i > 0 && error == 0; i--) {
		const struct place *place = &vouchers->all[i - 1];
		struct segment *segment =
		    segments_at(recovery->segments, place->segment);
		error = write_void(recovery, segment, place->offset);
		if (error == 0)
			error = sync_segment(recovery, segment);
	}
	return error;
}

/* Where the tail begins in that segment. */
static uint32_t
tail_offset(const struct recovery *recovery, const struct segment *segment)
{
	return segment->number == recovery->end.segment ? recovery->end.offset
							: 0;
}

static int
cut_tail(struct recovery *recovery)
{
	int error = cut_again(recovery);
	if (error == 0)
		error = cut_vouchers(recovery);
	for (uint32_t i = 0; i < recovery->segments->count && error == 0; i++) {
		struct segment *segment = &recovery->segments->all[i];
		uint32_t at = tail_offset(recovery, segment);
		for (; at < segment->torn && error == 0; at += SECTOR_BYTES)
			error = write_void(recovery, segment, at);
	}
	return error;
}

/* It is gone for good; now it does not have to be seen any more, and whatever
 * of that reaches the disk is right. */
static int
clear_tail(struct recovery *recovery)
{
	static char zeros[64 * 1024];
	int error = 0;
	for (uint32_t i = 0; i < recovery->segments->count; i++) {
		struct segment *segment = &recovery->segments->all[i];
		uint32_t at = tail_offset(recovery, segment);
		int file;
		while (at < segment->torn && error == 0) {
			uint32_t left = segment->torn - at;
			struct iovec part = { zeros,
				left < sizeof(zeros) ? left : sizeof(zeros) };
			uint32_t step = (uint32_t)part.iov_len;
			error =
			    segments_file(recovery->segments, segment, &file);
			if (error == 0)
				error =
				    io_write(recovery->io, file, &part, 1, at);
			at += step;
		}
		segment->torn = 0;
	}
	return error;
}

static int
sync_all(struct recovery *recovery)
{
	struct segments *segments = recovery->segments;
	for (uint32_t i = 0; i < segments->count; i++) {
		struct segment *segment = &segments->all[i];
		if (segment->written == 0 && segment->torn == 0)
			continue;
		int error = sync_segment(recovery, segment);
		if (error != 0)
			return error;
		segment->synced = segment->written;
	}
	return 0;
}

static int
remove_leftovers(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->leftover_count; i++) {
		char name[SEGMENT_NAME_BYTES_MAX];
		segment_name(name, recovery->leftovers[i]);
		int error = recovery->io->remove(recovery->io, name);
		if (error != 0 && error != ENOENT)
			return error;
	}
	return recovery->io->sync(recovery->io, IO_DIRECTORY);
}

/* The head has room to say that the log goes on in the next segment; sizes are
 * whole pages. */
static uint32_t
bytes_needed(const struct recovery *recovery, const struct segment *segment)
{
	uint32_t bytes = recovery->segments->sizes.segment_bytes_min;
	uint32_t end = recovery->end.offset + SECTOR_BYTES;
	if (segment->number == recovery->end.segment && bytes < end)
		bytes = (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return bytes;
}

static int
restore_size(struct recovery *recovery, struct segment *segment)
{
	struct segments *segments = recovery->segments;
	uint32_t bytes = bytes_needed(recovery, segment);
	int file;
	if (segment->bytes >= bytes)
		return 0;
	int error = segments_file(segments, segment, &file);
	if (error == 0)
		error = recovery->io->allocate(recovery->io, file, bytes);
	if (error == 0) {
		segments->bytes += bytes - segment->bytes;
		segment->bytes = bytes;
	}
	return error;
}

/* The name of a segment may have reached the disk without its size. A full
 * disk can do without spares, not without a head. They go when no tail is left
 * that goes on in them. */
static int
restore_spares(struct recovery *recovery)
{
	struct segments *segments = recovery->segments;
	for (uint32_t i = segments->head + 1; i < segments->count; i++) {
		int error = restore_size(recovery, &segments->all[i]);
		if (error == 0)
			continue;
		while (segments->count > i) {
			error = segments_remove_last(segments);
			if (error != 0)
				return error;
		}
	}
	return 0;
}

int
recovery_repair(struct recovery *recovery)
{
	struct segment *head =
	    segments_at(recovery->segments, recovery->end.segment);
	recovery->segments->head = (uint32_t)(head - recovery->segments->all);
	int error = restore_size(recovery, head);
	for (size_t i = 0; i < recovery->unsure_count && error == 0; i++)
		error = write_again(recovery, &recovery->unsure[i]);
	if (error == 0)
		error = cut_tail(recovery);
	if (error == 0)
		error = sync_all(recovery);
	if (error == 0)
		error = clear_tail(recovery);
	if (error == 0)
		error = restore_spares(recovery);
	if (error == 0)
		error = remove_leftovers(recovery);
	if (error != 0)
		return explain_failure(
		    recovery, error, "make durable what the store keeps");
	head->filled = recovery->end.offset;
	return 0;
}
