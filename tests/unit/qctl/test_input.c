/* SPDX-License-Identifier: MIT */
#include "qctl/input.h"

#include "base/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct input input;
static int ends[2];

static void
set_up(void)
{
	cr_assert_eq(pipe(ends), 0);
}

static void
tear_down(void)
{
	input_release(&input);
	close(ends[0]);
}

TestSuite(input, .init = set_up, .fini = tear_down, .timeout = 60);

static void
feed(struct span bytes)
{
	cr_assert_eq(
	    write(ends[1], bytes.bytes, bytes.count), (ssize_t)bytes.count);
	cr_assert_eq(input_read(&input), 0);
}

static void
end(void)
{
	close(ends[1]);
	cr_assert_eq(input_read(&input), 0);
}

static void
expect_body(struct span wanted)
{
	struct span body;
	cr_assert_eq(input_next(&input, &body), INPUT_BODY);
	cr_assert(span_is(body, wanted), "'%.*s'", (int)body.count, body.bytes);
}

static void
expect_next(enum input_next wanted)
{
	struct span body;
	cr_assert_eq(input_next(&input, &body), wanted);
}

Test(input, lines_come_out_without_their_ends)
{
	input_init_lines(&input, ends[0]);
	feed(SPAN_LITERAL("one\n two \n\nthree\r\n"));
	expect_body(SPAN_LITERAL("one"));
	expect_body(SPAN_LITERAL(" two "));
	expect_body(SPAN_LITERAL(""));
	expect_body(SPAN_LITERAL("three\r"));
	expect_next(INPUT_MORE);
	end();
	expect_next(INPUT_END);
	expect_next(INPUT_END);
}

Test(input, the_last_line_may_lack_its_end)
{
	input_init_lines(&input, ends[0]);
	feed(SPAN_LITERAL("one\ntwo"));
	expect_body(SPAN_LITERAL("one"));
	expect_next(INPUT_MORE);
	end();
	expect_body(SPAN_LITERAL("two"));
	expect_next(INPUT_END);
}

Test(input, a_line_may_come_in_pieces)
{
	input_init_lines(&input, ends[0]);
	feed(SPAN_LITERAL("a"));
	expect_next(INPUT_MORE);
	feed(SPAN_LITERAL("b"));
	expect_next(INPUT_MORE);
	feed(SPAN_LITERAL("c\nd"));
	expect_body(SPAN_LITERAL("abc"));
	end();
	expect_body(SPAN_LITERAL("d"));
}

Test(input, lines_may_hold_any_byte)
{
	input_init_lines(&input, ends[0]);
	feed(SPAN_LITERAL("\0\xff\n"));
	expect_body(SPAN_LITERAL("\0\xff"));
	end();
}

Test(input, nothing_is_no_line)
{
	input_init_lines(&input, ends[0]);
	expect_next(INPUT_MORE);
	end();
	expect_next(INPUT_END);
}

Test(input, a_line_that_is_too_big_is_told_and_stays)
{
	char *many = malloc(32768);
	cr_assert_not_null(many);
	memset(many, 'x', 32768);
	input_init_lines(&input, ends[0]);
	for (size_t sent = 0; sent <= BODY_BYTES_MAX; sent += 32768) {
		expect_next(INPUT_MORE);
		feed((struct span){ many, 32768 });
	}
	expect_next(INPUT_TOO_BIG);
	expect_next(INPUT_TOO_BIG);
	free(many);
	close(ends[1]);
}

Test(input, the_whole_is_one_body_however_it_comes)
{
	input_init_whole(&input, ends[0]);
	feed(SPAN_LITERAL("a\n"));
	expect_next(INPUT_MORE);
	feed(SPAN_LITERAL("\0b\n"));
	expect_next(INPUT_MORE);
	end();
	expect_body(SPAN_LITERAL("a\n\0b\n"));
	expect_next(INPUT_END);
}

Test(input, an_empty_whole_is_one_empty_body)
{
	input_init_whole(&input, ends[0]);
	expect_next(INPUT_MORE);
	end();
	expect_body(SPAN_LITERAL(""));
	expect_next(INPUT_END);
}

Test(input, words_are_bodies_as_they_are)
{
	char *words[] = { "a b", "", "-" };
	input_init_words(&input, words, 3);
	expect_body(SPAN_LITERAL("a b"));
	expect_body(SPAN_LITERAL(""));
	expect_body(SPAN_LITERAL("-"));
	expect_next(INPUT_END);
	close(ends[1]);
}

Test(input, what_cannot_be_read_is_told)
{
	input_init_lines(&input, ends[1]);
	cr_assert_eq(input_read(&input), EBADF, "the end of the writer");
	close(ends[1]);
}
