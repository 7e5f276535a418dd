/* SPDX-License-Identifier: MIT */
/*
 * fd 3: what the supervisor hears from the worker. Its end is the supervisor's
 * death.
 */
#ifndef GSQ_WORKER_CHANNEL_H
#define GSQ_WORKER_CHANNEL_H

#include "sys/peer.h"

#include <event2/event.h>
#include <stdbool.h>

struct channel {
	struct peer peer;
	bool open;
	void (*on_closed)(void *context);
	void *context;
};

/* A zeroed channel is one that nobody listens to. 0 or an errno. */
int channel_init(struct channel *channel, struct event_base *base, int fd,
    void (*on_closed)(void *context), void *context);
void channel_release(struct channel *channel);

void channel_tell_ready(struct channel *channel);

/* Nothing while the one before has not been read: a supervisor that is halted
 * must not find thousands. */
void channel_tell_alive(struct channel *channel);

/* reason: why no handler can be run; NULL: it can. */
void channel_tell_health(struct channel *channel, const char *reason);

#endif
