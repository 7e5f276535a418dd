/* SPDX-License-Identifier: MIT */
#include "sys/log.h"
#include "tests/support/store_world.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

/* Some hundreds of changes; a few segments, some of them cleaned. */
#define STEPS 400

/* Batches that go on over several segments, and are on the disk in part before
 * they end. */
static const struct world_mix large_mix = {
	.put = 60,
	.note = 10,
	.update = 10,
	.delete = 10,
	.commit = 1,
	.progress = 20,
	.body_bytes_max = 3000,
	.live_max = 200,
};

static struct disk disk;
static struct disk copy;
static struct world world;
static struct world before;

static void
be_quiet(void)
{
	log_open("test", LOG_ERROR);
}

TestSuite(power, .init = be_quiet, .timeout = 600);

static uint64_t
seed_count(uint64_t usual)
{
	const char *text = getenv("GSQ_STORE_SEEDS");
	return text != NULL ? strtoull(text, NULL, 10) : usual;
}

static uint64_t
live_with(const struct world_mix *mix, uint64_t seed, uint64_t dead_at,
    bool has_thread)
{
	disk_init(&disk, seed);
	disk.has_thread = has_thread;
	disk.sync_us = has_thread ? 2000 : 100;
	disk.late_polls = 2;
	disk.dead_at = dead_at;
	world_init(&world, &disk, seed);
	if (world_open(&world, true))
		world_run(&world, mix, STEPS);
	uint64_t calls = disk.calls;
	world_close(&world);
	return calls;
}

/* A life that ends at call dead_at. How many calls it made. */
static uint64_t
live(uint64_t seed, uint64_t dead_at, bool has_thread)
{
	return live_with(&world_mix_usual, seed, dead_at, has_thread);
}

static void
expect_open(uint64_t seed, uint64_t dead_at, bool power_was_cut)
{
	cr_assert(world_open(&world, power_was_cut),
	    "seed %lu, dead at call %lu: %s %s", seed, dead_at,
	    world.wrong != NULL ? world.wrong : "", world.reason);
	const char *wrong = world_check_bodies(&world);
	cr_assert_null(
	    wrong, "seed %lu, dead at call %lu: %s", seed, dead_at, wrong);
}

/* The store opens after a power cut at any call of a life, and goes on. */
static void
cut_everywhere(uint64_t seed, bool has_thread)
{
	uint64_t calls = live(seed, 0, has_thread);
	disk_release(&disk);
	for (uint64_t at = 1; at <= calls; at += 1 + seed % 3) {
		live(seed, at, has_thread);
		disk_power_cut(&disk, (enum disk_loss)(at % LOSS_KINDS));
		expect_open(seed, at, true);
		world_run(&world, &world_mix_usual, 20);
		cr_assert_null(world.wrong);
		cr_assert(world_settle(&world));
		world_close(&world);
		disk_process_ends(&disk);
		expect_open(seed, at, false);
		world_close(&world);
		disk_release(&disk);
	}
}

Test(power, a_cut_at_any_call_loses_nothing_that_was_safe)
{
	for (uint64_t seed = 1; seed <= seed_count(12); seed++)
		cut_everywhere(seed, false);
}

Test(power, a_cut_at_any_call_while_the_thread_syncs_loses_nothing)
{
	for (uint64_t seed = 101; seed <= 100 + seed_count(12); seed++)
		cut_everywhere(seed, true);
}

Test(power, a_process_that_dies_at_any_call_loses_nothing_that_was_written)
{
	for (uint64_t seed = 201; seed <= 200 + seed_count(12); seed++) {
		uint64_t calls = live(seed, 0, seed % 2 == 0);
		disk_release(&disk);
		for (uint64_t at = 1; at <= calls; at += 3) {
			live(seed, at, seed % 2 == 0);
			disk_process_ends(&disk);
			expect_open(seed, at, false);
			world_close(&world);
			disk_release(&disk);
		}
	}
}

