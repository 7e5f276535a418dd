/* SPDX-License-Identifier: MIT */
#include "wire/method.h"

#include "base/buffer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct buffer buffer;
static struct message_writer writer;
static struct message message;
static msgpack_zone *zone;
static char reason[128];

static void
make_zone(void)
{
	zone = msgpack_zone_new(4096);
	cr_assert_not_null(zone);
}

static void
release_all(void)
{
	msgpack_zone_free(zone);
	buffer_release(&buffer);
}

TestSuite(method, .init = make_zone, .fini = release_all);

static void
begin(uint32_t keys)
{
	buffer_truncate(&buffer, 0);
	message_request(&writer, &buffer, 1, SPAN_LITERAL("m"), keys);
}

static void
put_text_at(const char *key, const char *text)
{
	put_key(&writer, key);
	put_text(&writer, span_of(text));
}

static void
put_integer_at(const char *key, int64_t value)
{
	put_key(&writer, key);
	put_integer(&writer, value);
}

static enum refusal
end(enum method method, void *params)
{
	cr_assert_eq(message_end(&writer), 0);
	cr_assert_null(message_decode(
	    &message, zone, buffer_front(&buffer), buffer_count(&buffer)));
	reason[0] = '\0';
	return method_decode(
	    method, message.params, params, reason, sizeof(reason));
}

Test(method, every_name_leads_to_its_method_and_back)
{
	cr_assert_gt(METHOD_COUNT, 20);
	for (int i = 0; i < METHOD_COUNT; i++) {
		enum method method = (enum method)i;
		struct span name = span_of(method_name(method));
		cr_expect_eq(method_of_name(name), method);
		cr_expect_gt(strlen(method_meaning(method)), 0);
		name.count--;
		cr_expect_eq(method_of_name(name), METHOD_NONE);
	}
}

Test(method, other_names_are_none)
{
	cr_assert_eq(method_of_name((struct span){ NULL, 0 }), METHOD_NONE);
	cr_assert_eq(method_of_name(SPAN_LITERAL("Ping")), METHOD_NONE);
	cr_assert_eq(method_of_name(SPAN_LITERAL("ping\0")), METHOD_NONE);
	cr_assert_eq(method_of_name(SPAN_LITERAL("pinger")), METHOD_NONE);
	cr_assert_eq(method_of_name(SPAN_LITERAL("event")), METHOD_NONE);
}

Test(method, each_has_its_server)
{
	cr_assert_eq(method_server(METHOD_enqueue), METHOD_SERVER_QUEUE);
	cr_assert_eq(method_server(METHOD_job), METHOD_SERVER_WORKER);
	cr_assert_eq(method_server(METHOD_scale), METHOD_SERVER_SUPERVISOR);
	cr_assert_eq(method_server(METHOD_ready), METHOD_SERVER_CHANNEL);
}

Test(method, all_fields_are_read_in_any_order)
{
	struct params_job job;
	begin(7);
	put_key(&writer, "body");
	put_bytes(&writer, SPAN_LITERAL("a\0b"));
	put_integer_at("enqueued_ms", INT64_MAX);
	put_integer_at("attempt", 3);
	put_integer_at("delivery", 5);
	put_text_at("queue", "mail");
	put_integer_at("priority", 0);
	put_integer_at("id", 812);
	cr_assert_eq(end(METHOD_job, &job), REFUSAL_NONE);
	cr_assert_eq(job.id, 812);
	cr_assert(span_is_text(job.queue, "mail"));
	cr_assert_eq(job.attempt, 3);
	cr_assert_eq(job.delivery, 5);
	cr_assert_eq(job.priority, 0);
	cr_assert_eq(job.enqueued_ms, INT64_MAX);
	cr_assert(span_is(job.body, SPAN_LITERAL("a\0b")));
}

