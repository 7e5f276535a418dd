/* SPDX-License-Identifier: MIT */
/*
 * Is gsq well? Judges what supervisor and queue answered, in the words and
 * numbers of monitoring plugins (the guidelines of monitoring-plugins.org). It
 * asks nobody and prints nothing.
 */
#ifndef GSQ_QCTL_HEALTH_H
#define GSQ_QCTL_HEALTH_H

#include "base/buffer.h"
#include "qctl/option.h"
#include "wire/message.h"

#include <stdint.h>

/* As plugins exit. */
enum health_state {
	HEALTH_OK,
	HEALTH_WARNING,
	HEALTH_CRITICAL,
	HEALTH_UNKNOWN,
	HEALTH_STATE_COUNT
};

struct health_limits {
	struct levels ready;
	struct levels dead;
	struct levels oldest_ms;
};

/* Of all queues that were looked at. */
struct health_sums {
	int64_t queues;
	int64_t ready;
	int64_t blocked;
	int64_t delayed;
	int64_t running;
	int64_t dead;
	int64_t done;
	int64_t failed;
	int64_t workers;
	int64_t oldest_ms; /* the longest of all; 0: no job is ready */
};

/* All zero: nothing was looked at. */
struct health {
	struct buffer problems[HEALTH_STATE_COUNT]; /* "; " between them */
	struct health_sums sums;
	bool has_sums;
};

void health_release(struct health *health);

/* "OK", "WARNING". */
const char *health_state_name(enum health_state state);

/* The worst of all problems; one that is not known is less than any that is. */
enum health_state health_state(const struct health *health);

/* A problem, whatever stands in its words. */
void health_add(struct health *health, enum health_state state,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The answer to tree: is what should run alive, and let live? */
void health_judge_tree(struct health *health, const msgpack_object *tree);

/* The answer to stats. only: of that queue alone, or NULL. */
void health_judge_queues(struct health *health, const msgpack_object *stats,
    const struct health_limits *limits, const char *only);

/* "12 jobs are dead; w1 is held back", the worst first, or what there is where
 * all is well. */
void health_words(const struct health *health, struct buffer *buffer);

/* "OK - words | ready=3;100;1000;0 ...": one line without its end. */
void health_line(const struct health *health,
    const struct health_limits *limits, struct buffer *buffer);

#endif
