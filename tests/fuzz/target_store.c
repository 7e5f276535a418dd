/* SPDX-License-Identifier: MIT */
/*
 * The log's reader and recovery: any files on a disk are a store that is
 * refused, and nothing is changed, or one whose jobs are those of the first
 * batches of its log. A small reader here, which knows frames and records and
 * nothing of recovery, says what these can be. --check and --salvage must agree
 * with the start; what was opened once opens again after a power cut, takes
 * another job and opens again.
 *
 * Input: an image (image.h).
 */
#include "queue/record.h"
#include "queue/store_log.h"
#include "queue/store_log_format.h"
#include "queue/store_log_frame.h"
#include "queue/turn.h"
#include "sys/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/support/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define KEPT_MAX 4096

static struct disk disk;
static struct disk other;
static struct turn turn;

/* ---- what a job is, in a number ---- */

static uint64_t
mix(uint64_t sum, uint64_t number)
{
	struct random random = { sum ^ number };
	return random_next(&random);
}

static uint64_t
mix_span(uint64_t sum, struct span span)
{
	sum = mix(sum, span.count);
	for (size_t i = 0; i < span.count; i++)
		sum = mix(sum, (unsigned char)span.bytes[i]);
	return sum;
}

static uint64_t
digest_of(const struct stored *stored)
{
	uint64_t sum = mix(1, stored->id);
	sum = mix(sum, (uint64_t)stored->enqueued_ms);
	sum = mix(sum, stored->delivery);
	sum = mix(sum, stored->attempt);
	sum = mix(sum, stored->priority);
	sum = mix(sum, stored->state);
	sum = mix(sum, stored->cause);
	sum = mix_span(sum, stored->queue);
	/* The core keeps it as a C string. */
	struct span reason = stored->reason;
	if (reason.count > 0)
		reason.count = strnlen(reason.bytes, reason.count);
	sum = mix_span(sum, reason);
	return mix_span(sum, stored->body);
}

/* ---- the small reader ---- */

static struct stored kept[KEPT_MAX];
static size_t kept_count;

static struct stored *
find_kept(uint64_t id)
{
	for (size_t i = 0; i < kept_count; i++)
		if (kept[i].id == id)
			return &kept[i];
	return NULL;
}

static void
apply(const struct stored *stored)
{
	struct stored *it = find_kept(stored->id);
	if (stored->kind == RECORD_FULL) {
		if (it == NULL)
			it = &kept[kept_count++];
		CHECK(kept_count < KEPT_MAX);
		*it = *stored;
	} else if (it == NULL) {
		return;
	} else if (stored->kind == RECORD_GONE) {
		*it = kept[--kept_count];
	} else {
		it->delivery = stored->delivery;
		it->attempt = stored->attempt;
		it->priority = stored->priority;
		it->state = stored->state;
		it->cause = stored->cause;
		it->reason = stored->reason;
	}
}

static bool
apply_all(const char *at, const char *end)
{
	struct stored stored;
	while (at < end) {
		if (!record_read(&at, end, &stored))
			return false;
		apply(&stored);
	}
	return true;
}

static uint64_t
digest_kept(void)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < kept_count; i++)
		sum += digest_of(&kept[i]);
	return sum;
}

static bool
next_frame(uint64_t log_id, uint32_t *segment, uint32_t *offset,
    struct frame *frame, const char **ret_payload)
{
	char name[SEGMENT_NAME_BYTES_MAX];
	segment_name(name, *segment);
	const struct disk_file *file = disk_find(&disk, name);
	if (file == NULL || *offset + SECTOR_BYTES > file->bytes)
		return false;
	const char *at = file->seen + *offset;
	if (!frame_read(at, log_id, frame) || frame->segment != *segment ||
	    frame->offset != *offset ||
	    frame_bytes(frame->payload_bytes) > file->bytes - *offset ||
	    !frame_has_payload(frame, at + FRAME_HEADER_BYTES))
		return false;
	*ret_payload = at + FRAME_HEADER_BYTES;
	*offset += (uint32_t)frame_bytes(frame->payload_bytes);
	if (frame->flags & FRAME_SEAL) {
		++*segment;
		*offset = 0;
	}
	return true;
}