Test(method, what_is_missing_has_its_default)
{
	struct params_subscribe subscribe;
	memset(&subscribe, 0x55, sizeof(subscribe));
	begin(1);
	put_text_at("queue", "mail");
	cr_assert_eq(end(METHOD_subscribe, &subscribe), REFUSAL_NONE);
	cr_assert_null(subscribe.name.bytes);
	cr_assert_eq(subscribe.name.count, 0);
	cr_assert_eq(subscribe.max_demand, 1);
	cr_assert_eq(subscribe.min_demand, 0);
	cr_assert_eq(subscribe.pid, 0);
	cr_assert_null(subscribe.held);
}

Test(method, booleans_have_defaults_too)
{
	struct params_health health;
	struct params_worker_down down;
	begin(0);
	cr_assert_eq(end(METHOD_health, &health), REFUSAL_NONE);
	cr_assert(health.healthy);
	begin(1);
	put_key(&writer, "healthy");
	put_boolean(&writer, false);
	cr_assert_eq(end(METHOD_health, &health), REFUSAL_NONE);
	cr_assert_not(health.healthy);
	begin(3);
	put_text_at("name", "w1");
	put_integer_at("pid", 1);
	put_integer_at("incarnation", 1);
	cr_assert_eq(end(METHOD_worker_down, &down), REFUSAL_NONE);
	cr_assert_not(down.planned);
}

Test(method, nil_is_as_good_as_missing)
{
	struct params_enqueue enqueue;
	begin(4);
	put_text_at("queue", "mail");
	put_key(&writer, "priority");
	put_nil(&writer);
	put_key(&writer, "bodies");
	put_nil(&writer);
	put_key(&writer, "body");
	put_nil(&writer);
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_NONE);
	cr_assert_eq(enqueue.priority, 128);
	cr_assert_null(enqueue.bodies);
	cr_assert_null(enqueue.body.bytes);
	begin(1);
	put_key(&writer, "queue");
	put_nil(&writer);
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"queue\" is missing");
}

Test(method, an_empty_body_is_not_a_missing_one)
{
	struct params_enqueue enqueue;
	begin(2);
	put_text_at("queue", "mail");
	put_key(&writer, "body");
	put_bytes(&writer, SPAN_LITERAL(""));
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_NONE);
	cr_assert_not_null(enqueue.body.bytes);
	cr_assert_eq(enqueue.body.count, 0);
}

Test(method, objects_are_handed_on_as_they_are)
{
	struct params_enqueue enqueue;
	begin(2);
	put_text_at("queue", "mail");
	put_key(&writer, "bodies");
	put_array(&writer, 2);
	put_bytes(&writer, SPAN_LITERAL("a"));
	put_bytes(&writer, SPAN_LITERAL("b"));
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_NONE);
	cr_assert_eq(enqueue.bodies->type, MSGPACK_OBJECT_ARRAY);
	cr_assert_eq(enqueue.bodies->via.array.size, 2);
}

Test(method, unknown_keys_are_ignored_whatever_they_are)
{
	struct params_peek peek;
	begin(5);
	put_text_at("colour", "red");
	put_text_at("colour", "blue");
	put_integer(&writer, 5);
	put_nil(&writer);
	put_nil(&writer);
	put_array(&writer, 0);
	put_text_at("queue", "mail");
	cr_assert_eq(end(METHOD_peek, &peek), REFUSAL_NONE);
	cr_assert(span_is_text(peek.queue, "mail"));
}

Test(method, a_known_key_that_stands_twice_is_refused)
{
	struct params_peek peek;
	begin(2);
	put_text_at("queue", "mail");
	put_key(&writer, "queue");
	put_nil(&writer);
	cr_assert_eq(end(METHOD_peek, &peek), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"queue\" stands twice");
	begin(3);
	put_text_at("queue", "mail");
	put_integer_at("priority", 1);
	put_integer_at("priority", 1);
	struct params_enqueue enqueue;
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"priority\" stands twice");
}

