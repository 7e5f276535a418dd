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

#endif
