/* SPDX-License-Identifier: MIT */
#include "wire/method.h"

#include "base/check.h"
#include "base/name.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum field_type {
	FIELD_TYPE_NAME,
	FIELD_TYPE_BYTES,
	FIELD_TYPE_TEXT,
	FIELD_TYPE_INTEGER,
	FIELD_TYPE_BOOLEAN,
	FIELD_TYPE_OBJECT
};

/*
 * One field of one method. REQUIRED stands in the table where the default of
 * an optional field would: it is no value a field could have.
 */
struct field {
	struct span key; /* no bytes: the end of the list */
	enum field_type type;
	size_t offset; /* in the method's struct params_* */
	int64_t min;
	int64_t max;	 /* of an integer, or bytes of a text */
	int64_t initial; /* when it is missing */
};

#define REQUIRED INT64_MIN
#define OPTIONAL 0

/* A function for each method, because in it, and nowhere else, the fields can
 * say "params" and mean the struct of their own method. */
/* clang-format off */
#define FIELD(name, type, min, max, initial) \
	{ SPAN_LITERAL(#name), type, offsetof(params, name), min, max, initial },
#define METHOD(name, server, meaning) \
	static const struct field * \
	fields_##name(void) \
	{ \
		typedef struct params_##name params; \
		static const struct field fields[] = {
#define FIELD_NAME(name, need) \
	FIELD(name, FIELD_TYPE_NAME, 0, NAME_BYTES_MAX, need)
#define FIELD_BYTES(name, need) \
	FIELD(name, FIELD_TYPE_BYTES, 0, BODY_BYTES_MAX, need)
#define FIELD_TEXT(name, max, need) \
	FIELD(name, FIELD_TYPE_TEXT, 0, max, need)
#define FIELD_INTEGER(name, min, max, initial) \
	FIELD(name, FIELD_TYPE_INTEGER, min, max, initial)
#define FIELD_BOOLEAN(name, initial) \
	FIELD(name, FIELD_TYPE_BOOLEAN, 0, 1, initial)
#define FIELD_OBJECT(name, need) \
	FIELD(name, FIELD_TYPE_OBJECT, 0, 0, need)
#define END(name) \
			{ .offset = sizeof(params) } \
		}; \
		return fields; \
	}
#include "wire/method.def"
/* clang-format on */
#undef FIELD
#undef METHOD
#undef END
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT

#define METHOD(name, server, meaning)                                    \
	[METHOD_##name] = { SPAN_LITERAL(#name), METHOD_SERVER_##server, \
		meaning, fields_##name },
#define END(name)
#define FIELD_NAME(name, need)
#define FIELD_BYTES(name, need)
#define FIELD_TEXT(name, max, need)
#define FIELD_INTEGER(name, min, max, initial)
#define FIELD_BOOLEAN(name, initial)
#define FIELD_OBJECT(name, need)

static const struct {
	struct span name;
	enum method_server server;
	const char *meaning;
	const struct field *(*fields)(void);
} methods[METHOD_COUNT] = {
#include "wire/method.def"
};

enum method
method_of_name(struct span name)
{
	for (int i = 0; i < METHOD_COUNT; i++) {
		struct span known = methods[i].name;
		if (known.count == name.count &&
		    known.bytes[0] == name.bytes[0] &&
		    memcmp(known.bytes, name.bytes, name.count) == 0)
			return (enum method)i;
	}
	return METHOD_NONE;
}

const char *
method_name(enum method method)
{
	CHECK((unsigned)method < METHOD_COUNT);
	return methods[method].name.bytes;
}

enum method_server
method_server(enum method method)
{
	CHECK((unsigned)method < METHOD_COUNT);
	return methods[method].server;
}

const char *
method_meaning(enum method method)
{
	CHECK((unsigned)method < METHOD_COUNT);
	return methods[method].meaning;
}

/* ---- the decoder ---- */

/* The words for people, and where they go. */
struct complaint {
	char *text;
	size_t bytes;
};

static enum refusal
complain(const struct complaint *complaint, const struct field *field,
    enum refusal refusal, const char *words)
{
	snprintf(complaint->text, complaint->bytes, "\"%s\" %s",
	    field->key.bytes, words);
	return refusal;
}

static enum refusal
complain_integer(const struct complaint *complaint, const struct field *field)
{
	char words[80];
	if (field->max == INT64_MAX)
		snprintf(words, sizeof(words),
		    "must be an integer of at least %" PRId64, field->min);
	else
		snprintf(words, sizeof(words),
		    "must be an integer from %" PRId64 " to %" PRId64,
		    field->min, field->max);
	return complain(complaint, field, REFUSAL_BAD_ARGUMENT, words);
}

static enum refusal
complain_size(
    const struct complaint *complaint, const struct field *field, size_t bytes)
{
	char words[80];
	snprintf(words, sizeof(words),
	    "has %zu bytes, at most %" PRId64 " are allowed", bytes,
	    field->max);
	return complain(complaint, field, REFUSAL_TOO_BIG, words);
}

/* NAME, BYTES and TEXT. */
static enum refusal
read_span(const struct complaint *complaint, const struct field *field,
    const msgpack_object *object, struct span *ret_span)
{
	struct span span;
	if (!object_span(object, &span))
		return complain(complaint, field, REFUSAL_BAD_ARGUMENT,
		    field->type == FIELD_TYPE_BYTES ? "must be bin or str"
						    : "must be a string");
	if (field->type == FIELD_TYPE_NAME && !name_is_valid(span))
		return complain(complaint, field, REFUSAL_BAD_NAME,
		    "must be 1 to 64 of A-Z a-z 0-9 . _ -");
	if (span.count > (uint64_t)field->max)
		return complain_size(complaint, field, span.count);
	*ret_span = span;
	return REFUSAL_NONE;
}

static enum refusal
read_field(const struct complaint *complaint, const struct field *field,
    const msgpack_object *object, void *target)
{
	switch (field->type) {
	case FIELD_TYPE_NAME:
	case FIELD_TYPE_BYTES:
	case FIELD_TYPE_TEXT:
		return read_span(complaint, field, object, target);
	case FIELD_TYPE_INTEGER:
		if (!object_integer(object, field->min, field->max, target))
			return complain_integer(complaint, field);
		return REFUSAL_NONE;
	case FIELD_TYPE_BOOLEAN:
		if (object->type != MSGPACK_OBJECT_BOOLEAN)
			return complain(complaint, field, REFUSAL_BAD_ARGUMENT,
			    "must be true or false");
		*(bool *)target = object->via.boolean;
		return REFUSAL_NONE;
	case FIELD_TYPE_OBJECT:
		*(const msgpack_object **)target = object;
		return REFUSAL_NONE;
	}
	UNREACHABLE();
}

static void
set_initial(const struct field *field, void *target)
{
	switch (field->type) {
	case FIELD_TYPE_NAME:
	case FIELD_TYPE_BYTES:
	case FIELD_TYPE_TEXT:
		*(struct span *)target = (struct span){ 0 };
		break;
	case FIELD_TYPE_INTEGER:
		*(int64_t *)target = field->initial;
		break;
	case FIELD_TYPE_BOOLEAN:
		*(bool *)target = field->initial != 0;
		break;
	case FIELD_TYPE_OBJECT:
		*(const msgpack_object **)target = NULL;
		break;
	}
}

/* The number of the field with that key, or that of the end of the list. */
static unsigned
find_field(const struct field *fields, const msgpack_object *object)
{
	struct span key;
	bool is_text = object_span(object, &key);
	unsigned i;
	for (i = 0; fields[i].key.bytes != NULL; i++)
		if (is_text && span_is(fields[i].key, key))
			break;
	return i;
}

/* Reads one pair of the map. Unknown keys and nil are as good as missing. */
static enum refusal
read_pair(const struct complaint *complaint, const struct field *fields,
    const msgpack_object_kv *pair, void *params, uint32_t *seen)
{
	unsigned number = find_field(fields, &pair->key);
	const struct field *field = &fields[number];
	if (field->key.bytes == NULL)
		return REFUSAL_NONE;
	CHECK(number < 32);
	if (*seen & UINT32_C(1) << number)
		return complain(
		    complaint, field, REFUSAL_BAD_ARGUMENT, "stands twice");
	*seen |= UINT32_C(1) << number;
	if (pair->val.type == MSGPACK_OBJECT_NIL)
		return field->initial != REQUIRED
		    ? REFUSAL_NONE
		    : complain(
			  complaint, field, REFUSAL_BAD_ARGUMENT, "is missing");
	return read_field(
	    complaint, field, &pair->val, (char *)params + field->offset);
}

static enum refusal
check_required(const struct complaint *complaint, const struct field *fields,
    uint32_t seen)
{
	for (unsigned i = 0; fields[i].key.bytes != NULL; i++)
		if (fields[i].initial == REQUIRED && !(seen & UINT32_C(1) << i))
			return complain(complaint, &fields[i],
			    REFUSAL_BAD_ARGUMENT, "is missing");
	return REFUSAL_NONE;
}

enum refusal
method_decode(enum method method, const msgpack_object *map, void *params,
    char *reason, size_t reason_bytes)
{
	CHECK((unsigned)method < METHOD_COUNT);
	const struct complaint complaint = { reason, reason_bytes };
	const struct field *fields = methods[method].fields();
	uint32_t seen = 0; /* a bit for each field */
	if (map != NULL && map->type != MSGPACK_OBJECT_MAP) {
		snprintf(reason, reason_bytes, "params must be [] or [{...}]");
		return REFUSAL_BAD_ARGUMENT;
	}
	for (unsigned i = 0; fields[i].key.bytes != NULL; i++)
		set_initial(&fields[i], (char *)params + fields[i].offset);
	for (uint32_t i = 0; map != NULL && i < map->via.map.size; i++) {
		enum refusal refusal = read_pair(
		    &complaint, fields, &map->via.map.ptr[i], params, &seen);
		if (refusal != REFUSAL_NONE)
			return refusal;
	}
	return check_required(&complaint, fields, seen);
}
