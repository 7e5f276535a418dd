/* SPDX-License-Identifier: MIT */
#include "qctl/table.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct column columns[] = {
	{ .title = "NAME" },
	{ .title = "COUNT", .right = true },
	{ .title = "NOTE", .wraps = true },
};

static struct table table;
static FILE *file;

static void
set_up(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
	text_init();
	table_init(&table, columns, 3);
	file = tmpfile();
	cr_assert_not_null(file);
}

static void
tear_down(void)
{
	table_release(&table);
	fclose(file);
}

TestSuite(table, .init = set_up, .fini = tear_down, .timeout = 60);

static void
add_row(const char *name, int64_t count, const char *note)
{
	table_text(&table, name);
	table_number(&table, count);
	table_text(&table, note);
}

static void
expect_printed(const char *wanted)
{
	char text[1024];
	table_print(&table, file);
	rewind(file);
	size_t count = fread(text, 1, sizeof(text) - 1, file);
	text[count] = '\0';
	cr_assert_str_eq(text, wanted);
	rewind(file);
	cr_assert_eq(ftruncate(fileno(file), 0), 0);
}

Test(table, columns_are_as_wide_as_their_widest_cell)
{
	add_row("a", 1, "x");
	add_row("longer", 1234567, "y");
	expect_printed("NAME      COUNT  NOTE\n"
		       "a             1  x\n"
		       "longer  1234567  y\n");
}

Test(table, no_blanks_stand_at_the_end_of_a_line)
{
	add_row("a", 1, "");
	expect_printed("NAME  COUNT  NOTE\n"
		       "a         1\n");
}

Test(table, a_row_of_nothing_is_an_empty_line)
{
	table_text(&table, "");
	table_text(&table, "");
	table_text(&table, "");
	expect_printed("NAME  COUNT  NOTE\n"
		       "\n");
}

Test(table, without_rows_nothing_is_printed)
{
	cr_assert(table_is_empty(&table));
	expect_printed("");
}

Test(table, printed_in_pieces_it_has_one_title_and_keeps_its_widths)
{
	add_row("longest", 1, "x");
	expect_printed("NAME     COUNT  NOTE\n"
		       "longest      1  x\n");
	cr_assert(table_is_empty(&table));
	add_row("a", 2, "y");
	expect_printed("a            2  y\n");
}

Test(table, characters_of_any_width_keep_it_aligned)
{
	add_row("世界", 1, "x");
	add_row("é", 2, "y");
	expect_printed("NAME  COUNT  NOTE\n"
		       "世界      1  x\n"
		       "é         2  y\n");
}

Test(table, what_comes_from_outside_cannot_break_a_line)
{
	table_cell(&table, SPAN_LITERAL("a\nb\0"));
	table_number(&table, 1);
	table_cell(&table, SPAN_LITERAL("\033[2J"));
	expect_printed("NAME      COUNT  NOTE\n"
		       "a\\nb\\x00      1  \\x1b[2J\n");
}

Test(table, a_monstrous_cell_is_cut)
{
	char name[5000];
	char text[6000];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add_row(name, 1, "x");
	table_print(&table, file);
	rewind(file);
	size_t count = fread(text, 1, sizeof(text), file);
	cr_assert_gt(count, 100);
	cr_assert_lt(count, 300);
}

Test(table, durations_are_written_for_people)
{
	table_duration(&table, 250);
	table_duration(&table, 65000);
	table_text(&table, "");
	expect_printed("NAME   COUNT  NOTE\n"
		       "250ms  1m05s\n");
}

/* What a terminal of that many columns is sent, without its returns. */
static void
expect_on_terminal(unsigned short width, const char *wanted)
{
	struct winsize size = { .ws_row = 10, .ws_col = width };
	char text[1024];
	size_t kept = 0;
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	FILE *terminal = fopen(ptsname(master), "w");
	cr_assert_not_null(terminal);
	cr_assert_eq(ioctl(fileno(terminal), TIOCSWINSZ, &size), 0);
	table_print(&table, terminal);
	fputc('$', terminal);
	fflush(terminal);
	while (kept == 0 || text[kept - 1] != '$') {
		ssize_t count = read(master, text + kept, 1);
		cr_assert_eq(count, 1);
		kept += text[kept] != '\r';
	}
	text[kept - 1] = '\0';
	cr_assert_str_eq(text, wanted);
	fclose(terminal);
	close(master);
}

Test(table, on_a_terminal_the_last_column_goes_on_below)
{
	add_row("a", 1, "several words that do not fit into a line");
	expect_on_terminal(40,
	    "NAME  COUNT  NOTE\n"
	    "a         1  several words that do not\n"
	    "             fit into a line\n");
}

Test(table, on_a_narrow_terminal_the_last_column_is_cut)
{
	add_row("a", 1, "several words that do not fit");
	expect_on_terminal(20,
	    "NAME  COUNT  NOTE\n"
	    "a         1  severa…\n");
}

Test(table, a_terminal_gets_its_colours)
{
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	table.no_titles = true;
	add_row("a", 1, "bad");
	table_style(&table, STYLE_BAD);
	expect_on_terminal(40, "a         1  \033[31mbad\033[0m\n");
}
