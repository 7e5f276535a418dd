/* SPDX-License-Identifier: MIT */
#include "sys/peer.h"

#include "base/limits.h"

#include "sys/clock.h"
#include "sys/socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One peer, the other end of its socket, and what its owner heard. */
static struct event_base *base;
static struct peer peer;
static int far;
static unsigned messages;
static unsigned drained;
static unsigned gone;
static char gone_reason[128];
static uint64_t last_msgid;
static size_t reply_bytes;   /* on_message appends a reply of that size */
static unsigned close_after; /* messages, then on_message closes the peer */
static bool releases = true; /* on_message sends what it appends */
static int64_t work_us;	     /* and takes so long */

static void
reply(struct peer *from, uint64_t msgid)
{
	struct message_writer writer;
	char *bytes = calloc(1, reply_bytes);
	cr_assert_not_null(bytes);
	message_response(&writer, &from->output, msgid);
	put_bytes(&writer, (struct span){ bytes, reply_bytes });
	cr_assert_eq(message_end(&writer), 0);
	free(bytes);
	if (releases)
		peer_send(from);
}

static void
on_message(struct peer *from, const struct message *message)
{
	cr_assert_eq(from, &peer);
	cr_assert_eq(from->context, &messages);
	cr_assert_eq(gone, 0);
	messages++;
	last_msgid = message->msgid;
	int64_t until_us = clock_monotonic_us() + work_us;
	while (clock_monotonic_us() < until_us)
		continue;
	if (reply_bytes > 0)
		reply(from, message->msgid);
	if (messages == close_after)
		peer_close(from);
}

/* Frees everything and overwrites it: the peer must not touch it again. */
static void
on_gone(struct peer *from, const char *reason)
{
	cr_assert_eq(from, &peer);
	gone++;
	snprintf(gone_reason, sizeof(gone_reason), "%s", reason);
	peer_close(from);
	peer_release_memory(from);
	memset(from, 0xa5, sizeof(*from));
}

static void
on_drained(struct peer *from)
{
	cr_assert_eq(buffer_count(&from->output), 0);
	drained++;
}

static const struct peer_events events = {
	.on_message = on_message,
	.on_gone = on_gone,
	.on_drained = on_drained,
};

static void
set_up(void)
{
	int ends[2];
	signal(SIGPIPE, SIG_DFL); /* a peer must not raise it */
	base = event_base_new();
	cr_assert_not_null(base);
	cr_assert_eq(socket_pair(ends), 0);
	far = ends[1];
	cr_assert_eq(peer_init(&peer, base, 0, ends[0], &events, &messages), 0);
}

static void
tear_down(void)
{
	if (gone == 0) {
		peer_close(&peer);
		peer_release_memory(&peer);
	}
	if (far >= 0)
		close(far);
	event_base_free(base);
}

TestSuite(peer, .init = set_up, .fini = tear_down, .timeout = 60);

