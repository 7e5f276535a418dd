/* SPDX-License-Identifier: MIT */
#include "qctl/patience.h"

#include <criterion/criterion.h>

static struct patience patience;
static int64_t wait_ms;

static void
begin(void)
{
	patience_begin(&patience, true, PATIENCE_NO_END, 1000, 0);
}

TestSuite(patience, .init = begin);

static enum patience_next
refused(enum refusal refusal, size_t count, int64_t after_ms, int64_t now_ms)
{
	return patience_refused(
	    &patience, refusal, count, after_ms, now_ms, 0, &wait_ms);
}

Test(patience, where_many_do_not_fit_fewer_are_tried_at_once)
{
	cr_assert_eq(refused(REFUSAL_FULL, 1000, 5000, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 0);
	cr_expect_eq(patience.step, 500);
	cr_assert_eq(refused(REFUSAL_TOO_BIG, 3, 0, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 0);
	cr_expect_eq(patience.step, 1);
	patience_taken(&patience, 1000, 0);
	cr_expect_eq(patience.step, 2);
	for (int i = 0; i < 20; i++)
		patience_taken(&patience, 1000, 0);
	cr_expect_eq(patience.step, 1000);
}

Test(patience, where_one_does_not_fit_it_waits_as_long_as_it_was_told)
{
	cr_assert_eq(refused(REFUSAL_FULL, 1, 700, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 700);
	cr_assert_eq(refused(REFUSAL_FULL, 1, 0, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 1000, "it was not told");
	cr_assert_eq(refused(REFUSAL_FULL, 1, 1, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 50, "it does not spin");
	cr_assert_eq(refused(REFUSAL_FULL, 1, INT64_MAX, 0), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 60000, "nor sleep for ever");
}

Test(patience, those_who_wait_do_not_all_come_at_once)
{
	int64_t least_ms = INT64_MAX, most_ms = 0;
	for (uint64_t dice = 0; dice < 1000; dice++) {
		cr_assert_eq(patience_refused(&patience, REFUSAL_FULL, 1, 400,
				 0, dice, &wait_ms),
		    PATIENCE_AGAIN);
		least_ms = wait_ms < least_ms ? wait_ms : least_ms;
		most_ms = wait_ms > most_ms ? wait_ms : most_ms;
	}
	cr_expect_eq(least_ms, 400);
	cr_expect_eq(most_ms, 500);
}

Test(patience, it_ends_when_nothing_was_taken_for_too_long)
{
	patience_begin(&patience, true, 1000, 1, 5000);
	cr_assert_eq(refused(REFUSAL_FULL, 1, 600, 5000), PATIENCE_AGAIN);
	cr_assert_eq(refused(REFUSAL_FULL, 1, 600, 5600), PATIENCE_AGAIN);
	cr_expect_eq(wait_ms, 400, "the last try");
	cr_assert_eq(refused(REFUSAL_FULL, 1, 600, 6000), PATIENCE_OVER);
	patience_taken(&patience, 1, 6000);
	cr_assert_eq(refused(REFUSAL_FULL, 1, 600, 6001), PATIENCE_AGAIN);
}

Test(patience, what_no_repetition_helps_is_not_repeated)
{
	cr_expect_eq(refused(REFUSAL_TOO_BIG, 1, 0, 0), PATIENCE_REFUSED);
	cr_expect_eq(refused(REFUSAL_DRAINING, 9, 0, 0), PATIENCE_REFUSED);
	cr_expect_eq(refused(REFUSAL_BAD_NAME, 9, 0, 0), PATIENCE_REFUSED);
	patience.waits = false;
	cr_expect_eq(refused(REFUSAL_FULL, 1, 100, 0), PATIENCE_REFUSED);
	cr_expect_eq(refused(REFUSAL_FULL, 2, 100, 0), PATIENCE_AGAIN);
}
