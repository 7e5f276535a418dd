/* SPDX-License-Identifier: MIT */
/*
 * The methods of the protocol, from the table method.def: an enum, a struct of
 * params for each, and one decoder for all.
 */
#ifndef GSQ_WIRE_METHOD_H
#define GSQ_WIRE_METHOD_H

#include "base/limits.h"
#include "base/refusal.h"
#include "base/span.h"
#include "base/units.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Who answers a method; see method.def. */
enum method_server {
	METHOD_SERVER_QUEUE,
	METHOD_SERVER_WORKER,
	METHOD_SERVER_SUPERVISOR,
	METHOD_SERVER_CHANNEL
};

#define FIELD_NAME(name, need)
#define FIELD_BYTES(name, need)
#define FIELD_TEXT(name, max, need)
#define FIELD_INTEGER(name, min, max, initial)
#define FIELD_BOOLEAN(name, initial)
#define FIELD_OBJECT(name, need)
#define METHOD(name, server, meaning) METHOD_##name,
#define END(name)

enum method {
#include "wire/method.def"
	METHOD_COUNT,
	METHOD_NONE = METHOD_COUNT
};

#undef METHOD
#undef END
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT

/* struct params_enqueue { struct span queue; ... int64_t priority; }; spans and
 * objects are borrowed from the message. */
/* clang-format off */
#define METHOD(name, server, meaning) struct params_##name { char none;
#define FIELD_NAME(name, need) struct span name;
#define FIELD_BYTES(name, need) struct span name;
#define FIELD_TEXT(name, max, need) struct span name;
#define FIELD_INTEGER(name, min, max, initial) int64_t name;
#define FIELD_BOOLEAN(name, initial) bool name;
#define FIELD_OBJECT(name, need) const msgpack_object *name;
#define END(name) };
#include "wire/method.def"
/* clang-format on */
#undef METHOD
#undef END
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT

/* The method of that name, or METHOD_NONE. */
enum method method_of_name(struct span name);

const char *method_name(enum method method);
enum method_server method_server(enum method method);

/* The text for people that says what the method does. */
const char *method_meaning(enum method method);

/*
 * Reads a method's params (a map, or NULL = none) into its struct params_*. A
 * key whose value is nil is missing. REFUSAL_NONE when good; else BAD_ARGUMENT,
 * BAD_NAME or TOO_BIG with the words in reason[reason_bytes], and *params
 * undefined. Odd params (see struct message) are the caller's to refuse.
 */
enum refusal method_decode(enum method method, const msgpack_object *map,
    void *params, char *reason, size_t reason_bytes);

#endif
