/* SPDX-License-Identifier: MIT */
/*
 * The machine that the queue runs on: its disk, with all that goes wrong with
 * it, and the death of the queue or of everything at any call to it.
 */
#ifndef GSQ_TESTS_SIM_MACHINE_H
#define GSQ_TESTS_SIM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

void machine_reset(uint64_t seed);
void machine_release(void);

/* Plans: at the so-many-th call from now on. */
void machine_kill_at_call(uint64_t calls, bool with_power);
void machine_fail_call(uint64_t calls);

/* For so long there is no more room than now, and that much. */
void machine_fill(int64_t for_us, uint64_t left_bytes);
void machine_dribble(int64_t for_us);
void machine_slow_syncs(int64_t for_us, int64_t sync_us);

/* Behind the end of the next queue some of what was safe long ago is damaged,
 * until one more queue has ended: which must refuse it, or not need it. */
void machine_rot(void);
bool machine_is_rotten(void);

/* All that is wrong with it ends. */
void machine_heal(void);

/* What a power cut leaves of the disk. */
void machine_lose_power(void);

/* The queue has ended, however. */
void machine_queue_ended(void);

/* A sync by the thread has ended, and its result was not taken yet. */
bool machine_sync_has_ended(void);

/* How the queue dies matters to what is counted. */
void machine_note_death(bool while_starting);

/* Once per round of the queue's loop. */
void machine_note_round(void);

#endif
