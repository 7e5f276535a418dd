/* SPDX-License-Identifier: MIT */
/*
 * Names of queues and workers: 1 to 64 of [A-Za-z0-9._-]. They appear in log
 * lines, file names, environment variables and terminals, so they contain
 * nothing that any of these would take for something else.
 */
#ifndef GSQ_BASE_NAME_H
#define GSQ_BASE_NAME_H

#include "base/limits.h"
#include "base/span.h"

#include <stdbool.h>

/* A name that is kept: terminated by NUL. */
struct name {
	char text[NAME_BYTES_MAX + 1];
};

/* Is this a valid name? */
bool name_is_valid(struct span text);

/* Copies a valid name; false, and an empty name, when it is not valid. */
bool name_set(struct name *name, struct span text);

#endif
