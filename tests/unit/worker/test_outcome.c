/* SPDX-License-Identifier: MIT */
#include "worker/outcome.h"

#include "base/limits.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *
words(const struct outcome *outcome, const char *command)
{
	static char text[REASON_BYTES_MAX + 1];
	outcome_print(outcome, command, text, sizeof(text));
	return text;
}

Test(outcome, every_exit_status_has_its_meaning)
{
	static const struct {
		int status;
		enum outcome_verdict verdict;
	} special[] = {
		{ 0, OUTCOME_DONE },
		{ 65, OUTCOME_DEAD },
		{ 75, OUTCOME_RETRY },
		{ 100, OUTCOME_DEAD },
		{ 111, OUTCOME_RETRY },
		{ 126, OUTCOME_RELEASE },
		{ 127, OUTCOME_RELEASE },
	};
	for (int status = 0; status < 256; status++) {
		enum outcome_verdict wanted = OUTCOME_FAIL;
		for (size_t i = 0; i < sizeof(special) / sizeof(special[0]);
		     i++)
			if (special[i].status == status)
				wanted = special[i].verdict;
		struct outcome outcome = outcome_of_exit(status, 0, 0);
		cr_expect_eq(outcome.verdict, wanted, "status %d", status);
		cr_expect_eq(outcome.number, status);
		cr_expect_eq(outcome.delay_ms > 0, wanted == OUTCOME_RETRY);
		cr_expect_eq(outcome_is_broken(&outcome),
		    wanted == OUTCOME_RELEASE, "status %d", status);
	}
}

Test(outcome, not_now_waits_longer_each_time)
{
	int64_t before_ms = 0;
	for (uint64_t refusals = 0; refusals < 7; refusals++) {
		struct outcome outcome = outcome_of_exit(75, refusals, 0);
		cr_expect_gt(outcome.delay_ms, before_ms);
		before_ms = outcome.delay_ms;
	}
	struct outcome first = outcome_of_exit(75, 0, 12345);
	cr_expect(first.delay_ms >= 1800 && first.delay_ms <= 2200);
	struct outcome last = outcome_of_exit(111, 1000, UINT64_MAX);
	cr_expect_leq(last.delay_ms, 5 * 60 * 1000);
}

Test(outcome, the_reason_is_in_words)
{
	struct outcome outcome = outcome_of_exit(3, 0, 0);
	cr_expect_str_eq(words(&outcome, "/bin/x"), "exit status 3");
	outcome = outcome_of_exit(75, 0, 0);
	cr_expect_str_eq(words(&outcome, "/bin/x"), "exit status 75");
	outcome = outcome_of_signal(SIGKILL);
	cr_expect_str_eq(words(&outcome, "x"), "killed by signal 9 (KILL)");
	cr_expect_eq(outcome.verdict, OUTCOME_FAIL);
	cr_expect_not(outcome_is_broken(&outcome));
	outcome = outcome_of_signal(64);
	cr_expect_str_eq(words(&outcome, "x"), "killed by signal 64");
	outcome = outcome_of_errno(ENOENT);
	cr_expect_str_eq(words(&outcome, "/bin/x"),
	    "cannot run '/bin/x': No such file or directory");
	cr_expect(outcome_is_broken(&outcome));
	outcome = outcome_of_errno(4095);
	cr_expect_str_eq(words(&outcome, "x"), "cannot run 'x': error 4095");
	outcome = outcome_of_exit(127, 0, 0);
	cr_expect_str_eq(words(&outcome, "x"),
	    "'x' ended with exit status 127: command not found");
	outcome = outcome_of_exit(126, 0, 0);
	cr_expect_str_eq(words(&outcome, "x"),
	    "'x' ended with exit status 126: cannot be executed");
	outcome = outcome_of_stop();
	cr_expect_str_eq(words(&outcome, "x"), "worker stops");
	cr_expect_eq(outcome.verdict, OUTCOME_RELEASE);
	cr_expect_not(outcome_is_broken(&outcome));
	outcome = outcome_of_exit(0, 0, 0);
	cr_expect_str_eq(words(&outcome, "x"), "");
	outcome = (struct outcome){ .verdict = OUTCOME_DONE };
	cr_expect_str_eq(words(&outcome, "x"), "", "a built-in handler");
}

Test(outcome, little_room_is_filled_with_how_the_words_begin)
{
	struct outcome outcome = outcome_of_errno(ENOENT);
	char text[64] = "";
	outcome_print(&outcome, "/bin/x", text, 12);
	cr_expect_str_eq(text, "cannot run ");
	outcome_print(&outcome, "/bin/x", text, 44);
	cr_expect_str_eq(text, "cannot run '...': No such file or directory");
	outcome_print(&outcome, "/bin/x", text, 45);
	cr_expect_lt(strlen(text), 45);
}

Test(outcome, a_long_command_is_cut_in_front_and_the_cause_stays)
{
	char command[400];
	memset(command, 'a', sizeof(command));
	memcpy(command + sizeof(command) - 5, "/end", 5);
	struct outcome outcome = outcome_of_errno(EACCES);
	const char *text = words(&outcome, command);
	cr_expect_eq(strlen(text), REASON_BYTES_MAX);
	cr_expect_not_null(strstr(text, "cannot run '...aaa"), "%s", text);
	cr_expect_not_null(
	    strstr(text, "/end': Permission denied"), "%s", text);
	char exact[REASON_BYTES_MAX];
	size_t fixed = strlen("cannot run '': Permission denied");
	memset(exact, 'b', sizeof(exact));
	exact[REASON_BYTES_MAX - fixed] = '\0';
	text = words(&outcome, exact);
	cr_expect_null(strstr(text, "..."), "it just fits: %s", text);
	cr_expect_eq(strlen(text), REASON_BYTES_MAX);
}

Test(outcome, verdicts_are_named_as_on_the_wire)
{
	cr_expect_null(outcome_verdict_name(OUTCOME_DONE));
	cr_expect_str_eq(outcome_verdict_name(OUTCOME_FAIL), "fail");
	cr_expect_str_eq(outcome_verdict_name(OUTCOME_RETRY), "retry");
	cr_expect_str_eq(outcome_verdict_name(OUTCOME_DEAD), "dead");
	cr_expect_str_eq(outcome_verdict_name(OUTCOME_RELEASE), "release");
}
