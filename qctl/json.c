/* SPDX-License-Identifier: MIT */
#include "qctl/json.h"

#include "base/utf8.h"
#include "qctl/answer.h"
#include "qctl/say.h"
#include "qctl/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES_MAX 128

json_t *
json_made(json_t *value)
{
	if (value == NULL)
		out_of_memory();
	return value;
}

void
json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, json_made(value)) != 0)
		out_of_memory();
}

void
json_add(json_t *array, json_t *value)
{
	if (json_array_append_new(array, json_made(value)) != 0)
		out_of_memory();
}

/* ---- text ---- */

static json_t *
base64_of(struct span bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)bytes.bytes;
	size_t length = (bytes.count + 2) / 3 * 4;
	char *out = malloc(length + 1);
	if (out == NULL)
		out_of_memory();
	for (size_t i = 0, at = 0; i < bytes.count; i += 3) {
		size_t here = bytes.count - i < 3 ? bytes.count - i : 3;
		uint32_t three = (uint32_t)in[i] << 16 |
		    (here > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
		    (here > 2 ? in[i + 2] : 0);
		for (size_t digit = 0; digit < 4; digit++)
			out[at++] = digit > here
			    ? '='
			    : digits[three >> (18 - 6 * digit) & 63];
	}
	json_t *text = json_stringn(out, length);
	free(out);
	return json_made(text);
}

/* NULL when the bytes are no text that every reader of JSON can take. */
static json_t *
text_of(struct span bytes)
{
	if (memchr(bytes.bytes, 0, bytes.count) != NULL)
		return NULL;
	return json_stringn(bytes.bytes, bytes.count);
}

void
json_put_bytes(json_t *object, const char *key, struct span bytes)
{
	char other_key[KEY_BYTES_MAX + sizeof("_base64")];
	json_t *text = text_of(bytes);
	if (text != NULL) {
		json_put(object, key, text);
		return;
	}
	snprintf(other_key, sizeof(other_key), "%s_base64", key);
	json_put(object, other_key, base64_of(bytes));
}

/* The value of a digit, or -1. */
static int
value_of(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

/* False when it is not whole base64. out has room for 3/4 of it. */
static bool
decode_base64(struct span text, char *out, size_t *ret_count)
{
	size_t count = 0, padding = 0;
	uint32_t bits = 0;
	if (text.count % 4 != 0)
		return false;
	for (size_t i = 0; i < text.count; i++) {
		int value = value_of(text.bytes[i]);
		if (text.bytes[i] == '=' && i + 2 >= text.count) {
			value = 0;
			padding++;
		} else if (value < 0 || padding > 0) {
			return false;
		}
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 3)
			continue;
		for (int shift = 16; shift >= 0; shift -= 8)
			out[count++] = (char)(bits >> shift & 255);
		bits = 0;
	}
	*ret_count = count - padding;
	return true;
}

bool
json_take_bytes(const json_t *object, const char *key, struct span *ret_bytes,
    char **ret_owned)
{
	char other_key[KEY_BYTES_MAX + sizeof("_base64")];
	snprintf(other_key, sizeof(other_key), "%s_base64", key);
	const json_t *text = json_object_get(object, key);
	const json_t *encoded = json_object_get(object, other_key);
	*ret_owned = NULL;
	*ret_bytes = (struct span){ 0 };
	if (text != NULL && encoded != NULL)
		return false;
	if (text != NULL) {
		*ret_bytes = (struct span){ json_string_value(text),
			json_string_length(text) };
		return json_is_string(text);
	}
	if (encoded == NULL)
		return true;
	struct span in = { json_string_value(encoded),
		json_string_length(encoded) };
	if (!json_is_string(encoded))
		return false;
	*ret_owned = malloc(in.count / 4 * 3 + 1);
	if (*ret_owned == NULL)
		out_of_memory();
	ret_bytes->bytes = *ret_owned;
	if (decode_base64(in, *ret_owned, &ret_bytes->count))
		return true;
	free(*ret_owned);
	*ret_owned = NULL;
	return false;
}

