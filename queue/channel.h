/* SPDX-License-Identifier: MIT */
/*
 * fd 3: what the queue and the supervisor tell each other. Without a
 * supervisor there is no channel, and every worker is a foreign one.
 */
#ifndef GSQ_QUEUE_CHANNEL_H
#define GSQ_QUEUE_CHANNEL_H

#include "base/span.h"
#include "sys/peer.h"
#include "wire/method.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct channel_events {
	void (*on_worker_up)(
	    void *context, const struct params_worker_up *params);
	void (*on_introduced)(void *context);
	void (*on_worker_down)(
	    void *context, const struct params_worker_down *params);
	/* The log file is to be opened anew. */
	void (*on_reopen)(void *context);
	/* The supervisor is dead. */
	void (*on_closed)(void *context);
};

struct channel {
	bool open;
	struct peer peer;
	const struct channel_events *events;
	void *context;
};

/* Takes over the descriptor. 0 or an errno. */
int channel_init(struct channel *channel, struct event_base *base, int fd,
    const struct channel_events *events, void *context);
void channel_release(struct channel *channel);

/* "I serve." */
void channel_ready(struct channel *channel);

/* "I still do." Nothing while an earlier one has not been read. */
void channel_alive(struct channel *channel);

/* "Kill this worker." */
void channel_kill(struct channel *channel, int64_t pid, struct span reason);

#endif
