/* SPDX-License-Identifier: MIT */
#include "worker/environment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const allowed[] = { ENVIRONMENT_ALLOWED };

static bool
is_allowed(const char *variable)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		size_t count = strlen(allowed[i]);
		if (strncmp(variable, allowed[i], count) == 0 &&
		    (variable[count] == '=' || allowed[i][count - 1] == '_'))
			return true;
	}
	return false;
}

int
environment_init(struct environment *environment, char *const *from,
    const char *directory, pid_t supervisor)
{
	size_t count = 0;
	memset(environment, 0, sizeof(*environment));
	while (from[count] != NULL)
		count++;
	environment->variables = calloc(ENVIRONMENT_JOB_VARIABLES + count + 1,
	    sizeof(*environment->variables));
	if (environment->variables == NULL ||
	    asprintf(&environment->directory, "GSQ_DIR=%s", directory) < 0) {
		free(environment->variables);
		memset(environment, 0, sizeof(*environment));
		return ENOMEM;
	}
	char **variables = environment->variables;
	*variables++ = environment->key;
	*variables++ = environment->id;
	*variables++ = environment->queue;
	*variables++ = environment->attempt;
	*variables++ = environment->priority;
	*variables++ = environment->hints;
	*variables++ = environment->deadline;
	*variables++ = environment->directory;
	snprintf(environment->supervisor, sizeof(environment->supervisor),
	    "GSQ_SUPERVISOR=%d", (int)supervisor);
	if (supervisor != 0)
		*variables++ = environment->supervisor;
	for (size_t i = 0; i < count; i++)
		if (is_allowed(from[i]))
			*variables++ = from[i];
	return 0;
}

void
environment_release(struct environment *environment)
{
	free(environment->variables);
	free(environment->directory);
	memset(environment, 0, sizeof(*environment));
}

char *const *
environment_of_job(struct environment *environment, const struct job_facts *job)
{
	snprintf(environment->id, sizeof(environment->id),
	    "GSQ_JOB_ID=%" PRIu64, job->id);
	snprintf(environment->queue, sizeof(environment->queue), "GSQ_QUEUE=%s",
	    job->queue);
	snprintf(environment->attempt, sizeof(environment->attempt),
	    "GSQ_ATTEMPT=%" PRId64, job->attempt);
	snprintf(environment->priority, sizeof(environment->priority),
	    "GSQ_PRIORITY=%" PRId64, job->priority);
	snprintf(environment->hints, sizeof(environment->hints),
	    "GSQ_HINTS=%" PRId64, job->hints);
	snprintf(environment->deadline, sizeof(environment->deadline),
	    "GSQ_DEADLINE_MS=%" PRId64, job->deadline_ms);
	snprintf(environment->key, sizeof(environment->key), "GSQ_KEY=%.*s",
	    (int)job->key.count, job->key.bytes);
	return environment->variables + (job->key.count == 0);
}
