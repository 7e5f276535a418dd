/* SPDX-License-Identifier: MIT */
#include "core/absent.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

static void
release(void)
{
	core_release(&core);
}

TestSuite(absent, .init = begin, .fini = release);

static void
restore(uint64_t id, enum job_state state, uint32_t bytes)
{
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = id,
		    .state = (uint8_t)state,
		    .delivery = 4,
		    .attempt = 2,
		    .body_bytes = bytes } } });
}

static void
restored(bool everything_died, bool supervised)
{
	tell((struct fact){ .kind = FACT_RESTORED,
	    .restored = { everything_died, supervised } });
}

static void
introduced(void)
{
	tell((struct fact){ .kind = FACT_INTRODUCED });
}

/* Jobs 1 to count ran when the queue died. */
static void
begin_again(unsigned count)
{
	for (unsigned id = 1; id <= count; id++)
		restore(id, JOB_RUNNING, 10);
	restored(false, true);
}

static uint32_t
subscribe_holding(
    int64_t pid, int64_t incarnation, struct held *held, size_t count)
{
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = SPAN_LITERAL("mail"),
		.name = SPAN_LITERAL("w"),
		.pid = pid,
		.incarnation = incarnation,
		.held = held,
		.held_count = count } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return (uint32_t)core.answer;
}

static void
report(uint32_t subscriber, uint64_t id, uint32_t delivery)
{
	tell((struct fact){ .kind = FACT_RESULT,
	    .subscriber = subscriber,
	    .result = { .id = id, .delivery = delivery } });
}

static struct subscriber *
stand_in(void)
{
	cr_assert_neq(core.absent, 0);
	return subscriber_at(&core.demand, core.absent);
}

/* ---- who has it ---- */

Test(absent, a_job_that_ran_runs_and_nobody_has_it)
{
	restore(7, JOB_RUNNING, 10);
	restore(8, JOB_RUNNING, 20);
	const struct job *job = job_with(7);
	cr_expect_eq(job->state, JOB_RUNNING);
	cr_expect_eq(job->delivery, 4);
	cr_expect_eq(job->attempt, 2);
	cr_expect_eq(lease_of(7)->msgid, 0);
	cr_expect_eq(job->place, core.absent);
	cr_expect_eq(job->at_ms, now_ms);
	cr_expect_eq(core.wish_count, 0);
	cr_expect_eq(lane_named("mail")->counts[JOB_RUNNING], 2);
	cr_expect_str_eq(stand_in()->name.text, "");
	cr_expect_eq(stand_in()->running_count, 2);
	cr_expect_eq(stand_in()->held_bytes, 30);
	cr_expect_not(stand_in()->connected);
	cr_expect(TAILQ_EMPTY(&core.demand.all), "no worker that is listed");
}

Test(absent, nothing_is_waited_for_where_nothing_ran)
{
	restore(1, JOB_READY, 1);
	restored(false, true);
	cr_expect_eq(core.absent, 0);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	worker_up(10, 1);
	introduced();
	pass(60 * 1000);
	cr_expect_eq(core.wish_count, 0);
}

Test(absent, nothing_comes_back_before_all_is_restored)
{
	restore(1, JOB_RUNNING, 1);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	introduced();
	pass(60 * 1000);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
}

Test(absent, all_is_restored_once, .signal = SIGABRT)
{
	restored(false, false);
	restored(false, false);
}

Test(absent, what_ran_is_restored_before_the_end_of_it, .signal = SIGABRT)
{
	restored(false, false);
	restore(1, JOB_RUNNING, 1);
}

Test(absent, what_ran_without_an_attempt_ends_the_process, .signal = SIGABRT)
{
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = 1, .state = JOB_RUNNING } } });
}

