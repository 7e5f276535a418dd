/* SPDX-License-Identifier: MIT */
#include "queue/store_log_cleaner.h"

#include "core/job.h"
#include "queue/record.h"

#include <errno.h>

/* Credit per byte that the owner writes. With what is alive at half of the
 * disk, 1.25 would do; with 4, even an estimate that is far too low ends at
 * 1.3 times of what is truly alive. */
#define CREDIT_PER_BYTE 4

/* Reading costs little beside writing. */
#define READ_SHARE 8

/* A step when the owner is quiet. */
#define STEP_BYTES_MAX (256u * 1024)

void
cleaner_init(struct cleaner *cleaner, struct writer *writer,
    const struct store_owner *owner)
{
	*cleaner = (struct cleaner){
		.writer = writer,
		.owner = owner,
		.reader.segments = writer->segments,
		.credit = writer->segments->bytes,
		.paid = writer->log_bytes,
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
cleaner_is_wanted(const struct cleaner *cleaner, const struct account *account,
    bool is_full)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t leaving = leaving_bytes(cleaner);
	uint64_t limit = space_limit(account, &segments->sizes);
	if (cleaner->writer->first_segment >=
		segments_head(segments)->number ||
	    cleaner->credit == 0)
		return false;
	if (segments->bytes - leaving > limit)
		return true;
	return (is_full ||
		   segments->bytes + segments_next_bytes(segments) > limit) &&
	    writer_free_bytes(cleaner->writer) + leaving < segments->bytes / 3;
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
	uint64_t limit = space_limit(account, &segments->sizes);
	uint64_t room = writer_free_bytes(cleaner->writer);
	uint64_t least = segments->sizes.segment_bytes_max / 16;
	if (!is_full && limit > all)
		room += limit - all;
	if (room < all / 32)
		room = all / 32;
	uint64_t share = 2 * cleaner->fresh * (all / SECTOR_BYTES) /
	    (room / SECTOR_BYTES + 1);
	if (least > STEP_BYTES_MAX)
		least = STEP_BYTES_MAX;
	return share > least ? share : least;
}

/* ---- how ---- */

/* Cleaning never takes the room without which nothing can end. */
static bool
has_room(const struct cleaner *cleaner, uint32_t body_bytes)
{
	const struct segments *segments = cleaner->writer->segments;
	uint64_t rest = segments->head + 1 < segments->count
	    ? (uint64_t)body_bytes + RECORD_BYTES_MAX
	    : 0;
	return writer_free_bytes(cleaner->writer) >
	    body_bytes + rest + RECORD_BYTES_MAX + 8 * SECTOR_BYTES;
}

static int
write_again(struct cleaner *cleaner, const struct stored *stored,
    const struct record *record)
{
	char *at;
	int error = writer_room(cleaner->writer,
	    RECORD_BYTES_MAX + stored->body.count, &at);
	if (error != 0)
		return error;
	char *end = record_write_full(at, record, stored->body);
	uint64_t body =
	    writer_place(cleaner->writer, end - stored->body.count);
	writer_added(cleaner->writer, end);
	cleaner->rewritten += (uint64_t)(end - at);
	spend(cleaner, (uint64_t)(end - at));
	cleaner->owner->moved(cleaner->owner->context, stored->id, body);
	return 0;
}

/* One record; false in *ret_moved_on when there is no room to write it. */
static int
look_at_record(struct cleaner *cleaner, const char *payload,
    const char **at, const char *end, bool is_full, bool *ret_moved_on)
{
	struct stored stored;
	struct record record;
	const char *next = *at;
	*ret_moved_on = true;
	if (!record_read(&next, end, &stored))
		return EBADMSG;
	if (stored.kind == RECORD_FULL &&
	    cleaner->owner->find(
		cleaner->owner->context, stored.id, &record) &&
	    record.job->body ==
		place_of(cleaner->segment,
		    cleaner->offset + FRAME_HEADER_BYTES +
			(uint32_t)(stored.body.bytes - payload))) {
		if (!has_room(cleaner, stored.body_bytes)) {
			*ret_moved_on = false;
			return 0;
		}
		/* A reason is for people; on a full disk it has to go. */
		if (is_full)
			record.reason = (struct span){ 0 };
		int error = write_again(cleaner, &stored, &record);
		if (error != 0)
			return error;
	}
	*at = next;
	return 0;
}

static void
end_segment(struct cleaner *cleaner)
{
	cleaner->writer->first_segment = cleaner->segment + 1;
	cleaner->segment = 0;
}

/* Some of the frame that is next; *ret_stuck: there is no room to go on. */
static int
look_at_frame(struct cleaner *cleaner, uint64_t *budget, bool is_full,
    bool *ret_stuck)
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
	while (at < end && *budget > 0) {
		bool moved_on;
		uint64_t rewritten = cleaner->rewritten;
		error = look_at_record(
		    cleaner, payload, &at, end, is_full, &moved_on);
		if (error != 0)
			return error;
		if (!moved_on) {
			*ret_stuck = true;
			return 0;
		}
		uint64_t read = (uint64_t)(at - payload) - cleaner->done;
		uint64_t cost = read + cleaner->rewritten - rewritten;
		cleaner->done = (uint32_t)(at - payload);
		*budget -= cost < *budget ? cost : *budget;
	}
	if (at < end)
		return 0;
	uint64_t bytes = frame_bytes(frame.payload_bytes);
	cleaner->done = 0;
	cleaner->offset += (uint32_t)bytes;
	bytes -= frame.payload_bytes;
	*budget -= bytes < *budget ? bytes : *budget;
	spend(cleaner, frame_bytes(frame.payload_bytes) / READ_SHARE);
	if ((frame.flags & FRAME_SEAL) != 0)
		end_segment(cleaner);
	return 0;
}

static void
take_pay(struct cleaner *cleaner)
{
	uint64_t before = cleaner->paid + cleaner->rewritten;
	/* What was written again gathers before it is counted as log. */
	if (cleaner->writer->log_bytes <= before)
		return;
	uint64_t fresh = cleaner->writer->log_bytes - before;
	cleaner->paid += fresh;
	cleaner->fresh += fresh;
	cleaner_earn(cleaner, CREDIT_PER_BYTE * fresh);
}

int
cleaner_step(struct cleaner *cleaner, const struct account *account,
    bool is_full)
{
	int error = 0;
	bool stuck = false;
	take_pay(cleaner);
	uint64_t budget = step_bytes(cleaner, account, is_full);
	if (!cleaner_is_wanted(cleaner, account, is_full))
		return 0;
	cleaner->fresh = 0;
	while (error == 0 && budget > 0 && !stuck &&
	    cleaner_is_wanted(cleaner, account, is_full)) {
		if (cleaner->segment == 0) {
			cleaner->segment = cleaner->writer->first_segment;
			cleaner->offset = 0;
			cleaner->done = 0;
			reader_forget(&cleaner->reader);
		}
		error = look_at_frame(cleaner, &budget, is_full, &stuck);
	}
	/* Until the owner has written more. */
	if (stuck)
		cleaner->credit = 0;
	return error;
}
