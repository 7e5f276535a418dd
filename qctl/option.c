/* SPDX-License-Identifier: MIT */
#include "qctl/option.h"

#include "base/key_rule.h"
#include "base/limits.h"
#include "base/name.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row rows[OPTION_COUNT] = {
#define OPTION(                                                              \
    name, long_name, letter, argument, kind, min, max, choices, summary)     \
	[OPTION_##name] = { long_name, letter, argument, OPTION_KIND_##kind, \
		min, max, choices, summary },
#include "qctl/option.def"
#undef OPTION
};

_Static_assert(OPTION_COUNT <= 64, "the options of a verb are 64 bits");

const struct option_row *
option_row(enum option_id option)
{
	return &rows[option];
}

bool
number_read(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	/* strtoll takes blanks and signs before the digits; we do not. */
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
		return false;
	if (number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* Which of "a|b|c" it is, from 0; -1 for none. */
static int64_t
choice_of(const char *choices, const char *text)
{
	size_t count = strlen(text);
	int64_t place = 0;
	for (const char *at = choices;; at++, place++) {
		const char *end = strchrnul(at, '|');
		if ((size_t)(end - at) == count && memcmp(at, text, count) == 0)
			return place;
		if (*end == '\0')
			return -1;
		at = end;
	}
}

struct complaint {
	char *reason;
	size_t bytes;
};

static const char *__attribute__((format(printf, 2, 3)))
complain(const struct complaint *complaint, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(complaint->reason, complaint->bytes, format, arguments);
	va_end(arguments);
	return complaint->reason;
}

static const char *
complain_number(const struct complaint *complaint, const struct option_row *row,
    const char *text)
{
	if (row->max == INT64_MAX)
		return complain(complaint,
		    "--%s must be a number from %" PRId64 ", not '%s'",
		    row->name, row->min, text);
	return complain(complaint,
	    "--%s must be a number from %" PRId64 " to %" PRId64 ", not '%s'",
	    row->name, row->min, row->max, text);
}

/* ---- levels ---- */

static bool
read_level(enum option_kind kind, const char *text, int64_t *ret_level)
{
	*ret_level = NO_LEVEL;
	if (*text == '\0')
		return true;
	return kind == OPTION_KIND_LEVELS_MS
	    ? duration_parse(text, ret_level)
	    : number_read(text, 0, INT64_MAX, ret_level);
}

/* "WARN", "WARN,CRIT", ",CRIT" */
static bool
read_levels(enum option_kind kind, const char *text, struct levels *ret_levels)
{
	char warning[32];
	const char *comma = strchrnul(text, ',');
	const char *critical = *comma == ',' ? comma + 1 : "";
	if (comma - text >= (ptrdiff_t)sizeof(warning))
		return false;
	snprintf(warning, sizeof(warning), "%.*s", (int)(comma - text), text);
	return (*warning != '\0' || *critical != '\0') &&
	    read_level(kind, warning, &ret_levels->warning) &&
	    read_level(kind, critical, &ret_levels->critical);
}

static const char *
take_levels(const struct complaint *complaint, const struct option_row *row,
    const char *text, struct levels *ret_levels)
{
	if (!read_levels(row->kind, text, ret_levels))
		return complain(complaint,
		    "--%s takes a warning and a critical level, one or both "
		    "as in %s, not '%s'",
		    row->name,
		    row->kind == OPTION_KIND_LEVELS_MS ? "1m or 1m,10m or ,10m"
						       : "5 or 5,50 or ,50",
		    text);
	if (ret_levels->critical >= 0 &&
	    ret_levels->critical < ret_levels->warning)
		return complain(complaint,
		    "--%s: the critical level in '%s' is below the warning one",
		    row->name, text);
	return NULL;
}

const char *
option_read(enum option_id option, const char *text,
    struct option_value *ret_value, char *reason, size_t reason_bytes)
{
	const struct option_row *row = &rows[option];
	struct complaint complaint = { reason, reason_bytes };
	struct option_value value = { .text = text != NULL ? text : "" };
	switch (row->kind) {
	case OPTION_KIND_FLAG:
	case OPTION_KIND_TEXT:
		break;
	case OPTION_KIND_NUMBER:
		if (!number_read(text, row->min, row->max, &value.number))
			return complain_number(&complaint, row, text);
		break;
	case OPTION_KIND_NAME:
		if (!name_is_valid(span_of(text)))
			return complain(&complaint,
			    "--%s takes a name of 1 to %d of A-Z a-z 0-9 . _ "
			    "-, not '%s'",
			    row->name, NAME_BYTES_MAX, text);
		break;
	case OPTION_KIND_KEY:
		if (!key_is_valid(span_of(text)))
			return complain(&complaint,
			    "--%s takes a key of 1 to %d bytes, not of %zu",
			    row->name, KEY_BYTES_MAX, strlen(text));
		break;
	case OPTION_KIND_DURATION:
		if (!duration_parse(text, &value.number))
			return complain(&complaint,
			    "--%s takes a duration as in 500ms, 1.5s, 10m, "
			    "not '%s'",
			    row->name, text);
		break;
	case OPTION_KIND_TIME:
		if (!time_parse(text, &value.number))
			return complain(&complaint,
			    "--%s takes a time as in 2026-12-24T18:00:00Z or "
			    "2026-12-24T19:00:00+01:00, not '%s'",
			    row->name, text);
		break;
	case OPTION_KIND_LEVELS:
	case OPTION_KIND_LEVELS_MS:
		if (take_levels(&complaint, row, text, &value.levels) != NULL)
			return reason;
		break;
	case OPTION_KIND_CHOICE:
		value.number = choice_of(row->choices, text);
		if (value.number < 0)
			return complain(&complaint,
			    "--%s must be one of %s, not '%s'", row->name,
			    row->choices, text);
		break;
	}
	*ret_value = value;
	return NULL;
}
