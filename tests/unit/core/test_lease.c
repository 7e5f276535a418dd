/* SPDX-License-Identifier: MIT */
#include "core/lease.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

#define TTR_MS	   INT64_C(20000)
#define WARNING_MS (TTR_MS / 10)
#define GRACE_MS   INT64_C(3000)

static const struct lane_policy timed_policy = { .max_attempts = 3,
	.max_crashes = 2,
	.retry = { .base_ms = 1000, .cap_ms = 8000 },
	.ttr_ms = TTR_MS,
	.ttr_grace_ms = GRACE_MS };

static void
begin_timed(void)
{
	begin_with(&timed_policy);
}

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(lease, .init = begin_timed, .fini = end_core);

/* A job that runs with a foreign worker. */
static uint64_t
run_one(uint32_t *ret_worker)
{
	*ret_worker = subscribe("mail");
	ask(*ret_worker, "mail", 1);
	return enqueue("mail");
}

/* The same with a time of its own. */
static uint64_t
run_for(int64_t ttr_ms, uint32_t *ret_worker)
{
	*ret_worker = subscribe("mail");
	ask(*ret_worker, "mail", 1);
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.terms = { .ttr_ms = ttr_ms } } });
	cr_assert_not_null(wished(WISH_DELIVER, 0));
	return core.answer;
}

static void
cancel(uint64_t id)
{
	tell((struct fact){ .kind = FACT_CANCEL, .steer = { .id = id } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

static enum refusal
touch(uint64_t id, int64_t ttr_ms)
{
	tell((struct fact){
	    .kind = FACT_TOUCH, .touch = { .id = id, .ttr_ms = ttr_ms } });
	return core.refusal;
}

/* To the moment at which the core says that it has something to do. */
static void
pass_to_wake(void)
{
	cr_assert_lt(core_wake_at(&core), INT64_MAX);
	pass(core_wake_at(&core) - now_ms);
}

static bool
is_told(enum core_event event)
{
	for (unsigned n = 0; n < count_wished(WISH_TELL); n++)
		if (wished(WISH_TELL, n)->event == event)
			return true;
	return false;
}

static void
expect_stop(uint64_t id, uint32_t worker)
{
	const struct wish *stop = wished(WISH_STOP, 0);
	cr_assert_not_null(stop);
	cr_expect_eq(count_wished(WISH_STOP), 1);
	cr_expect_eq(stop->id, id);
	cr_expect_eq(stop->subscriber, worker);
	cr_expect_eq(stop->delivery, job_with(id)->delivery);
	cr_expect_eq(lease_of(id)->phase, LEASE_STOPPING);
}

/* ---- the time of a run ---- */

Test(lease, a_run_is_warned_of_then_stopped_to_the_millisecond)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	int64_t began_ms = now_ms;
	cr_expect_eq(core_wake_at(&core), began_ms + TTR_MS - WARNING_MS);
	pass(TTR_MS - WARNING_MS - 1);
	cr_expect_eq(core.wish_count, 0);
	pass(1);
	cr_assert_eq(core.wish_count, 1);
	cr_expect_eq(core.wishes[0].event, EVENT_OVERDUE);
	cr_expect_eq(core.wishes[0].subscriber, w);
	cr_expect_eq(lease_of(id)->phase, LEASE_WARNED);
	pass(WARNING_MS - 1);
	cr_expect_eq(core.wish_count, 0, "it has all its time");
	pass(1);
	expect_stop(id, w);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
	cr_expect_eq(core.counters.timed_out, 0, "it runs until it ended");
}

Test(lease, the_warning_is_at_least_a_second_before_the_end)
{
	uint32_t w;
	uint64_t id = run_for(5000, &w);
	pass(4000);
	cr_expect(is_told(EVENT_OVERDUE));
	cr_expect_eq(lease_of(id)->end_ms, now_ms + 1000);
}

Test(lease, who_has_a_second_or_less_is_not_warned)
{
	uint32_t w;
	uint64_t id = run_for(1000, &w);
	int64_t began_ms = now_ms;
	cr_expect_eq(core_wake_at(&core), began_ms + 1000);
	pass(1000);
	cr_expect_not(is_told(EVENT_OVERDUE));
	expect_stop(id, w);
}

Test(lease, the_time_of_a_job_goes_before_that_of_its_queue)
{
	uint32_t w;
	uint64_t id = run_for(2 * TTR_MS, &w);
	cr_expect_eq(lease_of(id)->end_ms, now_ms + 2 * TTR_MS);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), 2 * TTR_MS);
}

