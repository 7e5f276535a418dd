/* SPDX-License-Identifier: MIT */
#include "queue/watch.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Watchers on real socket pairs; what the other end can read is what they are
 * told. */

#define CLIENTS 2

static struct event_base *base;
static struct core core;
static struct outlet outlet;
static struct watch watch;
static struct client clients[CLIENTS];
static int ends[CLIENTS];
static uint32_t lanes[3]; /* a, b, and one whose events take more bytes */
#define LONG 2

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context, (void)queue;
	return (struct lane_policy){ .max_attempts = 3, .rate_burst = 1 };
}

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

/* A queue is known once somebody has said something of it. */
static uint32_t
add_lane(const char *name)
{
	struct fact fact = { .kind = FACT_DRAIN };
	fact.gate.queue = span_of(name);
	fact.gate.on = true;
	core_step(&core, &fact);
	return lanes_find(&core.lanes, span_of(name))->handle;
}

static void
set_up(void)
{
	static const struct peer_events events = { .on_message = on_message,
		.on_gone = on_gone };
	base = event_base_new();
	core_init(&core, 1, 1, policy_of, NULL);
	lanes[0] = add_lane("a");
	lanes[1] = add_lane("b");
	lanes[LONG] = add_lane("a-name-that-makes-events-larger");
	outlet_init(&outlet);
	cr_assert_eq(watch_init(&watch, &core, &outlet, 1), 0);
	for (int i = 0; i < CLIENTS; i++) {
		int pair[2];
		cr_assert_eq(socket_pair(pair), 0);
		ends[i] = pair[1];
		memset(&clients[i], 0, sizeof(clients[i]));
		LIST_INIT(&clients[i].waiters);
		cr_assert_eq(peer_init(&clients[i].peer, base, 0, pair[0],
				 &events, &clients[i]),
		    0);
	}
}

static void
tear_down(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		watch_forget(&watch, &clients[i]);
		outlet_forget(&outlet, &clients[i]);
		peer_close(&clients[i].peer);
		peer_release_memory(&clients[i].peer);
		close(ends[i]);
	}
	watch_release(&watch);
	core_release(&core);
	event_base_free(base);
}

TestSuite(watch, .init = set_up, .fini = tear_down);

static void
happens(int lane, int times)
{
	struct wish wish = {
		.kind = WISH_TELL, .event = EVENT_DRAINING, .lane = lanes[lane]
	};
	for (int i = 0; i < times; i++)
		watch_tell(&watch, &wish, VISIBLE_NOW);
}

static void
watch_from(int by, const char *queue, uint64_t after)
{
	watch_events(&watch, &clients[by], span_of(queue), after);
	watch_go_on(&watch, &clients[by], VISIBLE_NOW);
}

/* As if the loop told so of its peer, until it is behind no more. */
static void
goes_on(int by)
{
	struct client *client = &clients[by];
	while (client->peer.was_high &&
	    buffer_count(&client->peer.output) <= OUTPUT_BYTES_HIGH) {
		client->peer.was_high = false;
		watch_go_on(&watch, client, VISIBLE_NOW);
	}
}

/* What one event says: its number, behind which stands whether it is of queue
 * b; or of a gap "from-to". */
static void
describe(const struct message *message, char *text, size_t text_bytes)
{
	struct span type, queue;
	int64_t seq, from;
	cr_assert(span_is_text(message->method, "event"));
	cr_assert(object_span(map_find(message->params, "type"), &type));
	cr_assert(object_integer(
	    map_find(message->params, "seq"), 0, INT64_MAX, &seq));
	if (span_is_text(type, "gap")) {
		cr_assert(object_integer(
		    map_find(message->params, "from"), 0, INT64_MAX, &from));
		snprintf(text, text_bytes, "%lld-%lld ", (long long)from,
		    (long long)seq);
		return;
	}
	cr_assert(object_span(map_find(message->params, "queue"), &queue));
	snprintf(text, text_bytes, "%lld%s ", (long long)seq,
	    *queue.bytes == 'a' ? "" : "b");
}

