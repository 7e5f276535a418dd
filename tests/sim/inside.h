/* SPDX-License-Identifier: MIT */
/*
 * Looks into the core, around each of its steps, for what must have been seen
 * of keys. It judges nothing: that is the oracle's, which cannot look inside.
 */
#ifndef GSQ_TESTS_SIM_INSIDE_H
#define GSQ_TESTS_SIM_INSIDE_H

#include "core/core.h"

#include <stdint.h>

/* What is to be compared with what is there after the step. */
struct inside {
	uint64_t blocked;
	enum job_state pending; /* ENQUEUE: of the job it is merged into */
};

struct inside inside_before(const struct core *core, const struct fact *fact);
void inside_after(const struct core *core, const struct fact *fact,
    const struct inside *before);

#endif
