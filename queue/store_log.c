/* SPDX-License-Identifier: MIT */
#include "queue/store_log.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/units.h"
#include "core/job.h"
#include "queue/record.h"
#include "queue/store_log_bodies.h"
#include "queue/store_log_cleaner.h"
#include "queue/store_log_recovery.h"
#include "queue/store_log_settings.h"
#include "queue/store_log_space.h"
#include "queue/store_log_sync.h"
#include "queue/store_log_writer.h"
#include "sys/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After the disk had no more, it is asked again. */
#define FULL_RETRY_US (1000 * SECOND_MS)

/* No single record may need more of a segment than that. */
#define SEGMENT_SHARE 2

struct store_log {
	struct store store;
	struct io *io;
	struct segments segments;
	struct writer writer;
	struct syncer syncer;
	struct bodies bodies;
	struct cleaner cleaner;
	struct account account;
	struct name restoring; /* load: the queue of a job */
	char restoring_key[KEY_BYTES_MAX];
	bool is_loaded;
	int failed; /* an errno: nothing is written any more */

	bool gathers;	   /* between begin and commit */
	bool reserves_ids; /* the batch says so, even when nothing else */
	bool waits;	   /* a commit for its sync */
	uint64_t waits_for;
	int64_t sync_at_us; /* what is written is to be durable soon */

	bool is_full;
	int64_t ask_again_us;
	uint64_t torn_bytes;
};

static struct store_log *
log_of(struct store *store)
{
	return (struct store_log *)store;
}

static int
fail(struct store_log *log, int error)
{
	if (error != 0 && log->failed == 0)
		log->failed = error;
	return error;
}

static int64_t
now_us(const struct store_log *log)
{
	return log->io->now_us(log->io);
}

/* ---- load ---- */

static int
create(struct store_log *log, char *reason, size_t reason_bytes)
{
	struct format format = { .first_segment = 1 };
	while (format.log_id == 0)
		format.log_id = log->io->random(log->io);
	int error = segments_add(&log->segments, format.first_segment);
	if (error == 0)
		error = log->io->sync(log->io, IO_DIRECTORY);
	if (error == 0)
		error = format_write(log->io, &format);
	segments_release(&log->segments);
	segments_init(&log->segments, log->io, &log->segments.sizes);
	if (error != 0)
		snprintf(reason, reason_bytes, "cannot make a new store: %s",
		    strerror(error));
	return error;
}

/* What a job is: its FULL record, and where it stands by the last STATE. */
static int
read_kept(struct store_log *log, const struct kept *kept,
    struct stored *ret_full, struct stored *ret_state, uint64_t *ret_body)
{
	uint32_t bytes;
	int error =
	    bodies_read_head(&log->bodies, kept->full, ret_full, &bytes);
	if (error != 0)
		return error;
	*ret_body = kept->full + bytes;
	*ret_state = *ret_full;
	if (kept->state == 0)
		return 0;
	/* The names must outlive the next read. */
	if (!name_set(&log->restoring, ret_full->queue))
		return EBADMSG;
	ret_full->queue = span_of(log->restoring.text);
	if (ret_full->key.count > 0)
		memcpy(log->restoring_key, ret_full->key.bytes,
		    ret_full->key.count);
	ret_full->key.bytes = log->restoring_key;
	return bodies_read_head(&log->bodies, kept->state, ret_state, &bytes);
}

static int
restore_job(void *context, const struct kept *kept)
{
	struct store_log *log = context;
	struct stored full, state;
	uint64_t body;
	int error = read_kept(log, kept, &full, &state, &body);
	if (error != 0)
		return error;
	struct job job;
	struct record record;
	uint64_t aliases[ALIASES_MAX];
	record_restore(&full, &state, &job, aliases, &record);
	job.body = body;
	log->account = account_with(&log->account, 1, full.body_bytes);
	log->store.owner.restore(log->store.owner.context, &record);
	return 0;
}

