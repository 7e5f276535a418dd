/* SPDX-License-Identifier: MIT */
#include "queue/store_log_format.h"
#include "sys/log.h"
#include "tests/support/store_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct disk disk;
static struct disk whole;
static struct world world;
static struct world before;

static void
be_quiet(void)
{
	log_open("test", LOG_ERROR);
}

TestSuite(damage, .init = be_quiet, .timeout = 600);

static const struct world_mix mix = {
	.put = 30,
	.note = 10,
	.update = 30,
	.delete = 10,
	.commit = 30,
	.body_bytes_max = 500,
	.live_max = 60,
};

static const struct log_sizes sizes = {
	.segment_bytes_min = 8 * 1024,
	.segment_bytes_max = 8 * 1024,
	.slack_bytes = 64 * 1024,
};

/* A store of two segments; whole is the disk, before what is on it. Of this
 * seed the first frame ends with the first sector. */
static void
make_store(bool in_order)
{
	struct store_log_state state;
	disk_init(&disk, 1);
	world_init(&world, &disk, 3);
	world.sizes = sizes;
	cr_assert(world_open(&world, false));
	do {
		world_run(&world, &mix, 1);
		store_log_state(world.store, &state);
	} while (state.log_bytes < 12 * 1024);
	cr_assert(world_settle(&world));
	if (!in_order)
		disk.dead = true;
	world_close(&world);
	disk_process_ends(&disk);
	disk_copy(&whole, &disk);
	before = world;
}

static void
start_over(void)
{
	disk_release(&disk);
	disk_copy(&disk, &whole);
	world_rewind(&world, &before);
}

static void
release_both(void)
{
	disk_release(&disk);
	disk_release(&whole);
}

struct verdicts {
	uint64_t same, shorter, refused;
};

/* Opens with what is on the disk now. A refusal names the file; what opens is
 * something that was committed, and says so if that is not all. */
static void
judge(struct verdicts *verdicts, const char *name, uint64_t at)
{
	uint64_t last = before.digests[before.commits];
	world.safe = world.written = 0;
	if (!world_open(&world, false)) {
		cr_assert_null(
		    world.wrong, "'%s' byte %lu: %s", name, at, world.wrong);
		verdicts->refused++;
		/* A 1 of its format that has become a 3 is a newer format. */
		if (world.error == EPROTONOSUPPORT)
			return;
		cr_assert_eq(world.error, EBADMSG, "'%s' byte %lu: %s", name,
		    at, world.reason);
		cr_assert_not_null(strstr(world.reason, "damaged"));
		cr_assert_not_null(strstr(world.reason, "--salvage"));
		cr_assert(strstr(world.reason, "segment-") != NULL ||
		    strstr(world.reason, FORMAT_NAME) != NULL);
		return;
	}
	struct store_log_state state;
	store_log_state(world.store, &state);
	if (world_digest(&world) == last) {
		verdicts->same++;
	} else {
		verdicts->shorter++;
		cr_assert_gt(state.torn_bytes, 0,
		    "'%s' byte %lu: lost in silence", name, at);
	}
	cr_assert_null(world_check_bodies(&world));
	disk.dead = true;
	world_close(&world);
}

/* A start that is refused writes nothing, so the byte is put right and the next
 * one is next. Behind the end of the log there is nothing: some will do. */
static void
flip_all(struct verdicts *verdicts)
{
	for (int i = 0; i < whole.seen.count; i++) {
		const char *name = whole.seen.names[i];
		const struct disk_file *file = disk_find(&whole, name);
		uint64_t used = file->bytes;
		while (used > 0 && file->seen[used - 1] == 0)
			used--;
		for (uint64_t at = 0; at < file->bytes;
		     at += at < used ? 1 : 61) {
			uint64_t refused = verdicts->refused;
			char *byte = &disk_find(&disk, name)->seen[at];
			*byte ^= (char)(1 << at % 8);
			judge(verdicts, name, at);
			*byte ^= (char)(1 << at % 8);
			if (verdicts->refused == refused)
				start_over();
			world_rewind(&world, &before);
		}
	}
}

Test(damage, any_byte_flipped_in_a_store_closed_in_order_loses_nothing_unseen)
{
	struct verdicts verdicts = { 0 };
	make_store(true);
	flip_all(&verdicts);
	cr_assert_eq(verdicts.shorter, 0);
	cr_assert_gt(verdicts.refused, 5000);
	cr_assert_gt(verdicts.same, 100);
	release_both();
}

