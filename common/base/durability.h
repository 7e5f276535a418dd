/* SPDX-License-Identifier: MIT */
/*
 * What an acknowledged job survives; chosen for each queue, and said in the
 * reply to each enqueue.
 */
#ifndef GSQ_BASE_DURABILITY_H
#define GSQ_BASE_DURABILITY_H

#include "base/span.h"

#include <stdbool.h>

enum durability {
	DURABILITY_SYNC,    /* everything, the loss of power too: default */
	DURABILITY_RELAXED, /* the death of all processes; on the disk within
			     * 10 ms */
	DURABILITY_MEMORY,  /* the death of workers alone */
	DURABILITY_COUNT
};

/* "sync", "relaxed", "memory"; in the configuration and on the wire. */
const char *durability_name(enum durability durability);

/* The durability of that name; false, and nothing set, when there is none. */
bool durability_parse(struct span name, enum durability *ret_durability);

#endif
