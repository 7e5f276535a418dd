/* SPDX-License-Identifier: MIT */
#include "qctl/grammar.h"

#include "qctl/verbs.h"

#include <criterion/criterion.h>
#include <string.h>

static struct option_value options[OPTION_COUNT];
static char reason[512];

static const char *
check(const char *verb, int count, char **arguments)
{
	const struct verb *found = verb_find(verb_table, verb);
	cr_assert_not_null(found, "no verb %s", verb);
	return grammar_check(
	    found, options, arguments, count, reason, sizeof(reason));
}

#define CHECK_ARGUMENTS(verb, ...)                                             \
	check(verb, (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)), \
	    (char *[]){ __VA_ARGS__ })

static void
expect_meant(const char *said, const char *meant)
{
	const struct verb *found = verb_suggest(verb_table, said);
	cr_expect_str_eq(
	    found != NULL ? found->name : "nothing", meant, "for '%s'", said);
}

Test(grammar, a_slip_of_the_fingers_is_understood)
{
	expect_meant("queue", "queues");
	expect_meant("enqeue", "enqueue");
	expect_meant("stauts", "status");
	expect_meant("wrokers", "workers");
	expect_meant("enq", "enqueue");
	expect_meant("shutdwon", "shutdown");
}

Test(grammar, what_is_no_slip_gets_no_suggestion)
{
	expect_meant("frobnicate", "nothing");
	expect_meant("x", "nothing");
	expect_meant("", "nothing");
	expect_meant("averyveryverylongwordindeedsolong", "nothing");
}

Test(grammar, what_a_verb_takes_is_good)
{
	cr_expect_null(CHECK_ARGUMENTS("get", "42"));
	cr_expect_null(CHECK_ARGUMENTS("enqueue", "mail"));
	cr_expect_null(CHECK_ARGUMENTS("enqueue", "mail", "a", "", "bad name"));
	cr_expect_null(CHECK_ARGUMENTS("scale", "0"));
	cr_expect_null(CHECK_ARGUMENTS("restart", "w1"));
	cr_expect_null(CHECK_ARGUMENTS("help", "get"));
	cr_expect_null(check("help", 0, NULL));
	cr_expect_null(check("status", 0, NULL));
}

Test(grammar, what_is_missing_is_named)
{
	cr_assert_not_null(check("get", 0, NULL));
	cr_expect_not_null(strstr(reason, "ID is missing"), "%s", reason);
	cr_assert_not_null(check("enqueue", 0, NULL));
	cr_expect_not_null(strstr(reason, "QUEUE is missing"), "%s", reason);
}

Test(grammar, what_is_too_much_is_named)
{
	cr_assert_not_null(CHECK_ARGUMENTS("status", "now"));
	cr_expect_not_null(strstr(reason, "'now'"), "%s", reason);
	cr_assert_not_null(CHECK_ARGUMENTS("get", "1", "2"));
	cr_expect_not_null(strstr(reason, "'2'"), "%s", reason);
}

Test(grammar, words_are_of_their_kind)
{
	cr_expect_not_null(CHECK_ARGUMENTS("get", "seven"));
	cr_expect_not_null(CHECK_ARGUMENTS("get", "0"));
	cr_expect_not_null(CHECK_ARGUMENTS("get", "-1"));
	cr_expect_not_null(CHECK_ARGUMENTS("get", "99999999999999999999"));
	cr_expect_not_null(CHECK_ARGUMENTS("scale", "many"));
	cr_expect_not_null(CHECK_ARGUMENTS("scale", "1000000"));
	cr_expect_not_null(CHECK_ARGUMENTS("enqueue", "bad name", "x"));
	cr_expect_not_null(CHECK_ARGUMENTS("peek", ""));
}

Test(grammar, an_option_may_stand_in_place_of_the_words)
{
	cr_expect_not_null(check("wait", 0, NULL));
	cr_expect_null(CHECK_ARGUMENTS("wait", "1"));
	options[OPTION_EMPTY].text = "mail";
	cr_expect_null(check("wait", 0, NULL));
	cr_expect_not_null(CHECK_ARGUMENTS("wait", "1"));
}

Test(grammar, every_verb_is_whole)
{
	for (const struct verb *verb = verb_table; verb->name != NULL; verb++) {
		cr_expect_gt(strlen(verb->summary), 5, "%s", verb->name);
		cr_expect_not_null(verb->run, "%s", verb->name);
		cr_expect_not_null(verb->arguments, "%s", verb->name);
		cr_expect_eq(
		    verb->options & OPTIONS_COMMON, 0, "%s", verb->name);
		cr_expect_eq(verb_find(verb_table, verb->name), verb,
		    "%s is there twice", verb->name);
	}
}
