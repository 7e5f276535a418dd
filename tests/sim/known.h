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

enum ended { ENDED_NOT, ENDED_DONE, ENDED_DEAD };

/* Moments are those of oracle_moment; 0: never. */
struct token {
	struct enqueue enqueue;
	uint32_t sends;
	uint32_t answers;
	uint32_t ids; /* jobs that were seen with it */
	bool acknowledged;
	uint64_t sent_at; /* the last time */
	uint64_t answered_at;
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
	bool acknowledged;
	bool may_be_lost;
	bool over_power, over_death; /* it has been known over one */

	int64_t delivery; /* the last that was seen; 0: none counts */
	int64_t attempt;
	uint32_t holder;
	uint64_t life;	 /* of the queue that delivered it */
	uint64_t run_at; /* moment */
	uint32_t run_token;
	int64_t said_delivery;
	enum said said;
	bool said_done; /* ever, by one who had it */
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

	uint8_t urgency; /* its priority is not less urgent */
	bool folded;	 /* no list has it, and nobody has done it */
};

struct token *oracle_token(uint32_t number);
struct known *oracle_job(uint64_t id);
struct known *oracle_job_at(uint32_t at);

/* Does that holder live, and is what it runs the queue's? */
bool oracle_is_live(uint32_t holder);

/* ---- keys ---- */

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
