/* SPDX-License-Identifier: MIT */
/*
 * What workers do at this moment, in words.
 */
#ifndef GSQ_QCTL_WORKERS_H
#define GSQ_QCTL_WORKERS_H

#include "qctl/table.h"
#include "wire/message.h"

/* A cell: "job 812 for 250ms, 3 more", "idle". worker is a row of the answer
 * to "workers". */
void workers_add_work(struct table *table, const msgpack_object *worker);

#endif
