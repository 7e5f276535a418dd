/* SPDX-License-Identifier: MIT */
#include "core/repetition.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(repetition, .init = begin, .fini = end_core);

static enum refusal
say(const char *token, uint64_t digest)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.mode = KEY_MODE_COUNT,
		.token = span_of(token),
		.digest = digest } });
	return core.refusal;
}

Test(repetition, the_same_again_is_answered_as_at_first)
{
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	uint64_t id = core.answer;
	cr_expect_not(core.is_repeated);
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	cr_assert_eq(count_wished(WISH_NOTE), 1);
	/* The job's id comes first, so that ids go on from job to job. */
	cr_expect_eq(wished(WISH_NOTE, 0)->id, id + 1);
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_expect(core.is_repeated);
	cr_expect_eq(core.answer, id);
	cr_expect_eq(core.result, ENQUEUE_NEW);
	cr_expect_eq(core.wish_count, 0);
	cr_expect_eq(core.counters.repeated, 1);
	cr_assert_eq(say("b", 1), REFUSAL_NONE);
	cr_expect_not(core.is_repeated);
	cr_expect_gt(core.answer, id);
}

Test(repetition, also_when_the_job_is_done_and_the_queue_drained)
{
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	uint64_t id = core.answer;
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	answer(worker, 1, VERDICT_DONE);
	cr_assert_eq(jobs_find(&core.jobs, id), 0);
	tell((struct fact){ .kind = FACT_DRAIN,
	    .gate = { .queue = SPAN_LITERAL("mail"), .on = true } });
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_expect_eq(core.answer, id);
	cr_expect_eq(say("b", 1), REFUSAL_DRAINING);
	/* What was refused was not said. */
	tell((struct fact){
	    .kind = FACT_DRAIN, .gate = { .queue = SPAN_LITERAL("mail") } });
	cr_assert_eq(say("b", 1), REFUSAL_NONE);
	cr_expect_not(core.is_repeated);
}

Test(repetition, another_job_with_the_same_token_is_refused)
{
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_assert_eq(say("a", 2), REFUSAL_TOKEN_REUSED);
	cr_expect_eq(core.wish_count, 0);
	cr_expect_neq(core.words[0], '\0');
}

Test(repetition, a_merged_one_is_merged_once)
{
	struct fact fact = { .kind = FACT_ENQUEUE,
		.enqueue = { .queue = SPAN_LITERAL("mail"),
		    .key = SPAN_LITERAL("42"),
		    .mode = KEY_COALESCE } };
	tell(fact);
	uint64_t id = core.answer;
	fact.enqueue.token = SPAN_LITERAL("a");
	for (int i = 0; i < 2; i++) {
		tell(fact);
		cr_expect_eq(core.answer, id);
		cr_expect_eq(core.result, ENQUEUE_MERGED);
	}
	cr_expect_eq(job_with(id)->hints, 2);
}

Test(repetition, a_token_is_forgotten_after_a_day_and_not_before)
{
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	uint64_t note = wished(WISH_NOTE, 0)->id;
	core_set_note(&core, wished(WISH_NOTE, 0)->token, 77, 5);
	pass(1000);
	cr_assert_eq(say("b", 1), REFUSAL_NONE);
	pass(TOKEN_LIFE_MS - 1001);
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_expect(core.is_repeated);
	cr_expect_eq(core_wake_at(&core), now_ms + 1);
	pass(1);
	cr_assert_eq(count_wished(WISH_FORGET_NOTE), 1);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->id, note);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->body, 77);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->body_bytes, 5);
	cr_assert_eq(say("a", 2), REFUSAL_NONE);
	cr_expect_not(core.is_repeated);
	cr_assert_eq(say("b", 1), REFUSAL_NONE);
	cr_expect(core.is_repeated);
}

