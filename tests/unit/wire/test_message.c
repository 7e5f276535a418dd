/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "base/random.h"
#include "tests/support/memory.h"
#include "wire/scanner.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static msgpack_zone *zone;
static struct message message;

static void
make_zone(void)
{
	zone = msgpack_zone_new(4096);
	cr_assert_not_null(zone);
}

static void
free_zone(void)
{
	msgpack_zone_free(zone);
}

TestSuite(message, .init = make_zone, .fini = free_zone);

static const char *
decode(const char *bytes, size_t count)
{
	return message_decode(&message, zone, bytes, count);
}

#define DECODE(literal) decode((literal), sizeof(literal) - 1)

static void
expect_bytes(const struct buffer *buffer, const char *bytes, size_t count)
{
	cr_assert_eq(buffer_count(buffer), count, "%zu instead of %zu bytes",
	    buffer_count(buffer), count);
	cr_assert_arr_eq(buffer_front(buffer), bytes, count);
}

#define EXPECT_BYTES(buffer, literal) \
	expect_bytes((buffer), (literal), sizeof(literal) - 1)

/* ---- the envelope ---- */

Test(message, a_request_has_a_msgid_a_method_and_params)
{
	cr_assert_null(DECODE("\x94\x00\x07\xa4ping\x91\x81\xa1x\x05"));
	cr_assert_eq(message.kind, MESSAGE_REQUEST);
	cr_assert_eq(message.msgid, 7);
	cr_assert(span_is_text(message.method, "ping"));
	cr_assert_not(message.odd_params);
	cr_assert_not_null(message.params);
	cr_assert_not_null(map_find(message.params, "x"));
	cr_assert_null(message.error);
	cr_assert_null(message.result);
}

Test(message, a_notification_has_no_msgid)
{
	cr_assert_null(DECODE("\x93\x02\xa5ready\x90"));
	cr_assert_eq(message.kind, MESSAGE_NOTIFICATION);
	cr_assert_eq(message.msgid, 0);
	cr_assert(span_is_text(message.method, "ready"));
	cr_assert_null(message.params);
	cr_assert_not(message.odd_params);
}

Test(message, nil_in_a_response_is_none)
{
	cr_assert_null(DECODE("\x94\x01\x07\xc0\xc0"));
	cr_assert_eq(message.kind, MESSAGE_RESPONSE);
	cr_assert_eq(message.msgid, 7);
	cr_assert_null(message.error);
	cr_assert_null(message.result);
	cr_assert_null(DECODE("\x94\x01\x07\xa1x\x05"));
	cr_assert_eq(message.error->type, MSGPACK_OBJECT_STR);
	cr_assert_eq(message.result->via.u64, 5);
}

Test(message, params_may_be_odd_because_other_programs_send_such)
{
	static const struct {
		const char *bytes;
		size_t count;
	} odd[] = { { "\x93\x02\xa1m\x91\x05", 6 },
		{ "\x93\x02\xa1m\x91\xc0", 6 }, { "\x93\x02\xa1m\x91\x90", 6 },
		{ "\x93\x02\xa1m\x92\x80\x80", 7 } };
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		cr_expect_null(decode(odd[i].bytes, odd[i].count));
		cr_expect(message.odd_params);
		cr_expect_null(message.params);
	}
}

Test(message, what_is_no_message_is_refused_in_words)
{
	static const struct {
		const char *bytes;
		size_t count;
	} bad[] = { { "\x05", 1 }, { "\x80", 1 }, { "\x90", 1 },
		{ "\x91\x00", 2 }, { "\x94\x03\x01\xa1m\x90", 6 },
		{ "\x94\xff\x01\xa1m\x90", 6 }, { "\x94\xc0\x01\xa1m\x90", 6 },
		{ "\x93\x00\xa1m\x90", 5 }, { "\x93\x01\x01\xc0", 4 },
		{ "\x94\x02\x01\xa1m\x90", 6 },
		{ "\x95\x01\x01\xc0\xc0\xc0", 6 },
		{ "\x94\x00\xff\xa1m\x90", 6 }, { "\x94\x00\xa1x\xa1m\x90", 7 },
		{ "\x94\x01\xc0\xc0\xc0", 5 }, { "\x94\x00\x01\x05\x90", 5 },
		{ "\x94\x00\x01\xa1m\x80", 6 }, { "\x94\x00\x01\xa1m\xc0", 6 },
		{ "\x94\x00\xca\x3f\x80\x00\x00\xa1m\x90", 10 } };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not_null(
		    decode(bad[i].bytes, bad[i].count), "number %zu", i);
}

