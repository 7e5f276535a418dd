/* SPDX-License-Identifier: MIT */
#include "core/match.h"

#include "support.h"

#include <criterion/criterion.h>

static void
release(void)
{
	core_release(&core);
}

TestSuite(match, .init = begin, .fini = release);

Test(match, demand_that_waits_is_met_the_moment_a_job_arrives)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 2);
	cr_expect_eq(core.wish_count, 0);
	uint64_t id = enqueue("mail");
	const struct wish *deliver = wished(WISH_DELIVER, 0);
	cr_assert_not_null(deliver);
	cr_expect_eq(deliver->id, id);
	cr_expect_eq(deliver->subscriber, w);
	cr_expect_eq(demand_pending(lane_named("mail")), 1);
}

Test(match, jobs_that_wait_meet_the_demand_in_their_order_never_more_than_asked)
{
	for (int i = 0; i < 5; i++)
		enqueue("mail");
	ask(subscribe("mail"), "mail", 3);
	cr_assert_eq(count_wished(WISH_DELIVER), 3);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(wished(WISH_DELIVER, i)->id, i + 1);
	cr_expect_eq(lane_named("mail")->counts[JOB_READY], 2);
	cr_expect_eq(demand_pending(lane_named("mail")), 0);
}

Test(match, eight_jobs_are_split_four_and_four)
{
	uint32_t a = subscribe("mail"), b = subscribe("mail");
	ask(a, "mail", 8);
	ask(b, "mail", 8);
	for (int i = 0; i < 8; i++)
		enqueue("mail");
	cr_expect_eq(subscriber_at(&core.demand, a)->running_count, 4);
	cr_expect_eq(subscriber_at(&core.demand, b)->running_count, 4);
}

Test(match, the_attempt_is_counted_when_the_job_leaves)
{
	uint64_t id = enqueue("mail");
	cr_expect_eq(job_with(id)->attempt, 0);
	uint32_t w = subscribe("mail");
	ask(w, "mail", 1);
	const struct job *job = job_with(id);
	cr_expect_eq(job->attempt, 1);
	cr_expect_eq(job->delivery, 1);
	cr_expect_eq(job->state, JOB_RUNNING);
	cr_expect_eq(job->at_ms, now_ms);
	cr_expect_eq(job->place, w);
	cr_expect_eq(core.counters.delivered, 1);
}

Test(match, a_delivery_is_saved_before_it_is_sent_and_told_after)
{
	enqueue("mail");
	ask(subscribe("mail"), "mail", 1);
	cr_assert_eq(core.wish_count, 3);
	cr_expect_eq(core.wishes[0].kind, WISH_SAVE);
	cr_expect_not(core.wishes[0].with_body);
	cr_expect_eq(core.wishes[1].kind, WISH_DELIVER);
	cr_expect_eq(core.wishes[2].kind, WISH_TELL);
	cr_expect_eq(core.wishes[2].event, EVENT_DELIVERED);
	cr_expect_eq(core.wishes[2].attempt, 1);
	cr_expect_eq(core.wishes[2].delivery, 1);
}

Test(match, every_delivery_of_a_connection_has_its_own_msgid)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 3);
	uint64_t a = enqueue("mail"), b = enqueue("mail");
	cr_expect_eq(lease_of(a)->msgid, 1);
	cr_expect_eq(lease_of(b)->msgid, 2);
	answer(w, 1, VERDICT_RELEASE);
	cr_expect_eq(lease_of(a)->msgid, 3);
}

Test(match, a_msgid_that_comes_round_skips_zero_and_those_in_use)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 4);
	uint64_t first = enqueue("mail");
	subscriber_at(&core.demand, w)->last_msgid = UINT32_MAX - 1;
	uint64_t last = enqueue("mail"), around = enqueue("mail");
	cr_expect_eq(lease_of(first)->msgid, 1);
	cr_expect_eq(lease_of(last)->msgid, UINT32_MAX);
	cr_expect_eq(lease_of(around)->msgid, 2);
	answer(w, 2, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	cr_expect_eq(jobs_find(&core.jobs, around), 0);
}

Test(match, of_a_lane_with_nothing_to_give_or_nobody_to_take_wishes_nothing)
{
	enqueue("mail");
	core.wish_count = 0;
	match_lane(&core, lane_named("mail"));
	cr_expect_eq(core.wish_count, 0);
	ask(subscribe("other"), "other", 1);
	core.wish_count = 0;
	match_lane(&core, lane_named("other"));
	cr_expect_eq(core.wish_count, 0);
}

static void
expect_waited(uint32_t count, int64_t longest_ms)
{
	const struct histogram *wait_ms = &lane_named("mail")->wait_ms;
	cr_expect_eq(wait_ms->total, count);
	cr_expect_eq(histogram_quantile(wait_ms, 1000), longest_ms);
}

Test(match, a_wait_lasts_from_ready_to_its_delivery)
{
	uint32_t w = subscribe("mail");
	enqueue("mail");
	pass(12);
	ask(w, "mail", 1);
	expect_waited(1, 12);
	/* One that is met at once has not waited. */
	answer(w, 1, VERDICT_DONE);
	ask(w, "mail", 1);
	enqueue("mail");
	expect_waited(2, 12);
	cr_expect_eq(histogram_quantile(&lane_named("mail")->wait_ms, 500), 0);
}

Test(match, a_job_that_came_back_waits_anew)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 1);
	enqueue("mail");
	pass(1000);
	answer(w, 1, VERDICT_RELEASE);
	pass(9);
	ask(w, "mail", 1);
	expect_waited(2, 9);
}

Test(match, the_time_of_a_delay_is_no_wait)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"), .delay_ms = 5000 } });
	uint32_t w = subscribe("mail");
	pass(5000);
	pass(3);
	ask(w, "mail", 1);
	expect_waited(1, 3);
}