Test(repetition, what_was_kept_is_known_again)
{
	struct fact fact = { .kind = FACT_RESTORE_TOKEN, .now_ms = now_ms };
	fact.restore_token.text = SPAN_LITERAL("a");
	fact.restore_token.token = (struct token){ .digest = 1,
		.job = 5,
		.note = 6,
		.result = ENQUEUE_BEHIND,
		.ends_at_ms = now_ms + 10 };
	tell(fact);
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_expect(core.is_repeated);
	cr_expect_eq(core.answer, 5);
	cr_expect_eq(core.result, ENQUEUE_BEHIND);
	cr_expect_gt(enqueue("mail"), 6);
	/* The same text twice, as if it were another one with its hash. */
	fact.restore_token.token.note = 100;
	fact.restore_token.token.job = 99;
	tell(fact);
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	cr_expect_eq(core.answer, 99);
	pass(10);
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), 2);
	cr_expect_eq(core.tokens.slab.used, 0);
}

Test(repetition, of_as_many_tokens_as_are_kept_one_more_is_refused)
{
	char text[24];
	for (unsigned i = 0; i < TOKENS_MAX; i++) {
		int count = snprintf(text, sizeof(text), "token %u", i);
		cr_assert_neq(
		    tokens_take(&core.tokens,
			(struct span){ .bytes = text, .count = (size_t)count }),
		    0);
	}
	struct fact fact = { .kind = FACT_ENQUEUE,
		.now_ms = now_ms,
		.enqueue = { .token = SPAN_LITERAL("one more") } };
	cr_expect_eq(repetition_prepare(&core, &fact), 0);
	cr_expect_eq(core.refusal, REFUSAL_FULL);
	cr_expect_not_null(strstr(core.words, "another token"));
}

#if MEMORY_CAN_FAIL
Test(repetition, without_memory_for_a_token_nothing_is_taken)
{
	enqueue("mail"); /* the queue is there */
	unsigned refused = 0;
	for (unsigned n = 1;; n++) {
		uint64_t next_id = core.next_id;
		fail_memory(n);
		enum refusal refusal = say("a", 1);
		bool has_failed = memory_has_failed();
		fail_memory(0);
		if (!has_failed)
			break;
		cr_assert_eq(refusal, REFUSAL_FULL);
		cr_assert_eq(core.next_id, next_id);
		refused++;
	}
	cr_expect_geq(refused, 2);
	cr_expect_not(core.is_repeated);
}

/* Its job has terms, for which there is no room yet; the token has. */
Test(repetition, of_what_was_refused_nothing_is_remembered)
{
	struct fact fact = { .kind = FACT_ENQUEUE,
		.now_ms = now_ms,
		.enqueue = { .queue = SPAN_LITERAL("mail"),
		    .mode = KEY_MODE_COUNT,
		    .terms = { .ttr_ms = 7 },
		    .token = SPAN_LITERAL("b"),
		    .digest = 1 } };
	cr_assert_eq(say("a", 1), REFUSAL_NONE);
	fail_memory(1);
	core_step(&core, &fact);
	bool has_failed = memory_has_failed();
	fail_memory(0);
	cr_assert(has_failed);
	cr_assert_eq(core.refusal, REFUSAL_FULL);
	cr_expect_eq(core.tokens.slab.used, 1);
	cr_expect_eq(tokens_find(&core.tokens, SPAN_LITERAL("b")), 0);
	tell(fact);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	cr_expect_not(core.is_repeated);
}

/* More of them than were there at first, and no memory for one more. */
Test(repetition, without_memory_for_more_tokens_one_is_refused)
{
	char text[24];
	unsigned count = 0;
	do {
		snprintf(text, sizeof(text), "token %u", count++);
		cr_assert_eq(say(text, 1), REFUSAL_NONE);
	} while (core.tokens.slab.used < core.tokens.slab.chunk_count
		<< SLAB_CHUNK_BITS);
	fail_memory(1);
	enum refusal refusal = say("one more", 1);
	fail_memory(0);
	cr_expect_eq(refusal, REFUSAL_FULL);
	cr_expect_eq(core.tokens.slab.used, count);
	cr_expect_eq(say("one more", 1), REFUSAL_NONE);
}
#endif