/* ---- everything ---- */

static json_t *
array_of(const msgpack_object_array *array)
{
	json_t *made = json_made(json_array());
	for (uint32_t i = 0; i < array->size; i++)
		json_add(made, json_of(&array->ptr[i]));
	return made;
}

/* False when a key is no text; no answer of ours has one. */
static bool
take_key(const msgpack_object *object, char key[KEY_BYTES_MAX + 1])
{
	struct span text;
	if (!object_span(object, &text) || text.count > KEY_BYTES_MAX)
		return false;
	json_t *checked = text_of(text);
	if (checked == NULL)
		return false;
	json_decref(checked);
	memcpy(key, text.bytes, text.count);
	key[text.count] = '\0';
	return true;
}

/* In lists the bodies are cut, perhaps within a character. */
static struct span
value_text(const msgpack_object *map, const char *key, struct span text)
{
	if (strcmp(key, "body") == 0 &&
	    answer_integer(map, "body_bytes") > (int64_t)text.count)
		text.count = utf8_whole_bytes(text);
	return text;
}

static json_t *
object_of(const msgpack_object *map)
{
	json_t *made = json_made(json_object());
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *pair = &map->via.map.ptr[i];
		char key[KEY_BYTES_MAX + 1];
		struct span text;
		if (!take_key(&pair->key, key))
			continue;
		if (object_span(&pair->val, &text))
			json_put_bytes(made, key, value_text(map, key, text));
		else
			json_put(made, key, json_of(&pair->val));
	}
	return made;
}

static json_t *
string_of(const msgpack_object *object)
{
	struct span bytes;
	object_span(object, &bytes);
	json_t *text = text_of(bytes);
	if (text != NULL)
		return text;
	json_t *made = json_made(json_object());
	json_put(made, "base64", base64_of(bytes));
	return made;
}

static json_t *
number_of(double value)
{
	return json_made(isfinite(value) ? json_real(value) : json_null());
}

static json_t *
unsigned_of(uint64_t value)
{
	if (value > INT64_MAX)
		return number_of((double)value);
	return json_made(json_integer((json_int_t)value));
}

json_t *
json_of(const msgpack_object *object)
{
	if (object == NULL)
		return json_null();
	switch (object->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(object->via.boolean);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return unsigned_of(object->via.u64);
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_made(json_integer((json_int_t)object->via.i64));
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return number_of(object->via.f64);
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN:
		return string_of(object);
	case MSGPACK_OBJECT_ARRAY:
		return array_of(&object->via.array);
	case MSGPACK_OBJECT_MAP:
		return object_of(object);
	case MSGPACK_OBJECT_EXT:
		return json_null();
	}
	return json_null();
}

/* ---- printing ---- */

/* Jansson takes DEL for text. It stands in strings alone. */
static void
print_without_del(FILE *file, const char *text)
{
	for (;;) {
		size_t count = strcspn(text, "\x7f");
		fwrite(text, 1, count, file);
		text += count;
		if (*text == '\0')
			return;
		fputs("\\u007f", file);
		text++;
	}
}

/* JSON escapes what is below U+0020 by itself; the other control characters and
 * the marks that turn text come through unless everything is escaped. */
static void
print(FILE *file, json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
	if (text != NULL && !text_is_harmless(span_of(text))) {
		free(text);
		text = json_dumps(
		    value, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	}
	if (text == NULL)
		out_of_memory();
	print_without_del(file, text);
	free(text);
	json_decref(value);
}

void
json_print(FILE *file, json_t *value)
{
	print(file, value, JSON_COMPACT);
}

void
json_print_document(FILE *file, json_t *value)
{
	print(file, value, JSON_INDENT(2));
	fputc('\n', file);
}
