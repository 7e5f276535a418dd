/* SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "base/units.h"
#include "supervisor/plan.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define WISHES_MAX 2000

/* A plan, its clock, and the wishes of the last step. */
static struct plan plan;
static int64_t now_ms;
static struct plan_wish wishes[WISHES_MAX];
static unsigned wish_count;

static struct plan_options
usual_options(void)
{
	return (struct plan_options){ .max_restarts = 3,
		.window_ms = 5000,
		.backoff = { .base_ms = 0, .cap_ms = 0 },
		.start_timeout_ms = 10000,
		.queue_start_timeout_ms = 60000,
		.stop_grace_ms = 30000,
		.seed = 1 };
}

static struct plan_options
with_backoff(int64_t max_restarts)
{
	struct plan_options options = usual_options();
	options.max_restarts = max_restarts;
	options.backoff = (struct backoff){ .base_ms = 100, .cap_ms = 5000 };
	return options;
}

static void
take_all(void)
{
	wish_count = 0;
	while (plan_take(&plan, now_ms, &wishes[wish_count]))
		cr_assert_lt(++wish_count, WISHES_MAX);
}

static void
step(const struct plan_fact *fact)
{
	plan_step(&plan, now_ms, fact);
	take_all();
	cr_assert_null(plan_verify(&plan), "%s", plan_verify(&plan));
}

static void
tell(enum plan_event event, unsigned child)
{
	step(&(struct plan_fact){ .event = event, .child = child });
}

static void
tell_exit(unsigned child, int exit_code)
{
	step(&(struct plan_fact){ .event = PLAN_EVENT_EXITED,
	    .child = child,
	    .exit_code = exit_code });
}

static void
tell_kill(unsigned child)
{
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_EXITED, .child = child, .signal = SIGKILL });
}

static void
tell_scale(unsigned workers)
{
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_SCALE, .pool = 0, .workers = workers });
}

/* Lets time pass, deadline by deadline. */
static void
pass(int64_t duration_ms)
{
	int64_t end_ms = now_ms + duration_ms;
	while (plan_wake_at(&plan) <= end_ms) {
		if (plan_wake_at(&plan) > now_ms)
			now_ms = plan_wake_at(&plan);
		tell(PLAN_EVENT_TIME, 0);
	}
	now_ms = end_ms;
}

static const struct plan_wish *
find_wish(enum plan_wish_kind kind, unsigned child)
{
	for (unsigned i = 0; i < wish_count; i++)
		if (wishes[i].kind == kind && wishes[i].child == child)
			return &wishes[i];
	return NULL;
}

static bool
wished_spawn(unsigned child)
{
	return find_wish(PLAN_WISH_SPAWN, child) != NULL;
}

/* The signal wished for that child by the last step, 0: none. */
static int
wished_signal(unsigned child)
{
	const struct plan_wish *wish = find_wish(PLAN_WISH_SIGNAL, child);
	return wish == NULL ? 0 : wish->signal;
}

static enum plan_state
state_of(unsigned child)
{
	return plan.children[child].state;
}

/* Milliseconds until the child is started, and it is started then. */
static int64_t
start_delay_ms(unsigned child)
{
	if (wished_spawn(child))
		return 0;
	cr_assert_eq(state_of(child), PLAN_STATE_BACKOFF);
	int64_t delay_ms = plan.children[child].deadline_ms - now_ms;
	pass(delay_ms);
	cr_assert(state_of(child) == PLAN_STATE_STARTING);
	return delay_ms;
}

static void
init_plan(struct plan_options options, unsigned workers)
{
	now_ms = 1000000;
	cr_assert_eq(plan_init(&plan, &options), 0);
	tell_scale(workers);
}

static void
boot_all(struct plan_options options, unsigned workers)
{
	init_plan(options, workers);
	tell(PLAN_EVENT_BOOT, 0);
	for (unsigned i = 0; i <= workers; i++)
		tell(PLAN_EVENT_READY, i);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
}

static void
release(void)
{
	plan_release(&plan);
}

TestSuite(plan, .fini = release);

/* ---- boot ---- */

Test(plan, nothing_starts_before_boot)
{
	init_plan(usual_options(), 3);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(plan_wake_at(&plan), PLAN_NEVER);
	cr_assert_eq(state_of(3), PLAN_STATE_DOWN);
	cr_assert_eq(state_of(4), PLAN_STATE_ABSENT);
}

Test(plan, the_queue_starts_first_and_workers_after_it_is_ready)
{
	init_plan(usual_options(), 3);
	tell(PLAN_EVENT_BOOT, 0);
	cr_assert_eq(wish_count, 1);
	cr_assert(wished_spawn(PLAN_QUEUE));
	pass(5000);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert_eq(wish_count, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(wishes[i].child, i + 1, "in their order");
}

Test(plan, boot_ends_when_every_child_has_been_ready)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	tell(PLAN_EVENT_READY, 2);
	cr_assert_eq(plan.group, PLAN_GROUP_BOOT);
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	cr_assert_not_null(find_wish(PLAN_WISH_BOOTED, 0));
}

Test(plan, a_queue_without_workers_boots)
{
	init_plan(usual_options(), 0);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
}

/* Expects that the boot was given up, and lets the others die. */
static void
expect_boot_failed(unsigned child, enum plan_why why)
{
	const struct plan_wish *wish = find_wish(PLAN_WISH_GAVE_UP, child);
	cr_assert_not_null(wish);
	cr_assert_eq(wish->why, why);
	cr_assert_eq(wish->exit_code, PLAN_EXIT_BOOT_FAILED);
	for (unsigned i = plan.places; i-- > 0;)
		if (plan_is_alive(state_of(i)))
			tell_exit(i, 0);
	const struct plan_wish *end = find_wish(PLAN_WISH_FINISHED, 0);
	cr_assert_not_null(end);
	cr_assert_eq(end->exit_code, PLAN_EXIT_BOOT_FAILED);
}

Test(plan, a_queue_that_exits_at_boot_breaks_the_boot)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell_exit(PLAN_QUEUE, 1);
	expect_boot_failed(PLAN_QUEUE, PLAN_WHY_DIED);
}

Test(plan, a_queue_that_is_killed_at_boot_breaks_the_boot)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell_kill(PLAN_QUEUE);
	expect_boot_failed(PLAN_QUEUE, PLAN_WHY_DIED);
}

Test(plan, a_worker_that_exits_hopelessly_at_boot_breaks_the_boot)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	tell(PLAN_EVENT_READY, 1);
	tell_exit(2, 78);
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert_eq(wished_signal(0), 0, "the queue goes last");
	expect_boot_failed(2, PLAN_WHY_EXIT_CODE);
}

Test(plan, a_program_that_cannot_be_run_breaks_the_boot)
{
	init_plan(usual_options(), 1);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	tell(PLAN_EVENT_EXEC_FAILED, 1);
	expect_boot_failed(1, PLAN_WHY_EXEC_FAILED);
}

Test(plan, a_worker_that_is_not_ready_in_time_breaks_the_boot)
{
	init_plan(usual_options(), 1);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	pass(9999);
	cr_assert_eq(state_of(1), PLAN_STATE_STARTING);
	pass(1);
	cr_assert_eq(wished_signal(1), SIGKILL);
	expect_boot_failed(1, PLAN_WHY_START_TIMEOUT);
}

Test(plan, a_worker_that_is_killed_at_boot_is_an_ordinary_death)
{
	init_plan(usual_options(), 1);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_READY, 0);
	tell_kill(1);
	cr_assert_eq(plan.group, PLAN_GROUP_BOOT);
	cr_assert(wished_spawn(1));
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
}

Test(plan, a_stop_in_the_middle_of_boot_is_clean)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wished_signal(0), SIGTERM);
	tell(PLAN_EVENT_READY, 0);
	cr_assert_eq(wish_count, 0, "a late ready starts nothing");
	tell_exit(0, 0);
	cr_assert_eq(find_wish(PLAN_WISH_FINISHED, 0)->exit_code, 0);
}

/* ---- restart ---- */

Test(plan, a_killed_worker_is_restarted_and_nobody_else)
{
	boot_all(usual_options(), 3);
	pass(2000);
	tell_kill(2);
	cr_assert_eq(wish_count, 1);
	cr_assert(wished_spawn(2));
	cr_assert_eq(plan.children[2].restarts, 1);
}

