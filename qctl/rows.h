/* SPDX-License-Identifier: MIT */
/*
 * Answers made of rows, in the form that was asked for: a table, one JSON
 * array, or an object a line. They may come in pages without end; only a page
 * is in memory.
 */
#ifndef GSQ_QCTL_ROWS_H
#define GSQ_QCTL_ROWS_H

#include "qctl/command.h"
#include "qctl/json.h"
#include "qctl/table.h"
#include "wire/method.h"

#include <stdbool.h>

/* How rows look in a table. */
struct rows_view {
	const struct column *columns;
	size_t column_count;
	/* Adds one cell for each column. */
	void (*fill)(struct table *table, const msgpack_object *row);
	const char *nothing; /* what is said of no rows: "no jobs" */
};

struct rows {
	const struct rows_view *view;
	enum form form;
	struct table table;
	bool any;
};

void rows_begin(
    struct rows *rows, const struct rows_view *view, enum form form);
void rows_add(struct rows *rows, const msgpack_object *row);

/* Prints the rows so far. */
void rows_flush(struct rows *rows);

/* Prints the rest and releases it. */
void rows_end(struct rows *rows);

/* The whole of a verb that shows the rows under a key of the answer to a
 * method without params. Returns the exit status. */
int rows_show(struct command *command, enum method method, const char *key,
    const struct rows_view *view);

/* Prints one value, which it takes over, as the JSON of that form. */
void rows_print_json(json_t *value, enum form form);

#endif