Test(absent, a_worker_takes_what_it_has_with_the_right_delivery)
{
	worker_up(10, 1);
	begin_again(4);
	struct held held[] = { { 3, 4, false }, { 1, 4, false }, { 2, 3, true },
		{ 3, 4, false }, { 99, 4, true } };
	uint32_t w = subscribe_holding(10, 1, held, 5);
	cr_expect(held[0].stands);
	cr_expect(held[1].stands);
	cr_expect_not(held[2].stands, "another delivery");
	cr_expect(held[3].stands, "twice is once");
	cr_expect_not(held[4].stands, "no such job");
	const struct subscriber *worker = subscriber_at(&core.demand, w);
	cr_expect_eq(worker->running_count, 2);
	cr_expect_eq(worker->held_bytes, 20);
	cr_expect_eq(job_with(3)->place, w);
	cr_expect_eq(lease_of(3)->msgid, 0);
	cr_expect_eq(stand_in()->running_count, 2);
	answer(w, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(w, 2, 4);
	cr_expect_eq(core.refusal, REFUSAL_STALE, "not among what it had");
	cr_expect_eq(core.counters.stale, 2);
	report(w, 3, 4);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	cr_expect_eq(core.counters.done, 1);
}

Test(absent, with_the_last_job_the_stand_in_goes)
{
	worker_up(10, 1);
	begin_again(2);
	struct held held[] = { { 1, 4, false }, { 2, 4, false } };
	uint32_t w = subscribe_holding(10, 1, held, 2);
	cr_expect_eq(core.absent, 0);
	cr_expect_eq(core.demand.subscribers.used, 1);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	worker_down(10, 1, false);
	cr_expect_eq(lane_first(lane_named("mail")), jobs_find(&core.jobs, 1));
	gone(w);
}

Test(absent, a_second_subscription_may_take_some_too)
{
	begin_again(2);
	struct held held = { 1, 4, false };
	uint32_t w = subscribe_holding(0, 0, &held, 1);
	held.id = 2;
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscriber = w,
	    .subscribe = { .queue = SPAN_LITERAL("sync"),
		.held = &held,
		.held_count = 1 } });
	cr_expect(held.stands);
	cr_expect_eq(subscriber_at(&core.demand, w)->running_count, 2);
	cr_expect_eq(core.absent, 0);
}

Test(absent, what_a_worker_takes_counts_against_what_it_may_hold)
{
	restore(1, JOB_RUNNING, HELD_BYTES_MAX);
	restored(false, false);
	struct held held = { 1, 4, false };
	uint32_t w = subscribe_holding(0, 0, &held, 1);
	ask(w, "mail", 1);
	uint64_t id = enqueue("mail");
	cr_expect_eq(job_with(id)->state, JOB_READY);
	report(w, 1, 4);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
}

/* ---- what comes back ---- */

Test(absent, comes_back_in_its_order_saved_and_told_without_a_worker)
{
	begin_again(2);
	introduced();
	cr_assert_eq(count_wished(WISH_TELL), 2);
	cr_assert_eq(count_wished(WISH_SAVE), 2);
	const struct wish *wish = wished(WISH_TELL, 0);
	cr_expect_eq(wish->event, EVENT_RELEASED);
	cr_expect_eq(wish->id, 2);
	cr_expect_eq(wish->subscriber, 0);
	cr_expect_eq(wish->attempt, 2, "what the run was");
	cr_expect_eq(job_with(1)->attempt, 1);
	cr_expect_eq(job_with(1)->delivery, 4);
	cr_expect_str_eq(job_reason(&core.jobs, job_with(1)),
	    "the queue restarted and no worker had it");
	cr_expect_eq(lane_first(lane_named("mail")), jobs_find(&core.jobs, 1));
	cr_expect_eq(core.counters.released, 2);
	cr_expect_eq(core.counters.died, 0);
	cr_expect_eq(core.absent, 0);
	cr_expect_eq(core.demand.subscribers.used, 0);
}

Test(absent, after_the_end_of_everything_the_attempt_counts)
{
	restore(1, JOB_RUNNING, 1);
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = 2,
		    .state = JOB_RUNNING,
		    .delivery = 3,
		    .attempt = 3 } } });
	restored(true, true);
	worker_up(10, 1);
	cr_expect_eq(core.roll.unheard, 0, "it began after that");
	introduced();
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_DEAD);
	cr_expect_eq(wished(WISH_TELL, 1)->event, EVENT_RETURNED);
	cr_expect_eq(wished(WISH_TELL, 1)->subscriber, 0);
	cr_expect_eq(job_with(1)->state, JOB_READY);
	cr_expect_eq(job_with(1)->attempt, 2);
	cr_expect_eq(job_with(2)->cause, CAUSE_EXHAUSTED);
	cr_expect_eq(core.counters.died, 2);
	cr_expect_eq(core.counters.dead, 1);
}

