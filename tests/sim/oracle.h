/* SPDX-License-Identifier: MIT */
/*
 * The judge. It knows only what producers, workers and operators were told and
 * what they said, and when processes and the machine died; it shares no code
 * with the core. A rule that is broken ends the world.
 *
 * Known is a job whose enqueue was answered or which was delivered. What is
 * known must end as done or dead, with these exceptions: a memory queue's when
 * the queue died, a relaxed one's when the power went soon after.
 */
#ifndef GSQ_TESTS_SIM_ORACLE_H
#define GSQ_TESTS_SIM_ORACLE_H

#include "base/key_rule.h"
#include "base/span.h"
#include "tests/sim/queue.h"

#include <stdbool.h>
#include <stdint.h>

#define BODY_BYTES_LEAST 8u
#define BODY_BYTES_MOST	 6000u
#define BODY_BYTES_HUGE	 40000u /* one or two of them are all a job takes */
#define KEYS_MOST	 3u

enum said { SAID_DONE, SAID_FAIL, SAID_RETRY, SAID_DEAD, SAID_RELEASE };

void oracle_reset(void);

/* ---- producers ---- */

struct enqueue {
	unsigned queue;
	uint8_t priority;
	uint8_t key;	    /* 1..KEYS_MOST; 0: none */
	enum key_mode mode; /* KEY_MODE_COUNT: the queue's */
	uint32_t bytes;
	int64_t delay_ms;
	int64_t at_ms;	    /* instead, by the wall clock; 0: none */
	int64_t expires_ms; /* 0: never */
	uint32_t ticket;    /* 0: none */
};

/* The text of a key; "" of none. */
const char *oracle_key(uint8_t key);

/* Something to be enqueued; its body tells it from all others. 0: there have
 * been enough. */
uint32_t oracle_new_token(const struct enqueue *enqueue);
const struct enqueue *oracle_enqueue(uint32_t token);

/* Its body, good until the next call. */
struct span oracle_body(uint32_t token);

void oracle_sent(uint32_t token);

struct acknowledged {
	uint32_t token;
	uint64_t id;
	struct span result;
	struct span durability;
	uint64_t sent_at; /* moment of the request */
	bool is_repeated; /* it was said before */
	bool late;	  /* from a queue that has died since */
};
void oracle_acknowledged(const struct acknowledged *acknowledged);

/* What a producer says to be known again by; 0: there have been enough. And its
 * text, good until the next call. */
uint32_t oracle_new_ticket(void);
struct span oracle_ticket(uint32_t ticket);

/* Something that was sent with a ticket not long ago; 0: nothing. */
uint32_t oracle_some_ticketed(void);

/* Another job has its ticket: it will never be taken. */
void oracle_reused(uint32_t token);

/* ---- holders: a life of a worker, or a connection of a foreign one ---- */

uint32_t oracle_new_holder(bool supervised);

/* It is dead, and all that it ran; or its connection is over. */
void oracle_holder_gone(uint32_t holder);

struct delivered {
	uint32_t holder;
	uint64_t id;
	int64_t delivery;
	int64_t attempt;
	int64_t priority;
	int64_t asked_us; /* it was asked for then, or later */
	bool late;	  /* from a queue that has died since */
	struct span queue;
	int64_t ttr_ms;	 /* 0: any */
	struct span key; /* empty: it has none */
	struct span body;
};
void oracle_delivered(const struct delivered *delivered);

/* A run of it began, or went on after waiting; and its end. */
void oracle_run_begins(uint32_t holder, uint64_t id);
void oracle_run_ends(uint32_t holder, uint64_t id);

/* The holder sent that result. crashed: a signal ended the run, and nobody had
 * asked for that. */
void oracle_said(uint32_t holder, uint64_t id, int64_t delivery, enum said said,
    bool crashed);

/* Whoever had it was asked to end that run; and has it still. late: by a queue
 * that is dead, so that what was told the next one does not count. */
void oracle_stop_heard(uint64_t id, int64_t delivery);
void oracle_stops(uint64_t id, int64_t delivery, struct span reason, bool late);

/* The queue confirmed it. again: on a connection after the one that brought
 * the job. */
void oracle_settled(
    uint32_t holder, uint64_t id, int64_t delivery, enum said said, bool again);

/* May a result of that delivery by that holder be taken? */
bool oracle_may_end(uint32_t holder, uint64_t id, int64_t delivery);

/* ---- who steers jobs ---- */

enum steer { STEER_CANCEL, STEER_DELETE, STEER_RETRY, STEER_TOUCH };

struct steering {
	enum steer what;
	uint64_t id;
	int64_t ttr_ms; /* of a touch; 0: any; -1: as at first */
	/* Set when it is sent: */
	int64_t sent_us;
	int64_t delivery;
	uint64_t life;
};

/* It is sent; and has been answered, with that result, empty of a touch, or
 * refused. */
void oracle_steers(struct steering *steering);
void oracle_steered(const struct steering *steering, struct span result);
void oracle_steer_refused(const struct steering *steering);

/* ---- who closes queues ---- */

enum gating { GATING_PAUSE, GATING_RESUME, GATING_DRAIN, GATING_OPEN };

struct gate_change {
	enum gating what;
	unsigned queue;
	int64_t for_ms; /* of a pause; 0: until somebody ends it */
	/* Set when it is sent: */
	int64_t sent_us;
	uint64_t life;
	uint64_t closed_life; /* of the queue that was told to be closed */
	bool must;	      /* its queue is closed for certain */
};

void oracle_gates(struct gate_change *change);
void oracle_gated(const struct gate_change *change);
/* bad_state: it is not paused, or drained; else it could not be kept. */
void oracle_gate_refused(const struct gate_change *change, bool bad_state);

/* May that queue be paused, or drained? */
bool oracle_may_be_paused(unsigned queue);
bool oracle_may_be_drained(unsigned queue);

/* An enqueue was refused because its queue is drained. */
void oracle_draining(uint32_t token);

/* ---- lives, deaths, the clock ---- */

void oracle_queue_begins(void);
void oracle_queue_died(void);
void oracle_power_lost(void);

/* Right before and after somebody sets the wall clock. */
void oracle_clock_is_set(void);
void oracle_clock_was_set(void);

/* ---- operators ---- */

/* Before the request for a list is sent; the answer is held against what was
 * known then. */
uint64_t oracle_moment(void);

struct listed {
	uint64_t id;
	int64_t priority;
	int64_t attempt;
	int64_t body_bytes;
	int64_t crashes;
	struct span queue;
	struct span state;
	struct span cause;
	struct span key;
	struct span body; /* its first bytes */
	int64_t since_us; /* a turn had passed the time since; 0: who knows */
};
void oracle_list_begins(void);
void oracle_listed(const struct listed *listed);
/* whole: all of it is of one moment, and of the queue that lives. */
void oracle_list_ends(uint64_t moment, bool whole);

/* Jobs that the last whole list had and that are not dead. */
uint32_t oracle_unfinished(void);

/* At the end, after a whole list: everything known must have ended. */
void oracle_judge(void);

/* Some job that is known, or 0; and a delivery of it. */
uint64_t oracle_some_job(int64_t *ret_delivery);
uint64_t oracle_jobs(void);

#endif
