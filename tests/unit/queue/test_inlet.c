/* SPDX-License-Identifier: MIT */
#include "queue/inlet.h"

#include "sys/log.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * What a worker hears of a change that may still be lost, the simulator's find
 * of seed 1410: "stale" and "unknown" make it drop a result, so they wait for
 * the batch that made them true, as what answers the change itself does.
 *
 * A server as far as messages need one: a real core behind a log that commits
 * when it is told to, and clients on socket pairs.
 */

#define CLIENTS 2

static struct server server;
static struct store fake;
static struct client clients[CLIENTS];
static int ends[CLIENTS];
static msgpack_zone zone;

/* ---- a log that says yes to everything ---- */

static int
fake_load(
    struct store *store, uint64_t *ret_next_id, char *reason, size_t bytes)
{
	(void)store, (void)reason, (void)bytes;
	*ret_next_id = 1;
	return 0;
}

static int
fake_begin(struct store *store)
{
	(void)store;
	return 0;
}

static bool
fake_has_room(struct store *store, uint32_t jobs, uint64_t bytes)
{
	(void)store, (void)jobs, (void)bytes;
	return true;
}

static int
fake_put(struct store *store, const struct record *record, struct span body,
    uint64_t *ret_body)
{
	(void)store, (void)body;
	*ret_body = record->job->id;
	return 0;
}

static int
fake_update(struct store *store, const struct record *record)
{
	(void)store, (void)record;
	return 0;
}

static int
fake_delete(struct store *store, uint64_t id, uint64_t body, uint32_t bytes)
{
	(void)store, (void)id, (void)body, (void)bytes;
	return 0;
}

static int
fake_commit(struct store *store, bool relaxed)
{
	(void)store, (void)relaxed;
	return 0;
}

static int
fake_progress(struct store *store, int64_t now_ms)
{
	(void)store, (void)now_ms;
	return 0;
}

static const struct store_operations fake_operations = {
	.load = fake_load,
	.begin = fake_begin,
	.has_room = fake_has_room,
	.put = fake_put,
	.update = fake_update,
	.delete = fake_delete,
	.commit = fake_commit,
	.progress = fake_progress,
};

/* ---- effects: deliveries are not looked at ---- */

static void
on_deliver(void *context, uint32_t subscriber, uint32_t job, struct span body,
    bool kept)
{
	(void)context, (void)subscriber, (void)job, (void)body, (void)kept;
}

static void
on_tell(void *context, const struct wish *wish)
{
	(void)context, (void)wish;
}

static void
on_show(void *context)
{
	(void)context;
}

static void
on_leaves(void *context)
{
	(void)context;
	outlet_batch_leaves(&server.outlet);
}

static void
on_committed(void *context)
{
	(void)context;
	outlet_batch_committed(&server.outlet);
}

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context, (void)queue;
	return (struct lane_policy){ .max_attempts = 3 };
}

/* ---- life ---- */

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
connect_client(struct client *client, int *end)
{
	static const struct peer_events events = { .on_message = on_message,
		.on_gone = on_gone };
	int pair[2];
	cr_assert_eq(socket_pair(pair), 0);
	*end = pair[1];
	*client =
	    (struct client){ .server = &server, .credentials = { .pid = 100 } };
	cr_assert_eq(
	    peer_init(&client->peer, server.base, 0, pair[0], &events, client),
	    0);
}

static void
set_up(void)
{
	static const struct turn_effects effects = {
		.deliver = on_deliver,
		.tell = on_tell,
		.show = on_show,
		.batch_leaves = on_leaves,
		.batch_committed = on_committed,
	};
	char reason[64];
	log_open("test", LOG_ERROR);
	msgpack_zone_init(&zone, 1024);
	fake.operations = &fake_operations;
	server.base = event_base_new();
	server.began_us = 1000;
	outlet_init(&server.outlet);
	cr_assert_eq(turn_init(&server.turn, &fake, &fake, &effects, 1,
			 policy_of, NULL, reason, sizeof(reason)),
	    0);
	for (int i = 0; i < CLIENTS; i++)
		connect_client(&clients[i], &ends[i]);
}

static void
tear_down(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		outlet_forget(&server.outlet, &clients[i]);
		peer_close(&clients[i].peer);
		peer_release_memory(&clients[i].peer);
		close(ends[i]);
	}
	turn_release(&server.turn);
	roster_release(&server.roster);
	event_base_free(server.base);
	msgpack_zone_destroy(&zone);
}

TestSuite(inlet, .init = set_up, .fini = tear_down);

/* ---- what clients say ---- */

static struct message_writer writer;
static struct buffer written;

static void
begin(const char *method, uint64_t msgid, uint32_t keys)
{
	buffer_release(&written);
	message_request(&writer, &written, msgid, span_of(method), keys);
}

static void
end(int by)
{
	struct message message;
	cr_assert_eq(message_end(&writer), 0);
	cr_assert_null(message_decode(
	    &message, &zone, buffer_front(&written), buffer_count(&written)));
	inlet_message(&clients[by], &message);
	buffer_release(&written);
}

static void
subscribe(int by, uint64_t msgid, uint64_t held)
{
	begin("subscribe", msgid, 2);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("q"));
	put_key(&writer, "held");
	put_array(&writer, held > 0);
	if (held > 0) {
		put_array(&writer, 2);
		put_unsigned(&writer, held);
		put_unsigned(&writer, 1);
	}
	end(by);
}

static void
ask(int by, uint64_t msgid)
{
	begin("demand", msgid, 1);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("q"));
	end(by);
}

/* That the first delivery of the job is done. */
static void
give_result(int by, uint64_t msgid, uint64_t job)
{
	begin("result", msgid, 2);
	put_key(&writer, "job");
	put_unsigned(&writer, job);
	put_key(&writer, "delivery");
	put_unsigned(&writer, 1);
	end(by);
}

