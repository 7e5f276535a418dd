/* SPDX-License-Identifier: MIT */
/*
 * Looking into answers, which may lack anything: what is not there, or is not
 * what it should be, is empty, 0 or false.
 */
#ifndef GSQ_QCTL_ANSWER_H
#define GSQ_QCTL_ANSWER_H

#include "base/span.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Borrowed from the answer. */
struct span answer_text(const msgpack_object *map, const char *key);
int64_t answer_integer(const msgpack_object *map, const char *key);
bool answer_boolean(const msgpack_object *map, const char *key);
bool answer_has(const msgpack_object *map, const char *key);

/* The elements of an array, borrowed. */
struct elements {
	const msgpack_object *items;
	uint32_t count;
};

struct elements answer_elements(const msgpack_object *map, const char *key);

/* A span as the two arguments of "%.*s"; what is longer than the longest line
 * is cut. */
#define SPAN_ARGUMENTS(span)                              \
	(int)((span).count < 1024 ? (span).count : 1024), \
	    (span).bytes != NULL ? (span).bytes : ""

#endif
