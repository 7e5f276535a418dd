/* SPDX-License-Identifier: MIT */
#include "core/gate.h"

#include "core/pause.h"
#include "support.h"

#include <criterion/criterion.h>

static struct lane_policy policy;

static void
begin_gated(void)
{
	policy = usual_policy;
	begin_with(&policy);
}

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(gate, .init = begin_gated, .fini = end_core);

/* Queues that are made from now on. */
static void
limit_running(uint32_t most)
{
	policy.max_running = most;
}

static void
limit_rate(int64_t jobs, int64_t in_ms, int64_t burst)
{
	policy.rate_jobs = jobs;
	policy.rate_ms = in_ms;
	policy.rate_burst = burst;
}

static enum refusal
say(enum fact_kind kind, bool on, int64_t for_ms)
{
	tell((struct fact){ .kind = kind,
	    .gate = { .queue = SPAN_LITERAL("mail"),
		.on = on,
		.for_ms = for_ms,
		.wall_ms = 1700000000000,
		.uid = 1000 } });
	cr_assert_eq(count_wished(WISH_DELIVER), 0, "it can be undone");
	return core.refusal;
}

static void
pause_for(int64_t for_ms)
{
	cr_assert_eq(say(FACT_PAUSE, true, for_ms), REFUSAL_NONE);
}

static enum refusal
try_to_enqueue(const char *key)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.key = span_of(key),
		.mode = KEY_COALESCE } });
	return core.refusal;
}

static enum gate
gate(void)
{
	return gate_of(&core, lane_named("mail"));
}

static uint32_t
running(void)
{
	return lane_named("mail")->counts[JOB_RUNNING];
}

static uint32_t
asks_for(uint32_t n)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", n);
	return worker;
}

static void
expect_change(enum core_event event)
{
	cr_assert_eq(core.wish_count, 2);
	cr_expect_eq(core.wishes[0].kind, WISH_SETTINGS);
	cr_expect_eq(core.wishes[1].kind, WISH_TELL);
	cr_expect_eq(core.wishes[1].event, event);
	cr_expect_eq(core.wishes[1].lane, lane_named("mail")->handle);
}

/* ---- pause ---- */

Test(gate, a_paused_queue_keeps_its_jobs_and_the_demand)
{
	asks_for(2);
	pause_for(0);
	expect_change(EVENT_PAUSED);
	enqueue("mail");
	cr_expect_eq(running(), 0);
	cr_expect_eq(demand_pending(lane_named("mail")), 2);
	cr_expect_eq(gate(), GATE_PAUSED);
	cr_expect_eq(gate_opens_at(&core, lane_named("mail")), INT64_MAX);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	pass(INT64_C(1000000));
	cr_expect_eq(running(), 0, "until somebody says so");
}

Test(gate, one_that_is_open_opens_now)
{
	enqueue("mail");
	cr_expect_eq(gate_of(&core, lane_named("mail")), GATE_OPEN);
	cr_expect_eq(gate_opens_at(&core, lane_named("mail")), core.now_ms);
}

