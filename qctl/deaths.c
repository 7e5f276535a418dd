/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/session.h"

#include <inttypes.h>
#include <time.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

static const struct column columns[] = {
	{ .title = "WHEN" },
	{ .title = "CHILD" },
	{ .title = "PID", .right = true },
	{ .title = "LIFE", .right = true },
	{ .title = "UP", .right = true },
	{ .title = "HOW" },
	{ .title = "PLANNED" },
	{ .title = "WHY" },
};

static void
add_moment(struct table *table, int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / SECOND_MS);
	struct tm local;
	char moment[32] = "?";
	if (localtime_r(&seconds, &local) != NULL)
		strftime(moment, sizeof(moment), "%Y-%m-%d %H:%M:%S", &local);
	table_text(table, moment);
}

static void
fill_row(struct table *table, const msgpack_object *death)
{
	bool planned = answer_boolean(death, "planned");
	add_moment(table, answer_integer(death, "time_ms"));
	table_cell(table, answer_text(death, "id"));
	if (answer_integer(death, "pid") != 0)
		table_number(table, answer_integer(death, "pid"));
	else
		table_text(table, "-");
	table_number(table, answer_integer(death, "incarnation"));
	table_duration(table, answer_integer(death, "up_ms"));
	table_cell(table, answer_text(death, "how"));
	table_text(table, planned ? "yes" : "no");
	table_style(table, planned ? STYLE_FAINT : STYLE_CAUTION);
	table_cell(table, answer_text(death, "why"));
}

static const struct rows_view view = {
	.columns = columns,
	.column_count = sizeof(columns) / sizeof(columns[0]),
	.fill = fill_row,
	.nothing = "no deaths",
};

int
do_deaths(struct command *command)
{
	const struct option_value *limit = &command->options[OPTION_LIMIT];
	int64_t wanted = limit->text != NULL ? limit->number : LIMIT_DEFAULT;
	if (wanted == 0 || wanted > LIMIT_MAX)
		wanted = LIMIT_MAX;
	const struct gsq_field fields[] = {
		gsq_text("id",
		    command->argument_count > 0 ? command->arguments[0] : NULL),
		gsq_integer("limit", wanted),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, METHOD_deaths, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	struct elements deaths = answer_elements(result, "deaths");
	struct rows rows;
	rows_begin(&rows, &view, command->form);
	for (uint32_t i = 0; i < deaths.count; i++)
		rows_add(&rows, &deaths.items[i]);
	rows_end(&rows);
	return EXIT_DONE;
}
