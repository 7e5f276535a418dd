/* SPDX-License-Identifier: MIT */
/*
 * The test vectors of the protocol, tests/vectors.txt (its head describes
 * it), against the scanner, the decoders and the writers, and against
 * docs/PROTOCOL.md. Paths are those of the root of the repository.
 */
#include "base/buffer.h"
#include "base/refusal.h"
#include "wire/message.h"
#include "wire/method.h"
#include "wire/scanner.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS_MAX	   200
#define VECTOR_BYTES_MAX   1024
#define TEXT_BYTES_MAX	   2048
#define DOCUMENT_BYTES_MAX (1024 * 1024)

enum vector_kind { VECTOR_GOOD, VECTOR_READ, VECTOR_REFUSED, VECTOR_BAD };

static const char *const kind_names[] = { "good", "read", "refused", "bad" };

struct vector {
	enum vector_kind kind;
	char name[64];
	char method[64];
	bool is_foreign;
	char form[TEXT_BYTES_MAX];
	char reason[256]; /* "refusal" or "reason" */
	char bytes[VECTOR_BYTES_MAX];
	size_t count;
};

static struct vector vectors[VECTORS_MAX];
static size_t vector_count;
static msgpack_zone *zone;

/* ---- reading the file ---- */

static void
copy_text(char *target, size_t target_bytes, const char *text)
{
	cr_assert_lt(strlen(text), target_bytes, "too long: %s", text);
	memcpy(target, text, strlen(text) + 1);
}

static void
add_hex(struct vector *vector, const char *text)
{
	unsigned byte;
	int used;
	for (; sscanf(text, " %2x%n", &byte, &used) == 1; text += used) {
		cr_assert_lt(vector->count, VECTOR_BYTES_MAX);
		vector->bytes[vector->count++] = (char)byte;
	}
	cr_assert_str_empty(text, "%s: no hex: %s", vector->name, text);
}

static bool
begin_vector(const char *key, const char *value)
{
	for (int i = 0; i <= VECTOR_BAD; i++) {
		if (strcmp(key, kind_names[i]) != 0)
			continue;
		cr_assert_lt(vector_count, VECTORS_MAX);
		struct vector *vector = &vectors[vector_count++];
		vector->kind = (enum vector_kind)i;
		copy_text(vector->name, sizeof(vector->name), value);
		return true;
	}
	return false;
}

static void
read_line(const char *key, const char *value)
{
	if (begin_vector(key, value))
		return;
	cr_assert_gt(vector_count, 0, "a vector begins with its name");
	struct vector *vector = &vectors[vector_count - 1];
	bool is_foreign = strcmp(key, "foreign") == 0;
	if (is_foreign || strcmp(key, "method") == 0) {
		vector->is_foreign = is_foreign;
		copy_text(vector->method, sizeof(vector->method), value);
	} else if (strcmp(key, "form") == 0) {
		copy_text(vector->form, sizeof(vector->form), value);
	} else if (!strcmp(key, "refusal") || !strcmp(key, "reason")) {
		copy_text(vector->reason, sizeof(vector->reason), value);
	} else if (strcmp(key, "hex") == 0) {
		add_hex(vector, value);
	} else {
		cr_assert_fail("%s: unknown line '%s'", vector->name, key);
	}
}

static void
read_vectors(void)
{
	const char *path = getenv("GSQ_VECTORS");
	char line[TEXT_BYTES_MAX + 64];
	FILE *file = fopen(path ? path : "tests/vectors.txt", "re");
	cr_assert_not_null(file,
	    "no vectors: run in the root, or set "
	    "GSQ_VECTORS");
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		char *space = strchr(line, ' ');
		if (line[0] == '#' || line[0] == '\0')
			continue;
		cr_assert_not_null(space, "no value: %s", line);
		*space = '\0';
		read_line(line, space + 1);
	}
	cr_assert_not(ferror(file));
	fclose(file);
	cr_assert_gt(vector_count, 0, "no vectors");
	zone = msgpack_zone_new(4096);
	cr_assert_not_null(zone);
}

static void
forget_vectors(void)
{
	if (zone != NULL)
		msgpack_zone_free(zone);
}

TestSuite(vectors, .init = read_vectors, .fini = forget_vectors);

/* How many of a kind; a test on none of them would prove nothing. */
static void
expect_some(unsigned tested)
{
	cr_assert_gt(tested, 0, "tested on no vector");
}

/* ---- an object as people write it ---- */

struct text {
	char bytes[TEXT_BYTES_MAX];
	size_t count;
};

