/* SPDX-License-Identifier: MIT */
/*
 * What was last answered by supervisor and queue, kept, and how fast the
 * counters of the queue rise. It asks nobody and reads no clock.
 */
#ifndef GSQ_QCTL_SNAPSHOT_H
#define GSQ_QCTL_SNAPSHOT_H

#include "wire/message.h"

#include <stdint.h>

/* An answer of our own. All zero: none. */
struct document {
	msgpack_zone *zone;
	msgpack_object *root; /* NULL: none */
};

/* All zero: nothing was answered yet. */
struct snapshot {
	struct document tree;
	struct document workers;
	struct document stats;
	struct document before; /* older stats of the same process, or none */
	struct document
	    between;	  /* will take that place when it is old enough */
	int64_t stats_ms; /* when they came */
	int64_t before_ms;
	int64_t between_ms;
};

/* Nobody knows how fast. */
#define RATE_UNKNOWN INT64_C(-1)

void snapshot_release(struct snapshot *snapshot);

/* Each copies the answer. now_ms: monotonic. */
void snapshot_take_tree(
    struct snapshot *snapshot, const msgpack_object *answer);
void snapshot_take_workers(
    struct snapshot *snapshot, const msgpack_object *answer);
void snapshot_take_stats(
    struct snapshot *snapshot, const msgpack_object *answer, int64_t now_ms);

/*
 * By how much a counter of stats rises in ten seconds, or RATE_UNKNOWN. at: the
 * place of a queue among those of stats, or RATE_OF_ALL.
 */
int64_t snapshot_rate(
    const struct snapshot *snapshot, uint32_t at, const char *counter);

#define RATE_OF_ALL UINT32_MAX

#endif
