/* SPDX-License-Identifier: MIT */
/*
 * What a handler finds in its environment: an allow-list of the worker's own,
 * so that no secret of whoever started gsq reaches every handler, and GSQ_*.
 */
#ifndef GSQ_WORKER_ENVIRONMENT_H
#define GSQ_WORKER_ENVIRONMENT_H

#include "base/limits.h"
#include "base/name.h"
#include "base/span.h"

#include <stdint.h>
#include <sys/types.h>

/* What a program needs to find others, to know its user and to speak his
 * language. One that ends in _ stands for all that begin so. */
#define ENVIRONMENT_ALLOWED                                              \
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_", "TZ", \
	    "TMPDIR"

/* GSQ_JOB_ID, GSQ_QUEUE, GSQ_ATTEMPT, GSQ_PRIORITY, GSQ_HINTS, GSQ_DEADLINE_MS,
 * GSQ_DIR, of a job with a key GSQ_KEY, and of a worker with a supervisor
 * GSQ_SUPERVISOR */
#define ENVIRONMENT_JOB_VARIABLES 9

/* What a handler is told of its job. */
struct job_facts {
	uint64_t id;
	const char *queue;
	int64_t attempt;
	int64_t priority;
	int64_t hints;
	int64_t deadline_ms; /* wall clock; 0: none */
	struct span key;     /* empty: none */
};

struct environment {
	/* Ends with NULL. The variables of the job come first, those of the
	 * worker follow and are borrowed from its environment. The key is the
	 * first of all, and left out by beginning behind it. */
	char **variables;
	char key[KEY_BYTES_MAX + 16];
	char hints[40];
	char id[40];
	char queue[NAME_BYTES_MAX + 16];
	char attempt[40];
	char priority[40];
	char deadline[40];
	char supervisor[40];
	char *directory; /* owned */
};

/* from: the worker's environment, which must stay good. directory: where this
 * gsq lives, so that a handler can enqueue. supervisor: by which the next one
 * knows what was left behind; 0: none. 0 or ENOMEM. */
int environment_init(struct environment *environment, char *const *from,
    const char *directory, pid_t supervisor);
void environment_release(struct environment *environment);

/* The environment for one job, good until the next call. */
char *const *environment_of_job(
    struct environment *environment, const struct job_facts *job);

#endif
