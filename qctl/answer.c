/* SPDX-License-Identifier: MIT */
#include "qctl/answer.h"

struct span
answer_text(const msgpack_object *map, const char *key)
{
	struct span text;
	if (object_span(map_find(map, key), &text))
		return text;
	return SPAN_LITERAL("");
}

int64_t
answer_integer(const msgpack_object *map, const char *key)
{
	int64_t value = 0;
	object_integer(map_find(map, key), INT64_MIN, INT64_MAX, &value);
	return value;
}

bool
answer_boolean(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = map_find(map, key);
	return value != NULL && value->type == MSGPACK_OBJECT_BOOLEAN &&
	    value->via.boolean;
}

bool
answer_has(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = map_find(map, key);
	return value != NULL && value->type != MSGPACK_OBJECT_NIL;
}

struct elements
answer_elements(const msgpack_object *map, const char *key)
{
	const msgpack_object *array = map_find(map, key);
	if (array == NULL || array->type != MSGPACK_OBJECT_ARRAY)
		return (struct elements){ NULL, 0 };
	return (struct elements){ array->via.array.ptr, array->via.array.size };
}
