/* SPDX-License-Identifier: MIT */
/*
 * Exponential backoff with a cap and jitter: the one rule behind retries of
 * jobs, restarts of children and reconnects of clients.
 *
 *     delay(n) = min(cap, base * 2^(n-1)), +-10 %
 *
 * The jitter keeps a thousand failures of one moment from coming back in one
 * moment. Source: "Exponential Backoff and Jitter", AWS Architecture Blog 2015;
 * the spread is small here because one queue spreads the load by itself.
 */
#ifndef GSQ_BASE_BACKOFF_H
#define GSQ_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t base_ms; /* delay after the first failure; 0 = no delay ever */
	int64_t cap_ms;	 /* never longer than this, jitter included */
};

/*
 * Delay after the n-th failure in a row, n from 1. The random number spreads
 * it; the same number gives the same delay.
 */
int64_t backoff_delay_ms(
    const struct backoff *backoff, uint64_t failures, uint64_t random);

#endif