Test(damage, any_byte_flipped_after_a_crash_is_refused_or_cuts_the_last_batch)
{
	struct verdicts verdicts = { 0 };
	make_store(false);
	flip_all(&verdicts);
	cr_assert_gt(verdicts.refused, 5000);
	cr_assert_gt(verdicts.shorter, 0);
	cr_assert_lt(verdicts.shorter, 2000);
	release_both();
}

Test(damage, a_refusal_changes_nothing)
{
	struct verdicts verdicts = { 0 };
	make_store(true);
	disk_find(&disk, "segment-0000000001")->seen[590] ^= 1;
	uint64_t written = disk.written_bytes;
	judge(&verdicts, "segment-0000000001", 590);
	cr_assert_eq(verdicts.refused, 1);
	cr_assert_eq(disk.written_bytes, written);
	cr_assert_not_null(
	    strstr(world.reason, "'segment-0000000001' at offset 512"), "%s",
	    world.reason);
	release_both();
}

Test(damage, a_missing_file_is_refused_by_name)
{
	static const char *const names[] = { "segment-0000000001",
		"segment-0000000002", FORMAT_NAME };
	make_store(true);
	for (int i = 0; i < 3; i++) {
		start_over();
		cr_assert(disk_remove(&disk, names[i]));
		cr_assert_not(world_open(&world, false));
		cr_assert_eq(world.error, EBADMSG, "%s: %d %s", names[i],
		    world.error, world.reason);
		cr_assert_not_null(
		    strstr(world.reason, names[i]), "%s", world.reason);
	}
	release_both();
}

Test(damage, a_newer_format_is_refused_and_not_called_damaged)
{
	make_store(true);
	struct disk_file *file = disk_find(&disk, FORMAT_NAME);
	*strchr(file->seen, '1') = '2';
	cr_assert_not(world_open(&world, false));
	cr_assert_eq(world.error, EPROTONOSUPPORT);
	cr_assert_not_null(strstr(world.reason, "format 2"));
	release_both();
}

/* ---- check and salvage ---- */

static char report[64 * 1024];

static void
hear(void *context, const char *line)
{
	(void)context;
	strncat(report, line, sizeof(report) - strlen(report) - 2);
	strcat(report, "\n");
}

static int
check(void)
{
	report[0] = '\0';
	return store_log_check_on(disk_open(&disk), &sizes, hear, NULL);
}

static int
salvage(void)
{
	report[0] = '\0';
	return store_log_salvage_on(disk_open(&disk), &sizes, hear, NULL);
}

Test(damage, check_calls_a_sound_store_sound_and_changes_nothing)
{
	make_store(true);
	uint64_t written = disk.written_bytes;
	cr_assert_eq(check(), 0);
	cr_assert_not_null(strstr(report, "sound"));
	cr_assert_eq(disk.written_bytes, written);
	cr_assert_eq(salvage(), 0);
	cr_assert_eq(disk.written_bytes, written);
	release_both();
}

/* Notes are kept as jobs are, and are none. */
Test(damage, check_and_salvage_count_jobs_and_notes_apart)
{
	uint64_t counts[NOTE_KIND_COUNT] = { 0 };
	char expected[128], line[160];
	make_store(true);
	cr_assert(world_open(&world, false));
	for (int i = 0; i < 12; i++)
		cr_assert(world_note(&world, 100));
	cr_assert(world_settle(&world));
	world_close(&world);
	disk_process_ends(&disk);
	before = world;
	for (uint64_t id = 1; id < before.high; id++)
		if (before.jobs[id].is_there)
			counts[before.jobs[id].note]++;
	for (int kind = 0; kind < NOTE_KIND_COUNT; kind++)
		cr_assert_gt(counts[kind], 2);
	snprintf(expected, sizeof(expected),
	    "%" PRIu64 " jobs, %" PRIu64 " tokens, %" PRIu64 " certificates",
	    counts[NOTE_NONE], counts[NOTE_TOKEN], counts[NOTE_ATTEMPT]);
	cr_assert_eq(check(), 0);
	snprintf(line, sizeof(line), "%s; the next id", expected);
	cr_assert_not_null(strstr(report, line), "%s\n%s", line, report);
	cr_assert(disk_remove(&disk, FORMAT_NAME));
	cr_assert_eq(salvage(), 0, "%s", report);
	snprintf(line, sizeof(line), "they amount to %s", expected);
	cr_assert_not_null(strstr(report, line), "%s\n%s", line, report);
	snprintf(line, sizeof(line), "the new store has %s;", expected);
	cr_assert_not_null(strstr(report, line), "%s\n%s", line, report);
	release_both();
}

