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

/* Until the connection ends or the time is over. What has come is shown before
 * the next is waited for. *last becomes the number of the last one. */
static enum gsq_status
follow(struct command *command, struct rows *rows, int64_t *last)
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
		*last = answer_integer(message->params, "seq");
		rows_add(rows, message->params);
		rows_flush(rows);
	}
}

int
do_events(struct command *command)
{
	const struct option_value *after =
	    &command->options[OPTION_AFTER_EVENT];
	struct gsq_field fields[] = {
		gsq_text("queue", command->options[OPTION_QUEUE].text),
		gsq_integer("after", after->number),
	};
	const msgpack_object *result;
	struct rows rows;
	int failed = session_call(command, METHOD_events, fields,
	    after->text != NULL ? 2 : 1, &result);
	if (failed != EXIT_DONE)
		return failed;
	int64_t last =
	    after->text != NULL ? after->number : answer_integer(result, "seq");
	/* A stream is no document: in both forms of JSON an object a line. */
	rows_begin(&rows, &view,
	    command->form == FORM_TABLE ? FORM_TABLE : FORM_JSONL);
	enum gsq_status status = follow(command, &rows, &last);
	table_release(&rows.table);
	if (status == GSQ_TIMEOUT)
		return EXIT_TIMED_OUT;
	if (status != GSQ_BROKEN)
		return session_failed(command, SOCKET_OF_QUEUE, status);
	say("gsq went away; to go on when it is back: --after %" PRId64, last);
	return EXIT_UNREACHABLE;
}
