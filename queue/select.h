/* SPDX-License-Identifier: MIT */
/*
 * Which jobs are meant: those of a queue, in a state, with a key; a page of
 * them at a time, in the order of their ids.
 */
#ifndef GSQ_QUEUE_SELECT_H
#define GSQ_QUEUE_SELECT_H

#include "base/refusal.h"
#include "base/span.h"
#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/* Jobs in one page. */
#define SELECTION_MAX 1000

/* Room for what is wrong with a filter. */
#define SELECTION_WORDS_BYTES 96

struct selection {
	bool nothing;	      /* there is no such queue */
	uint32_t lane;	      /* 0: of all */
	enum job_state state; /* JOB_NONE: all */
	struct span key;      /* empty: all */
	uint32_t jobs[SELECTION_MAX];
	uint32_t count;
	uint64_t next; /* id behind which the next page begins; 0: the end */
};

/* Empty: of all queues, in all states, with all keys and none. What is wrong is
 * in words[SELECTION_WORDS_BYTES]. */
enum refusal select_begin(struct selection *selection, const struct core *core,
    struct span queue, struct span state, struct span key, char *words);

/* The next of them behind that id: at most limit, and as many as are found
 * within about a millisecond, be it none. */
void select_page(struct selection *selection, const struct core *core,
    uint64_t after, uint32_t limit);

#endif
