/* SPDX-License-Identifier: MIT */
/*
 * Jobs that wait for their time.
 */
#ifndef GSQ_CORE_DUE_H
#define GSQ_CORE_DUE_H

#include "base/heap.h"
#include "core/job.h"

#include <stdint.h>

void due_init(struct heap *due, const struct jobs *jobs);

/* The job waits until that moment. */
void due_add(
    struct heap *due, const struct jobs *jobs, uint32_t handle, int64_t at_ms);

/* It does not wait any more. */
void due_remove(struct heap *due, const struct jobs *jobs, uint32_t handle);

/* When the first one is due; INT64_MAX when none waits. */
int64_t due_next_ms(const struct heap *due, const struct jobs *jobs);

/* Takes out the first one if its time has come; its handle, or 0. */
uint32_t due_take(struct heap *due, const struct jobs *jobs, int64_t now_ms);

#endif
