/* SPDX-License-Identifier: MIT */
/*
 * The event loop of simulated processes: what real code asks of libevent, on
 * virtual time and virtual sockets, instead of it.
 */
#ifndef GSQ_TESTS_SIM_LOOP_H
#define GSQ_TESTS_SIM_LOOP_H

#include <event2/event.h>

/* Calls what is ready, and says when the process wants to be woken next. How
 * many were called. */
int loop_dispatch(struct event_base *base);

/* For the queue, the only one that waits inside: sleeps until it is woken. */
void loop_sleep(void);

#endif
