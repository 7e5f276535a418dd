/* SPDX-License-Identifier: MIT */
/*
 * The runs of this worker: each job in hand has one, a handler process or a
 * built-in one. A run has ended when its process is reaped and all that it
 * started is dead.
 *
 *    keep --> KEPT --> GOING --> SWEEPING --> ended
 *                        ^
 *    begin --------------+
 */
#ifndef GSQ_WORKER_RUN_H
#define GSQ_WORKER_RUN_H

#include "base/random.h"
#include "wire/method.h"
#include "worker/builtin.h"
#include "worker/environment.h"
#include "worker/handler.h"
#include "worker/ledger.h"
#include "worker/options.h"
#include "worker/orphans.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/resource.h>

/* The run of that job is over. May be called from within every function below
 * that begins or ends runs. */
typedef void (*run_ended)(
    void *context, struct ledger_job *job, const struct outcome *outcome);

struct run;

struct runs {
	struct event_base *base;
	const struct options *options;
	const struct builtin *builtin; /* NULL: processes */
	run_ended on_ended;
	void *context;
	TAILQ_HEAD(run_list, run) list;
	uint32_t count;
	struct random random;
	struct environment environment;
	struct orphans orphans;
	struct orphans_run *going; /* room for one of each run */
	uint32_t going_room;
	bool has_process_events;
	struct event child_event;
	struct event sweep_timer;
	bool sweep_failed;
	bool unkillable_told;
	struct confinement confinement; /* of the handlers */
};

/* 0 or an errno. options must stay good. */
int runs_init(struct runs *runs, struct event_base *base,
    const struct options *options, run_ended on_ended, void *context);
void runs_release(struct runs *runs);

/* Starts the job, whose params must be good during the call only. */
void runs_begin(
    struct runs *runs, struct ledger_job *job, const struct params_job *params);

/* Keeps what is needed to start it; or again, for a newer delivery. */
void runs_keep(
    struct runs *runs, struct ledger_job *job, const struct params_job *params);

/* Starts what was kept. */
void runs_go_on(struct runs *runs, struct ledger_job *job);

/* Kills the run, or forgets what was kept. */
void runs_stop(struct runs *runs, struct ledger_job *job);

/* Asks the run to end, and kills it after the grace; what was only kept does
 * not begin. */
void runs_end(struct runs *runs, struct ledger_job *job, int64_t grace_ms);

/* Asks all that go to end, and gives their jobs back. */
void runs_interrupt(struct runs *runs);

/* Kills all of them. */
void runs_kill(struct runs *runs);

/* The process ends: kills everything that was started and waits for its death,
 * but not for ever. No run is said to have ended. */
void runs_die(struct runs *runs);

/* A run that goes, and began at that time or before. */
bool runs_any_since(const struct runs *runs, int64_t began_ms);

#endif
