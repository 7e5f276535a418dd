/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

bool
object_span(const msgpack_object *object, struct span *ret_span)
{
	if (object == NULL)
		return false;
	if (object->type == MSGPACK_OBJECT_STR)
		*ret_span =
		    (struct span){ object->via.str.ptr, object->via.str.size };
	else if (object->type == MSGPACK_OBJECT_BIN)
		*ret_span =
		    (struct span){ object->via.bin.ptr, object->via.bin.size };
	else
		return false;
	/* msgpack-c may leave what is empty at NULL, which stands for missing.
	 */
	if (ret_span->bytes == NULL)
		ret_span->bytes = "";
	return true;
}

/* The integer of an object, or of a float with a whole value. */
static bool
whole_value(const msgpack_object *object, int64_t *ret_value)
{
	/* 2^63, the first float above every int64_t; NaN fails both. */
	const double limit = 9223372036854775808.0;
	if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		if (object->via.u64 > INT64_MAX)
			return false;
		*ret_value = (int64_t)object->via.u64;
		return true;
	}
	if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		*ret_value = object->via.i64;
		return true;
	}
	if (object->type != MSGPACK_OBJECT_FLOAT32 &&
	    object->type != MSGPACK_OBJECT_FLOAT64)
		return false;
	double number = object->via.f64;
	if (!(number >= -limit && number < limit))
		return false;
	*ret_value = (int64_t)number;
	return (double)*ret_value == number;
}