Test(lease, a_job_may_have_any_time)
{
	uint32_t w;
	uint64_t id = run_for(TTR_NONE, &w);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), INT64_MAX);
	pass(1000 * TTR_MS);
	cr_expect_eq(core.wish_count, 0);
}

Test(lease, what_is_left_goes_down_to_nothing)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS - WARNING_MS);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), WARNING_MS);
	pass(WARNING_MS + 5);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), 0);
}

Test(lease, many_are_stopped_in_the_order_of_their_ends)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 3);
	static const int64_t ttr_ms[] = { 900, 300, 600 };
	for (unsigned i = 0; i < 3; i++)
		tell((struct fact){ .kind = FACT_ENQUEUE,
		    .enqueue = { .queue = SPAN_LITERAL("mail"),
			.terms = { .ttr_ms = ttr_ms[i] } } });
	pass(600);
	cr_assert_eq(count_wished(WISH_STOP), 2, "one step sees to all");
	cr_expect_eq(wished(WISH_STOP, 0)->id, 2);
	cr_expect_eq(wished(WISH_STOP, 1)->id, 3);
	pass(300);
	cr_assert_eq(count_wished(WISH_STOP), 1);
	cr_expect_eq(wished(WISH_STOP, 0)->id, 1);
}

Test(lease, an_answer_ends_it_and_its_alarm)
{
	uint32_t w;
	run_one(&w);
	answer(w, 1, VERDICT_DONE);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	cr_expect_eq(core.jobs.leases.used, 0);
}

/* ---- what becomes of a run that was stopped ---- */

Test(lease, a_run_whose_time_was_over_failed_whatever_its_worker_says)
{
	static const enum verdict said[] = { VERDICT_FAIL, VERDICT_RETRY,
		VERDICT_RELEASE, VERDICT_DEAD };
	end_core();
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		uint32_t w;
		begin_timed();
		uint64_t id = run_one(&w);
		pass(TTR_MS);
		answer(w, 1, said[i]);
		cr_expect_eq(job_with(id)->state, JOB_DELAYED);
		cr_expect_eq(job_with(id)->attempt, 1, "it is counted");
		cr_expect_str_eq(
		    job_reason(&core.jobs, job_with(id)), "timeout");
		cr_expect_eq(core.counters.timed_out, 1);
		cr_expect_eq(core.counters.failed, 1);
		cr_expect_eq(lane_named("mail")->failed, 1);
		end_core();
	}
	begin_timed();
}

Test(lease, a_run_whose_time_was_over_says_how_it_ended_too)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	tell((struct fact){ .kind = FACT_ANSWER,
	    .subscriber = w,
	    .answer = { .msgid = 1,
		.outcome = { .verdict = VERDICT_FAIL,
		    .reason = SPAN_LITERAL("signal 15 (TERM)") } } });
	cr_expect_str_eq(
	    job_reason(&core.jobs, job_with(id)), "timeout: signal 15 (TERM)");
}

Test(lease, what_was_done_all_the_same_is_done)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	answer(w, 1, VERDICT_DONE);
	cr_expect_eq(jobs_find(&core.jobs, id), 0);
	cr_expect_eq(core.counters.done, 1);
	cr_expect_eq(core.counters.timed_out, 0);
}

Test(lease, a_signal_that_stopped_it_is_no_crash)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	tell((struct fact){ .kind = FACT_ANSWER,
	    .subscriber = w,
	    .answer = { .msgid = 1,
		.outcome = { .verdict = VERDICT_FAIL, .crashed = true } } });
	cr_expect_eq(job_with(id)->crashes, 0);
}

Test(lease, only_a_stopped_run_that_nobody_cancelled_was_over)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	cr_expect_not(lease_is_over(&core, job_with(id)));
	pass(TTR_MS - WARNING_MS);
	cr_expect_not(lease_is_over(&core, job_with(id)), "warned only");
	pass(WARNING_MS);
	cr_expect(lease_is_over(&core, job_with(id)));
	cancel(id);
	cr_expect_not(lease_is_over(&core, job_with(id)));
}

