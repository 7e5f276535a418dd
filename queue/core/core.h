/* SPDX-License-Identifier: MIT */
/*
 * The core of the queue: a state machine that is told facts and answers with
 * wishes. It does no input or output, reads no clock and writes no log; the
 * same facts lead to the same wishes, so it can be replayed and simulated.
 *
 * What one step wishes must be made durable (SAVE, FORGET) before what depends
 * on it is shown to anybody; queue/turn.c sees to that.
 */
#ifndef GSQ_CORE_CORE_H
#define GSQ_CORE_CORE_H

#include "base/name.h"
#include "base/random.h"
#include "base/refusal.h"
#include "core/attempts.h"
#include "core/certificate.h"
#include "core/demand.h"
#include "core/due.h"
#include "core/job.h"
#include "core/key.h"
#include "core/lane.h"
#include "core/retry.h"
#include "core/roll.h"
#include "core/token.h"

#include <stdbool.h>
#include <stdint.h>

/* How long a supervised worker may be disconnected, and not known dead,
 * before the queue asks the supervisor to kill it. Its jobs wait for it. */
#define WORKER_SILENCE_MS INT64_C(5000)

/* How long a new queue waits for the workers of before, with their jobs. They
 * try to connect again several times a second, and the socket is always there:
 * who has not come after two seconds will not. */
#define RETURN_GRACE_MS INT64_C(2000)

/* How much longer it waits for the supervisor to say which workers live. That
 * never blocks and tells it the moment the queue has started, so that only a
 * machine that stands still comes near it, and then two runs of one job would
 * be worse than a late one. */
#define INTRODUCTION_MS INT64_C(10000)

/* When to try again what was refused as FULL, where nothing better is known:
 * for want of memory, or of room on the disk. */
#define RETRY_AFTER_MS INT64_C(1000)

/* Jobs whose time has come that one FACT_TIME makes ready: about a
 * millisecond, so that a million that were due while the queue was away keep
 * nobody waiting. */
#define DUE_JOBS_PER_STEP_MAX 1000

/* ---- facts ---- */

enum fact_kind {
	FACT_TIME,
	FACT_ADMIT,
	FACT_CLOCK,
	FACT_ENQUEUE,
	FACT_SUBSCRIBE,
	FACT_DEMAND,
	FACT_ANSWER,
	FACT_RESULT,
	FACT_TOUCH,
	FACT_CANCEL,
	FACT_DELETE,
	FACT_REVIVE,
	FACT_PAUSE,
	FACT_DRAIN,
	FACT_GONE,
	FACT_WORKER_UP,
	FACT_WORKER_DOWN,
	FACT_RESTORE_GATE,
	FACT_RESTORE_TOKEN,
	FACT_RESTORE_ATTEMPT,
	FACT_RESTORE,
	FACT_RESTORED,
	FACT_INTRODUCED,
	FACT_KIND_COUNT
};

/* One of the events of a batch. */
struct arrival {
	struct span key; /* a valid key, or empty */
	uint32_t body_bytes;
};

/* A job that a worker says it still has. */
struct held {
	uint64_t id;
	uint32_t delivery;
	bool stands; /* set by the step: it is the subscriber's now */
};

struct outcome {
	enum verdict verdict; /* not VERDICT_DIED */
	int64_t delay_ms;     /* of VERDICT_RETRY; 0..DURATION_MS_MAX */
	bool crashed;	      /* a signal ended it */
	struct span reason;
	struct remains remains;
};