Test(message, bytes_that_are_not_exactly_one_object_are_refused)
{
	cr_assert_not_null(DECODE(""));
	cr_assert_not_null(DECODE("\x94\x01\x07\xc0"));
	cr_assert_not_null(DECODE("\x94\x01\x07\xc0\xc0\xc0"));
	cr_assert_not_null(DECODE("\xc1"));
}

Test(message, the_msgid_of_a_bad_request_is_kept_for_the_answer)
{
	cr_assert_not_null(DECODE("\x94\x00\x07\x05\x90"));
	cr_assert_eq(message.msgid, 7);
	cr_assert_not_null(DECODE("\x94\x00\x07\xa1m\x80"));
	cr_assert_eq(message.msgid, 7);
	cr_assert_not_null(DECODE("\x94\x00\xff\xa1m\x80"));
	cr_assert_eq(message.msgid, 0);
}

Test(message, one_zone_serves_any_number_of_messages)
{
	for (unsigned i = 0; i < 100000; i++)
		cr_assert_null(DECODE(
		    "\x94\x00\x07\xa4ping\x91\x81\xa1x\x92\xa1y\xc4\1z"));
}

Test(message, random_objects_are_decoded_or_refused_and_never_crash)
{
	struct random random = { .state = 20260105 };
	unsigned good = 0;
	for (int i = 0; i < 50000; i++) {
		char bytes[] =
		    "\x94\x00\x07\xa4ping\x91\x81\xa1x\x92\xa1y\xc4\1z";
		size_t count = sizeof(bytes) - 1;
		struct scanner scanner;
		uint64_t dice = random_next(&random);
		for (uint64_t n = 1 + dice % 3; n > 0; n--) {
			uint64_t where = random_next(&random);
			bytes[where % count] = (char)(where >> 32);
		}
		scanner_init(&scanner, 1000);
		if (scanner_feed(&scanner, bytes, count) == SCAN_COMPLETE)
			good += decode(bytes, scanner.offset) == NULL;
	}
	cr_assert_gt(good, 1000);
}

/* ---- the writers ---- */

Test(message, a_request_without_keys_has_empty_params)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	message_request(&writer, &buffer, 300, SPAN_LITERAL("ping"), 0);
	cr_assert_eq(message_end(&writer), 0);
	EXPECT_BYTES(&buffer, "\x94\x00\xcd\x01\x2c\xa4ping\x90");
	buffer_release(&buffer);
}

Test(message, a_notification_with_every_type)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	message_notification(&writer, &buffer, SPAN_LITERAL("n"), 6);
	put_key(&writer, "a");
	put_text(&writer, SPAN_LITERAL("t"));
	put_key(&writer, "b");
	put_bytes(&writer, (struct span){ NULL, 0 });
	put_key(&writer, "c");
	put_integer(&writer, -1);
	put_key(&writer, "d");
	put_boolean(&writer, true);
	put_key(&writer, "e");
	put_array(&writer, 2);
	put_nil(&writer);
	put_boolean(&writer, false);
	put_key(&writer, "f");
	put_map(&writer, 1);
	put_key(&writer, "g");
	put_unsigned(&writer, UINT64_MAX);
	cr_assert_eq(message_end(&writer), 0);
	EXPECT_BYTES(&buffer,
	    "\x93\x02\xa1n\x91\x86\xa1"
	    "a\xa1t\xa1"
	    "b\xc4\x00\xa1"
	    "c\xff\xa1"
	    "d\xc3\xa1"
	    "e\x92\xc0\xc2\xa1"
	    "f\x81\xa1g\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	buffer_release(&buffer);
}

