/* SPDX-License-Identifier: MIT */
#include "queue/store_log.h"

#include "queue/store_log_format.h"
#include "sys/log.h"
#include "tests/support/store_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk disk;
static struct world world;

static void
be_quiet(void)
{
	log_open("test", LOG_ERROR);
	disk_init(&disk, 1);
	world_init(&world, &disk, 1);
}

static void
end(void)
{
	world_close(&world);
	disk_release(&disk);
}

TestSuite(store_log, .init = be_quiet, .fini = end, .timeout = 300);

static void
reopen(void)
{
	world_close(&world);
	disk_process_ends(&disk);
	cr_assert(world_open(&world, true), "%s %s", world.reason,
	    world.wrong ? world.wrong : "");
}

static struct store_log_state
state(void)
{
	struct store_log_state now;
	store_log_state(world.store, &now);
	return now;
}

/* ---- keeping ---- */

Test(store_log, a_new_store_is_empty_and_gives_ids_from_1)
{
	cr_assert(world_open(&world, true));
	cr_assert_eq(world.next_id, 1);
	cr_assert_eq(world.live, 0);
	reopen();
	cr_assert_eq(world.next_id, 1);
}

Test(store_log, jobs_their_changes_and_their_ends_are_kept)
{
	cr_assert(world_open(&world, true));
	for (int i = 0; i < 10; i++)
		cr_assert(world_put(&world, 100));
	cr_assert(world_update(&world, 3));
	cr_assert(world_delete(&world, 4));
	cr_assert(world_commit(&world, false));
	cr_assert_eq(world.safe, 1);
	reopen();
	cr_assert_eq(world.live, 9);
	cr_assert_null(world_check_bodies(&world));
}

Test(store_log, what_was_not_committed_is_gone_after_a_restart)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	cr_assert(world_put(&world, 100));
	cr_assert(world_delete(&world, 1));
	reopen();
	cr_assert_eq(world.live, 1);
	cr_assert_eq(state().torn_bytes, 0);
}

Test(store_log, ids_go_on_after_all_jobs_are_gone)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 10));
	cr_assert(world_put(&world, 10));
	cr_assert(world_delete(&world, 1));
	cr_assert(world_delete(&world, 2));
	cr_assert(world_commit(&world, false));
	reopen();
	cr_assert_eq(world.live, 0);
	cr_assert_eq(world.next_id, 3);
	reopen();
	cr_assert_eq(world.next_id, 3);
}

Test(store_log, a_body_can_be_read_before_it_is_committed_without_a_read)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 300));
	cr_assert(world_put(&world, 0));
	uint64_t calls = disk.calls;
	cr_assert_null(world_check_bodies(&world));
	cr_assert(world_commit(&world, false));
	calls = disk.calls - calls;
	cr_assert_null(world_check_bodies(&world));
	cr_assert_leq(calls, 3, "a write and a sync");
}

Test(store_log, a_batch_of_many_segments_is_one_batch)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	for (int i = 0; i < 200; i++)
		cr_assert(world_put(&world, 1000));
	cr_assert_gt(state().log_bytes, 100 * 1024);
	cr_assert_null(world_check_bodies(&world));
	disk.dead = true;
	reopen();
	cr_assert_eq(world.live, 1, "nothing of it before commit");
	for (int i = 0; i < 200; i++)
		cr_assert(world_put(&world, 1000));
	cr_assert(world_commit(&world, false));
	disk.dead = true;
	world_close(&world);
	disk_power_cut(&disk, LOSS_ALL);
	cr_assert(world_open(&world, true));
	cr_assert_eq(world.live, 201, "all of it after");
	cr_assert_null(world_check_bodies(&world));
}

Test(store_log, a_thousand_openings_leave_the_store_small_and_sound)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	for (int i = 0; i < 1000; i++)
		reopen();
	cr_assert_leq(disk_used(&disk),
	    2 * world_live_bytes(&world) + world.sizes.slack_bytes + 100);
}

/* What was written again and not committed goes with the close: then the
 * segment that it came from is still needed. */
Test(store_log, a_store_closed_in_the_midst_of_cleaning_is_sound)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		end();
		disk_init(&disk, seed);
		world_init(&world, &disk, seed);
		cr_assert(world_open(&world, true));
		world_run(&world, &world_mix_usual, 400);
		for (int i = 0; i < 40; i++) {
			world_run(&world, &world_mix_usual, 7);
			cr_assert(world_progress(&world));
			reopen();
		}
	}
}

/* ---- one write, one sync ---- */

