/* SPDX-License-Identifier: MIT */
#include "qctl/workers.h"

#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/rows.h"

#include <inttypes.h>

static const struct column columns[] = {
	{ .title = "WORKER" },
	{ .title = "PID", .right = true },
	{ .title = "QUEUE" },
	{ .title = "DEMAND", .right = true },
	{ .title = "DONE", .right = true },
	{ .title = "FROM" },
	{ .title = "NOW" },
};

const msgpack_object *
workers_find(const msgpack_object *workers, struct span id)
{
	struct elements rows = answer_elements(workers, "workers");
	const msgpack_object *found = NULL;
	for (uint32_t i = 0; i < rows.count; i++) {
		const msgpack_object *row = &rows.items[i];
		if (!answer_boolean(row, "supervised") ||
		    !span_is(answer_text(row, "name"), id))
			continue;
		if (answer_elements(row, "jobs").count > 0)
			return row;
		if (found == NULL)
			found = row;
	}
	return found;
}

void
workers_add_work(struct table *table, const msgpack_object *worker)
{
	struct elements jobs = answer_elements(worker, "jobs");
	bool is_lost = !answer_boolean(worker, "connected");
	char duration[16];
	char more[32] = "";
	if (jobs.count == 0) {
		table_text(table, is_lost ? "not connected" : "idle");
		table_style(table, is_lost ? STYLE_CAUTION : STYLE_FAINT);
		return;
	}
	duration_print(answer_integer(&jobs.items[0], "running_ms"), duration,
	    sizeof(duration));
	if (jobs.count > 1)
		snprintf(
		    more, sizeof(more), ", %" PRIu32 " more", jobs.count - 1);
	table_format(table, "job %" PRId64 " for %s%s%s",
	    answer_integer(&jobs.items[0], "id"), duration, more,
	    is_lost ? ", not connected" : "");
	table_style(table, is_lost ? STYLE_CAUTION : STYLE_PLAIN);
}

static void
fill_row(struct table *table, const msgpack_object *worker)
{
	table_cell(table, answer_text(worker, "name"));
	table_number(table, answer_integer(worker, "pid"));
	table_cell(table, answer_text(worker, "queue"));
	table_number(table, answer_integer(worker, "demand"));
	table_number(table, answer_integer(worker, "done"));
	table_text(
	    table, answer_boolean(worker, "supervised") ? "gsq" : "outside");
	workers_add_work(table, worker);
}

static const struct rows_view view = {
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(columns[0]),
	.fill = fill_row,
	.nothing = "no workers",
};

int
do_workers(struct command *command)
{
	return rows_show(command, METHOD_workers, "workers", &view);
}