Test(message, text_that_is_no_utf8_is_escaped)
{
	static const struct {
		struct span text;
		const char *written;
	} cases[] = {
		{ SPAN_LITERAL(""), "" },
		{ SPAN_LITERAL("plain"), "plain" },
		{ SPAN_LITERAL("\xc3\xa9\xf0\x9f\x99\x82"),
		    "\xc3\xa9\xf0\x9f\x99\x82" },
		{ SPAN_LITERAL("\xff"), "\\xff" },
		{ SPAN_LITERAL("a\xc3"), "a\\xc3" },
		{ SPAN_LITERAL("\xc3(\xc3\xa9\xe9"
			       "b"),
		    "\\xc3(\xc3\xa9\\xe9b" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer buffer = { 0 };
		struct message_writer writer;
		struct message got_message;
		struct span got;
		message_response(&writer, &buffer, 1);
		put_text(&writer, cases[i].text);
		cr_assert_eq(message_end(&writer), 0);
		cr_assert_null(message_decode(&got_message, zone,
		    buffer_front(&buffer), buffer_count(&buffer)));
		cr_assert_eq(got_message.result->type, MSGPACK_OBJECT_STR);
		cr_assert(object_span(got_message.result, &got));
		cr_expect(span_is_text(got, cases[i].written), "%.*s",
		    (int)got.count, got.bytes);
		buffer_release(&buffer);
	}
}

Test(message, an_acknowledgement_is_five_bytes)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	message_response(&writer, &buffer, 7);
	put_nil(&writer);
	cr_assert_eq(message_end(&writer), 0);
	EXPECT_BYTES(&buffer, "\x94\x01\x07\xc0\xc0");
	buffer_release(&buffer);
}

Test(message, a_refusal_has_a_code_and_a_text_with_the_name_in_front)
{
	struct buffer buffer = { 0 };
	cr_assert_eq(
	    message_refuse(&buffer, 7, REFUSAL_NOT_FOUND, "no job 42"), 0);
	EXPECT_BYTES(
	    &buffer, "\x94\x01\x07\x92\x01\xb4NOT_FOUND: no job 42\xc0");
	buffer_consume(&buffer, buffer_count(&buffer));
	cr_assert_eq(message_refuse(&buffer, 7, REFUSAL_FULL, ""), 0);
	EXPECT_BYTES(&buffer,
	    "\x94\x01\x07\x92\x00\xa6"
	    "FULL: \xc0");
	buffer_release(&buffer);
}

Test(message, a_refusal_may_say_when_to_try_again)
{
	struct buffer buffer = { 0 };
	cr_assert_eq(
	    message_refuse_for(&buffer, 7, REFUSAL_FULL, "later", 250), 0);
	EXPECT_BYTES(&buffer,
	    "\x94\x01\x07\x92\x00\xab"
	    "FULL: later\x81\xaeretry_after_ms\xcc\xfa");
	buffer_release(&buffer);
}

Test(message, a_verdict_is_a_map_in_the_place_of_the_error)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	message_verdict(&writer, &buffer, 7, 1);
	put_key(&writer, "verdict");
	put_text(&writer, SPAN_LITERAL("dead"));
	message_verdict_end(&writer);
	cr_assert_eq(message_end(&writer), 0);
	EXPECT_BYTES(&buffer,
	    "\x94\x01\x07\x81\xa7verdict\xa4"
	    "dead\xc0");
	buffer_release(&buffer);
}

Test(message, messages_stand_one_after_the_other)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	buffer_append(&buffer, "x", 1);
	message_response(&writer, &buffer, 1);
	put_nil(&writer);
	cr_assert_eq(message_end(&writer), 0);
	message_response(&writer, &buffer, 2);
	put_nil(&writer);
	cr_assert_eq(message_end(&writer), 0);
	EXPECT_BYTES(&buffer, "x\x94\x01\x01\xc0\xc0\x94\x01\x02\xc0\xc0");
	buffer_release(&buffer);
}

Test(message, one_that_finds_no_memory_is_taken_back_whole)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	buffer_append(&buffer, "before", 6);
	message_request(&writer, &buffer, 1, SPAN_LITERAL("enqueue"), 2);
	put_key(&writer, "body");
	put_bytes(&writer, (struct span){ "no such memory", SIZE_MAX / 2 });
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("mail"));
	cr_assert_eq(message_end(&writer), ENOMEM);
	EXPECT_BYTES(&buffer, "before");
	buffer_release(&buffer);
}

