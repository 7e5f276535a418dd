/* SPDX-License-Identifier: MIT */
/*
 * The control socket: answers qctl. Looks at the plan and the children, and
 * turns requests into facts for the plan; decides nothing itself.
 */
#ifndef GSQ_SUPERVISOR_CONTROL_H
#define GSQ_SUPERVISOR_CONTROL_H

#include "supervisor/report.h"

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>

/* People and scripts, not producers: those speak to the queue. */
#define CONTROL_CLIENTS_MAX 64

/* Orders whose end somebody waits for. */
#define CONTROL_WAITERS_MAX 1024

struct control_client;
struct control_waiter;

struct control_events {
	void (*on_fact)(void *context, const struct plan_fact *fact);

	/* The configuration is to be read again. True when it was taken; then
	 * *ret_text is the difference, else what is wrong with it: lines,
	 * allocated, or NULL for want of memory. */
	bool (*on_reload)(void *context, char **ret_text);
};

struct control {
	struct view view;
	const struct control_events *events;
	void *context;
	struct event_base *base;
	struct event *accept_event;
	struct event *resume_event;
	unsigned client_count;
	unsigned waiter_count;
	LIST_HEAD(control_clients, control_client) clients;
	LIST_HEAD(control_waiters, control_waiter) waiters;
};

/* Answers on that listener from now on, which stays the caller's. The events
 * come with what is asked for, after the answer where the answer comes
 * first. 0 or ENOMEM. */
int control_init(struct control *control, struct event_base *base, int listener,
    const struct view *view, const struct control_events *events,
    void *context);
void control_release(struct control *control);

/* The plan or a child has changed: answers those who wait for it. */
void control_update(struct control *control);

#endif