static void
log_recovery(const struct recovery *recovery)
{
	if (recovery->torn_bytes > 0)
		log_event(LOG_WARNING, "store-cut",
		    "segment=%" PRIu32 " offset=%" PRIu32 " bytes=%" PRIu64
		    " reason=\"the last write was not finished and nobody was "
		    "told that it was safe\"",
		    recovery->end.segment, recovery->end.offset,
		    recovery->torn_bytes);
	log_event(LOG_INFO, "store-read",
	    "jobs=%" PRIu64 " tokens=%" PRIu64 " certificates=%" PRIu64
	    " frames=%" PRIu64 " bytes=%" PRIu64,
	    recovery->jobs.counts[NOTE_NONE], recovery->jobs.counts[NOTE_TOKEN],
	    recovery->jobs.counts[NOTE_ATTEMPT], recovery->frames,
	    recovery->log_bytes);
}

static int
restore_settings(struct store_log *log, char *reason, size_t reason_bytes)
{
	const struct store_owner *owner = &log->store.owner;
	struct buffer lines = { 0 };
	int error = settings_read(log->io, &lines, reason, reason_bytes);
	if (error == 0 && buffer_count(&lines) > 0 && owner->settings != NULL &&
	    !owner->settings(owner->context,
		(struct span){ buffer_front(&lines), buffer_count(&lines) })) {
		error = EPROTONOSUPPORT;
		snprintf(reason, reason_bytes,
		    "the file '" SETTINGS_NAME
		    "' of the store has what this gsq does not know; start "
		    "the gsq that wrote it, or remove the file");
	}
	buffer_release(&lines);
	return error;
}

/* Sets up all that goes on behind the end that was found. */
static int
take_over(struct store_log *log, struct recovery *recovery, char *reason,
    size_t reason_bytes)
{
	writer_init(&log->writer, &log->segments, recovery->format.log_id,
	    &recovery->end);
	syncer_init(&log->syncer, &log->writer);
	bodies_init(&log->bodies, &log->writer);
	cleaner_init(&log->cleaner, &log->writer, &log->store.owner);
	log->is_loaded = true;
	log->torn_bytes = recovery->torn_bytes;
	log_recovery(recovery);
	int error = restore_settings(log, reason, reason_bytes);
	if (error != 0)
		return error;
	log->store.owner.expect(
	    log->store.owner.context, (size_t)recovery->jobs.count);
	error = kept_jobs_each(&recovery->jobs, restore_job, log);
	if (error != 0)
		snprintf(reason, reason_bytes,
		    "cannot read the jobs of the store: %s", strerror(error));
	return error;
}

static int
read_or_create(struct store_log *log, struct recovery *recovery, char *reason,
    size_t reason_bytes)
{
	recovery_init(recovery, log->io, &log->segments, reason, reason_bytes);
	int error = recovery_read(recovery);
	if (error != ENOENT)
		return error;
	recovery_release(recovery);
	error = create(log, reason, reason_bytes);
	recovery_init(recovery, log->io, &log->segments, reason, reason_bytes);
	return error != 0 ? error : recovery_read(recovery);
}

static int
log_load(struct store *store, uint64_t *ret_next_id, char *reason,
    size_t reason_bytes)
{
	struct store_log *log = log_of(store);
	struct recovery recovery;
	int error = log->io->claim(log->io, reason, reason_bytes);
	if (error != 0)
		return fail(log, error);
	error = read_or_create(log, &recovery, reason, reason_bytes);
	int64_t begun_us = now_us(log);
	if (error == 0)
		error = recovery_repair(&recovery);
	int64_t took_us = now_us(log) - begun_us;
	if (error == 0) {
		error = take_over(log, &recovery, reason, reason_bytes);
		syncer_expect(&log->syncer, took_us);
	}
	*ret_next_id = recovery.end.next_id;
	recovery_release(&recovery);
	return fail(log, error);
}

/* ---- space ---- */

/* Another segment, if the disk has one; not asked more than once a second
 * when it had not. */
