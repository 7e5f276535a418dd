/* SPDX-License-Identifier: MIT */
/*
 * The boundary to where jobs are kept. The core never knows which store it is;
 * queue/turn.c alone calls it.
 *
 * All changes between two commits are one batch: after a crash either all of
 * it is there or nothing. An error of any call but load is final: the store is
 * not to be used again, the process ends and recovers from what is there.
 */
#ifndef GSQ_QUEUE_STORE_H
#define GSQ_QUEUE_STORE_H

#include "base/span.h"

#include <stdint.h>

struct job;

/* One job as it is kept. Borrowed during the call. */
struct record {
	const struct job *job; /* its saved fields; links and handles are not */
	struct span queue;
	struct span reason;
};

struct store;

struct store_operations {
	/* What the answer to an enqueue promises: "memory", "sync". */
	const char *durability;

	/* Gives every job that is kept to restore, once, before anything else
	 * is called; *ret_next_id is above every id ever used. 0 or an errno
	 * with the words in reason[reason_bytes]. */
	int (*load)(struct store *store,
	    void (*restore)(void *context, const struct record *record),
	    void *context, uint64_t *ret_next_id, char *reason,
	    size_t reason_bytes);

	/* A batch begins. Called before the first change of a turn. */
	int (*begin)(struct store *store);

	/* Keeps a new job with its body; the handle by which the body will be
	 * asked for. */
	int (*put)(struct store *store, const struct record *record,
	    struct span body, uint64_t *ret_body);

	/* The job changed; its body did not. */
	int (*update)(struct store *store, const struct record *record);

	/* The job is gone. */
	int (*delete)(struct store *store, uint64_t id, uint64_t body);

	/* Ends the batch. When it is durable, committed is called: from inside
	 * this call or later from the loop, in the order of the commits. */
	int (*commit)(struct store *store);

	/* The body of a job; good until the next call. */
	int (*body)(struct store *store, const struct job *job,
	    struct span *ret_body);

	void (*close)(struct store *store);
};

struct store {
	const struct store_operations *operations;
	/* Set by the owner before load. error: an errno of a commit that was
	 * not inside the call. */
	void (*committed)(void *context, int error);
	void *context;
};

/* Keeps jobs in memory alone: they survive the death of workers, not of the
 * queue. first_id: where ids start. NULL without memory. */
struct store *store_mem_open(uint64_t first_id);

#endif