Test(store_log, a_commit_is_one_write_and_one_sync)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	uint64_t calls = disk.calls, syncs = disk.syncs;
	for (int i = 0; i < 5; i++)
		cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	cr_assert_eq(disk.calls - calls, 2);
	cr_assert_eq(disk.syncs - syncs, 1);
}

Test(store_log, an_empty_commit_writes_nothing)
{
	cr_assert(world_open(&world, true));
	uint64_t calls = disk.calls;
	cr_assert(world_commit(&world, false));
	cr_assert_not(world.waits);
	cr_assert_eq(disk.calls, calls);
}

Test(store_log, an_empty_commit_waits_for_what_was_relaxed_before)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, true));
	cr_assert(world_commit(&world, false));
	disk.dead = true;
	world_close(&world);
	disk_power_cut(&disk, LOSS_ALL);
	cr_assert(world_open(&world, true));
	cr_assert_eq(world.live, 1);
}

/* ---- relaxed ---- */

Test(store_log, a_relaxed_commit_is_answered_at_once_and_durable_in_10_ms)
{
	cr_assert(world_open(&world, true));
	world_progress(&world);
	uint64_t syncs = disk.syncs;
	int64_t begun_us = disk.now_us;
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, true));
	cr_assert_not(world.waits);
	cr_assert_eq(world.written, 1);
	cr_assert_eq(disk.syncs, syncs);
	const struct store_operations *operations = world.store->operations;
	int64_t wake_ms = operations->wake_at(world.store);
	cr_assert_leq(1000 * wake_ms, begun_us + 8000);
	cr_assert_geq(1000 * wake_ms, begun_us + 3000);
	/* Early is no reason. */
	disk.now_us = 1000 * wake_ms - 2000;
	operations->progress(world.store, disk.now_us / 1000);
	cr_assert_eq(disk.syncs, syncs);
	disk.now_us = 1000 * wake_ms;
	operations->progress(world.store, wake_ms);
	cr_assert_eq(disk.syncs, syncs + 1);
	cr_assert_eq(operations->wake_at(world.store), INT64_MAX);
	disk.dead = true;
	world_close(&world);
	disk_power_cut(&disk, LOSS_ALL);
	world.safe = world.written;
	cr_assert(world_open(&world, true));
	cr_assert_eq(world.live, 1);
}

Test(store_log, many_relaxed_commits_share_a_sync)
{
	world.sizes.segment_bytes_min = world.sizes.segment_bytes_max = 1 << 20;
	cr_assert(world_open(&world, true));
	world_progress(&world);
	uint64_t syncs = disk.syncs;
	for (int i = 0; i < 100; i++) {
		cr_assert(world_put(&world, 100));
		cr_assert(world_commit(&world, true));
		disk.now_us += 20;
		world.store->operations->progress(
		    world.store, disk.now_us / 1000);
	}
	cr_assert_leq(disk.syncs - syncs, 3);
}

/* ---- a slow disk ---- */

static void
open_with_thread(int64_t sync_us)
{
	disk.has_thread = true;
	disk.sync_us = sync_us;
	disk.late_polls = 1;
	cr_assert(world_open(&world, true));
	cr_assert(world_settle(&world));
}

Test(store_log, a_fast_disk_is_synced_in_place)
{
	open_with_thread(100);
	uint64_t begun = disk.begun_syncs;
	for (int i = 0; i < 100; i++) {
		cr_assert(world_put(&world, 100));
		cr_assert(world_commit(&world, false));
		cr_assert_not(world.waits);
	}
	cr_assert_eq(disk.begun_syncs, begun);
	cr_assert_not(state().uses_thread);
}

Test(store_log, a_disk_that_was_slow_at_the_start_never_stops_the_loop)
{
	open_with_thread(50000);
	uint64_t begun = disk.begun_syncs, syncs = disk.syncs;
	for (int i = 0; i < 100; i++) {
		cr_assert(world_put(&world, 100));
		cr_assert(world_commit(&world, false));
		cr_assert(world.waits);
		cr_assert_eq(disk.syncs, syncs);
		while (world.waits)
			cr_assert(world_progress(&world));
		cr_assert(world_settle(&world));
		syncs = disk.syncs;
	}
	cr_assert_geq(disk.begun_syncs - begun, 100);
}