/* Is it what the first batches from this segment on amount to? */
static bool
is_prefix_from(uint64_t log_id, uint32_t segment, uint64_t digest)
{
	uint32_t offset = 0;
	struct frame frame, before = { 0 };
	const char *payload;
	bool any = false;
	kept_count = 0;
	bool found = digest == 0;
	while (
	    !found && next_frame(log_id, &segment, &offset, &frame, &payload)) {
		if (any &&
		    (frame.sequence != before.sequence + 1 ||
			frame.previous != before.checksum))
			break;
		any = true;
		before = frame;
		if (!apply_all(payload, payload + frame.payload_bytes))
			break;
		if ((frame.flags & FRAME_CONTINUED) == 0)
			found = digest == digest_kept();
	}
	return found;
}

static bool
is_prefix(uint64_t digest)
{
	struct format format;
	char reason[512];
	struct io *io = disk_open(&disk);
	int error = format_read(io, &format, reason, sizeof(reason));
	io->free(io);
	if (error != 0)
		return digest == 0;
	for (int i = 0; i < disk.seen.count; i++) {
		uint32_t number = segment_number(disk.seen.names[i]);
		if (number != 0 &&
		    is_prefix_from(format.log_id, number, digest))
			return true;
	}
	return false;
}

/* ---- reports ---- */

struct report {
	bool has_counts;
	uint64_t jobs;
	uint64_t next_id;
};

static void
on_line(void *context, const char *line)
{
	struct report *report = context;
	CHECK(strchr(line, '\n') == NULL);
	puts(line); /* shown when a replay fails */
	if (sscanf(line,
		"%" SCNu64 " jobs, %*u tokens, %*u certificates; the next id "
		"is %" SCNu64,
		&report->jobs, &report->next_id) == 2 ||
	    sscanf(line, "the new store has %" SCNu64 " jobs", &report->jobs) ==
		1)
		report->has_counts = true;
}

static int
check_store(struct disk *it, struct report *report)
{
	*report = (struct report){ 0 };
	return store_log_check_on(disk_open(it), &image_sizes, on_line, report);
}

/* ---- the start ---- */

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context;
	(void)queue;
	return (
	    struct lane_policy){ .max_attempts = 3, .retry = { 1000, 8000 } };
}

static void
on_deliver(void *context, uint32_t subscriber, uint32_t job, struct span body,
    bool is_kept)
{
	(void)context;
	(void)subscriber;
	(void)job;
	(void)body;
	(void)is_kept;
	UNREACHABLE();
}

static void
on_kill(void *context, const struct wish *wish)
{
	(void)context;
	(void)wish;
	UNREACHABLE();
}

static void
on_tell(void *context, const struct wish *wish)
{
	(void)context;
	(void)wish;
}

static void
on_nothing(void *context)
{
	(void)context;
}

static const struct turn_effects effects = {
	.deliver = on_deliver,
	.kill = on_kill,
	.tell = on_tell,
	.show = on_nothing,
	.batch_leaves = on_nothing,
	.batch_committed = on_nothing,
};

struct start {
	int error;
	struct store *log;
	struct store *memory;
	uint64_t digest;
	uint64_t jobs;
	uint64_t next_id;
};

static void
stop_store(struct start *start)
{
	turn_release(&turn);
	start->log->operations->close(start->log);
	start->memory->operations->close(start->memory);
}

static void
look_at_job(struct start *start, uint32_t handle)
{
	const struct job *job = job_at(&turn.core.jobs, handle);
	const struct lane *lane = lane_at(&turn.core.lanes, job->lane);
	struct stored stored = {
		.id = job->id,
		.enqueued_ms = job->enqueued_ms,
		.delivery = job->delivery,
		.attempt = job->attempt,
		.priority = job->priority,
		.state = job->state,
		.cause = job->cause,
		.queue = span_of(lane->name.text),
		.reason = span_of(job_reason(&turn.core.jobs, job)),
	};
	CHECK(start->log->operations->body(
		  start->log, job->body, job->body_bytes, &stored.body) == 0);
	CHECK(stored.body.count == job->body_bytes);
	CHECK(job->id < turn.core.next_id);
	start->digest += digest_of(&stored);
	start->jobs++;
}

/* Starts as the queue does; of what opens every body is read. */
static struct start
start_store(struct disk *it)
{
	struct start start = { 0 };
	char reason[512];
	start.log = store_log_open_on(disk_open(it), &image_sizes);
	start.memory = store_mem_open();
	CHECK(start.log != NULL && start.memory != NULL);
	start.error = turn_init(&turn, start.log, start.memory, &effects, 1,
	    policy_of, NULL, reason, sizeof(reason));
	if (start.error != 0) {
		CHECK(reason[0] != '\0');
		stop_store(&start);
		return start;
	}
	for (uint32_t job = turn.core.jobs.oldest; job != 0;
	     job = jobs_next(&turn.core.jobs, job))
		look_at_job(&start, job);
	start.next_id = turn.core.next_id;
	return start;
}

