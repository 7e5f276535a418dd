/* SPDX-License-Identifier: MIT */
/*
 * A table for people: cells are gathered row by row, then printed in columns
 * as wide as their widest cell. The last column takes what is left of the
 * terminal and is cut there, or goes on in the next line. Columns stay as wide
 * as they were when the table is printed in pieces.
 */
#ifndef GSQ_QCTL_TABLE_H
#define GSQ_QCTL_TABLE_H

#include "base/buffer.h"
#include "base/span.h"
#include "qctl/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

struct column {
	const char *title;
	bool right;   /* numbers stand to the right */
	bool wraps;   /* the last one: goes on below instead of being cut */
	size_t width; /* at least; for tables that are printed row by row */
};

struct cell {
	size_t offset; /* in text */
	size_t bytes;
	size_t columns;
	enum style style;
};

struct table {
	const struct column *columns;
	size_t column_count;
	size_t widths[TABLE_COLUMNS_MAX];
	struct buffer text;
	struct cell *cells; /* owned */
	size_t cell_count;
	size_t cell_room;
	bool no_titles;
	bool titles_printed;
};

/* columns stay the caller's. */
void table_init(
    struct table *table, const struct column *columns, size_t column_count);
void table_release(struct table *table);

/* The next cell of the row; after column_count cells a new row begins. */
void table_cell(struct table *table, struct span bytes);
void table_text(struct table *table, const char *text);
void table_number(struct table *table, int64_t number);
void table_duration(struct table *table, int64_t duration_ms);
void table_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The style of the cell added last. */
void table_style(struct table *table, enum style style);

/* Is there a row? */
bool table_is_empty(const struct table *table);

/* Prints the rows and forgets them; the titles only once, and not at all
 * without rows. */
void table_print(struct table *table, FILE *file);

#endif
