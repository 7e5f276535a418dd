/* SPDX-License-Identifier: MIT */
#include "core/gate.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/units.h"

static bool
opens_before(const void *context, uint32_t a, uint32_t b)
{
	return lane_at(context, a)->act_at_ms < lane_at(context, b)->act_at_ms;
}

static void
note_place(const void *context, uint32_t handle, uint32_t position)
{
	lane_at(context, handle)->gate_place = position;
}

void
gate_init(struct heap *gates, const struct lanes *lanes)
{
	heap_init(gates, opens_before, note_place, lanes);
}

/* ---- the rate ---- */

#define TICK_US INT64_C(1000)

/* Between two jobs, in microseconds. */
static int64_t
interval_us(const struct lane_policy *policy)
{
	return policy->rate_ms * 1000 / policy->rate_jobs;
}

/* The moment at which the bucket has a token. */
static int64_t
token_at_us(const struct lane *lane)
{
	const struct lane_policy *policy = &lane->policy;
	/* The burst may come at once, one token is for the job itself. */
	return lane->full_at_us -
	    (policy->rate_burst - 1) * interval_us(policy);
}

static int64_t
token_at_ms(const struct lane *lane)
{
	if (lane->policy.rate_jobs == 0 || lane->full_at_us == INT64_MIN)
		return INT64_MIN;
	int64_t at_us = token_at_us(lane);
	return at_us / 1000 + (at_us % 1000 > 0);
}

static void
take_token(const struct core *core, struct lane *lane)
{
	int64_t now_us = core->now_ms * 1000;
	if (lane->policy.rate_jobs == 0)
		return;
	/* A token that came since the last tick of our clock was waited for:
	 * its part of a millisecond is the next one's, or 900/s were 500/s. */
	if (lane->full_at_us <= now_us - TICK_US &&
	    (lane->full_at_us == INT64_MIN || !PLANTED(RATE_BURST_IGNORED)))
		lane->full_at_us = now_us;
	lane->full_at_us += interval_us(&lane->policy);
}

/* ---- the gate ---- */

enum gate
gate_of(const struct core *core, const struct lane *lane)
{
	uint32_t most = lane->policy.max_running;
	if (lane->gate.is_paused)
		return GATE_PAUSED;
	if (PLANTED(ONE_TOO_MANY_RUNNING) && most > 0)
		most++;
	if (most > 0 && lane->counts[JOB_RUNNING] >= most)
		return GATE_MAX_RUNNING;
	return token_at_ms(lane) > core->now_ms ? GATE_RATE : GATE_OPEN;
}

int64_t
gate_opens_at(const struct core *core, const struct lane *lane)
{
	switch (gate_of(core, lane)) {
	case GATE_OPEN:
		return core->now_ms;
	case GATE_PAUSED:
		return lane->gate.resume_at_ms;
	case GATE_RATE:
		return token_at_ms(lane);
	case GATE_MAX_RUNNING:
		return INT64_MAX;
	}
	UNREACHABLE();
}

void
gate_pass(struct core *core, struct lane *lane)
{
	take_token(core, lane);
}

void
gate_act_at(struct core *core, struct lane *lane, int64_t at_ms)
{
	if (lane->gate_place != 0)
		heap_remove(&core->gates, lane->gate_place);
	lane->gate_place = 0;
	lane->act_at_ms = at_ms;
	/* Without memory for its time a gate would stay closed. */
	CHECK(at_ms == INT64_MAX || heap_add(&core->gates, lane->handle));
}

void
gate_wait(struct core *core, struct lane *lane)
{
	int64_t at_ms = gate_opens_at(core, lane);
	if (at_ms != lane->act_at_ms)
		gate_act_at(core, lane, at_ms);
}

int64_t
gate_wake_at(const struct core *core)
{
	uint32_t first = heap_first(&core->gates);
	return first != 0 ? lane_at(&core->lanes, first)->act_at_ms : INT64_MAX;
}
