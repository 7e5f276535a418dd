/* SPDX-License-Identifier: MIT */
/*
 * A supervised worker: the real session with its ledger, and handlers that are
 * played: quick, slow, hanging, failing.
 */
#ifndef GSQ_TESTS_SIM_WORKER_H
#define GSQ_TESTS_SIM_WORKER_H

#include "tests/sim/process.h"
#include "worker/session.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WORKERS_PER_POOL 3u
#define WORKERS_MAX	 64u

enum worker_state {
	WORKER_FREE,
	WORKER_ALIVE,
	WORKER_DEAD,	 /* and not reaped */
	WORKER_SWEEPING, /* reaped; what it started is looked for */
	WORKER_UNTOLD	 /* over, and no queue was there to hear of it */
};

struct worker_orders {
	unsigned pool; /* works for the queue of that number */
	unsigned number;
	unsigned place;
	int64_t incarnation;
};

struct run;
TAILQ_HEAD(run_list, run);

struct worker {
	enum worker_state state;
	unsigned place;
	unsigned pool;
	uint32_t holder; /* the oracle's name for this life */
	struct process process;
	struct options options;
	struct session session;
	struct run_list runs;
	unsigned asked; /* TERMs */
	unsigned stage; /* of its end; see work.c */
	bool leaving;
	struct timer leave; /* then it exits */
	struct timer kill;  /* then its handlers are killed */
	struct timer ready; /* then the supervisor hears that it serves */
	struct timer reap;  /* the supervisor's */
	bool answer_was_error;
	int64_t asked_us; /* when it last asked */
	int64_t owed_us;  /* when it did so for the first that it is owed */
	int64_t given_us; /* the same of the job that has just come */
	struct {
		int status;
		int number;
		bool planned;
	} death;
};

void worker_reset(void);
struct worker *worker_at(unsigned at);

/* NULL: there are too many. */
struct worker *worker_spawn(const struct worker_orders *orders);
void worker_signal(struct worker *worker, int number);

/* Nobody will hear of it any more. */
void worker_free(struct worker *worker);

/* It dies together with everything. */
void worker_vanish(struct worker *worker);

/* What hangs or stands still goes on. */
void worker_heal_all(void);

const char *worker_name(const struct worker *worker);
int64_t worker_pid(const struct worker *worker);
int64_t worker_incarnation(const struct worker *worker);

/* It logged that an answer was an error. */
void worker_note_error(const struct process *process);

#endif
