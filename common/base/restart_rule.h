/* SPDX-License-Identifier: MIT */
/*
 * Who is started again when a child has ended; chosen in the configuration.
 */
#ifndef GSQ_BASE_RESTART_RULE_H
#define GSQ_BASE_RESTART_RULE_H

#include "base/span.h"

#include <stdbool.h>

/* Who is restarted after an unplanned death. The order is the queue, then the
 * workers. */
enum restart_strategy {
	ONE_FOR_ONE,  /* the dead one: default */
	REST_FOR_ONE, /* the dead one and all behind it */
	ONE_FOR_ALL,
	RESTART_STRATEGY_COUNT
};

/* Which ends of a worker are followed by a start. */
enum restart_kind {
	RESTART_PERMANENT, /* all: default */
	RESTART_TRANSIENT, /* all but an exit with 0 */
	RESTART_TEMPORARY, /* none */
	RESTART_KIND_COUNT
};

/* "one_for_one", "rest_for_one", "one_for_all"; "permanent", "transient",
 * "temporary". */
const char *restart_strategy_name(enum restart_strategy strategy);
const char *restart_kind_name(enum restart_kind kind);

/* What has that name; false, and nothing set, when there is none. */
bool restart_strategy_parse(
    struct span name, enum restart_strategy *ret_strategy);
bool restart_kind_parse(struct span name, enum restart_kind *ret_kind);

#endif
