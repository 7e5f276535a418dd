/* SPDX-License-Identifier: MIT */
#include "queue/outlet.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clients on real socket pairs; what the other end can read is what is
 * visible. Messages are responses with a number as msgid. */

#define CLIENTS 3

static struct event_base *base;
static struct outlet outlet;
static struct client clients[CLIENTS];
static int ends[CLIENTS];

static void
on_message(struct peer *peer, const struct message *message)
{
	(void)peer, (void)message;
}

static void
on_gone(struct peer *peer, const char *reason)
{
	(void)peer, (void)reason;
}

static void
set_up(void)
{
	static const struct peer_events events = { .on_message = on_message,
		.on_gone = on_gone };
	base = event_base_new();
	outlet_init(&outlet);
	for (int i = 0; i < CLIENTS; i++) {
		int pair[2];
		cr_assert_eq(socket_pair(pair), 0);
		ends[i] = pair[1];
		memset(&clients[i], 0, sizeof(clients[i]));
		cr_assert_eq(peer_init(&clients[i].peer, base, 0, pair[0],
				 &events, &clients[i]),
		    0);
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		outlet_forget(&outlet, &clients[i]);
		peer_close(&clients[i].peer);
		peer_release_memory(&clients[i].peer);
		close(ends[i]);
	}
	event_base_free(base);
}

TestSuite(outlet, .init = set_up, .fini = tear_down);

static void
send_message(int to, uint64_t number, enum visible visible)
{
	struct message_writer writer;
	message_response(&writer, &clients[to].peer.output, number);
	put_nil(&writer);
	outlet_end(&outlet, &clients[to], &writer, visible);
}

/* The numbers of the messages that have come since the last look, "1 2"; a
 * settled is "s3". */
static const char *
seen(int by)
{
	static char text[256];
	char bytes[4096];
	msgpack_zone zone;
	struct message message;
	int64_t n;
	text[0] = '\0';
	outlet_flush(&outlet);
	ssize_t got = read(ends[by], bytes, sizeof(bytes));
	msgpack_zone_init(&zone, 1024);
	for (ssize_t at = 0; at < got;) {
		struct scanner scanner;
		scanner_init(&scanner, sizeof(bytes));
		cr_assert_eq(
		    scanner_feed(&scanner, bytes + at, (size_t)(got - at)),
		    SCAN_COMPLETE);
		cr_assert_null(message_decode(
		    &message, &zone, bytes + at, scanner.offset));
		at += (ssize_t)scanner.offset;
		size_t used = strlen(text);
		if (message.kind == MESSAGE_RESPONSE) {
			snprintf(text + used, sizeof(text) - used, "%s%d",
			    used ? " " : "", (int)message.msgid);
			continue;
		}
		cr_assert(span_is_text(message.method, "settled"));
		cr_assert(
		    object_integer(map_find(message.params, "n"), 0, 1000, &n));
		snprintf(text + used, sizeof(text) - used, "%ss%d",
		    used ? " " : "", (int)n);
	}
	msgpack_zone_destroy(&zone);
	return text;
}

Test(outlet, what_tells_of_nothing_new_is_seen_at_once)
{
	send_message(0, 1, VISIBLE_NOW);
	send_message(0, 2, VISIBLE_NOW);
	cr_assert_str_eq(seen(0), "1 2");
}

Test(outlet, what_tells_of_a_change_waits_for_its_batch)
{
	send_message(0, 1, VISIBLE_COMMITTED);
	cr_assert_str_eq(seen(0), "");
	outlet_batch_leaves(&outlet);
	cr_assert_str_eq(seen(0), "");
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "1");
}

Test(outlet, other_connections_are_not_held_up)
{
	send_message(0, 1, VISIBLE_COMMITTED);
	send_message(1, 2, VISIBLE_NOW);
	cr_assert_str_eq(seen(1), "2");
	cr_assert_str_eq(seen(0), "");
}

Test(outlet, what_follows_on_the_same_connection_keeps_its_place)
{
	send_message(0, 1, VISIBLE_NOW);
	send_message(0, 2, VISIBLE_COMMITTED);
	send_message(0, 3, VISIBLE_NOW);
	cr_assert_str_eq(seen(0), "1");
	outlet_batch_leaves(&outlet);
	send_message(0, 4, VISIBLE_NOW);
	cr_assert_str_eq(seen(0), "");
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "2 3 4");
	send_message(0, 5, VISIBLE_NOW);
	cr_assert_str_eq(seen(0), "5");
}

Test(outlet, the_batch_that_gathers_does_not_go_with_the_one_before)
{
	send_message(0, 1, VISIBLE_COMMITTED);
	outlet_batch_leaves(&outlet);
	send_message(0, 2, VISIBLE_COMMITTED);
	send_message(0, 3, VISIBLE_NOW);
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "1");
	outlet_batch_leaves(&outlet);
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "2 3");
}

Test(outlet, answers_are_settled_when_their_batch_is_committed)
{
	outlet_count_answer(&outlet, &clients[0]);
	outlet_count_answer(&outlet, &clients[0]);
	cr_assert_str_eq(seen(0), "");
	outlet_batch_leaves(&outlet);
	outlet_count_answer(&outlet, &clients[0]);
	cr_assert_str_eq(seen(0), "");
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "s2");
	outlet_batch_leaves(&outlet);
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "s3");
	outlet_batch_leaves(&outlet);
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(0), "");
}

Test(outlet, a_client_that_is_gone_takes_its_messages_with_it)
{
	send_message(0, 1, VISIBLE_COMMITTED);
	send_message(1, 2, VISIBLE_COMMITTED);
	outlet_batch_leaves(&outlet);
	outlet_forget(&outlet, &clients[0]);
	peer_close(&clients[0].peer);
	outlet_batch_committed(&outlet);
	cr_assert_str_eq(seen(1), "2");
}

Test(outlet, a_broken_connection_waits_for_nothing)
{
	close(ends[0]);
	ends[0] = -1;
	send_message(0, 1, VISIBLE_NOW);
	outlet_flush(&outlet);
	cr_assert(clients[0].peer.broken);
	send_message(0, 2, VISIBLE_COMMITTED);
	outlet_batch_leaves(&outlet);
	send_message(0, 3, VISIBLE_NOW);
	outlet_batch_committed(&outlet);
	outlet_flush(&outlet);
	cr_assert_eq(buffer_count(&clients[0].peer.output), 0);
}

Test(outlet, a_connection_that_breaks_while_it_waits_is_forgotten)
{
	send_message(0, 1, VISIBLE_NOW);
	send_message(0, 2, VISIBLE_COMMITTED);
	close(ends[0]);
	ends[0] = -1;
	outlet_flush(&outlet);
	outlet_batch_leaves(&outlet);
	outlet_batch_committed(&outlet);
	outlet_flush(&outlet);
	cr_assert_eq(buffer_count(&clients[0].peer.output), 0);
}

/* A client that sends rubbish is written what there is and let go: not what the
 * turn has not written down yet. (Seed 4018649 of the simulator.) */
Test(outlet, nothing_is_seen_before_the_turn_flushes_it)
{
	send_message(0, 1, VISIBLE_NOW);
	cr_assert_eq(write(ends[0], "\xc1", 1), 1);
	char byte;
	event_base_loop(base, EVLOOP_NONBLOCK);
	cr_expect_eq(recv(ends[0], &byte, 1, MSG_DONTWAIT), -1);
	cr_expect_str_eq(seen(0), "1", "flushed");
}
