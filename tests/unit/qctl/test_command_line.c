/* SPDX-License-Identifier: MIT */
#include "qctl/command_line.h"

#include "qctl/verbs.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

static struct command command;

static void
redirect(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
}

TestSuite(command_line, .init = redirect, .timeout = 60);

#define READ(...) read_line((char *[]){ "qctl", __VA_ARGS__, NULL })

/* The command points into its words, which end with the block that an
 * assertion is: so they are kept. */
static int
read_line(char **words)
{
	static char *kept[16];
	int count = 0;
	for (; words[count] != NULL; count++) {
		cr_assert_lt(count, 15);
		kept[count] = words[count];
	}
	kept[count] = NULL;
	return command_line_read(&command, verb_table, count, kept);
}

Test(command_line, options_are_taken_before_and_after_the_verb)
{
	cr_assert_eq(READ("-o", "json", "queues"), COMMAND_LINE_GO_ON);
	cr_expect_eq(command.form, FORM_JSON);
	cr_expect_str_eq(command.verb->name, "queues");
	cr_assert_eq(READ("queues", "-o", "jsonl"), COMMAND_LINE_GO_ON);
	cr_expect_eq(command.form, FORM_JSONL);
	cr_assert_eq(READ("queues"), COMMAND_LINE_GO_ON);
	cr_expect_eq(command.form, FORM_TABLE);
	cr_assert_eq(READ("--timeout", "1s", "get", "7"), COMMAND_LINE_GO_ON);
	cr_expect_eq(command.options[OPTION_TIMEOUT].number, 1000);
}

Test(command_line, options_may_stand_among_the_arguments)
{
	cr_assert_eq(READ("enqueue", "q", "--priority", "3", "a", "b"),
	    COMMAND_LINE_GO_ON);
	cr_expect_eq(command.options[OPTION_PRIORITY].number, 3);
	cr_assert_eq(command.argument_count, 3);
	cr_expect_str_eq(command.arguments[0], "q");
	cr_expect_str_eq(command.arguments[2], "b");
}

Test(command_line, behind_two_dashes_nothing_is_an_option)
{
	cr_assert_eq(
	    READ("enqueue", "q", "--", "-x", "--lines"), COMMAND_LINE_GO_ON);
	cr_assert_eq(command.argument_count, 3);
	cr_expect_str_eq(command.arguments[1], "-x");
	cr_expect_null(command.options[OPTION_LINES].text);
}

Test(command_line, a_dash_alone_is_an_argument)
{
	cr_assert_eq(READ("enqueue", "q", "-"), COMMAND_LINE_GO_ON);
	cr_expect_eq(command.argument_count, 2);
}

Test(command_line, what_is_wrong_is_64)
{
	cr_expect_eq(read_line((char *[]){ "qctl", NULL }), EXIT_USAGE);
	cr_expect_eq(READ("frobnicate"), EXIT_USAGE);
	cr_expect_eq(READ("--nonsense"), EXIT_USAGE);
	cr_expect_eq(READ("queues", "--nonsense"), EXIT_USAGE);
	cr_expect_eq(READ("-o"), EXIT_USAGE);
	cr_expect_eq(READ("-o", "xml", "queues"), EXIT_USAGE);
	cr_expect_eq(READ("get"), EXIT_USAGE);
	cr_expect_eq(READ("get", "--lines", "1"), EXIT_USAGE);
	cr_expect_eq(READ("-s", "", "queues"), EXIT_USAGE);
}

Test(command_line, help_and_version_are_no_mistake)
{
	cr_expect_eq(READ("--help"), EXIT_DONE);
	cr_expect_eq(READ("--version"), EXIT_DONE);
	cr_expect_eq(READ("-h"), EXIT_DONE);
	cr_expect_eq(READ("get", "--help"), EXIT_DONE);
	cr_expect_eq(READ("--usage"), EXIT_DONE);
}

/* The help as text, to be freed. */
static char *
help_of(const struct verb *verb)
{
	char *text = NULL;
	size_t count = 0;
	FILE *file = open_memstream(&text, &count);
	cr_assert_not_null(file);
	command_line_help(file, verb_table, verb);
	fclose(file);
	return text;
}

Test(command_line, the_help_names_every_verb)
{
	char *text = help_of(NULL);
	for (const struct verb *verb = verb_table; verb->name != NULL; verb++) {
		cr_expect_not_null(strstr(text, verb->name));
		cr_expect_not_null(strstr(text, verb->summary));
	}
	free(text);
}

/* The same word may be an option of one verb and another one of another. */
static bool
is_taken(const struct verb *verb, const char *name)
{
	uint64_t taken = OPTIONS_COMMON | verb->options;
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if ((taken & UINT64_C(1) << i) != 0 &&
		    strcmp(option_row((enum option_id)i)->name, name) == 0)
			return true;
	return false;
}

Test(command_line, the_help_of_a_verb_names_its_options_and_no_others)
{
	for (const struct verb *verb = verb_table; verb->name != NULL; verb++) {
		char *text = help_of(verb);
		cr_expect_not_null(strstr(text, verb->arguments));
		for (unsigned i = 0; i < OPTION_COUNT; i++) {
			char name[64];
			snprintf(name, sizeof(name), "  --%s",
			    option_row((enum option_id)i)->name);
			bool is_named = strstr(text, name + 1) != NULL &&
			    (strstr(text, name) != NULL ||
				option_row((enum option_id)i)->letter != 0);
			cr_expect_eq(is_named,
			    is_taken(verb, option_row((enum option_id)i)->name),
			    "%s of %s", name, verb->name);
		}
		free(text);
	}
}

Test(command_line, no_line_of_the_help_is_too_wide)
{
	for (const struct verb *verb = verb_table;; verb++) {
		char *text = help_of(verb->name != NULL ? verb : NULL);
		for (char *line = strtok(text, "\n"); line != NULL;
		     line = strtok(NULL, "\n"))
			cr_expect_leq(strlen(line), 80, "%s", line);
		free(text);
		if (verb->name == NULL)
			return;
	}
}