Test(plan, a_killed_queue_does_not_touch_the_workers)
{
	boot_all(usual_options(), 3);
	tell_kill(PLAN_QUEUE);
	cr_assert_eq(wish_count, 1);
	cr_assert(wished_spawn(PLAN_QUEUE));
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(state_of(3), PLAN_STATE_READY);
}

Test(plan, ready_out_of_place_is_ignored)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_READY);
	tell(PLAN_EVENT_READY, 9);
	cr_assert_eq(state_of(9), PLAN_STATE_ABSENT);
}

Test(plan, hopeless_exits_of_a_worker_are_not_restarted)
{
	const int codes[] = { 64, 76, 78 };
	struct plan_options options = usual_options();
	options.max_restarts = 0;
	boot_all(options, 3);
	for (unsigned i = 0; i < 3; i++) {
		tell_exit(i + 1, codes[i]);
		cr_assert_eq(state_of(i + 1), PLAN_STATE_FAILED);
	}
	cr_assert_eq(plan.group, PLAN_GROUP_RUN, "and count for nothing");
	tell(PLAN_EVENT_START, 2);
	cr_assert(wished_spawn(2), "but may be started by hand");
	tell(PLAN_EVENT_STOP, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
}

Test(plan, a_signal_with_the_number_of_a_hopeless_exit_is_a_crash)
{
	boot_all(usual_options(), 1);
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_EXITED, .child = 1, .signal = 64 });
	cr_assert(wished_spawn(1));
}

Test(plan, a_hopeless_queue_ends_everything)
{
	boot_all(usual_options(), 1);
	tell_exit(PLAN_QUEUE, 78);
	const struct plan_wish *wish = find_wish(PLAN_WISH_GAVE_UP, 0);
	cr_assert_not_null(wish);
	cr_assert_eq(wish->exit_code, PLAN_EXIT_GAVE_UP);
	cr_assert_eq(wish->why, PLAN_WHY_EXIT_CODE);
	cr_assert_eq(wished_signal(1), SIGTERM);
	tell_exit(1, 0);
	cr_assert_eq(
	    find_wish(PLAN_WISH_FINISHED, 0)->exit_code, PLAN_EXIT_GAVE_UP);
}

Test(plan, a_worker_whose_program_vanished_fails_alone)
{
	boot_all(usual_options(), 2);
	tell_kill(1);
	tell(PLAN_EVENT_EXEC_FAILED, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_FAILED);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
}

Test(plan, a_queue_whose_program_vanished_ends_everything)
{
	boot_all(usual_options(), 1);
	tell_kill(0);
	tell(PLAN_EVENT_EXEC_FAILED, 0);
	cr_assert_eq(
	    find_wish(PLAN_WISH_GAVE_UP, 0)->exit_code, PLAN_EXIT_GAVE_UP);
}

Test(plan, a_queue_whose_program_vanishes_while_all_stop_ends_nothing_more)
{
	boot_all(usual_options(), 1);
	tell_kill(PLAN_QUEUE);
	cr_assert(wished_spawn(PLAN_QUEUE));
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell(PLAN_EVENT_EXEC_FAILED, PLAN_QUEUE);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_FAILED);
	cr_assert_null(find_wish(PLAN_WISH_GAVE_UP, PLAN_QUEUE));
	tell_exit(1, 0);
	const struct plan_wish *end = find_wish(PLAN_WISH_FINISHED, 0);
	cr_assert_not_null(end);
	cr_assert_eq(end->exit_code, PLAN_EXIT_CLEAN);
}

Test(plan, a_start_timeout_while_running_is_killed_counted_and_restarted)
{
	boot_all(usual_options(), 1);
	tell_kill(1);
	pass(10000);
	cr_assert_eq(state_of(1), PLAN_STATE_KILLING);
	cr_assert_eq(wished_signal(1), SIGKILL);
	cr_assert_eq(
	    find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_START_TIMEOUT);
	tell_kill(1);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
	cr_assert(wished_spawn(1));
}

Test(plan, the_queue_has_its_own_start_timeout)
{
	boot_all(usual_options(), 0);
	tell_kill(0);
	pass(59999);
	cr_assert_eq(state_of(0), PLAN_STATE_STARTING);
	pass(1);
	cr_assert_eq(state_of(0), PLAN_STATE_KILLING);
}

Test(plan, who_closes_its_channel_and_lives_is_killed)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_LOST, 1);
	cr_assert_eq(wish_count, 0, "it is about to die by itself");
	pass(PLAN_LOST_MS);
	cr_assert_eq(wished_signal(1), SIGKILL);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_LOST);
	tell_kill(1);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
}

Test(plan, a_kill_on_request_is_counted)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_KILL, 1);
	cr_assert_eq(wished_signal(1), SIGKILL);
	tell_kill(1);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
}

/* ---- intensity ---- */

Test(plan, exactly_max_restarts_in_the_window_are_survived)
{
	boot_all(usual_options(), 1);
	for (int i = 0; i < 3; i++) {
		tell_kill(1);
		cr_assert(wished_spawn(1));
		tell(PLAN_EVENT_READY, 1);
		pass(300);
	}
	tell_kill(1);
	const struct plan_wish *wish = find_wish(PLAN_WISH_GAVE_UP, 1);
	cr_assert_not_null(wish, "and one more is not");
	cr_assert_eq(wish->why, PLAN_WHY_MAX_RESTARTS);
	cr_assert_eq(wish->exit_code, PLAN_EXIT_GAVE_UP);
	cr_assert_not(wished_spawn(1));
}

/* R + 1 deaths whose first and last are that far apart. */
static bool
survives_deaths_over(int64_t duration_ms)
{
	boot_all(usual_options(), 1);
	int64_t first_ms = now_ms;
	for (int i = 0; i < 3; i++) {
		tell_kill(1);
		tell(PLAN_EVENT_READY, 1);
	}
	pass(first_ms + duration_ms - now_ms);
	tell_kill(1);
	return plan.group == PLAN_GROUP_RUN;
}

Test(plan, a_death_just_outside_the_window_is_forgotten)
{
	cr_assert(survives_deaths_over(5001));
}

Test(plan, a_death_at_the_edge_of_the_window_counts)
{
	cr_assert_not(survives_deaths_over(5000));
}

Test(plan, deaths_of_different_children_count_together)
{
	boot_all(usual_options(), 4);
	for (unsigned i = 1; i <= 3; i++)
		tell_kill(i);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	tell_kill(4);
	cr_assert_eq(plan.group, PLAN_GROUP_STOP_WORKERS);
}

Test(plan, with_max_restarts_zero_the_first_death_ends_all)
{
	struct plan_options options = usual_options();
	options.max_restarts = 0;
	boot_all(options, 1);
	tell_kill(1);
	cr_assert_not_null(find_wish(PLAN_WISH_GAVE_UP, 1));
}

Test(plan, unlimited_restarts_never_end)
{
	struct plan_options options = usual_options();
	options.max_restarts = PLAN_RESTARTS_UNLIMITED;
	boot_all(options, 1);
	for (int i = 0; i < 10000; i++) {
		tell_kill(1);
		tell(PLAN_EVENT_READY, 1);
	}
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	cr_assert_eq(plan_max_restarts(&plan), PLAN_RESTARTS_UNLIMITED);
}

Test(plan, the_automatic_limit_is_three_times_the_children)
{
	struct plan_options options = usual_options();
	options.max_restarts = PLAN_RESTARTS_AUTOMATIC;
	boot_all(options, 3);
	cr_assert_eq(plan_max_restarts(&plan), 12);
	for (int i = 0; i < 12; i++) {
		tell_kill(1 + (unsigned)i % 3);
		cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	}
	tell_kill(1);
	cr_assert_eq(plan.group, PLAN_GROUP_STOP_WORKERS);
}

Test(plan, scaling_down_does_not_turn_old_deaths_into_too_many)
{
	struct plan_options options = usual_options();
	options.max_restarts = PLAN_RESTARTS_AUTOMATIC;
	boot_all(options, 3);
	for (int i = 0; i < 12; i++)
		tell_kill(1 + (unsigned)i % 3);
	tell_scale(0);
	tell_kill(0);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
}

Test(plan, planned_ends_count_for_nothing)
{
	struct plan_options options = usual_options();
	options.max_restarts = 0;
	boot_all(options, 2);
	tell(PLAN_EVENT_RESTART, 1);
	tell_exit(1, 1);
	tell(PLAN_EVENT_STOP, 2);
	tell_kill(2);
	tell_scale(1);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 0);
}

