/* SPDX-License-Identifier: MIT */
#include "base/schedule.h"

#include "base/check.h"
#include "base/units.h"

#include <string.h>

/* One delay from there to its end, without the blanks around it. */
static bool
parse_delay(const char *at, const char *end, int64_t *ret_ms)
{
	char text[32];
	while (at < end && *at == ' ')
		at++;
	while (end > at && end[-1] == ' ')
		end--;
	size_t count = (size_t)(end - at);
	if (count >= sizeof(text))
		return false;
	memcpy(text, at, count);
	text[count] = '\0';
	return duration_parse(text, ret_ms);
}

bool
schedule_parse(const char *text, struct schedule *ret_schedule)
{
	struct schedule schedule = { 0 };
	for (const char *at = text;; at++) {
		const char *end = strchrnul(at, ',');
		if (schedule.count == SCHEDULE_DELAYS_MAX ||
		    !parse_delay(at, end, &schedule.delays_ms[schedule.count]))
			return false;
		schedule.count++;
		at = end;
		if (*end == '\0')
			break;
	}
	*ret_schedule = schedule;
	return true;
}

int64_t
schedule_delay_ms(const struct schedule *schedule, uint64_t failures)
{
	CHECK(schedule->count > 0 && failures > 0);
	if (failures > schedule->count)
		failures = schedule->count;
	return schedule->delays_ms[failures - 1];
}
