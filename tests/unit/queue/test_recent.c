/* SPDX-License-Identifier: MIT */
#include "queue/recent.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct recent recent;

static void
set_up(void)
{
	cr_assert_eq(recent_init(&recent), 0);
}

static void
tear_down(void)
{
	recent_release(&recent);
}

TestSuite(recent, .init = set_up, .fini = tear_down);

/* An event whose every field follows from its number, with texts as long as
 * wanted. */
static struct happening
event_number(uint64_t n, size_t text_bytes)
{
	static char text[REASON_BYTES_MAX];
	memset(text, 'a' + (int)(n % 26), sizeof(text));
	size_t name_bytes =
	    text_bytes < NAME_BYTES_MAX ? text_bytes : NAME_BYTES_MAX;
	return (struct happening){
		.time_ms = (int64_t)(n * 3),
		.type = (enum core_event)(n % EVENT_COUNT),
		.attempt = (uint32_t)(n % 7),
		.job = n * 5,
		.into = n % 2,
		.queue = { text, name_bytes },
		.worker = { text, name_bytes / 2 },
		.reason = { text, text_bytes },
	};
}

static void
add(size_t text_bytes)
{
	struct happening event = event_number(recent.last + 1, text_bytes);
	recent_add(&recent, &event);
}

static bool
is_same(struct span a, struct span b)
{
	return a.count == b.count &&
	    (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

static void
expect_event(uint64_t n)
{
	struct happening got;
	recent_get(&recent, n, &got);
	struct happening sent = event_number(n, got.reason.count);
	cr_assert_eq(got.time_ms, sent.time_ms);
	cr_assert_eq(got.type, sent.type);
	cr_assert_eq(got.attempt, sent.attempt);
	cr_assert_eq(got.job, sent.job);
	cr_assert_eq(got.into, sent.into);
	cr_assert(is_same(got.queue, sent.queue));
	cr_assert(is_same(got.worker, sent.worker));
	cr_assert(is_same(got.reason, sent.reason));
}

Test(recent, there_is_nothing_at_first)
{
	cr_assert_eq(recent.first, 1);
	cr_assert_eq(recent.last, 0);
}

Test(recent, events_are_counted_from_one_and_come_back_as_they_were)
{
	add(0);
	add(REASON_BYTES_MAX);
	add(3);
	cr_assert_eq(recent.first, 1);
	cr_assert_eq(recent.last, 3);
	for (uint64_t n = 1; n <= 3; n++)
		expect_event(n);
}

Test(recent, small_ones_are_bounded_by_their_number)
{
	for (uint64_t n = 0; n < 3 * EVENTS_MAX; n++)
		add(1);
	cr_assert_eq(recent.last, 3 * EVENTS_MAX);
	cr_assert_eq(recent.last - recent.first + 1, EVENTS_MAX);
	for (uint64_t n = recent.first; n <= recent.last; n++)
		expect_event(n);
}

Test(recent, large_ones_are_bounded_by_their_bytes)
{
	size_t one =
	    32 + NAME_BYTES_MAX + NAME_BYTES_MAX / 2 + REASON_BYTES_MAX;
	for (uint64_t n = 0; n < 3 * EVENTS_MAX; n++)
		add(REASON_BYTES_MAX);
	uint64_t kept = recent.last - recent.first + 1;
	cr_assert_eq(kept, EVENTS_BYTES_MAX / one);
	for (uint64_t n = recent.first; n <= recent.last; n++)
		expect_event(n);
}

/* All that is kept is whole after each step, whatever the sizes; and no more is
 * forgotten than there has to be. */
Test(recent, any_mix_stays_whole)
{
	struct random random = { 7 };
	for (uint64_t n = 0; n < 200000; n++) {
		add((size_t)(random_next(&random) % (REASON_BYTES_MAX + 1)));
		cr_assert_leq(recent.first, recent.last);
		expect_event(recent.first);
		expect_event(recent.last);
		uint64_t kept = recent.last - recent.first + 1;
		expect_event(recent.first + random_next(&random) % kept);
	}
	cr_assert_gt(recent.last - recent.first,
	    EVENTS_BYTES_MAX / (32 + 2 * NAME_BYTES_MAX + REASON_BYTES_MAX));
	for (uint64_t n = recent.first; n <= recent.last; n++)
		expect_event(n);
}

Test(recent, what_is_forgotten_is_counted_all_the_same)
{
	add(1);
	add(1);
	recent_clear(&recent);
	cr_assert_eq(recent.first, 3);
	cr_assert_eq(recent.last, 2);
	add(1);
	cr_assert_eq(recent.first, 3);
	expect_event(3);
}

Test(recent, numbers_are_taken_so_many_at_a_time)
{
	cr_assert_eq(recent_numbers_through(0), EVENT_NUMBERS);
	cr_assert_eq(recent_numbers_through(17), EVENT_NUMBERS);
	cr_assert_eq(recent_numbers_through(EVENT_NUMBERS), 2 * EVENT_NUMBERS);
	for (uint64_t used = 0; used < 5 * EVENT_NUMBERS;
	     used += EVENT_NUMBERS / 8 + 1) {
		uint64_t through = recent_numbers_through(used);
		cr_assert_eq(through % EVENT_NUMBERS, 0);
		cr_assert_geq(through - used, EVENT_NUMBERS / 2);
		cr_assert_not(recent_numbers_run_out(used, through));
	}
}

Test(recent, more_are_taken_before_they_run_out)
{
	uint64_t through = recent_numbers_through(0);
	cr_assert(recent_numbers_run_out(through - 1, through));
	cr_assert(
	    recent_numbers_run_out(through - EVENT_NUMBERS / 4 + 1, through));
	cr_assert_not(
	    recent_numbers_run_out(through - EVENT_NUMBERS / 4, through));
}