/* ---- backoff ---- */

static void
expect_about(int64_t delay_ms, int64_t expected_ms)
{
	cr_assert_geq(delay_ms, expected_ms * 9 / 10);
	cr_assert_leq(delay_ms, expected_ms * 11 / 10);
}

Test(plan, the_first_death_after_a_healthy_second_is_restarted_at_once)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	pass(PLAN_HEALTHY_MS);
	tell_kill(1);
	cr_assert(wished_spawn(1));
}

Test(plan, a_death_within_the_first_second_waits)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	pass(PLAN_HEALTHY_MS - 1);
	tell_kill(1);
	expect_about(start_delay_ms(1), 100);
}

Test(plan, a_crash_loop_waits_twice_as_long_each_time_up_to_the_cap)
{
	const int64_t expected_ms[] = { 100, 200, 400, 800, 1600, 3200, 5000,
		5000 };
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 2);
	for (int i = 0; i < 8; i++) {
		tell_exit(1, 1);
		int64_t delay_ms = start_delay_ms(1);
		expect_about(delay_ms, expected_ms[i]);
		cr_assert_leq(delay_ms, 5000);
	}
	cr_assert_eq(state_of(2), PLAN_STATE_READY, "others unaffected");
}

Test(plan, a_loop_that_is_healthy_for_a_second_still_slows_down)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	const int64_t expected_ms[] = { 0, 200, 400, 800 };
	for (int i = 0; i < 4; i++) {
		pass(1500);
		tell_kill(1);
		expect_about(start_delay_ms(1), expected_ms[i]);
		tell(PLAN_EVENT_READY, 1);
	}
}

Test(plan, thirty_healthy_seconds_forget_the_deaths_before)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	for (int i = 0; i < 5; i++) {
		tell_kill(1);
		start_delay_ms(1);
		tell(PLAN_EVENT_READY, 1);
	}
	pass(PLAN_FORGET_MS);
	tell_kill(1);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan.children[1].failures, 1);
}

Test(plan, almost_thirty_healthy_seconds_forget_nothing)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	tell_kill(1);
	start_delay_ms(1);
	tell(PLAN_EVENT_READY, 1);
	pass(PLAN_FORGET_MS - 1);
	tell_kill(1);
	expect_about(start_delay_ms(1), 200);
}

Test(plan, two_seconds_and_a_job_forget_the_deaths_before)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	for (int i = 0; i < 5; i++) {
		tell_kill(1);
		start_delay_ms(1);
		tell(PLAN_EVENT_READY, 1);
	}
	for (int i = 0; i < 5; i++) {
		tell(PLAN_EVENT_WORKED, 1);
		pass(PLAN_FORGET_WORKED_MS);
		cr_assert_eq(plan_next_delay_ms(&plan, 1, now_ms), 0);
		tell_kill(1);
		cr_assert(wished_spawn(1));
		cr_assert_eq(plan.children[1].failures, 1);
		tell(PLAN_EVENT_READY, 1);
	}
}

Test(plan, a_job_and_less_time_forget_nothing)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	tell_kill(1);
	start_delay_ms(1);
	tell(PLAN_EVENT_READY, 1);
	tell(PLAN_EVENT_WORKED, 1);
	pass(PLAN_FORGET_WORKED_MS - 1);
	tell_kill(1);
	expect_about(start_delay_ms(1), 200);
}

Test(plan, a_job_of_a_life_before_forgets_nothing)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	tell(PLAN_EVENT_WORKED, 1);
	tell_kill(1);
	start_delay_ms(1);
	tell(PLAN_EVENT_READY, 1);
	pass(PLAN_FORGET_WORKED_MS);
	tell_kill(1);
	expect_about(start_delay_ms(1), 200);
}

/* Every worker dies as soon as that is forgotten, for a minute. */
Test(plan, jobs_that_kill_now_and_then_never_end_the_supervisor)
{
	struct plan_options options = with_backoff(PLAN_RESTARTS_AUTOMATIC);
	boot_all(options, 3);
	for (int i = 0; i < 30; i++) {
		for (unsigned child = 1; child <= 3; child++)
			tell(PLAN_EVENT_WORKED, child);
		pass(PLAN_FORGET_WORKED_MS);
		for (unsigned child = 1; child <= 3; child++) {
			tell_kill(child);
			cr_assert(wished_spawn(child));
			tell(PLAN_EVENT_READY, child);
		}
	}
}

Test(plan, without_backoff_every_restart_is_at_once)
{
	struct plan_options options = usual_options();
	options.max_restarts = PLAN_RESTARTS_UNLIMITED;
	boot_all(options, 1);
	for (int i = 0; i < 50; i++) {
		tell_exit(1, 1);
		cr_assert(wished_spawn(1));
	}
}

Test(plan, the_brakes_do_not_hide_one_another)
{
	/* With backoff a looping child makes five restarts in five seconds:
	 * a limit of three is reached, one of fifteen never. */
	for (int64_t limit = 3; limit <= 15; limit += 12) {
		boot_all(with_backoff(limit), 1);
		for (int i = 0; i < 100 && !plan_is_stopping(&plan); i++) {
			tell_exit(1, 1);
			if (!plan_is_stopping(&plan))
				start_delay_ms(1);
		}
		cr_assert_eq(plan_is_stopping(&plan), limit == 3);
		if (limit == 3)
			plan_release(&plan);
	}
}

Test(plan, a_start_by_hand_ends_the_wait_and_forgets)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	for (int i = 0; i < 7; i++) {
		tell_exit(1, 1);
		start_delay_ms(1);
	}
	tell_exit(1, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_BACKOFF);
	tell(PLAN_EVENT_START, 1);
	cr_assert(wished_spawn(1));
	tell_exit(1, 1);
	expect_about(start_delay_ms(1), 100);
}

Test(plan, a_stop_during_backoff_cancels_the_start)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	tell_exit(1, 1);
	tell(PLAN_EVENT_STOP, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	pass(60000);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
}

Test(plan, one_that_dies_at_once_does_not_starve_the_others)
{
	struct plan_options options = usual_options();
	options.max_restarts = PLAN_RESTARTS_UNLIMITED;
	boot_all(options, 3);
	struct plan_wish wish;
	for (unsigned i = 1; i <= 3; i++)
		plan_step(&plan, now_ms,
		    &(struct plan_fact){ .event = PLAN_EVENT_EXITED,
			.child = i,
			.exit_code = 1 });
	cr_assert(plan_take(&plan, now_ms, &wish));
	cr_assert_eq(wish.child, 1);
	plan_step(&plan, now_ms,
	    &(struct plan_fact){
		.event = PLAN_EVENT_EXITED, .child = 1, .exit_code = 1 });
	cr_assert(plan_take(&plan, now_ms, &wish));
	cr_assert_eq(wish.child, 2);
}

/* ---- fork failing ---- */

Test(plan, a_failing_fork_is_waited_out_and_never_counted)
{
	const int64_t expected_ms[] = { 100, 200, 400, 800, 1600, 3200, 5000,
		5000, 5000 };
	struct plan_options options = usual_options();
	options.max_restarts = 1;
	boot_all(options, 1);
	tell_kill(1);
	for (int i = 0; i < 9; i++) {
		tell(PLAN_EVENT_SPAWN_FAILED, 1);
		expect_about(start_delay_ms(1), expected_ms[i]);
	}
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
	cr_assert_eq(plan.children[1].failures, 1);
	pass(6000);
	tell_kill(1);
	tell(PLAN_EVENT_SPAWN_FAILED, 1);
	expect_about(start_delay_ms(1), 100);
}

Test(plan, a_failing_fork_does_not_break_the_boot)
{
	init_plan(usual_options(), 1);
	tell(PLAN_EVENT_BOOT, 0);
	for (int i = 0; i < 20; i++) {
		tell(PLAN_EVENT_SPAWN_FAILED, 0);
		start_delay_ms(0);
	}
	tell(PLAN_EVENT_READY, 0);
	cr_assert(wished_spawn(1));
}

/* ---- stop ---- */