static void __attribute__((format(printf, 2, 3)))
print(struct text *text, const char *format, ...)
{
	va_list arguments;
	size_t room = sizeof(text->bytes) - text->count;
	va_start(arguments, format);
	int count =
	    vsnprintf(text->bytes + text->count, room, format, arguments);
	va_end(arguments);
	cr_assert(count >= 0 && (size_t)count < room);
	text->count += (size_t)count;
}

static void
print_quoted(struct text *text, struct span span)
{
	print(text, "\"");
	for (size_t i = 0; i < span.count; i++) {
		unsigned char c = (unsigned char)span.bytes[i];
		if (c == '"' || c == '\\')
			print(text, "\\%c", c);
		else
			print(text, isprint(c) ? "%c" : "\\x%02x", c);
	}
	print(text, "\"");
}

static void print_object(struct text *text, const msgpack_object *object);

static void
print_array(struct text *text, const msgpack_object_array *array)
{
	print(text, "[");
	for (uint32_t i = 0; i < array->size; i++) {
		print(text, "%s", i > 0 ? ", " : "");
		print_object(text, &array->ptr[i]);
	}
	print(text, "]");
}

static void
print_map(struct text *text, const msgpack_object_map *map)
{
	print(text, "{");
	for (uint32_t i = 0; i < map->size; i++) {
		print(text, "%s", i > 0 ? ", " : "");
		print_object(text, &map->ptr[i].key);
		print(text, ": ");
		print_object(text, &map->ptr[i].val);
	}
	print(text, "}");
}

static void
print_object(struct text *text, const msgpack_object *object)
{
	struct span span;
	if (object_span(object, &span)) {
		print(
		    text, "%s", object->type == MSGPACK_OBJECT_BIN ? "b" : "");
		print_quoted(text, span);
		return;
	}
	switch ((int)object->type) {
	case MSGPACK_OBJECT_NIL:
		print(text, "nil");
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		print(text, object->via.boolean ? "true" : "false");
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		print(text, "%llu", (unsigned long long)object->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		print(text, "%lld", (long long)object->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT64:
		print(text, "%.1f", object->via.f64);
		break;
	case MSGPACK_OBJECT_ARRAY:
		print_array(text, &object->via.array);
		break;
	case MSGPACK_OBJECT_MAP:
		print_map(text, &object->via.map);
		break;
	default:
		cr_assert_fail("a type without a form");
	}
}

Test(vectors, the_bytes_say_what_the_form_says)
{
	unsigned tested = 0;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		struct text text = { .count = 0 };
		msgpack_object object;
		size_t offset = 0;
		if (vector->form[0] == '\0') {
			cr_assert_eq(vector->kind, VECTOR_BAD);
			continue;
		}
		cr_assert_eq(msgpack_unpack(vector->bytes, vector->count,
				 &offset, zone, &object),
		    MSGPACK_UNPACK_SUCCESS, "%s", vector->name);
		print_object(&text, &object);
		cr_expect_str_eq(text.bytes, vector->form, "%s", vector->name);
		tested++;
	}
	expect_some(tested);
}

/* ---- the scanner and the decoders ---- */

static enum scan
feed(struct scanner *scanner, const struct vector *vector, size_t count)
{
	char *copy = malloc(count + 1);
	cr_assert_not_null(copy);
	memcpy(copy + 1, vector->bytes, count);
	enum scan scan = scanner_feed(scanner, copy + 1, count);
	free(copy);
	return scan;
}

static void
scan_split(const struct vector *vector, size_t split)
{
	struct scanner scanner;
	scanner_init(&scanner, MESSAGE_BYTES_MAX);
	cr_expect_eq(feed(&scanner, vector, split), SCAN_MORE,
	    "%s is whole after %zu bytes", vector->name, split);
	if (vector->form[0] == '\0') {
		cr_expect_eq(feed(&scanner, vector, vector->count), SCAN_BAD);
		cr_expect_str_eq(
		    scanner.reason, vector->reason, "%s", vector->name);
		return;
	}
	cr_expect_eq(feed(&scanner, vector, vector->count), SCAN_COMPLETE,
	    "%s split at %zu", vector->name, split);
	cr_expect_eq(scanner.offset, vector->count, "%s split at %zu",
	    vector->name, split);
}

Test(vectors, the_scanner_finds_the_end_at_every_split)
{
	unsigned tested = 0;
	for (size_t i = 0; i < vector_count; i++) {
		cr_assert_gt(vectors[i].count, 0, "%s", vectors[i].name);
		for (size_t split = 0; split < vectors[i].count; split++)
			scan_split(&vectors[i], split);
		tested++;
	}
	expect_some(tested);
}

static void
decode(const struct vector *vector, struct message *message)
{
	const char *reason =
	    message_decode(message, zone, vector->bytes, vector->count);
	cr_assert_null(reason, "%s: %s", vector->name, reason);
	cr_assert(
	    span_is_text(message->method, vector->method), "%s", vector->name);
	cr_assert_eq(message->kind == MESSAGE_RESPONSE,
	    vector->method[0] == '\0', "%s", vector->name);
}

static void
decode_method(const struct vector *vector)
{
	union {
#define METHOD(name, server, meaning) struct params_##name name;
#define END(name)
#define FIELD_NAME(name, need)
#define FIELD_BYTES(name, need)
#define FIELD_TEXT(name, max, need)
#define FIELD_INTEGER(name, min, max, initial)
#define FIELD_BOOLEAN(name, initial)
#define FIELD_OBJECT(name, need)
#include "wire/method.def"
	} params;
	char reason[128] = "";
	char got[192];
	struct message message;
	decode(vector, &message);
	enum method method = method_of_name(message.method);
	cr_assert_eq(
	    method == METHOD_NONE, vector->is_foreign, "%s", vector->name);
	if (vector->is_foreign)
		return;
	cr_assert_str_eq(method_name(method), vector->method);
	cr_assert_not(message.odd_params, "%s", vector->name);
	enum refusal refusal = method_decode(
	    method, message.params, &params, reason, sizeof(reason));
	snprintf(got, sizeof(got), "%s: %s", refusal_name(refusal), reason);
	cr_expect_str_eq(got,
	    vector->kind == VECTOR_REFUSED ? vector->reason : "NONE: ", "%s",
	    vector->name);
}

Test(vectors, good_messages_are_decoded_and_refused_ones_refused_as_said)
{
	unsigned tested[VECTOR_BAD] = { 0 };
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		struct message message;
		if (vector->kind == VECTOR_BAD)
			continue;
		if (vector->method[0] != '\0')
			decode_method(vector);
		else
			decode(vector, &message);
		tested[vector->kind]++;
	}
	for (int i = 0; i < VECTOR_BAD; i++)
		expect_some(tested[i]);
}

