/* SPDX-License-Identifier: MIT */
/*
 * How a run of a job ended, and what the queue is told for it. The table of
 * exit statuses is here.
 */
#ifndef GSQ_WORKER_OUTCOME_H
#define GSQ_WORKER_OUTCOME_H

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome_verdict {
	OUTCOME_DONE,
	OUTCOME_FAIL,	/* tried again, counted */
	OUTCOME_RETRY,	/* not now: again after delay_ms, not counted */
	OUTCOME_DEAD,	/* no attempt can succeed */
	OUTCOME_RELEASE /* given back: again at once, not counted */
};

enum outcome_cause {
	OUTCOME_CAUSE_NONE,	  /* done, and a built-in handler */
	OUTCOME_CAUSE_EXIT,	  /* number: the exit status */
	OUTCOME_CAUSE_SIGNAL,	  /* number: of the signal that killed it */
	OUTCOME_CAUSE_CANNOT_RUN, /* number: the errno; it never began */
	OUTCOME_CAUSE_STOPPED	  /* the worker stops, or it was asked to end */
};

/* Small, because a worker keeps one for each result that the queue has not
 * confirmed; words are made of it when they are needed. */
struct outcome {
	enum outcome_verdict verdict;
	enum outcome_cause cause;
	int number;
	bool asked;    /* to end: it says nothing about the job */
	bool measured; /* a process ran; of it is known: */
	bool core;     /* it left a core */
	int64_t delay_ms;
	int64_t duration_ms;
	int64_t cpu_ms;	    /* with what it waited for */
	int64_t rss_bytes;  /* at its peak; of it, or of what it waited for */
	struct span errors; /* how its stderr began; borrowed */
};

/* "fail", as it stands on the wire; NULL for OUTCOME_DONE, which has none. */
const char *outcome_verdict_name(enum outcome_verdict verdict);

/* What an exit status means. refusals: how often this job was given back
 * uncounted before, which makes the delay of "not now" grow; random spreads
 * it. */
struct outcome outcome_of_exit(int status, uint64_t refusals, uint64_t random);
struct outcome outcome_of_signal(int signal);
struct outcome outcome_of_errno(int error);
struct outcome outcome_of_stop(void);

/* Does it say that no job can be run, and nothing about this one? */
bool outcome_is_broken(const struct outcome *outcome);

/* Why, in words of at most text_bytes - 1 bytes, the name of the command cut
 * in front when it is too long; "" when done. */
void outcome_print(const struct outcome *outcome, const char *command,
    char *text, size_t text_bytes);

#endif