/* ---- a worker that does not stop it ---- */

Test(lease, a_foreign_worker_that_does_not_answer_is_cut_off)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	cr_expect_eq(
	    core_wake_at(&core), now_ms + GRACE_MS + LEASE_PATIENCE_MS);
	pass(GRACE_MS + LEASE_PATIENCE_MS - 1);
	cr_expect_eq(core.wish_count, 0);
	pass(1);
	cr_assert_eq(core.wish_count, 1);
	cr_expect_eq(core.wishes[0].kind, WISH_CUT_OFF);
	cr_expect_eq(core.wishes[0].subscriber, w);
	cr_expect_eq(core.wishes[0].id, id);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING,
	    "not given out before its connection is known closed");
	gone(w);
	cr_expect_eq(job_with(id)->state, JOB_DELAYED);
	cr_expect_eq(core.counters.timed_out, 1);
	cr_expect_eq(job_with(id)->crashes, 0);
}

Test(lease, a_supervised_worker_that_does_not_answer_is_killed_and_again)
{
	worker_up(70, 1);
	uint32_t w = subscribe_worker("mail", 70, 1);
	ask(w, "mail", 1);
	uint64_t id = enqueue("mail");
	pass(TTR_MS);
	pass(GRACE_MS + LEASE_PATIENCE_MS);
	cr_assert_eq(core.wish_count, 1);
	cr_expect_eq(core.wishes[0].kind, WISH_KILL);
	cr_expect_eq(core.wishes[0].pid, 70);
	cr_expect_eq(core.wishes[0].id, id);
	cr_expect_eq(lease_of(id)->phase, LEASE_OVERSTAYED);
	/* A worker that hangs in the kernel takes its time to die. */
	pass(WORKER_SILENCE_MS);
	cr_assert_eq(count_wished(WISH_KILL), 1);
	gone(w);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING, "it is not reaped");
	worker_down(70, 1, false);
	cr_expect_eq(job_with(id)->state, JOB_DELAYED);
	cr_expect_eq(core.counters.timed_out, 1);
	cr_expect_eq(job_with(id)->crashes, 0, "it was we who killed it");
}

Test(lease, who_only_says_that_it_is_supervised_is_cut_off)
{
	uint32_t w = subscribe_worker("mail", 70, 1);
	ask(w, "mail", 1);
	enqueue("mail");
	pass(TTR_MS);
	pass(GRACE_MS + LEASE_PATIENCE_MS);
	cr_assert_eq(core.wish_count, 1);
	cr_expect_eq(core.wishes[0].kind, WISH_CUT_OFF);
}

Test(lease, an_answer_in_the_grace_is_in_time_to_spare_its_worker)
{
	uint32_t w;
	run_one(&w);
	pass(TTR_MS);
	pass(GRACE_MS);
	answer(w, 1, VERDICT_FAIL);
	pass(LEASE_PATIENCE_MS);
	cr_expect_eq(count_wished(WISH_CUT_OFF), 0);
	cr_expect(subscriber_at(&core.demand, w)->connected);
}

/* ---- more time ---- */

Test(lease, a_touch_gives_that_much_from_now_on)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(7000);
	cr_expect_eq(touch(id, 50000), REFUSAL_NONE);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), 50000);
	cr_expect_eq(core_wake_at(&core), now_ms + 45000);
}

Test(lease, a_touch_may_take_time_away)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	cr_expect_eq(touch(id, 500), REFUSAL_NONE);
	pass(500);
	expect_stop(id, w);
}

Test(lease, a_touch_without_a_time_begins_it_again)
{
	uint32_t w;
	uint64_t id = run_for(7000, &w);
	pass(6000);
	cr_expect(is_told(EVENT_OVERDUE));
	cr_expect_eq(touch(id, 0), REFUSAL_NONE);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), 7000);
	cr_expect_eq(lease_of(id)->phase, LEASE_RUNNING);
	pass(6000);
	cr_expect(is_told(EVENT_OVERDUE), "it is warned of anew");
}

