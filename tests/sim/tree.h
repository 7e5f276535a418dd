/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: the real plan decides; starting, signalling and reaping are
 * played. It speaks to the queue through the channel, byte by byte.
 */
#ifndef GSQ_TESTS_SIM_TREE_H
#define GSQ_TESTS_SIM_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct worker;

void tree_reset(void);
void tree_start(void);
void tree_release(void);
bool tree_is_up(void);

/* ---- what operators and the nemesis do ---- */

void tree_kill_some_worker(void);
void tree_stop_some_worker(int64_t for_us);
void tree_scale(void);
void tree_restart_some(void);
void tree_stop_all(void);

/* Every pool has a worker again. */
void tree_heal(void);

/* The supervisor dies, all others with it; another one starts later. */
void tree_kill_all(void);

/* ---- what children do ---- */

void tree_queue_ended(int status, int number);
void tree_worker_ready(struct worker *worker);
void tree_worker_ended(struct worker *worker, int status, int number);

#endif
