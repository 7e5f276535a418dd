/* SPDX-License-Identifier: MIT */
#include "core/due.h"

#include "base/random.h"
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct jobs jobs;
static struct due due;
static int64_t wall_ms; /* the wall clock at 0 */

static void
init_due(void)
{
	jobs_init(&jobs);
	due_init(&due, &jobs);
}

static void
release_due(void)
{
	due_release(&due);
	jobs_release(&jobs);
}

TestSuite(due, .init = init_due, .fini = release_due);

static void
add(uint64_t id, int64_t at_ms)
{
	due_add(
	    &due, &jobs, jobs_add(&jobs, id), (struct moment){ at_ms, false });
}

/* The id of the job that is due, or 0. */
static uint64_t
take(int64_t at_ms)
{
	uint32_t handle = due_take(&due, &jobs, at_ms, wall_ms);
	return handle ? job_at(&jobs, handle)->id : 0;
}

Test(due, nothing_is_never_due)
{
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), INT64_MAX);
	cr_expect_eq(take(INT64_MAX - 1), 0);
}

Test(due, the_earliest_comes_first_and_none_before_its_time)
{
	add(1, 300);
	add(2, 100);
	add(3, 200);
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), 100);
	cr_expect_eq(take(99), 0);
	cr_expect_eq(take(100), 2);
	cr_expect_eq(take(100), 0);
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), 200);
	cr_expect_eq(take(1000), 3);
	cr_expect_eq(take(1000), 1);
	cr_expect_eq(take(1000), 0);
}

Test(due, jobs_of_one_moment_come_in_the_order_of_their_ids)
{
	static const uint64_t ids[] = { 4, 2, 7, 1, 6, 3, 5 };
	for (size_t i = 0; i < 7; i++)
		add(ids[i], 50);
	for (uint64_t id = 1; id <= 7; id++)
		cr_expect_eq(take(50), id);
}

Test(due, times_of_chance_come_out_sorted)
{
	struct random random = { 7 };
	for (uint64_t id = 1; id <= 2000; id++)
		add(id, (int64_t)(random_next(&random) % 500));
	int64_t last_ms = 0;
	uint64_t last_id = 0;
	for (unsigned i = 0; i < 2000; i++) {
		int64_t at_ms = due_next_ms(&due, &jobs, wall_ms);
		uint64_t id = take(at_ms);
		cr_assert(
		    at_ms > last_ms || (at_ms == last_ms && id > last_id));
		last_ms = at_ms;
		last_id = id;
	}
	cr_expect_eq(due_count(&due), 0);
}

Test(due, a_job_knows_its_place_and_loses_it)
{
	add(1, 10);
	const struct job *job = job_at(&jobs, jobs_find(&jobs, 1));
	cr_expect_eq(job->place, 1);
	cr_expect_eq(job->at_ms, 10);
	take(10);
	cr_expect_eq(job->place, 0);
}

static void
add_by_wall(uint64_t id, int64_t at_wall_ms)
{
	due_add(&due, &jobs, jobs_add(&jobs, id),
	    (struct moment){ at_wall_ms, true });
}

Test(due, both_clocks_count_together)
{
	wall_ms = 1000000;
	add(1, 300);
	add_by_wall(2, 1000200);
	add_by_wall(3, 1000400);
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), 200);
	cr_expect_eq(take(199), 0);
	cr_expect_eq(take(400), 2);
	cr_expect_eq(take(400), 1);
	cr_expect_eq(take(400), 3);
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), INT64_MAX);
}

Test(due, who_waits_for_the_wall_clock_follows_it)
{
	wall_ms = 1000000;
	add_by_wall(1, 1000200);
	add(2, 300);
	wall_ms -= 500;
	cr_expect_eq(due_next_ms(&due, &jobs, wall_ms), 300);
	cr_expect_eq(take(699), 2);
	cr_expect_eq(take(699), 0);
	wall_ms += 400;
	cr_expect_eq(take(300), 1);
}

Test(due, a_job_that_waits_no_more_has_the_usual_clock)
{
	add_by_wall(1, 10);
	add_by_wall(2, 5);
	uint32_t handle = jobs_find(&jobs, 1);
	cr_expect(job_at(&jobs, handle)->by_wall);
	due_remove(&due, &jobs, handle);
	cr_expect_not(job_at(&jobs, handle)->by_wall);
	cr_expect_eq(job_at(&jobs, handle)->place, 0);
	cr_expect_eq(take(5), 2);
	cr_expect_not(job_at(&jobs, jobs_find(&jobs, 2))->by_wall);
}

#if MEMORY_CAN_FAIL
Test(due, without_memory_a_job_is_not_forgotten_but_the_process_ends,
    .signal = SIGABRT)
{
	uint32_t handle = jobs_add(&jobs, 1);
	fail_memory(1);
	due_add(&due, &jobs, handle, (struct moment){ 10, false });
}
#endif
