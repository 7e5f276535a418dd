/* SPDX-License-Identifier: MIT */
#include "core/ending.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

static void
release(void)
{
	core_release(&core);
}

TestSuite(ending, .init = begin, .fini = release);

/* A job that runs, as the first delivery of a worker that asks for no more. */
static uint64_t
run_one(uint32_t *ret_worker)
{
	*ret_worker = subscribe("mail");
	ask(*ret_worker, "mail", 1);
	return enqueue("mail");
}

/* Verdict -> state, event, counters, attempts that stay counted. */
static const struct row {
	enum verdict verdict;
	enum job_state state;
	enum core_event event;
	struct counters counters;
	uint16_t attempt;
	uint64_t lane_done;
	uint64_t lane_failed;
} rows[] = {
	{ VERDICT_DONE, JOB_NONE, EVENT_DONE, { .done = 1 }, 0, 1, 0 },
	{ VERDICT_FAIL, JOB_DELAYED, EVENT_FAILED, { .failed = 1 }, 1, 0, 1 },
	{ VERDICT_RETRY, JOB_READY, EVENT_RETRIED, { .retried = 1 }, 0, 0, 0 },
	{ VERDICT_DEAD, JOB_DEAD, EVENT_DEAD, { .failed = 1, .dead = 1 }, 1, 0,
	    1 },
	{ VERDICT_RELEASE, JOB_READY, EVENT_RELEASED, { .released = 1 }, 0, 0,
	    0 },
};

static void
expect_counters(const struct counters *wanted)
{
	const struct counters *is = &core.counters;
	cr_expect_eq(is->done, wanted->done);
	cr_expect_eq(is->failed, wanted->failed);
	cr_expect_eq(is->retried, wanted->retried);
	cr_expect_eq(is->released, wanted->released);
	cr_expect_eq(is->died, wanted->died);
	cr_expect_eq(is->dead, wanted->dead);
	cr_expect_eq(is->stale, wanted->stale);
}

Test(ending, every_verdict_has_its_state_its_event_and_its_counts)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		uint32_t w;
		begin();
		uint64_t id = run_one(&w);
		answer(w, 1, row->verdict);
		uint32_t handle = jobs_find(&core.jobs, id);
		enum job_state state = handle
		    ? (enum job_state)job_at(&core.jobs, handle)->state
		    : JOB_NONE;
		cr_expect_eq(state, row->state, "verdict %zu", i);
		cr_expect_eq(wished(WISH_TELL, 0)->event, row->event);
		expect_counters(&row->counters);
		cr_expect_eq(lane_named("mail")->done, row->lane_done);
		cr_expect_eq(lane_named("mail")->failed, row->lane_failed);
		cr_expect_eq(subscriber_at(&core.demand, w)->done,
		    row->verdict == VERDICT_DONE);
		cr_expect_eq(subscriber_at(&core.demand, w)->running_count, 0);
		if (handle != 0)
			cr_expect_eq(
			    job_at(&core.jobs, handle)->attempt, row->attempt);
		core_release(&core);
	}
	begin();
}

Test(ending, an_uncounted_run_is_told_with_the_number_it_had)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	answer(w, 1, VERDICT_RELEASE);
	cr_expect_eq(wished(WISH_TELL, 0)->attempt, 1);
	cr_expect_eq(wished(WISH_TELL, 0)->subscriber, w);
	cr_expect_eq(job_with(id)->attempt, 0);
	cr_expect_eq(job_with(id)->delivery, 1);
}

Test(ending, a_job_that_is_done_is_told_before_it_is_forgotten)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	core_set_body(&core, jobs_find(&core.jobs, id), 77);
	answer(w, 1, VERDICT_DONE);
	cr_assert_eq(core.wish_count, 2);
	cr_expect_eq(core.wishes[0].kind, WISH_TELL);
	cr_expect_eq(core.wishes[0].job, 0, "it cannot be read any more");
	cr_expect_eq(core.wishes[0].id, id);
	cr_expect_eq(core.wishes[0].lane, lane_named("mail")->handle);
	cr_expect_eq(core.wishes[1].kind, WISH_FORGET);
	cr_expect_eq(core.wishes[1].id, id);
	cr_expect_eq(core.wishes[1].body, 77);
	cr_expect_eq(core.wishes[1].body_bytes, 1);
}

Test(ending, a_job_that_stays_is_saved_without_its_body)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	answer(w, 1, VERDICT_FAIL);
	const struct wish *save = wished(WISH_SAVE, 0);
	cr_assert_not_null(save);
	cr_expect_eq(save->id, id);
	cr_expect_not(save->with_body);
	cr_expect_null(wished(WISH_FORGET, 0));
}

