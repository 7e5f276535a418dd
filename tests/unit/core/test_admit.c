/* SPDX-License-Identifier: MIT */
#include "core/admit.h"

#include "base/limits.h"
#include "core/merge.h"
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#define ARRIVALS_MAX 4000

static struct arrival arrivals[ARRIVALS_MAX];
static uint32_t count;

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(admit, .init = begin, .fini = end_core);

/* One body more; no key where that is NULL. */
static void
add(const char *key, uint32_t body_bytes)
{
	cr_assert_lt(count, ARRIVALS_MAX);
	arrivals[count++] =
	    (struct arrival){ .key = key != NULL ? span_of(key)
						 : (struct span){ 0 },
		    .body_bytes = body_bytes };
}

/* Can what was added be taken? */
static enum refusal
admit(enum key_mode mode)
{
	tell((struct fact){ .kind = FACT_ADMIT,
	    .admit = { .queue = SPAN_LITERAL("sync"),
		.arrivals = arrivals,
		.count = count,
		.mode = mode } });
	return core.refusal;
}

static void
take(uint32_t at, enum key_mode mode)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("sync"),
		.body_bytes = arrivals[at].body_bytes,
		.priority = 128,
		.key = arrivals[at].key,
		.mode = mode } });
	cr_assert_eq(core.refusal, REFUSAL_NONE, "%s", core.words);
}

/* What was added and admitted is taken; the next batch is empty. */
static void
take_all(enum key_mode mode)
{
	for (uint32_t i = 0; i < count; i++)
		take(i, mode);
	cr_assert_eq(core.admitted, 0);
	count = 0;
}

static void
append(void)
{
	uint32_t worker = subscribe("sync");
	lane_named("sync")->policy.merge = MERGE_APPEND;
	gone(worker);
}

static void
nothing_is_there(void)
{
	cr_expect_eq(core.jobs.slab.used, 0);
	cr_expect_eq(core.keys.slab.used, 0);
	cr_expect_eq(core.admitted, 0);
	cr_expect_eq(core.next_id, 1);
}

