/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include "base/check.h"

int64_t
backoff_delay_ms(
    const struct backoff *backoff, uint64_t failures, uint64_t random)
{
	CHECK(failures > 0);
	if (backoff->base_ms <= 0)
		return 0;
	int64_t delay_ms = backoff->base_ms;
	for (uint64_t n = 1; n < failures && delay_ms < backoff->cap_ms; n++)
		delay_ms *= 2;
	if (delay_ms > backoff->cap_ms)
		delay_ms = backoff->cap_ms;
	int64_t spread_ms = delay_ms / 10;
	if (spread_ms > 0) {
		uint64_t width = 2 * (uint64_t)spread_ms + 1;
		delay_ms += (int64_t)(random % width) - spread_ms;
	}
	return delay_ms < backoff->cap_ms ? delay_ms : backoff->cap_ms;
}
