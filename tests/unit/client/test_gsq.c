/* SPDX-License-Identifier: MIT */
#include "client/gsq.h"

#include "sys/clock.h"
#include "sys/socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A server that has answered before it is asked: msgids count from 1. */

static char directory[] = "/tmp/gsq-test-client-XXXXXX";
static char path[108];
static int listener;
static int server = -1;
static struct gsq *gsq;
static struct buffer answers;

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/gsq.sock", directory);
	listener = socket_listen(path);
	cr_assert_geq(listener, 0);
	gsq = gsq_new();
	cr_assert_not_null(gsq);
}

static void
tear_down(void)
{
	gsq_free(gsq);
	buffer_release(&answers);
	close(listener);
	if (server >= 0)
		close(server);
	unlink(path);
	cr_expect_eq(rmdir(directory), 0, "something else was left there");
}

TestSuite(gsq, .init = set_up, .fini = tear_down, .timeout = 60);

static void
connect_both(void)
{
	cr_assert_eq(gsq_connect(gsq, path, 1000), GSQ_OK);
	server = socket_accept(listener);
	cr_assert_geq(server, 0);
}

static void
answer_number(uint64_t msgid, int64_t number)
{
	struct message_writer writer;
	message_response(&writer, &answers, msgid);
	put_integer(&writer, number);
	cr_assert_eq(message_end(&writer), 0);
}

static void
send_answers(void)
{
	ssize_t count =
	    write(server, buffer_front(&answers), buffer_count(&answers));
	cr_assert_eq(count, (ssize_t)buffer_count(&answers));
	buffer_consume(&answers, (size_t)count);
}

static enum gsq_status
call(int64_t *ret_number)
{
	const msgpack_object *result = NULL;
	enum gsq_status status = gsq_call(gsq, "ping", NULL, 0, 1000, &result);
	if (status == GSQ_OK)
		cr_assert(
		    object_integer(result, INT64_MIN, INT64_MAX, ret_number));
	return status;
}

/* What the server got, as a message. */
static void
read_request(
    struct message *message, msgpack_zone *zone, char *bytes, size_t room)
{
	ssize_t count = read(server, bytes, room);
	cr_assert_gt(count, 0);
	const char *wrong = message_decode(message, zone, bytes, (size_t)count);
	cr_assert_null(wrong, "%s", wrong);
}

Test(gsq, a_call_gets_its_result)
{
	int64_t number = 0;
	connect_both();
	answer_number(1, 42);
	send_answers();
	cr_assert_eq(call(&number), GSQ_OK);
	cr_assert_eq(number, 42);
}

Test(gsq, a_request_is_written_as_the_protocol_says)
{
	const struct gsq_field fields[] = {
		gsq_text("queue", "mail"),
		gsq_text("state", NULL),
		gsq_bytes("body", SPAN_LITERAL("\0\xff")),
		gsq_integer("priority", 7),
	};
	const msgpack_object *result;
	struct message message;
	msgpack_zone zone;
	char bytes[256];
	struct span text;
	int64_t priority;
	connect_both();
	answer_number(1, 0);
	send_answers();
	cr_assert(msgpack_zone_init(&zone, 1024));
	cr_assert_eq(
	    gsq_call(gsq, "enqueue", fields, 4, 1000, &result), GSQ_OK);
	read_request(&message, &zone, bytes, sizeof(bytes));
	cr_assert_eq(message.kind, MESSAGE_REQUEST);
	cr_assert_eq(message.msgid, 1);
	cr_assert(span_is_text(message.method, "enqueue"));
	cr_assert_eq(message.params->via.map.size, 3, "NULL is left out");
	cr_assert(object_span(map_find(message.params, "queue"), &text));
	cr_assert(span_is_text(text, "mail"));
	cr_assert_eq(
	    map_find(message.params, "body")->type, MSGPACK_OBJECT_BIN);
	cr_assert(object_span(map_find(message.params, "body"), &text));
	cr_assert(span_is(text, SPAN_LITERAL("\0\xff")));
	cr_assert(object_integer(
	    map_find(message.params, "priority"), 0, 255, &priority));
	cr_assert_eq(priority, 7);
	msgpack_zone_destroy(&zone);
}

