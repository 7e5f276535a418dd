/* SPDX-License-Identifier: MIT */
/*
 * fd 3: what the supervisor and the worker tell each other. Its end is the
 * supervisor's death.
 */
#ifndef GSQ_WORKER_CHANNEL_H
#define GSQ_WORKER_CHANNEL_H

#include "sys/peer.h"

#include <event2/event.h>
#include <stdbool.h>

struct channel_events;

struct channel {
	struct peer peer;
	bool open;
	const struct channel_events *events;
	void *context;
};

struct channel_events {
	/* The supervisor is dead. */
	void (*on_closed)(void *context);

	/* The log file is to be opened anew. */
	void (*on_reopen)(void *context);

	/* Nothing new is to be begun, or again. */
	void (*on_rest)(void *context, bool on);
};

/* A zeroed channel is one that nobody listens to. 0 or an errno. */
int channel_init(struct channel *channel, struct event_base *base, int fd,
    const struct channel_events *events, void *context);
void channel_release(struct channel *channel);

void channel_tell_ready(struct channel *channel);

/* Nothing while the one before has not been read: a supervisor that is halted
 * must not find thousands. */
void channel_tell_alive(struct channel *channel);

/* "My first job has ended." */
void channel_tell_worked(struct channel *channel);

/* "I have done my share", and why. */
void channel_tell_renew(struct channel *channel, const char *reason);

/* reason: why no handler can be run; NULL: it can. */
void channel_tell_health(struct channel *channel, const char *reason);

#endif
