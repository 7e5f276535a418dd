/* SPDX-License-Identifier: MIT */
/*
 * What comes from outside and is shown to people: in the log, on the terminal,
 * in tables. Nothing of it moves a terminal, forges a line or hides.
 *
 * Input: a width, then the bytes.
 */
#include "base/utf8.h"
#include "qctl/table.h"
#include "qctl/text.h"
#include "sys/log.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

/* Marks that turn text, and controls beyond ASCII, in UTF-8. */
static bool
has_marks(const char *text)
{
	static const char *const marks[] = { "\u202a", "\u202b", "\u202c",
		"\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069",
		"\u200b", "\u200e", "\u200f", "\u2028", "\u2029", "\ufeff",
		"\xc2\x9b", "\xc2\x85", "\xc2\x90", "\xc2\x9d" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(text, marks[i]) != NULL)
			return true;
	return false;
}

static void
check_line(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		CHECK((unsigned char)*at >= 0x20 && *at != 0x7f);
	CHECK(!has_marks(text));
	CHECK(utf8_whole_bytes(span_of(text)) == strlen(text));
}

/* ---- the log ---- */

static int
digit_of(char digit)
{
	return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

/* Takes the quotes off again. */
static struct buffer
unquote(const char *text)
{
	struct buffer plain = { 0 };
	static const char named[] = "\"\"\\\\n\nt\tr\r";
	for (text++; text[1] != '\0'; text++) {
		char byte = *text;
		if (byte == '\\' && text[1] == 'x') {
			byte =
			    (char)(digit_of(text[2]) * 16 + digit_of(text[3]));
			text += 3;
		} else if (byte == '\\') {
			const char *at = named;
			while (*at != '\0' && *at != text[1])
				at += 2;
			CHECK(*at != '\0');
			byte = at[1];
			text++;
		} else {
			CHECK(byte != '"');
		}
		CHECK(buffer_append(&plain, &byte, 1) == 0);
	}
	return plain;
}

static void
try_quote(struct span bytes, size_t max)
{
	const char *text = log_quote(bytes, max);
	size_t count = strlen(text);
	CHECK(count <= (max < 5 ? 5 : max));
	CHECK(count > 0);
	check_line(text);
	if (text[0] != '"') {
		CHECK(span_is_text(bytes, text));
		CHECK(strpbrk(text, " =\"\\") == NULL);
		return;
	}
	CHECK(count >= 2 && text[count - 1] == '"');
	/* Where everything fits, everything is there. */
	if (4 * bytes.count + 2 > max)
		return;
	struct buffer plain = unquote(text);
	CHECK(span_is(bytes,
	    (struct span){ buffer_front(&plain), buffer_count(&plain) }));
	buffer_release(&plain);
}

/* ---- the terminal ---- */

static void
try_append(struct span bytes, size_t columns_max)
{
	struct buffer shown = { 0 };
	size_t columns = text_append(&shown, bytes, columns_max);
	CHECK(columns <= columns_max);
	CHECK(buffer_append(&shown, "", 1) == 0);
	const char *text = buffer_front(&shown);
	check_line(text);
	CHECK(strlen(text) + 1 == buffer_count(&shown));
	/* What is shown is shown as it is. */
	struct buffer again = { 0 };
	CHECK(text_append(&again, span_of(text), TEXT_UNLIMITED) == columns);
	CHECK(span_is_text(
	    (struct span){ buffer_front(&again), buffer_count(&again) }, text));
	CHECK(text_is_harmless(span_of(text)));
	buffer_release(&again);
	buffer_release(&shown);
}

static void
try_fitting(struct span bytes, size_t columns_max)
{
	size_t count = text_fitting_bytes(bytes, columns_max);
	CHECK(count <= bytes.count);
	CHECK(count > 0 || bytes.count == 0);
	size_t whole = utf8_whole_bytes(bytes);
	CHECK(whole <= bytes.count && bytes.count - whole <= 3);
}

static void
try_print(struct span bytes)
{
	char *text = NULL;
	size_t count = 0;
	FILE *file = open_memstream(&text, &count);
	CHECK(file != NULL);
	text_print(file, bytes);
	fclose(file);
	check_line(text);
	CHECK(strlen(text) == count);
	free(text);
}

/* ---- tables ---- */

static void
try_table(struct span bytes, size_t width)
{
	static const struct column columns[] = {
		{ .title = "ID", .right = true },
		{ .title = "QUEUE" },
		{ .title = "BODY", .wraps = true },
	};
	struct table table;
	char *text = NULL;
	size_t count = 0, lines = 0;
	FILE *file = open_memstream(&text, &count);
	CHECK(file != NULL);
	table_init(&table, columns, 3);
	for (size_t i = 0; i < 6; i++) {
		size_t part = bytes.count < width ? bytes.count : width;
		table_cell(&table, (struct span){ bytes.bytes, part });
		bytes.bytes += part;
		bytes.count -= part;
	}
	table_print(&table, file);
	CHECK(table_is_empty(&table));
	table_release(&table);
	fclose(file);
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		check_line(line);
		lines++;
	}
	CHECK(lines == 3); /* titles and two rows, whatever was in them */
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	size_t width = source_byte(&source);
	char *copy = copy_exactly(source.bytes, source.count);
	struct span text = { copy, source.count };
	try_quote(text, width);
	try_quote(text, 4096);
	try_append(text, width);
	try_append(text, TEXT_UNLIMITED);
	try_fitting(text, width);
	try_print(text);
	try_table(text, width);
	free(copy);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
	return 0;
}
