/* SPDX-License-Identifier: MIT */
/*
 * When a worker has done its share and a fresh one should take its place. Pure.
 * Each limit of each worker is up to a tenth higher than said, so that workers
 * that started together do not all reach it together.
 */
#ifndef GSQ_WORKER_RENEWAL_H
#define GSQ_WORKER_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

struct renewal_limits {
	int64_t max_jobs; /* ended; 0: any number */
	int64_t max_rss;  /* bytes; 0: any */
	int64_t max_age_ms;
};

struct renewal {
	struct renewal_limits limits; /* of this worker; 0: none */
	int64_t jobs;
	bool told; /* once is enough */
};

void renewal_init(struct renewal *renewal, const struct renewal_limits *limits,
    uint64_t random);

/* Why it is time: "max_jobs", "max_rss", "max_age"; NULL: it is not, or that
 * was answered before. */
const char *renewal_due(struct renewal *renewal, int64_t rss, int64_t age_ms);

#endif
