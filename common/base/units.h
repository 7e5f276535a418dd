/* SPDX-License-Identifier: MIT */
/*
 * Times and sizes as people write them: "1.5s", "100ms", "5m", "64KiB".
 * A bare number is refused, because nobody can tell what it means; only 0
 * needs no unit.
 */
#ifndef GSQ_BASE_UNITS_H
#define GSQ_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS	  (60 * MINUTE_MS)
#define DAY_MS	  (24 * HOUR_MS)

/* Of a rate: so many of whatever in its unit of time. */
#define RATE_MAX INT64_C(1000000)

/* Longer than anybody means, short enough that sums of two never overflow. */
#define DURATION_MS_MAX (100 * 366 * DAY_MS)

/*
 * Parses "250ms", "1.5s", "10m", "2h", "30d" or "0" into milliseconds, 0 to
 * DURATION_MS_MAX; fractions are rounded to the nearest millisecond. False,
 * and *ret_ms untouched, for anything else.
 */
bool duration_parse(const char *text, int64_t *ret_ms);

/*
 * Writes a duration for people: "0ms", "250ms", "1.5s", "2m05s", "3h04m",
 * "12d07h". Always terminated; 16 bytes are enough for any value.
 */
void duration_print(int64_t duration_ms, char *text, size_t text_bytes);

/*
 * Parses a time as RFC 3339 writes it, "2026-12-24T18:00:00Z",
 * "2026-12-24T19:00:00.5+01:00", into milliseconds since 1970 UTC, from there
 * to the year 9999. A leap second is the one behind it. False, and *ret_wall_ms
 * untouched, for anything else, and for days that no calendar has.
 */
bool time_parse(const char *text, int64_t *ret_wall_ms);

/*
 * Parses a rate, "10/s", "600/m", "5000/h" or "1/d": so many, 1 to 1000000, in
 * *ret_ms. False, and nothing written, when it is none.
 */
bool rate_parse(const char *text, int64_t *ret_count, int64_t *ret_ms);

/*
 * Parses "512", "64KiB", "4MiB", "1GiB" into bytes. A bare number is bytes.
 * False, and *ret_bytes untouched, when it is none or above 2^53.
 */
bool size_parse(const char *text, uint64_t *ret_bytes);

#endif