Test(power, a_cut_after_a_restart_loses_nothing_that_the_restart_has_told)
{
	for (uint64_t seed = 301; seed <= 300 + seed_count(12); seed++) {
		uint64_t calls = live(seed, 0, false);
		disk_release(&disk);
		for (uint64_t at = 10; at <= calls; at += 7) {
			live(seed, at, false);
			disk_process_ends(&disk);
			expect_open(seed, at, false);
			disk.dead = true;
			world_close(&world);
			disk_power_cut(&disk, LOSS_ALL);
			expect_open(seed, at, true);
			world_close(&world);
			disk_release(&disk);
		}
	}
}

/* What is on the disk now is recovered from, dying at each call. How often. */
static uint64_t
cut_recovery(uint64_t seed, uint64_t at)
{
	uint64_t n = 1;
	world_rewind(&before, &world);
	disk_copy(&copy, &disk);
	for (;; n++) {
		disk.dead_at = disk.calls + n;
		bool opened = world_open(&world, true);
		bool dead = disk.dead;
		cr_assert(opened || dead, "%s %s", world.reason,
		    world.wrong ? world.wrong : "");
		world_close(&world);
		if (!dead)
			break;
		disk_power_cut(&disk, (enum disk_loss)(n % LOSS_KINDS));
		world_rewind(&world, &before);
		expect_open(seed, at, true);
		world_close(&world);
		disk_release(&disk);
		disk_copy(&disk, &copy);
		world_rewind(&world, &before);
	}
	disk_release(&copy);
	return n - 1;
}

Test(power, a_cut_at_any_call_of_recovery_is_recovered_from)
{
	uint64_t cuts = 0;
	for (uint64_t seed = 401; seed <= 400 + seed_count(6); seed++) {
		uint64_t calls = live(seed, 0, false);
		disk_release(&disk);
		for (uint64_t at = 20; at <= calls; at += 41) {
			live(seed, at, false);
			disk_power_cut(&disk, LOSS_RANDOM);
			cuts += cut_recovery(seed, at);
			disk_release(&disk);
		}
	}
	cr_assert_gt(cuts, 100);
}

Test(power, a_cut_while_half_a_batch_is_cut_off_is_recovered_from)
{
	uint64_t cuts = 0;
	for (uint64_t seed = 701; seed <= 700 + seed_count(6); seed++) {
		bool has_thread = seed % 2 == 0;
		uint64_t calls = live_with(&large_mix, seed, 0, has_thread);
		disk_release(&disk);
		for (uint64_t at = 20; at <= calls; at += 13) {
			live_with(&large_mix, seed, at, has_thread);
			disk_power_cut(&disk, LOSS_NOTHING);
			cuts += cut_recovery(seed, at);
			disk_release(&disk);
		}
	}
	cr_assert_gt(cuts, 1000);
}

/* What was cleared, and not synced, is gone for the next start alone: it has to
 * clear it again, before the power goes and brings it back. */
Test(power, a_cut_after_an_error_in_recovery_is_recovered_from)
{
	static struct disk failed;
	uint64_t cuts = 0;
	for (uint64_t seed = 701; seed <= 700 + seed_count(1); seed++) {
		uint64_t calls = live_with(&large_mix, seed, 0, true);
		disk_release(&disk);
		for (uint64_t at = 51; at <= calls; at += 397) {
			live_with(&large_mix, seed, at, true);
			disk_power_cut(&disk, LOSS_NOTHING);
			world_rewind(&before, &world);
			disk_copy(&failed, &disk);
			disk.has_failed = true;
			for (uint64_t n = 1; disk.has_failed; n++) {
				disk_release(&disk);
				disk_copy(&disk, &failed);
				world_rewind(&world, &before);
				disk.has_failed = false;
				disk.fail_at = disk.calls + n;
				disk.fail_error = EIO;
				world_open(&world, true);
				world_close(&world);
				disk_process_ends(&disk);
				disk.fail_at = 0;
				cuts += cut_recovery(seed, at);
			}
			disk_release(&failed);
			disk_release(&disk);
		}
	}
	cr_expect_gt(cuts, 1000);
}

/* Segments whose size was lost cannot be had again then, and go; nothing of a
 * tail that is still there may need them. */
