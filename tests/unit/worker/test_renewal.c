/* SPDX-License-Identifier: MIT */
#include "worker/renewal.h"

#include <criterion/criterion.h>

static struct renewal
made(int64_t max_jobs, int64_t max_rss, int64_t max_age_ms, uint64_t random)
{
	struct renewal renewal;
	renewal_init(&renewal,
	    &(struct renewal_limits){ max_jobs, max_rss, max_age_ms }, random);
	return renewal;
}

Test(renewal, without_limits_it_is_never_due)
{
	struct renewal renewal = made(0, 0, 0, 1);
	renewal.jobs = INT64_MAX;
	cr_assert_null(renewal_due(&renewal, INT64_MAX, INT64_MAX));
}

Test(renewal, each_limit_is_up_to_a_tenth_higher)
{
	int64_t least = INT64_MAX, most = 0;
	for (uint64_t random = 0; random < 1000; random++) {
		struct renewal renewal = made(1000, 1000, 1000, random);
		int64_t limit = renewal.limits.max_jobs;
		least = limit < least ? limit : least;
		most = limit > most ? limit : most;
		cr_assert_geq(renewal.limits.max_rss, 1000);
		cr_assert_leq(renewal.limits.max_age_ms, 1100);
	}
	cr_assert_eq(least, 1000);
	cr_assert_eq(most, 1100);
}

Test(renewal, it_says_why_and_says_it_once)
{
	struct renewal renewal = made(2, 0, 0, 1);
	renewal.jobs = 1;
	cr_assert_null(renewal_due(&renewal, 0, 0));
	renewal.jobs = 2;
	cr_assert_str_eq(renewal_due(&renewal, 0, 0), "max_jobs");
	cr_assert_null(renewal_due(&renewal, 0, 0));
	renewal = made(0, 5, 0, 1);
	cr_assert_null(renewal_due(&renewal, 4, 1000));
	cr_assert_str_eq(renewal_due(&renewal, 5, 1000), "max_rss");
	renewal = made(0, 0, 5, 1);
	cr_assert_null(renewal_due(&renewal, 1000, 4));
	cr_assert_str_eq(renewal_due(&renewal, 1000, 5), "max_age");
}
