/* SPDX-License-Identifier: MIT */
#include "base/units.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Digits of a fraction that count: as many as a day in milliseconds can be
 * multiplied with in 64 bits. The others are less than a microsecond. */
#define FRACTION_DIGITS_MAX 11

#define SIZE_BYTES_MAX (UINT64_C(1) << 53)

static const struct {
	const char *name;
	int64_t ms;
} durations[] = {
	{ "ms", 1 },
	{ "s", SECOND_MS },
	{ "m", MINUTE_MS },
	{ "h", HOUR_MS },
	{ "d", DAY_MS },
};

static const struct {
	const char *name;
	uint64_t bytes;
} sizes[] = {
	{ "", 1 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits as a number, at most max; NULL when there are none or it is more,
 * else where they end. */
static const char *
parse_whole(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *at = text;
	for (; is_digit(*at); at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > max)
			return NULL;
	}
	*ret_value = value;
	return at == text ? NULL : at;
}

/* ".25" as 25 of 100; nothing is 0 of 1. NULL when no digit follows. */
static const char *
parse_fraction(const char *text, uint64_t *ret_value, uint64_t *ret_scale)
{
	uint64_t value = 0;
	uint64_t scale = 1;
	const char *at = text;
	if (*at == '.') {
		at++;
		if (!is_digit(*at))
			return NULL;
	}
	for (int digits = 0; is_digit(*at); at++, digits++) {
		if (digits >= FRACTION_DIGITS_MAX)
			continue;
		value = value * 10 + (uint64_t)(*at - '0');
		scale *= 10;
	}
	*ret_value = value;
	*ret_scale = scale;
	return at;
}

/* 0 when there is no such unit. */
static uint64_t
duration_unit_ms(const char *name)
{
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
		if (strcmp(name, durations[i].name) == 0)
			return (uint64_t)durations[i].ms;
	return 0;
}

bool
duration_parse(const char *text, int64_t *ret_ms)
{
	uint64_t whole, fraction, scale;
	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return true;
	}
	const char *at = parse_whole(text, (uint64_t)DURATION_MS_MAX, &whole);
	if (at == NULL)
		return false;
	at = parse_fraction(at, &fraction, &scale);
	if (at == NULL)
		return false;
	uint64_t unit_ms = duration_unit_ms(at);
	if (unit_ms == 0 || whole > (uint64_t)DURATION_MS_MAX / unit_ms)
		return false;
	uint64_t ms =
	    whole * unit_ms + (fraction * unit_ms + scale / 2) / scale;
	if (ms > (uint64_t)DURATION_MS_MAX)
		return false;
	*ret_ms = (int64_t)ms;
	return true;
}

void
duration_print(int64_t duration_ms, char *text, size_t text_bytes)
{
	const char *sign = duration_ms < 0 ? "-" : "";
	/* What is longer is nobody's duration, and would not fit. */
	int64_t ms = duration_ms;
	if (ms > DURATION_MS_MAX || ms < -DURATION_MS_MAX)
		ms = DURATION_MS_MAX;
	if (ms < 0)
		ms = -ms;
	int tenths = (int)(ms % SECOND_MS / 100);
	int seconds = (int)(ms / SECOND_MS % 60);
	int minutes = (int)(ms / MINUTE_MS % 60);
	int hours = (int)(ms / HOUR_MS % 24);
	int days = (int)(ms / DAY_MS);
	if (ms < SECOND_MS)
		snprintf(text, text_bytes, "%s%dms", sign, (int)ms);
	else if (ms < MINUTE_MS && tenths == 0)
		snprintf(text, text_bytes, "%s%ds", sign, seconds);
	else if (ms < MINUTE_MS)
		snprintf(text, text_bytes, "%s%d.%ds", sign, seconds, tenths);
	else if (ms < HOUR_MS)
		snprintf(
		    text, text_bytes, "%s%dm%02ds", sign, minutes, seconds);
	else if (ms < DAY_MS)
		snprintf(text, text_bytes, "%s%dh%02dm", sign, hours, minutes);
	else
		snprintf(text, text_bytes, "%s%dd%02dh", sign, days, hours);
}

bool
size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole;
	const char *unit = parse_whole(text, SIZE_BYTES_MAX, &whole);
	if (unit == NULL)
		return false;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strcmp(unit, sizes[i].name) != 0)
			continue;
		if (whole > SIZE_BYTES_MAX / sizes[i].bytes)
			return false;
		*ret_bytes = whole * sizes[i].bytes;
		return true;
	}
	return false;
}

bool
rate_parse(const char *text, int64_t *ret_count, int64_t *ret_ms)
{
	static const struct {
		const char *word;
		int64_t ms;
	} units[] = { { "/s", SECOND_MS }, { "/m", MINUTE_MS },
		{ "/h", HOUR_MS }, { "/d", DAY_MS } };
	int64_t count = 0;
	while (*text >= '0' && *text <= '9' && count <= RATE_MAX)
		count = count * 10 + (*text++ - '0');
	if (count < 1 || count > RATE_MAX)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].word) != 0)
			continue;
		*ret_count = count;
		*ret_ms = units[i].ms;
		return true;
	}
	return false;
}

/* ---- times ---- */

/* Does the text begin like that, where 0 stands for any digit? */
static bool
has_form(const char *text, const char *form)
{
	for (; *form != '\0'; text++, form++)
		if (*form == '0' ? !is_digit(*text) : *text != *form)
			return false;
	return true;
}

/* ".5": of a second, rounded down. */
static bool
take_fraction(const char **at, int64_t *ret_ms)
{
	int64_t unit_ms = 100;
	*ret_ms = 0;
	if (**at != '.')
		return true;
	++*at;
	if (!is_digit(**at))
		return false;
	for (; is_digit(**at); ++*at, unit_ms /= 10)
		*ret_ms += (**at - '0') * unit_ms;
	return true;
}

/* The library takes more than there is in the calendar, and makes the first of
 * March of a 30th of February. */
static bool
take_day(const char *text, const char **ret_end, int64_t *ret_ms)
{
	struct tm parts = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	if (end == NULL || parts.tm_sec > 60)
		return false;
	struct tm day = { .tm_year = parts.tm_year,
		.tm_mon = parts.tm_mon,
		.tm_mday = parts.tm_mday };
	timegm(&day);
	if (day.tm_mday != parts.tm_mday)
		return false;
	*ret_ms = (int64_t)timegm(&parts) * SECOND_MS;
	*ret_end = end;
	return true;
}

/* "Z", "+01:00" */
static bool
take_zone(const char *text, int64_t *ret_ms)
{
	struct tm parts = { 0 };
	*ret_ms = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	const char *end = strptime(text, "%z", &parts);
	if (end == NULL || *end != '\0' || !has_form(text + 1, "00:00") ||
	    strncmp(text + 1, "24", 2) >= 0)
		return false;
	*ret_ms = parts.tm_gmtoff * SECOND_MS;
	return true;
}

bool
time_parse(const char *text, int64_t *ret_wall_ms)
{
	int64_t ms, fraction_ms, zone_ms;
	const char *at;
	if (!has_form(text, "0000-00-00T00:00:00") ||
	    !take_day(text, &at, &ms) || !take_fraction(&at, &fraction_ms) ||
	    !take_zone(at, &zone_ms) || ms + fraction_ms < zone_ms)
		return false;
	*ret_wall_ms = ms + fraction_ms - zone_ms;
	return true;
}
