/* SPDX-License-Identifier: MIT */
#include "supervisor/difference.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/gsq-test-difference-XXXXXX";
static char *arguments[] = { "supervisor", "-d", "/tmp", "-c", path, NULL };
static struct options before, after;
static struct difference difference;

static void
write_file(const char *text)
{
	FILE *file = fopen(path, "we");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

static void
set_up(void)
{
	close(mkstemp(path));
}

static void
tear_down(void)
{
	unlink(path);
}

TestSuite(difference, .init = set_up, .fini = tear_down);

/* Reads one file, then the other, and compares. */
static const char *
between(const char *one, const char *other)
{
	static char text[4096];
	write_file(one);
	cr_assert_eq(options_read(&before, 5, arguments), OPTIONS_GO_ON);
	write_file(other);
	char *wrong = options_read_again(&after, &before);
	cr_assert_null(wrong, "%s", wrong);
	cr_assert_eq(difference_find(&difference, &before, &after), 0);
	snprintf(text, sizeof(text), "%.*s",
	    (int)buffer_count(&difference.text),
	    buffer_front(&difference.text));
	difference_release(&difference);
	options_release(&before);
	options_release(&after);
	return text;
}

Test(difference, nothing_is_started_anew_for_nothing)
{
	cr_assert_str_eq(between("pool \"a\" { workers = 2 }",
			     "queue \"q\" { max_attempts = 10 }\n"
			     "# a word\npool \"a\" { workers = 2 nice = 0 }"),
	    "pool a: nice: as gsq has it -> 0\n");
	cr_assert_str_eq(between("pool \"a\" { command = { \"x\", \"y\" } }",
			     "pool \"a\" { command = { \"x\", \"y\" } }"),
	    "");
	cr_assert_eq(difference.lines, 0);
	cr_assert_not(difference.queue || difference.all ||
	    difference.pools[0] || difference.scaled[0]);
}

Test(difference, each_change_is_told_and_says_who_is_concerned)
{
	cr_assert_str_eq(between("supervisor { backoff = off }",
			     "supervisor { max_restarts = 3 "
			     "hang_timeout = 5s }"),
	    "supervisor: max_restarts: automatic -> 3\n"
	    "supervisor: backoff: off -> 100ms..5s\n"
	    "supervisor: hang_timeout: 10s -> 5s\n");
	cr_assert(difference.all && !difference.queue);
	between("", "queue \"q\" { keys = coalesce }");
	cr_assert(difference.queue && !difference.all);
	between("queue \"q\" { keys = coalesce }", "");
	cr_assert(difference.queue);
}

Test(difference, pools_keep_their_places)
{
	cr_assert_str_eq(
	    between("pool \"a\" { } pool \"b\" { workers = 2 }",
		"pool \"c\" { } pool \"b\" { workers = 3 umask = \"027\" }"),
	    "pool a: gone, its workers leave\n"
	    "pool b: workers: 2 -> 3\n"
	    "pool b: umask: as gsq has it -> 027\n"
	    "pool c: new, 1 workers\n");
	cr_assert(difference.scaled[0] && difference.scaled[1] &&
	    difference.scaled[2]);
	cr_assert(!difference.pools[0] && difference.pools[1] &&
	    !difference.pools[2]);
}

Test(difference, what_is_wrong_is_said_and_nothing_is_taken)
{
	write_file("pool \"a\" { }");
	cr_assert_eq(options_read(&before, 5, arguments), OPTIONS_GO_ON);
	static const struct {
		const char *file;
		const char *wrong;
	} cases[] = {
		{ "pool \"a\" { worker = 1 }", "no such option 'worker'" },
		{ "store = \"/elsewhere\"", "cannot change while gsq runs" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		write_file(cases[i].file);
		char *wrong = options_read_again(&after, &before);
		cr_assert_not_null(wrong);
		cr_expect_not_null(strstr(wrong, cases[i].wrong), "%s", wrong);
		free(wrong);
	}
	options_release(&before);
}