Test(gate, a_resumed_queue_goes_on_with_the_next_step)
{
	asks_for(1);
	pause_for(0);
	enqueue("mail");
	cr_expect_eq(say(FACT_PAUSE, false, 0), REFUSAL_NONE);
	expect_change(EVENT_RESUMED);
	cr_expect_eq(core_wake_at(&core), now_ms);
	pass(0);
	cr_expect_eq(running(), 1);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(gate, a_pause_with_a_time_ends_then_and_says_so)
{
	asks_for(1);
	pause_for(5000);
	enqueue("mail");
	cr_expect_eq(gate_opens_at(&core, lane_named("mail")), now_ms + 5000);
	cr_expect_eq(core_wake_at(&core), now_ms + 5000);
	pass(4999);
	cr_expect_eq(running(), 0);
	pass(1);
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_RESUMED);
	cr_expect_eq(running(), 1);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(gate, a_second_pause_replaces_the_first)
{
	pause_for(5000);
	pause_for(0);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	pause_for(9000);
	cr_expect_eq(core_wake_at(&core), now_ms + 9000);
}

Test(gate, what_runs_goes_on_behind_a_pause)
{
	uint32_t w = asks_for(1);
	uint64_t id = enqueue("mail");
	pause_for(0);
	answer(w, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	cr_expect_eq(jobs_find(&core.jobs, id), 0);
}

Test(gate, what_comes_back_behind_a_pause_waits)
{
	uint32_t w = asks_for(2);
	uint64_t id = enqueue("mail");
	pause_for(0);
	answer(w, 1, VERDICT_RELEASE);
	cr_expect_eq(job_with(id)->state, JOB_READY);
	cr_expect_eq(count_wished(WISH_DELIVER), 0);
}

Test(gate, who_paused_and_when_is_known)
{
	pause_for(0);
	const struct lane_gate *is = &lane_named("mail")->gate;
	cr_expect_eq(is->since_wall_ms, 1700000000000);
	cr_expect_eq(is->uid, 1000);
}

Test(gate, a_queue_that_is_not_paused_cannot_be_resumed)
{
	cr_expect_eq(say(FACT_PAUSE, false, 0), REFUSAL_BAD_STATE);
	cr_expect_str_eq(core.words, "that queue is not paused");
	cr_expect_eq(core.wish_count, 0);
	pause_for(1000);
	pass(1000);
	cr_expect_eq(
	    say(FACT_PAUSE, false, 0), REFUSAL_BAD_STATE, "its time was over");
}

Test(gate, a_pause_of_one_queue_is_none_of_another)
{
	pause_for(0);
	uint32_t w = subscribe("sync");
	ask(w, "sync", 1);
	enqueue("sync");
	cr_expect_eq(count_wished(WISH_DELIVER), 1);
}

/* ---- drain ---- */

Test(gate, a_drained_queue_takes_nothing_and_does_what_it_has)
{
	enqueue("mail");
	cr_expect_eq(say(FACT_DRAIN, true, 0), REFUSAL_NONE);
	expect_change(EVENT_DRAINING);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_DRAINING);
	cr_expect_eq(core.wish_count, 0);
	cr_expect_eq(core.counters.enqueued, 1);
	asks_for(1);
	cr_expect_eq(running(), 1);
}

Test(gate, a_drained_queue_merges_nothing_either)
{
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_NONE);
	say(FACT_DRAIN, true, 0);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_DRAINING);
	cr_expect_eq(core.counters.merged, 0);
}

Test(gate, a_drain_ends_once)
{
	say(FACT_DRAIN, true, 0);
	cr_expect_eq(say(FACT_DRAIN, true, 0), REFUSAL_NONE, "once more");
	cr_expect_eq(say(FACT_DRAIN, false, 0), REFUSAL_NONE);
	expect_change(EVENT_OPENED);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_NONE);
	cr_expect_eq(say(FACT_DRAIN, false, 0), REFUSAL_BAD_STATE);
	cr_expect_str_eq(core.words, "that queue takes jobs");
}

Test(gate, a_drain_and_a_pause_do_not_end_one_another)
{
	asks_for(1);
	enqueue("other");
	say(FACT_DRAIN, true, 0);
	pause_for(2000);
	say(FACT_DRAIN, false, 0);
	cr_expect_eq(gate(), GATE_PAUSED);
	cr_expect_eq(core_wake_at(&core), now_ms + 2000);
	say(FACT_DRAIN, true, 0);
	say(FACT_PAUSE, false, 0);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_DRAINING);
}

/* ---- undo ---- */

Test(gate, a_pause_that_could_not_be_kept_never_was)
{
	asks_for(1);
	pause_for(0);
	pause_undo(&core);
	cr_expect_eq(gate(), GATE_OPEN);
	enqueue("mail");
	cr_expect_eq(running(), 1);
}

Test(gate, a_resume_that_could_not_be_kept_leaves_the_pause_as_it_was)
{
	asks_for(1);
	pause_for(5000);
	int64_t resume_at_ms = now_ms + 5000;
	enqueue("mail");
	pass(1000);
	say(FACT_PAUSE, false, 0);
	pause_undo(&core);
	cr_expect_eq(core_wake_at(&core), resume_at_ms);
	cr_expect_eq(lane_named("mail")->gate.uid, 1000);
	pass(3999);
	cr_expect_eq(running(), 0);
	pass(1);
	cr_expect_eq(running(), 1);
}

