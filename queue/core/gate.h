/* SPDX-License-Identifier: MIT */
/*
 * What keeps a queue from giving out jobs that are ready, and from taking new
 * ones: somebody has paused it, or drains it; as many run as may at once; or so
 * many have begun that the next one has to wait.
 *
 * The rate is a bucket of tokens in its virtual scheduling form (the generic
 * cell rate algorithm of ITU-T I.371): one moment says how full it is.
 */
#ifndef GSQ_CORE_GATE_H
#define GSQ_CORE_GATE_H

#include "core/core.h"

/* Why no job of a lane may go to whoever asks. */
enum gate { GATE_OPEN, GATE_PAUSED, GATE_MAX_RUNNING, GATE_RATE };

void gate_init(struct heap *gates, const struct lanes *lanes);

enum gate gate_of(const struct core *core, const struct lane *lane);

/* When an open gate would let the next job through, for GATE_PAUSED and
 * GATE_RATE; INT64_MAX: when somebody opens it. */
int64_t gate_opens_at(const struct core *core, const struct lane *lane);

/* A job goes through. */
void gate_pass(struct core *core, struct lane *lane);

/* Jobs wait behind a gate that time opens: pause_act is due then. */
void gate_wait(struct core *core, struct lane *lane);

/* Says when pause_act has something to do for a lane; INT64_MAX for never. */
void gate_act_at(struct core *core, struct lane *lane, int64_t at_ms);

/* When pause_act is due; INT64_MAX for never. */
int64_t gate_wake_at(const struct core *core);

#endif
