/* SPDX-License-Identifier: MIT */
/*
 * Those who wait for something to happen: event streams, which get everything,
 * and waiters, which get one answer. A watcher that reads too slowly misses
 * events and is told how many; it never slows the queue.
 */
#ifndef GSQ_QUEUE_WATCH_H
#define GSQ_QUEUE_WATCH_H

#include "core/core.h"
#include "queue/client.h"
#include "queue/outlet.h"

#include <stdint.h>
#include <sys/queue.h>

/* Requests that wait, of one connection: each is remembered until its answer.
 */
#define WAITERS_PER_CLIENT_MAX 10000

/* Jobs that were cancelled or deleted, and are remembered as such: whoever asks
 * for one of them does so soon. */
#define REMOVED_MAX 1024

struct awaited;

/* A job that ended otherwise than done. */
struct removed {
	uint64_t id;
	enum core_event how;
};

struct watch {
	const struct core *core;
	struct outlet *outlet;
	struct client_list watchers;
	struct awaited *jobs;	   /* hash by id: who waits for each */
	struct waiter_list queues; /* who waits for a queue; there are few */
	uint64_t sequence;	   /* of the last event */
	uint64_t first_id; /* jobs below may have been lost by a restart */
	struct removed removed[REMOVED_MAX]; /* the oldest makes room */
	uint64_t removed_count;		     /* ever */
};

/* first_id: a job below that is not there may have been lost by a restart;
 * every other one is done. */
void watch_init(struct watch *watch, const struct core *core,
    struct outlet *outlet, uint64_t first_id);
void watch_release(struct watch *watch);

/* Streams events to the client from now on, of that queue or, when it is
 * empty, of all; takes the place of an earlier stream. */
void watch_events(
    struct watch *watch, struct client *client, struct span queue);

/* Answers the request when the job has ended. Refusals are returned, with
 * *ret_words. */
enum refusal watch_job(struct watch *watch, struct client *client,
    uint64_t msgid, uint64_t id, enum visible visible, const char **ret_words);

/* Answers the request when the queue has no unfinished job. */
enum refusal watch_queue(struct watch *watch, struct client *client,
    uint64_t msgid, struct span queue, enum visible visible,
    const char **ret_words);

/* Something happened (WISH_TELL); visible says when it may be shown. */
void watch_tell(
    struct watch *watch, const struct wish *wish, enum visible visible);

/* The client has read all that it had not read for long: is told of what it
 * missed. */
void watch_drained(struct watch *watch, struct client *client);

/* The client is about to be freed. */
void watch_forget(struct watch *watch, struct client *client);

#endif