struct fact {
	enum fact_kind kind;
	int64_t now_ms;	     /* monotonic; never less than in the step before */
	uint32_t subscriber; /* SUBSCRIBE (0: not joined yet), DEMAND, ANSWER,
			      * RESULT, GONE */
	union {
		/* May all of these be enqueued? When it is not refused they
		 * are, by as many ENQUEUEs in that order, which follow at once
		 * and cannot be refused any more. */
		struct {
			struct span queue;
			const struct arrival *arrivals;
			uint32_t count;	    /* from 1 */
			enum key_mode mode; /* KEY_MODE_COUNT: the queue's */
			bool with_terms;    /* of their own */
		} admit;
		/* The wall clock was set, or has drifted. */
		struct {
			int64_t wall_ms; /* when the monotonic one was 0 */
		} clock;
		/* An event: a new job, or a hint more for one that waits. The
		 * body itself stays with the caller. */
		struct {
			struct span queue; /* a valid name */
			uint32_t body_bytes;
			uint8_t priority;
			int64_t wall_ms;
			int64_t delay_ms;    /* 0..DURATION_MS_MAX */
			int64_t due_wall_ms; /* instead: not before that time
					      * of the wall clock; 0: none */
			struct span key;     /* a valid key, or empty */
			enum key_mode mode;  /* KEY_MODE_COUNT: the queue's */
			struct job_terms terms;
			struct span token; /* a valid token, or empty */
			uint64_t digest;   /* with a token: of all that makes
					    * the job what it is */
		} enqueue;
		/* A worker joins a queue. */
		struct {
			struct span queue; /* a valid name */
			struct span name;  /* a valid name, or empty */
			int64_t pid;
			int64_t incarnation; /* 0: not supervised */
			/* All that it has, of whatever queue: with its first
			 * subscription the rest goes back. */
			struct held *held;
			size_t held_count;
		} subscribe;
		struct {
			struct span queue;
			uint32_t n; /* 1..DEMAND_MAX */
		} demand;
		/* The response to the delivery with that msgid. */
		struct {
			uint64_t msgid;
			struct outcome outcome;
		} answer;
		/* The same after a reconnect, by job and delivery. */
		struct {
			uint64_t id;
			uint32_t delivery;
			struct outcome outcome;
		} result;
		/* A run takes longer. */
		struct {
			uint64_t id;
			uint32_t delivery; /* 0: whichever it is */
			int64_t ttr_ms; /* from now on; 0: as its queue says */
		} touch;
		/* CANCEL: it is not to run, or to stop; DELETE: it is to be
		 * forgotten; REVIVE: it is to run now. */
		struct {
			uint64_t id;
		} steer;
		/* PAUSE: its jobs are to wait, or to go on; DRAIN: it is to
		 * take no new ones, or to take them again. */
		struct {
			struct span queue;
			bool on;
			int64_t for_ms; /* of a pause; 0: until it is ended */
			int64_t wall_ms;
			int64_t uid;
		} gate;
		/* As it was kept; told before any job. */
		struct {
			struct span queue;
			struct lane_gate gate;
		} restore_gate;
		struct {
			struct token token; /* its note, its body, ... */
			struct span text;
		} restore_token;
		/* A certificate, told behind its job. */
		struct {
			struct attempt attempt; /* its note, its body, ... */
			uint64_t job;		/* id */
		} restore_attempt;
		/* What the supervisor says of its workers. INTRODUCED: of all
		 * that were alive when the queue started it has said so. */
		struct {
			struct name name;
			int64_t pid;
			int64_t incarnation;
		} worker_up;
		struct {
			int64_t pid;
			int64_t incarnation;
			bool planned;	    /* its jobs do not count */
			struct span reason; /* "signal 9 (KILL)" */
			struct remains remains;
		} worker_down;
		/* A job as the store remembers it, told before anything else
		 * and in the order of the ids; the worker of a running one is
		 * waited for. */
		struct {
			struct span queue;
			struct job job;	 /* as saved; links and handles unset */
			struct span key; /* empty: it has none */
			const uint64_t *aliases; /* of jobs folded into it */
			size_t alias_count;
			struct span reason;
			struct job_terms terms;
		} restore;
		/* Once, behind the last one. */
		struct {
			bool everything_died; /* no worker of before lives, but
					       * for foreign ones */
			bool supervised;      /* INTRODUCED will come */
		} restored;
	};
};

/* When the job of an ENQUEUE is due. */
static inline struct moment
enqueue_due(const struct fact *fact)
{
	if (fact->enqueue.due_wall_ms != 0)
		return (struct moment){ fact->enqueue.due_wall_ms, true };
	return (struct moment){ fact->now_ms + fact->enqueue.delay_ms, false };
}

/* ---- wishes ---- */

