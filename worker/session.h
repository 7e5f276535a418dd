/* SPDX-License-Identifier: MIT */
/*
 * The conversation with the queue: subscribes, asks, takes jobs and delivers
 * results, and does so again whenever the queue comes back. What is in hand and
 * what is still to be delivered, the ledger knows; what is done with a job, the
 * owner.
 *
 * Everything that one turn of the loop brings about leaves in one write.
 */
#ifndef GSQ_WORKER_SESSION_H
#define GSQ_WORKER_SESSION_H

#include "sys/peer.h"
#include "wire/method.h"
#include "worker/ledger.h"
#include "worker/options.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* session_finish may be called from within each of them. */
struct session_events {
	/* Run this job; params are good during the call. */
	void (*on_job)(void *context, struct ledger_job *job,
	    const struct params_job *params);

	/* Keep what is needed to run it. on_go_on or on_stop follows. */
	void (*on_keep)(void *context, struct ledger_job *job,
	    const struct params_job *params);
	void (*on_go_on)(void *context, struct ledger_job *job);

	/* Kill its run, or forget what was kept; then session_finish. */
	void (*on_stop)(void *context, struct ledger_job *job);

	/* Its time is over, or it is cancelled: ask its run to end, kill it
	 * after a grace, or do not begin it; then session_finish. params are
	 * good during the call. */
	void (*on_end)(void *context, struct ledger_job *job,
	    const struct params_stop *params);

	/* The queue accepted us, for the first time. */
	void (*on_subscribed)(void *context);

	/* The end of a turn: everything is written that can be. */
	void (*on_turn)(void *context);
};

struct session {
	struct event_base *base;
	const struct options *options;
	const struct session_events *events;
	void *context;
	struct ledger ledger;
	char path[PATH_MAX];
	struct peer peer;
	bool connected;
	bool subscribed; /* on this connection */
	bool was_subscribed;
	bool trouble_told; /* in this outage */
	uint64_t failures; /* in a row */
	uint64_t seed;	   /* of the delays between attempts */
	uint64_t asking;   /* demand to be sent at the end of the turn */
	struct event turn_event;
	struct event connect_timer;
};

/* Connects, or goes on trying. 0 or an errno (ENAMETOOLONG for the directory).
 * options must stay good. */
int session_init(struct session *session, struct event_base *base,
    const struct options *options, const struct session_events *events,
    void *context);
void session_release(struct session *session);

/* The job's run, and all that it started, is over. */
void session_finish(struct session *session, struct ledger_job *job,
    const struct outcome *outcome);

/* No more asking, for ever; jobs that come nevertheless are given back. */
void session_quiet(struct session *session);

void session_set_appetite(
    struct session *session, enum ledger_appetite appetite);

/* Is anything in hand? */
bool session_is_busy(const struct session *session);

/* Has the queue confirmed all results? */
bool session_is_settled(const struct session *session);

#endif