Test(gate, a_drain_that_could_not_be_kept_takes_jobs)
{
	say(FACT_DRAIN, true, 0);
	pause_undo(&core);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_NONE);
}

Test(gate, undone_behind_a_rate_the_next_job_still_has_its_time)
{
	limit_rate(1, 1000, 1);
	asks_for(2);
	enqueue("mail");
	enqueue("mail");
	int64_t next_ms = core_wake_at(&core);
	cr_expect_eq(next_ms, now_ms + 1000);
	pause_for(0);
	pause_undo(&core);
	pass(0);
	cr_expect_eq(running(), 1);
	cr_expect_eq(core_wake_at(&core), next_ms);
	pass(1000);
	cr_expect_eq(running(), 2);
}

/* ---- over a restart ---- */

static void
restore_gate(struct lane_gate gate)
{
	tell((struct fact){ .kind = FACT_RESTORE_GATE,
	    .restore_gate = { .queue = SPAN_LITERAL("mail"), .gate = gate } });
}

Test(gate, a_pause_holds_over_a_restart_until_its_time)
{
	restore_gate((struct lane_gate){
	    .is_paused = true, .resume_at_ms = now_ms + 3000, .uid = 7 });
	cr_expect_eq(core_wake_at(&core), now_ms + 3000);
	asks_for(1);
	enqueue("mail");
	cr_expect_eq(running(), 0);
	pass(3000);
	cr_expect_eq(running(), 1);
}

Test(gate, so_does_one_without_a_time_and_a_drain)
{
	restore_gate((struct lane_gate){ .is_paused = true,
	    .is_draining = true,
	    .resume_at_ms = INT64_MAX });
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	cr_expect_eq(gate(), GATE_PAUSED);
	cr_expect_eq(try_to_enqueue("42"), REFUSAL_DRAINING);
}

Test(gate, a_queue_of_which_something_was_said_is_not_forgotten)
{
	pause_for(0);
	cr_expect_not(lane_named("mail")->idle);
	say(FACT_PAUSE, false, 0);
	pass(0);
	cr_expect(lane_named("mail")->idle);
	say(FACT_DRAIN, true, 0);
	cr_expect_not(lane_named("mail")->idle);
}

/* ---- as many as may run ---- */

Test(gate, no_more_run_than_may_and_the_next_goes_when_one_has_ended)
{
	limit_running(2);
	uint32_t w = asks_for(5);
	for (int i = 0; i < 4; i++)
		enqueue("mail");
	cr_expect_eq(running(), 2);
	cr_expect_eq(gate(), GATE_MAX_RUNNING);
	cr_expect_eq(gate_opens_at(&core, lane_named("mail")), INT64_MAX);
	cr_expect_eq(core_wake_at(&core), INT64_MAX, "no time opens it");
	answer(w, 2, VERDICT_DONE);
	cr_expect_eq(count_wished(WISH_DELIVER), 1);
	cr_expect_eq(wished(WISH_DELIVER, 0)->id, 3);
	cr_expect_eq(running(), 2);
}

Test(gate, the_limit_counts_the_runs_of_all_workers)
{
	limit_running(2);
	asks_for(1);
	uint32_t second = asks_for(1);
	asks_for(1);
	for (int i = 0; i < 3; i++)
		enqueue("mail");
	cr_expect_eq(running(), 2);
	gone(second);
	cr_expect_eq(running(), 2, "what it had goes to the third");
}

Test(gate, the_limit_counts_runs_whose_worker_is_waited_for)
{
	limit_running(1);
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = SPAN_LITERAL("mail");
	fact.restore.job = (struct job){ .id = 9,
		.state = JOB_RUNNING,
		.hints = 1,
		.attempt = 1,
		.delivery = 1 };
	tell(fact);
	tell((struct fact){ .kind = FACT_RESTORED });
	asks_for(1);
	enqueue("mail");
	cr_expect_eq(count_wished(WISH_DELIVER), 0);
	cr_expect_eq(gate(), GATE_MAX_RUNNING);
	pass(RETURN_GRACE_MS);
	cr_expect_eq(wished(WISH_DELIVER, 0)->id, 9, "nobody had it");
	cr_expect_eq(running(), 1);
}

/* ---- the rate ---- */