Test(lease, a_touch_may_give_any_time)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	cr_expect_eq(touch(id, TTR_NONE), REFUSAL_NONE);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), INT64_MAX);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	cr_expect_eq(touch(id, 5000), REFUSAL_NONE, "and take it back");
	cr_expect_eq(lease_left_ms(&core, job_with(id)), 5000);
}

Test(lease, who_is_being_stopped_gets_no_more_time)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	int64_t wake_ms = core_wake_at(&core);
	cr_expect_eq(touch(id, 50000), REFUSAL_BAD_STATE);
	cr_expect_eq(core_wake_at(&core), wake_ms);
	pass_to_wake();
	cr_expect_eq(count_wished(WISH_CUT_OFF), 1);
	cr_expect_eq(touch(id, 50000), REFUSAL_BAD_STATE);
}

/* ---- cancelled ---- */

Test(lease, a_cancelled_run_is_stopped_at_once_and_its_record_says_so)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(100);
	cancel(id);
	expect_stop(id, w);
	cr_expect_not_null(wished(WISH_SAVE, 0));
	cr_expect_not(wished(WISH_SAVE, 0)->with_body);
	cr_expect(job_with(id)->cancelled);
	cr_expect_eq(
	    core_wake_at(&core), now_ms + GRACE_MS + LEASE_PATIENCE_MS);
	cr_expect_eq(touch(id, 5000), REFUSAL_BAD_STATE);
}

Test(lease, cancelled_twice_it_is_stopped_once)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	cancel(id);
	cancel(id);
	cr_expect_eq(core.wish_count, 0);
}

Test(lease, cancelled_while_it_is_stopped_it_gets_no_second_grace)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	pass(TTR_MS);
	int64_t wake_ms = core_wake_at(&core);
	pass(1000);
	cancel(id);
	cr_expect_eq(count_wished(WISH_STOP), 0);
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	cr_expect_eq(core_wake_at(&core), wake_ms);
}

Test(lease, a_run_of_any_time_is_stopped_when_it_is_cancelled)
{
	uint32_t w;
	uint64_t id = run_for(TTR_NONE, &w);
	cancel(id);
	expect_stop(id, w);
	pass(GRACE_MS + LEASE_PATIENCE_MS);
	cr_expect_eq(count_wished(WISH_CUT_OFF), 1);
}

/* ---- over another connection, and over a restart ---- */

static uint32_t
come_with(uint64_t id, uint32_t delivery, int64_t pid)
{
	struct held held = { .id = id, .delivery = delivery };
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = SPAN_LITERAL("mail"),
		.pid = pid,
		.incarnation = 1,
		.held = &held,
		.held_count = 1 } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	cr_assert(held.stands);
	return (uint32_t)core.answer;
}

/* A job that runs with the supervised worker of that pid. */
static uint64_t
run_supervised(int64_t pid, uint32_t *ret_worker)
{
	worker_up(pid, 1);
	*ret_worker = subscribe_worker("mail", pid, 1);
	ask(*ret_worker, "mail", 1);
	return enqueue("mail");
}

Test(lease, a_worker_on_another_connection_has_no_more_time_than_before)
{
	uint32_t w;
	uint64_t id = run_supervised(70, &w);
	int64_t end_ms = lease_of(id)->end_ms;
	pass(5000);
	come_with(id, 1, 70);
	cr_expect_eq(lease_of(id)->end_ms, end_ms);
	cr_expect_eq(lease_of(id)->phase, LEASE_RUNNING);
}