enum wish_kind {
	WISH_SAVE,    /* write the job's record; with_body: its body too */
	WISH_REPLACE, /* the job has another body, unless that is the same */
	WISH_FORGET,  /* the job is gone: id, body */
	WISH_NOTE,    /* keep the token, with that id */
	WISH_CERTIFY, /* keep the certificate, with that id, if there is room
		       * for it */
	WISH_FORGET_NOTE, /* it is over: id, body */
	WISH_DELIVER,	  /* send the job to the subscriber */
	WISH_STOP,	  /* ask the subscriber to end that run of the job */
	WISH_KILL,     /* ask the supervisor to kill the worker with this pid */
	WISH_CUT_OFF,  /* close the subscriber's connection */
	WISH_SETTINGS, /* keep what is said of the lanes */
	WISH_TELL      /* something happened, for watchers and the log */
};

enum core_event {
	EVENT_ENQUEUED,
	EVENT_MERGED, /* into that job, an enqueue */
	EVENT_FOLDED, /* into another one, that job: which is gone */
	EVENT_DELIVERED,
	EVENT_DONE,
	EVENT_FAILED,	/* will be tried again after a delay */
	EVENT_RETRIED,	/* not now, asked for by the handler */
	EVENT_RELEASED, /* given back by its worker; or no worker has it after
			 * a restart of the queue (subscriber 0) */
	EVENT_RETURNED, /* came back because its worker died (subscriber 0:
			 * while the queue was away, or before it was heard) */
	EVENT_DEAD,
	EVENT_OVERDUE,	 /* it will soon be stopped */
	EVENT_CANCELLED, /* and gone */
	EVENT_DELETED,	 /* the same of one that waited or was dead */
	EVENT_REVIVED,	 /* a dead or delayed one runs as soon as it can */
	EVENT_PAUSED,	 /* a queue */
	EVENT_RESUMED,
	EVENT_DRAINING,
	EVENT_OPENED,
	EVENT_SUBSCRIBED,
	EVENT_GONE, /* the subscriber, not a job */
	EVENT_COUNT
};

const char *core_event_name(enum core_event event);

/* What the handles name can be read until the next step, even where it has
 * just gone; only a job with handle 0 cannot. */
struct wish {
	enum wish_kind kind;
	enum core_event event; /* TELL */
	bool with_body;	       /* SAVE */
	bool in_memory;	       /* FORGET_NOTE: where it was kept */
	uint32_t token;	       /* handle; NOTE */
	uint32_t certificate;  /* handle; CERTIFY */
	uint32_t words_bytes;  /* CERTIFY: what it says, in core.certificates */
	size_t words_at;
	uint32_t job; /* handle; SAVE, DELIVER, STOP; TELL: 0 when gone */
	uint32_t subscriber; /* handle; DELIVER, STOP, CUT_OFF; TELL: 0 when
			      * none */
	uint32_t lane;	     /* handle; FORGET; TELL: 0 when none */
	uint32_t delivery;   /* STOP; TELL of a job */
	uint32_t attempt;    /* TELL of a job: what that run was, be it counted
			      * or not */
	uint64_t id;	     /* of the job; KILL, CUT_OFF: of one that
			      * overstays, else 0 */
	uint64_t body;	     /* FORGET: the store's handle; REPLACE: the one of
			      * the body until now */
	uint32_t body_bytes; /* of that */
	bool append;	     /* REPLACE: behind the one until now */
	bool given;	     /* REPLACE: by the one that the fact came with */
	uint64_t other;	     /* REPLACE, if not given: by a copy of this one */
	uint32_t other_bytes;
	uint64_t into; /* FOLDED: the id of the other job */
	int64_t pid;   /* KILL */
};

/* ---- the machine ---- */

struct counters {
	uint64_t enqueued; /* new jobs */
	uint64_t merged;   /* enqueues that were merged into a waiting job */
	uint64_t folded;   /* jobs that were folded into another one */
	uint64_t repeated; /* enqueues with a token that was known */
	uint64_t delivered;
	uint64_t done;
	uint64_t failed;
	uint64_t retried;
	uint64_t released;
	uint64_t died; /* jobs that came back because their worker died */
	uint64_t dead;
	uint64_t timed_out; /* runs whose time was over */
	uint64_t cancelled;
	uint64_t deleted;
	uint64_t revived;
	uint64_t expired;
	uint64_t stale; /* answers to deliveries that no longer stood */
};

/* What is waited for while jobs are absent (core/absent.h). */
struct absence {
	bool restored;
	bool everything_died;
	bool introduced;
	bool await_introduction; /* when the time is over: some more */
	bool asked_end;		 /* of workers that live and are not heard */
	char reason[REASON_BYTES_MAX + 1]; /* of their death; "": none died */
	int64_t act_at_ms;
};

