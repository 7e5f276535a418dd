/* SPDX-License-Identifier: MIT */
#include "qctl/page.h"

#include "qctl/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP	    2
#define MARK	    ">"
#define INDENTATION 2

#define FORMATTED_MAX 1024

void
page_begin(struct page *page, size_t rows, size_t columns)
{
	page->rows = rows;
	page->columns = columns;
	page->piece_count = 0;
	buffer_truncate(&page->text, 0);
}

void
page_release(struct page *page)
{
	buffer_release(&page->text);
	free(page->pieces);
	*page = (struct page){ 0 };
}

struct span
page_text(const struct page *page, const struct piece *piece)
{
	return (struct span){ buffer_front(&page->text) + piece->offset,
		piece->bytes };
}

static struct piece *
add_piece(struct page *page)
{
	if (page->piece_count == page->piece_room) {
		size_t room = page->piece_room ? page->piece_room * 2 : 64;
		struct piece *pieces =
		    realloc(page->pieces, room * sizeof(*pieces));
		if (pieces == NULL)
			out_of_memory();
		page->pieces = pieces;
		page->piece_room = room;
	}
	return &page->pieces[page->piece_count++];
}

/* A terminal that does not speak UTF-8 would make something else of it. */
static size_t
append_plain(struct buffer *buffer, struct span text, size_t columns_max)
{
	struct buffer plain = { 0 };
	char *bytes = buffer_reserve(&plain, text.count);
	if (bytes == NULL)
		out_of_memory();
	for (size_t i = 0; i < text.count; i++)
		bytes[i] =
		    (unsigned char)text.bytes[i] < 0x80 ? text.bytes[i] : '?';
	size_t columns = text_append(
	    buffer, (struct span){ bytes, text.count }, columns_max);
	buffer_release(&plain);
	return columns;
}

size_t
page_put(struct page *page, size_t row, size_t column, struct span text,
    enum style style)
{
	if (row >= page->rows || column >= page->columns || text.count == 0)
		return column;
	struct piece *piece = add_piece(page);
	*piece = (struct piece){ .row = row,
		.column = column,
		.offset = buffer_count(&page->text),
		.style = style };
	size_t left = page->columns - column;
	piece->columns = text_is_unicode()
	    ? text_append(&page->text, text, left)
	    : append_plain(&page->text, text, left);
	piece->bytes = buffer_count(&page->text) - piece->offset;
	return column + piece->columns;
}

size_t
page_format(struct page *page, size_t row, size_t column, enum style style,
    const char *format, ...)
{
	char text[FORMATTED_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return page_put(page, row, column, span_of(text), style);
}

/* ---- tables ---- */

struct choice {
	bool is_left_out[TABLE_COLUMNS_MAX];
};

static size_t
width_of(const struct table *table, const struct choice *choice)
{
	size_t width = INDENTATION;
	for (size_t i = 0; i < table->column_count; i++)
		if (!choice->is_left_out[i])
			width += table->widths[i] + GAP;
	return width - GAP;
}

static struct choice
choose(const struct table *table, size_t columns, const unsigned char *drops,
    size_t drop_count)
{
	struct choice choice = { 0 };
	for (size_t i = 0; i < drop_count && width_of(table, &choice) > columns;
	     i++)
		choice.is_left_out[drops[i]] = true;
	return choice;
}

static void
put_titles(struct page *page, const struct table *table, size_t row,
    const struct choice *choice)
{
	size_t at = INDENTATION;
	for (size_t i = 0; i < table->column_count; i++) {
		struct span title = span_of(table->columns[i].title);
		size_t width = table->widths[i];
		if (choice->is_left_out[i])
			continue;
		size_t blanks =
		    table->columns[i].right ? width - title.count : 0;
		page_put(page, row, at + blanks, title, STYLE_TITLE);
		at += width + GAP;
	}
}

static void
put_row(struct page *page, const struct table *table, size_t row,
    const struct choice *choice, const struct cell *cells)
{
	size_t at = INDENTATION;
	for (size_t i = 0; i < table->column_count; i++) {
		const struct cell *cell = &cells[i];
		size_t width = table->widths[i];
		if (choice->is_left_out[i])
			continue;
		size_t blanks = table->columns[i].right && width > cell->columns
		    ? width - cell->columns
		    : 0;
		page_put(page, row, at + blanks,
		    (struct span){ buffer_front(&table->text) + cell->offset,
			cell->bytes },
		    cell->style);
		at += width + GAP;
	}
}

static void
mark_row(struct page *page, size_t row)
{
	for (size_t i = page->piece_count;
	     i > 0 && page->pieces[i - 1].row == row; i--)
		page->pieces[i - 1].is_marked = true;
}

void
page_table(struct page *page, const struct table *table,
    const struct page_window *window, const unsigned char *drops,
    size_t drop_count)
{
	struct choice choice = choose(table, page->columns, drops, drop_count);
	size_t count = table->cell_count / table->column_count;
	put_titles(page, table, window->row, &choice);
	for (size_t i = 0; i < window->height && window->first + i < count;
	     i++) {
		size_t at = window->first + i;
		size_t row = window->row + 1 + i;
		if (at == window->marked)
			page_put(page, row, 0, SPAN_LITERAL(MARK), STYLE_TITLE);
		put_row(page, table, row, &choice,
		    &table->cells[at * table->column_count]);
		if (at == window->marked)
			mark_row(page, row);
	}
}