static void
enqueue(void)
{
	struct fact fact = { .kind = FACT_ENQUEUE, .now_ms = 1 };
	fact.enqueue.queue = SPAN_LITERAL("q");
	cr_assert_eq(
	    turn_step(&server.turn, &fact, (struct span){ 0 }), REFUSAL_NONE);
}

static void
batch_leaves(void)
{
	turn_end(&server.turn, 1);
	cr_assert(server.turn.committing);
}

static void
batch_is_kept(void)
{
	fake.owner.committed(fake.owner.context, 0);
}

/* ---- what they hear ---- */

static char text[256]; /* of what was heard */

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	va_list arguments;
	size_t used = strlen(text);
	va_start(arguments, format);
	vsnprintf(text + used, sizeof(text) - used, format, arguments);
	va_end(arguments);
}

static void
note_answer(const struct message *answer)
{
	const msgpack_object *unknown = map_find(answer->result, "unknown");
	const msgpack_object *error = answer->error;
	struct span words;
	note("%s%d", text[0] != '\0' ? " " : "", (int)answer->msgid);
	if (error != NULL) {
		cr_assert(object_span(&error->via.array.ptr[1], &words));
		note(" %.*s", (int)strcspn(words.bytes, ":"), words.bytes);
	}
	if (unknown != NULL && unknown->via.array.size > 0)
		note(" unknown %d", (int)unknown->via.array.ptr[0].via.u64);
}

/* The answers that have come since the last look: "4", "5 STALE",
 * "6 unknown 1". */
static const char *
heard(int by)
{
	char bytes[4096];
	struct message message;
	text[0] = '\0';
	outlet_flush(&server.outlet);
	ssize_t got = read(ends[by], bytes, sizeof(bytes));
	for (ssize_t at = 0; at < got;) {
		struct scanner scanner;
		scanner_init(&scanner, sizeof(bytes));
		cr_assert_eq(
		    scanner_feed(&scanner, bytes + at, (size_t)(got - at)),
		    SCAN_COMPLETE);
		cr_assert_null(message_decode(
		    &message, &zone, bytes + at, scanner.offset));
		at += (ssize_t)scanner.offset;
		if (message.kind == MESSAGE_RESPONSE)
			note_answer(&message);
	}
	return text;
}

/* Worker 0 has job 1 in hand, and all that is kept. */
static void
begin_with_a_run(void)
{
	subscribe(0, 1, 0);
	ask(0, 2);
	enqueue();
	batch_leaves();
	batch_is_kept();
	cr_assert_str_eq(heard(0), "1 2");
}

Test(inlet, a_result_is_answered_when_it_is_kept)
{
	begin_with_a_run();
	give_result(0, 3, 1);
	cr_assert_str_eq(heard(0), "");
	batch_leaves();
	cr_assert_str_eq(heard(0), "");
	batch_is_kept();
	cr_assert_str_eq(heard(0), "3");
}

Test(inlet, stale_is_not_heard_before_what_made_it_so_is_kept)
{
	begin_with_a_run();
	subscribe(1, 1, 0);
	cr_assert_str_eq(heard(1), "1");
	give_result(0, 3, 1);
	give_result(1, 4, 1);
	cr_assert_str_eq(heard(1), "", "the end of the job may be lost");
	batch_leaves();
	cr_assert_str_eq(heard(1), "", "... and still may");
	batch_is_kept();
	cr_assert_str_eq(heard(1), "4 STALE");
}

Test(inlet, unknown_is_not_heard_before_what_made_it_so_is_kept)
{
	begin_with_a_run();
	give_result(0, 3, 1);
	subscribe(1, 4, 1);
	cr_assert_str_eq(heard(1), "", "the end of the job may be lost");
	batch_leaves();
	cr_assert_str_eq(heard(1), "", "... and still may");
	batch_is_kept();
	cr_assert_str_eq(heard(1), "4 unknown 1");
}

Test(inlet, stale_is_not_heard_while_what_made_it_so_is_on_its_way)
{
	begin_with_a_run();
	subscribe(1, 1, 0);
	cr_assert_str_eq(heard(1), "1");
	give_result(0, 3, 1);
	batch_leaves();
	give_result(1, 4, 1);
	cr_assert_str_eq(heard(1), "", "the end of the job may be lost");
	batch_is_kept();
	batch_leaves();
	batch_is_kept();
	cr_assert_str_eq(heard(1), "4 STALE");
}

Test(inlet, unknown_is_not_heard_while_what_made_it_so_is_on_its_way)
{
	begin_with_a_run();
	give_result(0, 3, 1);
	batch_leaves();
	subscribe(1, 4, 1);
	cr_assert_str_eq(heard(1), "", "the end of the job may be lost");
	batch_is_kept();
	batch_leaves();
	batch_is_kept();
	cr_assert_str_eq(heard(1), "4 unknown 1");
}

Test(inlet, stale_and_unknown_are_heard_at_once_when_all_is_kept)
{
	begin_with_a_run();
	give_result(0, 3, 1);
	batch_leaves();
	batch_is_kept();
	subscribe(1, 4, 1);
	give_result(1, 5, 1);
	cr_assert_str_eq(heard(1), "4 unknown 1 5 STALE");
}

Test(inlet, other_refusals_wait_for_nothing)
{
	begin_with_a_run();
	give_result(0, 3, 1);
	begin("demand", 4, 1);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("q"));
	end(1);
	begin("nonsense", 5, 0);
	end(1);
	cr_assert_str_eq(heard(1), "4 BAD_STATE 5 NO_METHOD");
}
