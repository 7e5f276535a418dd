/* SPDX-License-Identifier: MIT */
/*
 * The plan: decides which child is started, signalled and restarted, and when
 * the supervisor gives up. Pure: facts in, wishes out; no process, no clock, no
 * log, and no memory asked for after plan_init, so that a restart needs
 * nothing but the kernel.
 *
 *              +-------+  taken   +----------+  ready  +-------+
 *    DOWN ---> |BACKOFF| -------> | STARTING | ------> | READY |
 *      ^       +-------+          +----------+         +-------+
 *      |           ^                | stop | timeout      | stop
 *      |           | exited         v      v              v
 *      +-----------+---------- STOPPING -> KILLING <------+
 *      |
 *    FAILED: it said that starting it again is pointless
 *
 * BACKOFF is every wait for a start, also one of 0 ms. Two brakes: the
 * *intensity* of all deaths together decides whether the supervisor gives up,
 * the *backoff* of one child decides when it is started next. The *strategy*
 * decides who is started anew together with the one that died: they are
 * stopped, wait as DOWN but wanted up, and start in their order.
 *
 * To add an event: a value in enum plan_event, a column in the table of
 * plan.c, where the compiler and plan_init name what is missing.
 */
#ifndef GSQ_SUPERVISOR_PLAN_H
#define GSQ_SUPERVISOR_PLAN_H

#include "base/backoff.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/restart_rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Child 0 is the queue, the others are workers. */
#define PLAN_QUEUE     0
#define PLAN_CHILDREN  (CHILDREN_MAX + 1)
#define PLAN_POOLS_MAX 64

#define PLAN_NEVER INT64_MAX

/* max_restarts without a number; the same values as in sys/configuration.h. */
#define PLAN_RESTARTS_UNLIMITED (-1)
#define PLAN_RESTARTS_AUTOMATIC (-2) /* 3 x the number of children */

/* How long a child must have been ready for its next death to be restarted at
 * once, and for its deaths before to be forgotten. */
#define PLAN_HEALTHY_MS 1000
#define PLAN_FORGET_MS	30000

/* The same of a worker that has worked in this life: what killed it was its
 * job, which will be parked, or chance. So long that such deaths alone, one in
 * that time, never reach PLAN_RESTARTS_AUTOMATIC in the usual window. */
#define PLAN_FORGET_WORKED_MS 2000

/* The stop ladder after the first TERM and its grace: QUIT, which makes
 * a worker end its handler (at most 5 s); then KILL, again and again. */
#define PLAN_HURRY_MS	    10000
#define PLAN_KILL_AGAIN_MS  5000
#define PLAN_QUEUE_GRACE_MS 10000

/* A child that closed its channel is about to die; if not, it is killed. */
#define PLAN_LOST_MS 1000

/* One that hangs is sent ABRT, and KILL that much later. */
#define PLAN_ABORT_MS 2000

/* The supervisor's own exit codes. */
#define PLAN_EXIT_CLEAN	      0
#define PLAN_EXIT_BOOT_FAILED 71
#define PLAN_EXIT_GAVE_UP     75

enum plan_state {
	PLAN_STATE_ABSENT, /* a free place in the table */
	PLAN_STATE_DOWN,
	PLAN_STATE_STARTING,
	PLAN_STATE_READY,
	PLAN_STATE_STOPPING,
	PLAN_STATE_KILLING,
	PLAN_STATE_BACKOFF,
	PLAN_STATE_FAILED,
	PLAN_STATE_COUNT
};

enum plan_want { PLAN_WANT_UP, PLAN_WANT_DOWN, PLAN_WANT_GONE };

enum plan_group {
	PLAN_GROUP_BOOT, /* not every child has been ready yet */
	PLAN_GROUP_RUN,
	PLAN_GROUP_STOP_WORKERS,
	PLAN_GROUP_STOP_QUEUE,
	PLAN_GROUP_FINISHED,
	PLAN_GROUP_COUNT
};