Test(store_log, one_stall_is_enough_and_fast_ones_bring_it_back)
{
	open_with_thread(100);
	disk.sync_us = 50000;
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	cr_assert_not(world.waits, "this one was done in place");
	uint64_t slow = disk.syncs - disk.begun_syncs;
	for (int i = 0; i < 20; i++) {
		cr_assert(world_put(&world, 100));
		cr_assert(world_settle(&world));
	}
	cr_assert_eq(disk.syncs - disk.begun_syncs, slow);
	disk.sync_us = 100;
	disk.late_polls = 0;
	for (int i = 0; i < 200; i++) {
		cr_assert(world_put(&world, 100));
		cr_assert(world_commit(&world, false));
		while (world.waits)
			world.store->operations->progress(
			    world.store, disk.now_us / 1000);
	}
	cr_assert_not(state().uses_thread);
}

/* Makes a job durable on a disk that takes so long; in place? */
static bool
synced_in_place(int64_t sync_us)
{
	uint64_t begun = disk.begun_syncs;
	disk.sync_us = sync_us;
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	while (world.waits)
		cr_assert(world_progress(&world));
	return disk.begun_syncs == begun;
}

Test(store_log, a_slow_sync_now_and_then_is_no_reason_for_the_thread)
{
	world.sizes.segment_bytes_min = world.sizes.segment_bytes_max = 1 << 20;
	open_with_thread(100);
	for (int i = 0; i < 300; i++)
		cr_assert(synced_in_place(i % 30 == 0 ? 1900 : 100));
}

Test(store_log, two_slow_syncs_near_each_other_bring_the_thread)
{
	open_with_thread(100);
	cr_assert(synced_in_place(1900));
	cr_assert(synced_in_place(100));
	cr_assert(synced_in_place(1900));
	cr_assert_not(synced_in_place(100));
	cr_assert(state().uses_thread);
}

Test(store_log, the_next_batch_gathers_while_one_is_on_its_way)
{
	open_with_thread(50000);
	disk.late_polls = 3;
	cr_assert(world_put(&world, 100));
	cr_assert(world_commit(&world, false));
	cr_assert(world.waits);
	for (int i = 0; i < 5; i++)
		cr_assert(world_put(&world, 500));
	cr_assert_null(world_check_bodies(&world));
	while (world.waits)
		cr_assert(world_progress(&world));
	cr_assert_eq(world.safe, world.commits);
	cr_assert(world_settle(&world));
	reopen();
	cr_assert_eq(world.live, 6);
}

/* ---- failing calls ---- */

/* A call fails, once or from then on: the store says so and is right at the
 * next start, or it did without that call. */
static void
fail_everywhere(int error, bool fails_on)
{
	uint64_t failed = 0, went_on = 0;
	for (uint64_t at = 1;; at++) {
		world_close(&world);
		disk_release(&disk);
		disk_init(&disk, at);
		disk.has_thread = at % 2 == 0;
		disk.sync_us = at % 4 == 0 ? 5000 : 100;
		disk.fail_at = at;
		disk.fail_error = error;
		disk.fails_on = fails_on;
		world_init(&world, &disk, at / 8);
		world.gives_no_reasons = error == ENOSPC;
		if (world_open(&world, true))
			world_run(&world, &world_mix_usual, 800);
		cr_assert_null(world.wrong, "call %lu: %s", at, world.wrong);
		if (world.error != 0) {
			cr_assert_eq(world.error, error, "call %lu: %s", at,
			    strerror(world.error));
			failed++;
		} else {
			went_on++;
		}
		bool came = disk.has_failed;
		world_close(&world);
		disk.fail_at = 0;
		disk_process_ends(&disk);
		cr_assert(world_open(&world, false), "call %lu: %s %s", at,
		    world.reason, world.wrong ? world.wrong : "");
		cr_assert_null(world_check_bodies(&world));
		if (!came)
			break;
	}
	cr_assert_gt(failed, 100);
	cr_assert_gt(went_on, 0);
}

Test(store_log, any_call_that_fails_with_EIO_ends_it_in_a_state_that_is_good)
{
	fail_everywhere(EIO, false);
}

Test(store_log, calls_that_fail_with_EIO_from_some_call_on_end_it_well)
{
	fail_everywhere(EIO, true);
}

Test(store_log, any_call_that_fails_with_ENOSPC_refuses_or_ends_it_well)
{
	fail_everywhere(ENOSPC, false);
}

Test(store_log, short_and_interrupted_calls_are_made_up_for)
{
	disk.dribbles = true;
	cr_assert(world_open(&world, true));
	world_run(&world, &world_mix_usual, 2000);
	cr_assert_eq(world.error, 0);
	cr_assert_null(world.wrong);
	cr_assert(world_settle(&world));
	reopen();
	cr_assert_null(world_check_bodies(&world));
}

