/* SPDX-License-Identifier: MIT */
#include "core/lane.h"

#include "base/random.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct jobs jobs;
static struct lanes lanes;

static void
init_lanes(void)
{
	jobs_init(&jobs);
	lanes_init(&lanes);
}

static void
release_lanes(void)
{
	lanes_release(&lanes);
	jobs_release(&jobs);
}

TestSuite(lane, .init = init_lanes, .fini = release_lanes);

static struct lane *
add(const char *name)
{
	return lanes_add(&lanes, span_of(name), &usual_policy);
}

static uint32_t
job_of(uint64_t id, uint8_t priority)
{
	uint32_t handle = jobs_add(&jobs, id);
	job_at(&jobs, handle)->priority = priority;
	return handle;
}

Test(lane, is_found_by_its_name)
{
	struct lane *mail = add("mail"), *sync = add("sync");
	cr_expect_eq(lanes_find(&lanes, SPAN_LITERAL("mail")), mail);
	cr_expect_eq(lanes_find(&lanes, SPAN_LITERAL("sync")), sync);
	cr_expect_null(lanes_find(&lanes, SPAN_LITERAL("mai")));
	cr_expect_null(lanes_find(&lanes, SPAN_LITERAL("mail2")));
	cr_expect_eq(lane_at(&lanes, mail->handle), mail);
	cr_expect_eq(mail->policy.max_attempts, usual_policy.max_attempts);
	cr_expect_str_eq(sync->name.text, "sync");
}

Test(lane, empty_has_no_first_job)
{
	cr_expect_eq(lane_first(add("mail")), 0);
}

Test(lane, every_priority_alone_is_found_and_gone_when_taken)
{
	struct lane *lane = add("mail");
	for (unsigned priority = 0; priority < PRIORITY_COUNT; priority++) {
		uint32_t handle = job_of(priority + 1, (uint8_t)priority);
		lane_push_back(&jobs, lane, handle);
		cr_expect_eq(lane_first(lane), handle, "%u", priority);
		cr_expect_eq(lane_after(&jobs, lane, handle), 0);
		lane_take(&jobs, lane, handle);
		cr_expect_eq(lane_first(lane), 0, "%u", priority);
	}
}

Test(lane, a_priority_stays_occupied_until_its_last_job_is_taken)
{
	struct lane *lane = add("mail");
	uint32_t a = job_of(1, 64), b = job_of(2, 64), c = job_of(3, 65);
	lane_push_back(&jobs, lane, a);
	lane_push_back(&jobs, lane, b);
	lane_push_back(&jobs, lane, c);
	lane_take(&jobs, lane, a);
	cr_expect_eq(lane_first(lane), b);
	lane_take(&jobs, lane, b);
	cr_expect_eq(lane_first(lane), c);
}

Test(lane, walks_through_priorities_and_arrivals_in_the_order_of_delivery)
{
	static const uint8_t priorities[] = { 0, 1, 63, 64, 127, 128, 191, 192,
		254, 255 };
	struct lane *lane = add("mail");
	uint64_t id = 1;
	/* The least urgent come first. */
	for (size_t i = sizeof(priorities); i-- > 0; id += 2) {
		lane_push_back(&jobs, lane, job_of(id + 1, priorities[i]));
		lane_push_front(&jobs, lane, job_of(id, priorities[i]));
	}
	uint32_t handle = lane_first(lane);
	for (size_t i = 0; i < sizeof(priorities); i++)
		for (int k = 0; k < 2; k++) {
			cr_assert_neq(handle, 0);
			cr_expect_eq(
			    job_at(&jobs, handle)->priority, priorities[i]);
			cr_expect_eq(job_at(&jobs, handle)->id % 2, 1 - k);
			handle = lane_after(&jobs, lane, handle);
		}
	cr_expect_eq(handle, 0);
}

Test(lane, jobs_of_chance_come_out_as_if_sorted)
{
	struct lane *lane = add("mail");
	struct random random = { 42 };
	for (uint64_t id = 1; id <= 1000; id++)
		lane_push_back(&jobs, lane,
		    job_of(id, (uint8_t)(random_next(&random) % 256)));
	uint64_t last = 0;
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t handle = lane_first(lane);
		cr_assert_neq(handle, 0);
		const struct job *job = job_at(&jobs, handle);
		uint64_t place = (uint64_t)job->priority << 32 | job->id;
		cr_assert_gt(place, last);
		last = place;
		lane_take(&jobs, lane, handle);
	}
	cr_expect_eq(lane_first(lane), 0);
}

Test(lane, is_idle_without_jobs_of_any_state_and_subscriptions)
{
	struct lane *lane = add("mail");
	cr_expect(lane_is_idle(lane));
	for (int state = JOB_READY; state < JOB_STATE_COUNT; state++) {
		lane->counts[state] = 1;
		cr_expect_not(lane_is_idle(lane), "state %d", state);
		lane->counts[state] = 0;
	}
	lane->subscription_count = 1;
	cr_expect_not(lane_is_idle(lane));
}