Test(power, an_error_in_recovery_on_a_full_disk_is_recovered_from)
{
	uint64_t failures = 0;
	for (uint64_t seed = 601; seed <= 600 + seed_count(10); seed++) {
		uint64_t calls = live(seed, 0, false);
		disk_release(&disk);
		for (uint64_t at = 20; at <= calls; at += 17) {
			live(seed, at, false);
			disk_power_cut(&disk, LOSS_RANDOM);
			world_rewind(&before, &world);
			disk_copy(&copy, &disk);
			disk.has_failed = true;
			for (uint64_t n = 1; disk.has_failed; n++) {
				disk_release(&disk);
				disk_copy(&disk, &copy);
				world_rewind(&world, &before);
				disk.has_failed = false;
				disk.capacity = 1;
				disk.fail_at = disk.calls + n;
				disk.fail_error = EIO;
				world_open(&world, true);
				world_close(&world);
				disk_process_ends(&disk);
				disk.fail_at = 0;
				disk.capacity = 0;
				failures += disk.has_failed;
				expect_open(seed, at, true);
				world_close(&world);
			}
			disk_release(&copy);
			disk_release(&disk);
		}
	}
	cr_expect_gt(failures, 1000);
}

Test(power, a_sync_that_failed_is_made_up_for_at_the_next_start)
{
	uint64_t failures = 0;
	for (uint64_t seed = 501; seed <= 500 + seed_count(12); seed++) {
		uint64_t calls = live(seed, 0, false);
		disk_release(&disk);
		for (uint64_t at = 10; at <= calls; at += 5) {
			disk_init(&disk, seed);
			disk.fail_at = at;
			disk.fail_error = EIO;
			world_init(&world, &disk, seed);
			if (world_open(&world, true))
				world_run(&world, &world_mix_usual, STEPS);
			failures += disk.has_failed;
			world_close(&world);
			disk.fail_at = 0;
			disk_process_ends(&disk);
			expect_open(seed, at, false);
			world_run(&world, &world_mix_usual, 30);
			cr_assert(world_settle(&world));
			disk.dead = true;
			world_close(&world);
			disk_power_cut(&disk, LOSS_ALL);
			expect_open(seed, at, true);
			world_close(&world);
			disk_release(&disk);
		}
	}
	cr_assert_gt(failures, 100);
}

/* A life long enough that segments are cleaned and used again all the time. */
static const struct world_mix busy_mix = {
	.put = 30,
	.note = 10,
	.update = 30,
	.delete = 30,
	.commit = 20,
	.relaxed = 4,
	.progress = 25,
	.body = 2,
	.body_bytes_max = 1500,
	.live_max = 40,
};

static void
cut_while_cleaning(uint64_t seed, bool has_thread)
{
	struct random random = { seed };
	uint64_t moved = 0;
	disk_init(&disk, seed);
	disk.has_thread = has_thread;
	disk.sync_us = has_thread ? 2000 : 100;
	disk.late_polls = 3;
	world_init(&world, &disk, seed);
	bool power = true;
	for (int life = 0; life < 60; life++) {
		expect_open(seed, (uint64_t)life, power);
		uint64_t first = life == 0 ? 3000 : 1;
		disk.dead_at = disk.calls + first + random_next(&random) % 400;
		world_run(&world, &busy_mix, 4000);
		cr_assert_null(world.wrong, "seed %lu life %d: %s", seed, life,
		    world.wrong);
		disk.dead = true;
		moved += world.moved;
		world.moved = 0;
		world_close(&world);
		power = random_next(&random) % 2 == 0;
		if (power)
			disk_power_cut(&disk,
			    (enum disk_loss)(
				random_next(&random) % LOSS_KINDS));
		else
			disk_process_ends(&disk);
	}
	expect_open(seed, 0, power);
	world_close(&world);
	disk_release(&disk);
	cr_assert_gt(moved, 100);
}

Test(power, sixty_deaths_in_a_row_while_segments_are_cleaned_lose_nothing)
{
	for (uint64_t seed = 601; seed <= 600 + seed_count(10); seed++)
		cut_while_cleaning(seed, seed % 2 == 0);
}