Test(gsq, bodies_are_an_array_of_bin)
{
	struct span bodies[] = { SPAN_LITERAL("a"), SPAN_LITERAL("") };
	const struct gsq_field field = gsq_bodies("bodies", bodies, 2);
	const struct message *got;
	struct message message;
	msgpack_zone zone;
	char bytes[256];
	uint64_t msgid;
	connect_both();
	cr_assert(msgpack_zone_init(&zone, 1024));
	cr_assert_eq(gsq_request(gsq, "enqueue", &field, 1, &msgid), GSQ_OK);
	cr_assert_eq(gsq_receive(gsq, 0, &got), GSQ_TIMEOUT, "and written");
	read_request(&message, &zone, bytes, sizeof(bytes));
	const msgpack_object *array = map_find(message.params, "bodies");
	cr_assert_eq(array->type, MSGPACK_OBJECT_ARRAY);
	cr_assert_eq(array->via.array.size, 2);
	cr_assert_eq(array->via.array.ptr[0].type, MSGPACK_OBJECT_BIN);
	cr_assert_eq(array->via.array.ptr[1].via.bin.size, 0);
	msgpack_zone_destroy(&zone);
}

Test(gsq, a_refusal_has_its_name_and_words)
{
	int64_t number;
	connect_both();
	cr_assert_eq(
	    message_refuse(&answers, 1, REFUSAL_NOT_FOUND, "no job 42"), 0);
	send_answers();
	cr_assert_eq(call(&number), GSQ_REFUSED);
	cr_assert_eq(gsq_refusal(gsq), REFUSAL_NOT_FOUND);
	cr_assert_str_eq(gsq_error(gsq), "NOT_FOUND: no job 42");
	cr_expect_eq(gsq_retry_after_ms(gsq), 0);
}

Test(gsq, a_refusal_of_another_shape_is_one_too)
{
	/* [1, 1, "oops", nil] */
	int64_t number;
	connect_both();
	cr_assert_eq(write(server, "\x94\x01\x01\xa4oops\xc0", 9), 9);
	cr_assert_eq(call(&number), GSQ_REFUSED);
	cr_assert_eq(gsq_refusal(gsq), REFUSAL_NONE);
	cr_assert_str_eq(gsq_error(gsq), "oops");
}

