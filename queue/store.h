/* SPDX-License-Identifier: MIT */
/*
 * The boundary to where jobs are kept. The core never knows which store it is;
 * queue/turn.c alone calls it.
 *
 * All changes between two commits are one batch: after a crash either all of
 * it is there or nothing, and never a later batch without the ones before it.
 * An error of a call is final: the store is not to be used again, the process
 * ends and recovers from what is there. Only ENOSPC from begin is an answer:
 * there is no room for more jobs, but the others can still end.
 */
#ifndef GSQ_QUEUE_STORE_H
#define GSQ_QUEUE_STORE_H

#include "base/span.h"
#include "core/job.h"
#include "core/lane.h"

#include <stdbool.h>
#include <stdint.h>

/* What a record may be of, if it is not a job: something of its own that has an
 * id and a body, never changes, and is put and deleted as jobs are. */
enum note_kind { NOTE_NONE, NOTE_TOKEN, NOTE_ATTEMPT, NOTE_KIND_COUNT };

/* One job or note as it is kept. Borrowed during the call. */
struct record {
	enum note_kind note;
	uint64_t note_of;      /* a note: the id of its job, from 1 */
	const struct job *job; /* its saved fields; links, places, handles and
				* monotonic times are not kept */
	struct span queue;
	struct span key;    /* empty: none */
	struct span reason; /* of the last failure; may be empty */
	struct job_terms terms;
	/* The ids of jobs folded into it, the oldest first; at most
	 * ALIASES_MAX. Like a reason, a full disk forgets them. */
	const uint64_t *aliases;
	uint32_t alias_count;
	int64_t due_wall_ms;	 /* of a delayed job: when, by the wall clock */
	int64_t expires_wall_ms; /* by the same, if it expires; else 0. It is
				  * what counts of its terms */
};

struct store;

/* What a store asks of its owner; the same context for all. */
struct store_owner {
	void *context;

	/* So many jobs are to be restored. */
	void (*expect)(void *context, size_t jobs);

	/* What was kept by keep_settings last: called by load, before the first
	 * job. False: it cannot be understood. NULL: it is of no interest. */
	bool (*settings)(void *context, struct span lines);

	/* A job as it was kept: called by load, once per job, in the order of
	 * their ids. record->job->body is the handle of its body. */
	void (*restore)(void *context, const struct record *record);

	/* The batch of the last commit is as safe as commit was asked for. From
	 * inside of commit or of progress. error: an errno; it is lost. */
	void (*committed)(void *context, int error);

	/* The job of that id as it is now, or false when there is none. The
	 * record is good until the owner changes anything. */
	bool (*find)(void *context, uint64_t id, struct record *ret_record);

	/* The store has moved a body, found by find: its new handle. */
	void (*moved)(void *context, uint64_t id, uint64_t body);
};

struct store_operations {
	/* Calls owner->restore for every job that is kept, before anything else
	 * is called; *ret_next_id is above every id ever used. 0 or an errno
	 * with the words in reason[reason_bytes]. */
	int (*load)(struct store *store, uint64_t *ret_next_id, char *reason,
	    size_t reason_bytes);

	/* A batch begins, before its first change. The one before may still be
	 * on its way to the disk: changes gather meanwhile. */
	int (*begin)(struct store *store);

	/* Is there room for that many jobs with bodies of that size in all, and
	 * for whatever may become of them? Asked before put and replace;
	 * false: refuse. */
	bool (*has_room)(
	    struct store *store, uint32_t jobs, uint64_t body_bytes);

	/* Keeps a new job with its body; the handle by which the body will be
	 * asked for. */
	int (*put)(struct store *store, const struct record *record,
	    struct span body, uint64_t *ret_body);

	/* Keeps another body for a job that is kept, instead of that one. */
	int (*replace)(struct store *store, const struct record *record,
	    struct span body, uint64_t old_body, uint32_t old_body_bytes,
	    uint64_t *ret_body);

	/* Ids below that are used, by jobs that are not kept here: load is to
	 * give a higher one, once this batch is committed. */
	int (*reserve_ids)(struct store *store, uint64_t next_id);

	/* The job changed; its body did not. */
	int (*update)(struct store *store, const struct record *record);

	/* Keeps some lines of text, durably and at once, apart from any batch.
	 * ENOSPC is an answer: nothing has changed. NULL: there is no such
	 * thing here. */
	int (*keep_settings)(struct store *store, struct span lines);

	/* The job is gone. */
	int (*delete)(struct store *store, uint64_t id, uint64_t body,
	    uint32_t body_bytes);

	/* What gathered so far is to survive the death of this process, as
	 * something is shown that tells of it; while the batch before is on
	 * its way to the disk. NULL: there is no such thing here. */
	int (*write)(struct store *store);

	/* Ends the batch; not before the one before was committed.
	 * owner->committed follows, at once or later from progress: when the
	 * batch is durable; with relaxed, as soon as it will survive the death
	 * of this process, and it is made durable within 10 ms. */
	int (*commit)(struct store *store, bool relaxed);

	/* The body of a job; good until the next call. */
	int (*body)(struct store *store, uint64_t body, uint32_t body_bytes,
	    struct span *ret_body);

	/* Does what is due: completes a commit, syncs what is relaxed, cleans
	 * up a little (at most a few ms). Called between turns, when wake_fd
	 * is readable, and at wake_at. */
	int (*progress)(struct store *store, int64_t now_ms);

	/* When progress wants to be called; INT64_MAX: never. */
	int64_t (*wake_at)(const struct store *store);

	/* Readable when progress has something to do; -1: never. */
	int (*wake_fd)(const struct store *store);

	/* Bytes read and written for the sake of order (cleaning), ever. NULL:
	 * the store needs none. */
	uint64_t (*upkeep_bytes)(const struct store *store);

	void (*close)(struct store *store);
};

struct store {
	const struct store_operations *operations;
	struct store_owner owner; /* set by whoever opened it, before load */
};

/* Keeps jobs in memory alone: they survive the death of workers, not of the
 * queue. NULL without memory. */
struct store *store_mem_open(void);

#endif
