/* SPDX-License-Identifier: MIT */
/*
 * A connection of the queue: a producer, a worker, somebody who looks, or all
 * of these at once.
 */
#ifndef GSQ_QUEUE_CLIENT_H
#define GSQ_QUEUE_CLIENT_H

#include "base/name.h"
#include "sys/peer.h"
#include "sys/socket.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct server;
struct waiter;
LIST_HEAD(waiter_list, waiter);

/* What an event stream is of. */
struct watching {
	bool active;
	struct name queue; /* empty: of all queues */
	uint64_t next;	   /* the number of the event that it is sent next */
};

struct client {
	struct peer peer;
	struct server *server;
	struct credentials credentials;
	uint32_t subscriber; /* handle in the core; 0: no worker */

	/* What of the output may be seen once the turn has written down what it
	 * tells of, and what may not yet, see outlet.h. */
	uint64_t free_bytes;
	uint64_t gathering_bytes;
	uint64_t committing_bytes;
	bool in_dirty;
	bool in_waiting;

	/* Responses to deliveries: received, in the batch that is being
	 * committed or an earlier one, and told as settled. */
	uint64_t answers;
	uint64_t answers_committing;
	uint64_t answers_settled;

	struct watching watching;
	struct waiter_list waiters; /* requests that wait, see watch.h */
	uint32_t waiter_count;

	TAILQ_ENTRY(client) in_all;
	TAILQ_ENTRY(client) in_watchers;
	TAILQ_ENTRY(client) dirty;
	TAILQ_ENTRY(client) waiting;
};

TAILQ_HEAD(client_list, client);

#endif
