/* SPDX-License-Identifier: MIT */
#include "worker/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct options options;

static int
read_line(const char *line)
{
	static char words[1024];
	static char *argv[40];
	int argc = 0;
	snprintf(words, sizeof(words), "worker %s", line);
	for (char *word = strtok(words, " "); word != NULL;
	     word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_read(&options, argc, argv);
}

Test(options, are_taken_as_the_supervisor_gives_them)
{
	cr_assert_eq(read_line("--directory /run/x --queue mail --name w1 "
			       "--incarnation 7 --max-demand 10 --min-demand 4 "
			       "--channel 3 --verbose -- ./handler --flag -v"),
	    OPTIONS_GO_ON);
	cr_expect_str_eq(options.directory, "/run/x");
	cr_expect_str_eq(options.queue.text, "mail");
	cr_expect_str_eq(options.name.text, "w1");
	cr_expect_eq(options.incarnation, 7);
	cr_expect_eq(options.max_demand, 10);
	cr_expect_eq(options.min_demand, 4);
	cr_expect_eq(options.channel_fd, 3);
	cr_expect(options.verbose);
	cr_expect_str_eq(options.command[0], "./handler");
	cr_expect_str_eq(options.command[1], "--flag");
	cr_expect_str_eq(options.command[2], "-v");
	cr_expect_null(options.command[3]);
}

Test(options, a_command_is_enough)
{
	char name[32];
	setenv("GSQ_DIR", "/tmp/somewhere", 1);
	cr_assert_eq(read_line("cat -v --queue x"), OPTIONS_GO_ON);
	cr_expect_str_eq(options.directory, "/tmp/somewhere");
	cr_expect_str_eq(options.queue.text, "default");
	snprintf(name, sizeof(name), "pid-%d", (int)getpid());
	cr_expect_str_eq(options.name.text, name);
	cr_expect_eq(options.incarnation, 0);
	cr_expect_eq(options.max_demand, 1);
	cr_expect_eq(options.min_demand, 0);
	cr_expect_eq(options.channel_fd, -1);
	cr_expect_not(options.verbose);
	cr_expect_str_eq(options.command[0], "cat");
	cr_expect_str_eq(options.command[3], "x", "what follows is its own");
}

Test(options, min_demand_is_half_of_max_demand)
{
	cr_assert_eq(read_line("--max-demand 101 true"), OPTIONS_GO_ON);
	cr_expect_eq(options.min_demand, 50);
	cr_assert_eq(
	    read_line("--min-demand 0 --max-demand 2 true"), OPTIONS_GO_ON);
	cr_expect_eq(options.min_demand, 0);
}

#define REFUSES(name, line)                                       \
	Test(options, refuses_##name, .init = cr_redirect_stderr, \
	    .exit_code = EXIT_USAGE)                              \
	{                                                         \
		exit(read_line(line));                            \
	}

REFUSES(no_command, "")
REFUSES(a_directory_without_command, "--directory /run/x")
REFUSES(an_unknown_flag, "--nonsense true")
REFUSES(a_missing_value, "--directory")
REFUSES(a_bad_queue, "--queue a/b true")
REFUSES(a_bad_name, "--name a/b true")
REFUSES(no_demand, "--max-demand 0 true")
REFUSES(too_much_demand, "--max-demand 10001 true")
REFUSES(words_for_numbers, "--max-demand many true")
REFUSES(a_tail_of_a_number, "--max-demand 3x true")
REFUSES(min_that_is_not_below_max, "--max-demand 5 --min-demand 5 true")
REFUSES(a_standard_stream_as_channel, "--channel 2 true")
REFUSES(incarnation_zero, "--channel 3 --incarnation 0 true")
REFUSES(incarnation_without_channel, "--incarnation 3 true")
REFUSES(an_unknown_builtin, "builtin:what")
REFUSES(arguments_of_a_builtin, "builtin:noop x")
