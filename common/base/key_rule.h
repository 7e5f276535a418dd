/* SPDX-License-Identifier: MIT */
/*
 * What a key means for the jobs that have it; chosen for each queue, and by a
 * job for itself.
 */
#ifndef GSQ_BASE_KEY_RULE_H
#define GSQ_BASE_KEY_RULE_H

#include "base/span.h"

#include <stdbool.h>

enum key_mode {
	KEY_PARALLEL, /* it is a label, and no more */
	KEY_SERIAL,   /* one of its jobs runs at a time, in their order:
		       * default */
	KEY_COALESCE, /* so, and at most one waits: the others are merged into
		       * it */
	KEY_MODE_COUNT
};

/* Which body a job has that others were merged into. */
enum key_merge {
	MERGE_LAST,   /* the one of the last: default */
	MERGE_FIRST,  /* its own */
	MERGE_APPEND, /* all of them, a line break between them */
	KEY_MERGE_COUNT
};

/* "parallel", "serial", "coalesce"; "last", "first", "append": in the
 * configuration and on the wire. */
const char *key_mode_name(enum key_mode mode);
const char *key_merge_name(enum key_merge merge);

/* What has that name; false, and nothing set, when there is none. */
bool key_mode_parse(struct span name, enum key_mode *ret_mode);
bool key_merge_parse(struct span name, enum key_merge *ret_merge);

/* May these bytes be a key? 1..KEY_BYTES_MAX of them, none of them zero. */
bool key_is_valid(struct span key);

#endif
