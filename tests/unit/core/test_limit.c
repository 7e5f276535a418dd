/* SPDX-License-Identifier: MIT */
#include "core/limit.h"

#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static struct lane_policy *policy;
static struct arrival arrivals[64];
static uint32_t count;

static void
begin_limited(void)
{
	begin();
	/* So that there is a queue whose rules can be set. */
	gone(subscribe("q"));
	policy = &lane_named("q")->policy;
	policy->merge = MERGE_LAST;
}

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(limit, .init = begin_limited, .fini = end_core);

static enum refusal
add(const char *key, uint32_t body_bytes, enum key_mode mode)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("q"),
		.body_bytes = body_bytes,
		.priority = 128,
		.key = key != NULL ? span_of(key) : (struct span){ 0 },
		.mode = mode } });
	return core.refusal;
}

static void
gather(const char *key, uint32_t body_bytes)
{
	arrivals[count++] =
	    (struct arrival){ .key = key != NULL ? span_of(key)
						 : (struct span){ 0 },
		    .body_bytes = body_bytes };
}

/* All that was gathered, if it is admitted. */
static enum refusal
add_gathered(enum key_mode mode)
{
	uint32_t gathered = count;
	count = 0;
	tell((struct fact){ .kind = FACT_ADMIT,
	    .admit = { .queue = SPAN_LITERAL("q"),
		.arrivals = arrivals,
		.count = gathered,
		.mode = mode } });
	if (core.refusal != REFUSAL_NONE)
		return core.refusal;
	for (uint32_t i = 0; i < gathered; i++) {
		tell((struct fact){ .kind = FACT_ENQUEUE,
		    .enqueue = { .queue = SPAN_LITERAL("q"),
			.body_bytes = arrivals[i].body_bytes,
			.priority = 128,
			.key = arrivals[i].key,
			.mode = mode } });
		cr_assert_eq(core.refusal, REFUSAL_NONE, "%s", core.words);
	}
	return REFUSAL_NONE;
}

static void
expect_words(const char *words)
{
	cr_expect_str_eq(core.words, words);
}

Test(limit, without_any_there_is_room_for_all)
{
	cr_expect_not(limit_is_set(lane_named("q")));
	for (int i = 0; i < 100; i++)
		cr_assert_eq(add(NULL, 1000, KEY_SERIAL), REFUSAL_NONE);
	cr_expect_eq(lane_named("q")->body_bytes, 100000);
}

Test(limit, a_full_queue_says_how_full_and_when_to_come_again)
{
	policy->max_jobs = 2;
	cr_expect(limit_is_set(lane_named("q")));
	add(NULL, 1, KEY_SERIAL);
	cr_assert_eq(add(NULL, 1, KEY_SERIAL), REFUSAL_NONE);
	cr_expect_eq(core.retry_after_ms, 0);
	cr_assert_eq(add(NULL, 1, KEY_SERIAL), REFUSAL_FULL);
	expect_words("that queue has 2 jobs and takes at most 2 (max_jobs)");
	cr_expect_eq(core.retry_after_ms, 1000, "no job has ended yet");
	cr_expect_eq(core.next_id, 3);
}

Test(limit, a_batch_is_measured_as_a_whole)
{
	policy->max_jobs = 4;
	add(NULL, 1, KEY_SERIAL);
	add(NULL, 1, KEY_SERIAL);
	for (int i = 0; i < 3; i++)
		gather(NULL, 1);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_FULL);
	for (int i = 0; i < 5; i++)
		gather(NULL, 1);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_TOO_BIG);
	expect_words("5 jobs in one request; that queue takes at most 4 in all "
		     "(max_jobs)");
	gather(NULL, 1);
	gather(NULL, 1);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_NONE);
}

Test(limit, events_that_become_one_job_count_as_one)
{
	policy->max_jobs = 2;
	policy->max_keys = 2;
	policy->max_bytes = 20;
	add("a", 10, KEY_COALESCE);
	gather("b", 100);
	gather("a", 15);
	gather("b", 5);
	gather("a", 15);
	cr_assert_eq(add_gathered(KEY_COALESCE), REFUSAL_NONE);
	cr_expect_eq(core.jobs.slab.used, 2);
	cr_expect_eq(lane_named("q")->body_bytes, 20);
	cr_assert_eq(add("b", 6, KEY_COALESCE), REFUSAL_FULL);
	cr_assert_eq(add("b", 4, KEY_COALESCE), REFUSAL_NONE);
	cr_assert_eq(add("a", 16, KEY_COALESCE), REFUSAL_NONE);
	cr_assert_eq(add("c", 0, KEY_COALESCE), REFUSAL_FULL);
}

Test(limit, the_bytes_are_those_of_the_body_that_is_kept)
{
	policy->max_bytes = 20;
	policy->merge = MERGE_FIRST;
	gather("a", 20);
	gather("a", 500);
	cr_assert_eq(add_gathered(KEY_COALESCE), REFUSAL_NONE);
	cr_assert_eq(add("a", 500, KEY_COALESCE), REFUSAL_NONE);
	cr_assert_eq(add("b", 1, KEY_COALESCE), REFUSAL_FULL);
	expect_words("that queue has 20 bytes of bodies and takes at most 20 "
		     "(max_bytes)");
	policy->merge = MERGE_APPEND;
	policy->max_bytes = 26;
	gather("a", 3);
	gather("a", 2);
	cr_assert_eq(add_gathered(KEY_COALESCE), REFUSAL_FULL, "two breaks");
	gather("a", 3);
	gather("a", 1);
	cr_assert_eq(add_gathered(KEY_COALESCE), REFUSAL_NONE);
	cr_expect_eq(lane_named("q")->body_bytes, 26);
	gather("c", 13);
	gather("c", 13);
	cr_assert_eq(add_gathered(KEY_COALESCE), REFUSAL_TOO_BIG);
}

