/* SPDX-License-Identifier: MIT */
#include "qctl/patience.h"

#include "base/units.h"

/* Where gsq does not say how long, or says something that would be a loop. */
#define WAIT_MS	    (1 * SECOND_MS)
#define WAIT_MIN_MS INT64_C(50)
#define WAIT_MAX_MS MINUTE_MS

void
patience_begin(struct patience *patience, bool waits, int64_t limit_ms,
    size_t step, int64_t now_ms)
{
	*patience = (struct patience){ .waits = waits,
		.limit_ms = limit_ms,
		.step = step,
		.since_ms = now_ms };
}

void
patience_taken(struct patience *patience, size_t most, int64_t now_ms)
{
	patience->since_ms = now_ms;
	patience->step = 2 * patience->step < most ? 2 * patience->step : most;
}

/* Up to a quarter longer. */
static int64_t
wait_of(int64_t retry_after_ms, uint64_t dice)
{
	int64_t wait_ms = retry_after_ms > 0 ? retry_after_ms : WAIT_MS;
	if (wait_ms < WAIT_MIN_MS)
		wait_ms = WAIT_MIN_MS;
	if (wait_ms > WAIT_MAX_MS)
		wait_ms = WAIT_MAX_MS;
	return wait_ms + (int64_t)(dice % (uint64_t)(wait_ms / 4 + 1));
}

enum patience_next
patience_refused(struct patience *patience, enum refusal refusal, size_t count,
    int64_t retry_after_ms, int64_t now_ms, uint64_t dice, int64_t *ret_wait_ms)
{
	*ret_wait_ms = 0;
	if (refusal != REFUSAL_FULL && refusal != REFUSAL_TOO_BIG)
		return PATIENCE_REFUSED;
	if (count > 1) {
		patience->step = count / 2;
		return PATIENCE_AGAIN;
	}
	if (refusal == REFUSAL_TOO_BIG || !patience->waits)
		return PATIENCE_REFUSED;
	*ret_wait_ms = wait_of(retry_after_ms, dice);
	if (patience->limit_ms == PATIENCE_NO_END)
		return PATIENCE_AGAIN;
	int64_t left_ms = patience->since_ms + patience->limit_ms - now_ms;
	if (left_ms <= 0)
		return PATIENCE_OVER;
	/* A last try when the time is over. */
	if (*ret_wait_ms > left_ms)
		*ret_wait_ms = left_ms;
	return PATIENCE_AGAIN;
}
