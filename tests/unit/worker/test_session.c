/* SPDX-License-Identifier: MIT */
/* The session against a queue that is played by the test, in one process. */
#include "worker/session.h"

#include "sys/socket.h"
#include "wire/scanner.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gsq-test-session-XXXXXX";
static char path[64];
static char *command[] = { "/bin/x", NULL };
static struct options options;
static struct event_base *base;
static struct session session;

/* What the owner was asked. */
static struct ledger_job *running[64];
static unsigned running_count;
static struct ledger_job *stopped;
static struct ledger_job *ended;
static struct params_stop how_ended;
static struct ledger_job *kept;
static struct ledger_job *went_on;
static unsigned subscribed_count;
static unsigned turns;
static bool at_once; /* jobs are done within on_job */
static char last_body[64];

static const struct outcome done = { .verdict = OUTCOME_DONE };

static void
on_job(void *context, struct ledger_job *job, const struct params_job *params)
{
	cr_assert_eq(context, &running);
	snprintf(last_body, sizeof(last_body), "%.*s", (int)params->body.count,
	    params->body.bytes);
	if (at_once)
		session_finish(&session, job, &done);
	else
		running[running_count++] = job;
}

static void
on_keep(void *context, struct ledger_job *job, const struct params_job *params)
{
	(void)context;
	cr_assert_not_null(params);
	kept = job;
}

static void
on_go_on(void *context, struct ledger_job *job)
{
	(void)context;
	went_on = job;
}

static void
on_stop(void *context, struct ledger_job *job)
{
	(void)context;
	stopped = job;
}

static void
on_end(void *context, struct ledger_job *job, const struct params_stop *params)
{
	(void)context;
	ended = job;
	how_ended = *params;
}

static void
on_subscribed(void *context)
{
	(void)context;
	subscribed_count++;
}

static void
on_turn(void *context)
{
	(void)context;
	turns++;
}

static const struct session_events events = {
	.on_job = on_job,
	.on_keep = on_keep,
	.on_go_on = on_go_on,
	.on_stop = on_stop,
	.on_end = on_end,
	.on_subscribed = on_subscribed,
	.on_turn = on_turn,
};

/* ---- the queue ---- */

static int listener = -1;
static int queue = -1;
static char input[1 << 20];
static size_t input_count;
static msgpack_zone zone;
static struct message message;
static struct buffer output;
static struct message_writer writer;