bool
object_integer(
    const msgpack_object *object, int64_t min, int64_t max, int64_t *ret_value)
{
	int64_t value;
	if (object == NULL || !whole_value(object, &value))
		return false;
	if (value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

const msgpack_object *
map_find(const msgpack_object *map, const char *key)
{
	struct span wanted = span_of(key);
	struct span found;
	if (map == NULL || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *pair = &map->via.map.ptr[i];
		if (object_span(&pair->key, &found) && span_is(found, wanted))
			return &pair->val;
	}
	return NULL;
}

static const msgpack_object *
null_if_nil(const msgpack_object *object)
{
	return object->type == MSGPACK_OBJECT_NIL ? NULL : object;
}

static const char *
take_msgid(struct message *message, const msgpack_object *object)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return "a msgid must be an unsigned integer";
	message->msgid = object->via.u64;
	return NULL;
}

static const char *
take_call(struct message *message, const msgpack_object *method,
    const msgpack_object *params)
{
	if (!object_span(method, &message->method))
		return "a method must be a string";
	if (params->type != MSGPACK_OBJECT_ARRAY)
		return "params must be an array";
	const msgpack_object_array *array = &params->via.array;
	if (array->size == 1 && array->ptr[0].type == MSGPACK_OBJECT_MAP)
		message->params = &array->ptr[0];
	else
		message->odd_params = array->size > 0;
	return NULL;
}

static const char *
take_request(struct message *message, const msgpack_object_array *array)
{
	if (array->size != 4)
		return "a request must have 4 elements";
	const char *reason = take_msgid(message, &array->ptr[1]);
	if (reason != NULL)
		return reason;
	return take_call(message, &array->ptr[2], &array->ptr[3]);
}

static const char *
take_response(struct message *message, const msgpack_object_array *array)
{
	if (array->size != 4)
		return "a response must have 4 elements";
	message->error = null_if_nil(&array->ptr[2]);
	message->result = null_if_nil(&array->ptr[3]);
	return take_msgid(message, &array->ptr[1]);
}

static const char *
take_notification(struct message *message, const msgpack_object_array *array)
{
	if (array->size != 3)
		return "a notification must have 3 elements";
	return take_call(message, &array->ptr[1], &array->ptr[2]);
}

static const char *
take_message(struct message *message, const msgpack_object *object)
{
	static const char *(*const takers[])(
	    struct message *, const msgpack_object_array *) = {
		[MESSAGE_REQUEST] = take_request,
		[MESSAGE_RESPONSE] = take_response,
		[MESSAGE_NOTIFICATION] = take_notification,
	};
	if (object->type != MSGPACK_OBJECT_ARRAY)
		return "a message must be an array";
	const msgpack_object_array *array = &object->via.array;
	if (array->size == 0 ||
	    array->ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    array->ptr[0].via.u64 > MESSAGE_NOTIFICATION)
		return "a message must begin with 0, 1 or 2";
	message->kind = (enum message_kind)array->ptr[0].via.u64;
	return takers[message->kind](message, array);
}

const char *
message_decode(struct message *message, msgpack_zone *zone, const char *bytes,
    size_t count)
{
	msgpack_object object;
	size_t offset = 0;
	*message = (struct message){ 0 };
	msgpack_zone_clear(zone);
	msgpack_unpack_return got =
	    msgpack_unpack(bytes, count, &offset, zone, &object);
	if (got == MSGPACK_UNPACK_NOMEM_ERROR)
		return "no memory to read it";
	if (got != MSGPACK_UNPACK_SUCCESS)
		return "not one whole MessagePack object";
	return take_message(message, &object);
}

/* ---- writing ---- */

static int
write_bytes(void *data, const char *bytes, size_t count)
{
	struct message_writer *writer = data;
	if (writer->error == 0)
		writer->error = buffer_append(writer->buffer, bytes, count);
	return writer->error == 0 ? 0 : -1;
}

static void
begin(struct message_writer *writer, struct buffer *buffer,
    enum message_kind kind, uint32_t elements)
{
	writer->buffer = buffer;
	writer->before = buffer_count(buffer);
	writer->error = 0;
	msgpack_packer_init(&writer->packer, writer, write_bytes);
	put_array(writer, elements);
	put_unsigned(writer, kind);
}

static void
begin_params(struct message_writer *writer, struct span method, uint32_t keys)
{
	put_text(writer, method);
	put_array(writer, keys > 0 ? 1 : 0);
	if (keys > 0)
		put_map(writer, keys);
}

void
message_request(struct message_writer *writer, struct buffer *buffer,
    uint64_t msgid, struct span method, uint32_t keys)
{
	begin(writer, buffer, MESSAGE_REQUEST, 4);
	put_unsigned(writer, msgid);
	begin_params(writer, method, keys);
}

void
message_notification(struct message_writer *writer, struct buffer *buffer,
    struct span method, uint32_t keys)
{
	begin(writer, buffer, MESSAGE_NOTIFICATION, 3);
	begin_params(writer, method, keys);
}

void
message_response(
    struct message_writer *writer, struct buffer *buffer, uint64_t msgid)
{
	begin(writer, buffer, MESSAGE_RESPONSE, 4);
	put_unsigned(writer, msgid);
	put_nil(writer);
}

/* ---- text ---- */

/* What is no UTF-8 is written as everywhere else, \xNN: there are libraries
 * that end at a str of other bytes. */
#define ESCAPE_BYTES 4

static size_t
text_bytes(struct span text)
{
	size_t count = 0;
	while (text.count > 0) {
		size_t whole = utf8_decode(text).bytes;
		size_t used = whole > 0 ? whole : 1;
		count += whole > 0 ? whole : ESCAPE_BYTES;
		text.bytes += used;
		text.count -= used;
	}
	return count;
}

static void
put_text_body(struct message_writer *writer, struct span text)
{
	char escape[ESCAPE_BYTES + 1];
	while (text.count > 0) {
		size_t good = 0, whole = 1;
		while (good < text.count && whole > 0) {
			struct span rest = { text.bytes + good,
				text.count - good };
			whole = utf8_decode(rest).bytes;
			good += whole;
		}
		msgpack_pack_str_body(&writer->packer, text.bytes, good);
		text.bytes += good;
		text.count -= good;
		if (text.count == 0)
			return;
		snprintf(escape, sizeof(escape), "\\x%02x",
		    (unsigned char)text.bytes[0]);
		msgpack_pack_str_body(&writer->packer, escape, ESCAPE_BYTES);
		text.bytes++;
		text.count--;
	}
}

/* "NAME: text" as one string, from its parts. */
static void
put_refusal_text(
    struct message_writer *writer, struct span name, struct span text)
{
	msgpack_packer *packer = &writer->packer;
	msgpack_pack_str(packer, name.count + 2 + text_bytes(text));
	msgpack_pack_str_body(packer, name.bytes, name.count);
	msgpack_pack_str_body(packer, ": ", 2);
	put_text_body(writer, text);
}

static void
begin_refusal(struct message_writer *writer, struct buffer *buffer,
    uint64_t msgid, enum refusal refusal, const char *text)
{
	begin(writer, buffer, MESSAGE_RESPONSE, 4);
	put_unsigned(writer, msgid);
	put_array(writer, 2);
	put_integer(writer, refusal_code(refusal));
	put_refusal_text(writer, span_of(refusal_name(refusal)), span_of(text));
}

int
message_refuse(struct buffer *buffer, uint64_t msgid, enum refusal refusal,
    const char *text)
{
	struct message_writer writer;
	begin_refusal(&writer, buffer, msgid, refusal, text);
	put_nil(&writer);
	return message_end(&writer);
}

int
message_refuse_for(struct buffer *buffer, uint64_t msgid, enum refusal refusal,
    const char *text, int64_t retry_after_ms)
{
	struct message_writer writer;
	begin_refusal(&writer, buffer, msgid, refusal, text);
	put_map(&writer, 1);
	put_key(&writer, "retry_after_ms");
	put_integer(&writer, retry_after_ms);
	return message_end(&writer);
}

void
message_verdict(struct message_writer *writer, struct buffer *buffer,
    uint64_t msgid, uint32_t keys)
{
	begin(writer, buffer, MESSAGE_RESPONSE, 4);
	put_unsigned(writer, msgid);
	put_map(writer, keys);
}

void
message_verdict_end(struct message_writer *writer)
{
	put_nil(writer);
}

int
message_end(struct message_writer *writer)
{
	if (writer->error != 0)
		buffer_truncate(writer->buffer, writer->before);
	return writer->error;
}

void
put_map(struct message_writer *writer, uint32_t keys)
{
	msgpack_pack_map(&writer->packer, keys);
}

void
put_array(struct message_writer *writer, uint32_t elements)
{
	msgpack_pack_array(&writer->packer, elements);
}

void
put_key(struct message_writer *writer, const char *key)
{
	put_text(writer, span_of(key));
}

void
put_text(struct message_writer *writer, struct span text)
{
	msgpack_pack_str(&writer->packer, text_bytes(text));
	put_text_body(writer, text);
}

void
put_bytes(struct message_writer *writer, struct span bytes)
{
	msgpack_pack_bin(&writer->packer, bytes.count);
	msgpack_pack_bin_body(&writer->packer, bytes.bytes, bytes.count);
}

void
put_integer(struct message_writer *writer, int64_t value)
{
	msgpack_pack_int64(&writer->packer, value);
}

void
put_unsigned(struct message_writer *writer, uint64_t value)
{
	msgpack_pack_uint64(&writer->packer, value);
}

void
put_boolean(struct message_writer *writer, bool value)
{
	if (value)
		msgpack_pack_true(&writer->packer);
	else
		msgpack_pack_false(&writer->packer);
}

void
put_nil(struct message_writer *writer)
{
	msgpack_pack_nil(&writer->packer);
}
