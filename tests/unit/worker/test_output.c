/* SPDX-License-Identifier: MIT */
#include "worker/output.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;
static struct output_stream stream;
static char told[64 * 1024]; /* each line in [], a cut one followed by ~ */
static size_t told_count;
static size_t lines;
static size_t line_bytes;
static unsigned fulls;

static void
on_line(void *context, struct span text, bool cut)
{
	cr_assert_eq(context, &told);
	cr_assert_eq(fulls, 0, "a line after the end of all lines");
	lines++;
	line_bytes += text.count;
	if (told_count + text.count + 4 > sizeof(told))
		return;
	told[told_count++] = '[';
	memcpy(told + told_count, text.bytes, text.count);
	told_count += text.count;
	told[told_count++] = ']';
	if (cut)
		told[told_count++] = '~';
	told[told_count] = '\0';
}

static void
on_full(void *context)
{
	(void)context;
	fulls++;
}

static const struct output_events events = { on_line, on_full };

static void
set_up(void)
{
	output_init(&output);
	output_stream_init(&stream, &output, &events, &told);
}

TestSuite(output, .init = set_up);

static void
feed(const char *text)
{
	output_feed(&stream, text, strlen(text));
}

/* What was told since the last call. */
static const char *
taken(void)
{
	told[told_count] = '\0';
	told_count = 0;
	return told;
}

static char *
many(char byte, size_t count)
{
	static char bytes[2 * OUTPUT_LINE_BYTES_MAX + 1];
	cr_assert_lt(count, sizeof(bytes));
	memset(bytes, byte, count);
	bytes[count] = '\0';
	return bytes;
}

Test(output, how_it_began_is_kept_as_it_came)
{
	static struct output_head head;
	char wanted[STDERR_BYTES_MAX + 10];
	for (size_t i = 0; i < sizeof(wanted); i++)
		wanted[i] = (char)(i % 251);
	output_head_feed(&head, wanted, 0);
	cr_expect_eq(head.count, 0);
	for (size_t at = 0; at < sizeof(wanted);) {
		size_t part = sizeof(wanted) - at < 999 ? 11 : 999;
		output_head_feed(&head, wanted + at, part);
		at += part;
		cr_expect_eq(
		    head.count, at < STDERR_BYTES_MAX ? at : STDERR_BYTES_MAX);
	}
	cr_expect_eq(memcmp(head.bytes, wanted, STDERR_BYTES_MAX), 0);
}

Test(output, is_cut_into_lines)
{
	feed("one\ntwo\n");
	cr_expect_str_eq(taken(), "[one][two]");
	feed("th");
	cr_expect_str_eq(taken(), "");
	feed("ree\n\nfo");
	cr_expect_str_eq(taken(), "[three][]");
	feed("ur");
	output_end(&stream);
	cr_expect_str_eq(taken(), "[four]", "the last one needs no end");
	output_end(&stream);
	cr_expect_str_eq(taken(), "");
}

Test(output, ends_of_lines_may_have_a_carriage_return)
{
	feed("dos\r\n\r\na\rb\r");
	feed("\n");
	cr_expect_str_eq(taken(), "[dos][][a\rb]");
}

Test(output, any_byte_may_stand_in_a_line)
{
	output_feed(&stream, "\0a\0\n", 4);
	cr_expect_eq(lines, 1);
	cr_expect_eq(line_bytes, 3);
}

Test(output, a_line_that_just_fits_is_whole)
{
	feed(many('x', OUTPUT_LINE_BYTES_MAX));
	cr_expect_str_eq(taken(), "", "its end may come");
	feed("\n");
	cr_expect_eq(line_bytes, OUTPUT_LINE_BYTES_MAX);
	cr_expect_null(strchr(taken(), '~'));
}

Test(output, a_longer_line_is_cut_at_once_and_its_rest_dropped)
{
	feed(many('x', OUTPUT_LINE_BYTES_MAX));
	feed("y");
	cr_expect_eq(lines, 1);
	cr_expect_eq(line_bytes, OUTPUT_LINE_BYTES_MAX);
	cr_expect_not_null(strstr(taken(), "x]~"));
	feed(many('z', OUTPUT_LINE_BYTES_MAX));
	cr_expect_str_eq(taken(), "");
	feed("z\nnext\n");
	cr_expect_str_eq(taken(), "[next]");
	feed(many('x', OUTPUT_LINE_BYTES_MAX + 1));
	taken();
	output_end(&stream);
	cr_expect_str_eq(taken(), "", "nothing is left of a cut one");
}

Test(output, comes_out_the_same_however_it_came_in)
{
	static const char text[] = "alpha\n\nbeta\r\ngamma delta\nepsilon";
	static const char wanted[] = "[alpha][][beta][gamma delta][epsilon]";
	for (size_t part = 1; part <= sizeof(text); part++) {
		set_up();
		for (size_t at = 0; at < sizeof(text) - 1; at += part) {
			size_t left = sizeof(text) - 1 - at;
			output_feed(
			    &stream, text + at, left < part ? left : part);
		}
		output_end(&stream);
		cr_expect_str_eq(taken(), wanted, "parts of %zu", part);
	}
}

Test(output, the_lines_of_a_job_are_bounded_together)
{
	static struct output_stream other;
	output_stream_init(&other, &output, &events, &told);
	for (int i = 0; i < 100000; i++) {
		output_feed(&stream, "y\n", 2);
		output_feed(&other, "n\n", 2);
	}
	cr_expect_eq(fulls, 1, "said once");
	cr_expect_eq(lines, OUTPUT_JOB_BYTES_MAX / (OUTPUT_LINE_COST + 1));
	output_end(&stream);
	output_end(&other);
	cr_expect_eq(fulls, 1);
}

Test(output, a_flood_without_an_end_is_one_line)
{
	char *bytes = many('x', OUTPUT_LINE_BYTES_MAX);
	for (int i = 0; i < 10000; i++)
		feed(bytes);
	cr_expect_eq(lines, 1);
	cr_expect_eq(fulls, 0);
}
