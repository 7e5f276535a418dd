/* SPDX-License-Identifier: MIT */
#include "sys/log.h"

#include "base/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int kept_stderr = -1;
static int reader = -1;

/* Makes one end of something the stderr of this process. */
static void
redirect(int write_end)
{
	kept_stderr = dup(2);
	cr_assert_eq(dup2(write_end, 2), 2);
	close(write_end);
}

static void
redirect_to_pipe(void)
{
	int ends[2];
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	reader = ends[0];
	redirect(ends[1]);
}

static void
redirect_to_terminal(void)
{
	int terminal;
	struct termios raw;
	cr_assert_eq(openpty(&reader, &terminal, NULL, NULL, NULL), 0);
	cr_assert_eq(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	cr_assert_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
	redirect(terminal);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
}

static void
restore(void)
{
	if (kept_stderr >= 0) {
		dup2(kept_stderr, 2);
		close(kept_stderr);
	}
	if (reader >= 0)
		close(reader);
}

TestSuite(log, .fini = restore, .timeout = 60);

/* What has been written, as text; "" when nothing has. */
static const char *
written(void)
{
	static char text[3 * LOG_LINE_BYTES_MAX];
	struct pollfd ready = { .fd = reader, .events = POLLIN };
	text[0] = '\0';
	if (poll(&ready, 1, 0) != 1)
		return text;
	ssize_t got = read(reader, text, sizeof(text) - 1);
	cr_assert_gt(got, 0);
	text[got] = '\0';
	return text;
}

static void
expect_match(const char *text, const char *pattern)
{
	regex_t regex;
	cr_assert_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	cr_expect_eq(regexec(&regex, text, 0, NULL, 0), 0,
	    "'%s' does not match '%s'", text, pattern);
	regfree(&regex);
}

Test(log, a_line_is_fields_when_stderr_is_no_terminal)
{
	char pattern[256];
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	log_event(LOG_INFO, "enqueue", "job=%d worker=%s", 7, "w1");
	snprintf(pattern, sizeof(pattern),
	    "^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\."
	    "[0-9]{3}Z level=info role=queue pid=%d event=enqueue job=7 "
	    "worker=w1\n$",
	    (int)getpid());
	expect_match(written(), pattern);
}

Test(log, a_line_without_fields_ends_behind_the_event)
{
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	log_event(LOG_WARNING, "ready", NULL);
	expect_match(written(), " level=warning .* event=ready\n$");
}

Test(log, levels_below_the_wanted_one_are_not_written)
{
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	log_event(LOG_DEBUG, "demand", NULL);
	cr_assert_str_eq(written(), "");
	cr_assert_not(log_wants(LOG_DEBUG));
	cr_assert(log_wants(LOG_INFO));
	cr_assert(log_wants(LOG_ERROR));
	log_open("queue", LOG_DEBUG);
	log_event(LOG_DEBUG, "demand", NULL);
	expect_match(written(), "level=debug");
}

Test(log, errno_is_kept)
{
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	errno = ENOTTY;
	log_event(LOG_INFO, "a", NULL);
	cr_assert_eq(errno, ENOTTY);
}

Test(log, a_line_on_a_terminal_has_columns_and_colours)
{
	char pattern[256];
	redirect_to_terminal();
	log_open("queue", LOG_INFO);
	log_event(LOG_INFO, "enqueue", "job=7");
	snprintf(pattern, sizeof(pattern),
	    "^[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} \x1b\\[32minfo \x1b\\[0m "
	    "\x1b\\[[0-9]+mqueue     \x1b\\[0m %7d enqueue     job=7\n$",
	    (int)getpid());
	expect_match(written(), pattern);
}

static void
expect_no_colour(void)
{
	char pattern[256];
	log_open("w1", LOG_INFO);
	log_event(LOG_WARNING, "exit", "code=1");
	snprintf(pattern, sizeof(pattern),
	    "^[0-9:.]{12} warn  w1         %7d exit        code=1\n$",
	    (int)getpid());
	expect_match(written(), pattern);
}

Test(log, no_colour_when_it_is_not_wanted)
{
	redirect_to_terminal();
	setenv("NO_COLOR", "1", 1);
	expect_no_colour();
	setenv("NO_COLOR", "", 1);
	log_open("w1", LOG_INFO);
	log_event(LOG_INFO, "a", NULL);
	expect_match(written(), "\x1b");
}

Test(log, no_colour_on_a_dumb_terminal)
{
	redirect_to_terminal();
	setenv("TERM", "dumb", 1);
	expect_no_colour();
}

Test(log, a_role_has_the_same_colour_every_time)
{
	char first[64];
	redirect_to_terminal();
	log_open("w1", LOG_INFO);
	log_event(LOG_INFO, "a", NULL);
	snprintf(first, sizeof(first), "%.*s", 30, written() + 12);
	log_open("w1", LOG_INFO);
	log_event(LOG_INFO, "a", NULL);
	cr_assert_eq(strncmp(first, written() + 12, 30), 0);
}

Test(log, a_line_is_one_line_and_at_most_4096_bytes)
{
	static char text[2 * LOG_LINE_BYTES_MAX];
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	memset(text, 'x', sizeof(text) - 1);
	log_event(LOG_INFO, "a", "text=%s", text);
	const char *line = written();
	cr_assert_leq(strlen(line), LOG_LINE_BYTES_MAX);
	cr_assert_geq(strlen(line), LOG_LINE_BYTES_MAX - 8);
	cr_assert_str_eq(line + strlen(line) - 5, "x...\n");
	log_event(LOG_INFO, "a", "text=%s", "b\nc\x1b[31m");
	expect_match(written(), " text=b[?]c[?]\\[31m\n$");
}

Test(log, a_cut_line_does_not_end_in_the_middle_of_a_character)
{
	static char text[2 * LOG_LINE_BYTES_MAX];
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	for (int shift = 0; shift < 2; shift++) {
		log_event(LOG_INFO, "a", "text=%s%s", shift ? "x" : "", text);
		const char *line = written();
		cr_assert_str_eq(line + strlen(line) - 6, "\xc3\xa4...\n");
	}
}

static void
fill_pipe(void)
{
	static const char page[4096];
	cr_assert_eq(fcntl(2, F_SETFL, O_NONBLOCK), 0);
	while (write(2, page, sizeof(page)) > 0)
		continue;
	cr_assert_eq(fcntl(2, F_SETFL, 0), 0);
}

static void
empty_pipe(void)
{
	static char page[65536];
	struct pollfd ready = { .fd = reader, .events = POLLIN };
	while (poll(&ready, 1, 0) == 1)
		cr_assert_gt(read(reader, page, sizeof(page)), 0);
}

Test(log, lines_of_strangers_are_limited_and_what_was_left_out_is_told)
{
	struct log_limit limit = { .event = "noise" };
	unsigned allowed = 0;
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	for (int i = 0; i < 1000; i++)
		allowed += log_allows(&limit);
	/* The second may have changed once meanwhile. */
	cr_assert(allowed == LOG_LINES_PER_SECOND ||
	    allowed == 2 * LOG_LINES_PER_SECOND);
	written();
	cr_assert_gt(limit.left_out, 0);
	while (!log_allows(&limit))
		continue;
	expect_match(written(),
	    "level=warning .*event=left-out lines=[0-9]+ of=noise\n$");
	cr_assert_eq(limit.left_out, 0);
}

Test(log, a_full_pipe_does_not_block_and_what_was_dropped_is_counted)
{
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	fill_pipe();
	for (int i = 0; i < 3; i++)
		log_event(LOG_INFO, "lost", NULL);
	empty_pipe();
	log_event(LOG_INFO, "back", "a=1");
	expect_match(written(), " event=back dropped=3 a=1\n$");
	log_event(LOG_INFO, "again", NULL);
	expect_match(written(), " event=again\n$");
}

/* Of what was called before; a full pipe says nothing of its own. */
Test(log, a_full_pipe_does_not_block_after_an_interrupted_call, .timeout = 10)
{
	redirect_to_pipe();
	log_open("queue", LOG_INFO);
	fill_pipe();
	errno = EINTR;
	log_event(LOG_INFO, "lost", NULL);
	empty_pipe();
	log_event(LOG_INFO, "back", NULL);
	expect_match(written(), " event=back dropped=1\n$");
}

Test(log, a_reader_that_is_gone_does_not_kill_when_sigpipe_is_ignored)
{
	redirect_to_pipe();
	signal(SIGPIPE, SIG_IGN);
	close(reader);
	reader = -1;
	log_open("queue", LOG_INFO);
	log_event(LOG_INFO, "lost", NULL);
}

Test(log, a_socket_takes_lines_and_does_not_block)
{
	int ends[2];
	static char bytes[65536];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	reader = ends[0];
	redirect(ends[1]);
	log_open("queue", LOG_INFO);
	for (int i = 0; i < 100000; i++)
		log_event(LOG_INFO, "line", "i=%d", i);
	struct pollfd ready = { .fd = reader, .events = POLLIN };
	while (poll(&ready, 1, 0) == 1)
		cr_assert_gt(read(reader, bytes, sizeof(bytes)), 0);
	log_event(LOG_INFO, "back", NULL);
	expect_match(written(), " event=back dropped=[0-9]+\n$");
}

Test(log, a_file_takes_lines)
{
	char name[] = "/tmp/gsq-test-log-XXXXXX";
	struct stat status;
	int fd = mkstemp(name);
	cr_assert_geq(fd, 0);
	redirect(fd);
	log_open("queue", LOG_INFO);
	log_event(LOG_INFO, "a", NULL);
	log_event(LOG_INFO, "b", NULL);
	cr_assert_eq(fstat(2, &status), 0);
	cr_assert_gt(status.st_size, 100);
	unlink(name);
}

Test(log, before_it_is_opened_lines_come_out_too)
{
	redirect_to_pipe();
	log_event(LOG_ERROR, "early", "a=%d", 1);
	expect_match(written(), "level=error role=gsq .* event=early a=1\n$");
}

/* ---- quoting ---- */

#define QUOTED(text) log_quote(SPAN_LITERAL(text), 100)

Test(log_quote, a_plain_word_stands_as_it_is)
{
	cr_assert_str_eq(QUOTED("word"), "word");
	cr_assert_str_eq(QUOTED("/tmp/a-b_c.d:7,8"), "/tmp/a-b_c.d:7,8");
	cr_assert_str_eq(QUOTED("gr\xc3\xb6\xc3\x9f"
				"e"),
	    "gr\xc3\xb6\xc3\x9f"
	    "e");
	cr_assert_str_eq(QUOTED("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

Test(log_quote, anything_else_is_quoted)
{
	cr_assert_str_eq(QUOTED(""), "\"\"");
	cr_assert_str_eq(log_quote((struct span){ NULL, 0 }, 9), "\"\"");
	cr_assert_str_eq(QUOTED("two words"), "\"two words\"");
	cr_assert_str_eq(QUOTED("a=b"), "\"a=b\"");
	cr_assert_str_eq(QUOTED("say \"x\""), "\"say \\\"x\\\"\"");
	cr_assert_str_eq(QUOTED("a\\b"), "\"a\\\\b\"");
	cr_assert_str_eq(QUOTED("a\nb\tc\rd"), "\"a\\nb\\tc\\rd\"");
}

Test(log_quote, what_could_move_a_terminal_is_escaped)
{
	cr_assert_str_eq(QUOTED("\x1b[31m"), "\"\\x1b[31m\"");
	cr_assert_str_eq(QUOTED("\x7f"), "\"\\x7f\"");
	cr_assert_str_eq(QUOTED("a\0b"), "\"a\\x00b\"");
	/* C1 control CSI, right-to-left override, zero width, soft hyphen */
	cr_assert_str_eq(QUOTED("\xc2\x9b"), "\"\\xc2\\x9b\"");
	cr_assert_str_eq(QUOTED("\xe2\x80\xae"), "\"\\xe2\\x80\\xae\"");
	cr_assert_str_eq(QUOTED("\xe2\x81\xa6"), "\"\\xe2\\x81\\xa6\"");
	cr_assert_str_eq(QUOTED("\xe2\x80\x8b"), "\"\\xe2\\x80\\x8b\"");
	cr_assert_str_eq(QUOTED("\xc2\xad"), "\"\\xc2\\xad\"");
}

Test(log_quote, bytes_that_are_no_utf8_are_escaped)
{
	cr_assert_str_eq(QUOTED("\xff"), "\"\\xff\"");
	cr_assert_str_eq(QUOTED("\xc3"), "\"\\xc3\"");
	cr_assert_str_eq(QUOTED("\xc3("), "\"\\xc3(\"");
	cr_assert_str_eq(QUOTED("\xc0\xaf"), "\"\\xc0\\xaf\"");
	cr_assert_str_eq(QUOTED("\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\"");
	cr_assert_str_eq(QUOTED("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
	cr_assert_str_eq(
	    QUOTED("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");
	cr_assert_str_eq(QUOTED("\x80"), "\"\\x80\"");
}

Test(log_quote, the_result_is_never_longer_than_asked)
{
	static char bytes[3 * LOG_LINE_BYTES_MAX];
	static const char fill[] = { 'a', ' ', '\n', '\x01' };
	for (size_t kind = 0; kind < sizeof(fill); kind++) {
		memset(bytes, fill[kind], sizeof(bytes));
		for (size_t max = 5; max < 60; max++) {
			struct span span = { bytes, 40 };
			const char *text = log_quote(span, max);
			size_t count = strlen(text);
			cr_expect_leq(count, max);
			if (kind == 0 && max >= 40)
				cr_expect_eq(count, 40);
			else if (kind == 1 && max >= 42)
				cr_expect_eq(count, 42);
			else
				cr_expect_str_eq(text + count - 4, "...\"");
		}
		struct span all = { bytes, sizeof(bytes) };
		cr_expect_leq(
		    strlen(log_quote(all, SIZE_MAX)), LOG_LINE_BYTES_MAX);
	}
	cr_assert_str_eq(log_quote(SPAN_LITERAL("abcdef"), 0), "\"...\"");
}

Test(log_quote, four_results_stand_beside_one_another)
{
	const char *a = QUOTED("a");
	const char *b = QUOTED("b");
	const char *c = QUOTED("c");
	const char *d = QUOTED("d");
	cr_assert_str_eq(a, "a");
	cr_assert_str_eq(b, "b");
	cr_assert_str_eq(c, "c");
	cr_assert_str_eq(d, "d");
}
