/* SPDX-License-Identifier: MIT */
#include "sys/log.h"
#include "tests/support/store_world.h"

#include <criterion/criterion.h>

static struct disk disk;
static struct world world;

/* As those of a real store, a thousand times smaller. */
static const struct log_sizes sizes = {
	.segment_bytes_min = 8 * 1024,
	.segment_bytes_max = 64 * 1024,
	.slack_bytes = 128 * 1024,
};

static void
begin(void)
{
	log_open("test", LOG_ERROR);
	disk_init(&disk, 1);
	world_init(&world, &disk, 1);
	world.sizes = sizes;
}

static void
end(void)
{
	world_close(&world);
	disk_release(&disk);
}

TestSuite(space, .init = begin, .fini = end, .timeout = 600);

/* A step of cleaning is small, whatever was put off before. */
#define STEP_BYTES_MAX (48u * 1024)

static uint64_t
rewritten(void)
{
	struct store_log_state state;
	store_log_state(world.store, &state);
	return state.is_full ? 0 : state.rewritten_bytes;
}

static void
turn(void)
{
	uint64_t before = rewritten();
	cr_assert(world_progress(&world), "%d", world.error);
	cr_assert_leq(rewritten(), before + STEP_BYTES_MAX);
	cr_assert(world_commit(&world, false), "%d", world.error);
}

/* ---- the bound ---- */

/* The files never take more than twice what is alive, and some slack. */
static uint64_t
expect_bound(const char *when)
{
	uint64_t used = disk_used(&disk);
	uint64_t limit = 2 * world_live_bytes(&world) + world.sizes.slack_bytes;
	cr_assert_leq(
	    used, limit + 100, "%s: %lu bytes of %lu", when, used, limit);
	return used;
}

static void
live_within_bound(const struct world_mix *mix, uint32_t steps, uint64_t seed)
{
	world.random.state = seed;
	cr_assert(world_open(&world, true));
	for (uint32_t i = 0; i < steps; i++) {
		cr_assert(world_step(&world, mix), "%d", world.error);
		cr_assert_null(world.wrong);
		if (i % 8 == 0)
			turn();
		if (i % 64 == 0)
			expect_bound("in the middle");
	}
	cr_assert(world_settle(&world));
	for (int i = 0; i < 100; i++)
		cr_assert(world_progress(&world));
	expect_bound("at the end");
	cr_assert_gt(world.moved, 0);
	world_close(&world);
	disk_process_ends(&disk);
	cr_assert(world_open(&world, true));
	cr_assert_null(world_check_bodies(&world));
}

Test(space, a_mix_of_everything_stays_within_the_bound)
{
	struct world_mix mix = world_mix_usual;
	mix.live_max = 150;
	live_within_bound(&mix, 40000, 1);
}

Test(space, retries_of_jobs_that_stay_stay_within_the_bound)
{
	struct world_mix mix = { .put = 2,
		.update = 100,
		.delete = 1,
		.body_bytes_max = 100,
		.live_max = 400 };
	live_within_bound(&mix, 40000, 2);
}

Test(space, old_jobs_that_stay_for_ever_do_not_hold_what_comes_after_them)
{
	struct world_mix fill = {
		.put = 1, .body_bytes_max = 400, .live_max = 500
	};
	struct world_mix churn = { .put = 10,
		.delete = 10,
		.update = 5,
		.body_bytes_max = 400,
		.live_max = 520 };
	world.random.state = 3;
	cr_assert(world_open(&world, true));
	for (int i = 0; i < 500; i++) {
		world_step(&world, &fill);
		turn();
	}
	world_close(&world);
	disk_process_ends(&disk);
	live_within_bound(&churn, 30000, 4);
}

Test(space, a_backlog_that_is_gone_gives_its_room_back)
{
	struct world_mix fill = {
		.put = 1, .body_bytes_max = 1000, .live_max = 2000
	};
	cr_assert(world_open(&world, true));
	for (int i = 0; i < 2000; i++) {
		world_step(&world, &fill);
		if (i % 16 == 0) {
			turn();
			expect_bound("filling");
		}
	}
	cr_assert_gt(disk_used(&disk), 1000 * 1000);
	for (uint64_t id = 1; id < 2000; id++) {
		if (world.jobs[id].is_there)
			cr_assert(world_delete(&world, id));
		if (id % 8 == 0)
			turn();
	}
	turn();
	for (int i = 0; i < 400; i++)
		cr_assert(world_progress(&world));
	expect_bound("emptied");
	cr_assert_leq(disk_used(&disk), world.sizes.slack_bytes + 100);
}

Test(space, nothing_is_written_when_nothing_happens)
{
	cr_assert(world_open(&world, true));
	world_run(&world, &world_mix_usual, 5000);
	cr_assert(world_settle(&world));
	for (int i = 0; i < 2000; i++)
		cr_assert(world_progress(&world));
	uint64_t calls = disk.calls;
	for (int i = 0; i < 100; i++)
		cr_assert(world_progress(&world));
	cr_assert_eq(disk.calls, calls);
	cr_assert_eq(world.store->operations->wake_at(world.store), INT64_MAX);
}