Test(lane, unfinished_are_all_jobs_but_the_dead)
{
	struct lane *lane = add("mail");
	lane->counts[JOB_READY] = 1;
	lane->counts[JOB_DELAYED] = 20;
	lane->counts[JOB_RUNNING] = 300;
	lane->counts[JOB_DEAD] = 4000;
	cr_expect_eq(lane_unfinished(lane), 321);
}

/* LANES_MAX lanes, all idle: "q0", "q1" ... */
static void
fill(void)
{
	for (unsigned i = 0; i < LANES_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "q%u", i);
		struct lane *lane = add(name);
		cr_assert_not_null(lane);
		heap_init(&lane->asking, NULL, NULL, NULL);
	}
}

static void
keep_busy(const char *name, bool busy)
{
	struct lane *lane = lanes_find(&lanes, span_of(name));
	cr_assert_not_null(lane);
	lane->counts[JOB_READY] = busy;
	lanes_note(&lanes, lane);
	lanes_note(&lanes, lane);
}

Test(lane, when_there_are_too_many_the_longest_idle_makes_room)
{
	fill();
	keep_busy("q0", true);
	keep_busy("q1", true);
	keep_busy("q1", false);
	cr_assert_not_null(add("new"));
	cr_expect_not_null(lanes_find(&lanes, SPAN_LITERAL("q0")));
	cr_expect_not_null(lanes_find(&lanes, SPAN_LITERAL("q1")));
	cr_expect_null(lanes_find(&lanes, SPAN_LITERAL("q2")));
	cr_expect_not_null(lanes_find(&lanes, SPAN_LITERAL("q3")));
	cr_expect_eq(lanes.slab.used, LANES_MAX);
}

Test(lane, when_none_is_idle_there_is_no_room)
{
	fill();
	struct lane *lane, *following;
	HASH_ITER(by_name, lanes.by_name, lane, following) {
		lane->counts[JOB_DEAD] = 1;
		lanes_note(&lanes, lane);
	}
	cr_expect_null(add("new"));
	keep_busy("q7", false);
	lanes_find(&lanes, SPAN_LITERAL("q7"))->counts[JOB_DEAD] = 0;
	keep_busy("q7", false);
	cr_expect_not_null(add("new"));
	cr_expect_null(lanes_find(&lanes, SPAN_LITERAL("q7")));
}

static uint32_t
ready(struct lane *lane, uint64_t id, uint8_t priority, int64_t at_ms)
{
	uint32_t handle = job_of(id, priority);
	job_at(&jobs, handle)->at_ms = at_ms;
	lane_push_back(&jobs, lane, handle);
	return handle;
}

static int64_t
since_ms(const struct lane *lane, unsigned looks)
{
	return lane_ready_since_ms(&jobs, lane, &looks);
}

Test(lane, without_a_ready_job_none_is_the_oldest)
{
	cr_expect_eq(since_ms(add("mail"), 10), INT64_MAX);
}

Test(lane, the_oldest_ready_job_is_found_in_any_priority)
{
	struct lane *lane = add("mail");
	ready(lane, 1, 10, 500);
	ready(lane, 2, 200, 300);
	ready(lane, 3, 200, 400);
	cr_expect_eq(since_ms(lane, 0), 300);
}

Test(lane, the_oldest_ready_job_is_found_behind_those_that_came_back)
{
	struct lane *lane = add("mail");
	ready(lane, 1, 128, 300);
	for (uint64_t id = 2; id < 100; id++) {
		uint32_t handle = job_of(id, 128);
		job_at(&jobs, handle)->at_ms = 900;
		job_at(&jobs, handle)->delivery = 1;
		lane_push_front(&jobs, lane, handle);
	}
	cr_expect_eq(since_ms(lane, 98), 300);
	cr_expect_eq(since_ms(lane, 97), 900);
}

#if MEMORY_CAN_FAIL
Test(lane, without_memory_there_is_none_and_the_next_one_is_whole)
{
	unsigned failures = 0;
	for (unsigned n = 1;; n++) {
		fail_memory(n);
		struct lane *lane = add("mail");
		bool failed = memory_has_failed();
		fail_memory(0);
		cr_assert_eq(lane == NULL, failed);
		if (!failed)
			break;
		failures++;
		cr_assert_eq(lanes.slab.used, 0);
		cr_assert_null(lanes_find(&lanes, SPAN_LITERAL("mail")));
	}
	cr_expect_geq(failures, 3);
	cr_expect_not_null(lanes_find(&lanes, SPAN_LITERAL("mail")));
}
#endif
