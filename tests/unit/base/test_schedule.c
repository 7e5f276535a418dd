/* SPDX-License-Identifier: MIT */
#include "base/schedule.h"

#include <criterion/criterion.h>

Test(schedule, a_delay_behind_each_failure_and_the_last_behind_all_others)
{
	struct schedule schedule;
	cr_assert(schedule_parse("1s, 10s ,5m", &schedule));
	cr_expect_eq(schedule.count, 3);
	static const int64_t wanted_ms[] = { 1000, 10000, 300000, 300000 };
	for (uint64_t n = 1; n <= 4; n++)
		cr_expect_eq(schedule_delay_ms(&schedule, n), wanted_ms[n - 1]);
	cr_expect_eq(schedule_delay_ms(&schedule, UINT64_MAX), 300000);
	cr_assert(schedule_parse("0", &schedule));
	cr_expect_eq(schedule_delay_ms(&schedule, 7), 0);
}

Test(schedule, as_many_as_there_may_be)
{
	struct schedule schedule;
	cr_expect(schedule_parse("1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,13s,"
				 "14s,15s,16s",
	    &schedule));
	cr_expect_eq(schedule.count, SCHEDULE_DELAYS_MAX);
	cr_expect_not(schedule_parse("1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,"
				     "13s,14s,15s,16s,17s",
	    &schedule));
}

Test(schedule, anything_else_is_none)
{
	static const char *const bad[] = { "", ",", "1s,", ",1s", "1s,,2s", "1",
		"1s 2s", "1s;2s", "-1s", "soon",
		"1s,                                       2",
		"1s,00000000000000000000000000000000002s" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct schedule schedule = { .count = 7 };
		cr_expect_not(
		    schedule_parse(bad[i], &schedule), "'%s'", bad[i]);
		cr_expect_eq(schedule.count, 7);
	}
}