Test(admit, a_batch_that_fits_is_taken_whole)
{
	add("a", 1);
	add(NULL, 1);
	add("b", 1);
	add("a", 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	cr_assert_eq(core.admitted, 4);
	take_all(KEY_COALESCE);
	cr_expect_eq(core.jobs.slab.used, 3);
	cr_expect_eq(job_with(1)->hints, 2);
}

Test(admit, none_is_given_out_before_the_last_is_there)
{
	uint32_t worker = subscribe("sync");
	ask(worker, "sync", 10);
	add("a", 1);
	add("a", 1);
	add(NULL, 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take(0, KEY_COALESCE);
	cr_expect_eq(count_wished(WISH_DELIVER), 0);
	take(1, KEY_COALESCE);
	cr_expect_eq(core.result, ENQUEUE_MERGED);
	cr_expect_eq(count_wished(WISH_DELIVER), 0);
	take(2, KEY_COALESCE);
	cr_expect_eq(count_wished(WISH_DELIVER), 2);
}

Test(admit, what_can_never_be_one_job_is_too_big)
{
	append();
	add("a", MERGED_BODY_BYTES_MAX / 2);
	add("b", 1);
	add("a", MERGED_BODY_BYTES_MAX / 2);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_TOO_BIG);
	nothing_is_there();
	/* The line break between them is what was too much. */
	arrivals[2].body_bytes--;
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	cr_expect_eq(job_with(1)->body_bytes, MERGED_BODY_BYTES_MAX);
}

Test(admit, so_is_more_than_so_many)
{
	append();
	for (int i = 0; i < MERGED_HINTS_MAX; i++)
		add("a", 1);
	add("a", 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_TOO_BIG);
	nothing_is_there();
	count--;
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	cr_expect_eq(job_with(1)->hints, MERGED_HINTS_MAX);
}

Test(admit, one_long_body_of_a_key_is_a_job)
{
	append();
	add("a", BODY_BYTES_MAX);
	add("b", BODY_BYTES_MAX);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	cr_expect_eq(core.jobs.slab.used, 2);
}

Test(admit, where_a_job_waits_that_takes_no_more_it_is_full)
{
	append();
	add("a", MERGED_BODY_BYTES_MAX / 2);
	add("b", 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	add("c", 1);
	add("a", MERGED_BODY_BYTES_MAX / 2);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_FULL);
	cr_expect_eq(core.jobs.slab.used, 2);
	cr_expect_eq(core.keys.slab.used, 2, "c is not known");
	cr_expect_eq(job_with(1)->hints, 1);
	/* And fits when that one runs. */
	uint32_t worker = subscribe("sync");
	ask(worker, "sync", 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	cr_expect_eq(core.result, ENQUEUE_BEHIND);
}

Test(admit, that_a_repetition_cannot_help_is_said_first)
{
	append();
	add("a", MERGED_BODY_BYTES_MAX);
	add(NULL, 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	add("a", 1); /* FULL by itself */
	add("b", MERGED_BODY_BYTES_MAX);
	add("b", 1);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_TOO_BIG);
}

Test(admit, only_what_coalesces_is_bounded_so)
{
	append();
	for (int i = 0; i < 2 * MERGED_HINTS_MAX; i++)
		add("a", 1000);
	cr_assert_eq(admit(KEY_SERIAL), REFUSAL_NONE);
	take_all(KEY_SERIAL);
	cr_expect_eq(core.jobs.slab.used, 2 * MERGED_HINTS_MAX);
}

Test(admit, of_bodies_that_replace_each_other_any_number_fits)
{
	for (int i = 0; i < 2 * MERGED_HINTS_MAX; i++)
		add("a", BODY_BYTES_MAX);
	cr_assert_eq(admit(KEY_COALESCE), REFUSAL_NONE);
	take_all(KEY_COALESCE);
	cr_expect_eq(core.jobs.slab.used, 1);
}

Test(admit, a_queue_that_is_drained_takes_none)
{
	tell((struct fact){ .kind = FACT_DRAIN,
	    .gate = { .queue = SPAN_LITERAL("sync"), .on = true } });
	add(NULL, 1);
	add(NULL, 1);
	cr_assert_eq(admit(KEY_MODE_COUNT), REFUSAL_DRAINING);
	nothing_is_there();
}

Test(admit, an_admitted_batch_left_in_the_middle_aborts, .signal = SIGABRT)
{
	add(NULL, 1);
	add(NULL, 1);
	admit(KEY_MODE_COUNT);
	take(0, KEY_MODE_COUNT);
	pass(1);
}

#if MEMORY_CAN_FAIL
/* Every allocation fails once: all or none are taken. */
Test(admit, without_memory_none_is_taken)
{
	unsigned failures = 0;
	bool is_taken = false;
	static char names[3000][16];
	for (int i = 0; i < 3000; i++) {
		snprintf(names[i], sizeof(names[i]), "key %d", i);
		add(names[i], 1);
	}
	for (unsigned n = 1; !is_taken; n++) {
		/* Its wishes are not what this is about. */
		subscribe("sync");
		struct fact fact = { .kind = FACT_ADMIT,
			.now_ms = now_ms,
			.admit = { .queue = SPAN_LITERAL("sync"),
			    .arrivals = arrivals,
			    .count = count,
			    .mode = KEY_SERIAL,
			    .with_terms = true } };
		fail_memory(n);
		core_step(&core, &fact);
		fail_memory(0);
		is_taken = core.refusal == REFUSAL_NONE;
		if (is_taken)
			continue;
		cr_assert_eq(core.refusal, REFUSAL_FULL);
		nothing_is_there();
		/* Each one makes some room that stays: begin anew. */
		core_release(&core);
		begin();
		failures++;
	}
	cr_expect_gt(failures, 3000);
	fail_memory(1);
	for (uint32_t i = 0; i < count; i++) {
		struct fact fact = { .kind = FACT_ENQUEUE,
			.now_ms = now_ms,
			.enqueue = { .queue = SPAN_LITERAL("sync"),
			    .body_bytes = 1,
			    .key = arrivals[i].key,
			    .mode = KEY_SERIAL,
			    .terms = { .ttr_ms = 1000 } } };
		core_step(&core, &fact);
		cr_assert_eq(core.refusal, REFUSAL_NONE);
	}
	fail_memory(0);
	cr_expect_eq(core.jobs.slab.used, 3000);
}
#endif
