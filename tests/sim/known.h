/* SPDX-License-Identifier: MIT */
/*
 * What the judge knows of each enqueue and of each job; for oracle.c, and for
 * keys.c, which judges what follows from keys.
 */
#ifndef GSQ_TESTS_SIM_KNOWN_H
#define GSQ_TESTS_SIM_KNOWN_H

#include "base/key_rule.h"
#include "tests/sim/oracle.h"
#include "tests/sim/queue.h"

#include <stdbool.h>
#include <stdint.h>

/* GONE: it waited and was cancelled, or it was deleted. */
enum ended { ENDED_NOT, ENDED_DONE, ENDED_DEAD, ENDED_GONE };

/* Of what has been sent; see times.c. INT64_MAX: never. */
struct times {
	/* It is of use until then at least: in the life of now, and as may have
	 * been kept. */
	int64_t least_ms, wall_least_ms;
	/* And until then at most, wherever it was taken. INT64_MIN: nowhere. */
	int64_t most_ms, wall_most_ms;
	bool may_have_expired; /* in a life of before */
	bool waits;	       /* for the wall clock, then: */
	int64_t expected_ms;   /* as that stood at first */
	int64_t reached_ms;
};

/* Moments are those of oracle_moment; 0: never. */
struct token {
	struct enqueue enqueue;
	struct times times;
	uint32_t sends;
	uint32_t answers;
	uint32_t ids; /* jobs that were seen with it */
	bool acknowledged;
	bool is_given_up; /* for good: its ticket is another's */
	uint64_t sent_at; /* the last time */
	int64_t sent_us;
	int64_t first_sent_us;
	uint64_t answered_at;
	uint64_t answered_job; /* the last one */
	int64_t answered_us;
	uint64_t answered_life; /* of the queue */
	bool open;		/* see keys.c; then: */
	uint32_t next_open;
	uint64_t run_id; /* the last run whose body had it, of this job */
	int64_t run_delivery;
	uint64_t list; /* the last one that showed it, with this job */
	uint64_t list_id;
};

struct known {
	uint64_t id;
	uint32_t token; /* whose job it is; with others merged into it */
	enum promise promise;
	bool is_known;	   /* else only listed */
	uint64_t known_at; /* moment */
	int64_t known_us;
	uint64_t known_life; /* of the queue */
	bool acknowledged;   /* as a new one */
	bool may_be_lost;
	bool over_power, over_death; /* it has been known over one */

	int64_t delivery; /* the last that was seen; 0: none counts */
	int64_t attempt;
	uint32_t holder;
	uint64_t life;	 /* of the queue that delivered it */
	uint64_t run_at; /* moment */
	uint32_t run_token;
	int64_t said_delivery;
	int64_t said_us;
	enum said said;
	bool said_crash; /* with a signal that nobody asked for */
	bool said_done;	 /* ever, by one who had it */
	bool said_dead;
	enum ended ended; /* confirmed */
	uint64_t ended_at;

	uint32_t runner; /* holder that runs it; 0: nobody */
	uint64_t list;	 /* the last one that had it */
	/* What that showed: */
	uint32_t list_token;
	bool list_dead;
	bool list_whole;
	uint32_t next_present; /* with its key; number + 1 */

	/* The last delivery was decided at this moment or later. */
	int64_t decided_us;

	/* It is of use until then at most: in the life of now, and as may have
	 * been kept; INT64_MAX: for ever, or who knows. */
	int64_t use_most_ms, use_wall_most_ms;
	bool is_expired; /* as the last list says */

	/* What people did to it; see steered.c. */
	bool unwanted;	    /* somebody asked to cancel or delete it */
	bool stopping;	    /* that was answered, of a run; */
	bool may_begin;	    /* ... which perhaps nobody has seen yet */
	bool revived;	    /* somebody asked to try it again */
	unsigned unrevived; /* ... and that was not answered yet */
	bool is_loose;	    /* since, no delivery was seen */
	bool was_touched;   /* somebody asked to, ever */
	unsigned untouched; /* ... and that was not answered yet */
	int64_t touched_us; /* this delivery has until then; 0: who knows */
	int64_t touched_delivery;
	uint64_t touched_life;
	int64_t stop_heard; /* of this delivery */
	uint64_t cancelled_life;

	/* Crashes that counted for certain, and perhaps. */
	uint32_t crashes_least;
	uint32_t crashes_most;
	bool crashes_unknown;

	uint8_t urgency; /* its priority is not less urgent */
	bool folded;	 /* no list has it, and nobody has done it */
};

struct token *oracle_token(uint32_t number);
struct known *oracle_job(uint64_t id);
struct known *oracle_job_at(uint32_t at);

uint32_t oracle_tokens(void);

/* Does that holder live, and is what it runs the queue's? */
bool oracle_is_live(uint32_t holder);

const struct queue_rules *oracle_rules(const struct known *job);

/* ---- steering, times and crashes ---- */

/* A good delivery, before the job knows of it. */
void steered_delivered(struct known *job, const struct delivered *delivered);

/* May that attempt be counted otherwise than by what was said? */
bool steered_may_count(const struct known *job);

/* A failure of its last delivery; and a death, which stands for good? */
void steered_failed(struct known *job, bool again);
bool steered_stays_dead(const struct known *job, bool again);

void steered_power_lost(struct known *job);

void steered_listed(
    const struct known *job, const struct listed *listed, bool is_dead);

/* ---- queues that are closed, or do as much as they may ---- */

void gates_reset(void);
void gates_acknowledged(const struct token *token);
void gates_delivered(
    const struct known *job, const struct delivered *delivered);
void gates_run_begins(struct known *job);
void gates_queue_died(void);

/* ---- times ---- */

void times_reset(void);
void times_sent(uint32_t number);
void times_known(struct known *job);
void times_queue_died(void);

/* A good delivery, of which it is known when it was decided. */
void times_delivered(
    const struct known *job, const struct delivered *delivered);
void times_done(const struct known *job);
void times_listed(struct known *job, const struct listed *listed, bool is_dead);

/* ---- tickets ---- */

void tickets_reset(void);
void tickets_sent(uint32_t number);

/* An answer, before the job becomes known by it; and that it has. */
void tickets_acknowledged(
    const struct acknowledged *acknowledged, const struct known *job);
void tickets_known(const struct known *job);

/* ---- keys ---- */

/* Somebody steers a job with that key: what its events were promised cannot be
 * told any more. */
void keys_steered(const struct known *job);
bool keys_is_steered(const struct known *job);

void keys_reset(void);

enum key_mode keys_mode(const struct token *token);

/* Does the queue put the bodies of what has that key one behind the other? */
bool keys_append(const struct token *token);

/* Are they of one queue and one key, and coalesce? Then one job may be that of
 * both. */
bool keys_are_one(const struct token *one, const struct token *other);

void keys_sent(uint32_t number);
void keys_acknowledged(uint32_t number, struct known *job, struct span result);

/* A good delivery, of which the job knows already. */
void keys_delivered(
    struct known *job, uint32_t number, const struct delivered *delivered);
void keys_run_begins(const struct known *job);
void keys_said_done(const struct known *job);

void keys_queue_died(void);
void keys_power_lost(void);

void keys_list_begins(void);
void keys_listed(struct known *job);

/* A job that coalesces is not in the list: may it have been folded? */
void keys_absent(struct known *job);

/* whole: all of the list is of one moment. */
void keys_list_ends(uint64_t moment, bool whole);

/* Nothing is left that could still run. */
void keys_judge(void);

#endif
