/* SPDX-License-Identifier: MIT */
/*
 * Jobs: what the queue knows of each, the states they go through, and the
 * table that finds one by its id.
 *
 *      enqueue         delivered          done
 *   ---------> READY ------------> RUNNING ------> gone
 *                ^  ^                |  |
 *        its time|  | released,      |  | failed, not now
 *                |  | worker died    |  v
 *              DELAYED <-------------+ DELAYED
 *                                    |
 *                                    v attempts used up, hopeless
 *                                  DEAD
 *
 * Where another job has the turn of its key (core/line.h), what would be READY
 * is BLOCKED until the turn comes, or is folded into the other job and gone.
 *
 * A new queue process finds each in the state in which it was saved.
 */
#ifndef GSQ_CORE_JOB_H
#define GSQ_CORE_JOB_H

#include "base/key_rule.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/span.h"
#include "core/attempts.h"

#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_NONE, /* not yet, or no longer, in the table */
	JOB_READY,
	JOB_DELAYED,
	JOB_RUNNING,
	JOB_DEAD,
	JOB_BLOCKED,
	JOB_STATE_COUNT
};

/* Why a job is dead. */
enum job_cause {
	CAUSE_NONE,
	CAUSE_EXHAUSTED, /* its attempts are used up */
	CAUSE_REJECTED,	 /* its handler said that no attempt can succeed */
	CAUSE_POISON,	 /* it killed whoever ran it, too often */
	CAUSE_EXPIRED,	 /* it was of use until then */
	CAUSE_COUNT
};

#define PRIORITY_COUNT 256

/*
 * 88 bytes; a backlog of millions is made of these. Handles instead of
 * pointers, and fields that serve one state share their place.
 */
struct job {
	uint64_t id;
	uint64_t body;	     /* the store's handle for the body */
	int64_t enqueued_ms; /* wall clock, for people */
	int64_t at_ms; /* monotonic: delayed: due; ready, running: since */
	uint32_t next; /* job handles in the list of its state */
	uint32_t previous;
	uint32_t newer; /* neighbours in the order of ids */
	uint32_t older;
	uint32_t lane;	/* handle of its queue */
	uint32_t place; /* delayed: position in the due heap;
			 * running: handle of its subscriber */
	uint32_t lease; /* running: handle of struct lease, else 0 */
	uint32_t body_bytes;
	uint32_t delivery;  /* deliveries so far, counted or not: the fence that
			     * tells this run from every other one */
	uint32_t extras;    /* handle of struct extras, or 0 */
	uint32_t key;	    /* handle of struct key, or 0 */
	uint32_t hints;	    /* events that it stands for, from 1 */
	uint16_t attempt;   /* deliveries that count against max_attempts */
	uint8_t priority;   /* lower goes first */
	uint8_t state;	    /* enum job_state */
	uint8_t cause;	    /* enum job_cause */
	uint8_t mode;	    /* enum key_mode; KEY_PARALLEL without a key */
	uint8_t crashes;    /* workers and handlers that died of it */
	bool cancelled : 1; /* running: it is not to be tried again */
	bool by_wall : 1;   /* delayed: at_ms is of the wall clock */
};

/* How far the time of a run has gone (core/lease.h). */
enum lease_phase {
	LEASE_RUNNING,
	LEASE_WARNED,	/* a tenth of its time is left */
	LEASE_STOPPING, /* its worker was asked to stop it */
	LEASE_OVERSTAYED
};

/* What there is of a job while it runs. */
struct lease {
	uint32_t job;
	uint32_t msgid;	 /* the delivery's request; 0: its connection has ended
			  * since */
	uint32_t place;	 /* position in the heap of leases; 0: not there */
	uint8_t phase;	 /* enum lease_phase */
	bool is_resumed; /* it began before this queue process did */
	int64_t act_at_ms;  /* when its phase is over */
	int64_t end_ms;	    /* when its time is over; INT64_MAX: never */
	int64_t touched_ms; /* its worker is waited for: it was told to have
			     * until then; INT64_MAX: for ever, 0: nothing */
};

/* It may run as long as it wants. */
#define TTR_NONE INT64_C(-1)

/* What was said of a job itself; 0: there its queue's rule holds. */
struct job_terms {
	int64_t ttr_ms;	       /* 1..DURATION_MS_MAX, or TTR_NONE */
	uint32_t max_attempts; /* 1..ATTEMPTS_MAX */
	int64_t expires_at_ms; /* it is of use until then (core/expiry.h);
				* monotonic */
};

/* What few jobs have: failures, ids of others, terms. */
struct extras {
	char reason[REASON_BYTES_MAX + 1]; /* of the last failure */
	uint8_t alias_count;
	uint32_t aliases; /* handle of the first struct alias, or 0 */
	struct job_terms terms;
	uint32_t expiry_place; /* position in the heap of expiries; 0: not
				* there */
	struct attempt_list attempts;
};

/* The id of a job that was folded into another one. */
struct alias {
	uint64_t id;
	uint32_t job;  /* handle of the other one */
	uint32_t next; /* handle of an older one, or 0 */
};

