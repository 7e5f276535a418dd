/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <signal.h>

static const struct backoff usual = { .base_ms = 2000, .cap_ms = 3600000 };

/* The random number that gives the middle of the spread. */
static uint64_t
middle(int64_t delay_ms)
{
	return (uint64_t)(delay_ms / 10);
}

Test(backoff, the_delay_doubles_with_each_failure)
{
	int64_t delay_ms = usual.base_ms;
	for (uint64_t failures = 1; failures <= 10; failures++) {
		cr_expect_eq(
		    backoff_delay_ms(&usual, failures, middle(delay_ms)),
		    delay_ms, "failure %llu", (unsigned long long)failures);
		delay_ms *= 2;
	}
}

Test(backoff, it_is_spread_by_a_tenth_either_way_and_reaches_both_ends)
{
	struct random random = { .state = 1 };
	int64_t least = INT64_MAX;
	int64_t most = 0;
	for (int i = 0; i < 20000; i++) {
		int64_t delay_ms =
		    backoff_delay_ms(&usual, 1, random_next(&random));
		least = delay_ms < least ? delay_ms : least;
		most = delay_ms > most ? delay_ms : most;
	}
	cr_assert_eq(least, 1800);
	cr_assert_eq(most, 2200);
}

Test(backoff, it_never_exceeds_the_cap)
{
	struct random random = { .state = 2 };
	for (uint64_t failures = 1; failures < 200; failures++) {
		int64_t delay_ms =
		    backoff_delay_ms(&usual, failures, random_next(&random));
		cr_expect_leq(delay_ms, usual.cap_ms);
		if (failures > 12)
			cr_expect_geq(delay_ms, usual.cap_ms / 10 * 9);
	}
}

Test(backoff, a_huge_number_of_failures_takes_no_time_and_overflows_nothing)
{
	int64_t delay_ms = backoff_delay_ms(&usual, UINT64_MAX, 0);
	cr_assert_eq(delay_ms, usual.cap_ms / 10 * 9);
}

Test(backoff, the_same_number_gives_the_same_delay)
{
	cr_assert_eq(
	    backoff_delay_ms(&usual, 3, 99), backoff_delay_ms(&usual, 3, 99));
}

Test(backoff, no_base_means_no_delay)
{
	struct backoff off = { .base_ms = 0, .cap_ms = 5000 };
	cr_assert_eq(backoff_delay_ms(&off, 1, 12345), 0);
	cr_assert_eq(backoff_delay_ms(&off, 99, 12345), 0);
}

Test(backoff, a_base_above_the_cap_is_the_cap)
{
	struct backoff low = { .base_ms = 100, .cap_ms = 5 };
	cr_assert_eq(backoff_delay_ms(&low, 1, 12345), 5);
}

Test(backoff, the_first_failure_is_number_one, .signal = SIGABRT)
{
	backoff_delay_ms(&usual, 0, 0);
}