/* All that has come since the last look; numbers in a row as "3..7". */
static const char *
seen(int by)
{
	static char text[4096], bytes[4 * 1024 * 1024];
	msgpack_zone zone;
	ssize_t got, count = 0;
	text[0] = '\0';
	do {
		outlet_flush(&outlet);
		peer_flush(&clients[by].peer);
		got = recv(ends[by], bytes + count,
		    sizeof(bytes) - (size_t)count, MSG_DONTWAIT);
		count += got > 0 ? got : 0;
	} while (got > 0);
	msgpack_zone_init(&zone, 1024);
	char pending[64] = "", first[64] = "";
	long long row = -1;
	size_t used = 0;
	for (ssize_t at = 0; at < count;) {
		struct scanner scanner;
		struct message message;
		char one[64];
		long long number = -1;
		scanner_init(&scanner, MESSAGE_BYTES_MAX);
		cr_assert_eq(
		    scanner_feed(&scanner, bytes + at, (size_t)(count - at)),
		    SCAN_COMPLETE);
		cr_assert_null(message_decode(
		    &message, &zone, bytes + at, scanner.offset));
		at += (ssize_t)scanner.offset;
		describe(&message, one, sizeof(one));
		if (strpbrk(one, "-b") == NULL)
			number = strtoll(one, NULL, 10);
		if (number < 0 || number != row + 1 || row < 0) {
			used += (size_t)snprintf(text + used,
			    sizeof(text) - used, "%s%s%s", first,
			    *pending != '\0' ? ".." : "", pending);
			snprintf(first, sizeof(first), "%s", one);
			*pending = '\0';
		} else {
			/* "3 " and "..4 " become "3..4 ". */
			first[strcspn(first, " ")] = '\0';
			snprintf(pending, sizeof(pending), "%s", one);
		}
		row = number;
	}
	snprintf(text + used, sizeof(text) - used, "%s%s%s", first,
	    *pending != '\0' ? ".." : "", pending);
	msgpack_zone_destroy(&zone);
	return text;
}

Test(watch, what_happens_is_told_from_now_on)
{
	happens(0, 3);
	watch_number(&watch, 0, EVENT_NUMBERS);
	watch_from(0, "", watch_last(&watch));
	cr_expect_str_eq(seen(0), "");
	happens(0, 2);
	cr_expect_str_eq(seen(0), "4..5 ");
}

Test(watch, who_comes_back_goes_on_where_he_was)
{
	watch_number(&watch, 0, EVENT_NUMBERS);
	happens(0, 9);
	watch_from(0, "", 4);
	cr_expect_str_eq(seen(0), "5..9 ");
	happens(0, 1);
	cr_expect_str_eq(seen(0), "10 ");
	watch_from(1, "", 10);
	cr_expect_str_eq(seen(1), "");
	watch_from(1, "", 0);
	cr_expect_str_eq(seen(1), "1..10 ");
}

Test(watch, of_one_queue_alone)
{
	watch_number(&watch, 0, EVENT_NUMBERS);
	happens(0, 1);
	happens(1, 1);
	happens(0, 1);
	watch_from(0, "b", 0);
	watch_from(1, "a", 1);
	happens(1, 1);
	happens(0, 1);
	cr_expect_str_eq(seen(0), "2b 4b ");
	cr_expect_str_eq(seen(1), "3 5 ");
}

Test(watch, a_queue_that_starts_anew_begins_behind_the_numbers_of_before)
{
	happens(0, 2);
	watch_number(&watch, EVENT_NUMBERS, 2 * EVENT_NUMBERS);
	watch_from(0, "", 17);
	cr_expect_str_eq(
	    seen(0), "18-1000000000 1000000001..1000000002 ", "%s", seen(0));
	watch_from(0, "", EVENT_NUMBERS);
	cr_expect_str_eq(seen(0), "1000000001..1000000002 ");
}

Test(watch, the_gap_is_told_though_nothing_has_happened)
{
	watch_number(&watch, EVENT_NUMBERS, 2 * EVENT_NUMBERS);
	watch_from(0, "", 17);
	cr_expect_str_eq(seen(0), "18-1000000000 ");
	happens(0, 1);
	cr_expect_str_eq(seen(0), "1000000001 ");
}

Test(watch, no_more_in_one_turn_than_keeps_nobody_waiting)
{
	char text[100];
	watch_number(&watch, 0, EVENT_NUMBERS);
	happens(0, EVENTS_PER_TURN + 3);
	watch_from(0, "", 0);
	snprintf(text, sizeof(text), "1..%d ", EVENTS_PER_TURN);
	cr_expect_str_eq(seen(0), text);
	happens(0, 1);
	cr_expect_str_eq(seen(0), "");
	goes_on(0);
	snprintf(text, sizeof(text), "%d..%d ", EVENTS_PER_TURN + 1,
	    EVENTS_PER_TURN + 4);
	cr_expect_str_eq(seen(0), text);
	cr_expect_not(clients[0].peer.was_high);
	happens(0, 1);
	snprintf(text, sizeof(text), "%d ", EVENTS_PER_TURN + 5);
	cr_expect_str_eq(seen(0), text);
}

