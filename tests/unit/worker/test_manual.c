/* SPDX-License-Identifier: MIT */
/*
 * What gsq-handlers(7) and gsq-protocol(7) say by hand of handlers and their
 * verdicts is what the worker does. Paths are those of the root of the
 * repository.
 */
#include "worker/environment.h"
#include "worker/outcome.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLERS       "docs/man/gsq-handlers.7"
#define PROTOCOL       "docs/man/gsq-protocol.7"
#define PAGE_BYTES_MAX (64 * 1024)

static char page[PAGE_BYTES_MAX];

static void
read_page(const char *path)
{
	FILE *file = fopen(path, "r");
	cr_assert_not_null(file, "cannot open %s", path);
	size_t count = fread(page, 1, sizeof(page) - 1, file);
	cr_assert_lt(count, sizeof(page) - 1, "%s is too long", path);
	page[count] = '\0';
	fclose(file);
}

/* ---- variables ---- */

Test(manual, every_variable_of_a_handler_is_explained)
{
	char *from[] = { NULL };
	struct environment environment;
	size_t explained = 0;
	read_page(HANDLERS);
	cr_assert_eq(environment_init(&environment, from, "/run/gsq", 1), 0);
	char *const *variables = environment_of_job(&environment,
	    &(struct job_facts){
		.id = 1, .queue = "mail", .key = SPAN_LITERAL("42") });
	for (; *variables != NULL; variables++) {
		char item[64];
		snprintf(item, sizeof(item), "\n.It Ev %.*s\n",
		    (int)strcspn(*variables, "="), *variables);
		cr_expect_not_null(strstr(page, item), "no%s", item);
	}
	for (const char *at = page; (at = strstr(at, ".It Ev ")) != NULL; at++)
		explained++;
	cr_expect_eq(explained, ENVIRONMENT_JOB_VARIABLES, "and no other");
	environment_release(&environment);
}

/* ---- exit statuses ---- */

/* The first words of the text under the status: "Done", "Not now"; NULL when
 * it has no item. */
static const char *
words_of_status(int status)
{
	char item[32];
	snprintf(item, sizeof(item), "\n.It %d\n", status);
	const char *at = strstr(page, item);
	while (at != NULL && strncmp(at, "\n.It ", 5) == 0)
		at = strchr(at + 1, '\n');
	return at != NULL ? at + 1 : NULL;
}

static const char *
words_of_verdict(enum outcome_verdict verdict)
{
	switch (verdict) {
	case OUTCOME_DONE:
		return "Done";
	case OUTCOME_RETRY:
		return "Not now";
	case OUTCOME_DEAD:
		return "Hopeless";
	case OUTCOME_RELEASE:
		return "The command cannot be executed or found";
	case OUTCOME_FAIL:
		return NULL;
	}
	return NULL;
}

Test(manual, every_exit_status_means_what_the_page_says)
{
	read_page(HANDLERS);
	for (int status = 0; status <= 255; status++) {
		struct outcome outcome = outcome_of_exit(status, 0, 0);
		const char *wanted = words_of_verdict(outcome.verdict);
		const char *found = words_of_status(status);
		if (wanted == NULL) {
			cr_expect_null(found, "%d is a failure", status);
			continue;
		}
		cr_assert_not_null(found, "%d is not explained", status);
		cr_expect_eq(strncmp(found, wanted, strlen(wanted)), 0,
		    "%d is: %s", status, wanted);
	}
}

/* ---- verdicts ---- */

Test(manual, every_verdict_is_named)
{
	static const enum outcome_verdict verdicts[] = { OUTCOME_FAIL,
		OUTCOME_RETRY, OUTCOME_DEAD, OUTCOME_RELEASE };
	read_page(PROTOCOL);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		char macro[32];
		snprintf(macro, sizeof(macro), "\n.Cm %s\n",
		    outcome_verdict_name(verdicts[i]));
		cr_expect_not_null(strstr(page, macro), "no%s", macro);
	}
}
