/* SPDX-License-Identifier: MIT */
#include "queue/store_log_sync.h"

#include "base/check.h"
#include "base/planted.h"

/* Longer than this, and the loop has better things to do. */
#define SLOW_US 1000

/* So long is felt by everybody who waits for the loop. */
#define STALL_US 2000

/*
 * Every disk has a slow sync now and then, and handing the next ones to the
 * thread for its sake would cost more than it was. So a slow one costs points,
 * a fast one earns one back, and it takes two slow ones that are near each
 * other, or a single stall, before the thread is used. It is used until all
 * points are earned back: on a disk that is slow for good, the loop is stopped
 * once.
 */
#define SLOW_POINTS   16u
#define THREAD_POINTS 24u
#define MAX_POINTS    32u

/* So much is slow on any disk, and shared by enough jobs to pay for the
 * thread: what comes in bulk, and what cleaning writes. */
#define LARGE_BYTES (64u * 1024)

void
syncer_init(struct syncer *syncer, struct writer *writer)
{
	*syncer = (struct syncer){
		.io = writer->segments->io,
		.segments = writer->segments,
		.writer = writer,
		.log_bytes = writer->log_bytes,
	};
}

bool
syncer_has_frames(const struct syncer *syncer)
{
	return syncer->writer->durable < syncer->writer->sequence;
}

bool
syncer_has_names(const struct syncer *syncer)
{
	return segments_names_dirty(syncer->segments);
}

bool
syncer_is_fast(const struct syncer *syncer)
{
	if (syncer->io->sync_begin == NULL)
		return true;
	return !syncer->is_busy && !syncer->uses_thread &&
	    syncer->writer->log_bytes - syncer->log_bytes < LARGE_BYTES;
}

void
syncer_expect(struct syncer *syncer, int64_t took_us)
{
	if (took_us >= STALL_US)
		syncer->points = MAX_POINTS;
	else if (took_us >= SLOW_US)
		syncer->points += SLOW_POINTS;
	else if (syncer->points > 0)
		syncer->points--;
	if (syncer->points > MAX_POINTS)
		syncer->points = MAX_POINTS;
	if (syncer->points >= THREAD_POINTS)
		syncer->uses_thread = true;
	else if (syncer->points == 0)
		syncer->uses_thread = false;
}

void
syncer_expect_load(struct syncer *syncer)
{
	syncer_expect(syncer, STALL_US);
}

static void
note_duration(struct syncer *syncer, int64_t begun_us)
{
	syncer_expect(syncer, syncer->io->now_us(syncer->io) - begun_us);
}

/* The oldest segment with frames that are not durable, or NULL. */
static struct segment *
first_dirty(const struct syncer *syncer)
{
	struct segment *first = NULL;
	struct segment *all = syncer->segments->all;
	for (uint32_t i = syncer->segments->head + 1; i > 0; i--) {
		struct segment *segment = &all[i - 1];
		if (segment->written != segment->synced)
			first = segment;
		else if (i <= syncer->segments->head)
			break;
	}
	return first;
}

static void
note_synced(struct syncer *syncer, struct segment *segment, uint64_t mark)
{
	CHECK(mark > syncer->writer->durable);
	segment->synced = mark;
	syncer->writer->durable = mark;
}

int
syncer_run(struct syncer *syncer)
{
	CHECK(!syncer->is_busy);
	struct segment *segment;
	while ((segment = first_dirty(syncer)) != NULL) {
		int file;
		int64_t begun_us = syncer->io->now_us(syncer->io);
		syncer->log_bytes = syncer->writer->log_bytes;
		int error = segments_file(syncer->segments, segment, &file);
		if (error == 0)
			error = syncer->io->sync(syncer->io, file);
		if (error != 0 && PLANTED(SYNC_RETRIED))
			error = syncer->io->sync(syncer->io, file);
		if (error != 0)
			return error;
		note_synced(syncer, segment, segment->written);
		note_duration(syncer, begun_us);
	}
	return 0;
}

int
syncer_run_names(struct syncer *syncer)
{
	int64_t begun_us = syncer->io->now_us(syncer->io);
	int error = syncer->io->sync(syncer->io, IO_DIRECTORY);
	if (error != 0)
		return error;
	segments_names_synced(syncer->segments, UINT32_MAX);
	note_duration(syncer, begun_us);
	return 0;
}

int
syncer_begin(struct syncer *syncer)
{
	CHECK(!syncer->is_busy);
	const struct segments *segments = syncer->segments;
	struct segment *segment = first_dirty(syncer);
	int file = IO_DIRECTORY, error = 0;
	syncer->is_names = segment == NULL;
	if (segment != NULL) {
		syncer->segment = segment->number;
		syncer->mark = segment->written;
		syncer->log_bytes = syncer->writer->log_bytes;
		error = segments_file(syncer->segments, segment, &file);
	} else {
		syncer->mark = segments->all[segments->count - 1].number;
	}
	syncer->begun_us = syncer->io->now_us(syncer->io);
	if (error == 0)
		error = syncer->io->sync_begin(syncer->io, file);
	syncer->is_busy = error == 0;
	return error;
}

int
syncer_poll(struct syncer *syncer)
{
	int error = 0;
	if (!syncer->is_busy || !syncer->io->sync_ended(syncer->io, &error))
		return 0;
	syncer->is_busy = false;
	if (error != 0)
		return error;
	note_duration(syncer, syncer->begun_us);
	if (syncer->is_names)
		segments_names_synced(syncer->segments, (uint32_t)syncer->mark);
	else
		note_synced(syncer,
		    segments_at(syncer->segments, syncer->segment),
		    syncer->mark);
	return 0;
}
