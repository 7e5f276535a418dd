/* SPDX-License-Identifier: MIT */
/*
 * A page of a terminal: pieces of text, each in its place and none outside of
 * the page, however small that is. Who shows it knows nothing of what it says.
 */
#ifndef GSQ_QCTL_PAGE_H
#define GSQ_QCTL_PAGE_H

#include "base/buffer.h"
#include "base/span.h"
#include "qctl/table.h"
#include "qctl/text.h"

#include <stdbool.h>
#include <stddef.h>

struct piece {
	size_t row; /* from 0 */
	size_t column;
	size_t columns; /* that it is wide */
	size_t offset;	/* in text */
	size_t bytes;
	enum style style;
	bool is_marked; /* stands out from the others */
};

/* All zero: no place for anything. */
struct page {
	size_t rows;
	size_t columns;
	struct buffer text; /* safe to be shown */
	struct piece *pieces;
	size_t piece_count;
	size_t piece_room;
};

/* Empty, and that big. */
void page_begin(struct page *page, size_t rows, size_t columns);
void page_release(struct page *page);

/* Puts text from outside there, cut at the right edge. Returns the column
 * behind it. */
size_t page_put(struct page *page, size_t row, size_t column, struct span text,
    enum style style);
size_t page_format(struct page *page, size_t row, size_t column,
    enum style style, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The text of a piece. */
struct span page_text(const struct page *page, const struct piece *piece);

/* Where, and what of, a table is put. */
struct page_window {
	size_t row;    /* of the titles */
	size_t height; /* rows behind them */
	size_t first;  /* row of the table that is the first to be seen */
	size_t marked; /* row of the table that stands out; SIZE_MAX: none */
};

/*
 * Puts a part of a table on the page, which has room for a mark in front of its
 * rows. Of columns that do not fit side by side, those whose numbers come first
 * in drops[drop_count] are left out first. What still does not fit is cut.
 */
void page_table(struct page *page, const struct table *table,
    const struct page_window *window, const unsigned char *drops,
    size_t drop_count);

#endif
