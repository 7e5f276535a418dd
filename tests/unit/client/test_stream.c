/* SPDX-License-Identifier: MIT */
#include "client/stream.h"

#include "sys/clock.h"
#include "sys/socket.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* [2, "tick", []] and [1, 5, nil, 7] */
#define TICK   "\x93\x02\xa4tick\x90"
#define ANSWER "\x94\x01\x05\xc0\x07"

static struct stream stream;
static int other; /* the end of the server */

static void
set_up(void)
{
	int ends[2];
	cr_assert_eq(socket_pair(ends), 0);
	cr_assert(stream_init(&stream));
	stream_set(&stream, ends[0]);
	other = ends[1];
}

static void
tear_down(void)
{
	stream_release(&stream);
	if (other >= 0)
		close(other);
}

TestSuite(stream, .init = set_up, .fini = tear_down, .timeout = 60);

static void
server_says(const char *bytes, size_t count)
{
	cr_assert_eq(write(other, bytes, count), (ssize_t)count);
}

static void
server_leaves(void)
{
	close(other);
	other = -1;
}

static enum stream_status
receive_now(struct message *message)
{
	return stream_receive(&stream, 0, message);
}

Test(stream, without_a_message_it_does_not_block)
{
	struct message message;
	cr_assert_eq(receive_now(&message), STREAM_LATE);
}

Test(stream, it_waits_until_the_deadline_and_no_longer)
{
	struct message message;
	int64_t began_ms = clock_monotonic_ms();
	cr_assert_eq(
	    stream_receive(&stream, began_ms + 30, &message), STREAM_LATE);
	cr_assert_geq(clock_monotonic_ms() - began_ms, 30);
}

Test(stream, messages_that_come_together_are_given_out_one_by_one)
{
	struct message message;
	server_says(TICK ANSWER, sizeof(TICK ANSWER) - 1);
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
	cr_assert_eq(message.kind, MESSAGE_NOTIFICATION);
	cr_assert(span_is_text(message.method, "tick"));
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
	cr_assert_eq(message.kind, MESSAGE_RESPONSE);
	cr_assert_eq(message.msgid, 5);
	cr_assert_eq(receive_now(&message), STREAM_LATE);
}

Test(stream, a_message_may_come_byte_by_byte)
{
	struct message message;
	for (size_t i = 0; i + 1 < sizeof(TICK) - 1; i++) {
		server_says(&TICK[i], 1);
		cr_assert_eq(receive_now(&message), STREAM_LATE);
	}
	server_says(&TICK[sizeof(TICK) - 2], 1);
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
}

Test(stream, what_came_before_the_end_is_given_out_first)
{
	struct message message;
	server_says(TICK, sizeof(TICK) - 1);
	server_leaves();
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
	cr_assert_eq(receive_now(&message), STREAM_ENDED);
	cr_assert_not_null(stream.reason);
	cr_assert_eq(receive_now(&message), STREAM_ENDED, "it stays over");
}

Test(stream, half_a_message_before_the_end_is_no_message)
{
	struct message message;
	server_says(TICK, sizeof(TICK) - 2);
	server_leaves();
	cr_assert_eq(receive_now(&message), STREAM_ENDED);
}

Test(stream, a_server_that_goes_away_while_we_write_is_still_heard)
{
	struct message message;
	char *many = calloc(1, 1 << 20);
	cr_assert_not_null(many);
	cr_assert_eq(buffer_append(&stream.output, many, 1 << 20), 0);
	free(many);
	server_says(TICK, sizeof(TICK) - 1);
	server_leaves();
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
	cr_assert_eq(receive_now(&message), STREAM_ENDED);
}

Test(stream, a_header_that_promises_too_much_ends_it)
{
	struct message message;
	server_says("\xdd\xff\xff\xff\xff", 5);
	cr_assert_eq(receive_now(&message), STREAM_BAD);
	cr_assert_eq(stream.fd, -1);
	cr_assert_not_null(stream.reason);
}

Test(stream, an_object_that_is_no_message_ends_it)
{
	struct message message;
	server_says("\x2a", 1);
	cr_assert_eq(receive_now(&message), STREAM_BAD);
}

Test(stream, it_waits_for_room_only_when_something_is_to_be_written)
{
	cr_assert_eq(stream_poll_events(&stream), POLLIN);
	cr_assert_eq(buffer_append(&stream.output, "x", 1), 0);
	cr_assert_eq(stream_poll_events(&stream), POLLIN | POLLOUT);
	struct message message;
	char byte;
	cr_assert_eq(receive_now(&message), STREAM_LATE);
	cr_assert_eq(read(other, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	cr_assert_eq(stream_poll_events(&stream), POLLIN);
}

Test(stream, a_new_socket_knows_nothing_of_the_old_one)
{
	struct message message;
	int ends[2];
	server_says(TICK, 3);
	cr_assert_eq(receive_now(&message), STREAM_LATE);
	cr_assert_eq(socket_pair(ends), 0);
	stream_set(&stream, ends[0]);
	cr_assert_eq(
	    write(ends[1], TICK, sizeof(TICK) - 1), (ssize_t)sizeof(TICK) - 1);
	cr_assert_eq(receive_now(&message), STREAM_MESSAGE);
	close(ends[1]);
}