Test(plan, workers_stop_in_parallel_newest_first_and_then_the_queue)
{
	boot_all(usual_options(), 3);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wish_count, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(wishes[i].child, 3 - i);
		cr_assert_eq(wishes[i].signal, SIGTERM);
	}
	tell_exit(1, 0);
	tell_exit(3, 0);
	cr_assert_eq(wish_count, 0);
	tell_exit(2, 0);
	cr_assert_eq(wished_signal(PLAN_QUEUE), SIGTERM);
	tell_exit(PLAN_QUEUE, 0);
	cr_assert_eq(wish_count, 1);
	cr_assert_eq(find_wish(PLAN_WISH_FINISHED, 0)->exit_code, 0);
	cr_assert_eq(plan.group, PLAN_GROUP_FINISHED);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wish_count, 0);
}

Test(plan, a_stop_may_bring_its_own_grace)
{
	boot_all(usual_options(), 1);
	step(&(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL,
	    .has_grace = true,
	    .grace_ms = 70000 });
	cr_assert_eq(wished_signal(1), SIGTERM);
	pass(69999);
	cr_assert(!plan.children[1].hurried);
	pass(1);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_GRACE_OVER);
}

Test(plan, a_stop_at_once_hurries_and_the_next_one_kills)
{
	boot_all(usual_options(), 1);
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_STOP_ALL, .at_once = true });
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert(plan.children[1].hurried);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_HURRY);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wished_signal(1), SIGKILL);
}

/* It only ever goes faster. */
Test(plan, once_it_stops_a_stop_brings_no_other_grace)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	step(&(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL,
	    .has_grace = true,
	    .grace_ms = 70000 });
	cr_assert(plan.children[1].hurried);
	cr_assert_eq(plan.options.stop_grace_ms, usual_options().stop_grace_ms);
}

Test(plan, deaths_while_stopping_restart_nothing)
{
	boot_all(usual_options(), 2);
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell_kill(PLAN_QUEUE);
	tell_kill(1);
	cr_assert_eq(wish_count, 0);
	tell_kill(2);
	cr_assert_eq(find_wish(PLAN_WISH_FINISHED, 0)->exit_code, 0);
}

Test(plan, the_stop_ladder_is_term_term_kill_and_kill_again)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wished_signal(1), SIGTERM);
	pass(29999);
	cr_assert(!plan.children[1].hurried);
	pass(1);
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_GRACE_OVER);
	pass(PLAN_HURRY_MS);
	cr_assert_eq(wished_signal(1), SIGKILL);
	for (unsigned i = 2; i <= 4; i++) {
		pass(PLAN_KILL_AGAIN_MS);
		cr_assert_eq(wished_signal(1), SIGKILL);
		cr_assert_eq(
		    find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_UNKILLABLE);
		cr_assert_eq(plan.children[1].kills, i);
	}
	cr_assert_eq(plan.group, PLAN_GROUP_STOP_WORKERS);
}

Test(plan, the_queue_has_its_own_grace)
{
	boot_all(usual_options(), 0);
	tell(PLAN_EVENT_STOP_ALL, 0);
	pass(PLAN_QUEUE_GRACE_MS);
	cr_assert_eq(wished_signal(0), SIGTERM);
	pass(PLAN_HURRY_MS);
	cr_assert_eq(wished_signal(0), SIGKILL);
}

Test(plan, a_second_stop_hurries_and_a_third_kills)
{
	boot_all(usual_options(), 2);
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert_eq(wished_signal(2), SIGTERM);
	cr_assert_eq(wished_signal(0), 0);
	tell(PLAN_EVENT_STOP_ALL, 0);
	for (unsigned i = 0; i <= 2; i++)
		cr_assert_eq(wished_signal(i), SIGKILL);
	for (unsigned i = 0; i <= 2; i++)
		tell_kill(i);
	cr_assert_eq(find_wish(PLAN_WISH_FINISHED, 0)->exit_code, 0);
}

Test(plan, a_stop_of_one_child_leaves_it_down_until_it_is_started)
{
	boot_all(usual_options(), 2);
	tell(PLAN_EVENT_STOP, 1);
	cr_assert_eq(wished_signal(1), SIGTERM);
	tell_exit(1, 0);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	tell(PLAN_EVENT_STOP, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	tell(PLAN_EVENT_START, 1);
	cr_assert(wished_spawn(1));
}

Test(plan, a_start_while_it_stops_brings_it_back)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP, 1);
	tell(PLAN_EVENT_START, 1);
	cr_assert_not(wished_spawn(1), "never two at once");
	tell_exit(1, 0);
	cr_assert(wished_spawn(1));
}

Test(plan, a_stop_while_it_is_killed_keeps_it_down)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_KILL, 1);
	tell(PLAN_EVENT_STOP, 1);
	tell_kill(1);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
}

Test(plan, giving_up_stops_in_the_same_order)
{
	struct plan_options options = usual_options();
	options.max_restarts = 0;
	boot_all(options, 2);
	tell_kill(1);
	cr_assert_eq(wishes[0].kind, PLAN_WISH_GAVE_UP);
	cr_assert_eq(wished_signal(2), SIGTERM);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(wished_signal(2), SIGTERM, "a Ctrl-C now hurries it");
	tell_exit(2, 0);
	cr_assert_eq(wished_signal(0), SIGTERM);
	tell_exit(0, 0);
	cr_assert_eq(
	    find_wish(PLAN_WISH_FINISHED, 0)->exit_code, PLAN_EXIT_GAVE_UP);
}

/* ---- restart on request ---- */

Test(plan, a_restart_is_term_wait_and_spawn_without_backoff)
{
	boot_all(with_backoff(0), 1);
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_RESTART);
	pass(100);
	tell_exit(1, 0);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan.children[1].restarts, 0);
}

Test(plan, a_restart_works_in_every_state)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	tell_exit(1, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_BACKOFF);
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert(wished_spawn(1), "backoff: now");
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert_eq(wished_signal(1), SIGTERM, "starting: stop first");
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert_eq(wish_count, 0, "stopping: already on its way");
	tell(PLAN_EVENT_KILL, 1);
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert_eq(wish_count, 0, "killing: likewise");
	tell_kill(1);
	cr_assert(wished_spawn(1));
	tell_exit(1, 78);
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert(wished_spawn(1), "failed: start");
	tell(PLAN_EVENT_STOP, 1);
	tell_exit(1, 0);
	tell(PLAN_EVENT_RESTART, 1);
	cr_assert(wished_spawn(1), "down: start");
}

Test(plan, a_restart_while_all_stop_is_ignored)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell(PLAN_EVENT_RESTART, 1);
	tell(PLAN_EVENT_RESTART, 0);
	tell(PLAN_EVENT_START, 1);
	cr_assert_eq(wish_count, 0);
	tell_exit(1, 0);
	cr_assert_not(wished_spawn(1));
}

/* ---- scale ---- */

Test(plan, scaling_up_starts_at_once)
{
	boot_all(usual_options(), 1);
	tell_scale(3);
	cr_assert_eq(wish_count, 2);
	cr_assert(wished_spawn(2) && wished_spawn(3));
	cr_assert_eq(plan_pool_workers(&plan, 0), 3);
}

Test(plan, scaling_down_stops_the_newest_gracefully)
{
	boot_all(usual_options(), 3);
	tell_scale(1);
	cr_assert_eq(wish_count, 2);
	cr_assert_eq(wished_signal(2), SIGTERM);
	cr_assert_eq(wished_signal(3), SIGTERM);
	cr_assert_eq(plan_pool_workers(&plan, 0), 1);
	tell_exit(3, 0);
	cr_assert_eq(state_of(3), PLAN_STATE_ABSENT);
	tell_kill(2);
	cr_assert_eq(state_of(2), PLAN_STATE_ABSENT);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 0);
}

Test(plan, scaling_up_calls_back_who_is_just_leaving)
{
	boot_all(usual_options(), 2);
	tell_scale(1);
	tell_scale(2);
	cr_assert_eq(wish_count, 0);
	tell_exit(2, 0);
	cr_assert(wished_spawn(2));
	cr_assert_eq(plan.children[2].number, 2);
}

Test(plan, scaling_down_removes_those_without_a_process_at_once)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 3);
	tell_exit(3, 78);
	tell_exit(2, 1);
	tell_scale(1);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(state_of(2), PLAN_STATE_ABSENT);
	cr_assert_eq(state_of(3), PLAN_STATE_ABSENT);
}

