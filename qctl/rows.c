/* SPDX-License-Identifier: MIT */
#include "qctl/rows.h"

#include "qctl/answer.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <stdio.h>

void
rows_begin(struct rows *rows, const struct rows_view *view, enum form form)
{
	*rows = (struct rows){ .view = view, .form = form };
	table_init(&rows->table, view->columns, view->column_count);
	if (form == FORM_JSON)
		fputc('[', stdout);
}

void
rows_add(struct rows *rows, const msgpack_object *row)
{
	switch (rows->form) {
	case FORM_TABLE:
		rows->view->fill(&rows->table, row);
		break;
	case FORM_JSON:
		fputs(rows->any ? ",\n" : "\n", stdout);
		json_print(stdout, json_of(row));
		break;
	case FORM_JSONL:
		json_print(stdout, json_of(row));
		fputc('\n', stdout);
		break;
	}
	rows->any = true;
}

void
rows_flush(struct rows *rows)
{
	if (rows->form == FORM_TABLE)
		table_print(&rows->table, stdout);
}

void
rows_end(struct rows *rows)
{
	rows_flush(rows);
	if (rows->form == FORM_JSON)
		fputs(rows->any ? "\n]\n" : "]\n", stdout);
	if (rows->form == FORM_TABLE && !rows->any)
		say("%s", rows->view->nothing);
	table_release(&rows->table);
}

int
rows_show(struct command *command, enum method method, const char *key,
    const struct rows_view *view)
{
	const msgpack_object *result;
	struct rows rows;
	int failed = session_call(command, method, NULL, 0, &result);
	if (failed != EXIT_DONE)
		return failed;
	struct elements found = answer_elements(result, key);
	rows_begin(&rows, view, command->form);
	for (uint32_t i = 0; i < found.count; i++)
		rows_add(&rows, &found.items[i]);
	rows_end(&rows);
	return EXIT_DONE;
}

void
rows_print_json(json_t *value, enum form form)
{
	if (form == FORM_JSON) {
		json_print_document(stdout, value);
		return;
	}
	json_print(stdout, value);
	fputc('\n', stdout);
}
