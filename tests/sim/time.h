/* SPDX-License-Identifier: MIT */
/*
 * Virtual time: it passes only from one timer to the next.
 */
#ifndef GSQ_TESTS_SIM_TIME_H
#define GSQ_TESTS_SIM_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded in what it belongs to; zeroed with fire and context set. */
struct timer {
	void (*fire)(void *context);
	void *context;
	int64_t at_us;
	uint64_t order; /* timers of one moment fire in the order of setting */
	uint32_t place; /* in the heap; 0: not set */
};

void time_reset(void);
int64_t time_now_us(void);
int64_t time_wall_ms(void);

/* The wall clock jumps, to so far from where it was in the beginning; the
 * monotonic one does not. */
void time_jump(int64_t off_ms);

/* Somebody is busy for so long, and nothing else happens meanwhile. */
void time_pass(int64_t us);

/* Fires after that time; takes the place of what was set. */
void timer_set(struct timer *timer, int64_t delay_us);

/* The same unless it fires earlier already. */
void timer_hasten(struct timer *timer, int64_t delay_us);
void timer_cancel(struct timer *timer);

static inline bool
timer_is_set(const struct timer *timer)
{
	return timer->place != 0;
}

/* Goes on to the next timer and fires it. */
void time_step(void);

#endif