Test(plan, scaling_before_the_queue_is_ready_waits_for_it)
{
	init_plan(usual_options(), 0);
	tell(PLAN_EVENT_BOOT, 0);
	tell_scale(2);
	cr_assert_eq(wish_count, 0);
	tell(PLAN_EVENT_READY, 0);
	cr_assert_eq(wish_count, 2);
}

Test(plan, scaling_while_all_stop_is_ignored)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell_scale(5);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(plan.places, 2);
}

Test(plan, the_table_is_filled_to_the_last_place_and_not_beyond)
{
	boot_all(usual_options(), 0);
	cr_assert(plan_scale_fits(&plan, 0, CHILDREN_MAX));
	cr_assert_not(plan_scale_fits(&plan, 0, CHILDREN_MAX + 1));
	tell_scale(CHILDREN_MAX);
	cr_assert_eq(wish_count, CHILDREN_MAX);
	cr_assert_not(plan_scale_fits(&plan, 1, 1));
	tell_scale(10);
	cr_assert_not(plan_scale_fits(&plan, 1, 1), "the leaving need room");
	for (unsigned i = CHILDREN_MAX; i > 10; i--)
		tell_exit(i, 0);
	cr_assert(plan_scale_fits(&plan, 1, CHILDREN_MAX - 10));
}

static void
tell_scale_with(unsigned workers, const bool *busy)
{
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_SCALE, .workers = workers, .busy = busy });
}

Test(plan, who_does_not_live_leaves_first_then_the_idle_then_the_newest)
{
	const bool busy[] = { false, true, false, false, true };
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 4);
	tell_kill(2);
	cr_assert_eq(state_of(2), PLAN_STATE_BACKOFF);
	tell_scale_with(3, busy);
	cr_assert_eq(state_of(2), PLAN_STATE_ABSENT);
	tell_scale_with(2, busy);
	cr_assert_eq(wished_signal(3), SIGTERM, "the idle one");
	tell_scale_with(1, busy);
	cr_assert_eq(wished_signal(4), SIGTERM, "the newest of the busy");
	cr_assert_eq(state_of(1), PLAN_STATE_READY);
}

Test(plan, the_numbers_of_those_who_left_are_given_anew)
{
	const bool busy[] = { false, false, true, true };
	boot_all(usual_options(), 3);
	tell_scale_with(2, busy);
	tell_exit(1, 0);
	tell_scale(4);
	unsigned numbers = 0;
	for (unsigned i = 1; i <= 4; i++)
		numbers |= 1u << plan.children[i].number;
	cr_assert_eq(numbers, 2 + 4 + 8 + 16);
}

/* ---- strategies ---- */

static struct plan_options
with_strategy(enum restart_strategy strategy)
{
	struct plan_options options = usual_options();
	options.strategy = strategy;
	return options;
}

Test(plan, one_for_one_leaves_the_others_alone)
{
	boot_all(with_strategy(ONE_FOR_ONE), 2);
	tell_kill(PLAN_QUEUE);
	cr_assert(wished_spawn(PLAN_QUEUE));
	cr_assert_eq(state_of(1), PLAN_STATE_READY);
	cr_assert_eq(state_of(2), PLAN_STATE_READY);
}

Test(plan, one_for_all_stops_the_others_and_starts_all_in_order)
{
	boot_all(with_strategy(ONE_FOR_ALL), 3);
	tell_kill(2);
	cr_assert_eq(wish_count, 2, "the workers first, the last one first");
	cr_assert_eq(wishes[0].child, 3);
	cr_assert_eq(wishes[1].child, 1);
	cr_assert_eq(wishes[0].why, PLAN_WHY_STRATEGY);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_READY);
	tell_exit(1, 0);
	cr_assert_eq(wish_count, 0);
	tell_exit(3, 0);
	cr_assert_eq(wished_signal(PLAN_QUEUE), SIGTERM, "then the queue");
	tell_exit(PLAN_QUEUE, 0);
	cr_assert(wished_spawn(PLAN_QUEUE));
	cr_assert_eq(wish_count, 1);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert_eq(wish_count, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(wishes[i].child, i + 1, "in their order");
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1,
	    "one incident, however many are restarted");
	cr_assert_eq(plan.children[2].restarts, 1);
	cr_assert_eq(plan.children[1].restarts, 0);
}

Test(plan, rest_for_one_leaves_those_before_it_alone)
{
	boot_all(with_strategy(REST_FOR_ONE), 3);
	tell_kill(2);
	cr_assert_eq(wish_count, 1);
	cr_assert_eq(wished_signal(3), SIGTERM);
	cr_assert_eq(state_of(1), PLAN_STATE_READY);
	tell_exit(3, 0);
	cr_assert_eq(wish_count, 2);
	cr_assert(wished_spawn(2));
	cr_assert(wished_spawn(3));
}

Test(plan, rest_for_one_of_the_queue_is_all)
{
	boot_all(with_strategy(REST_FOR_ONE), 2);
	tell_kill(PLAN_QUEUE);
	cr_assert_eq(wished_signal(1), SIGTERM);
	cr_assert_eq(wished_signal(2), SIGTERM);
	tell_exit(1, 0);
	tell_kill(2);
	cr_assert_eq(wish_count, 1, "the workers wait for the queue");
	cr_assert(wished_spawn(PLAN_QUEUE));
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert(wished_spawn(1));
	cr_assert(wished_spawn(2));
}

Test(plan, who_starts_together_waits_for_the_backoff_of_the_dead_one)
{
	struct plan_options options = with_backoff(PLAN_RESTARTS_UNLIMITED);
	options.strategy = ONE_FOR_ALL;
	boot_all(options, 1);
	tell_kill(1);
	tell_exit(PLAN_QUEUE, 0);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_BACKOFF);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	int64_t delay_ms = start_delay_ms(PLAN_QUEUE);
	cr_assert(delay_ms >= 90 && delay_ms <= 110);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert(wished_spawn(1));
}

Test(plan, a_sibling_that_does_not_stop_is_killed)
{
	boot_all(with_strategy(ONE_FOR_ALL), 2);
	tell_kill(1);
	pass(usual_options().stop_grace_ms + PLAN_HURRY_MS);
	cr_assert_eq(state_of(2), PLAN_STATE_KILLING);
	tell_kill(2);
	cr_assert_eq(wished_signal(PLAN_QUEUE), SIGTERM);
}

Test(plan, who_is_wanted_down_stays_down_when_all_are_restarted)
{
	boot_all(with_strategy(ONE_FOR_ALL), 2);
	tell(PLAN_EVENT_STOP, 2);
	tell_exit(2, 0);
	tell_kill(1);
	tell_exit(PLAN_QUEUE, 0);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert(wished_spawn(1));
	cr_assert_eq(state_of(2), PLAN_STATE_DOWN);
}

Test(plan, a_start_by_hand_waits_for_the_siblings_too)
{
	boot_all(with_strategy(ONE_FOR_ALL), 2);
	tell_kill(1);
	tell(PLAN_EVENT_START, 1);
	cr_assert_eq(wish_count, 0);
	tell_scale(3);
	cr_assert_eq(wish_count, 0, "a new one waits as well");
	tell_exit(2, 0);
	tell_exit(PLAN_QUEUE, 0);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert_eq(wish_count, 3);
}

Test(plan, the_queue_dies_while_the_workers_wait_for_it)
{
	boot_all(with_strategy(ONE_FOR_ALL), 1);
	tell_kill(1);
	tell_exit(PLAN_QUEUE, 0);
	tell_kill(PLAN_QUEUE);
	cr_assert(wished_spawn(PLAN_QUEUE));
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 2);
}

Test(plan, too_many_incidents_end_all_with_every_strategy)
{
	struct plan_options options = with_strategy(ONE_FOR_ALL);
	options.max_restarts = 0;
	boot_all(options, 2);
	tell_kill(1);
	cr_assert_not_null(find_wish(PLAN_WISH_GAVE_UP, 1));
	cr_assert_eq(wished_signal(2), SIGTERM);
	tell_exit(2, 0);
	tell_exit(PLAN_QUEUE, 0);
	cr_assert_not_null(find_wish(PLAN_WISH_FINISHED, 0));
}