Test(vectors, bad_messages_are_refused_with_the_reason)
{
	unsigned tested = 0;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		struct message message;
		if (vector->kind != VECTOR_BAD || vector->form[0] == '\0')
			continue;
		const char *reason = message_decode(
		    &message, zone, vector->bytes, vector->count);
		cr_assert_not_null(reason, "%s", vector->name);
		cr_expect_str_eq(reason, vector->reason, "%s", vector->name);
		tested++;
	}
	expect_some(tested);
}

Test(vectors, every_method_has_one)
{
	expect_some(METHOD_COUNT);
	for (int i = 0; i < METHOD_COUNT; i++) {
		const char *name = method_name((enum method)i);
		unsigned found = 0;
		for (size_t k = 0; k < vector_count; k++)
			found += vectors[k].kind == VECTOR_GOOD &&
			    strcmp(vectors[k].method, name) == 0;
		cr_expect_gt(found, 0, "no good vector for '%s'", name);
	}
}

Test(vectors, no_name_and_no_bytes_stand_twice)
{
	for (size_t i = 0; i < vector_count; i++)
		for (size_t k = i + 1; k < vector_count; k++) {
			cr_expect_str_neq(vectors[i].name, vectors[k].name);
			cr_expect(vectors[i].count != vectors[k].count ||
				memcmp(vectors[i].bytes, vectors[k].bytes,
				    vectors[i].count) != 0,
			    "%s and %s", vectors[i].name, vectors[k].name);
		}
}

/* ---- the writers ---- */

static void put_object(struct message_writer *, const msgpack_object *);

static void
put_pairs(struct message_writer *writer, const msgpack_object *map)
{
	char key[64];
	for (uint32_t i = 0; map != NULL && i < map->via.map.size; i++) {
		const msgpack_object_kv *pair = &map->via.map.ptr[i];
		cr_assert_lt(pair->key.via.str.size, sizeof(key));
		snprintf(key, sizeof(key), "%.*s", (int)pair->key.via.str.size,
		    pair->key.via.str.ptr);
		put_key(writer, key);
		put_object(writer, &pair->val);
	}
}

static void
put_elements(struct message_writer *writer, const msgpack_object_array *array)
{
	put_array(writer, array->size);
	for (uint32_t i = 0; i < array->size; i++)
		put_object(writer, &array->ptr[i]);
}

