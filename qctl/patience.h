/* SPDX-License-Identifier: MIT */
/*
 * How bodies are sent to a queue that may be full, until it has taken them:
 * fewer at a time where so many do not fit, and later where none does. It does
 * no I/O.
 */
#ifndef GSQ_QCTL_PATIENCE_H
#define GSQ_QCTL_PATIENCE_H

#include "base/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATIENCE_NO_END INT64_MAX

struct patience {
	bool waits;	  /* for room; else fewer at a time is all it tries */
	int64_t limit_ms; /* so long without anything taken; or NO_END */
	size_t step;	  /* bodies to be sent at once */
	int64_t since_ms; /* when something was taken last */
};

void patience_begin(struct patience *patience, bool waits, int64_t limit_ms,
    size_t step, int64_t now_ms);

/* So many were taken, and what step was wanted at first may be tried again. */
void patience_taken(struct patience *patience, size_t most, int64_t now_ms);

enum patience_next {
	PATIENCE_AGAIN, /* *ret_wait_ms from now, not more than step of them */
	PATIENCE_REFUSED, /* again does not help */
	PATIENCE_OVER	  /* the limit is over */
};

/* So many at once were refused. retry_after_ms as gsq said it, or 0; dice: any
 * number, by which those who wait do not all come at once. */
enum patience_next patience_refused(struct patience *patience,
    enum refusal refusal, size_t count, int64_t retry_after_ms, int64_t now_ms,
    uint64_t dice, int64_t *ret_wait_ms);

#endif
