/* SPDX-License-Identifier: MIT */
#include "queue/select.h"

#include "base/limits.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct core core;
static struct selection selection;
static char words[SELECTION_WORDS_BYTES];

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context, (void)queue;
	return (struct lane_policy){ .max_attempts = 1,
		.retry = { .base_ms = 1000, .cap_ms = 8000 } };
}

static void
set_up(void)
{
	core_init(&core, 1, 1, policy_of, NULL);
}

static void
tear_down(void)
{
	core_release(&core);
}

TestSuite(select, .init = set_up, .fini = tear_down);

static void
tell(struct fact fact)
{
	fact.now_ms = 1000;
	core_step(&core, &fact);
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

static uint64_t
enqueue(const char *queue, const char *key, int64_t delay_ms)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = span_of(queue),
		.key = span_of(key),
		.delay_ms = delay_ms,
		.mode = KEY_SERIAL } });
	return core.answer;
}

static enum refusal
pick(const char *queue, const char *state, const char *key)
{
	return select_begin(&selection, &core, span_of(queue), span_of(state),
	    key != NULL ? span_of(key) : (struct span){ 0 }, words);
}

/* "1 3 | 4": the ids of a page, and behind which the next one begins. */
static const char *
page(uint64_t after, uint32_t limit)
{
	static char text[200];
	int count = 0;
	text[0] = '\0';
	select_page(&selection, &core, after, limit);
	for (uint32_t i = 0; i < selection.count; i++)
		count += snprintf(text + count, sizeof(text) - (size_t)count,
		    "%d ", (int)job_at(&core.jobs, selection.jobs[i])->id);
	snprintf(text + count, sizeof(text) - (size_t)count, "| %d",
	    (int)selection.next);
	return text;
}

/* 1, 2 of mail with the key 42 (2 is blocked), 3 of sync, 4 of mail delayed. */
static void
fill(void)
{
	enqueue("mail", "42", 0);
	enqueue("mail", "42", 0);
	enqueue("sync", "42", 0);
	enqueue("mail", "", 5000);
}

Test(select, by_queue_state_and_key_and_all_of_them)
{
	fill();
	static const struct {
		const char *queue, *state, *key, *wanted;
	} rows[] = {
		{ "", "", NULL, "1 2 3 4 | 0" },
		{ "mail", "", NULL, "1 2 4 | 0" },
		{ "sync", "", NULL, "3 | 0" },
		{ "", "ready", NULL, "1 3 | 0" },
		{ "", "blocked", NULL, "2 | 0" },
		{ "", "delayed", NULL, "4 | 0" },
		{ "", "running", NULL, "| 0" },
		{ "", "dead", NULL, "| 0" },
		{ "", "", "42", "1 2 3 | 0" },
		{ "", "", "4", "| 0" },
		{ "mail", "ready", "42", "1 | 0" },
		{ "nosuch", "", NULL, "| 0" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(pick(rows[i].queue, rows[i].state, rows[i].key),
		    REFUSAL_NONE);
		cr_expect_str_eq(page(0, 100), rows[i].wanted, "row %zu", i);
	}
}

Test(select, pages_meet_every_job_once)
{
	fill();
	cr_assert_eq(pick("mail", "", NULL), REFUSAL_NONE);
	cr_expect_str_eq(page(0, 2), "1 2 | 2");
	cr_expect_str_eq(page(2, 2), "4 | 0");
	cr_expect_str_eq(page(4, 2), "| 0");
	cr_expect_str_eq(page(0, 0), "| 0", "of nothing the first is next");
}

Test(select, a_page_goes_on_behind_a_job_that_is_gone)
{
	fill();
	cr_assert_eq(pick("", "", NULL), REFUSAL_NONE);
	cr_expect_str_eq(page(0, 2), "1 2 | 2");
	tell((struct fact){ .kind = FACT_DELETE, .steer = { .id = 2 } });
	cr_expect_str_eq(page(2, 9), "3 4 | 0");
}

/* Nobody waits while many are passed over. */
Test(select, so_many_looks_and_no_more_are_taken_for_a_page)
{
	enqueue("mail", "", 0);
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = SPAN_LITERAL("sync") } });
	uint32_t mail = lanes_find(&core.lanes, SPAN_LITERAL("mail"))->handle;
	uint32_t sync = lanes_find(&core.lanes, SPAN_LITERAL("sync"))->handle;
	uint64_t last = 20002;
	/* Past the core, which would look through all of them each time. */
	for (uint64_t id = 2; id < last; id++)
		job_at(&core.jobs, jobs_add(&core.jobs, id))->lane = mail;
	job_at(&core.jobs, jobs_add(&core.jobs, last))->lane = sync;
	cr_assert_eq(pick("sync", "", NULL), REFUSAL_NONE);
	cr_expect_str_eq(page(0, 10), "| 20000");
	select_page(&selection, &core, selection.next, 10);
	cr_assert_eq(selection.count, 1);
	cr_expect_eq(job_at(&core.jobs, selection.jobs[0])->id, last);
	cr_expect_eq(selection.next, 0);
}

Test(select, what_is_no_state_and_no_key_is_refused_with_words)
{
	char key[KEY_BYTES_MAX + 2];
	cr_expect_eq(pick("", "asleep", NULL), REFUSAL_BAD_ARGUMENT);
	cr_expect_not_null(strstr(words, "\"state\" must be ready"));
	cr_expect_eq(pick("", "", ""), REFUSAL_BAD_NAME, "an empty key");
	memset(key, 'k', sizeof(key));
	key[KEY_BYTES_MAX + 1] = '\0';
	cr_expect_eq(pick("", "", key), REFUSAL_BAD_NAME);
	cr_expect_not_null(strstr(words, "a key has 1 to"));
}

Test(select, more_than_a_page_holds_is_the_callers_mistake, .signal = SIGABRT)
{
	cr_redirect_stderr();
	cr_assert_eq(pick("", "", NULL), REFUSAL_NONE);
	select_page(&selection, &core, 0, SELECTION_MAX + 1);
}
