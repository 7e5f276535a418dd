/* SPDX-License-Identifier: MIT */
#include "core/line.h"

#include "base/limits.h"
#include "core/merge.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(line, .init = begin, .fini = end_core);

static uint64_t
enqueue_key(const char *key, enum key_mode mode)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("sync"),
		.priority = 128,
		.key = span_of(key),
		.mode = mode } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return core.answer;
}

static void
restore(uint64_t id, enum job_state state, enum key_mode mode, uint32_t runs)
{
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = SPAN_LITERAL("sync");
	fact.restore.key = SPAN_LITERAL("42");
	fact.restore.job = (struct job){ .id = id,
		.state = (uint8_t)state,
		.mode = (uint8_t)mode,
		.hints = 1,
		.priority = 128,
		.at_ms = now_ms + 1000,
		.cause = state == JOB_DEAD ? CAUSE_REJECTED : CAUSE_NONE,
		.delivery = runs,
		.attempt = (uint16_t)runs };
	tell(fact);
}

static enum job_state
state_of(uint64_t id)
{
	return (enum job_state)job_with(id)->state;
}

Test(line, results_have_the_names_of_the_wire)
{
	cr_expect_str_eq(enqueue_result_name(ENQUEUE_NEW), "new");
	cr_expect_str_eq(enqueue_result_name(ENQUEUE_MERGED), "merged");
	cr_expect_str_eq(enqueue_result_name(ENQUEUE_BEHIND), "behind");
}

Test(line, says_what_became_of_an_enqueue)
{
	enqueue("sync");
	cr_expect_eq(core.result, ENQUEUE_NEW, "without a key");
	uint64_t first = enqueue_key("42", KEY_COALESCE);
	cr_expect_eq(core.result, ENQUEUE_NEW);
	cr_expect_eq(enqueue_key("42", KEY_COALESCE), first);
	cr_expect_eq(core.result, ENQUEUE_MERGED);
	cr_expect_neq(enqueue_key("42", KEY_SERIAL), first);
	cr_expect_eq(core.result, ENQUEUE_BEHIND);
	enqueue_key("42", KEY_PARALLEL);
	cr_expect_eq(core.result, ENQUEUE_NEW);
	enqueue_key("43", KEY_MODE_COUNT);
	cr_expect_eq(core.result, ENQUEUE_NEW, "of the queue's own mode");
}

/* A new job that is not due yet: behind, if its key is busy now. */
Test(line, says_so_of_a_delayed_one_too)
{
	struct fact fact = { .kind = FACT_ENQUEUE,
		.enqueue = { .queue = SPAN_LITERAL("sync"),
		    .delay_ms = 1000,
		    .key = SPAN_LITERAL("42"),
		    .mode = KEY_SERIAL } };
	tell(fact);
	cr_expect_eq(core.result, ENQUEUE_NEW);
	cr_expect_eq(state_of(core.answer), JOB_DELAYED);
	enqueue_key("42", KEY_SERIAL);
	cr_expect_eq(core.result, ENQUEUE_NEW, "the other is not in line");
	tell(fact);
	cr_expect_eq(core.result, ENQUEUE_BEHIND);
	fact.enqueue.key = (struct span){ 0 };
	tell(fact);
	cr_expect_eq(core.result, ENQUEUE_NEW);
}

/* What one delivery costs does not depend on who is blocked. */
Test(line, many_that_are_blocked_are_never_looked_at)
{
	uint64_t first = enqueue_key("42", KEY_SERIAL);
	for (int i = 0; i < 1000; i++)
		enqueue_key("42", KEY_SERIAL);
	uint64_t other = enqueue_key("7", KEY_SERIAL);
	const struct lane *lane = lane_named("sync");
	uint32_t head = lane_first(lane);
	cr_expect_eq(job_at(&core.jobs, head)->id, first);
	cr_expect_eq(
	    job_at(&core.jobs, lane_after(&core.jobs, lane, head))->id, other);
	cr_expect_eq(lane->counts[JOB_BLOCKED], 1000);
	cr_expect_eq(lane->counts[JOB_READY], 2);
	cr_expect_eq(lane_unfinished(lane), 1002);
}