Test(gsq, a_long_refusal_is_cut)
{
	int64_t number;
	char text[5000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	connect_both();
	cr_assert_eq(
	    message_refuse_for(&answers, 1, REFUSAL_FULL, text, 250), 0);
	send_answers();
	cr_assert_eq(call(&number), GSQ_REFUSED);
	cr_assert_eq(gsq_refusal(gsq), REFUSAL_FULL);
	cr_expect_eq(gsq_retry_after_ms(gsq), 250);
	cr_assert_lt(strlen(gsq_error(gsq)), 1000);
}

Test(gsq, what_the_server_could_not_read_refuses_the_call)
{
	int64_t number;
	connect_both();
	cr_assert_eq(
	    message_refuse(&answers, 0, REFUSAL_BAD_MESSAGE, "too deep"), 0);
	send_answers();
	cr_assert_eq(call(&number), GSQ_REFUSED);
	cr_assert_eq(gsq_refusal(gsq), REFUSAL_BAD_MESSAGE);
}

Test(gsq, a_call_passes_over_what_is_not_its_answer)
{
	struct message_writer writer;
	int64_t number = 0;
	connect_both();
	message_notification(&writer, &answers, SPAN_LITERAL("event"), 0);
	cr_assert_eq(message_end(&writer), 0);
	message_request(&writer, &answers, 1, SPAN_LITERAL("job"), 0);
	cr_assert_eq(message_end(&writer), 0);
	answer_number(99, 1);
	answer_number(1, 2);
	send_answers();
	cr_assert_eq(call(&number), GSQ_OK);
	cr_assert_eq(number, 2);
}

Test(gsq, a_late_answer_is_not_taken_for_that_of_the_next_call)
{
	const msgpack_object *result;
	int64_t number = 0;
	connect_both();
	cr_assert_eq(gsq_call(gsq, "ping", NULL, 0, 0, &result), GSQ_TIMEOUT);
	answer_number(1, 10);
	answer_number(2, 20);
	send_answers();
	cr_assert_eq(call(&number), GSQ_OK);
	cr_assert_eq(number, 20);
}

Test(gsq, a_flood_does_not_keep_a_call_beyond_its_time)
{
	const msgpack_object *result;
	connect_both();
	for (unsigned i = 0; i < 1000; i++)
		answer_number(1000 + i, 0);
	send_answers();
	cr_assert_eq(gsq_call(gsq, "ping", NULL, 0, 20, &result), GSQ_TIMEOUT);
}

Test(gsq, pipelined_answers_come_in_the_order_of_the_server)
{
	const struct message *message;
	uint64_t first;
	uint64_t second;
	connect_both();
	cr_assert_eq(gsq_request(gsq, "ping", NULL, 0, &first), GSQ_OK);
	cr_assert_eq(gsq_request(gsq, "ping", NULL, 0, &second), GSQ_OK);
	cr_assert_neq(first, second);
	answer_number(second, 2);
	answer_number(first, 1);
	send_answers();
	cr_assert_eq(gsq_receive(gsq, 1000, &message), GSQ_OK);
	cr_assert_eq(message->msgid, second);
	cr_assert_eq(gsq_check(gsq, message), GSQ_OK);
	cr_assert_eq(gsq_receive(gsq, 1000, &message), GSQ_OK);
	cr_assert_eq(message->msgid, first);
	cr_assert_eq(gsq_receive(gsq, 0, &message), GSQ_TIMEOUT);
}

Test(gsq, a_server_that_goes_away_breaks_the_call)
{
	int64_t number;
	connect_both();
	close(server);
	server = -1;
	cr_assert_eq(call(&number), GSQ_BROKEN);
	cr_assert_gt(strlen(gsq_error(gsq)), 0);
	cr_assert_eq(call(&number), GSQ_BROKEN, "it stays broken");
	cr_assert_eq(gsq_poll_fd(gsq), -1);
}

Test(gsq, after_a_break_it_can_connect_again)
{
	int64_t number = 0;
	connect_both();
	close(server);
	cr_assert_eq(call(&number), GSQ_BROKEN);
	connect_both();
	answer_number(2, 5);
	send_answers();
	cr_assert_eq(call(&number), GSQ_OK);
	cr_assert_eq(number, 5);
}

Test(gsq, a_server_of_another_kind_is_told_apart)
{
	int64_t number;
	connect_both();
	cr_assert_eq(write(server, "HTTP/1.1 400", 12), 12);
	cr_assert_eq(call(&number), GSQ_BAD_ANSWER);
}

Test(gsq, nobody_there_is_unreachable)
{
	char nowhere[128];
	snprintf(nowhere, sizeof(nowhere), "%s/none", directory);
	cr_assert_eq(gsq_connect(gsq, nowhere, 1000), GSQ_UNREACHABLE);
	cr_assert_not_null(strstr(gsq_error(gsq), nowhere));
	cr_assert_eq(gsq_connect(gsq, "", 1000), GSQ_UNREACHABLE);
}

Test(gsq, without_connection_every_call_says_so)
{
	const struct message *message;
	int64_t number;
	cr_assert_eq(call(&number), GSQ_BROKEN);
	cr_assert_eq(gsq_receive(gsq, 0, &message), GSQ_BROKEN);
	cr_assert_eq(gsq_poll_fd(gsq), -1);
}

Test(gsq, freeing_nothing_is_good)
{
	gsq_free(NULL);
}
