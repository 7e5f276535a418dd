/* SPDX-License-Identifier: MIT */
/*
 * The roll of the supervised workers: which live, which of them have not been
 * heard since the queue started, and which died lately.
 *
 * A queue that starts anew hears of workers that are older than it is. Until
 * such a one subscribes, nobody knows what it has in hand.
 */
#ifndef GSQ_CORE_ROLL_H
#define GSQ_CORE_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A worker that the supervisor says is alive. */
struct living {
	int64_t pid;
	int64_t incarnation;
	bool unheard; /* it may have jobs of before, and has not said which */
	UT_hash_handle hh;
};

/* A worker that died lately: what it sent before may still be on its way. */
struct departed {
	int64_t pid;
	int64_t incarnation;
};

/* Remembered at once, in places that go by the pid: pids follow each other, so
 * that all of CHILDREN_MAX workers may die in one moment. */
#define DEPARTED_MAX 1024

/* A zeroed struct is an empty roll. */
struct roll {
	struct living *living; /* in the order in which they came */
	uint32_t unheard;      /* how many of them */
	struct departed departed[DEPARTED_MAX]; /* by pid */
};

void roll_release(struct roll *roll);

bool roll_is_alive(const struct roll *roll, int64_t pid, int64_t incarnation);
bool roll_is_departed(
    const struct roll *roll, int64_t pid, int64_t incarnation);

/* It lives. unheard: it is to be heard before it is known what it has; told
 * again of the same life, that changes nothing. Ends the process without
 * memory. */
void roll_up(struct roll *roll, int64_t pid, int64_t incarnation, bool unheard);

/* It has said what it has. */
void roll_heard(struct roll *roll, int64_t pid, int64_t incarnation);

/* It is dead. True when it was not heard: it lived unheard, or nobody has said
 * before that it lived. */
bool roll_down(struct roll *roll, int64_t pid, int64_t incarnation);

#endif