/* Runs the loop until nothing is left to do at this moment. */
static void
run(void)
{
	for (int i = 0; i < 20 || (gone == 0 && peer.unfinished); i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
write_far(const void *bytes, size_t count)
{
	cr_assert_eq(send(far, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

static void
close_far(void)
{
	close(far);
	far = -1;
}

/* All that has arrived at the other end, as long as it fits. */
static size_t
read_far(char *bytes, size_t room)
{
	size_t count = 0;
	while (count < room) {
		ssize_t got =
		    recv(far, bytes + count, room - count, MSG_DONTWAIT);
		if (got <= 0)
			break;
		count += (size_t)got;
	}
	return count;
}

static void
add_pings(struct buffer *buffer, unsigned count)
{
	struct message_writer writer;
	for (unsigned i = 1; i <= count; i++) {
		message_request(&writer, buffer, i, SPAN_LITERAL("ping"), 0);
		cr_assert_eq(message_end(&writer), 0);
	}
}

static void
send_pings(unsigned count)
{
	struct buffer buffer = { 0 };
	add_pings(&buffer, count);
	write_far(buffer_front(&buffer), buffer_count(&buffer));
	buffer_release(&buffer);
}

static void
send_garbage(void)
{
	write_far("\x94\x01\xc1", 3);
}

#define ANSWER	   "\x94\x01\x00\x92\x01"
#define NEVER_USED "BAD_MESSAGE: the byte 0xc1 begins no MessagePack object"

static void
expect_refusal(const char *bytes, size_t count)
{
	size_t text = sizeof(NEVER_USED) - 1;
	cr_assert_geq(count, text + 1);
	cr_assert_eq(memcmp(bytes + count - 1 - text, NEVER_USED, text), 0);
	cr_assert_eq((unsigned char)bytes[count - 1], 0xc0);
}

Test(peer, messages_come_out_whole_and_in_order)
{
	send_pings(1000);
	run();
	cr_assert_eq(messages, 1000);
	cr_assert_eq(last_msgid, 1000);
	cr_assert_eq(gone, 0);
}

Test(peer, a_message_may_come_byte_by_byte)
{
	struct buffer buffer = { 0 };
	add_pings(&buffer, 3);
	for (size_t i = 0; i < buffer_count(&buffer); i++) {
		write_far(buffer_front(&buffer) + i, 1);
		run();
	}
	cr_assert_eq(messages, 3);
	buffer_release(&buffer);
}

Test(peer, a_large_message_arrives_in_many_reads)
{
	struct buffer buffer = { 0 };
	struct message_writer writer;
	static char body[BODY_BYTES_MAX];
	add_pings(&buffer, 1);
	message_request(&writer, &buffer, 77, SPAN_LITERAL("enqueue"), 1);
	put_key(&writer, "body");
	put_bytes(&writer, (struct span){ body, sizeof(body) });
	cr_assert_eq(message_end(&writer), 0);
	for (size_t i = 0; i < buffer_count(&buffer);) {
		ssize_t sent = send(far, buffer_front(&buffer) + i,
		    buffer_count(&buffer) - i, MSG_DONTWAIT);
		if (sent > 0)
			i += (size_t)sent;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	run();
	cr_assert_eq(messages, 2);
	cr_assert_eq(last_msgid, 77);
	cr_assert_eq(peer.input.capacity, 0, "it holds memory for nothing");
	buffer_release(&buffer);
}

Test(peer, one_readiness_reads_a_bounded_number_of_bytes)
{
	struct buffer buffer = { 0 };
	int room = 1024 * 1024;
	setsockopt(far, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	add_pings(&buffer, 15000);
	size_t each = buffer_count(&buffer) / 15000;
	write_far(buffer_front(&buffer), buffer_count(&buffer));
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	cr_assert_gt(messages, 0);
	cr_assert_leq(messages, READ_BYTES_PER_TURN / (each - 3));
	run();
	cr_assert_eq(messages, 15000);
	buffer_release(&buffer);
}

Test(peer, one_turn_works_on_messages_for_a_bounded_time)
{
	work_us = WORK_US_PER_TURN;
	send_pings(50);
	for (unsigned round = 1; round <= 10; round++) {
		event_base_loop(base, EVLOOP_ONCE);
		cr_assert_eq(messages, round);
	}
	send_pings(1); /* is not read before those are done */
	run();
	cr_assert_eq(messages, 51);
	cr_assert_eq(last_msgid, 1);
	cr_assert_eq(gone, 0);
}

Test(peer, what_a_dead_one_had_said_takes_its_turns_too)
{
	work_us = WORK_US_PER_TURN;
	reply_bytes = 10; /* fails, as nobody is there */
	send_pings(30);
	close_far();
	event_base_loop(base, EVLOOP_ONCE);
	cr_assert_leq(messages, 2);
	cr_assert_eq(gone, 0);
	run();
	cr_assert_eq(messages, 30);
	cr_assert_eq(gone, 1);
}

Test(peer, an_unfinished_one_may_be_closed)
{
	work_us = WORK_US_PER_TURN;
	send_pings(30);
	event_base_loop(base, EVLOOP_ONCE);
	cr_assert(peer.unfinished);
	peer_close(&peer);
	run();
	cr_assert_eq(messages, 1);
	cr_assert_eq(gone, 0);
}

Test(peer, an_idle_peer_holds_no_input)
{
	send_pings(1);
	run();
	cr_assert_eq(messages, 1);
	cr_assert_null(peer.input.bytes);
	cr_assert_null(peer.output.bytes);
}

Test(peer, an_idle_peer_holds_little_output)
{
	char bytes[4096];
	reply_bytes = 50000;
	send_pings(1);
	run();
	while (read_far(bytes, sizeof(bytes)) > 0)
		run();
	cr_assert_eq(buffer_count(&peer.output), 0);
	cr_assert_leq(peer.output.capacity, 4096);
}

Test(peer, only_what_is_released_is_written)
{
	char bytes[16];
	cr_assert_eq(buffer_append(&peer.output, "abcdef", 6), 0);
	peer_flush(&peer);
	run();
	cr_assert_eq(read_far(bytes, sizeof(bytes)), 0);
	peer_release(&peer, 2);
	peer_flush(&peer);
	cr_assert_eq(read_far(bytes, sizeof(bytes)), 2);
	cr_assert_eq(memcmp(bytes, "ab", 2), 0);
	peer_release(&peer, 1);
	peer_release(&peer, 1);
	peer_flush(&peer);
	cr_assert_eq(read_far(bytes, sizeof(bytes)), 2);
	peer_send(&peer);
	cr_assert_eq(read_far(bytes, sizeof(bytes)), 2);
	cr_assert_eq(memcmp(bytes, "ef", 2), 0);
	cr_assert_not(peer.writing);
}

Test(peer, who_wants_to_know_is_told_when_little_is_drained)
{
	cr_assert_eq(buffer_append(&peer.output, "x", 1), 0);
	peer_want_drained(&peer);
	peer_send(&peer);
	cr_assert_eq(drained, 0, "not before the loop");
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_eq(drained, 1);
	cr_assert_eq(buffer_append(&peer.output, "x", 1), 0);
	peer_send(&peer);
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_eq(drained, 1, "once");
}

Test(peer, a_full_socket_is_written_on_by_the_loop_and_told_when_drained)
{
	size_t count = 3 * OUTPUT_BYTES_HIGH;
	char *bytes = calloc(1, count);
	size_t got = 0;
	cr_assert_eq(buffer_append(&peer.output, bytes, count), 0);
	peer_send(&peer);
	cr_assert(peer.writing);
	cr_assert_eq(drained, 0);
	while (got < count) {
		size_t more = read_far(bytes, count);
		event_base_loop(base, EVLOOP_NONBLOCK);
		cr_assert(more > 0 || buffer_count(&peer.output) > 0);
		got += more;
	}
	run();
	cr_assert_eq(drained, 1);
	cr_assert_not(peer.writing);
	cr_assert_eq(gone, 0);
	free(bytes);
}

Test(peer, who_does_not_read_is_not_read_from)
{
	char bytes[65536];
	reply_bytes = 100000;
	send_pings(200);
	run();
	unsigned before = messages;
	cr_assert_lt(before, 30);
	cr_assert_not(peer.reading);
	cr_assert_lt(buffer_count(&peer.output), OUTPUT_BYTES_HIGH + 200000);
	size_t got = 0;
	for (size_t more = 1; more > 0 || messages < 200; got += more) {
		more = read_far(bytes, sizeof(bytes));
		event_base_loop(base, EVLOOP_NONBLOCK);
		cr_assert_eq(gone, 0);
	}
	cr_assert_eq(messages, 200);
	cr_assert_gt(got, 200 * 100000);
	cr_assert_geq(drained, 1);
	cr_assert(peer.reading);
}

Test(peer, its_owner_may_say_how_much_waits_for_it)
{
	char bytes[65536];
	size_t answer = 10000, socket_takes = 300000;
	peer.output_max = OUTPUT_BYTES_MIN;
	reply_bytes = (unsigned)answer;
	send_pings(200);
	run();
	cr_assert_lt(messages, (OUTPUT_BYTES_MIN + socket_takes) / answer);
	cr_assert_not(peer.reading);
	cr_assert_not(peer_has_room(&peer));
	cr_assert_leq(
	    buffer_count(&peer.output), OUTPUT_BYTES_MIN + answer + 100);
	for (size_t more = 1; more > 0 || messages < 200;) {
		more = read_far(bytes, sizeof(bytes));
		event_base_loop(base, EVLOOP_NONBLOCK);
		cr_assert_eq(gone, 0);
		cr_assert_leq(buffer_count(&peer.output),
		    OUTPUT_BYTES_MIN + answer + 100);
	}
	cr_assert_eq(messages, 200);
	cr_assert(peer.reading);
	cr_assert(peer_has_room(&peer));
}

Test(peer, a_handler_may_close_in_the_middle_of_messages)
{
	close_after = 3;
	send_pings(10);
	run();
	cr_assert_eq(messages, 3);
	cr_assert_eq(peer.fd, -1);
	cr_assert_eq(gone, 0);
	peer_close(&peer);
	peer_send(&peer);
	peer_release(&peer, 5);
}

Test(peer, closing_from_outside_is_not_told_as_gone)
{
	send_pings(1);
	peer_close(&peer);
	run();
	cr_assert_eq(messages, 0);
	cr_assert_eq(gone, 0);
}

Test(peer, the_end_is_told_once_after_the_last_messages)
{
	send_pings(5);
	close_far();
	run();
	cr_assert_eq(messages, 5);
	cr_assert_eq(gone, 1);
	cr_assert_str_eq(gone_reason, "closed by the other side");
}

Test(peer, a_cut_message_is_forgotten_at_the_end)
{
	write_far("\x94\x00", 2);
	close_far();
	run();
	cr_assert_eq(messages, 0);
	cr_assert_eq(gone, 1);
}

Test(peer, an_end_with_nothing_to_write_is_told_in_the_same_round)
{
	close_far();
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	cr_assert_eq(gone, 1);
}

Test(peer, a_half_closed_client_gets_its_answers)
{
	static char bytes[2 * OUTPUT_BYTES_HIGH];
	size_t got = 0;
	reply_bytes = 300000;
	send_pings(3);
	cr_assert_eq(shutdown(far, SHUT_WR), 0);
	run();
	cr_assert_eq(messages, 3);
	cr_assert_eq(gone, 0, "its answers are still on the way");
	cr_assert_not(peer.reading);
	while (gone == 0) {
		got += read_far(bytes + got, sizeof(bytes) - got);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	got += read_far(bytes + got, sizeof(bytes) - got);
	cr_assert_gt(got, 900000);
	cr_assert_str_eq(gone_reason, "closed by the other side");
}

Test(peer, a_half_closed_client_waits_for_the_release_of_its_answer)
{
	char bytes[64];
	reply_bytes = 4;
	releases = false;
	send_pings(1);
	cr_assert_eq(shutdown(far, SHUT_WR), 0);
	run();
	cr_assert_eq(messages, 1);
	cr_assert_eq(gone, 0);
	peer_send(&peer);
	cr_assert_eq(gone, 0, "told from within peer_send");
	run();
	cr_assert_eq(gone, 1);
	cr_assert_gt(read_far(bytes, sizeof(bytes)), 4);
}

Test(peer, a_dead_one_with_unreleased_answers_is_told_at_the_release)
{
	reply_bytes = 4;
	releases = false;
	send_pings(1);
	close_far();
	run();
	cr_assert_eq(messages, 1);
	cr_assert_eq(gone, 0);
	peer_send(&peer);
	cr_assert_eq(gone, 0, "told from within peer_send");
	run();
	cr_assert_eq(gone, 1);
}

Test(peer, a_failed_write_is_told_by_the_loop_after_what_was_said_before)
{
	send_pings(7);
	close_far();
	cr_assert_eq(buffer_append(&peer.output, "x", 1), 0);
	peer_send(&peer);
	cr_assert(peer.broken);
	cr_assert_eq(gone, 0, "told from within peer_send");
	cr_assert_eq(buffer_count(&peer.output), 0);
	cr_assert_eq(buffer_append(&peer.output, "y", 1), 0);
	peer_release(&peer, 1);
	peer_send(&peer);
	run();
	cr_assert_eq(messages, 7);
	cr_assert_eq(gone, 1);
	cr_assert_str_eq(gone_reason, "closed by the other side");
}

Test(peer, a_failed_write_to_one_that_still_writes_is_told_too)
{
	cr_assert_eq(shutdown(far, SHUT_RD), 0);
	reply_bytes = 10;
	send_pings(4);
	run();
	cr_assert_eq(messages, 4);
	cr_assert_eq(gone, 1);
}

Test(peer, a_paused_one_that_dies_is_told)
{
	reply_bytes = 400000;
	send_pings(10);
	run();
	cr_assert_not(peer.reading);
	cr_assert_eq(gone, 0);
	close_far();
	run();
	cr_assert_eq(messages, 10, "what it had said counts");
	cr_assert_eq(gone, 1);
}

Test(peer, a_bad_message_is_answered_and_ends_the_connection)
{
	char bytes[256];
	send_garbage();
	send_pings(1);
	run();
	cr_assert_eq(messages, 0);
	cr_assert_eq(gone, 1);
	cr_assert_str_eq(
	    gone_reason, "the byte 0xc1 begins no MessagePack object");
	size_t count = read_far(bytes, sizeof(bytes));
	cr_assert_eq(memcmp(bytes, ANSWER, sizeof(ANSWER) - 1), 0);
	expect_refusal(bytes, count);
}

Test(peer, an_object_that_is_no_message_is_answered_too)
{
	char bytes[256];
	write_far("\x93\x00\x01\xa4ping", 8);
	run();
	cr_assert_eq(messages, 0);
	cr_assert_eq(gone, 1);
	cr_assert_gt(read_far(bytes, sizeof(bytes)), 10);
}

Test(peer, a_promise_of_gigabytes_costs_no_memory)
{
	write_far("\xdd\xff\xff\xff\xff", 5);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	cr_assert_eq(peer.input.capacity, 0);
	run();
	cr_assert_eq(gone, 1);
}

Test(peer, good_requests_before_a_bad_message_are_answered_first)
{
	char bytes[512];
	reply_bytes = 4;
	releases = false;
	send_pings(2);
	send_garbage();
	run();
	cr_assert_eq(messages, 2);
	cr_assert_eq(gone, 0);
	cr_assert_eq(
	    read_far(bytes, sizeof(bytes)), 0, "answered before the release");
	peer_send(&peer);
	run();
	cr_assert_eq(gone, 1);
	size_t count = read_far(bytes, sizeof(bytes));
	cr_assert_eq(bytes[2], 1, "the first answer is to the first request");
	expect_refusal(bytes, count);
}

Test(peer, an_owner_that_answers_after_the_turn_is_before_the_refusal)
{
	char bytes[512];
	send_pings(1);
	send_garbage();
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	cr_assert_eq(messages, 1);
	cr_assert_eq(gone, 0);
	cr_assert_eq(buffer_append(&peer.output, "answer", 6), 0);
	peer_send(&peer);
	run();
	cr_assert_eq(gone, 1);
	size_t count = read_far(bytes, sizeof(bytes));
	cr_assert_eq(memcmp(bytes, "answer", 6), 0);
	expect_refusal(bytes, count);
}

Test(peer, a_bad_message_from_a_dead_one_is_told)
{
	send_garbage();
	close_far();
	run();
	cr_assert_eq(gone, 1);
}

Test(peer, a_priority_that_the_loop_does_not_have_is_refused)
{
	struct peer second;
	int ends[2];
	cr_assert_eq(socket_pair(ends), 0);
	cr_assert_eq(
	    peer_init(&second, base, 5, ends[0], &events, NULL), EINVAL);
	peer_close(&second);
	peer_release_memory(&second);
	cr_assert_eq(close(ends[0]), 0, "it stays the caller's");
	close(ends[1]);
}

Test(peer, a_zeroed_peer_can_be_closed_and_released)
{
	struct peer zeroed;
	int before = fcntl(0, F_GETFD);
	memset(&zeroed, 0, sizeof(zeroed));
	peer_close(&zeroed);
	peer_release_memory(&zeroed);
	cr_assert_eq(fcntl(0, F_GETFD), before, "it closed a foreign one");
}
