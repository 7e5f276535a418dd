/* SPDX-License-Identifier: MIT */
/*
 * Those who speak to the queue and are no workers of ours.
 */
#ifndef GSQ_TESTS_SIM_CLIENTS_H
#define GSQ_TESTS_SIM_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Producers enqueue, and send again what was not answered. */
void producers_reset(void);
/* Have all requests been answered? */
bool producers_are_idle(void);

/* Foreign workers, some of whom lie and send rubbish. */
void foreigners_reset(void);
/* A foreign worker's lease ends when the queue closes its connection, which it
 * may not have seen yet: before anything is judged. */
void foreigners_note_ends(void);

/* Those who are there go, and none comes any more. */
void foreigners_leave(void);

/* An auditor lists all jobs again and again; operators look at the rest. */
void operators_reset(void);
/* Whole lists the auditor has got. */
uint64_t operators_lists(void);
/* One who steers jobs, and one who closes queues; when the faults stop he opens
 * all of them. */
void steerers_reset(void);
void steerers_heal(void);
bool steerers_are_idle(void);

/* The next list begins at once. */
void operators_list_now(void);

#endif