Test(plan, a_stop_of_all_ends_what_is_being_regrouped)
{
	boot_all(with_strategy(ONE_FOR_ALL), 2);
	tell_kill(1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	tell_exit(2, 0);
	tell_exit(PLAN_QUEUE, 0);
	cr_assert_eq(plan.group, PLAN_GROUP_FINISHED);
	cr_assert_eq(plan.exit_code, PLAN_EXIT_CLEAN);
}

/* ---- kinds of restart ---- */

static struct plan_options
with_restart(enum restart_kind restart)
{
	struct plan_options options = usual_options();
	options.restart[0] = restart;
	return options;
}

Test(plan, a_permanent_worker_is_restarted_whatever_it_ends_with)
{
	boot_all(with_restart(RESTART_PERMANENT), 1);
	tell_exit(1, 0);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
}

Test(plan, a_transient_worker_may_end_well)
{
	boot_all(with_restart(RESTART_TRANSIENT), 3);
	tell_exit(1, 0);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 0);
	tell_exit(2, 1);
	cr_assert(wished_spawn(2));
	tell_kill(3);
	cr_assert(wished_spawn(3));
	tell(PLAN_EVENT_START, 1);
	cr_assert(wished_spawn(1), "by hand it starts again");
}

Test(plan, a_temporary_worker_is_never_restarted)
{
	boot_all(with_restart(RESTART_TEMPORARY), 1);
	tell_kill(1);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 0);
	pass(60000);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
}

Test(plan, a_temporary_worker_is_not_started_again_with_its_siblings)
{
	struct plan_options options = with_restart(RESTART_TEMPORARY);
	options.strategy = ONE_FOR_ALL;
	boot_all(options, 1);
	tell_kill(PLAN_QUEUE);
	cr_assert_eq(wished_signal(1), SIGTERM);
	tell_exit(1, 0);
	tell(PLAN_EVENT_READY, PLAN_QUEUE);
	cr_assert_eq(state_of(1), PLAN_STATE_DOWN);
}

Test(plan, the_queue_is_permanent_in_any_case)
{
	boot_all(with_restart(RESTART_TEMPORARY), 1);
	tell_exit(PLAN_QUEUE, 0);
	cr_assert(wished_spawn(PLAN_QUEUE));
}

/* ---- hanging ---- */

static struct plan_options
with_hang_timeout(void)
{
	struct plan_options options = usual_options();
	options.hang_timeout_ms = 1000;
	options.queue_hang_timeout_ms = 3000;
	return options;
}

Test(plan, one_that_beats_lives)
{
	boot_all(with_hang_timeout(), 1);
	for (int i = 0; i < 20; i++) {
		pass(999);
		cr_assert_eq(state_of(1), PLAN_STATE_READY);
		tell(PLAN_EVENT_BEAT, 1);
		tell(PLAN_EVENT_BEAT, PLAN_QUEUE);
	}
}

Test(plan, one_that_is_silent_is_aborted_then_killed_then_restarted)
{
	boot_all(with_hang_timeout(), 1);
	pass(1000);
	cr_assert_eq(wished_signal(1), SIGABRT);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_HANG);
	pass(PLAN_ABORT_MS);
	cr_assert_eq(wished_signal(1), SIGKILL);
	cr_assert_eq(find_wish(PLAN_WISH_SIGNAL, 1)->why, PLAN_WHY_HANG);
	tell(PLAN_EVENT_BEAT, 1);
	cr_assert_eq(state_of(1), PLAN_STATE_KILLING, "too late");
	tell_kill(1);
	cr_assert(wished_spawn(1));
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1);
}

Test(plan, the_queue_may_be_silent_for_longer)
{
	boot_all(with_hang_timeout(), 0);
	pass(2999);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_READY);
	pass(1);
	cr_assert_eq(wished_signal(PLAN_QUEUE), SIGABRT);
}

Test(plan, who_is_not_ready_yet_need_not_beat)
{
	struct plan_options options = with_hang_timeout();
	init_plan(options, 1);
	tell(PLAN_EVENT_BOOT, 0);
	pass(5000);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_STARTING);
}

/* ---- other options ---- */

Test(plan, other_options_hold_from_now_on)
{
	struct plan_options options = usual_options();
	boot_all(options, 2);
	for (int i = 0; i < 3; i++) {
		tell_kill(1);
		tell(PLAN_EVENT_READY, 1);
	}
	options.max_restarts = 1;
	cr_assert_eq(plan_set_options(&plan, &options), 0);
	cr_assert_null(plan_verify(&plan));
	tell_kill(1);
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN, "the window began empty");
	tell_kill(1);
	cr_assert_not_null(find_wish(PLAN_WISH_GAVE_UP, 1));
}

Test(plan, without_memory_for_another_window_the_old_options_hold)
{
	struct plan_options options = usual_options();
	boot_all(options, 1);
	if (!MEMORY_CAN_FAIL)
		cr_skip("the sanitizer brings its own memory");
	options.max_restarts = 100;
	fail_memory(1);
	int error = plan_set_options(&plan, &options);
	fail_memory(0);
	cr_expect_eq(error, ENOMEM);
	cr_expect_eq(plan.options.max_restarts, usual_options().max_restarts);
	cr_expect_null(plan_verify(&plan));
	cr_expect_eq(plan_set_options(&plan, &options), 0);
}

Test(plan, who_lives_may_be_silent_for_as_long_as_it_was_told)
{
	struct plan_options options = with_hang_timeout();
	boot_all(options, 1);
	options.hang_timeout_ms = 100;
	cr_assert_eq(plan_set_options(&plan, &options), 0);
	pass(999);
	cr_assert_eq(state_of(1), PLAN_STATE_READY);
	tell(PLAN_EVENT_RESTART, 1);
	tell_exit(1, 0);
	tell(PLAN_EVENT_READY, 1);
	pass(100);
	cr_assert_eq(wished_signal(1), SIGABRT);
}

/* ---- renewal ---- */

Test(plan, workers_are_renewed_one_at_a_time)
{
	boot_all(usual_options(), 3);
	for (unsigned i = 1; i <= 3; i++)
		tell(PLAN_EVENT_RENEW, i);
	for (unsigned i = 1; i <= 3; i++) {
		cr_assert_eq(state_of(i), PLAN_STATE_STOPPING);
		for (unsigned k = 1; k <= 3; k++)
			cr_assert(k == i || state_of(k) == PLAN_STATE_READY);
		tell_exit(i, 0);
		cr_assert(wished_spawn(i));
		cr_assert_eq(wish_count, 1);
		tell(PLAN_EVENT_READY, i);
	}
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 0);
	cr_assert_eq(plan.children[1].restarts, 0);
}

Test(plan, a_renewal_that_does_not_come_back_costs_one_worker)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 2);
	tell(PLAN_EVENT_RENEW, 1);
	tell(PLAN_EVENT_RENEW, 2);
	tell_exit(1, 0);
	for (int i = 0; i < 5; i++) {
		tell_exit(1, 1);
		start_delay_ms(1);
	}
	cr_assert_eq(state_of(2), PLAN_STATE_READY);
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(state_of(2), PLAN_STATE_STOPPING);
}

Test(plan, pools_are_renewed_side_by_side)
{
	boot_all(usual_options(), 1);
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_SCALE, .pool = 1, .workers = 1 });
	tell(PLAN_EVENT_READY, 2);
	tell(PLAN_EVENT_RENEW, 1);
	tell(PLAN_EVENT_RENEW, 2);
	cr_assert_eq(state_of(1), PLAN_STATE_STOPPING);
	cr_assert_eq(state_of(2), PLAN_STATE_STOPPING);
}

Test(plan, who_died_while_it_waited_for_its_renewal_is_new)
{
	boot_all(usual_options(), 2);
	tell(PLAN_EVENT_RENEW, 1);
	tell(PLAN_EVENT_RENEW, 2);
	tell_kill(2);
	tell(PLAN_EVENT_READY, 2);
	tell_exit(1, 0);
	tell(PLAN_EVENT_READY, 1);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(state_of(2), PLAN_STATE_READY);
}

/* ---- what the brakes will do ---- */

Test(plan, the_next_delay_is_told_and_is_the_one_that_comes)
{
	boot_all(with_backoff(PLAN_RESTARTS_UNLIMITED), 1);
	for (int i = 0; i < 9; i++) {
		int64_t told_ms = plan_next_delay_ms(&plan, 1, now_ms);
		tell_kill(1);
		int64_t delay_ms = start_delay_ms(1);
		cr_assert(delay_ms >= told_ms - told_ms / 10 &&
			delay_ms <= told_ms + told_ms / 10,
		    "%lld, told %lld", (long long)delay_ms, (long long)told_ms);
		tell(PLAN_EVENT_READY, 1);
	}
	cr_assert_eq(plan_next_delay_ms(&plan, 1, now_ms), 5000);
	cr_assert_eq(plan_next_delay_ms(&plan, 1, now_ms + PLAN_FORGET_MS), 0);
}

