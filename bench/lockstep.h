/* SPDX-License-Identifier: MIT */
/*
 * Producers in lockstep: each sends one enqueue, waits for its answer, and
 * sends the next. All of them are one process, the same for every server, so
 * that what differs is the server.
 */
#ifndef GSQ_BENCH_LOCKSTEP_H
#define GSQ_BENCH_LOCKSTEP_H

#include "subject.h"

#define LOCKSTEP_PRODUCERS_MAX 64
#define LOCKSTEP_BODY_BYTES    100

/* Jobs a second, by so many producers with so many jobs in one request, for
 * that time. Gives up when not every answered job, and no other, is there. */
double lockstep_rate(const struct subject *subject, size_t producers,
    size_t batch, int64_t duration_us);

/* Enqueues so many jobs by one producer; the microseconds it took. */
double lockstep_fill(
    const struct subject *subject, uint64_t jobs, size_t batch);

#endif
