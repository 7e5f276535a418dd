/* SPDX-License-Identifier: MIT */
/*
 * The verb events: what happens, as it happens.
 */
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Printed row by row: wide enough for what is usual. */
static const struct column columns[] = {
	{ .title = "SEQ", .right = true, .width = 10 },
	{ .title = "TIME", .width = 12 },
	{ .title = "EVENT", .width = 10 },
	{ .title = "JOB", .right = true, .width = 6 },
	{ .title = "QUEUE", .width = 8 },
	{ .title = "TRY", .right = true },
	{ .title = "WORKER", .width = 6 },
	{ .title = "WHY" },
};

static const struct {
	const char *type;
	enum style style;
} styles[] = {
	{ "done", STYLE_GOOD },
	{ "failed", STYLE_BAD },
	{ "dead", STYLE_BAD },
	{ "retried", STYLE_CAUTION },
	{ "returned", STYLE_CAUTION },
	{ "gone", STYLE_CAUTION },
	{ "gap", STYLE_BAD },
};

static enum style
type_style(struct span type)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++)
		if (span_is_text(type, styles[i].type))
			return styles[i].style;
	return STYLE_PLAIN;
}

static void
add_time(struct table *table, int64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / SECOND_MS);
	struct tm local;
	char text[16] = "";
	if (localtime_r(&seconds, &local) != NULL)
		strftime(text, sizeof(text), "%H:%M:%S", &local);
	table_format(table, "%s.%03d", text, (int)(time_ms % SECOND_MS));
	table_style(table, STYLE_FAINT);
}

static void
add_if_there(struct table *table, const msgpack_object *event, const char *key)
{
	int64_t value = answer_integer(event, key);
	if (value != 0)
		table_number(table, value);
	else
		table_text(table, "");
}

static void
fill_row(struct table *table, const msgpack_object *event)
{
	struct span type = answer_text(event, "type");
	table_number(table, answer_integer(event, "seq"));
	table_style(table, STYLE_FAINT);
	add_time(table, answer_integer(event, "time_ms"));
	table_cell(table, type);
	table_style(table, type_style(type));
	add_if_there(table, event, "job");
	table_cell(table, answer_text(event, "queue"));
	add_if_there(table, event, "attempt");
	table_cell(table, answer_text(event, "worker"));
	if (answer_has(event, "from"))
		table_format(table, "missing: %" PRId64 " to %" PRId64,
		    answer_integer(event, "from"),
		    answer_integer(event, "seq"));
	else
		table_cell(table, answer_text(event, "reason"));
}

static const struct rows_view view = {
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(columns[0]),
	.fill = fill_row,
	.nothing = "no events",
};

static bool
is_event(const struct message *message)
{
	return message->kind == MESSAGE_NOTIFICATION &&
	    span_is_text(message->method, "event") && message->params != NULL;
}

/* Where a watcher is. */
struct watcher {
	struct rows rows;
	bool joined;  /* it knows where it is */
	int64_t last; /* then: the number of the last event it need not see */
	bool lost;    /* the queue went away, and has not answered since */
};

/* Until the connection ends or the time is over. What has come is shown before
 * the next is waited for. */
static enum gsq_status
follow(struct command *command, struct watcher *watcher)
{
	struct gsq *gsq = command->sockets[SOCKET_OF_QUEUE];
	const struct message *message;
	for (;;) {
		enum gsq_status status = gsq_receive(gsq, 0, &message);
		if (status == GSQ_TIMEOUT) {
			fflush(stdout);
			status = gsq_receive(
			    gsq, session_left_ms(command), &message);
		}
		if (status != GSQ_OK)
			return status;
		if (!is_event(message))
			continue;
		watcher->last = answer_integer(message->params, "seq");
		rows_add(&watcher->rows, message->params);
		rows_flush(&watcher->rows);
	}
}

/* Asks for what comes behind the last event. */
static enum gsq_status
ask(struct command *command, struct watcher *watcher)
{
	struct gsq_field fields[] = {
		gsq_text("queue", command->options[OPTION_QUEUE].text),
		gsq_integer("after", watcher->last),
	};
	const msgpack_object *result;
	enum gsq_status status =
	    gsq_call(command->sockets[SOCKET_OF_QUEUE], "events", fields,
		watcher->joined ? 2 : 1, session_left_ms(command), &result);
	if (status != GSQ_OK)
		return status;
	if (!watcher->joined)
		watcher->last = answer_integer(result, "seq");
	watcher->joined = true;
	watcher->lost = false;
	return GSQ_OK;
}

/* Once, until it has answered again. */
static void
say_lost(struct watcher *watcher)
{
	if (watcher->lost)
		return;
	watcher->lost = true;
	if (watcher->joined)
		say("the queue went away; this goes on after event %" PRId64
		    " when it is back",
		    watcher->last);
	else
		say("the queue went away; this begins when it is back");
}

/* While gsq lives its door is open, and a queue that is started anew is found
 * behind it: it is asked for what comes next. */
static int
watch_through_restarts(struct command *command, struct watcher *watcher)
{
	for (;;) {
		int failed = session_connect(command, SOCKET_OF_QUEUE);
		if (failed != EXIT_DONE)
			return failed;
		enum gsq_status status = ask(command, watcher);
		if (status == GSQ_OK &&
		    (status = follow(command, watcher)) == GSQ_TIMEOUT)
			return EXIT_TIMED_OUT;
		if (status != GSQ_BROKEN)
			return session_failed(command, SOCKET_OF_QUEUE, status);
		fflush(stdout);
		say_lost(watcher);
		session_pause();
	}
}

int
do_events(struct command *command)
{
	const struct option_value *after =
	    &command->options[OPTION_AFTER_EVENT];
	struct watcher watcher = { .joined = after->text != NULL,
		.last = after->number };
	/* A stream is no document: in both forms of JSON an object a line. */
	rows_begin(&watcher.rows, &view,
	    command->form == FORM_TABLE ? FORM_TABLE : FORM_JSONL);
	int status = watch_through_restarts(command, &watcher);
	table_release(&watcher.rows.table);
	if (watcher.lost && watcher.joined && status != EXIT_TIMED_OUT)
		say("to go on when gsq is back: --after %" PRId64,
		    watcher.last);
	return status;
}