Test(plan, the_window_tells_when_its_oldest_leaves)
{
	boot_all(usual_options(), 2);
	cr_assert_eq(plan_window_clears_ms(&plan, now_ms), PLAN_NEVER);
	int64_t first_ms = now_ms;
	tell_kill(1);
	pass(1000);
	tell_kill(2);
	int64_t clears_ms = plan_window_clears_ms(&plan, now_ms);
	cr_assert_eq(clears_ms, first_ms + 5001);
	cr_assert_eq(plan_restarts_in_window(&plan, clears_ms - 1), 2);
	cr_assert_eq(plan_restarts_in_window(&plan, clears_ms), 1);
}

Test(plan, a_start_by_hand_releases_both_brakes_of_that_child)
{
	struct plan_options options = with_backoff(3);
	boot_all(options, 2);
	tell_kill(2);
	start_delay_ms(2);
	tell(PLAN_EVENT_READY, 2);
	for (int i = 0; i < 2; i++) {
		tell_kill(1);
		start_delay_ms(1);
		tell(PLAN_EVENT_READY, 1);
	}
	tell(PLAN_EVENT_START, 1);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 1,
	    "what another did is kept");
	cr_assert_eq(plan.children[1].failures, 0);
	cr_assert_eq(plan_next_delay_ms(&plan, 1, now_ms), 100);
}

/* ---- all of it, at random ---- */

#define WALK_WORKERS_MAX 6
#define WALK_STEPS	 100000

static unsigned states_seen[PLAN_STATE_COUNT];
static unsigned groups_seen[PLAN_GROUP_COUNT];
static unsigned whys_seen[PLAN_WHY_COUNT];

static void
restart_walk(struct random *random)
{
	struct plan_options options = usual_options();
	uint64_t dice = random_next(random);
	options.max_restarts = dice % 4 == 0 ? PLAN_RESTARTS_AUTOMATIC
	    : dice % 4 == 1		     ? PLAN_RESTARTS_UNLIMITED
					     : (int64_t)(dice % 97);
	if (dice & 64)
		options.backoff =
		    (struct backoff){ .base_ms = 100, .cap_ms = 5000 };
	options.strategy = (enum restart_strategy)((dice >> 16) % 3);
	options.restart[0] = (enum restart_kind)((dice >> 20) % 3);
	if (dice & (1 << 24)) {
		options.hang_timeout_ms = 700;
		options.queue_hang_timeout_ms = 900;
	}
	options.seed = dice;
	init_plan(options, (unsigned)(dice >> 8) % WALK_WORKERS_MAX);
	tell(PLAN_EVENT_BOOT, 0);
}

static void
see(void)
{
	groups_seen[plan.group]++;
	for (unsigned i = 0; i < plan.places; i++)
		states_seen[state_of(i)]++;
	for (unsigned i = 0; i < wish_count; i++)
		whys_seen[wishes[i].why]++;
}

/* What a real child may do in that state. */
static void
walk_child(struct random *random, unsigned child)
{
	static const enum plan_event any[] = { PLAN_EVENT_RENEW,
		PLAN_EVENT_RENEW, PLAN_EVENT_START, PLAN_EVENT_STOP,
		PLAN_EVENT_RESTART, PLAN_EVENT_HURRY, PLAN_EVENT_KILL,
		PLAN_EVENT_READY, PLAN_EVENT_LOST, PLAN_EVENT_READY,
		PLAN_EVENT_READY, PLAN_EVENT_BEAT };
	static const int exits[] = { 0, 1, 64, 70, 76, 78 };
	uint64_t dice = random_next(random);
	bool alive = plan_is_alive(state_of(child));
	bool starting = state_of(child) == PLAN_STATE_STARTING;
	if (starting && dice % 16 == 0)
		tell(PLAN_EVENT_SPAWN_FAILED, child);
	else if (starting && dice % 64 == 1)
		tell(PLAN_EVENT_EXEC_FAILED, child);
	else if (alive && dice % 4 == 2 && dice % 5 == 0)
		tell_exit(child, exits[(dice >> 8) % 6]);
	else if (alive && dice % 4 == 2)
		tell_kill(child);
	else
		tell(any[(dice >> 8) % 12], child);
}

static void
walk_step(struct random *random)
{
	uint64_t dice = random_next(random);
	if (dice % 4 == 0)
		pass((int64_t)(dice >> 8) % ((dice & 128) ? 20000 : 300));
	else if (dice % 64 == 1)
		tell_scale((unsigned)(dice >> 8) % WALK_WORKERS_MAX);
	else if (dice % 256 == 2 || (plan_is_stopping(&plan) && dice % 16 == 2))
		tell(PLAN_EVENT_STOP_ALL, 0);
	else if (plan.places > 0)
		walk_child(random, (unsigned)(dice >> 8) % plan.places);
}

/* step() verifies every invariant after each event. */
Test(plan, a_random_walk_breaks_no_invariant)
{
	struct random random = { .state = 20260102 };
	unsigned runs = 1;
	restart_walk(&random);
	for (unsigned i = 0; i < WALK_STEPS; i++) {
		walk_step(&random);
		see();
		if (plan.group == PLAN_GROUP_FINISHED) {
			plan_release(&plan);
			restart_walk(&random);
			runs++;
		}
	}
	cr_assert_gt(runs, 100);
	for (int i = 0; i < PLAN_STATE_COUNT; i++)
		cr_assert_gt(states_seen[i], 100, "state %s",
		    plan_state_name((enum plan_state)i));
	for (int i = 0; i < PLAN_GROUP_COUNT; i++)
		cr_assert_gt(groups_seen[i], 100, "group %d", i);
	for (int i = PLAN_WHY_NONE + 1; i < PLAN_WHY_COUNT; i++)
		cr_assert_gt(
		    whys_seen[i], 0, "why %s", plan_why_text((enum plan_why)i));
}

/* ---- lies: each has to be found, and by the rule that it breaks ---- */

/* The queue or a worker as it should never be. */
struct child_lie {
	enum plan_group group;
	unsigned child;
	struct plan_child is;
	const char *found;
};

#define NEVER .deadline_ms = PLAN_NEVER
#define SOON  .deadline_ms = 1000001
#define READY .state = PLAN_STATE_READY, .been_ready = true
#define NAMED .pool = 0, .number = 2