static bool
grow(struct store_log *log)
{
	if (log->is_full && now_us(log) < log->ask_again_us)
		return false;
	int error = segments_add(&log->segments, 1);
	if (error == 0) {
		if (log->is_full)
			log_event(LOG_INFO, "store-has-room", NULL);
		log->is_full = false;
		return true;
	}
	if (error != ENOSPC) {
		fail(log, error);
		return false;
	}
	if (!log->is_full)
		log_event(LOG_WARNING, "store-full",
		    "bytes=%" PRIu64 " reason=\"the disk has no more: new jobs "
		    "are refused, the others can end\"",
		    log->segments.bytes);
	log->is_full = true;
	log->ask_again_us = now_us(log) + FULL_RETRY_US;
	return false;
}

/* A segment holds several of the largest records. */
static bool
is_too_large(const struct store_log *log, uint64_t body_bytes)
{
	uint32_t most = log->segments.sizes.segment_bytes_min / SEGMENT_SHARE;
	return body_bytes + RECORD_BYTES_MAX + FRAME_HEADER_BYTES +
	    2 * SECTOR_BYTES >
	    most;
}

static bool
log_has_room(struct store *store, uint32_t jobs, uint64_t body_bytes)
{
	struct store_log *log = log_of(store);
	if (log->failed != 0 || (jobs == 1 && is_too_large(log, body_bytes)))
		return false;
	struct account after = account_with(&log->account, jobs, body_bytes);
	uint64_t more = after.live_bytes - log->account.live_bytes;
	for (;;) {
		uint64_t needed = space_reserve(&after, &log->segments) + more +
		    more / 8 + 8 * SECTOR_BYTES;
		if (log->segments.bytes >=
			space_wanted(&after, &log->segments) &&
		    writer_free_bytes(&log->writer) >= needed)
			return true;
		if (!grow(log))
			return false;
	}
}

static bool
has_spare(const struct store_log *log)
{
	return log->segments.head + 1 < log->segments.count;
}

/* Ahead of need, so that neither a commit nor has_room has to wait for a
 * segment. Beyond the limit it is for cleaning to provide one. */
static int
grow_ahead(struct store_log *log)
{
	const struct segments *segments = &log->segments;
	uint32_t head_bytes = segments_head(segments)->bytes;
	uint32_t left = head_bytes - log->writer.offset;
	uint64_t reserve = space_reserve(&log->account, segments);
	bool is_short = (!has_spare(log) && left < head_bytes / 2) ||
	    writer_free_bytes(&log->writer) < reserve + head_bytes / 4;
	bool is_first =
	    log->writer.first_segment == segments_head(segments)->number;
	if (is_short &&
	    (is_first ||
		segments->bytes + segments_next_bytes(segments) <=
		    space_aim(&log->account, &segments->sizes)))
		grow(log);
	return log->failed;
}

/* More spares than there is use for, once the backlog is gone. */
static int
shrink(struct store_log *log)
{
	struct segments *segments = &log->segments;
	uint64_t aim = space_aim(&log->account, &segments->sizes);
	if (log->is_full || segments->bytes <= aim || !has_spare(log))
		return 0;
	uint32_t last = segments->all[segments->count - 1].bytes;
	uint64_t free_bytes = writer_free_bytes(&log->writer) - last;
	if (log->syncer.is_busy ||
	    free_bytes < space_reserve(&log->account, segments) +
		    segments_head(segments)->bytes / 2 ||
	    segments->bytes - last < space_wanted(&log->account, segments))
		return 0;
	return segments_remove_last(segments);
}

/* Gives up the segments in front of what the log says is its beginning, once
 * that is durable. */
static int
give_up(struct store_log *log)
{
	struct segments *segments = &log->segments;
	const struct writer *writer = &log->writer;
	int error = 0;
	while (error == 0 &&
	    (writer->durable >= writer->said_sequence ||
		PLANTED(CLEANED_TOO_EARLY)) &&
	    segments->all[0].number < writer->said_first) {
		bool keep = log->is_full || !has_spare(log) ||
		    segments->bytes <=
			space_aim(&log->account, &segments->sizes);
		error = keep ? segments_recycle_first(segments)
			     : segments_remove_first(segments);
	}
	return error;
}