/* ---- a real directory ---- */

struct real {
	char path[64];
	uint64_t jobs;
	uint64_t body;
	bool committed;
};

static struct real real = { .path = "/tmp/gsq-test-store.XXXXXX" };

static void
on_restore(void *context, const struct record *record)
{
	(void)context;
	cr_assert(span_is_text(record->queue, "mail"));
	real.body = record->job->body;
	real.jobs++;
}

static void
on_expect(void *context, size_t jobs)
{
	(void)context;
	(void)jobs;
}

static void
on_committed(void *context, int error)
{
	(void)context;
	cr_assert_eq(error, 0);
	real.committed = true;
}

static struct store *
open_real(int expected, char *reason, size_t reason_bytes)
{
	char path[128];
	uint64_t next_id;
	snprintf(path, sizeof(path), "%s/store", real.path);
	struct store *store = store_log_open(path);
	store->owner = (struct store_owner){ .expect = on_expect,
		.restore = on_restore,
		.committed = on_committed };
	real.jobs = 0;
	int error =
	    store->operations->load(store, &next_id, reason, reason_bytes);
	cr_assert_eq(error, expected, "%s: %s", strerror(error), reason);
	return store;
}

static void
make_real(void)
{
	be_quiet();
	cr_assert_not_null(mkdtemp(real.path));
}

static void
remove_real(void)
{
	char command[128];
	end();
	snprintf(command, sizeof(command), "rm -rf '%s'", real.path);
	cr_assert_eq(system(command), 0);
}

TestSuite(real_disk, .init = make_real, .fini = remove_real, .timeout = 60);

static void
put_real(struct store *store, uint64_t id)
{
	struct job job = { .id = id, .state = JOB_READY, .body_bytes = 5 };
	struct record record = { .job = &job, .queue = { "mail", 4 } };
	const struct store_operations *operations = store->operations;
	cr_assert(operations->has_room(store, 1, 5));
	cr_assert_eq(operations->begin(store), 0);
	cr_assert_eq(operations->put(store, &record,
			 (struct span){ "hello", 5 }, &real.body),
	    0);
	real.committed = false;
	cr_assert_eq(operations->commit(store, false), 0);
	while (!real.committed)
		cr_assert_eq(operations->progress(store, 0), 0);
}

Test(real_disk, jobs_are_kept_and_a_second_queue_is_refused)
{
	char reason[512] = "";
	struct span body;
	struct store *store = open_real(0, reason, sizeof(reason));
	put_real(store, 1);
	struct store *second = open_real(EWOULDBLOCK, reason, sizeof(reason));
	cr_assert_not_null(strstr(reason, "in use"));
	second->operations->close(second);
	store->operations->close(store);
	store = open_real(0, reason, sizeof(reason));
	cr_assert_eq(real.jobs, 1);
	cr_assert_eq(store->operations->body(store, real.body, 5, &body), 0);
	cr_assert(span_is_text(body, "hello"));
	store->operations->close(store);
}

Test(real_disk, a_directory_that_others_may_write_to_is_refused)
{
	char reason[512] = "", path[128];
	snprintf(path, sizeof(path), "%s/store", real.path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chmod(path, 0777), 0);
	struct store *store = open_real(EPERM, reason, sizeof(reason));
	cr_assert_not_null(strstr(reason, "chmod"));
	store->operations->close(store);
}

Test(real_disk, the_thread_syncs_and_wakes_the_loop)
{
	char reason[512] = "", path[128];
	snprintf(path, sizeof(path), "%s/other", real.path);
	struct io *io = io_disk_open(path);
	int file, error = -1;
	cr_assert_eq(io->claim(io, reason, sizeof(reason)), 0, "%s", reason);
	cr_assert_eq(io->open(io, "x", true, &file), 0);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(
		    io->sync_begin(io, i % 2 ? file : IO_DIRECTORY), 0);
		fd_set ready;
		FD_ZERO(&ready);
		FD_SET(io->wake_fd(io), &ready);
		cr_assert_eq(
		    select(io->wake_fd(io) + 1, &ready, NULL, NULL, NULL), 1);
		cr_assert(io->sync_ended(io, &error));
		cr_assert_eq(error, 0);
		cr_assert_not(io->sync_ended(io, &error));
	}
	cr_assert_eq(io->sync_begin(io, file), 0);
	cr_assert_eq(io->sync_wait(io), 0);
	cr_assert_eq(io->sync_begin(io, file), 0);
	io->close(io, file);
	io->free(io);
}