Test(watch, what_is_of_other_queues_is_passed_over_at_once)
{
	char text[100];
	watch_number(&watch, 0, EVENT_NUMBERS);
	happens(1, 3 * EVENTS_PER_TURN);
	happens(0, 1);
	watch_from(0, "a", 0);
	snprintf(text, sizeof(text), "%d ", 3 * EVENTS_PER_TURN + 1);
	cr_expect_str_eq(seen(0), text);
	cr_expect_not(clients[0].peer.was_high);
}

Test(watch, what_is_forgotten_is_one_gap)
{
	char text[100];
	watch_number(&watch, 0, EVENT_NUMBERS);
	happens(LONG, EVENTS_MAX + 10);
	watch_from(0, "", 0);
	goes_on(0);
	/* More than the output takes: the rest comes when that is read. */
	const char *got = seen(0);
	cr_expect_eq(strncmp(got, "1-10 11..", 9), 0, "%s", got);
	long long last = strtoll(strstr(got, "..") + 2, NULL, 10);
	cr_expect_lt(last, EVENTS_MAX + 10);
	goes_on(0);
	snprintf(text, sizeof(text), "%lld..%d ", last + 1, EVENTS_MAX + 10);
	cr_expect_str_eq(seen(0), text);
}

Test(watch, a_slow_reader_goes_on_from_what_is_remembered)
{
	char text[100];
	watch_number(&watch, 0, EVENT_NUMBERS);
	watch_from(0, "", 0);
	happens(LONG, EVENTS_MAX);
	cr_expect_leq(
	    buffer_count(&clients[0].peer.output), OUTPUT_BYTES_HIGH + 1000);
	const char *got = seen(0);
	cr_expect_eq(strncmp(got, "1..", 3), 0, "%s", got);
	long long last = strtoll(got + 3, NULL, 10);
	cr_assert_lt(last, EVENTS_MAX);
	/* It is behind: nothing comes out of its turn. */
	happens(0, 1);
	cr_expect_str_eq(seen(0), "");
	goes_on(0);
	snprintf(text, sizeof(text), "%lld..%d ", last + 1, EVENTS_MAX + 1);
	cr_expect_str_eq(seen(0), text);
}

Test(watch, a_reader_that_is_too_slow_is_told_one_gap)
{
	char text[100];
	watch_number(&watch, 0, EVENT_NUMBERS);
	watch_from(0, "", 0);
	happens(LONG, 3 * EVENTS_MAX);
	long long last = strtoll(seen(0) + 3, NULL, 10);
	goes_on(0);
	const char *got = seen(0);
	snprintf(text, sizeof(text), "%lld-%d %d..", last + 1, 2 * EVENTS_MAX,
	    2 * EVENTS_MAX + 1);
	cr_expect_eq(strncmp(got, text, strlen(text)), 0, "%s", got);
}

Test(watch, more_numbers_change_none_of_those_before)
{
	watch_number(&watch, 0, 100);
	cr_expect(watch_wants_numbers(&watch));
	watch_from(0, "", 0);
	happens(0, 2);
	watch_number(&watch, 100, 2 * EVENT_NUMBERS);
	cr_expect_not(watch_wants_numbers(&watch));
	happens(0, 1);
	cr_expect_str_eq(seen(0), "1..3 ");
}

/* The disk had no room for a quarter of a billion events. */
Test(watch, without_numbers_nothing_is_told_and_none_is_given_twice)
{
	char byte;
	watch_number(&watch, 0, 5);
	watch_from(0, "", 0);
	happens(0, 4);
	cr_expect_str_eq(seen(0), "1..4 ");
	happens(0, 5);
	cr_expect_eq(recv(ends[0], &byte, 1, 0), 0, "it is cut off");
	cr_expect_not(watch_wants_numbers(&watch));
	watch_number(&watch, 5, EVENT_NUMBERS);
	watch_from(1, "", 4);
	cr_expect_str_eq(seen(1), "5-10 11..14 ");
	happens(0, 1);
	cr_expect_str_eq(seen(1), "15 ");
}
