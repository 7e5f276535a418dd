/* SPDX-License-Identifier: MIT */
/*
 * For people with a damaged store: what is wrong, and a new store of what can
 * be read. Both look at every sector where a frame may begin, and take each
 * good frame that goes on from an earlier one.
 */
#include "queue/store_log.h"

#include "core/job.h"
#include "queue/record.h"
#include "queue/store_log_recovery.h"
#include "queue/store_log_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES   512
#define DAMAGED_NAME "damaged-%s"

struct check {
	struct io *io;
	store_log_say *say;
	void *context;
	struct segments segments;
	struct recovery recovery;
	char reason[LINE_BYTES];
};

static void __attribute__((format(printf, 2, 3)))
report(const struct check *check, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	check->say(check->context, line);
}

static void
check_init(struct check *check, struct io *io, const struct log_sizes *sizes,
    store_log_say *say, void *context)
{
	*check = (struct check){ .io = io, .say = say, .context = context };
	segments_init(&check->segments, io, sizes);
	recovery_init(&check->recovery, io, &check->segments, check->reason,
	    sizeof(check->reason));
}

static void
check_release(struct check *check)
{
	recovery_release(&check->recovery);
	segments_release(&check->segments);
}

/* ---- every frame there is ---- */

struct survey {
	struct check *check;
	uint64_t log_id; /* 0: that of the first frame */
	uint64_t sequence;
	uint64_t next_id;
	uint64_t frames;
	uint64_t lost_frames; /* known to be missing between others */
	struct kept_jobs jobs;
};

static void
survey_init(struct survey *survey, struct check *check, uint64_t log_id)
{
	*survey =
	    (struct survey){ .check = check, .log_id = log_id, .next_id = 1 };
	kept_jobs_init(&survey->jobs);
}

static int
take_records(
    struct survey *survey, const struct frame *frame, const char *payload)
{
	const char *at = payload, *end = payload + frame->payload_bytes;
	while (at < end) {
		struct stored stored;
		const char *record = at;
		int error = EBADMSG;
		uint32_t offset = frame->offset + FRAME_HEADER_BYTES +
		    (uint32_t)(record - payload);
		if (record_read(&at, end, &stored) &&
		    stored.id < frame->next_id)
			error = kept_jobs_apply(&survey->jobs, &stored,
			    place_of(frame->segment, offset));
		if (error == EBADMSG) {
			char name[SEGMENT_NAME_BYTES_MAX];
			segment_name(name, frame->segment);
			report(survey->check,
			    "'%s' offset %" PRIu32 ": not a record; the rest "
			    "of its frame is left out",
			    name, offset);
			return 0;
		}
		if (error != 0)
			return error;
		if (stored.id >= survey->next_id)
			survey->next_id = stored.id + 1;
	}
	return 0;
}

static int
take_frame(
    struct survey *survey, const struct frame *frame, const char *payload)
{
	uint64_t gap = frame->sequence - survey->sequence - 1;
	char name[SEGMENT_NAME_BYTES_MAX];
	segment_name(name, frame->segment);
	if (survey->frames > 0 && gap > 0) {
		report(survey->check,
		    "in front of '%s' offset %" PRIu32 ": %" PRIu64
		    " frame(s) cannot be read (%" PRIu64 " to %" PRIu64 ")",
		    name, frame->offset, gap, survey->sequence + 1,
		    frame->sequence - 1);
		survey->lost_frames += gap;
	} else if (survey->frames == 0) {
		report(survey->check,
		    "the first frame is number %" PRIu64
		    ", in '%s' at offset %" PRIu32,
		    frame->sequence, name, frame->offset);
	}
	survey->log_id = frame->log_id;
	survey->sequence = frame->sequence;
	survey->frames++;
	if (frame->next_id > survey->next_id)
		survey->next_id = frame->next_id;
	return take_records(survey, frame, payload);
}

