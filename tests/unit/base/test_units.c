/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void
expect_duration(const char *text, int64_t ms)
{
	int64_t got = -1;
	cr_expect(duration_parse(text, &got), "'%s' is refused", text);
	cr_expect_eq(got, ms, "'%s' is %lld", text, (long long)got);
}

static void
expect_printed(int64_t ms, const char *wanted)
{
	char text[16];
	memset(text, 'x', sizeof(text));
	duration_print(ms, text, sizeof(text));
	cr_expect_str_eq(text, wanted);
}

Test(units, durations_have_a_number_and_a_unit)
{
	expect_duration("250ms", 250);
	expect_duration("1s", SECOND_MS);
	expect_duration("10m", 10 * MINUTE_MS);
	expect_duration("2h", 2 * HOUR_MS);
	expect_duration("30d", 30 * DAY_MS);
	expect_duration("0", 0);
	expect_duration("0ms", 0);
	expect_duration("0d", 0);
	expect_duration("007s", 7 * SECOND_MS);
}

Test(units, fractions_are_rounded_to_the_nearest_millisecond)
{
	expect_duration("1.5s", 1500);
	expect_duration("0.25h", 15 * MINUTE_MS);
	expect_duration("1.0004s", 1000);
	expect_duration("1.0005s", 1001);
	expect_duration("0.4ms", 0);
	expect_duration("0.5ms", 1);
	expect_duration("0.99999999999999999999999999s", 1000);
	expect_duration("0.00000000000000000000000001d", 0);
	expect_duration("1.99999999999d", 2 * DAY_MS);
}

Test(units, the_longest_duration_is_accepted_and_nothing_above)
{
	int64_t got = -1;
	expect_duration("36600d", DURATION_MS_MAX);
	expect_duration("3162240000000ms", DURATION_MS_MAX);
	cr_assert_not(duration_parse("3162240000001ms", &got));
	cr_assert_not(duration_parse("36600.1d", &got));
	cr_assert_not(duration_parse("36601d", &got));
	cr_assert_not(duration_parse("99999999999999999999999999d", &got));
	cr_assert_eq(got, -1);
}

Test(units, anything_else_is_no_duration)
{
	static const char *const bad[] = { "", " ", "s", "1", "1.5", "00",
		"0.0", "-1s", "+1s", "1 s", " 1s", "1s ", "1.s", ".5s",
		"1.5.5s", "1S", "1sec", "1e3s", "0x10s", "1,5s", "1m30s", "1w",
		"nan", "infs" };
	for (size_t i = 0; i < LENGTH(bad); i++) {
		int64_t got = -7;
		cr_expect_not(duration_parse(bad[i], &got), "'%s'", bad[i]);
		cr_expect_eq(got, -7, "'%s' has changed the result", bad[i]);
	}
}

Test(units, durations_are_printed_in_the_two_largest_units)
{
	expect_printed(0, "0ms");
	expect_printed(250, "250ms");
	expect_printed(999, "999ms");
	expect_printed(1000, "1s");
	expect_printed(1500, "1.5s");
	expect_printed(1599, "1.5s");
	expect_printed(59999, "59.9s");
	expect_printed(60000, "1m00s");
	expect_printed(2 * MINUTE_MS + 5 * SECOND_MS, "2m05s");
	expect_printed(HOUR_MS - 1, "59m59s");
	expect_printed(3 * HOUR_MS + 4 * MINUTE_MS, "3h04m");
	expect_printed(DAY_MS - 1, "23h59m");
	expect_printed(12 * DAY_MS + 7 * HOUR_MS, "12d07h");
}

Test(units, sixteen_bytes_are_enough_for_any_duration)
{
	expect_printed(DURATION_MS_MAX, "36600d00h");
	expect_printed(INT64_MAX, "36600d00h");
	expect_printed(INT64_MIN, "-36600d00h");
	expect_printed(-1500, "-1.5s");
}

Test(units, a_printed_duration_is_cut_to_the_room_there_is)
{
	char text[4] = "xxx";
	duration_print(12 * DAY_MS, text, sizeof(text));
	cr_assert_str_eq(text, "12d");
}

Test(units, sizes_are_bytes_or_have_a_binary_unit)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "64KiB", 65536 },
		{ "4MiB", 4u << 20 },
		{ "1GiB", 1u << 30 },
		{ "9007199254740992", UINT64_C(1) << 53 },
		{ "8388608GiB", UINT64_C(1) << 53 },
	};
	for (size_t i = 0; i < LENGTH(good); i++) {
		uint64_t got = 7;
		cr_expect(size_parse(good[i].text, &got), "'%s'", good[i].text);
		cr_expect_eq(got, good[i].bytes, "'%s'", good[i].text);
	}
}