Test(ending, a_dead_job_says_when_and_why_and_the_last_one_is_last)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 2);
	enqueue("mail");
	enqueue("mail");
	answer(w, 2, VERDICT_DEAD);
	now_ms += 10;
	answer(w, 1, VERDICT_DEAD);
	const struct job *job = job_with(1);
	cr_expect_eq(job->cause, CAUSE_REJECTED);
	cr_expect_eq(job->at_ms, now_ms);
	cr_expect_eq(lane_named("mail")->dead.head, jobs_find(&core.jobs, 2));
	cr_expect_eq(lane_named("mail")->dead.tail, jobs_find(&core.jobs, 1));
}

Test(ending, a_reason_replaces_the_one_before_and_none_leaves_it)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	struct fact fact = { .kind = FACT_ANSWER,
		.subscriber = w,
		.answer = { .msgid = 1,
		    .outcome = { .verdict = VERDICT_RELEASE,
			.reason = SPAN_LITERAL("not me") } } };
	tell(fact);
	cr_expect_str_eq(job_reason(&core.jobs, job_with(id)), "not me");
	ask(w, "mail", 1);
	answer(w, 2, VERDICT_RELEASE);
	cr_expect_str_eq(job_reason(&core.jobs, job_with(id)), "not me");
}

Test(ending, of_a_subscriber_gives_back_in_the_order_of_delivery)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 4);
	for (int i = 0; i < 6; i++)
		enqueue("mail");
	answer(w, 2, VERDICT_DONE);
	gone(w);
	static const uint64_t ids[] = { 1, 3, 4, 5, 6 };
	uint32_t handle = lane_first(lane_named("mail"));
	for (size_t i = 0; i < 5; i++) {
		cr_assert_neq(handle, 0);
		cr_expect_eq(job_at(&core.jobs, handle)->id, ids[i]);
		handle = lane_after(&core.jobs, lane_named("mail"), handle);
	}
	cr_expect_eq(core.counters.died, 3);
	cr_expect_eq(lane_named("mail")->failed, 0);
}

Test(ending, of_a_subscriber_meets_whoever_asks_in_every_lane)
{
	uint32_t a = subscribe("mail"), b = subscribe("mail");
	subscribe_too(a, "sync");
	subscribe_too(b, "sync");
	ask(a, "mail", 2);
	ask(a, "sync", 2);
	enqueue("mail");
	enqueue("sync");
	enqueue("mail");
	enqueue("sync");
	ask(b, "mail", 2);
	ask(b, "sync", 2);
	gone(a);
	cr_expect_eq(count_wished(WISH_DELIVER), 4);
	cr_expect_eq(subscriber_at(&core.demand, b)->running_count, 4);
	cr_expect_eq(job_with(1)->attempt, 2);
}

Test(ending, of_a_subscriber_without_jobs_wishes_nothing_but_its_going)
{
	uint32_t w = subscribe("mail");
	gone(w);
	cr_assert_eq(core.wish_count, 1);
	cr_expect_eq(core.wishes[0].event, EVENT_GONE);
	cr_expect_eq(core.demand.subscribers.used, 0);
}

Test(ending, with_a_verdict_that_is_none_ends_the_process, .signal = SIGABRT)
{
	uint32_t w;
	uint64_t id = run_one(&w);
	struct outcome outcome = { .verdict = VERDICT_COUNT };
	ending_of_run(&core, jobs_find(&core.jobs, id), &outcome);
}

/* A run of 14 ms that ends so: how many were counted. */
static uint32_t
count_runs(enum verdict verdict)
{
	uint32_t w;
	begin();
	run_one(&w);
	pass(14);
	answer(w, 1, verdict);
	const struct histogram *run_ms = &lane_named("mail")->run_ms;
	uint32_t count = run_ms->total;
	cr_expect(count == 0 || histogram_quantile(run_ms, 1000) == 14);
	core_release(&core);
	return count;
}

Test(ending, how_long_a_job_ran_is_counted_unless_it_was_given_back)
{
	core_release(&core);
	cr_expect_eq(count_runs(VERDICT_DONE), 1);
	cr_expect_eq(count_runs(VERDICT_FAIL), 1);
	cr_expect_eq(count_runs(VERDICT_RETRY), 1);
	cr_expect_eq(count_runs(VERDICT_DEAD), 1);
	cr_expect_eq(count_runs(VERDICT_RELEASE), 0);
	begin();
}

Test(ending, a_run_that_ended_with_its_worker_is_counted)
{
	uint32_t w;
	run_one(&w);
	pass(15);
	gone(w);
	cr_expect_eq(histogram_quantile(&lane_named("mail")->run_ms, 1000), 15);
}
