/* SPDX-License-Identifier: MIT */
/*
 * The queue process: the whole real one, from serve() on.
 *
 * It is the only one that waits inside of its loop, so the world goes on from
 * there: serve() -> event_base_loop() -> loop_sleep() -> the next timer. Its
 * death is a jump out of all that.
 */
#ifndef GSQ_TESTS_SIM_QUEUE_H
#define GSQ_TESTS_SIM_QUEUE_H

#include "base/key_rule.h"
#include "tests/sim/process.h"

#include <stdbool.h>
#include <stdint.h>

/* Queues of this world; the first is always there. */
#define QUEUES 4

enum promise { PROMISE_SYNC, PROMISE_RELAXED, PROMISE_MEMORY };

struct queue_rules {
	char name[16];
	enum promise promise;
	uint32_t max_attempts;
	enum key_mode mode;
	enum key_merge merge;
	uint32_t max_crashes; /* 0: any number */
	int64_t ttr_ms;	      /* of a run; 0: any */
	int64_t grace_ms;
	uint32_t max_running; /* 0: any number */
	int64_t rate_jobs;    /* so many begin in so long; 0: any number */
	int64_t rate_ms;
	int64_t burst;
};

/* Draws the rules of all. */
void queue_reset(void);
void queue_release(void);
const struct queue_rules *queue_rules(unsigned queue);

/* The supervisor starts it; it runs when queue_run is called. channel_fd: its
 * end of the channel, which is made over to it. Its pid. */
int64_t queue_spawn(int channel_fd, int64_t incarnation);

/* Is one waiting to be run? From the bottom of the world alone. */
bool queue_is_due(void);
void queue_run(void);

/* It is killed as soon as the step of now is over. */
void queue_kill(void);

/* It ends where it stands; only while it runs. */
_Noreturn void queue_dies(void);
_Noreturn void queue_exits(int status);

struct process *queue_process(void);
bool queue_is_alive(void);
bool queue_is_condemned(void);
void queue_wake(void);
void queue_signal(int number);
void queue_stop_for(int64_t us);

/* How many queue processes there have been. */
uint64_t queue_life(void);

/* The store said that it is damaged. */
void queue_note_refusal(const char *words);

#endif