/* ---- batches ---- */

static int
log_begin(struct store *store)
{
	struct store_log *log = log_of(store);
	log->gathers = true;
	return log->failed;
}

static void
add_record(struct store_log *log, const char *at, const char *end)
{
	writer_added(&log->writer, end);
	cleaner_note(&log->cleaner, (uint64_t)(end - at));
}

static int
write_full(struct store_log *log, const struct record *record, struct span body,
    uint64_t *ret_body)
{
	char *at;
	CHECK(log->gathers);
	if (log->failed != 0)
		return log->failed;
	if (is_too_large(log, body.count))
		return EFBIG;
	int error =
	    writer_room(&log->writer, RECORD_BYTES_MAX + body.count, &at);
	if (error != 0)
		return fail(log, error);
	char *end = record_write_full(at, record, body);
	*ret_body = writer_place(&log->writer, end - body.count);
	add_record(log, at, end);
	return 0;
}

static int
log_put(struct store *store, const struct record *record, struct span body,
    uint64_t *ret_body)
{
	struct store_log *log = log_of(store);
	int error = write_full(log, record, body, ret_body);
	if (error != 0)
		return error;
	if (record->job->id >= log->writer.next_id)
		log->writer.next_id = record->job->id + 1;
	log->account = account_with(&log->account, 1, body.count);
	return 0;
}

static int
log_keep_settings(struct store *store, struct span lines)
{
	struct store_log *log = log_of(store);
	int error = settings_write(log->io, lines);
	return error == ENOSPC ? error : fail(log, error);
}

static int
log_replace(struct store *store, const struct record *record, struct span body,
    uint64_t old_body, uint32_t old_body_bytes, uint64_t *ret_body)
{
	struct store_log *log = log_of(store);
	(void)old_body;
	int error = write_full(log, record, body, ret_body);
	if (error != 0)
		return error;
	log->account.live_bytes += body.count;
	log->account.live_bytes -= old_body_bytes;
	cleaner_earn(&log->cleaner, RECORD_BYTES_USUAL + old_body_bytes);
	return 0;
}

static int
log_reserve_ids(struct store *store, uint64_t next_id)
{
	struct store_log *log = log_of(store);
	CHECK(log->gathers);
	if (next_id > log->writer.next_id) {
		log->writer.next_id = next_id;
		log->reserves_ids = true;
	}
	return log->failed;
}

static int
log_update(struct store *store, const struct record *record)
{
	struct store_log *log = log_of(store);
	char *at;
	CHECK(log->gathers);
	if (log->failed != 0)
		return log->failed;
	int error = writer_room(&log->writer, RECORD_BYTES_MAX, &at);
	if (error != 0)
		return fail(log, error);
	struct record kept = *record;
	/* Only so much was kept free for it that the job can end. */
	if (log->is_full) {
		kept.reason = (struct span){ 0 };
		kept.alias_count = 0;
	}
	add_record(log, at, record_write_state(at, &kept));
	return 0;
}

static int
log_delete(struct store *store, uint64_t id, uint64_t body, uint32_t body_bytes)
{
	struct store_log *log = log_of(store);
	char *at;
	(void)body;
	CHECK(log->gathers && log->account.jobs > 0);
	if (log->failed != 0)
		return log->failed;
	int error = writer_room(&log->writer, RECORD_BYTES_MAX, &at);
	if (error != 0)
		return fail(log, error);
	add_record(log, at, record_write_gone(at, id));
	log->account.jobs--;
	log->account.live_bytes -= RECORD_BYTES_USUAL + body_bytes;
	cleaner_earn(&log->cleaner, RECORD_BYTES_USUAL + body_bytes);
	return 0;
}