static int
survey_segment(struct survey *survey, struct segment *segment)
{
	uint32_t offset = 0;
	while (offset + SECTOR_BYTES <= segment->bytes) {
		struct frame frame;
		const char *payload;
		int error = reader_frame(&survey->check->recovery.ahead,
		    segment, offset, survey->log_id, &frame, &payload);
		if (error == 0 && payload != NULL &&
		    frame.sequence > survey->sequence) {
			error = take_frame(survey, &frame, payload);
			offset += (uint32_t)frame_bytes(frame.payload_bytes);
		} else {
			offset += SECTOR_BYTES;
		}
		if (error != 0)
			return error;
	}
	return 0;
}

/* A disk that cannot be read here can perhaps be read there. */
static int
survey_all(struct survey *survey)
{
	struct segments *segments = &survey->check->segments;
	for (uint32_t i = 0; i < segments->count; i++) {
		struct segment *segment = &segments->all[i];
		int error = survey_segment(survey, segment);
		char name[SEGMENT_NAME_BYTES_MAX];
		segment_name(name, segment->number);
		if (error == ENOMEM)
			return error;
		if (error != 0)
			report(survey->check,
			    "'%s' cannot be read to its end: %s", name,
			    strerror(error));
	}
	char text[KEPT_JOBS_TEXT_BYTES];
	report(survey->check,
	    "%" PRIu64 " frames can be read, %" PRIu64
	    " between them cannot; they amount to %s",
	    survey->frames, survey->lost_frames,
	    kept_jobs_print(&survey->jobs, text));
	return 0;
}

/* All segments, in the order of their numbers, gaps or not. */
static int
find_all(struct check *check, uint64_t *ret_log_id)
{
	struct format format = { .first_segment = 1 };
	char reason[LINE_BYTES];
	int error = format_read(check->io, &format, reason, sizeof(reason));
	if (error == EPROTONOSUPPORT)
		return error;
	if (error != 0)
		report(check,
		    "the file '" FORMAT_NAME
		    "' cannot be used; its frames tell which log "
		    "it is");
	*ret_log_id = format.log_id;
	segments_release(&check->segments);
	segments_init(&check->segments, check->io, &check->segments.sizes);
	return segments_find(&check->segments, format.first_segment);
}

/* ---- check ---- */

static void
report_sound(const struct check *check)
{
	const struct recovery *recovery = &check->recovery;
	char name[SEGMENT_NAME_BYTES_MAX];
	char text[KEPT_JOBS_TEXT_BYTES];
	segment_name(name, recovery->end.segment);
	report(check,
	    "%" PRIu32 " segments of %" PRIu64 " bytes; the log has %" PRIu64
	    " frames and ends in '%s' at offset %" PRIu32,
	    check->segments.count, check->segments.bytes, recovery->frames,
	    name, recovery->end.offset);
	report(check, "%s; the next id is %" PRIu64,
	    kept_jobs_print(&recovery->jobs, text), recovery->end.next_id);
	if (recovery->torn_bytes > 0)
		report(check,
		    "behind its end are %" PRIu64 " bytes of a write that was "
		    "not finished; nobody was told that it was safe, and the "
		    "next start cuts them",
		    recovery->torn_bytes);
	report(check, "the store is sound");
}

static int
report_damage(struct check *check, int error)
{
	struct survey survey;
	uint64_t log_id = 0;
	report(check, "%s", check->reason);
	if (error != EBADMSG)
		return error;
	survey_init(&survey, check, 0);
	if (find_all(check, &log_id) == 0) {
		survey.log_id = log_id;
		survey_all(&survey);
	}
	kept_jobs_release(&survey.jobs);
	return error;
}

static int
look(struct check *check)
{
	int error =
	    check->io->claim(check->io, check->reason, sizeof(check->reason));
	if (error == 0)
		error = recovery_read(&check->recovery);
	if (error == ENOENT)
		snprintf(check->reason, sizeof(check->reason),
		    "there is no store in the directory");
	return error;
}