/* ---- restored ---- */

Test(line, the_restored_one_that_runs_has_the_turn)
{
	restore(1, JOB_READY, KEY_SERIAL, 0);
	restore(2, JOB_RUNNING, KEY_SERIAL, 1);
	restore(3, JOB_READY, KEY_SERIAL, 0);
	cr_expect_eq(state_of(1), JOB_BLOCKED);
	cr_expect_eq(state_of(2), JOB_RUNNING);
	cr_expect_eq(state_of(3), JOB_BLOCKED);
	/* In the order of the ids. */
	const struct key *key = key_at(&core.keys, job_with(2)->key);
	cr_expect_eq(job_at(&core.jobs, key->line.head)->id, 1);
}

Test(line, the_restored_one_that_is_tried_again_has_the_turn)
{
	restore(1, JOB_DELAYED, KEY_SERIAL, 1);
	restore(2, JOB_READY, KEY_SERIAL, 0);
	cr_expect_eq(state_of(2), JOB_BLOCKED);
	pass(1000);
	cr_expect_eq(state_of(1), JOB_READY);
	cr_expect_eq(state_of(2), JOB_BLOCKED);
}

Test(line, a_restored_one_that_is_not_due_is_not_in_line)
{
	restore(1, JOB_DELAYED, KEY_SERIAL, 0);
	restore(2, JOB_READY, KEY_SERIAL, 0);
	restore(3, JOB_DEAD, KEY_SERIAL, 1);
	cr_expect_eq(state_of(2), JOB_READY);
	pass(1000);
	cr_expect_eq(state_of(1), JOB_BLOCKED);
}

/* One that was dead and is to run again has run before, too, and its id may be
 * the lower one: it stood behind. */
Test(line, the_restored_one_that_is_tried_again_stands_before_a_revived_one)
{
	restore(1, JOB_READY, KEY_SERIAL, 1);
	restore(2, JOB_DELAYED, KEY_SERIAL, 1);
	restore(3, JOB_READY, KEY_SERIAL, 0);
	cr_expect_eq(state_of(1), JOB_BLOCKED);
	cr_expect_eq(state_of(3), JOB_BLOCKED);
	pass(1000);
	cr_expect_eq(state_of(2), JOB_READY);
	cr_expect_eq(state_of(1), JOB_BLOCKED);
}

Test(line, a_run_takes_the_turn_from_one_that_was_to_be_tried_again)
{
	restore(1, JOB_DELAYED, KEY_SERIAL, 1);
	restore(2, JOB_RUNNING, KEY_SERIAL, 1);
	pass(1000);
	cr_expect_eq(state_of(1), JOB_BLOCKED);
}

/* A log with a good checksum may say so. */
Test(line, two_that_run_are_both_kept)
{
	restore(1, JOB_RUNNING, KEY_COALESCE, 1);
	restore(2, JOB_RUNNING, KEY_COALESCE, 1);
	restore(3, JOB_READY, KEY_COALESCE, 0);
	restore(4, JOB_READY, KEY_COALESCE, 0);
	cr_expect_eq(state_of(2), JOB_RUNNING);
	cr_expect_eq(job_with(2)->mode, KEY_PARALLEL);
	cr_expect_eq(state_of(3), JOB_BLOCKED);
	cr_expect_eq(state_of(4), JOB_BLOCKED);
	cr_expect_eq(enqueue_key("42", KEY_COALESCE), 4);
}

/* ---- merged ---- */

static void
enqueue_append(uint32_t bytes)
{
	struct lane *lane = lane_named("sync");
	lane->policy.merge = MERGE_APPEND;
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("sync"),
		.body_bytes = bytes,
		.key = SPAN_LITERAL("42"),
		.mode = KEY_COALESCE } });
}

