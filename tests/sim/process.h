/* SPDX-License-Identifier: MIT */
/*
 * Simulated processes: a number, memory of its own that is gone with it, and
 * something to do when it wakes. Real code runs between process_enter and
 * process_leave, and what it takes from malloc there is the process's.
 */
#ifndef GSQ_TESTS_SIM_PROCESS_H
#define GSQ_TESTS_SIM_PROCESS_H

#include "tests/sim/time.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct block;
LIST_HEAD(memory, block);

struct process {
	int64_t pid;
	bool alive;
	struct memory memory;
	struct event_base *base; /* its loop; NULL: none yet */
	struct timer wake;
	int64_t stopped_until_us;
	uint64_t signals; /* that it has not looked at, by number */
	void (*on_wake)(void *context);
	void *context;
};

/* All processes of before are forgotten, and their memory is given back. */
void process_reset(void);

/* A new one with a new number. */
void process_start(
    struct process *process, void (*on_wake)(void *context), void *context);

/* Its memory is given back, its descriptors are closed. */
void process_end(struct process *process);

/* Something may be ready for it: wakes it up in a moment. */
void process_wake(struct process *process);

void process_signal(struct process *process, int number);

/* It stands still. */
void process_stop(struct process *process, int64_t for_us);

/* Who runs; NULL: the world. Returns who ran before. */
struct process *process_enter(struct process *process);
void process_leave(struct process *before);
struct process *process_current(void);

/* What the processes' memory is made of for the world itself. */
void process_memory_reset(void);

#endif
