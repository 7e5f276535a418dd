/* SPDX-License-Identifier: MIT */
#include "worker/environment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct environment environment;

static const char *
value_of(char *const *variables, const char *name)
{
	size_t count = strlen(name);
	for (; *variables != NULL; variables++)
		if (strncmp(*variables, name, count) == 0 &&
		    (*variables)[count] == '=')
			return *variables + count + 1;
	return NULL;
}

static size_t
count_of(char *const *variables)
{
	size_t count = 0;
	while (variables[count] != NULL)
		count++;
	return count;
}

static char *const *
of_job(char *const *from)
{
	cr_assert_eq(environment_init(&environment, from, "/run/gsq", 77), 0);
	return environment_of_job(&environment,
	    &(struct job_facts){ .id = 812,
		.queue = "mail",
		.attempt = 3,
		.priority = 128,
		.hints = 17,
		.deadline_ms = INT64_C(1767225600000),
		.key = SPAN_LITERAL("user 42") });
}

Test(environment, tells_about_the_job)
{
	char *from[] = { NULL };
	char *const *found = of_job(from);
	cr_expect_str_eq(value_of(found, "GSQ_JOB_ID"), "812");
	cr_expect_str_eq(value_of(found, "GSQ_QUEUE"), "mail");
	cr_expect_str_eq(value_of(found, "GSQ_ATTEMPT"), "3");
	cr_expect_str_eq(value_of(found, "GSQ_PRIORITY"), "128");
	cr_expect_str_eq(value_of(found, "GSQ_KEY"), "user 42");
	cr_expect_str_eq(value_of(found, "GSQ_HINTS"), "17");
	cr_expect_str_eq(value_of(found, "GSQ_DEADLINE_MS"), "1767225600000");
	cr_expect_str_eq(value_of(found, "GSQ_DIR"), "/run/gsq");
	cr_expect_str_eq(value_of(found, "GSQ_SUPERVISOR"), "77");
	cr_expect_eq(count_of(found), ENVIRONMENT_JOB_VARIABLES);
	environment_release(&environment);
}

Test(environment, lets_through_what_is_allowed_and_nothing_else)
{
	char *from[] = { "PATH=/bin", "SECRET=1", "HOME=/root", "USER=root",
		"LOGNAME=root", "SHELL=/bin/sh", "LANG=C.UTF-8", "LANGUAGE=de",
		"LC_ALL=C", "LC_TIME=de_DE", "TZ=UTC", "TZDIR=/x", "TMPDIR=/t",
		"PATHEXT=x", "PATH", "LD_PRELOAD=/evil.so", "GSQ_DIR=/other",
		"GSQ_JOB_ID=7", "XPATH=x", "=", "", NULL };
	char *const *found = of_job(from);
	cr_expect_str_eq(value_of(found, "PATH"), "/bin");
	cr_expect_str_eq(value_of(found, "HOME"), "/root");
	cr_expect_str_eq(value_of(found, "USER"), "root");
	cr_expect_str_eq(value_of(found, "LOGNAME"), "root");
	cr_expect_str_eq(value_of(found, "SHELL"), "/bin/sh");
	cr_expect_str_eq(value_of(found, "LANG"), "C.UTF-8");
	cr_expect_str_eq(value_of(found, "LC_ALL"), "C");
	cr_expect_str_eq(value_of(found, "LC_TIME"), "de_DE");
	cr_expect_str_eq(value_of(found, "TZ"), "UTC");
	cr_expect_str_eq(value_of(found, "TMPDIR"), "/t");
	cr_expect_str_eq(value_of(found, "GSQ_DIR"), "/run/gsq");
	cr_expect_str_eq(value_of(found, "GSQ_JOB_ID"), "812");
	cr_expect_eq(
	    count_of(found), ENVIRONMENT_JOB_VARIABLES + 10, "and no other");
	environment_release(&environment);
}

Test(environment, the_greatest_values_fit)
{
	char *from[] = { NULL };
	char queue[NAME_BYTES_MAX + 1];
	memset(queue, 'q', NAME_BYTES_MAX);
	queue[NAME_BYTES_MAX] = '\0';
	of_job(from);
	char key[KEY_BYTES_MAX + 1];
	memset(key, 'k', KEY_BYTES_MAX);
	key[KEY_BYTES_MAX] = '\0';
	char *const *found = environment_of_job(&environment,
	    &(struct job_facts){ .id = UINT64_MAX,
		.queue = queue,
		.attempt = INT64_MAX,
		.priority = INT64_MIN,
		.hints = UINT32_MAX,
		.key = span_of(key) });
	cr_expect_str_eq(value_of(found, "GSQ_KEY"), key);
	cr_expect_str_eq(value_of(found, "GSQ_HINTS"), "4294967295");
	cr_expect_str_eq(value_of(found, "GSQ_JOB_ID"), "18446744073709551615");
	cr_expect_str_eq(value_of(found, "GSQ_QUEUE"), queue);
	cr_expect_str_eq(value_of(found, "GSQ_ATTEMPT"), "9223372036854775807");
	cr_expect_str_eq(
	    value_of(found, "GSQ_PRIORITY"), "-9223372036854775808");
	environment_release(&environment);
}

Test(environment, of_the_next_job_is_of_the_next_job_alone)
{
	char *from[] = { "PATH=/bin", NULL };
	of_job(from);
	char *const *found = environment_of_job(&environment,
	    &(struct job_facts){
		.id = 9, .queue = "a", .attempt = 1, .hints = 1 });
	cr_expect_str_eq(value_of(found, "GSQ_JOB_ID"), "9");
	cr_expect_str_eq(value_of(found, "GSQ_QUEUE"), "a");
	cr_expect_str_eq(value_of(found, "PATH"), "/bin");
	cr_expect_null(value_of(found, "GSQ_KEY"), "it has none");
	cr_expect_eq(count_of(found), ENVIRONMENT_JOB_VARIABLES);
	environment_release(&environment);
	environment_release(&environment);
}