static void
complete(struct store_log *log)
{
	if (!log->waits || log->writer.durable < log->waits_for)
		return;
	log->waits = false;
	log->store.owner.committed(log->store.owner.context, 0);
}

/* Sooner or later: what is written is not to stay undurable for long. */
static void
sync_soon(struct store_log *log)
{
	if (log->sync_at_us == INT64_MAX && syncer_has_frames(&log->syncer))
		log->sync_at_us = now_us(log) + 1000 * RELAXED_SYNC_MS;
}

/* In place if the disk is fast, else begins it. */
static int
sync_now(struct store_log *log)
{
	if (syncer_is_fast(&log->syncer)) {
		log->sync_at_us = INT64_MAX;
		return syncer_run(&log->syncer);
	}
	if (log->syncer.is_busy)
		return 0;
	log->sync_at_us = INT64_MAX;
	return syncer_begin(&log->syncer);
}

/* As a batch of its own: the one that is committed later is what follows. */
static int
log_write(struct store *store)
{
	struct store_log *log = log_of(store);
	int error = log->failed;
	CHECK(log->gathers);
	if (error == 0 &&
	    (writer_has_batch(&log->writer) || log->reserves_ids)) {
		/* What a frame takes beside its records, roughly. */
		cleaner_note(&log->cleaner, SECTOR_BYTES);
		error = writer_end_batch(&log->writer);
	}
	log->reserves_ids = false;
	return fail(log, error);
}

static int
log_commit(struct store *store, bool relaxed)
{
	struct store_log *log = log_of(store);
	CHECK(log->gathers && !log->waits);
	int error = log_write(store);
	log->gathers = false;
	/* Even an empty batch is safe only when those before it are. */
	log->waits_for = relaxed ? 0 : log->writer.sequence;
	log->waits = error == 0;
	if (error == 0 && log->writer.durable < log->waits_for)
		error = sync_now(log);
	if (error != 0)
		return fail(log, error);
	sync_soon(log);
	complete(log);
	return 0;
}

/* ---- the rest of the time ---- */

static int
clean(struct store_log *log)
{
	uint64_t before = log->cleaner.worked;
	int error = cleaner_step(&log->cleaner, &log->account, log->is_full);
	if (log->cleaner.worked != before)
		syncer_expect_load(&log->syncer);
	if (error == 0 && log->cleaner.is_stuck && !log->is_full) {
		grow(log);
		error = log->failed;
	}
	if (error != 0 || log->gathers)
		return error;
	if (writer_has_batch(&log->writer) ||
	    log->writer.first_segment != log->writer.said_first)
		error = writer_end_batch(&log->writer);
	sync_soon(log);
	return error;
}

static int
poll_sync(struct store_log *log)
{
	return syncer_poll(&log->syncer);
}

/* Frames whose time has come. */
static int
sync_frames(struct store_log *log)
{
	if (!syncer_has_frames(&log->syncer)) {
		log->sync_at_us = INT64_MAX;
		return 0;
	}
	if (log->syncer.is_busy ||
	    (!log->waits && log->sync_at_us > now_us(log)))
		return 0;
	return sync_now(log);
}

static int
sync_names(struct store_log *log)
{
	if (log->syncer.is_busy || !syncer_has_names(&log->syncer))
		return 0;
	if (syncer_is_fast(&log->syncer))
		return syncer_run_names(&log->syncer);
	return syncer_begin(&log->syncer);
}

static int
log_progress(struct store *store, int64_t now_ms)
{
	static int (*const steps[])(struct store_log * log) = {
		poll_sync,
		clean,
		sync_frames,
		give_up,
		shrink,
		grow_ahead,
		sync_names,
	};
	struct store_log *log = log_of(store);
	int error = log->failed;
	(void)now_ms;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (error == 0)
			error = steps[i](log);
		if (error == 0)
			complete(log);
	}
	return fail(log, error);
}

