/* SPDX-License-Identifier: MIT */
/*
 * A turn: the messages that had come, one step of the core for each, and one
 * batch of the store for all. This file alone calls core_step and the stores,
 * and keeps the order of things: a change is in the store's batch when its
 * effects are told, and the batch is committed before what waits for it is
 * shown.
 *
 *     server: for each message       turn_step      -> core -> store, effects
 *             at the end of the turn turn_end       -> store: commit
 *     store:  the batch is safe      batch_committed
 *
 * While one batch is on its way to the disk the next one gathers; turn_end
 * sends it when the way is free again. Deliveries that do not wait for the disk
 * are written all the same before they are shown: when the queue dies, the next
 * one knows who has which job.
 *
 * There are two stores: the log, for queues whose jobs must survive, and one in
 * memory, for those that need not; changes of the latter wait for nothing.
 */
#ifndef GSQ_QUEUE_TURN_H
#define GSQ_QUEUE_TURN_H

#include "base/buffer.h"
#include "core/core.h"
#include "queue/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Ids of jobs that are not synced before they are answered for are reserved in
 * the log, so many at a time: no id is given twice, after a crash either. */
#define IDS_RESERVED UINT64_C(100000)

/* What the turn makes happen. Each is called from inside of a turn_*
 * function; none may call back into the turn. */
struct turn_effects {
	void *context;

	/* Send the job to its subscriber. kept: the job itself is committed, so
	 * the message need not wait for the batch. body is good during the
	 * call. */
	void (*deliver)(void *context, uint32_t subscriber, uint32_t job,
	    struct span body, bool kept);

	/* Ask a subscriber to end a run: wish is WISH_STOP. It need not hear
	 * it. */
	void (*stop)(void *context, const struct wish *wish);

	/* Have the supervisor kill a worker: wish is WISH_KILL. */
	void (*kill)(void *context, const struct wish *wish);

	/* Close the connection of a subscriber: wish is WISH_CUT_OFF. */
	void (*cut_off)(void *context, const struct wish *wish);

	/* Something happened; wish is WISH_TELL. */
	void (*tell)(void *context, const struct wish *wish);

	/* Write out what waits for nothing: the disk may take its time. */
	void (*show)(void *context);

	/* The batch that gathered is on its way, another one begins; the one
	 * on its way is committed. */
	void (*batch_leaves)(void *context);
	void (*batch_committed)(void *context);
};

struct turn {
	struct core core;
	struct store *log;
	struct store *memory;
	struct turn_effects effects;
	bool gathering;	 /* the batch that gathers has a change, or an answer
			  * that waits for it */
	bool needs_sync; /* one of these must survive the loss of power */
	bool shown;	 /* a delivery that does not wait for the batch */
	bool committing; /* a batch is on its way; ids below are in it */
	uint64_t committing_next_id;
	uint64_t kept_next_id;	   /* jobs with ids below are committed */
	uint64_t reserved_next_id; /* ids below are reserved in the log */
	uint64_t committing_reserved_next_id; /* by the batch on its way */
	uint64_t kept_reserved_next_id;	      /* and this is committed */
	struct buffer body;		      /* of a REPLACE */
	uint64_t aliases[ALIASES_MAX];	      /* of the record that is made */
	uint64_t events_through; /* numbers of events that are taken, ever */
	struct job note;	 /* the same, of a note */
};

/*
 * Loads what the log keeps. seed: of the core's jitter. The stores must be as
 * opened, and are the turn's until turn_release, which does not close them. 0,
 * or an errno with the words in reason[reason_bytes].
 */
int turn_init(struct turn *turn, struct store *log, struct store *memory,
    const struct turn_effects *effects, uint64_t seed,
    struct lane_policy (*policy_of)(const void *context, struct span queue),
    const void *policy_context, char *reason, size_t reason_bytes);
void turn_release(struct turn *turn);

/*
 * One fact to the core, with all that follows from it. body is that of an
 * ENQUEUE, else ignored. Returns core.refusal; core.words, core.answer and
 * core.result are good until the next step.
 */
enum refusal turn_step(
    struct turn *turn, const struct fact *fact, struct span body);

/* The same of a PAUSE or DRAIN, which is kept before it counts: FULL when the
 * disk has no room for it. */
enum refusal turn_gate(struct turn *turn, const struct fact *fact);

/* Takes numbers of events through that one, for good: no queue of this store
 * that starts anew takes them again. False when the disk has no room to write
 * that down. */
bool turn_take_event_numbers(struct turn *turn, uint64_t through);

/* What the answer to an enqueue into that queue promises. */
enum durability turn_durability(const struct turn *turn, struct span queue);

/* Would the queue's store take that many more jobs, with bodies of that size in
 * all? */
bool turn_has_room(
    struct turn *turn, struct span queue, uint32_t jobs, uint64_t body_bytes);

/* Something was answered that tells of this turn's changes: even without a
 * change of its own the batch is to be committed. */
void turn_wait(struct turn *turn);

/* The body of a job, good until the next step. */
struct span turn_body(struct turn *turn, const struct job *job);

/* What the certificate of an attempt says (core/certificate.h); good until the
 * next step, or the next body. */
struct span turn_certificate(struct turn *turn, const struct attempt *attempt);

/* The wall clock may have been set: at the beginning of each turn. */
void turn_look_at_clock(struct turn *turn, int64_t now_ms);

/* The same, and does what is due by either clock. */
void turn_pass(struct turn *turn, int64_t now_ms);

/* Ends a turn: commits what gathered, if no batch is on its way. */
void turn_end(struct turn *turn, int64_t now_ms);

/* Does something wait for the disk? */
static inline bool
turn_is_busy(const struct turn *turn)
{
	return turn->gathering || turn->committing;
}

/* Bytes that the log has read and written for the sake of order, ever. */
uint64_t turn_upkeep_bytes(const struct turn *turn);

/* When the core or the store wants a turn; INT64_MAX: never. */
int64_t turn_wake_at(const struct turn *turn);

#endif