static void
turn(void)
{
	cr_assert_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void
listen_again(void)
{
	if (listener >= 0)
		close(listener);
	listener = socket_listen(path);
	cr_assert_geq(listener, 0);
}

static void
accept_worker(void)
{
	struct timeval short_while = { .tv_usec = 2000 };
	while ((queue = socket_accept(listener)) == -EAGAIN) {
		event_base_loopexit(base, &short_while);
		event_base_loop(base, 0);
	}
	cr_assert_geq(queue, 0);
	input_count = 0;
}

static void
close_queue(void)
{
	close(queue);
	queue = -1;
	while (session.connected)
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void
receive(void)
{
	turn();
	for (;;) {
		ssize_t got = recv(queue, input + input_count,
		    sizeof(input) - input_count, MSG_DONTWAIT);
		if (got <= 0)
			return;
		input_count += (size_t)got;
	}
}

/* The next message of the worker; good until the next call. */
static void
next(void)
{
	static char bytes[1 << 16];
	struct scanner scanner;
	scanner_init(&scanner, MESSAGE_BYTES_MAX);
	cr_assert_eq(scanner_feed(&scanner, input, input_count), SCAN_COMPLETE,
	    "no message is there");
	memcpy(bytes, input, scanner.offset);
	input_count -= scanner.offset;
	memmove(input, input + scanner.offset, input_count);
	const char *wrong =
	    message_decode(&message, &zone, bytes, scanner.offset);
	cr_assert_null(wrong, "%s", wrong);
}

static void
say_all(void)
{
	size_t count = buffer_count(&output);
	cr_assert_eq(
	    send(queue, buffer_front(&output), count, 0), (ssize_t)count);
	buffer_consume(&output, count);
	receive();
}

static void
say(void)
{
	cr_assert_eq(message_end(&writer), 0);
	say_all();
}

static int64_t
number(const msgpack_object *map, const char *key)
{
	int64_t value = -1;
	object_integer(map_find(map, key), INT64_MIN, INT64_MAX, &value);
	return value;
}

static struct span
text(const msgpack_object *map, const char *key)
{
	struct span span = { NULL, 0 };
	object_span(map_find(map, key), &span);
	return span;
}

static void
write_job(uint64_t msgid, int64_t id, int64_t delivery, int64_t attempt)
{
	message_request(&writer, &output, msgid, SPAN_LITERAL("job"), 5);
	put_key(&writer, "id");
	put_integer(&writer, id);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("mail"));
	put_key(&writer, "attempt");
	put_integer(&writer, attempt);
	put_key(&writer, "delivery");
	put_integer(&writer, delivery);
	put_key(&writer, "body");
	put_bytes(&writer, SPAN_LITERAL("hello"));
}

static void
give(uint64_t msgid, int64_t id, int64_t delivery)
{
	write_job(msgid, id, delivery, 1);
	say();
}

/* The answer to subscribe; unknown: one id, or 0. */
static void
accept_subscription(int64_t id)
{
	message_response(&writer, &output, LEDGER_SUBSCRIBE_MSGID);
	put_map(&writer, 2);
	put_key(&writer, "unknown");
	put_array(&writer, id > 0 ? 1 : 0);
	if (id > 0)
		put_integer(&writer, id);
	put_key(&writer, "pid");
	put_integer(&writer, 4711);
	say();
}

static void
expect_demand(int64_t n)
{
	next();
	cr_assert_eq(message.kind, MESSAGE_NOTIFICATION);
	cr_assert(span_is_text(message.method, "demand"));
	cr_assert(span_is_text(text(message.params, "queue"), "mail"));
	cr_assert_eq(number(message.params, "n"), n);
}

static void
expect_nothing(void)
{
	receive();
	cr_assert_eq(input_count, 0, "the worker says more");
}

/* The worker's subscribe, with what it holds as "5/1 6/2". */
static void
expect_subscribe(const char *wanted)
{
	char held[200] = "";
	int count = 0;
	next();
	cr_assert_eq(message.kind, MESSAGE_REQUEST);
	cr_assert_eq(message.msgid, LEDGER_SUBSCRIBE_MSGID);
	cr_assert(span_is_text(message.method, "subscribe"));
	const msgpack_object *list = map_find(message.params, "held");
	cr_assert_not_null(list);
	for (uint32_t i = 0; i < list->via.array.size; i++) {
		const msgpack_object *pair = &list->via.array.ptr[i];
		cr_assert_eq(pair->via.array.size, 2);
		count += snprintf(held + count, sizeof(held) - (size_t)count,
		    "%s%d/%d", i > 0 ? " " : "",
		    (int)pair->via.array.ptr[0].via.u64,
		    (int)pair->via.array.ptr[1].via.u64);
	}
	cr_assert_str_eq(held, wanted);
}

static void
expect_done(uint64_t msgid)
{
	next();
	cr_assert_eq(message.kind, MESSAGE_RESPONSE);
	cr_assert_eq(message.msgid, msgid);
	cr_assert_null(message.error);
}

/* ---- before and after ---- */

static void
start_session(void)
{
	cr_assert_eq(
	    session_init(&session, base, &options, &events, &running), 0);
}

static void
set_up(void)
{
	cr_redirect_stderr(); /* the log */
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/gsq.sock", directory);
	snprintf(options.directory, sizeof(options.directory), "%s", directory);
	name_set(&options.queue, SPAN_LITERAL("mail"));
	name_set(&options.name, SPAN_LITERAL("w1"));
	options.max_demand = 1;
	options.incarnation = 3;
	options.command = command;
	cr_assert(msgpack_zone_init(&zone, 4096));
	base = event_base_new();
	cr_assert_not_null(base);
}

static void
tear_down(void)
{
	session_release(&session);
	event_base_free(base);
	msgpack_zone_destroy(&zone);
	buffer_release(&output);
	unlink(path);
	cr_expect_eq(rmdir(directory), 0);
}

TestSuite(session, .init = set_up, .fini = tear_down, .timeout = 60);

/* A session that has subscribed and asked. */
static void
begin(uint32_t max, uint32_t min)
{
	options.max_demand = max;
	options.min_demand = min;
	listen_again();
	start_session();
	accept_worker();
	receive();
	expect_subscribe("");
	expect_demand(max);
	accept_subscription(0);
	cr_assert_eq(subscribed_count, 1);
}

/* The queue dies; the next one gets the worker's subscribe. */
static void
reconnect(const char *held)
{
	close_queue();
	accept_worker();
	receive();
	expect_subscribe(held);
}

/* ---- subscribing and asking ---- */

Test(session, subscribe_tells_all_that_the_queue_must_know)
{
	listen_again();
	start_session();
	accept_worker();
	receive();
	next();
	cr_expect(span_is_text(text(message.params, "queue"), "mail"));
	cr_expect(span_is_text(text(message.params, "name"), "w1"));
	cr_expect_eq(number(message.params, "max_demand"), 1);
	cr_expect_eq(number(message.params, "min_demand"), 0);
	cr_expect_eq(number(message.params, "pid"), getpid());
	cr_expect_eq(number(message.params, "incarnation"), 3);
	expect_demand(1);
	expect_nothing();
	cr_expect_eq(subscribed_count, 0, "not before it is answered");
}

Test(session, a_queue_that_is_not_there_yet_is_waited_for)
{
	start_session();
	turn();
	cr_expect_not(session.connected);
	listen_again();
	accept_worker();
	receive();
	expect_subscribe("");
	expect_demand(1);
	expect_nothing();
}

Test(session, a_refused_subscription_is_tried_again)
{
	listen_again();
	start_session();
	accept_worker();
	receive();
	expect_subscribe("");
	cr_assert_eq(message_refuse(&output, LEDGER_SUBSCRIBE_MSGID,
			 REFUSAL_FULL, "no room for a queue"),
	    0);
	say_all();
	cr_expect_eq(subscribed_count, 0);
	close(queue);
	accept_worker();
	receive();
	expect_subscribe("");
	expect_demand(1);
	accept_subscription(0);
	cr_expect_eq(subscribed_count, 1);
}

/* ---- jobs ---- */

Test(session, a_result_and_the_next_demand_leave_together)
{
	begin(1, 0);
	give(7, 812, 1);
	cr_assert_eq(running_count, 1);
	cr_expect_eq(running[0]->id, 812);
	cr_expect_str_eq(last_body, "hello");
	expect_nothing();
	session_finish(&session, running[0], &done);
	cr_expect_eq(
	    recv(queue, input, sizeof(input), MSG_DONTWAIT), -1, "not yet");
	receive();
	expect_done(7);
	expect_demand(1);
	expect_nothing();
}

/* One, where the machine is quick enough to do them all within the time that
 * a turn gives to one connection; it may be slow. */
Test(session, what_one_read_brought_is_answered_in_few_writes)
{
	begin(100, 50);
	at_once = true;
	for (int i = 0; i < 100; i++) {
		write_job((uint64_t)i, 1 + i, 1, 1);
		cr_assert_eq(message_end(&writer), 0);
	}
	unsigned before = turns;
	say_all();
	int64_t demand = 0;
	for (uint64_t i = 0; i < 100 || demand < 100;) {
		while (input_count == 0)
			receive();
		next();
		if (message.kind == MESSAGE_RESPONSE)
			cr_assert_eq(message.msgid, i++);
		else
			demand += number(message.params, "n");
	}
	cr_expect_lt(turns - before, 20);
	cr_expect_eq(demand, 100);
	expect_nothing();
}

Test(session, a_verdict_has_the_reason_with_the_command)
{
	begin(1, 0);
	give(7, 812, 1);
	const struct outcome outcome = outcome_of_errno(ENOENT);
	session_finish(&session, running[0], &outcome);
	receive();
	next();
	cr_expect_eq(message.msgid, 7);
	cr_expect(span_is_text(text(message.error, "verdict"), "release"));
	cr_expect(span_is_text(text(message.error, "reason"),
	    "cannot run '/bin/x': No such file or directory"));
}

Test(session, a_job_that_cannot_be_read_is_refused)
{
	begin(1, 0);
	message_request(&writer, &output, 7, SPAN_LITERAL("job"), 1);
	put_key(&writer, "id");
	put_integer(&writer, 812);
	say();
	cr_expect_eq(running_count, 0);
	next();
	cr_expect_eq(message.msgid, 7);
	cr_expect_not_null(message.error);
	expect_demand(1);
}

Test(session, other_requests_and_notifications_do_no_harm)
{
	begin(1, 0);
	message_request(&writer, &output, 9, SPAN_LITERAL("ping"), 0);
	say();
	next();
	cr_expect_eq(message.msgid, 9);
	cr_expect_not_null(message.error);
	message_notification(&writer, &output, SPAN_LITERAL("settled"), 1);
	put_key(&writer, "n");
	put_text(&writer, SPAN_LITERAL("many"));
	say();
	message_notification(&writer, &output, SPAN_LITERAL("news"), 0);
	say();
	message_response(&writer, &output, 4711);
	put_nil(&writer);
	say();
	expect_nothing();
	cr_expect(session.connected);
}

Test(session, settled_results_are_not_sent_again)
{
	begin(1, 0);
	give(7, 812, 1);
	session_finish(&session, running[0], &done);
	receive();
	cr_expect_not(session_is_settled(&session));
	message_notification(&writer, &output, SPAN_LITERAL("settled"), 1);
	put_key(&writer, "n");
	put_integer(&writer, 1);
	say();
	cr_expect(session_is_settled(&session));
	reconnect("");
	expect_demand(1);
	expect_nothing();
}

/* ---- the queue dies ---- */

Test(session, a_running_job_survives_the_queue)
{
	begin(1, 0);
	give(7, 812, 3);
	reconnect("812/3");
	expect_nothing(); /* one in hand: no demand */
	accept_subscription(0);
	cr_expect_null(stopped);
	session_finish(&session, running[0], &done);
	receive();
	next();
	cr_expect(span_is_text(message.method, "result"));
	cr_expect_eq(number(message.params, "job"), 812);
	cr_expect_eq(number(message.params, "delivery"), 3, "the delivery");
	cr_expect_null(map_find(message.params, "error"));
	uint64_t msgid = message.msgid;
	expect_demand(1);
	message_response(&writer, &output, msgid);
	put_map(&writer, 0);
	say();
	cr_expect(session_is_settled(&session));
	cr_expect_eq(subscribed_count, 1, "ready is said once");
}

Test(session, without_a_delivery_the_attempt_is_the_fence)
{
	begin(1, 0);
	write_job(7, 812, 0, 4);
	say();
	reconnect("812/4");
}

Test(session, what_ended_while_the_queue_was_away_follows_subscribe)
{
	begin(2, 0);
	give(7, 812, 1);
	give(8, 813, 2);
	const struct outcome failed = outcome_of_exit(1, 0, 0);
	session_finish(&session, running[0], &failed); /* sent and lost */
	receive();
	close_queue();
	session_finish(&session, running[1], &done);
	accept_worker();
	receive();
	expect_subscribe("812/1 813/2");
	next();
	cr_expect_eq(number(message.params, "job"), 812);
	cr_expect_eq(number(map_find(message.params, "error"), "exit"), 1);
	uint64_t first = message.msgid;
	next();
	cr_expect_eq(number(message.params, "job"), 813);
	uint64_t second = message.msgid;
	expect_demand(2);
	expect_nothing();
	accept_subscription(0);
	cr_assert_eq(message_refuse(&output, first, REFUSAL_STALE,
			 "job 812 is at attempt 3"),
	    0);
	message_response(&writer, &output, second);
	put_map(&writer, 0);
	say();
	cr_expect(session_is_settled(&session), "stale is an answer too");
}

Test(session, a_refusal_of_the_moment_keeps_the_result)
{
	begin(1, 0);
	give(7, 812, 1);
	session_finish(&session, running[0], &done);
	receive();
	reconnect("812/1");
	next();
	cr_assert_eq(message_refuse(
			 &output, message.msgid, REFUSAL_STOPPING, "gsq stops"),
	    0);
	say_all();
	cr_expect_not(session_is_settled(&session));
	input_count = 0;
	reconnect("812/1");
}

Test(session, what_the_queue_does_not_know_is_stopped)
{
	begin(1, 0);
	give(7, 812, 1);
	reconnect("812/1");
	accept_subscription(812);
	cr_assert_eq(stopped, running[0]);
	expect_nothing();
	session_finish(&session, stopped, &done);
	receive();
	expect_demand(1);
	expect_nothing();
}

Test(session, an_old_run_is_stopped_before_the_new_one)
{
	begin(2, 0);
	give(7, 812, 1);
	give(8, 812, 2);
	cr_assert_eq(stopped, running[0]);
	cr_assert_not_null(kept);
	cr_assert_eq(running_count, 1);
	session_finish(&session, stopped, &done);
	cr_expect_eq(went_on, kept);
	session_finish(&session, kept, &done);
	receive();
	expect_done(8);
	expect_demand(2);
}

/* "stop", with the grace and the reason when there are any. */
static void
tell_stop(int64_t id, int64_t delivery, bool has_more)
{
	message_notification(
	    &writer, &output, SPAN_LITERAL("stop"), has_more ? 4 : 2);
	put_key(&writer, "id");
	put_integer(&writer, id);
	put_key(&writer, "delivery");
	put_integer(&writer, delivery);
	if (has_more) {
		put_key(&writer, "grace_ms");
		put_integer(&writer, 250);
		put_key(&writer, "reason");
		put_text(&writer, SPAN_LITERAL("timeout"));
	}
	say();
}

Test(session, a_run_that_the_queue_stops_is_ended_and_answered)
{
	begin(1, 0);
	give(7, 812, 1);
	tell_stop(812, 1, true);
	cr_assert_eq(ended, running[0]);
	cr_expect_eq(how_ended.grace_ms, 250);
	cr_expect(span_is_text(how_ended.reason, "timeout"));
	cr_expect_null(stopped, "its result is wanted");
	expect_nothing();
	session_finish(&session, ended, &done);
	receive();
	expect_done(7);
	expect_demand(1);
}

Test(session, a_stop_without_words_has_no_grace)
{
	begin(1, 0);
	give(7, 812, 1);
	tell_stop(812, 0, false);
	cr_assert_eq(ended, running[0]);
	cr_expect_eq(how_ended.grace_ms, 0);
	cr_expect_eq(how_ended.reason.count, 0);
}

Test(session, a_stop_of_another_run_or_without_sense_is_ignored)
{
	begin(1, 0);
	give(7, 812, 2);
	tell_stop(812, 1, true);
	tell_stop(4711, 2, true);
	tell_stop(-1, 2, true);
	message_notification(&writer, &output, SPAN_LITERAL("stop"), 0);
	say();
	cr_expect_null(ended);
	cr_expect(session.connected);
	expect_nothing();
}

Test(session, a_stop_of_a_run_of_before_is_heard_on_the_next_connection)
{
	begin(1, 0);
	give(7, 812, 1);
	reconnect("812/1");
	accept_subscription(0);
	tell_stop(812, 1, true);
	cr_expect_eq(ended, running[0]);
}

Test(session, rubbish_from_the_queue_ends_the_connection_only)
{
	begin(1, 0);
	give(7, 812, 1);
	cr_assert_eq(send(queue, "\xc1", 1, 0), 1);
	while (session.connected)
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	close(queue);
	accept_worker();
	receive();
	expect_subscribe("812/1");
}

/* ---- quiet, appetite ---- */

Test(session, once_quiet_jobs_go_back_and_nothing_is_asked)
{
	begin(2, 1);
	give(7, 812, 1);
	session_quiet(&session);
	give(8, 813, 1);
	cr_expect_eq(running_count, 1);
	next();
	cr_expect_eq(message.msgid, 8);
	cr_expect(span_is_text(text(message.error, "verdict"), "release"));
	cr_expect(session_is_busy(&session));
	session_finish(&session, running[0], &done);
	receive();
	expect_done(7);
	expect_nothing();
	cr_expect_not(session_is_busy(&session));
}

Test(session, appetite_decides_how_much_is_asked_for)
{
	begin(1, 0);
	give(7, 812, 1);
	session_set_appetite(&session, LEDGER_FASTING);
	session_finish(&session, running[0], &done);
	receive();
	expect_done(7);
	expect_nothing();
	session_set_appetite(&session, LEDGER_TASTING);
	receive();
	expect_demand(1);
}

Test(session, a_directory_with_too_long_a_name_is_an_error)
{
	memset(options.directory, 'd', 200);
	options.directory[200] = '\0';
	cr_expect_eq(session_init(&session, base, &options, &events, &running),
	    ENAMETOOLONG);
}
