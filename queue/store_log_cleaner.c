/* SPDX-License-Identifier: MIT */
#include "queue/store_log_cleaner.h"

#include "core/job.h"
#include "queue/record.h"

#include <errno.h>

/* Credit per byte that the owner writes. With what is alive at half of the
 * disk, 1.25 would do; with 4, even an estimate that is far too low ends at
 * 1.3 times of what is truly alive. */
#define CREDIT_PER_BYTE 4

/* On a full disk nearly all may be alive, and little is won by much. */
#define CREDIT_PER_BYTE_FULL 32

/* Reading costs little beside writing. */
#define READ_SHARE 8

/* A step when the owner is quiet. */
#define STEP_BYTES_MAX (64u * 1024)

void
cleaner_init(struct cleaner *cleaner, struct writer *writer,
    const struct store_owner *owner)
{
	*cleaner = (struct cleaner){
		.writer = writer,
		.owner = owner,
		.reader.segments = writer->segments,
		.credit = writer->segments->bytes,
	};
}

void
cleaner_release(struct cleaner *cleaner)
{
	reader_release(&cleaner->reader);
}

void
cleaner_earn(struct cleaner *cleaner, uint64_t bytes)
{
	uint64_t max = 2 * cleaner->writer->segments->bytes;
	cleaner->credit += bytes;
	if (cleaner->credit > max)
		cleaner->credit = max;
}

static void
spend(struct cleaner *cleaner, uint64_t bytes)
{
	cleaner->credit -= bytes < cleaner->credit ? bytes : cleaner->credit;
}

/* ---- when ---- */

/* Cleaned, and not given up yet. */
static uint64_t
leaving_bytes(const struct cleaner *cleaner)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < segments->head &&
	     segments->all[i].number < cleaner->writer->first_segment;
	     i++)
		bytes += segments->all[i].bytes;
	return bytes;
}

bool
cleaner_is_wanted(
    const struct cleaner *cleaner, const struct account *account, bool is_full)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t leaving = leaving_bytes(cleaner);
	uint64_t aim = space_aim(account, &segments->sizes);
	if (cleaner->writer->first_segment >= segments_head(segments)->number ||
	    cleaner->credit == 0)
		return false;
	if (segments->bytes - leaving > aim)
		return true;
	/* Before the room is needed that new jobs are refused without. */
	uint64_t enough = space_reserve(account, segments) +
	    segments->bytes / (is_full ? 16 : 4);
	return (is_full ||
		   segments->bytes + segments_next_bytes(segments) > aim) &&
	    writer_free_bytes(cleaner->writer) + leaving < enough;
}

/*
 * What the owner has written since the last step times the part of the files
 * that has to be read to go once through all of them, over the room that is
 * left until then; twice that.
 */
static uint64_t
step_bytes(
    const struct cleaner *cleaner, const struct account *account, bool is_full)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t all = segments->bytes;
	uint64_t aim = space_aim(account, &segments->sizes);
	uint64_t room = writer_free_bytes(cleaner->writer);
	uint64_t least = segments->sizes.segment_bytes_max / 16;
	if (!is_full && aim > all)
		room += aim - all;
	if (room < all / 32)
		room = all / 32;
	uint64_t share = 2 * cleaner->fresh * (all / SECTOR_BYTES) /
	    (room / SECTOR_BYTES + 1);
	if (least > STEP_BYTES_MAX)
		least = STEP_BYTES_MAX;
	return share > least ? share : least;
}

/* ---- how ---- */

/* What one step goes by. */
struct step {
	const struct account *account;
	bool is_full;
	uint64_t budget; /* bytes to read and to write again */
};

/* On a full disk cleaning never takes the room that the jobs need to end; else
 * another segment can be had. */
static bool
has_room(
    const struct cleaner *cleaner, const struct step *step, uint32_t body_bytes)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t record = (uint64_t)body_bytes + RECORD_BYTES_MAX;
	uint64_t needed = record + 8 * SECTOR_BYTES;
	/* As much may be left over at the end of the head. */
	if (segments->head + 1 < segments->count)
		needed += record;
	if (step->is_full)
		needed += step->account->jobs * JOB_RESERVE_BYTES;
	return writer_free_bytes(cleaner->writer) > needed;
}

static int
write_again(struct cleaner *cleaner, const struct stored *stored,
    const struct record *record)
{
	char *at;
	int error = writer_room(
	    cleaner->writer, RECORD_BYTES_MAX + stored->body.count, &at);
	if (error != 0)
		return error;
	char *end = record_write_full(at, record, stored->body);
	uint64_t body = writer_place(cleaner->writer, end - stored->body.count);
	writer_added(cleaner->writer, end);
	cleaner->rewritten += (uint64_t)(end - at);
	spend(cleaner, (uint64_t)(end - at));
	cleaner->owner->moved(cleaner->owner->context, stored->id, body);
	return 0;
}