Test(line, no_more_is_appended_than_a_handler_can_be_given)
{
	uint64_t id = enqueue_key("42", KEY_COALESCE);
	for (int i = 1; i < MERGED_HINTS_MAX; i++) {
		enqueue_append(1);
		cr_assert_eq(core.refusal, REFUSAL_NONE);
	}
	cr_expect_eq(job_with(id)->hints, MERGED_HINTS_MAX);
	cr_expect_eq(job_with(id)->body_bytes, 2 * (MERGED_HINTS_MAX - 1));
	enqueue_append(1);
	cr_expect_eq(core.refusal, REFUSAL_FULL);
	cr_expect_eq(job_with(id)->hints, MERGED_HINTS_MAX);
}

Test(line, the_first_body_stays_where_the_queue_says_so)
{
	uint64_t id = enqueue_key("42", KEY_COALESCE);
	lane_named("sync")->policy.merge = MERGE_FIRST;
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("sync"),
		.body_bytes = 9,
		.priority = 128,
		.key = SPAN_LITERAL("42"),
		.mode = KEY_COALESCE } });
	cr_expect_eq(core.answer, id);
	cr_expect_eq(count_wished(WISH_REPLACE), 0);
	cr_expect_eq(count_wished(WISH_SAVE), 0, "nothing to write");
	cr_expect_eq(job_with(id)->body_bytes, 0);
}

Test(line, more_hints_than_a_number_holds_are_the_most_it_holds)
{
	uint64_t id = enqueue_key("42", KEY_COALESCE);
	job_with(id)->hints = UINT32_MAX;
	enqueue_key("42", KEY_COALESCE);
	cr_expect_eq(job_with(id)->hints, UINT32_MAX);
}

/* It is the one that waits now: others are merged into it. */
Test(line, one_that_failed_alone_is_what_the_next_is_merged_into)
{
	uint32_t w = subscribe("sync");
	ask(w, "sync", 1);
	uint64_t id = enqueue_key("42", KEY_COALESCE);
	answer(w, 1, VERDICT_FAIL);
	cr_assert_eq(job_with(id)->state, JOB_DELAYED);
	cr_expect_eq(enqueue_key("42", KEY_COALESCE), id);
	cr_expect_eq(core.result, ENQUEUE_MERGED);
	cr_expect_eq(job_with(id)->hints, 2);
}

/* ---- without memory ---- */

Test(line, without_memory_an_enqueue_with_a_key_is_refused)
{
	struct fact fact = { .kind = FACT_ENQUEUE,
		.now_ms = now_ms,
		.enqueue = { .queue = SPAN_LITERAL("sync"),
		    .key = SPAN_LITERAL("42"),
		    .mode = KEY_COALESCE } };
	unsigned n = 0;
	if (!MEMORY_CAN_FAIL)
		cr_skip("the sanitizer brings its own memory");
	do {
		fail_memory(++n);
		core_step(&core, &fact);
		bool failed = memory_has_failed();
		fail_memory(0);
		if (!failed)
			break;
		cr_assert_eq(core.refusal, REFUSAL_FULL);
		cr_assert_eq(core.keys.slab.used, 0, "no key is left behind");
	} while (n < 50);
	cr_expect_gt(n, 3);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
}

Test(line, a_blocked_job_waits_only_from_its_turn_on)
{
	uint32_t w = subscribe("sync");
	ask(w, "sync", 1);
	enqueue_key("42", KEY_SERIAL);
	enqueue_key("42", KEY_SERIAL);
	pass(60000);
	answer(w, 1, VERDICT_DONE);
	pass(11);
	ask(w, "sync", 1);
	const struct histogram *wait_ms = &lane_named("sync")->wait_ms;
	cr_expect_eq(wait_ms->total, 2);
	cr_expect_eq(histogram_quantile(wait_ms, 1000), 11);
}

Test(line, a_restored_job_waits_from_the_restart_on)
{
	restore(1, JOB_READY, KEY_SERIAL, 0);
	tell((struct fact){ .kind = FACT_RESTORED });
	pass(13);
	ask(subscribe("sync"), "sync", 1);
	const struct histogram *wait_ms = &lane_named("sync")->wait_ms;
	cr_expect_eq(histogram_quantile(wait_ms, 1000), 13);
}
