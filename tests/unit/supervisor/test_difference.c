/* SPDX-License-Identifier: MIT */
#include "supervisor/difference.h"

#include "base/units.h"

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

/* What each key of a queue, and of the file for its process, is not by
 * itself. */
static const struct other_value {
	const char *key;
	const char *value;
} other_values[] = {
	{ "max_attempts", "7" },
	{ "retry_base", "7ms" },
	{ "retry_cap", "7m" },
	{ "max_crashes", "7" },
	{ "retry", "\"7s, 7m\"" },
	{ "ttr", "7m" },
	{ "ttr_grace", "7s" },
	{ "max_running", "7" },
	{ "rate", "\"7/s\"" },
	{ "burst", "7" },
	{ "max_jobs", "7" },
	{ "max_bytes", "7KiB" },
	{ "max_keys", "7" },
	{ "max_body_bytes", "7KiB" },
	{ "durability", "relaxed" },
	{ "keys", "coalesce" },
	{ "merge", "append" },
	{ "max_connections", "7" },
	{ "max_output_bytes", "70KiB" },
};

static void
expect_noticed(const char *section, const char *key)
{
	char file[128];
	const char *value = NULL;
	for (size_t i = 0; i < sizeof(other_values) / sizeof(*other_values);
	     i++)
		if (strcmp(other_values[i].key, key) == 0)
			value = other_values[i].value;
	cr_assert_not_null(value, "add another value for %s", key);
	snprintf(file, sizeof(file),
	    strcmp(section, "queue") == 0 ? "queue \"q\" { %s = %s }"
					  : "%s = %s",
	    key, value);
	cr_expect_str_neq(between("", file), "", "%s", file);
	cr_expect(difference.queue, "%s", file);
	cr_expect_str_neq(between(file, ""), "", "%s, undone", file);
	cr_expect(difference.queue, "%s, undone", file);
}

/* What is not noticed is taken by the supervisor and never reaches the queue,
 * which reads the file when it starts. */
Test(difference, no_key_of_the_queue_is_overlooked)
{
#define OF_THE_QUEUE(section, key)                                            \
	if (strcmp(section, "queue") == 0 ||                                  \
	    (strcmp(section, "ROOT") == 0 && strcmp(key, "directory") != 0 && \
		strcmp(key, "store") != 0))                                   \
		expect_noticed(section, key);
#define INTEGER(section, key, ...)  OF_THE_QUEUE(#section, #key)
#define DURATION(section, key, ...) OF_THE_QUEUE(#section, #key)
#define SECONDS(section, key, ...)  OF_THE_QUEUE(#section, #key)
#define TEXT(section, key, ...)	    OF_THE_QUEUE(#section, #key)
#define LIST(section, key, ...)	    OF_THE_QUEUE(#section, #key)
#include "sys/configuration_rows.h"
}

Test(difference, schedules_and_sizes_are_shown_as_they_are_written)
{
	cr_assert_str_eq(
	    between("queue \"q\" { retry = \"1s, 10s, 5m\" }",
		"queue \"q\" { max_bytes = 64MiB max_body_bytes = 1000 }"),
	    "queue q: retry: 1s 10s 5m00s -> off\n"
	    "queue q: max_bytes: 0 -> 64MiB\n"
	    "queue q: max_body_bytes: 0 -> 1000\n");
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