Test(absent, after_the_end_of_everything_the_introduction_is_not_waited_for)
{
	restore(1, JOB_RUNNING, 1);
	restored(true, true);
	pass(RETURN_GRACE_MS);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, meets_those_who_wait)
{
	begin_again(1);
	uint32_t w = subscribe("mail");
	ask(w, "mail", 1);
	introduced();
	cr_expect_eq(job_with(1)->place, w);
	cr_expect_eq(job_with(1)->delivery, 5);
	cr_expect_eq(job_with(1)->attempt, 2);
}

Test(absent, a_death_of_one_that_was_not_heard_counts)
{
	worker_up(10, 1);
	worker_up(11, 1);
	begin_again(1);
	introduced();
	worker_down(10, 1, false);
	cr_expect_eq(core.wish_count, 0, "another one may have it");
	worker_down(11, 1, true);
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_RETURNED);
	cr_expect_str_eq(job_reason(&core.jobs, job_with(1)),
	    "a worker died that may have had it: signal 9 (KILL)");
	cr_expect_eq(job_with(1)->attempt, 2);
}

Test(absent, of_several_deaths_the_first_one_is_told)
{
	char reason[2 * REASON_BYTES_MAX];
	memset(reason, 'x', sizeof(reason));
	worker_up(10, 1);
	worker_up(11, 1);
	begin_again(1);
	introduced();
	tell((struct fact){ .kind = FACT_WORKER_DOWN,
	    .worker_down = { .pid = 10,
		.incarnation = 1,
		.reason = { reason, sizeof(reason) } } });
	worker_down(11, 1, false);
	const char *is = job_reason(&core.jobs, job_with(1));
	cr_expect_eq(strlen(is), REASON_BYTES_MAX);
	cr_expect_eq(is[REASON_BYTES_MAX - 1], 'x');
}

Test(absent, planned_ends_and_those_of_workers_that_were_heard_do_not_count)
{
	worker_up(10, 1);
	worker_up(11, 1);
	worker_up(12, 1);
	begin_again(1);
	introduced();
	gone(subscribe_holding(12, 1, NULL, 0));
	subscribe_holding(11, 1, NULL, 0);
	worker_down(11, 1, false);
	worker_down(11, 1, false);
	worker_down(12, 1, false);
	worker_down(10, 1, true);
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_RELEASED);
	cr_expect_eq(job_with(1)->attempt, 1);
}

Test(absent, a_death_told_of_a_worker_that_nobody_knew_counts_too)
{
	begin_again(1);
	worker_down(10, 1, false);
	introduced();
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_RETURNED);
}

/* ---- who is waited for ---- */