int
store_log_check_on(struct io *io, const struct log_sizes *sizes,
    store_log_say *say, void *context)
{
	struct check check;
	if (io == NULL)
		return ENOMEM;
	check_init(&check, io, sizes, say, context);
	int error = look(&check);
	if (error == 0)
		report_sound(&check);
	else
		error = report_damage(&check, error);
	check_release(&check);
	io->free(io);
	return error;
}

int
store_log_check(const char *directory, store_log_say *say, void *context)
{
	return store_log_check_on(
	    io_disk_open(directory), &log_sizes_default, say, context);
}

/* ---- salvage ---- */

struct copying {
	struct check *check;
	struct writer *writer;
};

/* Bytes that were good a moment ago, or the frame would not have been taken;
 * at most that many. Good until the next call. */
static int
read_place(
    struct check *check, uint64_t place, uint32_t count, struct span *ret_bytes)
{
	struct segment *segment = NULL;
	uint32_t offset = place_offset(place);
	const char *bytes = NULL;
	for (uint32_t i = 0; i < check->segments.count; i++)
		if (check->segments.all[i].number == place_segment(place))
			segment = &check->segments.all[i];
	if (segment == NULL || offset >= segment->bytes)
		return EBADMSG;
	if (count > segment->bytes - offset)
		count = segment->bytes - offset;
	int error = reader_bytes(
	    &check->recovery.reader, segment, offset, count, &bytes);
	if (error == 0 && bytes == NULL)
		error = EBADMSG;
	*ret_bytes = (struct span){ bytes, count };
	return error;
}

/* What is told of a job outlives the next read. */
struct head {
	struct stored stored;
	char bytes[RECORD_BYTES_MAX];
	uint32_t body_at; /* how far behind its place */
};

static int
keep_head(struct check *check, uint64_t place, struct head *head)
{
	struct span bytes;
	int error = read_place(check, place, RECORD_BYTES_MAX, &bytes);
	if (error != 0)
		return error;
	memcpy(head->bytes, bytes.bytes, bytes.count);
	return record_read_head(head->bytes, head->bytes + bytes.count,
		   &head->stored, &head->body_at)
	    ? 0
	    : EBADMSG;
}

static int
copy_record(
    struct copying *copying, const struct record *record, struct span body)
{
	char *at;
	int error =
	    writer_room(copying->writer, RECORD_BYTES_MAX + body.count, &at);
	if (error == 0)
		writer_added(
		    copying->writer, record_write_full(at, record, body));
	return error;
}

static int
copy_job(void *context, const struct kept *kept)
{
	struct copying *copying = context;
	struct head full, last;
	struct job job;
	struct record record;
	uint64_t aliases[ALIASES_MAX];
	struct span body = { 0 };
	int error = keep_head(copying->check, kept->full, &full);
	if (error == 0 && kept->state != 0)
		error = keep_head(copying->check, kept->state, &last);
	if (error != 0)
		return error;
	const struct stored *stored =
	    kept->state != 0 ? &last.stored : &full.stored;
	record_restore(&full.stored, stored, &job, aliases, &record);
	if (job.body_bytes > 0)
		error = read_place(copying->check, kept->full + full.body_at,
		    job.body_bytes, &body);
	return error != 0 ? error : copy_record(copying, &record, body);
}

static int
sync_copies(struct check *check, struct segments *fresh)
{
	int error = 0;
	for (uint32_t i = 0; i < fresh->count && error == 0; i++) {
		int file;
		error = segments_file(fresh, &fresh->all[i], &file);
		if (error == 0)
			error = check->io->sync(check->io, file);
	}
	return error != 0 ? error : check->io->sync(check->io, IO_DIRECTORY);
}