static const struct child_lie child_lies[] = {
	{ PLAN_GROUP_RUN, 0, { .state = PLAN_STATE_ABSENT, NEVER },
	    "the queue always has its place" },
	{ PLAN_GROUP_STOP_WORKERS, 0, { .state = PLAN_STATE_BACKOFF, SOON },
	    "the queue is not started while all stop" },
	{ PLAN_GROUP_RUN, 0, { .state = PLAN_STATE_FAILED, NEVER },
	    "nothing runs on without a queue" },
	{ PLAN_GROUP_STOP_QUEUE, 0, { READY, NEVER },
	    "the queue is being stopped" },
	{ PLAN_GROUP_FINISHED, 0, { READY, NEVER },
	    "finished means that nothing lives" },
	{ PLAN_GROUP_RUN, 1, { NAMED, READY, SOON },
	    "exactly the timed states have a deadline" },
	{ PLAN_GROUP_RUN, 1, { NAMED, .state = PLAN_STATE_STARTING, NEVER },
	    "exactly the timed states have a deadline" },
	{ PLAN_GROUP_RUN, 1,
	    { NAMED, .state = PLAN_STATE_STARTING,
		.deadline_ms = 1000001 + DURATION_MS_MAX },
	    "no deadline is out of sight" },
	{ PLAN_GROUP_RUN, 1,
	    { NAMED, .state = PLAN_STATE_DOWN, NEVER,
		.signal_wanted = SIGTERM },
	    "only the living are signalled" },
	{ PLAN_GROUP_RUN, 1, { NAMED, .state = PLAN_STATE_KILLING, SOON },
	    "who is being killed was sent a KILL, or hung" },
	{ PLAN_GROUP_RUN, 1, { NAMED, READY, NEVER, .planned = true },
	    "a planned death is on its way" },
	{ PLAN_GROUP_RUN, 1, { NAMED, READY, NEVER, .want = PLAN_WANT_GONE },
	    "who has to leave is gone or on its way" },
	{ PLAN_GROUP_RUN, 1,
	    { NAMED, .state = PLAN_STATE_BACKOFF, SOON,
		.want = PLAN_WANT_DOWN },
	    "who is wanted down is not started" },
	{ PLAN_GROUP_RUN, 1, { NAMED, .state = PLAN_STATE_DOWN, NEVER },
	    "who is wanted up is started" },
	{ PLAN_GROUP_RUN, 1, { NAMED, .state = PLAN_STATE_READY, NEVER },
	    "ready is remembered" },
	{ PLAN_GROUP_RUN, 1, { .number = 0, READY, NEVER },
	    "a worker has a pool and a number" },
	{ PLAN_GROUP_RUN, 1,
	    { .pool = PLAN_POOLS_MAX, .number = 1, READY, NEVER },
	    "a worker has a pool and a number" },
	{ PLAN_GROUP_BOOT, 0, { .state = PLAN_STATE_STARTING, SOON },
	    "no worker before the queue is ready" },
	{ PLAN_GROUP_STOP_WORKERS, 1, { NAMED, READY, NEVER },
	    "no worker serves or starts while all stop" },
	{ PLAN_GROUP_STOP_WORKERS, 1,
	    { NAMED, .state = PLAN_STATE_STARTING, SOON },
	    "no worker serves or starts while all stop" },
	{ PLAN_GROUP_STOP_WORKERS, 1,
	    { NAMED, .state = PLAN_STATE_BACKOFF, SOON },
	    "no worker serves or starts while all stop" },
	{ PLAN_GROUP_RUN, 2, { .pool = 0, .number = 1, READY, NEVER },
	    "no two workers have one name" },
};

static void
expect_found(const char *wanted)
{
	const char *found = plan_verify(&plan);
	cr_expect_not_null(found, "believed: not \"%s\"", wanted);
	if (found != NULL)
		cr_expect_str_eq(found, wanted);
}

Test(plan, verify_sees_one_that_does_not_wait_for_its_siblings)
{
	boot_all(usual_options(), 2);
	plan.regrouping = true;
	plan.regroup_from = 1;
	expect_found("who waits for its siblings neither serves nor starts");
}

Test(plan, verify_sees_two_of_a_pool_that_are_renewed)
{
	boot_all(usual_options(), 2);
	plan.children[1].renewing = plan.children[2].renewing = true;
	expect_found("one of a pool is renewed at a time");
}

Test(plan, verify_names_the_rule_that_a_child_breaks)
{
	for (size_t i = 0; i < sizeof(child_lies) / sizeof(*child_lies); i++) {
		const struct child_lie *lie = &child_lies[i];
		plan_release(&plan);
		boot_all(usual_options(), 2);
		plan.group = lie->group;
		plan.children[lie->child] = lie->is;
		expect_found(lie->found);
	}
}

Test(plan, verify_sees_a_worker_that_outlives_the_stop_of_the_queue)
{
	boot_all(usual_options(), 1);
	tell(PLAN_EVENT_STOP_ALL, 0);
	cr_assert_eq(state_of(1), PLAN_STATE_STOPPING);
	plan.group = PLAN_GROUP_STOP_QUEUE;
	plan.children[0].state = PLAN_STATE_STOPPING;
	plan.children[0].deadline_ms = now_ms + 1;
	expect_found("no worker outlives the queue's stop");
}

Test(plan, verify_sees_a_window_that_is_not_in_order)
{
	boot_all(usual_options(), 2);
	plan.window.count = 1;
	plan.window.deaths[0].time_ms = now_ms + 1;
	expect_found("the window is in order");
	plan.window.count = 2;
	plan.window.deaths[0].time_ms = now_ms;
	plan.window.deaths[1].time_ms = now_ms - 1;
	expect_found("the window is in order");
	plan.window.count = plan.window.capacity + 1;
	expect_found("the window fits");
}

Test(plan, verify_sees_more_restarts_than_are_allowed)
{
	boot_all(usual_options(), 2);
	plan.window.count = 4;
	for (size_t i = 0; i < plan.window.count; i++)
		plan.window.deaths[i].time_ms = now_ms;
	expect_found("more restarts than allowed mean giving up");
	plan.window.count = 3;
	cr_expect_null(plan_verify(&plan));
}

/* ---- several pools ---- */

static void
tell_scale_of(unsigned pool, unsigned workers)
{
	step(&(struct plan_fact){
	    .event = PLAN_EVENT_SCALE, .pool = pool, .workers = workers });
}

Test(plan, pools_are_scaled_apart)
{
	init_plan(usual_options(), 2);
	tell_scale_of(1, 3);
	cr_assert_eq(plan_pool_workers(&plan, 0), 2);
	cr_assert_eq(plan_pool_workers(&plan, 1), 3);
	tell_scale_of(1, 1);
	cr_assert_eq(plan_pool_workers(&plan, 0), 2);
	cr_assert_eq(plan_pool_workers(&plan, 1), 1);
	tell_scale_of(0, 4);
	cr_assert_eq(plan_pool_workers(&plan, 0), 4);
	cr_assert_eq(plan_pool_workers(&plan, 1), 1);
}

Test(plan, all_pools_share_the_places_also_of_those_about_to_leave)
{
	boot_all(usual_options(), 4);
	cr_assert(plan_scale_fits(&plan, 0, CHILDREN_MAX));
	cr_assert_not(plan_scale_fits(&plan, 0, CHILDREN_MAX + 1));
	cr_assert(plan_scale_fits(&plan, 1, CHILDREN_MAX - 4));
	cr_assert_not(plan_scale_fits(&plan, 1, CHILDREN_MAX - 3));
	tell_scale_of(0, 1);
	cr_assert_eq(state_of(4), PLAN_STATE_STOPPING);
	cr_assert_not(plan_scale_fits(&plan, 1, CHILDREN_MAX - 3));
	for (unsigned child = 2; child <= 4; child++)
		tell_exit(child, 0);
	cr_assert(plan_scale_fits(&plan, 1, CHILDREN_MAX - 3));
}

Test(plan, fewer_workers_with_their_older_ones_still_leaving_need_both_places)
{
	boot_all(usual_options(), 4);
	tell_scale_of(0, 2);
	cr_assert(plan_scale_fits(&plan, 0, CHILDREN_MAX));
	cr_assert(plan_scale_fits(&plan, 0, 1));
}

/* ---- words and figures ---- */

Test(plan, every_state_and_every_reason_has_a_name)
{
	for (int state = 0; state < PLAN_STATE_COUNT; state++)
		cr_assert_gt(
		    strlen(plan_state_name((enum plan_state)state)), 0);
	for (int why = PLAN_WHY_NONE + 1; why < PLAN_WHY_COUNT; why++)
		cr_assert_gt(strlen(plan_why_text((enum plan_why)why)), 0);
}

Test(plan, restarts_are_counted_while_they_are_in_the_window)
{
	boot_all(usual_options(), 2);
	tell_kill(1);
	tell(PLAN_EVENT_READY, 1);
	pass(3000);
	tell_kill(1);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms), 2);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms + 2000), 2);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms + 2001), 1);
	cr_assert_eq(plan_restarts_in_window(&plan, now_ms + 5001), 0);
}

Test(plan, a_second_boot_changes_nothing)
{
	init_plan(usual_options(), 2);
	tell(PLAN_EVENT_BOOT, 0);
	tell(PLAN_EVENT_BOOT, 0);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(state_of(PLAN_QUEUE), PLAN_STATE_STARTING);
	for (unsigned i = 0; i <= 2; i++)
		tell(PLAN_EVENT_READY, i);
	tell(PLAN_EVENT_BOOT, 0);
	cr_assert_eq(wish_count, 0);
	cr_assert_eq(plan.group, PLAN_GROUP_RUN);
}

#if MEMORY_CAN_FAIL
Test(plan, without_memory_there_is_none)
{
	struct plan_options options = usual_options();
	for (unsigned n = 1; n <= 2; n++) {
		fail_memory(n);
		int error = plan_init(&plan, &options);
		fail_memory(0);
		cr_assert_eq(error, ENOMEM);
		cr_assert_null(plan.children);
	}
	init_plan(options, 1);
}
#endif
