/* SPDX-License-Identifier: MIT */
#include "core/retry.h"

#include <criterion/criterion.h>
#include <signal.h>

/* No jitter up to 9 ms, so that delays are exact. */
static const struct lane_policy policy = { .max_attempts = 3,
	.max_crashes = 2,
	.retry = { .base_ms = 2, .cap_ms = 8 } };

/* Job's attempt, verdict, the delay asked for -> what becomes of it. */
static const struct row {
	uint16_t attempt;
	enum verdict verdict;
	int64_t delay_ms;
	struct retry retry;
	bool crashed;
	uint8_t crashes; /* this one included */
} rows[] = {
	{ 1, VERDICT_DONE, 0, { .state = JOB_NONE, .counted = true }, false,
	    0 },
	{ 3, VERDICT_DONE, 0, { .state = JOB_NONE, .counted = true }, false,
	    0 },
	{ 1, VERDICT_FAIL, 0,
	    { .state = JOB_DELAYED, .delay_ms = 2, .counted = true }, false,
	    0 },
	{ 2, VERDICT_FAIL, 99,
	    { .state = JOB_DELAYED, .delay_ms = 4, .counted = true }, false,
	    0 },
	{ 3, VERDICT_FAIL, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true },
	    false, 0 },
	{ 4, VERDICT_FAIL, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true },
	    false, 0 },
	{ 1, VERDICT_RETRY, 50, { .state = JOB_DELAYED, .delay_ms = 50 }, false,
	    0 },
	{ 3, VERDICT_RETRY, 50, { .state = JOB_DELAYED, .delay_ms = 50 }, false,
	    0 },
	{ 1, VERDICT_RETRY, 0, { .state = JOB_READY }, false, 0 },
	{ 1, VERDICT_DEAD, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_REJECTED, .counted = true },
	    false, 0 },
	{ 3, VERDICT_DEAD, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_REJECTED, .counted = true },
	    false, 0 },
	{ 1, VERDICT_RELEASE, 0, { .state = JOB_READY, .in_front = true },
	    false, 0 },
	{ 3, VERDICT_RELEASE, 9, { .state = JOB_READY, .in_front = true },
	    false, 0 },
	{ 1, VERDICT_DIED, 0,
	    { .state = JOB_READY, .counted = true, .in_front = true }, false,
	    0 },
	{ 2, VERDICT_DIED, 0,
	    { .state = JOB_READY, .counted = true, .in_front = true }, false,
	    0 },
	{ 3, VERDICT_DIED, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true },
	    false, 0 },
	{ 2, VERDICT_LOST, 0,
	    { .state = JOB_READY, .counted = true, .in_front = true }, false,
	    0 },
	{ 3, VERDICT_LOST, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true },
	    false, 0 },
	{ 1, VERDICT_TIMEOUT, 0,
	    { .state = JOB_DELAYED, .delay_ms = 2, .counted = true }, false,
	    0 },
	{ 3, VERDICT_TIMEOUT, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true },
	    false, 0 },
	{ 1, VERDICT_CANCELLED, 0, { .state = JOB_NONE, .counted = true },
	    false, 0 },
	/* Two crashes are one too many. */
	{ 1, VERDICT_DIED, 0,
	    { .state = JOB_READY, .counted = true, .in_front = true }, true,
	    1 },
	{ 2, VERDICT_DIED, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_POISON, .counted = true }, true,
	    2 },
	{ 2, VERDICT_FAIL, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_POISON, .counted = true }, true,
	    2 },
	{ 3, VERDICT_DIED, 0,
	    { .state = JOB_DEAD, .cause = CAUSE_POISON, .counted = true }, true,
	    2 },
	{ 2, VERDICT_FAIL, 0,
	    { .state = JOB_DELAYED, .delay_ms = 4, .counted = true }, false,
	    2 },
};

Test(retry, decides_as_the_table_says)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		struct job job = { .state = JOB_RUNNING,
			.attempt = row->attempt,
			.crashes = row->crashes };
		struct retry is =
		    retry_decide(&policy, &job, policy.max_attempts,
			row->verdict, row->crashed, row->delay_ms, 0);
		cr_expect_eq(is.state, row->retry.state, "row %zu", i);
		cr_expect_eq(is.cause, row->retry.cause, "row %zu", i);
		cr_expect_eq(is.delay_ms, row->retry.delay_ms, "row %zu", i);
		cr_expect_eq(is.counted, row->retry.counted, "row %zu", i);
		cr_expect_eq(is.in_front, row->retry.in_front, "row %zu", i);
	}
}

