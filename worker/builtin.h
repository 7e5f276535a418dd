/* SPDX-License-Identifier: MIT */
/*
 * Handlers that are part of the worker: for the demonstration and for
 * measuring. They need no process.
 */
#ifndef GSQ_WORKER_BUILTIN_H
#define GSQ_WORKER_BUILTIN_H

#include "sys/log.h"

#include <stdbool.h>
#include <stdint.h>

struct builtin {
	const char *name;
	enum log_level level; /* of the line that tells what it processes */
	int64_t takes_ms;     /* 0: done within the same turn */
};

/* All of them, for people. */
#define BUILTIN_NAMES "builtin:demo and builtin:noop"

/* Is it the name of a built-in handler, known or not? */
bool builtin_is_meant(const char *command);

/* The one of that name, or NULL. */
const struct builtin *builtin_find(const char *command);

#endif
