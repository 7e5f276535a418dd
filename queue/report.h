/* SPDX-License-Identifier: MIT */
/*
 * What the log says of the core: what happened to jobs and workers, and the
 * state of the queues that it happened in.
 */
#ifndef GSQ_QUEUE_REPORT_H
#define GSQ_QUEUE_REPORT_H

#include "core/core.h"

/* Something happened (WISH_TELL). */
void report_event(const struct core *core, const struct wish *wish);

/* Jobs were enqueued by one request: the first of count ids. */
void report_enqueue(struct span queue, uint64_t first_id, uint64_t count);

/* A worker asked for n more and has that much pending now. */
void report_demand(const struct core *core, uint32_t subscriber,
    struct span queue, uint32_t n, uint64_t pending);

/* The end of a turn: the state of the queues that the turn touched. */
void report_turn(const struct core *core);

#endif
