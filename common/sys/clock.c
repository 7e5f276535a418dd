/* SPDX-License-Identifier: MIT */
#include "sys/clock.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t
read_us(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_monotonic_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_wall_at_0_ms(void)
{
	int64_t us = read_us(CLOCK_REALTIME) - read_us(CLOCK_MONOTONIC);
	return us >= 0 ? us / 1000 : -((-us + 999) / 1000);
}

int
clock_watch(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd >= 0)
		clock_watch_on(fd);
	return fd;
}

/* A timer that is due in the year 2255: that the clock is set ends its wait. */
#define NEVER_S 9000000000

void
clock_watch_on(int fd)
{
	const struct itimerspec never = { .it_value.tv_sec = NEVER_S };
	uint64_t times;
	ssize_t got = read(fd, &times, sizeof(times));
	(void)got; /* ECANCELED is what it was about */
	timerfd_settime(
	    fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}
