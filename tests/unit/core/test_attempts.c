/* SPDX-License-Identifier: MIT */
#include "core/attempts.h"

#include "base/limits.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>

static struct attempts attempts;
static struct attempt_list one, other;

static void
set_up(void)
{
	attempts_init(&attempts);
}

static void
tear_down(void)
{
	attempts_release(&attempts);
}

TestSuite(attempts, .init = set_up, .fini = tear_down);

static uint32_t
add(struct attempt_list *list, uint64_t note)
{
	const struct attempt attempt = {
		.note = note, .body = note * 3, .body_bytes = 100
	};
	uint32_t handle = attempts_add(&attempts, list, &attempt);
	cr_assert_neq(handle, 0);
	return handle;
}

/* The notes of a list, by both its ways; 0 where they differ. */
static uint64_t
digits_of(const struct attempt_list *list)
{
	uint64_t digits = 0, back = 0, place = 1;
	for (uint32_t at = list->first; at != 0;
	     at = attempt_at(&attempts, at)->later)
		digits = 10 * digits + attempt_at(&attempts, at)->note;
	for (uint32_t at = list->last; at != 0;
	     at = attempt_at(&attempts, at)->earlier) {
		back += place * attempt_at(&attempts, at)->note;
		place *= 10;
	}
	return digits == back ? digits : 0;
}

/* The same of all, by age. */
static uint64_t
digits_by_age(void)
{
	uint64_t digits = 0, back = 0, place = 1;
	for (uint32_t at = attempts.oldest; at != 0;
	     at = attempt_at(&attempts, at)->newer)
		digits = 10 * digits + attempt_at(&attempts, at)->note;
	for (uint32_t at = attempts.newest; at != 0;
	     at = attempt_at(&attempts, at)->older) {
		back += place * attempt_at(&attempts, at)->note;
		place *= 10;
	}
	return digits == back ? digits : 0;
}

Test(attempts, each_stands_in_its_list_and_in_the_order_of_age)
{
	add(&one, 1);
	add(&other, 2);
	add(&one, 3);
	add(NULL, 4);
	add(&other, 5);
	cr_expect_eq(digits_of(&one), 13);
	cr_expect_eq(digits_of(&other), 25);
	cr_expect_eq(digits_by_age(), 12345);
	cr_expect_eq(one.count, 2);
	cr_expect_eq(attempts.bytes, 500);
	cr_expect_eq(
	    attempt_at(&attempts, attempts_find(&attempts, 3))->body, 9);
	cr_expect_eq(attempts_find(&attempts, 6), 0);
}

Test(attempts, any_can_go)
{
	uint32_t handles[6];
	for (uint64_t note = 1; note <= 5; note++)
		handles[note] = add(&one, note);
	attempts_remove(&attempts, &one, handles[3]);
	cr_expect_eq(digits_of(&one), 1245);
	cr_expect_eq(digits_by_age(), 1245);
	attempts_remove(&attempts, &one, handles[1]);
	cr_expect_eq(digits_of(&one), 245);
	cr_expect_eq(digits_by_age(), 245);
	attempts_remove(&attempts, &one, handles[5]);
	cr_expect_eq(digits_of(&one), 24);
	cr_expect_eq(digits_by_age(), 24);
	cr_expect_eq(attempts_find(&attempts, 5), 0);
	attempts_remove(&attempts, &one, handles[2]);
	attempts_remove(&attempts, &one, handles[4]);
	cr_expect_eq(one.count, 0);
	cr_expect_eq(one.first, 0);
	cr_expect_eq(one.last, 0);
	cr_expect_eq(attempts.oldest, 0);
	cr_expect_eq(attempts.newest, 0);
	cr_expect_eq(attempts.bytes, 0);
	attempts_remove(&attempts, NULL, add(NULL, 6));
	cr_expect_eq(attempts.slab.used, 0);
}

Test(attempts, their_bytes_and_their_number_are_bounded)
{
	cr_expect(attempts_has_room(&attempts, CERTIFICATES_BYTES_MAX));
	cr_expect_not(attempts_has_room(&attempts, CERTIFICATES_BYTES_MAX + 1));
	add(&one, 1);
	cr_expect(attempts_has_room(&attempts, CERTIFICATES_BYTES_MAX - 100));
	cr_expect_not(
	    attempts_has_room(&attempts, CERTIFICATES_BYTES_MAX - 99));
	for (uint64_t note = 2; note <= CERTIFICATES_MAX; note++) {
		cr_assert(attempts_has_room(&attempts, 0));
		add(&other, note);
	}
	cr_expect_not(attempts_has_room(&attempts, 0));
	attempts_remove(&attempts, &one, attempts.oldest);
	cr_expect(attempts_has_room(&attempts, 0));
}

#if MEMORY_CAN_FAIL
Test(attempts, without_memory_none_is_added)
{
	const struct attempt attempt = { .note = 1, .body_bytes = 1 };
	unsigned n = 0;
	uint32_t handle;
	do {
		fail_memory(++n);
		handle = attempts_add(&attempts, &one, &attempt);
		bool failed = memory_has_failed();
		fail_memory(0);
		cr_assert_eq(handle == 0, failed);
		cr_assert_eq(attempts.slab.used, handle != 0);
		cr_assert_eq(one.count, handle != 0);
		cr_assert_eq(attempts.bytes, handle != 0);
	} while (handle == 0);
	cr_expect_gt(n, 1, "it needs some");
}
#endif
