/* SPDX-License-Identifier: MIT */
#include "qctl/queues.h"

#include "qctl/answer.h"

static const struct column columns[] = {
	{ .title = "QUEUE" },
	{ .title = "READY", .right = true },
	{ .title = "BLOCKED", .right = true },
	{ .title = "DELAYED", .right = true },
	{ .title = "RUNNING", .right = true },
	{ .title = "DEAD", .right = true },
	{ .title = "DONE", .right = true },
	{ .title = "FAILED", .right = true },
	{ .title = "DEMAND", .right = true },
	{ .title = "WORKERS", .right = true },
};

/* Nothing is quiet, so that something is seen. */
static void
add_count(struct table *table, int64_t count, enum style style)
{
	table_number(table, count);
	table_style(table, count == 0 ? STYLE_FAINT : style);
}

static void
fill_row(struct table *table, const msgpack_object *queue)
{
	table_format(table, "%.*s%s%s",
	    SPAN_ARGUMENTS(answer_text(queue, "name")),
	    answer_boolean(queue, "paused") ? " (paused)" : "",
	    answer_boolean(queue, "draining") ? " (draining)" : "");
	add_count(table, answer_integer(queue, "ready"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "blocked"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "delayed"), STYLE_CAUTION);
	add_count(table, answer_integer(queue, "running"), STYLE_GOOD);
	add_count(table, answer_integer(queue, "dead"), STYLE_BAD);
	add_count(table, answer_integer(queue, "done"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "failed"), STYLE_CAUTION);
	add_count(table, answer_integer(queue, "demand"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "subscribers"), STYLE_PLAIN);
}

const struct rows_view queues_view = {
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(columns[0]),
	.fill = fill_row,
	.nothing = "no queues",
};

int
do_queues(struct command *command)
{
	return rows_show(command, METHOD_queues, "queues", &queues_view);
}