Test(damage, check_names_every_place_that_cannot_be_read)
{
	make_store(true);
	disk_find(&disk, "segment-0000000001")->seen[590] ^= 1;
	disk_find(&disk, "segment-0000000002")->seen[20] ^= 1;
	uint64_t written = disk.written_bytes;
	cr_assert_eq(check(), EBADMSG);
	cr_assert_eq(disk.written_bytes, written);
	cr_assert_not_null(
	    strstr(report, "'segment-0000000001' at offset 512"));
	cr_assert_not_null(strstr(report, "in front of 'segment-0000000001'"));
	cr_assert_not_null(
	    strstr(report, "in front of 'segment-0000000002'"), "%s", report);
	release_both();
}

Test(damage, check_of_nothing_says_that_there_is_nothing)
{
	disk_init(&disk, 1);
	cr_assert_eq(check(), ENOENT);
	cr_assert_not_null(strstr(report, "no store"));
	disk_release(&disk);
}

/* Jobs that are on the disk before and after, by what is known of them. */
static void
expect_salvaged(uint32_t at_least)
{
	uint32_t same = 0;
	world.safe = world.written = 0;
	/* Its state is none of those that were committed. */
	world_open(&world, false);
	cr_assert_not_null(world.store, "%s", world.reason);
	for (uint64_t id = 1; id < world.high; id++) {
		const struct world_job *a = &before.jobs[id];
		const struct world_job *b = &world.jobs[id];
		if (b->is_there && a->is_there)
			same += a->job.body_bytes == b->job.body_bytes &&
			    a->job.enqueued_ms == b->job.enqueued_ms &&
			    a->job.mode == b->job.mode && a->key == b->key &&
			    a->note == b->note && a->note_of == b->note_of;
	}
	world.wrong = NULL;
	cr_assert_null(world_check_bodies(&world));
	cr_assert_geq(
	    same, at_least, "%u jobs of %u\n%s", same, before.live, report);
	cr_assert_geq(world.next_id, before.next_id);
}

Test(damage, salvage_keeps_all_jobs_outside_of_the_damage)
{
	make_store(true);
	disk_find(&disk, "segment-0000000001")->seen[590] ^= 1;
	cr_assert_not(world_open(&world, false));
	cr_assert_eq(salvage(), 0, "%s", report);
	expect_salvaged(before.live - 8);
	cr_assert(world_settle(&world));
	world_close(&world);
	cr_assert_not_null(disk_find(&disk, "damaged-segment-0000000001"));
	cr_assert_eq(check(), 0, "%s", report);
	release_both();
}

Test(damage, salvage_needs_neither_the_format_file_nor_every_segment)
{
	make_store(true);
	cr_assert(disk_remove(&disk, FORMAT_NAME));
	cr_assert_eq(salvage(), 0, "%s", report);
	expect_salvaged(before.live);
	cr_assert_eq(world_digest(&world), world_digest(&before));
	world_close(&world);
	start_over();
	cr_assert(disk_remove(&disk, "segment-0000000001"));
	cr_assert_eq(salvage(), 0, "%s", report);
	expect_salvaged(1);
	world_close(&world);
	release_both();
}

Test(damage, salvage_that_dies_at_any_call_can_be_done_again)
{
	make_store(true);
	for (uint64_t n = 1;; n++) {
		start_over();
		disk_find(&disk, "segment-0000000001")->seen[590] ^= 1;
		disk.dead_at = disk.calls + n;
		salvage();
		bool dead = disk.dead;
		disk_power_cut(&disk, (enum disk_loss)(n % LOSS_KINDS));
		int error = check();
		if (error != 0)
			cr_assert_eq(salvage(), 0, "call %lu: %s", n, report);
		expect_salvaged(before.live - 8);
		disk.dead = true;
		world_close(&world);
		if (!dead)
			break;
	}
	release_both();
}