Test(units, anything_else_is_no_size)
{
	static const char *const bad[] = { "", "KiB", "-1", "1K", "1KB", "1kib",
		"1.5MiB", "1 MiB", "9007199254740993", "8388609GiB",
		"18446744073709551617", "99999999999999999999999GiB", "1TiB" };
	for (size_t i = 0; i < LENGTH(bad); i++) {
		uint64_t got = 7;
		cr_expect_not(size_parse(bad[i], &got), "'%s'", bad[i]);
		cr_expect_eq(got, 7, "'%s' has changed the result", bad[i]);
	}
}

Test(units, rates_are_so_many_in_a_unit_of_time)
{
	static const struct {
		const char *text;
		int64_t count, ms;
	} good[] = {
		{ "1/s", 1, SECOND_MS },
		{ "600/m", 600, MINUTE_MS },
		{ "5000/h", 5000, HOUR_MS },
		{ "1/d", 1, DAY_MS },
		{ "1000000/s", RATE_MAX, SECOND_MS },
	};
	for (size_t i = 0; i < LENGTH(good); i++) {
		int64_t count = 7, ms = 7;
		cr_expect(rate_parse(good[i].text, &count, &ms), "'%s'",
		    good[i].text);
		cr_expect_eq(count, good[i].count, "'%s'", good[i].text);
		cr_expect_eq(ms, good[i].ms, "'%s'", good[i].text);
	}
}

Test(units, anything_else_is_no_rate)
{
	static const char *const bad[] = { "", "/s", "0/s", "-1/s", "1", "1/",
		"1/x", "1/ms", "1 /s", "1.5/s", "1000001/s", "1/s ",
		"18446744073709551617/s", "off" };
	for (size_t i = 0; i < LENGTH(bad); i++) {
		int64_t count = 7, ms = 7;
		cr_expect_not(rate_parse(bad[i], &count, &ms), "'%s'", bad[i]);
		cr_expect(count == 7 && ms == 7, "'%s' was written", bad[i]);
	}
}

Test(units, times_are_those_of_rfc_3339)
{
	static const struct {
		const char *text;
		int64_t wall_ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-12-24T18:00:00Z", INT64_C(1798135200000) },
		{ "2026-12-24T19:00:00.5+01:00", INT64_C(1798135200500) },
		{ "2026-12-24T12:30:00-05:30", INT64_C(1798135200000) },
		{ "2000-02-29T00:00:00.0019Z", INT64_C(951782400001) },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
		{ "9999-12-31T23:59:59.999Z", INT64_C(253402300799999) },
	};
	for (size_t i = 0; i < LENGTH(good); i++) {
		int64_t got = 7;
		cr_expect(time_parse(good[i].text, &got), "'%s'", good[i].text);
		cr_expect_eq(
		    got, good[i].wall_ms, "'%s': %ld", good[i].text, (long)got);
	}
}

Test(units, anything_else_is_no_time)
{
	static const char *const bad[] = { "", "now", "2026-12-24",
		"2026-12-24T18:00:00", "2026-12-24T18:00Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-04-00T00:00:00Z",
		"2026-12-24T24:00:00Z", "2026-12-24T18:60:00Z",
		"2026-12-24T18:00:61Z", "2026-12-24T18:00:00+24:00",
		"2026-12-24T18:00:00+0100", "2026-12-24T18:00:00.Z",
		"2026-12-24T18:00:00Zx", "2026-12-24T18:00:00 Z",
		"1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
		"26-12-24T18:00:00Z", "2026-12-24 18:00:00Z",
		"2026-12-24T18:00:00z", "2026-12-31T23:59:61Z",
		"2026-12-24T18:00:00+1", "1798135200" };
	for (size_t i = 0; i < LENGTH(bad); i++) {
		int64_t got = 7;
		cr_expect_not(time_parse(bad[i], &got), "'%s'", bad[i]);
		cr_expect_eq(got, 7, "'%s' has changed the result", bad[i]);
	}
}

/* Every day of 400 years, against what the C library says. */
Test(units, the_calendar_is_that_of_the_library)
{
	for (int64_t day = 0; day < 146097 + 366; day += 7) {
		time_t at = (time_t)(day * (DAY_MS / 1000));
		struct tm parts;
		char text[64];
		int64_t got = 7;
		cr_assert_not_null(gmtime_r(&at, &parts));
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
		cr_assert(time_parse(text, &got), "'%s'", text);
		cr_assert_eq(got, day * DAY_MS, "'%s'", text);
	}
}
