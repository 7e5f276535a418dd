/* SPDX-License-Identifier: MIT */
#include "qctl/text.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void
in_utf8(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
}

static void
in_ascii(void)
{
	setenv("LC_ALL", "C", 1);
	text_init();
}

TestSuite(text, .init = in_utf8, .timeout = 60);
TestSuite(text_of_a_plain_terminal, .init = in_ascii, .timeout = 60);

#define EXPECT_SHOWN(bytes, wanted) \
	expect_shown(SPAN_LITERAL(bytes), TEXT_UNLIMITED, wanted)
#define EXPECT_CUT(bytes, columns, wanted) \
	expect_shown(SPAN_LITERAL(bytes), columns, wanted)

static void
expect_shown(struct span bytes, size_t columns, const char *wanted)
{
	struct buffer buffer = { 0 };
	size_t used = text_append(&buffer, bytes, columns);
	size_t count = buffer_count(&buffer);
	const char *shown = count > 0 ? buffer_front(&buffer) : "";
	cr_expect(span_is((struct span){ shown, count }, span_of(wanted)),
	    "'%.*s' and not '%s'", (int)count, shown, wanted);
	cr_expect(columns == TEXT_UNLIMITED || used <= columns);
	buffer_release(&buffer);
}

Test(text, what_can_be_printed_stays_as_it_is)
{
	EXPECT_SHOWN(
	    "plain text, \"quoted\" \\ ~", "plain text, \"quoted\" \\ ~");
	EXPECT_SHOWN("Grüße, 世界, 🙂", "Grüße, 世界, 🙂");
}

Test(text, control_characters_are_shown_and_not_obeyed)
{
	EXPECT_SHOWN("\033[31m\007", "\\x1b[31m\\x07");
	EXPECT_SHOWN("a\nb\tc\rd", "a\\nb\\tc\\rd");
	EXPECT_SHOWN("\0\177", "\\x00\\x7f");
	/* CSI as one character of the C1 set. */
	EXPECT_SHOWN("\xc2\x9b", "\\u009b");
}

Test(text, marks_that_turn_or_hide_text_are_shown)
{
	EXPECT_SHOWN("a\u202eb", "a\\u202eb");
	EXPECT_SHOWN("a\u200bb\ufeff", "a\\u200bb\\ufeff");
}

Test(text, bytes_that_are_no_utf8_are_shown_one_by_one)
{
	EXPECT_SHOWN("\xff\xfe", "\\xff\\xfe");
	EXPECT_SHOWN("\xc3", "\\xc3");
	EXPECT_SHOWN("\xe4\xb8x", "\\xe4\\xb8x");
	/* Overlong, a surrogate, beyond the last character. */
	EXPECT_SHOWN("\xc0\xaf", "\\xc0\\xaf");
	EXPECT_SHOWN("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	EXPECT_SHOWN("\xed\xa0\x80", "\\xed\\xa0\\x80");
	EXPECT_SHOWN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

Test(text, what_is_too_wide_is_cut_and_says_so)
{
	EXPECT_CUT("12345", 5, "12345");
	EXPECT_CUT("123456", 5, "1234…");
	EXPECT_CUT("", 0, "");
	EXPECT_CUT("x", 0, "");
}

Test(text, wide_characters_count_two_columns)
{
	EXPECT_CUT("世界", 4, "世界");
	EXPECT_CUT("世界世", 5, "世界…");
	EXPECT_CUT("世界世", 4, "世…");
}

Test(text, an_escape_is_never_cut_in_the_middle)
{
	EXPECT_CUT("ab\033cd", 5, "ab…");
}

Test(text_of_a_plain_terminal, cut_text_ends_in_dots)
{
	cr_assert_not(text_is_unicode());
	EXPECT_CUT("123456", 5, "12...");
	EXPECT_CUT("123456", 6, "123456");
	EXPECT_CUT("123456", 2, "");
}

Test(text_of_a_plain_terminal, letters_of_bodies_stay_readable)
{
	EXPECT_SHOWN("Grüße", "Grüße");
}

Test(text, harmless_is_what_would_stay_as_it_is)
{
	cr_expect(text_is_harmless(SPAN_LITERAL("Grüße\nund \\ 世界")));
	cr_expect_not(text_is_harmless(SPAN_LITERAL("a\033b")));
	cr_expect_not(text_is_harmless(SPAN_LITERAL("a\xc2\x9b")));
	cr_expect_not(text_is_harmless(SPAN_LITERAL("\u202e")));
}

Test(text, lines_break_at_blanks_and_elsewhere_when_there_is_none)
{
	cr_expect_eq(text_fitting_bytes(SPAN_LITERAL("one two"), 7), 7);
	cr_expect_eq(text_fitting_bytes(SPAN_LITERAL("one two"), 6), 3);
	cr_expect_eq(text_fitting_bytes(SPAN_LITERAL("onetwo"), 4), 4);
	cr_expect_eq(text_fitting_bytes(SPAN_LITERAL("世界"), 1), 3,
	    "at least one character");
}

Test(text, colour_is_only_for_terminals_that_want_it)
{
	setenv("TERM", "xterm", 1);
	FILE *file = tmpfile();
	cr_assert_not_null(file);
	cr_expect_not(style_wanted(file), "a file is no terminal");
	cr_expect_eq(terminal_columns(file), TEXT_UNLIMITED);
	fclose(file);
	cr_expect_str_eq(style_begin(STYLE_PLAIN), "");
	cr_expect_str_eq(style_end(STYLE_PLAIN), "");
	cr_expect_neq(*style_begin(STYLE_BAD), '\0');
}

/* A terminal of our own, 40 columns wide. */
static FILE *
open_terminal(int *ret_master)
{
	*ret_master = posix_openpt(O_RDWR | O_NOCTTY);
	cr_assert_geq(*ret_master, 0);
	cr_assert_eq(grantpt(*ret_master), 0);
	cr_assert_eq(unlockpt(*ret_master), 0);
	struct winsize size = { .ws_row = 10, .ws_col = 40 };
	int slave = open(ptsname(*ret_master), O_RDWR | O_NOCTTY);
	cr_assert_geq(slave, 0);
	cr_assert_eq(ioctl(slave, TIOCSWINSZ, &size), 0);
	FILE *file = fdopen(slave, "w");
	cr_assert_not_null(file);
	return file;
}

Test(text, a_terminal_gets_colour_unless_it_is_told_otherwise)
{
	int master;
	FILE *file = open_terminal(&master);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	cr_expect(style_wanted(file));
	cr_expect_eq(terminal_columns(file), 40);
	setenv("NO_COLOR", "1", 1);
	cr_expect_not(style_wanted(file));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	cr_expect_not(style_wanted(file));
	fclose(file);
	close(master);
}
