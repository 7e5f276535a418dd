/* SPDX-License-Identifier: MIT */
/*
 * What a configuration that was read again says otherwise, and what follows
 * from it: who has to be started anew, and who not.
 */
#ifndef GSQ_SUPERVISOR_DIFFERENCE_H
#define GSQ_SUPERVISOR_DIFFERENCE_H

#include "base/buffer.h"
#include "supervisor/options.h"

#include <stdbool.h>

struct difference {
	struct buffer text; /* for people, a line each with its newline */
	unsigned lines;
	bool queue;		     /* its process has to be started anew */
	bool all;		     /* every worker has to be renewed */
	bool pools[PLAN_POOLS_MAX];  /* the workers of that pool have to be */
	bool scaled[PLAN_POOLS_MAX]; /* it has another number of workers */
};

/* Both with their pools in the same places. 0 or ENOMEM. */
int difference_find(struct difference *difference, const struct options *before,
    const struct options *after);
void difference_release(struct difference *difference);

#endif
