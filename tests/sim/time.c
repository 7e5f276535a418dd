/* SPDX-License-Identifier: MIT */
#include "tests/sim/time.h"

#include "base/check.h"

#include <stddef.h>

#define TIMERS_MAX 4096u

/* 2026-01-01: any will do, but it is not the monotonic one's zero. */
#define WALL_START_MS INT64_C(1767225600000)

static struct {
	int64_t now_us;
	int64_t wall_offset_ms;
	uint64_t order;
	uint32_t count;
	struct timer *heap[TIMERS_MAX + 1];
} clock;

void
time_reset(void)
{
	clock.now_us = 1000000;
	clock.wall_offset_ms = WALL_START_MS;
	clock.order = 0;
	clock.count = 0;
}

int64_t
time_now_us(void)
{
	return clock.now_us;
}

int64_t
time_wall_ms(void)
{
	return clock.now_us / 1000 + clock.wall_offset_ms;
}

void
time_jump(int64_t off_ms)
{
	clock.wall_offset_ms = WALL_START_MS + off_ms;
}

void
time_pass(int64_t us)
{
	clock.now_us += us;
}

/* ---- the heap ---- */

static bool
before(const struct timer *a, const struct timer *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void
put(uint32_t place, struct timer *timer)
{
	clock.heap[place] = timer;
	timer->place = place;
}

static void
rise(uint32_t place, struct timer *timer)
{
	for (; place > 1 && before(timer, clock.heap[place / 2]); place /= 2)
		put(place, clock.heap[place / 2]);
	put(place, timer);
}

static void
sink(uint32_t place, struct timer *timer)
{
	for (;;) {
		uint32_t child = 2 * place;
		if (child > clock.count)
			break;
		if (child < clock.count &&
		    before(clock.heap[child + 1], clock.heap[child]))
			child++;
		if (!before(clock.heap[child], timer))
			break;
		put(place, clock.heap[child]);
		place = child;
	}
	put(place, timer);
}

void
timer_cancel(struct timer *timer)
{
	uint32_t place = timer->place;
	if (place == 0)
		return;
	timer->place = 0;
	struct timer *last = clock.heap[clock.count--];
	if (last == timer)
		return;
	rise(place, last);
	sink(last->place, last);
}

void
timer_set(struct timer *timer, int64_t delay_us)
{
	timer_cancel(timer);
	CHECK(clock.count < TIMERS_MAX);
	timer->at_us = clock.now_us + delay_us;
	timer->order = clock.order++;
	rise(++clock.count, timer);
}

void
timer_hasten(struct timer *timer, int64_t delay_us)
{
	if (!timer_is_set(timer) || timer->at_us > clock.now_us + delay_us)
		timer_set(timer, delay_us);
}

void
time_step(void)
{
	CHECK(clock.count > 0);
	struct timer *timer = clock.heap[1];
	timer_cancel(timer);
	if (timer->at_us > clock.now_us)
		clock.now_us = timer->at_us;
	timer->fire(timer->context);
}