Test(limit, a_body_may_be_so_long_alone_and_in_a_batch)
{
	policy->max_body_bytes = 5;
	cr_assert_eq(add(NULL, 5, KEY_SERIAL), REFUSAL_NONE);
	cr_assert_eq(add(NULL, 6, KEY_SERIAL), REFUSAL_TOO_BIG);
	expect_words("a body of 6 bytes; that queue takes at most 5 "
		     "(max_body_bytes)");
	gather(NULL, 1);
	gather("a", 6);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_TOO_BIG);
	cr_expect_eq(core.jobs.slab.used, 1);
}

Test(limit, keys_count_while_a_job_with_them_waits_or_runs)
{
	policy->max_keys = 2;
	policy->max_attempts = 1;
	uint32_t worker = subscribe("q");
	add("a", 1, KEY_SERIAL);
	add("b", 1, KEY_PARALLEL);
	cr_assert_eq(add("c", 1, KEY_SERIAL), REFUSAL_FULL);
	expect_words("that queue has 2 keys and takes at most 2 (max_keys)");
	cr_assert_eq(add("a", 1, KEY_SERIAL), REFUSAL_NONE, "no key more");
	ask(worker, "q", 3);
	answer(worker, 1, VERDICT_DEAD);
	cr_assert_eq(add("c", 1, KEY_SERIAL), REFUSAL_FULL, "a has another");
	answer(worker, 3, VERDICT_DEAD);
	cr_assert_eq(lane_named("q")->keys, 1);
	cr_assert_eq(add("c", 1, KEY_SERIAL), REFUSAL_NONE);
	gather("d", 1);
	gather("e", 1);
	gather("f", 1);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_TOO_BIG);
}

Test(limit, that_a_repetition_cannot_help_is_said_whichever_limit_is_met_first)
{
	policy->max_jobs = 2;
	policy->max_bytes = 10;
	add(NULL, 1, KEY_SERIAL);
	add(NULL, 1, KEY_SERIAL);
	gather(NULL, 6);
	gather(NULL, 6);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_TOO_BIG);
}

Test(limit, a_restart_counts_again_what_waits)
{
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = SPAN_LITERAL("q");
	fact.restore.key = SPAN_LITERAL("a");
	for (uint64_t id = 1; id <= 3; id++) {
		fact.restore.job = (struct job){ .id = id,
			.state = id < 3 ? JOB_READY : JOB_DEAD,
			.cause = id < 3 ? CAUSE_NONE : CAUSE_REJECTED,
			.mode = KEY_SERIAL,
			.hints = 1,
			.body_bytes = 7 };
		tell(fact);
	}
	cr_expect_eq(lane_named("q")->body_bytes, 14);
	cr_expect_eq(lane_named("q")->keys, 1);
}

/* ---- when to come again ---- */

/* So many jobs end, one after the other. */
static void
end_jobs(unsigned ends, int64_t each_ms)
{
	uint32_t worker = subscribe("q");
	ask(worker, "q", ends);
	for (unsigned i = 0; i < ends; i++) {
		add(NULL, 100, KEY_SERIAL);
		pass(each_ms);
		answer(worker, i + 1, VERDICT_DONE);
	}
	gone(worker);
}

Test(limit, the_hint_is_how_long_jobs_take_to_end)
{
	end_jobs(10, 500);
	policy->max_jobs = 5;
	for (int i = 0; i < 5; i++)
		add(NULL, 100, KEY_SERIAL);
	cr_assert_eq(add(NULL, 1, KEY_SERIAL), REFUSAL_FULL);
	cr_expect_eq(core.retry_after_ms, 500);
	for (int i = 0; i < 4; i++)
		gather(NULL, 1);
	cr_assert_eq(add_gathered(KEY_SERIAL), REFUSAL_FULL);
	cr_expect_eq(core.retry_after_ms, 2000, "of four");
	policy->max_jobs = 0;
	policy->max_bytes = 500;
	cr_assert_eq(add(NULL, 150, KEY_SERIAL), REFUSAL_FULL);
	cr_expect_eq(core.retry_after_ms, 1000, "two make room for it");
}

Test(limit, the_hint_is_never_so_short_that_somebody_spins)
{
	end_jobs(50, 1);
	cr_expect_eq(limit_retry_after_ms(lane_named("q"), 1), 100);
	cr_expect_eq(limit_retry_after_ms(lane_named("q"), 1000), 1000);
}

Test(limit, nor_so_long_that_nobody_comes)
{
	end_jobs(3, 1000000);
	cr_expect_eq(limit_retry_after_ms(lane_named("q"), 1), 10000);
	cr_expect_eq(limit_retry_after_ms(lane_named("q"), UINT64_MAX), 30000);
}