/* The jobs as a log of their own, behind the numbers that are taken. */
static int
write_log(struct check *check, struct segments *fresh, struct survey *survey,
    struct format *format)
{
	struct writer writer = { 0 };
	struct log_end end = { .segment = format->first_segment,
		.next_id = survey->next_id,
		.first_segment = format->first_segment };
	struct copying copying = { check, &writer };
	int error = segments_add(fresh, format->first_segment);
	if (error != 0)
		return error;
	writer_init(&writer, fresh, format->log_id, &end);
	error = kept_jobs_each(&survey->jobs, copy_job, &copying);
	if (error == 0)
		error = writer_end_batch(&writer);
	/* An empty frame vouches for the ones before. */
	if (error == 0)
		error = sync_copies(check, fresh);
	writer.durable = writer.sequence;
	if (error == 0)
		error = writer_end_batch(&writer);
	if (error == 0)
		error = sync_copies(check, fresh);
	writer_release(&writer);
	return error;
}

static void
remove_copies(struct check *check, struct segments *fresh)
{
	for (uint32_t i = 0; i < fresh->count; i++) {
		char name[SEGMENT_NAME_BYTES_MAX];
		segment_name(name, fresh->all[i].number);
		check->io->remove(check->io, name);
	}
}

static int
put_aside(struct check *check)
{
	int error = 0;
	for (uint32_t i = 0; i < check->segments.count && error == 0; i++) {
		char name[SEGMENT_NAME_BYTES_MAX];
		char aside[SEGMENT_NAME_BYTES_MAX + sizeof(DAMAGED_NAME)];
		segment_name(name, check->segments.all[i].number);
		snprintf(aside, sizeof(aside), DAMAGED_NAME, name);
		error = check->io->rename(check->io, name, aside);
	}
	return error != 0 ? error : check->io->sync(check->io, IO_DIRECTORY);
}

static int
replace(struct check *check, struct survey *survey)
{
	const struct segments *old = &check->segments;
	char text[KEPT_JOBS_TEXT_BYTES];
	struct segments fresh;
	struct format format = {
		.log_id = check->io->random(check->io) | 1,
		.first_segment = old->all[old->count - 1].number + 1,
	};
	segments_init(&fresh, check->io, &old->sizes);
	int error = write_log(check, &fresh, survey, &format);
	if (error != 0)
		remove_copies(check, &fresh);
	segments_release(&fresh);
	if (error == 0)
		error = format_write(check->io, &format);
	/* From here on the new store stands, whatever becomes of the old. */
	if (error == 0)
		error = put_aside(check);
	if (error != 0)
		report(
		    check, "cannot write the new store: %s", strerror(error));
	else
		report(check,
		    "the new store has %s; the old files are now called "
		    "'damaged-...'",
		    kept_jobs_print(&survey->jobs, text));
	return error;
}

static int
salvage(struct check *check)
{
	struct survey survey;
	uint64_t log_id = 0;
	int error = find_all(check, &log_id);
	survey_init(&survey, check, log_id);
	if (error == 0)
		error = survey_all(&survey);
	if (error == 0 && survey.frames == 0) {
		report(check, "there is not one frame that can be read");
		error = EBADMSG;
	}
	if (error == 0)
		error = replace(check, &survey);
	kept_jobs_release(&survey.jobs);
	return error;
}

int
store_log_salvage_on(struct io *io, const struct log_sizes *sizes,
    store_log_say *say, void *context)
{
	struct check check;
	if (io == NULL)
		return ENOMEM;
	check_init(&check, io, sizes, say, context);
	int error = look(&check);
	if (error == 0)
		report(&check, "the store is sound; there is nothing to do");
	else
		report(&check, "%s", check.reason);
	if (error == EBADMSG)
		error = salvage(&check);
	check_release(&check);
	io->free(io);
	return error;
}

int
store_log_salvage(const char *directory, store_log_say *say, void *context)
{
	return store_log_salvage_on(
	    io_disk_open(directory), &log_sizes_default, say, context);
}