enum plan_event {
	/* about one child: the columns of the table */
	PLAN_EVENT_START,	 /* it is wanted up; forgets its failures */
	PLAN_EVENT_STOP,	 /* it is wanted down */
	PLAN_EVENT_RESTART,	 /* planned: stop it, then start it */
	PLAN_EVENT_RENEW,	 /* the same, when it is its pool's turn */
	PLAN_EVENT_HURRY,	 /* one step up the stop ladder */
	PLAN_EVENT_KILL,	 /* at once; unplanned unless it is stopping */
	PLAN_EVENT_READY,	 /* it says that it serves */
	PLAN_EVENT_BEAT,	 /* it says that it still does */
	PLAN_EVENT_WORKED,	 /* a worker has done its first job */
	PLAN_EVENT_LOST,	 /* it closed its channel */
	PLAN_EVENT_EXITED,	 /* reaped: exit_code or signal */
	PLAN_EVENT_SPAWN_FAILED, /* no process now (EAGAIN ...); waited out */
	PLAN_EVENT_EXEC_FAILED,	 /* the program cannot be run */
	PLAN_EVENT_DUE,		 /* made by the plan: its deadline has passed */
	PLAN_EVENT_CHILD_COUNT,

	/* about all */
	PLAN_EVENT_BOOT = PLAN_EVENT_CHILD_COUNT, /* start, queue first */
	PLAN_EVENT_SCALE,    /* a pool shall have that many workers */
	PLAN_EVENT_STOP_ALL, /* in reverse; again: hurry; again: kill */
	PLAN_EVENT_TIME,     /* time has passed */
	PLAN_EVENT_COUNT
};

/* Why the plan wishes a signal or gave up. */
enum plan_why {
	PLAN_WHY_NONE,
	PLAN_WHY_STOP,
	PLAN_WHY_RESTART,
	PLAN_WHY_RENEW,
	PLAN_WHY_SCALE,
	PLAN_WHY_HURRY,
	PLAN_WHY_GRACE_OVER,
	PLAN_WHY_KILL,
	PLAN_WHY_LOST,
	PLAN_WHY_START_TIMEOUT,
	PLAN_WHY_HANG,	   /* it was silent for too long */
	PLAN_WHY_STRATEGY, /* another one died */
	PLAN_WHY_UNKILLABLE,
	PLAN_WHY_MAX_RESTARTS,
	PLAN_WHY_EXIT_CODE,
	PLAN_WHY_EXEC_FAILED,
	PLAN_WHY_DIED,
	PLAN_WHY_COUNT
};

struct plan_fact {
	enum plan_event event;
	unsigned child;	  /* events about one child */
	int exit_code;	  /* EXITED with signal 0 */
	int signal;	  /* EXITED: what killed it, 0: nothing did */
	unsigned pool;	  /* SCALE; below PLAN_POOLS_MAX */
	unsigned workers; /* SCALE; see plan_scale_fits */

	/* STOP_ALL: with this instead of stop_grace_ms, and not to be repeated
	 * then. */
	bool has_grace;
	int64_t grace_ms;
	bool at_once; /* STOP_ALL: as if it was said twice */

	/* SCALE: who has something to do, by place; these leave last. NULL:
	 * nobody. Borrowed during the step. */
	const bool *busy;
};

enum plan_wish_kind {
	PLAN_WISH_BOOTED,  /* every child has been ready */
	PLAN_WISH_GAVE_UP, /* child, why, exit_code: the stop begins */
	PLAN_WISH_SIGNAL,  /* child, signal (TERM, ABRT or KILL), why */
	PLAN_WISH_SPAWN,   /* child; answer SPAWN_FAILED, EXEC_FAILED, or later
			    * READY or EXITED */
	PLAN_WISH_FINISHED /* exit_code: no child is left */
};

struct plan_wish {
	enum plan_wish_kind kind;
	unsigned child;
	int signal;
	enum plan_why why;
	int exit_code;
};

/* For reading only. */
struct plan_child {
	enum plan_state state;
	enum plan_want want;
	unsigned pool;
	unsigned number;	 /* within its pool, from 1 */
	bool planned;		 /* its coming death is wanted */
	bool been_ready;	 /* in any life */
	bool worked;		 /* in this one it has done a job */
	bool hurried;		 /* the second TERM was sent */
	bool aborted;		 /* it hung, and ABRT was sent */
	bool renew;		 /* it is to be renewed, when its turn comes */
	bool renewing;		 /* it is being; one of a pool at a time */
	unsigned kills;		 /* KILLs sent in this life */
	uint64_t failures;	 /* unplanned deaths in a row */
	uint64_t spawn_failures; /* in a row */
	uint64_t restarts;	 /* after unplanned deaths, ever */
	int64_t ready_ms;	 /* of this life; PLAN_NEVER: not yet */
	int64_t deadline_ms;	 /* PLAN_NEVER: none */
	int64_t hang_timeout_ms; /* of this life: so often does it beat */
	int signal_wanted;	 /* not yet taken; 0: none */
	enum plan_why signal_why;
};