/* What became of an enqueue. */
enum enqueue_result {
	ENQUEUE_NEW,	/* a job that is first with its key, or has none */
	ENQUEUE_MERGED, /* into a job that waits */
	ENQUEUE_BEHIND, /* a job that waits for its turn */
	ENQUEUE_RESULT_COUNT
};

/* "new", "merged", "behind". */
const char *enqueue_result_name(enum enqueue_result result);

struct core {
	struct jobs jobs;
	struct keys keys;
	struct lanes lanes;
	struct demand demand;
	struct due due;	      /* delayed jobs */
	int64_t wall_ms;      /* the wall clock when the monotonic one was 0 */
	struct heap leases;   /* of running jobs, the next to act first */
	struct heap expiries; /* jobs that expire, the next one first */
	struct heap gates;    /* lanes that time opens, the next one first */
	uint32_t undo_lane;   /* of the last PAUSE or DRAIN */
	struct lane_gate undo_gate;
	struct tokens tokens;
	struct attempts attempts;
	struct buffer certificates; /* what those of the last step say */
	uint64_t first_note;	    /* ids from there on are of the last step */
	struct roll roll;
	struct absence absence;
	uint32_t absent;   /* handle of the subscriber that stands for all whose
			    * jobs were restored as running; 0: none is left */
	uint32_t admitted; /* ENQUEUEs that were admitted and are to come */
	struct plan *plans; /* of the keys of these (core/admit.h) */
	uint32_t plan_count;
	uint32_t plan_room;
	struct random random;
	uint64_t next_id;
	int64_t now_ms;
	struct counters counters;

	/* The rules of a lane that is about to be made. */
	struct lane_policy (*policy_of)(const void *context, struct span queue);
	const void *policy_context;

	/* Is there room to write another body of that size for a job of that
	 * lane? NULL: always. Set by whoever keeps bodies. */
	bool (*has_room)(void *context, uint32_t lane, uint32_t body_bytes);
	void *room_context;

	/* What the last step wished, in the order to be carried out; good
	 * until the next step. */
	struct wish *wishes;
	size_t wish_count;
	size_t wish_room;

	/* What the last step answered: the refusal with its words, or the
	 * id of the job (ENQUEUE), the handle of the subscriber
	 * (SUBSCRIBE), the demand pending in all (DEMAND), 1 when the job is
	 * being stopped, 0 when it is gone (CANCEL), the id of the job that it
	 * is now (REVIVE). */
	enum refusal refusal;
	const char *words;
	int64_t retry_after_ms; /* of FULL: when a repetition may help */
	uint64_t answer;
	enum enqueue_result result; /* ENQUEUE */
	bool is_repeated; /* ENQUEUE: that was the answer before, and nothing
			   * has changed */
	char text[REASON_BYTES_MAX]; /* of words with numbers in them */
};

/*
 * next_id: the first id to be given, above every one ever given before, from
 * 1. seed: for jitter. policy_of is asked once per lane, and copied.
 */
void core_init(struct core *core, uint64_t next_id, uint64_t seed,
    struct lane_policy (*policy_of)(const void *context, struct span queue),
    const void *policy_context);
void core_release(struct core *core);

/* So many jobs are about to be restored: makes room, before the first. */
void core_expect(struct core *core, size_t jobs);

/*
 * Tells one fact. A refusal (core->refusal) changes nothing; it is an answer,
 * not an error. A broken promise of the caller ends the process (CHECK).
 */
void core_step(struct core *core, const struct fact *fact);

/* When FACT_TIME is due next, in monotonic ms: a time that has passed for at
 * once, INT64_MAX for never. */
int64_t core_wake_at(const struct core *core);

/* For the caller, once a SAVE with_body or a REPLACE was carried out: where the
 * body is. */
void core_set_body(struct core *core, uint32_t job, uint64_t body);

/* The same of a NOTE. */
void core_set_note(
    struct core *core, uint32_t token, uint64_t body, uint32_t body_bytes);

/* The same of a CERTIFY; one that was not kept, autopsy_drop is told of. */
void core_set_attempt(struct core *core, uint32_t attempt, uint64_t body);

#endif