static int64_t
log_wake_at(const struct store *store)
{
	const struct store_log *log = (const struct store_log *)store;
	if (log->failed != 0)
		return 0;
	if (cleaner_is_wanted(&log->cleaner, &log->account, log->is_full))
		return 0;
	/* The end of what is on its way is told by wake_fd. */
	if (log->syncer.is_busy || log->sync_at_us == INT64_MAX)
		return INT64_MAX;
	return (log->sync_at_us + 999) / 1000;
}

static int
log_wake_fd(const struct store *store)
{
	const struct store_log *log = (const struct store_log *)store;
	return log->io->wake_fd != NULL ? log->io->wake_fd(log->io) : -1;
}

static uint64_t
log_upkeep_bytes(const struct store *store)
{
	const struct store_log *log = (const struct store_log *)store;
	return log->cleaner.worked;
}

static int
log_body(struct store *store, uint64_t body, uint32_t body_bytes,
    struct span *ret_body)
{
	struct store_log *log = log_of(store);
	return fail(log, bodies_read(&log->bodies, body, body_bytes, ret_body));
}

/* ---- life ---- */

/* Makes durable what is committed, and vouches for it with an empty frame: from
 * then on the loss of any of it is seen. */
static int
finish(struct store_log *log)
{
	int error = 0;
	if (log->syncer.is_busy) {
		log->syncer.is_busy = false;
		error = log->io->sync_wait(log->io);
	}
	if (error == 0)
		error = syncer_run(&log->syncer);
	writer_drop(&log->writer);
	if (error != 0 || log->writer.in_batch || log->writer.is_quiet ||
	    writer_free_bytes(&log->writer) < 4 * SECTOR_BYTES)
		return error;
	error = writer_end_batch(&log->writer);
	if (error == 0)
		error = syncer_run(&log->syncer);
	return error;
}

static void
log_close(struct store *store)
{
	struct store_log *log = log_of(store);
	if (log->is_loaded && log->failed == 0 && finish(log) != 0)
		log_event(LOG_WARNING, "store-not-finished",
		    "hint=\"what was answered is safe\"");
	if (log->is_loaded) {
		cleaner_release(&log->cleaner);
		bodies_release(&log->bodies);
		writer_release(&log->writer);
	}
	segments_release(&log->segments);
	log->io->free(log->io);
	free(log);
}

struct store *
store_log_open_on(struct io *io, const struct log_sizes *sizes)
{
	static const struct store_operations operations = {
		.load = log_load,
		.begin = log_begin,
		.has_room = log_has_room,
		.put = log_put,
		.replace = log_replace,
		.keep_settings = log_keep_settings,
		.reserve_ids = log_reserve_ids,
		.update = log_update,
		.delete = log_delete,
		.write = log_write,
		.commit = log_commit,
		.body = log_body,
		.progress = log_progress,
		.wake_at = log_wake_at,
		.wake_fd = log_wake_fd,
		.upkeep_bytes = log_upkeep_bytes,
		.close = log_close,
	};
	struct store_log *log = io != NULL ? calloc(1, sizeof(*log)) : NULL;
	if (log == NULL) {
		if (io != NULL)
			io->free(io);
		return NULL;
	}
	log->store.operations = &operations;
	log->io = io;
	log->sync_at_us = INT64_MAX;
	segments_init(&log->segments, io, sizes);
	return &log->store;
}

struct store *
store_log_open(const char *directory)
{
	return store_log_open_on(io_disk_open(directory), &log_sizes_default);
}

void
store_log_state(const struct store *store, struct store_log_state *ret)
{
	const struct store_log *log = (const struct store_log *)store;
	*ret = (struct store_log_state){
		.disk_bytes = log->segments.bytes,
		.limit_bytes = space_limit(&log->account, &log->segments.sizes),
		.live_bytes = log->account.live_bytes,
		.jobs = log->account.jobs,
		.log_bytes = log->writer.log_bytes,
		.rewritten_bytes = log->cleaner.rewritten,
		.torn_bytes = log->torn_bytes,
		.is_full = log->is_full,
		.uses_thread = log->syncer.uses_thread,
	};
}