/* ---- what must follow ---- */

static void
expect_same(const struct start *one, const struct start *other_one)
{
	CHECK(other_one->error == 0);
	CHECK(one->digest == other_one->digest);
	CHECK(one->jobs == other_one->jobs);
	CHECK(one->next_id <= other_one->next_id);
}

/* One job more, which is durable. */
static void
add_job(void)
{
	const struct fact fact = { .kind = FACT_ENQUEUE,
		.now_ms = INT64_MAX / 2,
		.enqueue = { .queue = SPAN_LITERAL("mail"), .body_bytes = 4 } };
	if (!turn_has_room(&turn, fact.enqueue.queue, 1, 4) ||
	    turn.core.next_id >= NEXT_ID_MAX - IDS_RESERVED)
		return;
	CHECK(turn_step(&turn, &fact, SPAN_LITERAL("more")) == REFUSAL_NONE);
	turn_end(&turn, fact.now_ms);
	for (int tries = 0; turn_is_busy(&turn) && tries < 100; tries++)
		CHECK(
		    turn.log->operations->progress(turn.log, fact.now_ms) == 0);
	CHECK(!turn_is_busy(&turn));
}

static void
go_on(struct start *first)
{
	struct report report;
	/* The process dies at once; what it kept it has made durable. */
	disk.dead = true;
	stop_store(first);
	disk_process_ends(&disk);
	disk_power_cut(&disk, LOSS_ALL);
	struct start second = start_store(&disk);
	expect_same(first, &second);
	add_job();
	struct start added = second;
	added.jobs = 0;
	added.digest = 0;
	for (uint32_t job = turn.core.jobs.oldest; job != 0;
	     job = jobs_next(&turn.core.jobs, job))
		look_at_job(&added, job);
	added.next_id = turn.core.next_id;
	stop_store(&second);
	disk_power_cut(&disk, LOSS_ALL);
	CHECK(check_store(&disk, &report) == 0);
	CHECK(report.has_counts && report.jobs == added.jobs);
	struct start third = start_store(&disk);
	expect_same(&added, &third);
	stop_store(&third);
}

/* Makes a store of what can be read; that one is sound. */
static void
salvage(void)
{
	struct report report = { 0 }, after;
	disk_copy(&other, &disk);
	int error = store_log_salvage_on(
	    disk_open(&other), &image_sizes, on_line, &report);
	if (error == 0) {
		CHECK(report.has_counts);
		disk_power_cut(&other, LOSS_ALL);
		CHECK(check_store(&other, &after) == 0);
		CHECK(after.has_counts && after.jobs == report.jobs);
		struct start start = start_store(&other);
		CHECK(start.error == 0);
		CHECK(start.jobs == report.jobs);
		stop_store(&start);
	} else {
		CHECK(error == EBADMSG);
	}
	disk_release(&other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct image image;
	struct report report;
	disk_init(&disk, 1);
	image_read(&image, bytes, count);
	image_fill(&image, &disk);
	uint64_t written = disk.written_bytes;
	uint64_t synced = disk.synced_names;
	int checked = check_store(&disk, &report);
	CHECK(disk.written_bytes == written && disk.pending_count == 0);
	if (checked == EBADMSG)
		salvage();
	struct start start = start_store(&disk);
	if (checked == 0) {
		CHECK(start.error == 0);
		CHECK(report.has_counts);
		CHECK(report.jobs == start.jobs);
	} else if (checked == ENOENT) {
		CHECK(start.error == 0);
		CHECK(start.jobs == 0);
	} else {
		CHECK(start.error == checked);
		CHECK(disk.written_bytes == written);
		CHECK(disk.pending_count == 0 && disk.synced_names == synced);
	}
	if (start.error == 0) {
		CHECK(is_prefix(start.digest));
		go_on(&start);
	}
	disk_release(&disk);
	return 0;
}

size_t
LLVMFuzzerCustomMutator(
    uint8_t *bytes, size_t count, size_t room, unsigned seed)
{
	/* Now and then blindly. */
	if (seed % 16 == 0)
		return LLVMFuzzerMutate(bytes, count, room);
	return image_mutate(bytes, count, room, seed);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_open("fuzz", LOG_ERROR);
	return 0;
}
