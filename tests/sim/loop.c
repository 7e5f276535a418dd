/* SPDX-License-Identifier: MIT */
#include "tests/sim/loop.h"

#include "base/check.h"
#include "tests/sim/machine.h"
#include "tests/sim/process.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 512

/* In an event's evcb_flags. */
enum { ADDED = 1, TIMED = 2, ACTIVE = 4, KNOWN = ADDED | ACTIVE };

struct event_base {
	struct process *process;
	struct event *known[EVENTS_MAX]; /* added or active */
	int known_count;
	/* While a round is called: what is still to be. */
	struct event *ready[EVENTS_MAX];
	int ready_count;
};

static short *
flags_of(struct event *event)
{
	return &event->ev_evcallback.evcb_flags;
}

static bool
has(struct event *event, short flag)
{
	return (*flags_of(event) & flag) != 0;
}

static int64_t
deadline_us(const struct event *event)
{
	return (int64_t)event->ev_timeout.tv_sec * 1000000 +
	    event->ev_timeout.tv_usec;
}

/* ---- what is known ---- */

static void
forget(struct event_base *base, const struct event *event)
{
	for (int i = 0; i < base->known_count; i++) {
		if (base->known[i] != event)
			continue;
		base->known[i] = base->known[--base->known_count];
		return;
	}
}

static void
set_flags(struct event *event, short flags)
{
	struct event_base *base = event->ev_base;
	bool was_known = has(event, KNOWN);
	*flags_of(event) = flags;
	if (!was_known && has(event, KNOWN)) {
		CHECK(base->known_count < EVENTS_MAX);
		base->known[base->known_count++] = event;
	} else if (was_known && !has(event, KNOWN)) {
		forget(base, event);
	}
}

/* ---- readiness ---- */

static bool
fd_is_ready(const struct event *event)
{
	switch (event->ev_fd) {
	case STREAM_FD_LISTENER:
		return stream_has_waiting();
	case STREAM_FD_SYNC:
		return machine_sync_has_ended();
	default:
		return ((event->ev_events & EV_READ) != 0 &&
			   stream_is_readable(event->ev_fd)) ||
		    ((event->ev_events & EV_WRITE) != 0 &&
			stream_is_writable(event->ev_fd));
	}
}

static bool
is_ready(struct event_base *base, struct event *event)
{
	if (has(event, ACTIVE))
		return true;
	if (has(event, TIMED) && deadline_us(event) <= time_now_us())
		return true;
	if ((event->ev_events & EV_SIGNAL) != 0)
		return (base->process->signals >> event->ev_fd & 1) != 0;
	return (event->ev_events & (EV_READ | EV_WRITE)) != 0 &&
	    fd_is_ready(event);
}

/* When the process is to be woken without being told of anything. */
static void
wake_later(struct event_base *base)
{
	int64_t next_us = INT64_MAX;
	for (int i = 0; i < base->known_count; i++) {
		struct event *event = base->known[i];
		if (is_ready(base, event)) {
			process_wake(base->process);
			return;
		}
		if (has(event, TIMED) && deadline_us(event) < next_us)
			next_us = deadline_us(event);
	}
	if (next_us != INT64_MAX)
		timer_hasten(&base->process->wake, next_us - time_now_us());
}

/* ---- a round ---- */

/* Sockets in the order in which they became ready, then the rest. */
static uint64_t
order_of(const struct event *event)
{
	if ((event->ev_events & EV_READ) != 0 &&
	    event->ev_fd >= STREAM_FD_FIRST)
		return stream_ready_order(event->ev_fd);
	return UINT64_MAX;
}