/* Jobs in a row, linked through next and previous. */
struct job_list {
	uint32_t head;
	uint32_t tail;
};

struct jobs {
	struct slab slab;    /* struct job */
	struct slab extras;  /* struct extras */
	struct slab aliases; /* struct alias */
	struct slab leases;  /* struct lease */
	struct map by_id;
	struct map by_alias;
	struct map by_delivery; /* those that wait for the answer to a msgid */
	uint32_t oldest; /* ends of the list of all, in the order of ids */
	uint32_t newest;
};

void jobs_init(struct jobs *jobs);
void jobs_release(struct jobs *jobs);

/* Makes room for that many, before the first. */
void jobs_expect(struct jobs *jobs, size_t count);

/* So many can be added from now on, with terms of their own or without. False
 * without memory. */
bool jobs_reserve(struct jobs *jobs, uint32_t count, bool with_terms);

static inline struct job *
job_at(const struct jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->slab, handle);
}

/* Of a running job. */
static inline struct lease *
job_lease(const struct jobs *jobs, const struct job *job)
{
	return slab_at(&jobs->leases, job->lease);
}

/* Of a job that has some. */
static inline struct extras *
job_extras(const struct jobs *jobs, const struct job *job)
{
	return slab_at(&jobs->extras, job->extras);
}

/* The handle of the job with that id, or 0. */
uint32_t jobs_find(const struct jobs *jobs, uint64_t id);

/* The same; and where that job was folded, the one that it was folded into. */
uint32_t jobs_resolve(const struct jobs *jobs, uint64_t id);

/* The job is found by that id too, which was no job's alias. The oldest of more
 * than ALIASES_MAX is forgotten, and any without memory. */
void jobs_add_alias(struct jobs *jobs, uint32_t handle, uint64_t id);

/* What the one is found by is the other one's from now on. */
void jobs_move_aliases(struct jobs *jobs, uint32_t from, uint32_t to);

/* The newest alias of a job, or NULL; and the next older one. */
const struct alias *job_alias(const struct jobs *jobs, const struct job *job);
const struct alias *alias_after(
    const struct jobs *jobs, const struct alias *alias);

/* A new job with that id in the state JOB_NONE; its handle, or 0 without
 * memory. */
uint32_t jobs_add(struct jobs *jobs, uint64_t id);

/* The job with the next higher id, or 0. */
static inline uint32_t
jobs_next(const struct jobs *jobs, uint32_t handle)
{
	return job_at(jobs, handle)->newer;
}

/* The job with the lowest id above that one, or 0. Quick when there is a job
 * with that id, or it was among the oldest or the newest. */
uint32_t jobs_after(const struct jobs *jobs, uint64_t id);

/* Takes a job out of the table; it must be in no list. */
void jobs_remove(struct jobs *jobs, uint32_t handle);

/*
 * The running job whose delivery to that subscriber had that msgid, or 0.
 * Known from jobs_note_delivery on, once its place and the msgid of its lease
 * are set, and until jobs_drop_delivery, before its place changes, which clears
 * the msgid and may be told of any running job. Ends the process without
 * memory: an answer that finds no job would lose it.
 */
uint32_t jobs_find_delivery(
    const struct jobs *jobs, uint32_t subscriber, uint64_t msgid);
void jobs_note_delivery(struct jobs *jobs, uint32_t handle);
void jobs_drop_delivery(struct jobs *jobs, uint32_t handle);

/* Changes the state; the table of transitions in job.c allows it. */
void job_set_state(struct job *job, enum job_state state);

/* May a job go from one state to the other? */
bool job_may_become(enum job_state from, enum job_state to);

/* Remembers why the last attempt failed, cut to REASON_BYTES_MAX. Without
 * memory it is forgotten: a reason is for people. */
void job_set_reason(struct jobs *jobs, struct job *job, struct span reason);

/* Do they say anything? */
bool terms_are_own(const struct job_terms *terms);

/* False without memory, when they are other than the queue's. */
bool job_set_terms(
    struct jobs *jobs, struct job *job, const struct job_terms *terms);
struct job_terms job_terms(const struct jobs *jobs, const struct job *job);

/* The certificates of a job, which may have none, or NULL. */
struct attempt_list *job_attempts(
    const struct jobs *jobs, const struct job *job);

/* The same, to add one; NULL without memory. */
struct attempt_list *job_make_attempts(struct jobs *jobs, struct job *job);

/* The reason of the last failure, "" when there was none. */
const char *job_reason(const struct jobs *jobs, const struct job *job);

/* "ready", "exhausted"; for people and for the wire. */
const char *job_state_name(enum job_state state);
const char *job_cause_name(enum job_cause cause);

/* The state of that name, or JOB_NONE. */
enum job_state job_state_of_name(struct span name);

void job_list_push_back(
    const struct jobs *jobs, struct job_list *list, uint32_t handle);
void job_list_push_front(
    const struct jobs *jobs, struct job_list *list, uint32_t handle);
void job_list_insert_after(const struct jobs *jobs, struct job_list *list,
    uint32_t before, uint32_t handle);
void job_list_remove(
    const struct jobs *jobs, struct job_list *list, uint32_t handle);

#endif