Test(lease, any_time_that_was_given_is_kept_on_another_connection)
{
	uint32_t w;
	uint64_t id = run_supervised(70, &w);
	cr_assert_eq(touch(id, TTR_NONE), REFUSAL_NONE);
	come_with(id, 1, 70);
	cr_expect_eq(lease_left_ms(&core, job_with(id)), INT64_MAX);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(lease, what_is_to_be_stopped_is_told_again_on_another_connection)
{
	uint32_t w;
	uint64_t id = run_supervised(70, &w);
	pass(TTR_MS);
	expect_stop(id, w);
	uint32_t other = come_with(id, 1, 70);
	pass(0);
	expect_stop(id, other);
	cr_expect_not(is_told(EVENT_OVERDUE));
}

Test(lease, so_is_what_was_cancelled)
{
	uint32_t w;
	uint64_t id = run_supervised(70, &w);
	cancel(id);
	uint32_t other = come_with(id, 1, 70);
	pass(0);
	expect_stop(id, other);
}

static void
restore_running(uint64_t id, bool cancelled)
{
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = SPAN_LITERAL("mail");
	fact.restore.job = (struct job){ .id = id,
		.state = JOB_RUNNING,
		.hints = 1,
		.attempt = 1,
		.delivery = 4,
		.cancelled = cancelled };
	tell(fact);
	tell((struct fact){
	    .kind = FACT_RESTORED, .restored = { .supervised = true } });
}

Test(lease, an_absent_job_has_all_the_time_until_its_worker_comes)
{
	restore_running(9, false);
	worker_up(70, 1);
	cr_expect_eq(lease_left_ms(&core, job_with(9)), INT64_MAX);
	cr_expect_eq(touch(9, 10), REFUSAL_NONE, "it has more than that");
	cr_expect_eq(lease_left_ms(&core, job_with(9)), INT64_MAX);
	pass(1500);
	come_with(9, 4, 70);
	cr_expect_eq(
	    lease_left_ms(&core, job_with(9)), TTR_MS, "the time begins again");
	pass(TTR_MS - WARNING_MS);
	cr_expect(is_told(EVENT_OVERDUE));
}

Test(lease, a_touch_of_an_absent_job_counts_when_its_worker_comes)
{
	restore_running(9, false);
	worker_up(70, 1);
	cr_assert_eq(touch(9, 60000), REFUSAL_NONE);
	pass(1000);
	come_with(9, 4, 70);
	cr_expect_eq(lease_left_ms(&core, job_with(9)), 59000);
}

Test(lease, an_absent_job_that_may_take_any_time_may_when_its_worker_comes)
{
	restore_running(9, false);
	worker_up(70, 1);
	cr_assert_eq(touch(9, 60000), REFUSAL_NONE);
	cr_assert_eq(touch(9, TTR_NONE), REFUSAL_NONE);
	come_with(9, 4, 70);
	cr_expect_eq(lease_left_ms(&core, job_with(9)), INT64_MAX);
}

Test(lease, a_short_touch_of_an_absent_job_takes_nothing_from_its_time)
{
	restore_running(9, false);
	worker_up(70, 1);
	cr_assert_eq(touch(9, 1), REFUSAL_NONE);
	pass(1000);
	come_with(9, 4, 70);
	cr_expect_eq(lease_left_ms(&core, job_with(9)), TTR_MS);
}

Test(lease, an_absent_job_that_was_cancelled_is_stopped_when_its_worker_comes)
{
	restore_running(9, true);
	worker_up(70, 1);
	uint32_t w = come_with(9, 4, 70);
	pass(0);
	expect_stop(9, w);
	answer(w, 1, VERDICT_FAIL);
	cr_expect_eq(core.refusal, REFUSAL_STALE, "of no msgid of this one");
	tell((struct fact){ .kind = FACT_RESULT,
	    .subscriber = w,
	    .result = { .id = 9,
		.delivery = 4,
		.outcome = { .verdict = VERDICT_FAIL } } });
	cr_expect_eq(jobs_find(&core.jobs, 9), 0);
	cr_expect_eq(core.counters.cancelled, 1);
}

Test(lease, an_absent_job_is_cancelled_and_nobody_can_be_asked)
{
	restore_running(9, false);
	worker_up(70, 1);
	cancel(9);
	cr_expect(job_with(9)->cancelled);
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	cr_expect_eq(count_wished(WISH_STOP), 0);
	come_with(9, 4, 70);
	pass(0);
	cr_expect_eq(count_wished(WISH_STOP), 1);
}

Test(lease, an_absent_cancelled_job_that_nobody_has_is_gone)
{
	restore_running(9, true);
	tell((struct fact){ .kind = FACT_INTRODUCED });
	cr_expect_eq(jobs_find(&core.jobs, 9), 0);
	cr_expect_eq(core.counters.cancelled, 1);
}
