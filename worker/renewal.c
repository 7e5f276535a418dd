/* SPDX-License-Identifier: MIT */
#include "worker/renewal.h"

#include "base/random.h"

#include <stddef.h>

static int64_t
spread(int64_t limit, struct random *random)
{
	uint64_t width = (uint64_t)limit / 10 + 1;
	return limit + (int64_t)(random_next(random) % width);
}

void
renewal_init(struct renewal *renewal, const struct renewal_limits *limits,
    uint64_t random)
{
	struct random dice = { .state = random };
	*renewal = (struct renewal){
		.limits = { .max_jobs = spread(limits->max_jobs, &dice),
		    .max_rss = spread(limits->max_rss, &dice),
		    .max_age_ms = spread(limits->max_age_ms, &dice) },
	};
}

static bool
is_reached(int64_t limit, int64_t value)
{
	return limit > 0 && value >= limit;
}

const char *
renewal_due(struct renewal *renewal, int64_t rss, int64_t age_ms)
{
	const struct renewal_limits *limits = &renewal->limits;
	const char *why = NULL;
	if (renewal->told)
		return NULL;
	if (is_reached(limits->max_jobs, renewal->jobs))
		why = "max_jobs";
	else if (is_reached(limits->max_rss, rss))
		why = "max_rss";
	else if (is_reached(limits->max_age_ms, age_ms))
		why = "max_age";
	renewal->told = why != NULL;
	return why;
}