/* The first to be called comes last. */
static void
collect_ready(struct event_base *base)
{
	base->ready_count = 0;
	for (int i = 0; i < base->known_count; i++) {
		struct event *event = base->known[i];
		if (!is_ready(base, event))
			continue;
		int at = base->ready_count++;
		for (;
		     at > 0 && order_of(base->ready[at - 1]) < order_of(event);
		     at--)
			base->ready[at] = base->ready[at - 1];
		base->ready[at] = event;
	}
	/* The kernel may tell of some of them only. */
	if (base->ready_count > 1 && chance(100)) {
		int less = (int)draw((uint64_t)base->ready_count);
		base->ready_count -= less;
		memmove(base->ready, base->ready + less,
		    (size_t)base->ready_count * sizeof(base->ready[0]));
	}
}

static void
call(struct event_base *base, struct event *event)
{
	short flags = *flags_of(event);
	flags = (short)(flags & ~ACTIVE);
	if ((event->ev_events & EV_PERSIST) == 0)
		flags = 0;
	set_flags(event, flags);
	if ((event->ev_events & EV_SIGNAL) != 0)
		base->process->signals &= ~(UINT64_C(1) << event->ev_fd);
	event->ev_evcallback.evcb_cb_union.evcb_callback(
	    event->ev_fd, event->ev_events, event->ev_evcallback.evcb_arg);
}

int
loop_dispatch(struct event_base *base)
{
	int called = 0;
	collect_ready(base);
	while (base->ready_count > 0) {
		struct event *event = base->ready[--base->ready_count];
		if (event == NULL)
			continue;
		call(base, event);
		called++;
	}
	wake_later(base);
	return called;
}

/* ---- what real code calls ---- */

struct event_base *
event_base_new(void)
{
	struct event_base *base = calloc(1, sizeof(*base));
	CHECK(base != NULL && process_current() != NULL);
	base->process = process_current();
	base->process->base = base;
	return base;
}

void
event_base_free(struct event_base *base)
{
	base->process->base = NULL;
	free(base);
}

/* One round: waits until something is ready. */
int
event_base_loop(struct event_base *base, int flags)
{
	CHECK((flags & EVLOOP_ONCE) != 0);
	wake_later(base);
	do
		loop_sleep();
	while (loop_dispatch(base) == 0);
	return 0;
}

int
event_assign(struct event *event, struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *context)
{
	memset(event, 0, sizeof(*event));
	event->ev_base = base;
	event->ev_fd = fd;
	event->ev_events = events;
	event->ev_evcallback.evcb_cb_union.evcb_callback = callback;
	event->ev_evcallback.evcb_arg = context;
	return 0;
}

struct event *
event_new(struct event_base *base, evutil_socket_t fd, short events,
    event_callback_fn callback, void *context)
{
	struct event *event = malloc(sizeof(*event));
	CHECK(event != NULL);
	event_assign(event, base, fd, events, callback, context);
	return event;
}

int
event_priority_set(struct event *event, int priority)
{
	(void)event, (void)priority;
	return 0;
}

int
event_add(struct event *event, const struct timeval *delay)
{
	short flags = (short)(*flags_of(event) | ADDED);
	if (delay != NULL) {
		int64_t at_us = time_now_us() +
		    (int64_t)delay->tv_sec * 1000000 + delay->tv_usec;
		event->ev_timeout.tv_sec = at_us / 1000000;
		event->ev_timeout.tv_usec = at_us % 1000000;
		flags |= TIMED;
	}
	set_flags(event, flags);
	if (delay != NULL)
		timer_hasten(&event->ev_base->process->wake,
		    deadline_us(event) - time_now_us());
	else
		process_wake(event->ev_base->process);
	return 0;
}

int
event_del(struct event *event)
{
	struct event_base *base = event->ev_base;
	if (base == NULL)
		return 0;
	set_flags(event, 0);
	for (int i = 0; i < base->ready_count; i++)
		if (base->ready[i] == event)
			base->ready[i] = NULL;
	return 0;
}

void
event_free(struct event *event)
{
	event_del(event);
	free(event);
}

void
event_active(struct event *event, int what, short calls)
{
	(void)what, (void)calls;
	set_flags(event, (short)(*flags_of(event) | ACTIVE));
	process_wake(event->ev_base->process);
}
