/* SPDX-License-Identifier: MIT */
/*
 * What is told of the supervisor and its children; docs/PROTOCOL.md says what
 * the fields mean.
 */
#ifndef GSQ_SUPERVISOR_REPORT_H
#define GSQ_SUPERVISOR_REPORT_H

#include "supervisor/child.h"
#include "supervisor/deaths.h"
#include "supervisor/options.h"
#include "supervisor/plan.h"
#include "wire/message.h"

#include <stdint.h>

/* What is looked at; all borrowed. */
struct view {
	const struct options *options;
	const struct plan *plan;
	struct child *children; /* by the plan's places */
	const struct deaths *deaths;
	int64_t started_ms;
};

/* The answer to "tree". */
void put_tree(struct message_writer *writer, const struct view *view);

/* The answer to "deaths": the last ones, of that child when id is not
 * empty, at most limit of them. */
void put_deaths(struct message_writer *writer, const struct view *view,
    struct span id, size_t limit);

#endif
