/* SPDX-License-Identifier: MIT */
#include "queue/settings.h"

#include <criterion/criterion.h>
#include <string.h>

/* The wall clock is that far ahead of the monotonic one. */
#define OFFSET_MS INT64_C(1000000)

static struct core core;
static uint64_t events_through;

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context, (void)queue;
	return (struct lane_policy){ .max_attempts = 3, .rate_burst = 1 };
}

static void
set_up(void)
{
	core_init(&core, 1, 1, policy_of, NULL);
	events_through = 0;
}

static void
tear_down(void)
{
	core_release(&core);
}

TestSuite(settings, .init = set_up, .fini = tear_down);

static void
tell(enum fact_kind kind, const char *queue, int64_t for_ms)
{
	struct fact fact = { .kind = kind, .now_ms = 100 };
	fact.gate.queue = span_of(queue);
	fact.gate.on = true;
	fact.gate.for_ms = for_ms;
	fact.gate.wall_ms = 7;
	fact.gate.uid = 1000;
	core_step(&core, &fact);
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

static void
print(char *text, size_t text_bytes)
{
	struct buffer lines = { 0 };
	cr_assert_eq(
	    settings_print(&lines, &core, events_through, OFFSET_MS), 0);
	cr_assert_lt(buffer_count(&lines), text_bytes);
	if (buffer_count(&lines) > 0)
		memcpy(text, buffer_front(&lines), buffer_count(&lines));
	text[buffer_count(&lines)] = '\0';
	buffer_release(&lines);
}

static bool
restore(const char *lines)
{
	return settings_restore(
	    &core, span_of(lines), 200, OFFSET_MS, &events_through);
}

static const struct lane *
lane(const char *name)
{
	const struct lane *found = lanes_find(&core.lanes, span_of(name));
	cr_assert_not_null(found);
	return found;
}

Test(settings, what_is_printed_is_restored)
{
	char text[1000], again[1000];
	tell(FACT_PAUSE, "a", 0);
	tell(FACT_PAUSE, "b", 5000);
	tell(FACT_DRAIN, "b", 0);
	tell(FACT_DRAIN, "c", 0);
	print(text, sizeof(text));
	cr_expect_str_eq(text,
	    "a paused 7 0 1000\n"
	    "b paused 7 1005100 1000\n"
	    "b draining\n"
	    "c draining\n");
	core_release(&core);
	set_up();
	cr_assert(restore(text));
	print(again, sizeof(again));
	cr_expect_str_eq(again, text);
	cr_expect(lane("b")->gate.is_paused);
	cr_expect(lane("b")->gate.is_draining);
	cr_expect_eq(lane("b")->gate.resume_at_ms, 5100);
	cr_expect_eq(lane("a")->gate.uid, 1000);
	cr_expect_eq(core_wake_at(&core), 5100);
}

Test(settings, the_numbers_that_are_taken_stay_taken)
{
	char text[1000];
	tell(FACT_DRAIN, "a", 0);
	events_through = 3 * EVENT_NUMBERS;
	print(text, sizeof(text));
	cr_expect_str_eq(text, "a draining\n* events 3000000000\n");
	core_release(&core);
	set_up();
	cr_assert(restore(text));
	cr_expect_eq(events_through, 3 * EVENT_NUMBERS);
	cr_expect(lane("a")->gate.is_draining);
}

Test(settings, of_nothing_are_none)
{
	char text[10];
	print(text, sizeof(text));
	cr_expect_str_eq(text, "");
	cr_expect(restore(""));
	cr_expect_eq(core.lanes.slab.used, 0);
}

Test(settings, lines_that_nobody_wrote_are_refused)
{
	static const char *const wrong[] = { "a", "a paused 1 2 3", "\n", "a\n",
		"a asleep\n", "a paused\n", "a paused 1 2\n",
		"a paused 1 2 3 4\n", "a draining now\n", "a/b draining\n",
		"* draining\n", "* events\n", "* events x\n", "* events 5 6\n",
		"* events 9223372036854775807\n",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa"
		"a draining\n" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_not(restore(wrong[i]), "%s", wrong[i]);
}
