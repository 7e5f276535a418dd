/* SPDX-License-Identifier: MIT */
/*
 * Requests and notifications as the queue, the supervisor and the workers read
 * them: the envelope, then the params, by the decoder of every method. What is
 * decoded is within the ranges of its field, and written and read again it is
 * the same. And how a run ended, as the queue reads it of an answer.
 *
 * Input: messages one behind the other, as from a socket.
 */
#include "base/name.h"
#include "base/utf8.h"
#include "queue/verdict.h"
#include "tests/fuzz/fuzz.h"
#include "wire/method.h"

/* ---- comparing ---- */

static bool
same_span(struct span a, struct span b)
{
	return (a.bytes == NULL) == (b.bytes == NULL) && span_is(a, b);
}

/* By their bytes: a NaN is not equal to itself. */
static bool
same_object(const msgpack_object *a, const msgpack_object *b)
{
	msgpack_sbuffer bytes[2];
	msgpack_packer packer;
	if (a == NULL || b == NULL)
		return a == b;
	for (int i = 0; i < 2; i++) {
		msgpack_sbuffer_init(&bytes[i]);
		msgpack_packer_init(&packer, &bytes[i], msgpack_sbuffer_write);
		msgpack_pack_object(&packer, *(i == 0 ? a : b));
	}
	bool same = bytes[0].size == bytes[1].size &&
	    memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0;
	msgpack_sbuffer_destroy(&bytes[0]);
	msgpack_sbuffer_destroy(&bytes[1]);
	return same;
}

/* ---- from the table of methods: are all in range? ---- */