static void
put_object(struct message_writer *writer, const msgpack_object *object)
{
	struct span span = { 0 };
	object_span(object, &span);
	switch ((int)object->type) {
	case MSGPACK_OBJECT_NIL:
		put_nil(writer);
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		put_boolean(writer, object->via.boolean);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		put_unsigned(writer, object->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		put_integer(writer, object->via.i64);
		break;
	case MSGPACK_OBJECT_STR:
		put_text(writer, span);
		break;
	case MSGPACK_OBJECT_BIN:
		put_bytes(writer, span);
		break;
	case MSGPACK_OBJECT_ARRAY:
		put_elements(writer, &object->via.array);
		break;
	case MSGPACK_OBJECT_MAP:
		put_map(writer, object->via.map.size);
		put_pairs(writer, object);
		break;
	default:
		cr_assert_fail("a type that gsq does not write");
	}
}

/* [code, "NAME: text"] through message_refuse. */
static int
write_refusal(const struct message *message, struct buffer *buffer)
{
	struct span text;
	char words[256];
	cr_assert(object_span(&message->error->via.array.ptr[1], &text));
	enum refusal refusal = refusal_of_text(text);
	cr_assert_neq(refusal, REFUSAL_NONE);
	size_t skip = strlen(refusal_name(refusal)) + 2;
	snprintf(words, sizeof(words), "%.*s", (int)(text.count - skip),
	    text.bytes + skip);
	int64_t after_ms;
	if (object_integer(map_find(message->result, "retry_after_ms"), 0,
		INT64_MAX, &after_ms))
		return message_refuse_for(
		    buffer, message->msgid, refusal, words, after_ms);
	return message_refuse(buffer, message->msgid, refusal, words);
}

static int
write_response(const struct message *message, struct buffer *buffer)
{
	struct message_writer writer;
	if (message->error == NULL) {
		message_response(&writer, buffer, message->msgid);
		if (message->result != NULL)
			put_object(&writer, message->result);
		else
			put_nil(&writer);
		return message_end(&writer);
	}
	if (message->error->type == MSGPACK_OBJECT_ARRAY)
		return write_refusal(message, buffer);
	cr_assert_eq(message->error->type, MSGPACK_OBJECT_MAP);
	message_verdict(
	    &writer, buffer, message->msgid, message->error->via.map.size);
	put_pairs(&writer, message->error);
	message_verdict_end(&writer);
	return message_end(&writer);
}

static int
write_message(const struct message *message, struct buffer *buffer)
{
	struct message_writer writer;
	uint32_t keys = message->params ? message->params->via.map.size : 0;
	switch (message->kind) {
	case MESSAGE_RESPONSE:
		return write_response(message, buffer);
	case MESSAGE_REQUEST:
		message_request(
		    &writer, buffer, message->msgid, message->method, keys);
		break;
	case MESSAGE_NOTIFICATION:
		message_notification(&writer, buffer, message->method, keys);
		break;
	}
	put_pairs(&writer, message->params);
	return message_end(&writer);
}

Test(vectors, good_messages_are_written_in_the_same_bytes)
{
	unsigned tested = 0;
	struct buffer buffer = { 0 };
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		struct message message;
		if (vector->kind != VECTOR_GOOD)
			continue;
		decode(vector, &message);
		cr_assert_eq(write_message(&message, &buffer), 0);
		cr_assert_eq(
		    buffer_count(&buffer), vector->count, "%s", vector->name);
		cr_expect_arr_eq(buffer_front(&buffer), vector->bytes,
		    vector->count, "%s", vector->name);
		buffer_consume(&buffer, vector->count);
		tested++;
	}
	expect_some(tested);
	buffer_release(&buffer);
}

/* ---- the document ---- */

static void
append_without_space(struct text *text, const char *bytes)
{
	for (; *bytes != '\0'; bytes++)
		if (!isspace((unsigned char)*bytes))
			print(text, "%c", *bytes);
}

/* The whole document without white space, so that it may break lines as it
 * likes. */
static char *
read_document(void)
{
	FILE *file = fopen("docs/PROTOCOL.md", "re");
	cr_assert_not_null(file, "run in the root of the repository");
	char *document = malloc(DOCUMENT_BYTES_MAX);
	cr_assert_not_null(document);
	size_t count = 0;
	for (int c = getc(file); c != EOF; c = getc(file)) {
		cr_assert_lt(count, DOCUMENT_BYTES_MAX - 1);
		if (!isspace(c))
			document[count++] = (char)c;
	}
	document[count] = '\0';
	fclose(file);
	return document;
}

Test(vectors, each_stands_in_the_document_with_its_bytes_under_its_form)
{
	unsigned tested = 0;
	char *document = read_document();
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *vector = &vectors[i];
		struct text text = { .count = 0 };
		append_without_space(&text, vector->form);
		for (size_t k = 0; k < vector->count; k++)
			print(&text, "%02x", (unsigned char)vector->bytes[k]);
		cr_expect_not_null(strstr(document, text.bytes),
		    "%s is not in docs/PROTOCOL.md", vector->name);
		tested++;
	}
	expect_some(tested);
	free(document);
}
