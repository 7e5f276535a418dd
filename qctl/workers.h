/* SPDX-License-Identifier: MIT */
/*
 * What workers do at this moment, in words.
 */
#ifndef GSQ_QCTL_WORKERS_H
#define GSQ_QCTL_WORKERS_H

#include "qctl/table.h"
#include "wire/message.h"

/* The row of that worker of the supervisor in the answer to "workers"; of
 * several one that has jobs. NULL: the queue does not know it. */
const msgpack_object *workers_find(
    const msgpack_object *workers, struct span id);

/* A cell: "job 812 for 250ms, 3 more", "idle". worker is a row of the answer
 * to "workers". */
void workers_add_work(struct table *table, const msgpack_object *worker);

#endif
