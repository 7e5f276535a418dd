/* SPDX-License-Identifier: MIT */
/*
 * Delays that somebody has listed: one behind each failure, the last one behind
 * all further ones.
 */
#ifndef GSQ_BASE_SCHEDULE_H
#define GSQ_BASE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_DELAYS_MAX 16

struct schedule {
	uint32_t count; /* 0: there is none */
	int64_t delays_ms[SCHEDULE_DELAYS_MAX];
};

/* "1s, 10s, 5m". False, and nothing written, for what is no list of 1 to
 * SCHEDULE_DELAYS_MAX durations. */
bool schedule_parse(const char *text, struct schedule *ret_schedule);

/* The delay after the n-th failure, n from 1, of a schedule that there is. */
int64_t schedule_delay_ms(const struct schedule *schedule, uint64_t failures);

#endif