Test(absent, waits_until_every_worker_that_lives_has_spoken)
{
	worker_up(10, 1);
	begin_again(1);
	worker_up(11, 1);
	introduced();
	subscribe_holding(10, 1, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	subscribe_holding(11, 1, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, who_has_spoken_may_go_again)
{
	worker_up(10, 1);
	worker_up(11, 1);
	begin_again(1);
	introduced();
	gone(subscribe_holding(10, 1, NULL, 0));
	subscribe_holding(11, 1, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, a_worker_may_be_quicker_than_the_word_of_the_supervisor)
{
	begin_again(1);
	subscribe_holding(10, 1, NULL, 0);
	worker_up(10, 1);
	cr_expect_eq(core.roll.unheard, 0);
	introduced();
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, who_is_started_later_is_not_waited_for)
{
	worker_up(10, 1);
	begin_again(1);
	introduced();
	worker_up(11, 1);
	subscribe_holding(10, 1, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, foreign_workers_are_not_waited_for_and_do_not_hurry)
{
	worker_up(10, 1);
	begin_again(1);
	introduced();
	subscribe_holding(20, 0, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	subscribe_holding(10, 0, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING, "it says so itself");
}

Test(absent, without_a_supervisor_the_grace_alone_counts)
{
	restore(1, JOB_RUNNING, 1);
	restored(false, false);
	cr_expect_eq(core_wake_at(&core), now_ms + RETURN_GRACE_MS);
	subscribe_holding(0, 0, NULL, 0);
	pass(RETURN_GRACE_MS - 1);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	pass(1);
	cr_expect_eq(job_with(1)->state, JOB_READY);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(absent, whoever_lives_and_does_not_speak_is_to_be_killed_until_it_is_dead)
{
	for (int64_t pid = 10; pid < 14; pid++)
		worker_up(pid, 1);
	begin_again(2);
	introduced();
	struct held held = { 1, 4, false };
	subscribe_holding(11, 1, &held, 1);
	pass(RETURN_GRACE_MS - 1);
	cr_expect_eq(core.wish_count, 0);
	pass(1);
	cr_assert_eq(count_wished(WISH_KILL), 3);
	cr_expect_eq(core.wish_count, 3);
	cr_expect_eq(wished(WISH_KILL, 0)->pid, 10);
	cr_expect_eq(wished(WISH_KILL, 1)->pid, 12);
	cr_expect_eq(wished(WISH_KILL, 2)->pid, 13);
	worker_down(10, 1, false);
	worker_down(13, 1, false);
	cr_expect_eq(core_wake_at(&core), now_ms + WORKER_SILENCE_MS);
	pass(WORKER_SILENCE_MS);
	cr_assert_eq(count_wished(WISH_KILL), 1);
	cr_expect_eq(wished(WISH_KILL, 0)->pid, 12);
	cr_expect_eq(job_with(2)->state, JOB_RUNNING);
	worker_down(12, 1, false);
	cr_expect_eq(job_with(2)->state, JOB_READY);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(absent, the_introduction_is_waited_for_but_not_for_ever)
{
	begin_again(1);
	pass(RETURN_GRACE_MS);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	cr_expect_eq(core_wake_at(&core), now_ms + INTRODUCTION_MS);
	pass(INTRODUCTION_MS - 1);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	pass(1);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, a_late_introduction_gives_the_workers_their_time)
{
	begin_again(1);
	pass(RETURN_GRACE_MS);
	pass(INTRODUCTION_MS - 1);
	worker_up(10, 1);
	introduced();
	pass(RETURN_GRACE_MS - 1);
	cr_expect_eq(core.wish_count, 0);
	pass(1);
	cr_expect_eq(count_wished(WISH_KILL), 1);
}

Test(absent, without_an_introduction_those_who_are_known_are_killed_too)
{
	worker_up(10, 1);
	begin_again(1);
	pass(RETURN_GRACE_MS);
	pass(INTRODUCTION_MS);
	cr_assert_eq(count_wished(WISH_KILL), 1);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	/* Told of late, it is still one of before. */
	worker_up(11, 1);
	worker_down(10, 1, false);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	subscribe_holding(11, 1, NULL, 0);
	cr_expect_eq(job_with(1)->state, JOB_READY);
}

Test(absent, introduced_twice_is_once)
{
	worker_up(10, 1);
	begin_again(1);
	introduced();
	pass(100);
	introduced();
	cr_expect_eq(core_wake_at(&core), now_ms - 100 + RETURN_GRACE_MS);
}

#if MEMORY_CAN_FAIL
Test(
    absent, without_memory_for_the_stand_in_the_process_ends, .signal = SIGABRT)
{
	struct fact fact = { .kind = FACT_RESTORE,
		.now_ms = now_ms,
		.restore = { .queue = SPAN_LITERAL("mail"),
		    .job = { .id = 1, .state = JOB_READY } } };
	core_step(&core, &fact);
	fact.restore.job =
	    (struct job){ .id = 2, .state = JOB_RUNNING, .attempt = 1 };
	fail_memory(1);
	core_step(&core, &fact);
}
#endif
