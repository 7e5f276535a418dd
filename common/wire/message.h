/* SPDX-License-Identifier: MIT */
/*
 * MessagePack-RPC messages: the envelope, and the helpers to write them.
 *
 *     request       [0, msgid, method, params]
 *     response      [1, msgid, error, result]
 *     notification  [2, method, params]
 *
 * params is [{...}], one map in an array, or []. Other arrays are decoded too,
 * with odd_params set: clients send notifications of their own that have them.
 * docs/PROTOCOL.md is the specification; method.h has the table of methods and
 * their fields.
 */
#ifndef GSQ_WIRE_MESSAGE_H
#define GSQ_WIRE_MESSAGE_H

#include "base/buffer.h"
#include "base/refusal.h"
#include "base/span.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

enum message_kind {
	MESSAGE_REQUEST = 0,
	MESSAGE_RESPONSE = 1,
	MESSAGE_NOTIFICATION = 2
};

/* Borrowed from the bytes and the zone it was decoded with. */
struct message {
	enum message_kind kind;
	uint64_t msgid;		      /* requests and responses */
	struct span method;	      /* requests and notifications */
	const msgpack_object *params; /* a map, or NULL for [] */
	bool odd_params;	      /* params is neither [] nor [{...}] */
	const msgpack_object *error;  /* responses; NULL when nil */
	const msgpack_object *result; /* responses; NULL when nil */
};

/*
 * Decodes one whole message (see scanner.h). The zone is the caller's, cleared
 * here first. NULL when good, else the reason in words; msgid is set as far
 * as it was understood, so that an error can still be answered.
 */
const char *message_decode(struct message *message, msgpack_zone *zone,
    const char *bytes, size_t count);

/*
 * Writers append to a buffer through a packer. A buffer without memory makes
 * the message incomplete: message_end tells, and takes it back. Order:
 *
 *     struct message_writer writer;
 *     message_request(&writer, buffer, msgid, SPAN_LITERAL("enqueue"), 2);
 *     put_key(&writer, "queue"); put_text(&writer, queue);
 *     put_key(&writer, "body");  put_bytes(&writer, body);
 *     error = message_end(&writer);
 */
struct message_writer {
	struct buffer *buffer;
	size_t before; /* bytes in the buffer before this message */
	int error;
	msgpack_packer packer;
};

/* params is one map with that many keys; 0 keys writes []. */
void message_request(struct message_writer *writer, struct buffer *buffer,
    uint64_t msgid, struct span method, uint32_t keys);
void message_notification(struct message_writer *writer, struct buffer *buffer,
    struct span method, uint32_t keys);

/* A good response; the caller then puts exactly one object as the result. */
void message_response(
    struct message_writer *writer, struct buffer *buffer, uint64_t msgid);

/* A refusal, whole: [1, msgid, [code, "NAME: text"], nil]. */
int message_refuse(struct buffer *buffer, uint64_t msgid, enum refusal refusal,
    const char *text);

/* The same of what may be tried again after some time, which stands where the
 * result would: [1, msgid, [code, "NAME: text"], {"retry_after_ms": ms}]. */
int message_refuse_for(struct buffer *buffer, uint64_t msgid,
    enum refusal refusal, const char *text, int64_t retry_after_ms);

/* A response whose error is a map with that many keys (see "verdict" in the
 * protocol); message_verdict_end adds the nil result, then message_end as
 * always. Used by workers. */
void message_verdict(struct message_writer *writer, struct buffer *buffer,
    uint64_t msgid, uint32_t keys);
void message_verdict_end(struct message_writer *writer);

/* 0, or ENOMEM with nothing of the message left in the buffer. */
int message_end(struct message_writer *writer);

void put_map(struct message_writer *writer, uint32_t keys);
void put_array(struct message_writer *writer, uint32_t elements);
void put_key(struct message_writer *writer, const char *key);
/* A str is UTF-8: bytes of text that are none are written as \xNN. */
void put_text(struct message_writer *writer, struct span text);
void put_bytes(struct message_writer *writer, struct span bytes);
void put_integer(struct message_writer *writer, int64_t value);
void put_unsigned(struct message_writer *writer, uint64_t value);
void put_boolean(struct message_writer *writer, bool value);
void put_nil(struct message_writer *writer);

/* Looks up a key in a map object; NULL when map is NULL, no map, or without
 * that key. Keys may be str or bin. */
const msgpack_object *map_find(const msgpack_object *map, const char *key);

/* A str or bin object as a span; false for anything else or NULL. */
bool object_span(const msgpack_object *object, struct span *ret_span);

/* An integer, or a float with a whole value, within the range; false for
 * anything else or NULL. JavaScript codecs send 5.0 for 5. */
bool object_integer(
    const msgpack_object *object, int64_t min, int64_t max, int64_t *ret_value);

#endif