Test(method, a_required_field_must_be_there)
{
	struct params_result result;
	begin(1);
	put_integer_at("job", 1);
	cr_assert_eq(end(METHOD_result, &result), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"delivery\" is missing");
	begin(0);
	cr_assert_eq(end(METHOD_result, &result), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"job\" is missing");
}

static void
expect_integer_refused(int64_t priority)
{
	struct params_enqueue enqueue;
	begin(2);
	put_text_at("queue", "mail");
	put_integer_at("priority", priority);
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(
	    reason, "\"priority\" must be an integer from 0 to 255");
}

Test(method, integers_out_of_range_are_refused_with_the_range)
{
	struct params_get get;
	expect_integer_refused(-1);
	expect_integer_refused(256);
	expect_integer_refused(INT64_MIN);
	begin(1);
	put_integer_at("id", 0);
	cr_assert_eq(end(METHOD_get, &get), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"id\" must be an integer of at least 1");
}

Test(method, a_wrong_type_is_refused_with_the_right_one)
{
	struct params_health health;
	struct params_enqueue enqueue;
	begin(1);
	put_integer_at("healthy", 1);
	cr_assert_eq(end(METHOD_health, &health), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"healthy\" must be true or false");
	begin(1);
	put_integer_at("reason", 1);
	cr_assert_eq(end(METHOD_health, &health), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"reason\" must be a string");
	begin(1);
	put_integer_at("body", 1);
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "\"body\" must be bin or str");
	begin(1);
	put_text_at("priority", "1");
	cr_assert_eq(end(METHOD_enqueue, &enqueue), REFUSAL_BAD_ARGUMENT);
}

Test(method, a_bad_name_has_a_refusal_of_its_own)
{
	static const char *const bad[] = { "", "a b", "mail/x", "m\xc3\xa4il" };
	struct params_peek peek;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(1);
		put_text_at("queue", bad[i]);
		cr_expect_eq(end(METHOD_peek, &peek), REFUSAL_BAD_NAME);
		cr_expect_str_eq(
		    reason, "\"queue\" must be 1 to 64 of A-Z a-z 0-9 . _ -");
	}
}

Test(method, a_body_may_fill_its_limit_and_not_a_byte_more)
{
	struct params_enqueue enqueue;
	char *body = calloc(1, BODY_BYTES_MAX + 1);
	cr_assert_not_null(body);
	for (size_t more = 0; more <= 1; more++) {
		begin(2);
		put_text_at("queue", "mail");
		put_key(&writer, "body");
		put_bytes(
		    &writer, (struct span){ body, BODY_BYTES_MAX + more });
		cr_assert_eq(end(METHOD_enqueue, &enqueue),
		    more ? REFUSAL_TOO_BIG : REFUSAL_NONE);
	}
	cr_assert_str_eq(
	    reason, "\"body\" has 1048577 bytes, at most 1048576 are allowed");
	free(body);
}

Test(method, a_text_may_fill_its_limit_and_not_a_byte_more)
{
	struct params_list list;
	begin(1);
	put_text_at("state", "1234567890123456");
	cr_assert_eq(end(METHOD_list, &list), REFUSAL_NONE);
	cr_assert_eq(list.state.count, 16);
	begin(1);
	put_text_at("state", "12345678901234567");
	cr_assert_eq(end(METHOD_list, &list), REFUSAL_TOO_BIG);
}

Test(method, params_that_are_no_map_are_refused)
{
	struct params_ping ping;
	msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };
	cr_assert_eq(
	    method_decode(METHOD_ping, &nil, &ping, reason, sizeof(reason)),
	    REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(reason, "params must be [] or [{...}]");
}

Test(method, a_long_reason_is_cut_to_the_room_there_is)
{
	struct params_peek peek;
	char small[8];
	cr_assert_eq(
	    method_decode(METHOD_peek, NULL, &peek, small, sizeof(small)),
	    REFUSAL_BAD_ARGUMENT);
	cr_assert_str_eq(small, "\"queue\"");
}