static struct retry
fail_at_attempt(
    const struct lane_policy *rules, uint16_t attempt, uint64_t random)
{
	struct job job = { .state = JOB_RUNNING, .attempt = attempt };
	return retry_decide(
	    rules, &job, rules->max_attempts, VERDICT_FAIL, false, 0, random);
}

Test(retry, the_delay_doubles_up_to_its_cap_and_spreads_by_a_tenth)
{
	const struct lane_policy rules = { .max_attempts = 100,
		.retry = { .base_ms = 1000, .cap_ms = 5000 } };
	static const int64_t middle_ms[] = { 1000, 2000, 4000, 5000, 5000 };
	for (uint16_t attempt = 1; attempt <= 5; attempt++) {
		int64_t low_ms = INT64_MAX, high_ms = 0;
		for (uint64_t random = 0; random < 2000; random++) {
			int64_t ms =
			    fail_at_attempt(&rules, attempt, random).delay_ms;
			low_ms = ms < low_ms ? ms : low_ms;
			high_ms = ms > high_ms ? ms : high_ms;
		}
		int64_t wanted_ms = middle_ms[attempt - 1];
		cr_expect_eq(low_ms, wanted_ms - wanted_ms / 10);
		int64_t top_ms = wanted_ms + wanted_ms / 10;
		cr_expect_eq(high_ms, top_ms < 5000 ? top_ms : 5000);
	}
}

Test(retry, where_crashes_are_not_counted_no_job_is_poison)
{
	const struct lane_policy rules = { .max_attempts = 9 };
	struct job job = { .attempt = 8, .crashes = 8 };
	struct retry is =
	    retry_decide(&rules, &job, 9, VERDICT_DIED, true, 0, 0);
	cr_expect_eq(is.state, JOB_READY);
}

Test(retry, without_a_delay_a_failed_job_is_ready_behind_the_others)
{
	const struct lane_policy rules = { .max_attempts = 2 };
	struct retry is = fail_at_attempt(&rules, 1, 7);
	cr_expect_eq(is.state, JOB_READY);
	cr_expect(is.counted);
	cr_expect_not(is.in_front);
}

Test(retry, one_attempt_is_no_retry)
{
	const struct lane_policy rules = { .max_attempts = 1 };
	cr_expect_eq(fail_at_attempt(&rules, 1, 0).state, JOB_DEAD);
}

Test(retry, a_verdict_that_is_none_ends_the_process, .signal = SIGABRT)
{
	struct job job = { .attempt = 1 };
	retry_decide(&policy, &job, 3, VERDICT_COUNT, false, 0, 0);
}

Test(retry, a_worker_may_say_five_verdicts_and_not_that_it_died)
{
	for (int i = 0; i < VERDICT_DIED; i++)
		cr_expect_eq((int)verdict_of_name(
				 span_of(verdict_name((enum verdict)i))),
		    i);
	cr_expect_str_eq(verdict_name(VERDICT_DIED), "died");
	cr_expect_eq(verdict_of_name(SPAN_LITERAL("died")), VERDICT_COUNT);
	cr_expect_eq(verdict_of_name(SPAN_LITERAL("Done")), VERDICT_COUNT);
	cr_expect_eq(verdict_of_name(SPAN_LITERAL("")), VERDICT_COUNT);
}

Test(retry, a_verdict_that_is_none_has_no_name, .signal = SIGABRT)
{
	verdict_name(VERDICT_COUNT);
}

Test(retry, listed_delays_are_exact_and_the_last_one_counts_for_all)
{
	static const struct lane_policy listed = { .max_attempts = 10,
		.retry = { .base_ms = 7, .cap_ms = 7 },
		.retry_schedule = { 3, { 1000, 0, 5000 } } };
	static const int64_t wanted_ms[] = { 1000, 0, 5000, 5000, 5000 };
	for (uint16_t n = 1; n <= 5; n++) {
		struct job job = { .attempt = n };
		for (uint64_t random = 0; random < 3; random++) {
			struct retry retry = retry_decide(&listed, &job, 10,
			    VERDICT_FAIL, false, 0, random << 62);
			cr_expect_eq(retry.delay_ms, wanted_ms[n - 1]);
			cr_expect_eq(retry.state,
			    wanted_ms[n - 1] > 0 ? JOB_DELAYED : JOB_READY);
		}
	}
}
