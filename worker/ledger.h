/* SPDX-License-Identifier: MIT */
/*
 * The ledger: which jobs this worker has in hand, which results the queue has
 * not confirmed yet, and how much more to ask for. Pure: it is told a fact and
 * answers with wishes.
 *
 *     JOB                       EXITED                    SETTLED(n)
 *   -------> RUNNING ----------------------------> SENT ------------> forgotten
 *      |        |  \        \ (while away, or of an       ANSWERED       ^
 *      |        |   \        \ earlier connection)                       |
 *      |        |    \        +--> UNSENT -------> REQUESTED ------------+
 *      v        v UNKNOWN                CONNECTED
 *   WAITING   STOPPING -- EXITED -------------------------------> forgotten
 *
 * WAITING is a job that was delivered anew while its old run here still has to
 * be stopped: two runs of one job never overlap. After LOST every result that
 * is not confirmed is UNSENT again.
 *
 * A failure keeps how its handler's stderr began until it is confirmed, within
 * a bound for all; those beyond it are told without.
 *
 * How much to ask is GenStage's rule: what is outstanding (asked for and not
 * yet delivered, or in hand) is filled up to max as soon as it falls to min or
 * below. The queue never hears the same demand twice.
 */
#ifndef GSQ_WORKER_LEDGER_H
#define GSQ_WORKER_LEDGER_H

#include "base/slab.h"
#include "worker/outcome.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum ledger_state {
	/* in hand */
	LEDGER_WAITING,
	LEDGER_RUNNING,
	LEDGER_STOPPING, /* its result is not wanted any more */
	/* finished, not confirmed */
	LEDGER_UNSENT,
	LEDGER_SENT,	 /* as a response: confirmed by SETTLED */
	LEDGER_REQUESTED /* as a request: confirmed by its answer */
};

struct ledger_job {
	uint64_t id;
	uint64_t msgid;	   /* of the delivery; REQUESTED: of the request */
	uint64_t number;   /* SENT: which response it was, from 1 */
	uint32_t delivery; /* the queue's fence */
	uint32_t handle;
	uint64_t connection; /* on which it was delivered */
	enum ledger_state state;
	struct outcome outcome; /* once finished; its errors are the ledger's */
	void *context;		/* the caller's, NULL at first */
	TAILQ_ENTRY(ledger_job) in_list;
};

TAILQ_HEAD(ledger_list, ledger_job);

/* How much is asked for at all. */
enum ledger_appetite {
	LEDGER_HUNGRY,	/* by max and min */
	LEDGER_TASTING, /* one job, to see whether it can be run */
	LEDGER_FASTING,
	LEDGER_RESTING /* and what still comes is given back */
};

struct ledger {
	uint32_t max_demand;
	uint32_t min_demand;
	enum ledger_appetite appetite;
	bool quiet; /* nothing new is begun */
	bool connected;
	uint64_t connection;   /* how many there were */
	uint64_t responses;    /* on this connection */
	uint64_t last_request; /* the last msgid of ours on it */
	uint32_t owed;	       /* asked for on it and not delivered */
	uint32_t in_hand_count;
	uint32_t stopping_count;
	uint32_t failure_count; /* unconfirmed and other than done */
	size_t errors_bytes;	/* of their stderr */
	struct slab jobs;
	struct ledger_list in_hand;
	struct ledger_list unsent;
	struct ledger_list sent; /* by number */
	struct ledger_list requested;
};

enum ledger_event {
	LEDGER_JOB,	  /* a delivery */
	LEDGER_REFUSED,	  /* a delivery was answered and not taken */
	LEDGER_EXITED,	  /* a run ended, and all that it started */
	LEDGER_SETTLED,	  /* the first n responses are safe */
	LEDGER_ANSWERED,  /* the request with that msgid is settled */
	LEDGER_CONNECTED, /* a new connection; subscribe is being sent */
	LEDGER_LOST,	  /* it is over */
	LEDGER_UNKNOWN,	  /* the queue does not know that job as ours */
	LEDGER_END,	  /* the queue wants that run to end, and its result */
	LEDGER_QUIET,	  /* no more asking, for ever */
	LEDGER_APPETITE	  /* from now on that much */
};

struct ledger_fact {
	enum ledger_event event;
	union {
		struct {
			uint64_t id;
			uint64_t msgid;
			uint32_t delivery;
		} job;
		struct {
			struct ledger_job *job; /* in hand */
			struct outcome outcome; /* its errors are copied */
		} exited;
		uint64_t settled;
		uint64_t answered;
		uint64_t unknown;
		struct {
			uint64_t id;
			uint32_t delivery; /* 0: whichever it is */
		} end;
		enum ledger_appetite appetite;
	};
};

/* In no order; each at most once in a step. */
struct ledger_wishes {
	/* Start it: the job of this fact, or one that had been kept. */
	struct ledger_job *run;
	/* Keep what is needed to run it; RUN or STOP follows. */
	struct ledger_job *keep;
	/* Kill its run, or forget what was kept; EXITED follows. */
	struct ledger_job *stop;
	/* Ask its run to end, or do not begin it; EXITED follows. */
	struct ledger_job *end;
	/* Send its outcome: SENT as the response to its msgid, REQUESTED as a
	 * `result` request with its msgid. Good until the next step. */
	struct ledger_job *send;
	uint32_t ask; /* ask for that many more */
	bool full;    /* no memory: the job was not taken, give it back */
};

/* Of the stderr of all failures that are not confirmed. */
#define LEDGER_ERRORS_BYTES_MAX (1024u * 1024)

/* The msgid of subscribe; those of results follow. */
#define LEDGER_SUBSCRIBE_MSGID 1

/* max_demand from 1; min_demand below it. */
void ledger_init(
    struct ledger *ledger, uint32_t max_demand, uint32_t min_demand);
void ledger_release(struct ledger *ledger);

struct ledger_wishes ledger_step(
    struct ledger *ledger, const struct ledger_fact *fact);

/* What is broken in it, or NULL. For tests; with GSQ_VERIFY after every step.
 */
const char *ledger_verify(const struct ledger *ledger);

/* Has the queue confirmed all results? */
bool ledger_is_settled(const struct ledger *ledger);

/* What subscribe lists as held: all that is in hand and wanted, and all that
 * is not confirmed. The next one after that (NULL: the first), or NULL. */
uint32_t ledger_held_count(const struct ledger *ledger);
const struct ledger_job *ledger_next_held(
    const struct ledger *ledger, const struct ledger_job *job);

/* After CONNECTED: the next result to be sent as a request, REQUESTED now, or
 * NULL. */
struct ledger_job *ledger_resend(struct ledger *ledger);

#endif
