/* SPDX-License-Identifier: MIT */
/*
 * One child: its process, its channel (fd 3) and what is known about it. What
 * shall happen to it is the plan's business; this file does it.
 */
#ifndef GSQ_SUPERVISOR_CHILD_H
#define GSQ_SUPERVISOR_CHILD_H

#include "base/limits.h"
#include "base/span.h"
#include "supervisor/program.h"
#include "sys/peer.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How a process ended, as waitid says. */
struct death {
	int exit_code; /* when signal is 0 */
	int signal;
	bool core;
};

/* One process of a child that is dead; kept until all it started is. */
struct departed {
	char id[NAME_BYTES_MAX + 1];
	pid_t pid; /* 0: none */
	int64_t incarnation;
	struct death death;
	bool planned;
};

struct child;

struct child_events {
	/* It says that it serves. */
	void (*on_ready)(struct child *child);

	/* It says that it still does. */
	void (*on_alive)(struct child *child);

	/* A worker has done its first job. */
	void (*on_worked)(struct child *child);

	/* A worker has done its share, and says why. */
	void (*on_renew)(struct child *child, struct span reason);

	/* Its channel is closed; sent rubbish: it broke the protocol, and did
	 * not just end. */
	void (*on_lost)(struct child *child, bool sent_rubbish);

	/* The queue wants that process killed. */
	void (*on_kill)(struct child *child, pid_t pid, struct span reason);
};

struct child {
	unsigned place; /* in the plan's table */
	char id[NAME_BYTES_MAX + 1];
	const char *pool; /* borrowed; NULL: the queue */
	void *context;	  /* of the events */
	const struct child_events *events;

	pid_t pid;	     /* 0: no process */
	int64_t incarnation; /* of the present or last process, from 1 */
	int64_t spawned_ms;
	bool killed;	 /* a KILL of ours is on its way */
	const char *why; /* of our last signal, a constant; NULL: none */
	bool has_channel;
	struct peer channel;

	bool quiet; /* it is to begin nothing new; outlives its process */
	bool healthy;
	char unhealthy_reason[REASON_BYTES_MAX + 1];
	char last_death[64]; /* "signal=KILL"; empty: it never died */
	int64_t last_death_ms;

	/* A life whose orphans are still being killed, and the next life
	 * that ended meanwhile, of which the plan does not know yet. */
	struct departed sweeping;
	struct departed held;

	/* The last life that ended while there was no queue to be told. */
	struct departed untold;
};

/* A place in the table without a process; forgets who had it before, but not
 * its incarnations, so that no two processes of a place have the same. */
void child_assign(struct child *child, const char *id, const char *pool);

/*
 * Starts its next process, with the listener as fd 4 if that is not -1, and
 * behind it the lock, which it has to hold as long as it lives. 0 or an errno;
 * child_is_transient tells whether it is worth trying again.
 */
int child_spawn(struct child *child, struct program *program,
    struct event_base *base, int lock, int listener);
bool child_is_transient(int error);

/* TERM (and CONT, which a stopped process needs to see it) or KILL. */
void child_signal(struct child *child, int signal);

/* Its process was reaped: closes the channel, remembers the death. */
void child_bury(struct child *child, const struct death *death, int64_t now_ms,
    struct departed *ret_departed);

/* Tells a child that lives to open the log file anew. */
void child_tell_reopen(struct child *child);

/* Tells a worker that lives whether it is to begin something new. */
void child_tell_rest(struct child *worker);

/* Has a worker nothing to do just now, as far as one can see from outside? */
bool child_is_idle(const struct child *worker);

/* What the queue is told about a worker. 0, or ENOMEM: it must be restarted,
 * because it would wait for a dead worker for ever. Nothing when the queue has
 * no channel. */
int child_tell_up(
    struct child *queue, const char *id, pid_t pid, int64_t incarnation);
int child_tell_introduced(struct child *queue);
int child_tell_down(struct child *queue, const struct departed *departed);

/* "signal=KILL" or "exit=1". */
void death_print(const struct death *death, char *text, size_t text_bytes);

void child_release(struct child *child);

#endif