struct plan_options {
	int64_t max_restarts; /* 0.. or a PLAN_RESTARTS_* */
	int64_t window_ms;
	struct backoff backoff; /* base_ms 0: always at once */
	int64_t start_timeout_ms;
	int64_t queue_start_timeout_ms;
	int64_t stop_grace_ms; /* of a worker */
	uint64_t seed;	       /* of the jitter */
	enum restart_strategy strategy;
	enum restart_kind restart[PLAN_POOLS_MAX]; /* the queue is permanent */

	/* Silence of one that is ready; 0: any. */
	int64_t hang_timeout_ms;
	int64_t queue_hang_timeout_ms;
};

/* One unplanned death. */
struct plan_death {
	int64_t time_ms;
	unsigned child;
};

/* The last unplanned deaths, oldest first. */
struct plan_window {
	struct plan_death *deaths;
	size_t capacity;
	size_t first;
	size_t count;
};

struct plan {
	struct plan_options options;
	struct random random;
	int64_t now_ms; /* of the last step */
	enum plan_group group;
	int exit_code;
	unsigned stop_requests;
	bool booted_wanted;
	bool gave_up_wanted;
	bool finished_wanted;
	enum plan_why gave_up_why;
	unsigned gave_up_child;
	struct plan_window window;

	/* The strategy's work: children from regroup_from on are stopped, and
	 * started when none of them is alive, but not before regroup_ms. */
	bool regrouping;
	unsigned regroup_from;
	int64_t regroup_ms;
	bool workers_wait; /* for a queue that is started before them */

	unsigned places;	     /* children[0 .. places) may be in use */
	unsigned cursor;	     /* whose turn it is to be spawned */
	struct plan_child *children; /* PLAN_CHILDREN of them */
};

/* The queue is known and DOWN; workers come by SCALE, and all start with BOOT.
 * 0 or ENOMEM. */
int plan_init(struct plan *plan, const struct plan_options *options);
void plan_release(struct plan *plan);

/* Other options from now on; what is under way goes on as it was. A window of
 * another kind begins empty. 0, or ENOMEM and nothing has changed. */
int plan_set_options(struct plan *plan, const struct plan_options *options);

/* Takes in one fact. now_ms never goes back. */
void plan_step(struct plan *plan, int64_t now_ms, const struct plan_fact *fact);

/*
 * The next wish, which counts as fulfilled from here on; false when there is
 * none. To be called after each step until then; the caller may pause between
 * two SPAWNs and come back.
 */
bool plan_take(struct plan *plan, int64_t now_ms, struct plan_wish *ret_wish);

/* When plan_step(TIME) and plan_take want to be called; PLAN_NEVER. */
int64_t plan_wake_at(const struct plan *plan);

/* Has the table room for a pool of that size? */
bool plan_scale_fits(const struct plan *plan, unsigned pool, unsigned workers);

/* Workers of a pool that are not about to be removed. */
unsigned plan_pool_workers(const struct plan *plan, unsigned pool);

/* The limit in force, or PLAN_RESTARTS_UNLIMITED. */
int64_t plan_max_restarts(const struct plan *plan);

/* Unplanned deaths within the window that ends now. */
size_t plan_restarts_in_window(const struct plan *plan, int64_t now_ms);

/* When the oldest of them leaves the window; PLAN_NEVER: there is none. */
int64_t plan_window_clears_ms(const struct plan *plan, int64_t now_ms);

/* How long a child would be held back if it died now unplanned, but for the
 * jitter. */
int64_t plan_next_delay_ms(
    const struct plan *plan, unsigned child, int64_t now_ms);

/* Has it a process (or is one being made)? */
bool plan_is_alive(enum plan_state state);
bool plan_is_stopping(const struct plan *plan);

const char *plan_state_name(enum plan_state state);
const char *plan_why_text(enum plan_why why);

/* NULL, or the first invariant that does not hold. With GSQ_VERIFY every step
 * ends with it. */
const char *plan_verify(const struct plan *plan);

#endif
