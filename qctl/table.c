/* SPDX-License-Identifier: MIT */
#include "qctl/table.h"

#include "base/check.h"
#include "base/units.h"
#include "qctl/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP	      2
#define FORMATTED_MAX 256

/* Narrower text is cut: one word a line would be no help. */
#define WRAP_COLUMNS_MIN 16

/* Wider cells, which no honest gsq sends, are cut. */
#define CELL_COLUMNS_MAX 64

void
table_init(
    struct table *table, const struct column *columns, size_t column_count)
{
	CHECK(column_count <= TABLE_COLUMNS_MAX);
	*table = (struct table){
		.columns = columns,
		.column_count = column_count,
	};
	for (size_t i = 0; i < column_count; i++) {
		size_t title = strlen(columns[i].title);
		table->widths[i] =
		    title > columns[i].width ? title : columns[i].width;
	}
}

void
table_release(struct table *table)
{
	buffer_release(&table->text);
	free(table->cells);
	table->cells = NULL;
	table->cell_count = table->cell_room = 0;
}

/* ---- cells ---- */

static struct cell *
add_cell(struct table *table)
{
	if (table->cell_count == table->cell_room) {
		size_t room = table->cell_room ? table->cell_room * 2 : 64;
		struct cell *cells =
		    realloc(table->cells, room * sizeof(*cells));
		if (cells == NULL)
			out_of_memory();
		table->cells = cells;
		table->cell_room = room;
	}
	return &table->cells[table->cell_count++];
}

void
table_cell(struct table *table, struct span bytes)
{
	size_t column = table->cell_count % table->column_count;
	bool is_last = column + 1 == table->column_count;
	struct cell *cell = add_cell(table);
	cell->style = STYLE_PLAIN;
	cell->offset = buffer_count(&table->text);
	cell->columns = text_append(
	    &table->text, bytes, is_last ? TEXT_UNLIMITED : CELL_COLUMNS_MAX);
	cell->bytes = buffer_count(&table->text) - cell->offset;
	if (cell->columns > table->widths[column])
		table->widths[column] = cell->columns;
}

void
table_text(struct table *table, const char *text)
{
	table_cell(table, span_of(text));
}

void
table_format(struct table *table, const char *format, ...)
{
	char text[FORMATTED_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_text(table, text);
}

void
table_number(struct table *table, int64_t number)
{
	table_format(table, "%" PRId64, number);
}

void
table_duration(struct table *table, int64_t duration_ms)
{
	char text[16];
	duration_print(duration_ms, text, sizeof(text));
	table_text(table, text);
}

void
table_style(struct table *table, enum style style)
{
	if (table->cell_count > 0)
		table->cells[table->cell_count - 1].style = style;
}

bool
table_is_empty(const struct table *table)
{
	return table->cell_count == 0;
}

/* ---- printing ---- */

struct page {
	FILE *file;
	bool styled;
	size_t columns;
};

static void
print_blanks(const struct page *page, size_t count)
{
	fprintf(page->file, "%*s", (int)count, "");
}

static void
print_styled(const struct page *page, struct span text, enum style style)
{
	if (text.count == 0)
		return;
	if (page->styled)
		fputs(style_begin(style), page->file);
	fwrite(text.bytes, 1, text.count, page->file);
	if (page->styled)
		fputs(style_end(style), page->file);
}

/* What is already safe to print, cut to the columns that are left. */
static void
print_cut(const struct page *page, struct span text, enum style style,
    size_t columns_max)
{
	struct buffer cut = { 0 };
	text_append(&cut, text, columns_max);
	if (buffer_count(&cut) > 0)
		print_styled(page,
		    (struct span){ buffer_front(&cut), buffer_count(&cut) },
		    style);
	buffer_release(&cut);
}

/* On as many lines as it needs, each below the other. */
static void
print_wrapped(
    const struct page *page, struct span text, enum style style, size_t used)
{
	size_t left = page->columns - used;
	for (;;) {
		size_t count = text_fitting_bytes(text, left);
		print_styled(page, (struct span){ text.bytes, count }, style);
		text.bytes += count;
		text.count -= count;
		if (text.count > 0 && *text.bytes == ' ') {
			text.bytes++;
			text.count--;
		}
		if (text.count == 0)
			return;
		fputc('\n', page->file);
		print_blanks(page, used);
	}
}

static void
print_last(const struct page *page, const struct column *column,
    struct span text, enum style style, size_t used)
{
	bool is_narrow = page->columns < used + WRAP_COLUMNS_MIN;
	if (page->columns == TEXT_UNLIMITED)
		print_styled(page, text, style);
	else if (column->wraps && !is_narrow && text.count > 0)
		print_wrapped(page, text, style, used);
	else if (page->columns > used)
		print_cut(page, text, style, page->columns - used);
	fputc('\n', page->file);
}

/* Blanks behind the last text of a line help nobody. */
static bool
rest_is_empty(const struct table *table, const struct cell *row, size_t from)
{
	for (size_t i = from; i < table->column_count; i++)
		if (row[i].bytes > 0)
			return false;
	return true;
}

static void
print_row(const struct table *table, const struct page *page,
    const struct cell *row, const char *text)
{
	size_t used = 0;
	for (size_t i = 0; i < table->column_count; i++) {
		struct span bytes = { text + row[i].offset, row[i].bytes };
		size_t width = table->widths[i];
		size_t blanks =
		    width > row[i].columns ? width - row[i].columns : 0;
		if (i + 1 == table->column_count && !table->columns[i].right) {
			print_last(page, &table->columns[i], bytes,
			    row[i].style, used);
			return;
		}
		if (table->columns[i].right)
			print_blanks(page, blanks);
		print_styled(page, bytes, row[i].style);
		if (rest_is_empty(table, row, i + 1))
			break;
		print_blanks(
		    page, GAP + (table->columns[i].right ? 0 : blanks));
		used += width + GAP;
	}
	fputc('\n', page->file);
}

static void
print_titles(const struct table *table, const struct page *page)
{
	struct cell row[TABLE_COLUMNS_MAX];
	struct buffer text = { 0 };
	for (size_t i = 0; i < table->column_count; i++) {
		struct span title = span_of(table->columns[i].title);
		row[i] = (struct cell){
			.offset = buffer_count(&text),
			.bytes = title.count,
			.columns = title.count,
			.style = STYLE_TITLE,
		};
		buffer_append(&text, title.bytes, title.count);
	}
	print_row(table, page, row, buffer_front(&text));
	buffer_release(&text);
}

void
table_print(struct table *table, FILE *file)
{
	struct page page = { file, style_wanted(file), terminal_columns(file) };
	size_t rows = table->cell_count / table->column_count;
	const char *text =
	    buffer_count(&table->text) > 0 ? buffer_front(&table->text) : "";
	if (rows > 0 && !table->titles_printed && !table->no_titles)
		print_titles(table, &page);
	table->titles_printed = table->titles_printed || rows > 0;
	for (size_t i = 0; i < rows; i++)
		print_row(
		    table, &page, &table->cells[i * table->column_count], text);
	table->cell_count = 0;
	buffer_truncate(&table->text, 0);
}
