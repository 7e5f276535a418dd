/* SPDX-License-Identifier: MIT */
#include "worker/outcome.h"

#include "base/backoff.h"
#include "base/units.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* "Not now" is mostly said of something that is down for a while: soon at
 * first, then less and less often. */
static const struct backoff not_now = { 2 * SECOND_MS, 5 * MINUTE_MS };

/*
 * The statuses with a meaning; every other one is a failure. sysexits.h has 65
 * (EX_DATAERR) and 75 (EX_TEMPFAIL); 100 and 111 are the same for programs that
 * were written for qmail; 126 and 127 are what a shell says of a command that
 * it cannot execute or find.
 */
static const struct {
	int status;
	enum outcome_verdict verdict;
	const char *words; /* behind the status, or NULL */
} meanings[] = {
	{ 0, OUTCOME_DONE, NULL },
	{ 65, OUTCOME_DEAD, NULL },
	{ 75, OUTCOME_RETRY, NULL },
	{ 100, OUTCOME_DEAD, NULL },
	{ 111, OUTCOME_RETRY, NULL },
	{ 126, OUTCOME_RELEASE, "cannot be executed" },
	{ 127, OUTCOME_RELEASE, "command not found" },
};

#define MEANINGS (sizeof(meanings) / sizeof(meanings[0]))

const char *
outcome_verdict_name(enum outcome_verdict verdict)
{
	static const char *const names[] = {
		[OUTCOME_DONE] = NULL,
		[OUTCOME_FAIL] = "fail",
		[OUTCOME_RETRY] = "retry",
		[OUTCOME_DEAD] = "dead",
		[OUTCOME_RELEASE] = "release",
	};
	return names[verdict];
}

struct outcome
outcome_of_exit(int status, uint64_t refusals, uint64_t random)
{
	struct outcome outcome = { .verdict = OUTCOME_FAIL,
		.cause = OUTCOME_CAUSE_EXIT,
		.number = status };
	for (size_t i = 0; i < MEANINGS; i++)
		if (meanings[i].status == status)
			outcome.verdict = meanings[i].verdict;
	if (outcome.verdict == OUTCOME_RETRY)
		outcome.delay_ms =
		    backoff_delay_ms(&not_now, refusals + 1, random);
	return outcome;
}

struct outcome
outcome_of_signal(int signal)
{
	return (struct outcome){ .verdict = OUTCOME_FAIL,
		.cause = OUTCOME_CAUSE_SIGNAL,
		.number = signal };
}

struct outcome
outcome_of_errno(int error)
{
	return (struct outcome){ .verdict = OUTCOME_RELEASE,
		.cause = OUTCOME_CAUSE_CANNOT_RUN,
		.number = error };
}

struct outcome
outcome_of_stop(void)
{
	return (struct outcome){ .verdict = OUTCOME_RELEASE,
		.cause = OUTCOME_CAUSE_STOPPED };
}

bool
outcome_is_broken(const struct outcome *outcome)
{
	return outcome->cause == OUTCOME_CAUSE_CANNOT_RUN ||
	    (outcome->cause == OUTCOME_CAUSE_EXIT &&
		outcome->verdict == OUTCOME_RELEASE);
}

/* before, the command in quotes, behind: the command gives way. */
static void
print_with_command(char *text, size_t text_bytes, const char *before,
    const char *command, const char *behind)
{
	static const char dots[] = "...";
	size_t fixed = strlen(before) + strlen(behind) + sizeof("''");
	size_t room = text_bytes > fixed ? text_bytes - fixed : 0;
	size_t count = strlen(command);
	bool cut = count > room;
	if (cut) {
		room = room > sizeof(dots) ? room - strlen(dots) : 0;
		command += count - room;
	}
	snprintf(text, text_bytes, "%s'%s%s'%s", before, cut ? dots : "",
	    command, behind);
}

static void
print_exit(const struct outcome *outcome, const char *command, char *text,
    size_t text_bytes)
{
	char behind[80];
	if (outcome->verdict == OUTCOME_DONE)
		return;
	snprintf(behind, sizeof(behind), "exit status %d", outcome->number);
	for (size_t i = 0; i < MEANINGS; i++) {
		if (meanings[i].status != outcome->number ||
		    meanings[i].words == NULL)
			continue;
		snprintf(behind, sizeof(behind),
		    " ended with exit status %d: %s", outcome->number,
		    meanings[i].words);
		print_with_command(text, text_bytes, "", command, behind);
		return;
	}
	snprintf(text, text_bytes, "%s", behind);
}

static void
print_signal(int number, char *text, size_t text_bytes)
{
	const char *name = sigabbrev_np(number);
	if (name != NULL)
		snprintf(
		    text, text_bytes, "killed by signal %d (%s)", number, name);
	else
		snprintf(text, text_bytes, "killed by signal %d", number);
}

static void
print_cannot_run(int error, const char *command, char *text, size_t text_bytes)
{
	char behind[80];
	const char *words = strerrordesc_np(error);
	if (words != NULL)
		snprintf(behind, sizeof(behind), ": %s", words);
	else
		snprintf(behind, sizeof(behind), ": error %d", error);
	print_with_command(text, text_bytes, "cannot run ", command, behind);
}

void
outcome_print(const struct outcome *outcome, const char *command, char *text,
    size_t text_bytes)
{
	text[0] = '\0';
	switch (outcome->cause) {
	case OUTCOME_CAUSE_NONE:
		break;
	case OUTCOME_CAUSE_EXIT:
		print_exit(outcome, command, text, text_bytes);
		break;
	case OUTCOME_CAUSE_SIGNAL:
		print_signal(outcome->number, text, text_bytes);
		break;
	case OUTCOME_CAUSE_CANNOT_RUN:
		print_cannot_run(outcome->number, command, text, text_bytes);
		break;
	case OUTCOME_CAUSE_STOPPED:
		snprintf(text, text_bytes,
		    outcome->asked ? "it was stopped" : "worker stops");
		break;
	}
}
