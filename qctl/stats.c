/* SPDX-License-Identifier: MIT */
/*
 * The verb stats: what was counted, and how long jobs waited and ran.
 */
#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/session.h"

#include <stdio.h>

static const struct column counter_columns[] = {
	{ .title = "COUNTER" },
	{ .title = "VALUE", .right = true },
};

static const struct column queue_columns[] = {
	{ .title = "QUEUE" },
	{ .title = "ENQUEUED", .right = true },
	{ .title = "DONE", .right = true },
	{ .title = "FAILED", .right = true },
	{ .title = "READY", .right = true },
	{ .title = "OLDEST", .right = true },
	{ .title = "WAIT-P50", .right = true },
	{ .title = "P95", .right = true },
	{ .title = "P99", .right = true },
	{ .title = "RUN-P50", .right = true },
	{ .title = "P95", .right = true },
	{ .title = "P99", .right = true },
};

#define COLUMN_COUNT(columns) (sizeof(columns) / sizeof((columns)[0]))

static void
add_count(struct table *table, const msgpack_object *queue, const char *key)
{
	int64_t count = answer_integer(queue, key);
	table_number(table, count);
	table_style(table, count == 0 ? STYLE_FAINT : STYLE_PLAIN);
}

/* What was not measured is no 0. */
static void
add_time(struct table *table, const msgpack_object *queue, const char *key)
{
	if (answer_has(queue, key)) {
		table_duration(table, answer_integer(queue, key));
	} else {
		table_text(table, "-");
		table_style(table, STYLE_FAINT);
	}
}

static void
add_queue(struct table *table, const msgpack_object *queue)
{
	table_cell(table, answer_text(queue, "name"));
	add_count(table, queue, "enqueued");
	add_count(table, queue, "done");
	add_count(table, queue, "failed");
	add_count(table, queue, "ready");
	add_time(table, queue, "oldest_ready_ms");
	add_time(table, queue, "wait_p50_ms");
	add_time(table, queue, "wait_p95_ms");
	add_time(table, queue, "wait_p99_ms");
	add_time(table, queue, "run_p50_ms");
	add_time(table, queue, "run_p95_ms");
	add_time(table, queue, "run_p99_ms");
}

static void
print_queues(const msgpack_object *stats)
{
	struct elements queues = answer_elements(stats, "queues");
	struct table table;
	table_init(&table, queue_columns, COLUMN_COUNT(queue_columns));
	for (uint32_t i = 0; i < queues.count; i++)
		add_queue(&table, &queues.items[i]);
	table_print(&table, stdout);
	table_release(&table);
}

/* All that are sent, be they of a newer gsq. */
static void
print_counters(const msgpack_object *stats)
{
	struct table table;
	table_init(&table, counter_columns, COLUMN_COUNT(counter_columns));
	for (uint32_t i = 0; i < stats->via.map.size; i++) {
		const msgpack_object_kv *pair = &stats->via.map.ptr[i];
		struct span key;
		int64_t value;
		if (!object_span(&pair->key, &key) ||
		    !object_integer(&pair->val, INT64_MIN, INT64_MAX, &value))
			continue;
		table_cell(&table, key);
		table_number(&table, value);
	}
	table_print(&table, stdout);
	table_release(&table);
	fputc('\n', stdout);
}

int
do_stats(struct command *command)
{
	bool is_one = command->argument_count > 0;
	struct gsq_field field =
	    gsq_text("queue", is_one ? command->arguments[0] : NULL);
	const msgpack_object *stats;
	int failed = session_call(command, METHOD_stats, &field, 1, &stats);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form != FORM_TABLE) {
		rows_print_json(json_of(stats), command->form);
		return EXIT_DONE;
	}
	if (!is_one && stats != NULL && stats->type == MSGPACK_OBJECT_MAP)
		print_counters(stats);
	print_queues(stats);
	return EXIT_DONE;
}