#if MEMORY_CAN_FAIL
Test(message, one_that_cannot_be_read_for_want_of_memory_is_refused)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	message_request(&writer, &buffer, 1, SPAN_LITERAL("enqueue"), 1);
	put_key(&writer, "bodies");
	put_array(&writer, 1000);
	for (int i = 0; i < 1000; i++)
		put_nil(&writer);
	cr_assert_eq(message_end(&writer), 0);
	fail_memory(1);
	const char *reason =
	    decode(buffer_front(&buffer), buffer_count(&buffer));
	fail_memory(0);
	cr_assert_str_eq(reason, "no memory to read it");
	cr_assert_null(decode(buffer_front(&buffer), buffer_count(&buffer)));
	buffer_release(&buffer);
}
#endif

/* ---- objects ---- */

static msgpack_object
unsigned_object(uint64_t value)
{
	return (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER,
		.via.u64 = value };
}

static msgpack_object
float_object(double value)
{
	return (
	    msgpack_object){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value };
}

static bool
is_integer(msgpack_object object, int64_t wanted)
{
	int64_t got;
	return object_integer(&object, INT64_MIN, INT64_MAX, &got) &&
	    got == wanted;
}

Test(message, integers_may_come_as_floats_with_a_whole_value)
{
	msgpack_object negative = { .type = MSGPACK_OBJECT_NEGATIVE_INTEGER,
		.via.i64 = INT64_MIN };
	cr_expect(is_integer(unsigned_object(0), 0));
	cr_expect(is_integer(unsigned_object(INT64_MAX), INT64_MAX));
	cr_expect(is_integer(negative, INT64_MIN));
	cr_expect(is_integer(float_object(5.0), 5));
	cr_expect(is_integer(float_object(-0.0), 0));
	cr_expect(is_integer(float_object(-9223372036854775808.0), INT64_MIN));
	cr_assert_null(DECODE("\x94\x01\x07\xc0\xca\x40\xa0\x00\x00"));
	cr_expect(is_integer(*message.result, 5), "a float of 4 bytes");
}

Test(message, what_is_no_integer_of_64_bits_is_refused)
{
	static const double bad[] = { 0.5, -1.25, 1e300, -1e300,
		9223372036854775808.0, -9223372036854777856.0, NAN, INFINITY,
		-INFINITY };
	int64_t got = -7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		msgpack_object object = float_object(bad[i]);
		cr_expect_not(
		    object_integer(&object, INT64_MIN, INT64_MAX, &got));
	}
	msgpack_object big = unsigned_object((uint64_t)INT64_MAX + 1);
	cr_expect_not(object_integer(&big, INT64_MIN, INT64_MAX, &got));
	msgpack_object boolean = { .type = MSGPACK_OBJECT_BOOLEAN };
	cr_expect_not(object_integer(&boolean, INT64_MIN, INT64_MAX, &got));
	cr_expect_not(object_integer(NULL, INT64_MIN, INT64_MAX, &got));
	cr_expect_eq(got, -7);
}

Test(message, integers_are_held_to_their_range)
{
	int64_t got;
	for (uint64_t i = 0; i < 10; i++) {
		msgpack_object object = unsigned_object(i);
		cr_expect_eq(
		    object_integer(&object, 3, 5, &got), i >= 3 && i <= 5);
	}
}

Test(message, keys_are_found_as_str_and_as_bin)
{
	struct span span;
	cr_assert_null(DECODE("\x93\x02\xa1m\x91\x84\x05\x01\xa1"
			      "a\xa1x\xc4\x01"
			      "b\xc4\x01y\xa2"
			      "ab\xc0"));
	cr_assert(object_span(map_find(message.params, "a"), &span));
	cr_assert(span_is_text(span, "x"));
	cr_assert(object_span(map_find(message.params, "b"), &span));
	cr_assert(span_is_text(span, "y"));
	cr_assert_not(object_span(map_find(message.params, "ab"), &span));
	cr_assert_null(map_find(message.params, "c"));
	cr_assert_null(map_find(message.params, ""));
	cr_assert_null(map_find(NULL, "a"));
	cr_assert_null(map_find(map_find(message.params, "a"), "a"));
	cr_assert_not(object_span(NULL, &span));
}
