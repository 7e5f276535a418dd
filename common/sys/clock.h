/* SPDX-License-Identifier: MIT */
/*
 * The only file that reads a clock.
 */
#ifndef GSQ_SYS_CLOCK_H
#define GSQ_SYS_CLOCK_H

#include <stdint.h>

/* Milliseconds since some fixed moment before this process; never goes back,
 * whatever is done to the wall clock. For every wait and every age. */
int64_t clock_monotonic_ms(void);

/* The same in microseconds, for measuring. */
int64_t clock_monotonic_us(void);

/* Milliseconds since 1970 UTC. To be printed and recorded, never to wait by. */
int64_t clock_wall_ms(void);

/* What the wall clock showed when the monotonic one was 0, rounded down: as
 * they stand to each other now. */
int64_t clock_wall_at_0_ms(void);

/* A descriptor that is readable once the wall clock has been set, until
 * clock_watch_on is called; -1 where the system has no such thing. */
int clock_watch(void);
void clock_watch_on(int fd);

#endif
