/* SPDX-License-Identifier: MIT */
/*
 * Two jobs become one: what comes is merged into the job that waits for it, and
 * what waits is folded into the one that has to be tried again. The most urgent
 * priority and the earliest time count, hints add up, and the queue's rule says
 * which body is the one of both.
 */
#ifndef GSQ_CORE_MERGE_H
#define GSQ_CORE_MERGE_H

#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/* May so many events with bodies of so many bytes, line breaks included, be one
 * job of a lane? */
bool merge_fits(const struct lane *lane, uint64_t hints, uint64_t bytes);

/* Merges a FACT_ENQUEUE into a job that waits. False, refused, and nothing
 * changed, when that job takes no more. */
bool merge_enqueue(struct core *core, uint32_t job, const struct fact *fact);

/* The job's run has ended and it is to be tried again; it is in no list. What
 * is pending behind it is folded into it, unless both are too much for one. The
 * caller saves it. */
void merge_behind(struct core *core, uint32_t job);

/* The same of a dead job that is to run again: it is folded into the one that
 * waits, which is due at once. The caller saves it. False, refused, and nothing
 * changed, when that takes no more. */
bool merge_dead(struct core *core, uint32_t job, uint32_t dead);

#endif