Test(space, jobs_that_take_far_more_than_estimated_do_not_keep_it_busy)
{
	/* No bodies, and long reasons: five times the estimate. */
	struct world_mix mix = { .put = 20, .update = 60, .live_max = 3000 };
	cr_assert(world_open(&world, true));
	for (int i = 0; i < 20000; i++) {
		cr_assert(world_step(&world, &mix), "%d", world.error);
		if (i % 8 == 0)
			turn();
	}
	struct store_log_state state;
	store_log_state(world.store, &state);
	cr_assert_gt(world_live_bytes(&world), 2 * state.live_bytes);
	cr_assert_leq(disk_used(&disk),
	    2 * world_live_bytes(&world) + world.sizes.slack_bytes);
	cr_assert(world_settle(&world));
	for (int i = 0; i < 2000; i++)
		cr_assert(world_progress(&world));
	uint64_t calls = disk.calls;
	for (int i = 0; i < 100; i++)
		cr_assert(world_progress(&world));
	cr_assert_eq(disk.calls, calls);
}

/* ---- a full disk ---- */

static void
fill_disk(uint64_t capacity, uint32_t body_bytes)
{
	disk.capacity = capacity;
	cr_assert(world_open(&world, true), "%s", world.reason);
	for (int i = 0; i < 5000; i++) {
		cr_assert(world_put(&world, body_bytes));
		if (world.refused > 0)
			break;
		turn();
	}
	cr_assert_gt(world.refused, 0);
	cr_assert_gt(world.live, 20);
}

Test(space, on_a_full_disk_new_jobs_are_refused_and_all_others_can_end)
{
	fill_disk(256 * 1024, 300);
	uint64_t last = world.next_id;
	for (uint64_t id = 1; id < last; id++) {
		cr_assert(world_update(&world, id));
		turn();
		cr_assert(world_delete(&world, id));
		turn();
	}
	cr_assert_eq(world.live, 0);
	uint64_t refused = world.refused;
	disk.now_us += 2000000;
	cr_assert(world_put(&world, 300));
	turn();
	cr_assert_eq(world.refused, refused, "room has come back");
	cr_assert_eq(world.live, 1);
}

Test(space, on_a_full_disk_jobs_can_fail_for_ever_one_a_commit)
{
	struct random random = { 5 };
	fill_disk(200 * 1024, 150);
	for (int i = 0; i < 20000; i++) {
		uint64_t id = 1 + random_next(&random) % (world.next_id - 1);
		cr_assert(
		    world_update(&world, id), "%d after %d", world.error, i);
		turn();
	}
	cr_assert_eq(world.error, 0);
	cr_assert_leq(disk_used(&disk), disk.capacity);
}

Test(space, on_a_full_disk_all_jobs_can_end_in_one_batch)
{
	fill_disk(300 * 1024, 100);
	for (uint64_t id = 1; id < world.next_id; id++)
		cr_assert(world_update(&world, id), "%d", world.error);
	turn();
	for (uint64_t id = 1; id < world.next_id; id++)
		cr_assert(world_delete(&world, id), "%d", world.error);
	turn();
	cr_assert_eq(world.live, 0);
}

Test(space, a_full_disk_that_gets_room_takes_jobs_again_within_a_second)
{
	fill_disk(200 * 1024, 300);
	disk.capacity *= 2;
	uint64_t live = world.live, refused = world.refused;
	disk.now_us += 1100000;
	cr_assert(world_put(&world, 300));
	turn();
	cr_assert_eq(world.live, live + 1);
	cr_assert_eq(world.refused, refused);
}

Test(space, a_full_disk_is_not_asked_for_more_all_the_time)
{
	fill_disk(200 * 1024, 300);
	uint64_t calls = disk.calls, refused = world.refused;
	for (int i = 0; i < 1000; i++)
		cr_assert(world_put(&world, 300));
	cr_assert_eq(world.refused, refused + 1000);
	cr_assert_eq(disk.calls, calls);
}

Test(space, a_store_on_a_full_disk_opens_and_lets_jobs_end)
{
	fill_disk(200 * 1024, 300);
	world_close(&world);
	disk_process_ends(&disk);
	disk.capacity = disk_used(&disk);
	cr_assert(world_open(&world, true), "%s", world.reason);
	for (uint64_t id = 1; id < world.next_id; id++) {
		cr_assert(world_delete(&world, id), "%d", world.error);
		turn();
	}
	cr_assert_eq(world.live, 0);
}

Test(space, a_disk_with_no_room_at_all_is_refused_in_words)
{
	disk.capacity = 4096;
	cr_assert_not(world_open(&world, true));
	cr_assert_not_null(strstr(world.reason, "No space left"));
}

Test(space, a_body_larger_than_a_segment_can_hold_is_refused)
{
	cr_assert(world_open(&world, true));
	cr_assert(world_put(&world, 4000));
	cr_assert_eq(world.refused, 1);
	cr_assert(world_put(&world, 2000));
	cr_assert_eq(world.refused, 1);
}