static void
charge(struct step *step, uint64_t bytes)
{
	step->budget -= bytes < step->budget ? bytes : step->budget;
}

/* Is this FULL record the one that the job goes by? */
static bool
is_current(const struct cleaner *cleaner, const struct stored *stored,
    const char *payload, struct record *ret_record)
{
	uint32_t offset = cleaner->offset + FRAME_HEADER_BYTES +
	    (uint32_t)(stored->body.bytes - payload);
	return cleaner->owner->find(
		   cleaner->owner->context, stored->id, ret_record) &&
	    ret_record->job->body == place_of(cleaner->segment, offset);
}

static int
look_at_record(struct cleaner *cleaner, struct step *step, const char *payload,
    const char **at, const char *end)
{
	struct stored stored;
	struct record record;
	const char *next = *at;
	int error = 0;
	if (!record_read(&next, end, &stored))
		return EBADMSG;
	charge(step, (uint64_t)(next - *at));
	if (stored.kind == RECORD_FULL &&
	    is_current(cleaner, &stored, payload, &record)) {
		cleaner->is_stuck = !has_room(cleaner, step, stored.body_bytes);
		if (cleaner->is_stuck)
			return 0;
		/* A reason is for people; on a full disk it has to go. */
		if (step->is_full) {
			record.reason = (struct span){ 0 };
			record.alias_count = 0;
		}
		charge(step, (uint64_t)(next - *at));
		error = write_again(cleaner, &stored, &record);
	}
	*at = next;
	return error;
}

static void
end_frame(struct cleaner *cleaner, struct step *step, const struct frame *frame)
{
	uint64_t bytes = frame_bytes(frame->payload_bytes);
	cleaner->done = 0;
	cleaner->offset += (uint32_t)bytes;
	charge(step, bytes - frame->payload_bytes);
	spend(cleaner, bytes / READ_SHARE);
	if ((frame->flags & FRAME_SEAL) == 0)
		return;
	cleaner->writer->first_segment = cleaner->segment + 1;
	cleaner->segment = 0;
}

/* Some of the frame that is next. */
static int
look_at_frame(struct cleaner *cleaner, struct step *step)
{
	struct frame frame;
	const char *payload;
	struct segment *segment =
	    segments_at(cleaner->writer->segments, cleaner->segment);
	int error = reader_frame(&cleaner->reader, segment, cleaner->offset,
	    cleaner->writer->log_id, &frame, &payload);
	if (error != 0)
		return error;
	if (payload == NULL)
		return EBADMSG;
	const char *at = payload + cleaner->done;
	const char *end = payload + frame.payload_bytes;
	while (error == 0 && at < end && step->budget > 0 && !cleaner->is_stuck)
		error = look_at_record(cleaner, step, payload, &at, end);
	cleaner->done = (uint32_t)(at - payload);
	if (error == 0 && at == end)
		end_frame(cleaner, step, &frame);
	return error;
}

static void
take_pay(struct cleaner *cleaner, bool is_full)
{
	cleaner->fresh += cleaner->unpaid;
	cleaner_earn(cleaner,
	    (is_full ? CREDIT_PER_BYTE_FULL : CREDIT_PER_BYTE) *
		cleaner->unpaid);
	cleaner->unpaid = 0;
}

static void
begin_segment(struct cleaner *cleaner)
{
	cleaner->segment = cleaner->writer->first_segment;
	cleaner->offset = 0;
	cleaner->done = 0;
	reader_forget(&cleaner->reader);
}

int
cleaner_step(
    struct cleaner *cleaner, const struct account *account, bool is_full)
{
	int error = 0;
	cleaner->is_stuck = false;
	take_pay(cleaner, is_full);
	if (!cleaner_is_wanted(cleaner, account, is_full)) {
		cleaner->fresh = 0;
		return 0;
	}
	struct step step = { account, is_full,
		step_bytes(cleaner, account, is_full) };
	uint64_t budget = step.budget;
	cleaner->fresh = 0;
	while (error == 0 && step.budget > 0 && !cleaner->is_stuck &&
	    cleaner_is_wanted(cleaner, account, is_full)) {
		if (cleaner->segment == 0)
			begin_segment(cleaner);
		error = look_at_frame(cleaner, &step);
	}
	cleaner->worked += budget - step.budget;
	/* Until the owner has written more. */
	if (cleaner->is_stuck && is_full)
		cleaner->credit = 0;
	return error;
}