/* clang-format off */
#define METHOD(name, server, meaning) \
	static void \
	check_##name(const void *from) \
	{ \
		const struct params_##name *params = from; \
		(void)params;
#define CHECK_SPAN(name, max) CHECK(params->name.count <= (max));
#define FIELD_NAME(name, need) \
	CHECK(params->name.bytes == NULL ? params->name.count == 0 \
	    : name_is_valid(params->name));
#define FIELD_BYTES(name, need) CHECK_SPAN(name, BODY_BYTES_MAX)
#define FIELD_TEXT(name, max, need) CHECK_SPAN(name, max)
#define FIELD_INTEGER(name, min, max, initial) \
	CHECK(params->name == (initial) || \
	    (params->name >= (min) && params->name <= (max)));
#define FIELD_BOOLEAN(name, initial)
#define FIELD_OBJECT(name, need)
#define END(name) }
#define REQUIRED INT64_MIN
#define OPTIONAL 0
#include "wire/method.def"
#undef METHOD
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT
#undef END

/* ---- how many keys have to be written ---- */

#define METHOD(name, server, meaning) \
	static uint32_t \
	count_##name(const void *from) \
	{ \
		const struct params_##name *params = from; \
		uint32_t keys = 0; \
		(void)params;
#define FIELD_NAME(name, need) keys += params->name.bytes != NULL;
#define FIELD_BYTES(name, need) keys += params->name.bytes != NULL;
#define FIELD_TEXT(name, max, need) keys += params->name.bytes != NULL;
#define FIELD_INTEGER(name, min, max, initial) \
	keys += params->name != (initial);
#define FIELD_BOOLEAN(name, initial) keys += params->name != (initial);
#define FIELD_OBJECT(name, need) keys += params->name != NULL;
#define END(name) \
		return keys; \
	}
#include "wire/method.def"
#undef METHOD
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT
#undef END

/* ---- writing them ---- */

#define METHOD(name, server, meaning) \
	static void \
	put_##name(struct message_writer *writer, const void *from) \
	{ \
		const struct params_##name *params = from; \
		(void)params; \
		(void)writer;
#define PUT(name, is_there, put) \
	if (is_there) { \
		put_key(writer, #name); \
		put; \
	}
#define FIELD_NAME(name, need) \
	PUT(name, params->name.bytes != NULL, put_text(writer, params->name))
#define FIELD_BYTES(name, need) \
	PUT(name, params->name.bytes != NULL, put_bytes(writer, params->name))
#define FIELD_TEXT(name, max, need)             \
	PUT(name, params->name.bytes != NULL,  \
	    utf8_is_valid(params->name)        \
		? put_text(writer, params->name) \
		: put_bytes(writer, params->name))
#define FIELD_INTEGER(name, min, max, initial) \
	PUT(name, params->name != (initial), put_integer(writer, params->name))
#define FIELD_BOOLEAN(name, initial) \
	PUT(name, params->name != (initial), put_boolean(writer, params->name))
#define FIELD_OBJECT(name, need) \
	PUT(name, params->name != NULL, \
	    msgpack_pack_object(&writer->packer, *params->name))
#define END(name) }
#include "wire/method.def"
#undef METHOD
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT
#undef END

/* ---- comparing them ---- */

#define METHOD(name, server, meaning) \
	static void \
	compare_##name(const void *one, const void *other) \
	{ \
		const struct params_##name *a = one, *b = other; \
		(void)a; \
		(void)b;
#define FIELD_NAME(name, need) CHECK(same_span(a->name, b->name));
#define FIELD_BYTES(name, need) CHECK(same_span(a->name, b->name));
#define FIELD_TEXT(name, max, need) CHECK(same_span(a->name, b->name));
#define FIELD_INTEGER(name, min, max, initial) CHECK(a->name == b->name);
#define FIELD_BOOLEAN(name, initial) CHECK(a->name == b->name);
#define FIELD_OBJECT(name, need) CHECK(same_object(a->name, b->name));
#define END(name) }
#include "wire/method.def"
#undef METHOD
#undef FIELD_NAME
#undef FIELD_BYTES
#undef FIELD_TEXT
#undef FIELD_INTEGER
#undef FIELD_BOOLEAN
#undef FIELD_OBJECT
#undef END

#define METHOD(name, server, meaning) struct params_##name name;
#define FIELD_NAME(name, need)
#define FIELD_BYTES(name, need)
#define FIELD_TEXT(name, max, need)
#define FIELD_INTEGER(name, min, max, initial)
#define FIELD_BOOLEAN(name, initial)
#define FIELD_OBJECT(name, need)
#define END(name)
union params {
#include "wire/method.def"
};
#undef METHOD

#define METHOD(name, server, meaning) \
	[METHOD_##name] = { check_##name, count_##name, put_##name, \
		compare_##name },
static const struct {
	void (*check)(const void *params);
	uint32_t (*count)(const void *params);
	void (*put)(struct message_writer *writer, const void *params);
	void (*compare)(const void *one, const void *other);
} methods[METHOD_COUNT] = {
#include "wire/method.def"
};
/* clang-format on */

/* ---- how a run ended ---- */

static void
check_remains(const struct remains *remains)
{
	unsigned known = remains->known;
	CHECK(known < 2 * REMAINS_RSS);
	CHECK((known & REMAINS_EXIT) || remains->exit == 0);
	CHECK((known & REMAINS_SIGNAL)
		? remains->signal >= 1 && remains->signal <= SIGNAL_MAX
		: remains->signal == 0);
	CHECK(remains->duration_ms >= 0 &&
	    remains->duration_ms <= DURATION_MS_MAX);
	CHECK(remains->cpu_ms >= 0 && remains->cpu_ms <= DURATION_MS_MAX);
	CHECK(remains->rss_bytes >= 0);
	CHECK(remains->errors.count <= STDERR_BYTES_MAX);
}

static void
try_verdict(const msgpack_object *error)
{
	const struct outcome outcome = verdict_read(error);
	/* What the queue alone may say comes from no worker. */
	CHECK(outcome.verdict < VERDICT_DIED);
	CHECK(outcome.delay_ms >= 0 && outcome.delay_ms <= DURATION_MS_MAX);
	CHECK(error != NULL || outcome.verdict == VERDICT_DONE);
	CHECK(outcome.verdict == VERDICT_DONE || outcome.reason.count > 0);
	CHECK(outcome.reason.count <= MESSAGE_BYTES_MAX);
	check_remains(&outcome.remains);
}

/* ---- one message ---- */

static msgpack_zone zone;
static msgpack_zone other_zone;

static void
read_again(enum method method, const struct buffer *buffer, bool is_request,
    const union params *wanted)
{
	struct message message;
	union params params;
	char reason[REASON_BYTES_MAX];
	decode_own(buffer, &other_zone, &message);
	CHECK(message.kind ==
	    (is_request ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION));
	CHECK(!message.odd_params);
	CHECK(method_of_name(message.method) == method);
	CHECK(method_decode(method, message.params, &params, reason,
		  sizeof(reason)) == REFUSAL_NONE);
	methods[method].compare(wanted, &params);
}

static void
try_method(enum method method, const struct message *message)
{
	union params params;
	char reason[REASON_BYTES_MAX];
	memset(reason, 'x', sizeof(reason));
	enum refusal refusal = method_decode(
	    method, message->params, &params, reason, sizeof(reason));
	if (refusal != REFUSAL_NONE) {
		CHECK(refusal == REFUSAL_BAD_ARGUMENT ||
		    refusal == REFUSAL_BAD_NAME || refusal == REFUSAL_TOO_BIG);
		CHECK(memchr(reason, '\0', sizeof(reason)) != NULL);
		CHECK(reason[0] != '\0');
		return;
	}
	methods[method].check(&params);
	if (method == METHOD_result)
		try_verdict(params.result.error);
	struct message_writer writer;
	struct buffer buffer = { 0 };
	bool is_request = message->kind == MESSAGE_REQUEST;
	struct span name = span_of(method_name(method));
	uint32_t keys = methods[method].count(&params);
	if (is_request)
		message_request(&writer, &buffer, message->msgid, name, keys);
	else
		message_notification(&writer, &buffer, name, keys);
	methods[method].put(&writer, &params);
	CHECK(message_end(&writer) == 0);
	read_again(method, &buffer, is_request, &params);
	buffer_release(&buffer);
}

static void
try_message(const char *bytes, size_t count)
{
	struct message message;
	char *copy = copy_exactly(bytes, count);
	const char *reason = message_decode(&message, &zone, copy, count);
	if (reason != NULL) {
		/* The scanner vouched for these. */
		CHECK(strcmp(reason, "no memory to read it") != 0);
		CHECK(strncmp(reason, "not one whole", 13) != 0);
	} else if (message.kind == MESSAGE_RESPONSE) {
		try_verdict(message.error);
	} else {
		CHECK(message.params == NULL ||
		    message.params->type == MSGPACK_OBJECT_MAP);
		CHECK(!message.odd_params || message.params == NULL);
		method_of_name(message.method);
		for (int i = 0; i < METHOD_COUNT; i++)
			try_method((enum method)i, &message);
	}
	free(copy);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE));
	CHECK(msgpack_zone_init(&other_zone, MSGPACK_ZONE_CHUNK_SIZE));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const char *at = (const char *)bytes;
	size_t first;
	while ((first = first_message(at, count)) > 0) {
		try_message(at, first);
		at += first;
		count -= first;
	}
	return 0;
}