Test(gate, a_burst_begins_at_once_and_the_others_one_by_one)
{
	limit_rate(10, 1000, 3);
	asks_for(9);
	for (int i = 0; i < 6; i++)
		enqueue("mail");
	cr_expect_eq(running(), 3);
	cr_expect_eq(gate(), GATE_RATE);
	cr_expect_eq(gate_opens_at(&core, lane_named("mail")), now_ms + 100);
	for (uint32_t i = 4; i <= 6; i++) {
		pass(99);
		cr_expect_eq(running(), i - 1);
		pass(1);
		cr_expect_eq(running(), i);
	}
	cr_expect_eq(core_wake_at(&core), INT64_MAX, "nothing waits");
}

Test(gate, a_quiet_time_fills_the_bucket_and_no_further)
{
	limit_rate(10, 1000, 3);
	asks_for(20);
	for (int i = 0; i < 3; i++)
		enqueue("mail");
	pass(200);
	for (int i = 0; i < 3; i++)
		enqueue("mail");
	cr_expect_eq(running(), 5, "two tokens came in 200 ms");
	pass(100);
	pass(60000);
	for (int i = 0; i < 5; i++)
		enqueue("mail");
	cr_expect_eq(running(), 9, "a minute gives a burst, not 600");
}

Test(gate, a_rate_that_is_no_whole_number_of_ms_is_kept_to_the_microsecond)
{
	limit_rate(3, 1000, 1);
	asks_for(100);
	for (int i = 0; i < 31; i++)
		enqueue("mail");
	int64_t began_ms = now_ms;
	while (running() < 31)
		pass(core_wake_at(&core) - now_ms);
	/* 30 intervals of 333.333 ms. */
	cr_expect_eq(now_ms - began_ms, 10000);
}

Test(gate, a_rate_of_more_than_one_in_a_ms_is_kept)
{
	limit_rate(2500, 1000, 1);
	asks_for(100);
	for (int i = 0; i < 51; i++)
		enqueue("mail");
	cr_expect_eq(running(), 1);
	pass(1);
	cr_expect_eq(running(), 3, "after 0.4 and 0.8 ms");
	for (int i = 0; i < 19; i++)
		pass(1);
	cr_expect_eq(running(), 51);
}

Test(gate, what_did_not_go_takes_no_token)
{
	limit_rate(1, 1000, 1);
	enqueue("mail");
	pass(0);
	pass(0);
	cr_expect_eq(gate(), GATE_OPEN);
	asks_for(1);
	cr_expect_eq(running(), 1);
}

Test(gate, whoever_waits_behind_a_rate_and_nobody_asks_wakes_nobody)
{
	limit_rate(1, 1000, 1);
	asks_for(1);
	enqueue("mail");
	enqueue("mail");
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
	asks_for(1);
	cr_expect_eq(core_wake_at(&core), now_ms + 1000);
}

Test(gate, a_pause_goes_before_the_rest)
{
	limit_running(1);
	limit_rate(1, 1000, 1);
	asks_for(3);
	enqueue("mail");
	enqueue("mail");
	cr_expect_eq(gate(), GATE_MAX_RUNNING, "and that before the rate");
	pause_for(400);
	cr_expect_eq(gate(), GATE_PAUSED);
	pass(400);
	cr_expect_eq(gate(), GATE_MAX_RUNNING);
}

Test(gate, behind_a_pause_the_rate_holds)
{
	limit_rate(1, 1000, 2);
	asks_for(9);
	pause_for(60000);
	for (int i = 0; i < 5; i++)
		enqueue("mail");
	pass(60000);
	cr_expect_eq(running(), 2);
	cr_expect_eq(core_wake_at(&core), now_ms + 1000);
}

Test(gate, many_open_in_their_order)
{
	limit_rate(1, 1000, 1);
	static const char *const queues[] = { "a", "b", "c" };
	for (unsigned i = 0; i < 3; i++) {
		uint32_t w = subscribe(queues[i]);
		ask(w, queues[i], 2);
		enqueue(queues[i]);
		enqueue(queues[i]);
		pass(10);
	}
	pass(1000 - 30);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(count_wished(WISH_DELIVER), 1);
		cr_expect_eq(wished(WISH_DELIVER, 0)->id, 2 * i + 2);
		pass(10);
	}
}
