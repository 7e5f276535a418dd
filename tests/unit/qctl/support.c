/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void
pack_text(msgpack_packer *packer, const char *text, size_t count)
{
	msgpack_pack_str(packer, count);
	msgpack_pack_str_body(packer, text, count);
}

static void
pack(msgpack_packer *packer, json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		msgpack_pack_map(packer, json_object_size(value));
		json_object_foreach(value, key, item)
		{
			pack_text(packer, key, strlen(key));
			pack(packer, item);
		}
		break;
	case JSON_ARRAY:
		msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach(value, i, item) pack(packer, item);
		break;
	case JSON_STRING:
		pack_text(packer, json_string_value(value),
		    json_string_length(value));
		break;
	case JSON_INTEGER:
		msgpack_pack_int64(packer, json_integer_value(value));
		break;
	case JSON_REAL:
		msgpack_pack_double(packer, json_real_value(value));
		break;
	case JSON_TRUE:
		msgpack_pack_true(packer);
		break;
	case JSON_FALSE:
		msgpack_pack_false(packer);
		break;
	case JSON_NULL:
		msgpack_pack_nil(packer);
		break;
	}
}

/* What is handed out is held until the process of the test ends. */
static msgpack_unpacked answers[64];
static size_t answer_count;

static void
give_back(void)
{
	while (answer_count > 0)
		msgpack_unpacked_destroy(&answers[--answer_count]);
}

const msgpack_object *
answer_like(const char *json)
{
	json_error_t error;
	char *text = strdup(json);
	cr_assert_not_null(text);
	for (char *at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
	cr_assert_not_null(value, "%s: %s", error.text, text);
	free(text);
	msgpack_sbuffer packed;
	msgpack_packer packer;
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	pack(&packer, value);
	json_decref(value);
	cr_assert_lt(answer_count, sizeof(answers) / sizeof(answers[0]));
	if (answer_count == 0)
		atexit(give_back);
	msgpack_unpacked *answer = &answers[answer_count++];
	msgpack_unpacked_init(answer);
	/* The texts point into the bytes: these live as long. */
	char *bytes = msgpack_zone_malloc(
	    answer->zone = msgpack_zone_new(8192), packed.size);
	cr_assert_not_null(bytes);
	memcpy(bytes, packed.data, packed.size);
	size_t used = 0;
	cr_assert_eq(msgpack_unpack(bytes, packed.size, &used, answer->zone,
			 &answer->data),
	    MSGPACK_UNPACK_SUCCESS);
	msgpack_sbuffer_destroy(&packed);
	return &answer->data;
}
