/* SPDX-License-Identifier: MIT */
/*
 * Who asked for how much: subscribers (workers' connections) and their
 * subscriptions to lanes.
 *
 * Demand belongs to a subscription, dies with its connection, and there is no
 * second counter: what a lane is owed is the sum over its subscriptions.
 *
 * Who is served next: the one with the most unserved demand, among equals the
 * one that waits longest. So demand is spread, one job at a time. (GenStage's
 * DemandDispatcher gives all of 8 jobs to one of two consumers.)
 */
#ifndef GSQ_CORE_DEMAND_H
#define GSQ_CORE_DEMAND_H

#include "base/name.h"
#include "core/job.h"
#include "core/lane.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* Bodies that one subscriber may hold before it is served no more until it has
 * answered some: bounds the memory of the worker, and what waits in its
 * socket. One job above it is always allowed. */
#define HELD_BYTES_MAX (4u * 1024 * 1024)

struct subscriber;

struct subscription {
	uint32_t handle;
	uint32_t subscriber;
	uint32_t lane;
	uint32_t demand;	/* asked for and not yet delivered */
	uint32_t place;		/* position in lane->asking; 0: not there */
	uint64_t waiting_since; /* a count of demand events, not a time */
	LIST_ENTRY(subscription) in_lane;
	LIST_ENTRY(subscription) in_subscriber;
};

struct subscriber {
	uint32_t handle;
	struct name name;
	int64_t pid;	     /* 0: unknown */
	int64_t incarnation; /* above 0: a supervisor started it and will say
			      * when it and all it started are dead */
	bool connected;
	bool over; /* dead, or connected anew: the end of this connection is
		    * on its way */
	int64_t return_at_ms; /* disconnected: when its silence is acted on */
	struct job_list running;
	uint32_t running_count;
	uint64_t held_bytes;
	uint32_t last_msgid;
	uint64_t done;
	uint32_t subscription_count;
	LIST_HEAD(, subscription) subscriptions;
	TAILQ_ENTRY(subscriber) in_all;
	TAILQ_ENTRY(subscriber) in_silent;    /* when not connected */
	LIST_ENTRY(subscriber) in_supervised; /* when incarnation > 0 */
};

/* Lists of supervised workers. Pids follow each other, so that with up to
 * CHILDREN_MAX workers there is about one in each. */
#define SUPERVISED_LISTS 1024

struct demand {
	struct slab subscribers;
	struct slab subscriptions;
	uint64_t events;
	TAILQ_HEAD(subscriber_list, subscriber) all;
	struct subscriber_list silent; /* disconnected, but not known dead; in
					* the order of return_at_ms */
	LIST_HEAD(, subscriber) supervised[SUPERVISED_LISTS]; /* by pid */
};

void demand_init(struct demand *demand);
void demand_release(struct demand *demand);

static inline struct subscriber *
subscriber_at(const struct demand *demand, uint32_t handle)
{
	return slab_at(&demand->subscribers, handle);
}

static inline struct subscription *
subscription_at(const struct demand *demand, uint32_t handle)
{
	return slab_at(&demand->subscriptions, handle);
}

/* It holds so much that it is given no more. */
static inline bool
subscriber_is_full(const struct subscriber *subscriber)
{
	return subscriber->held_bytes >= HELD_BYTES_MAX;
}

/* A connected subscriber without subscriptions; NULL without memory. The older
 * one of the same worker is to be disowned before the step ends. */
struct subscriber *demand_join(
    struct demand *demand, int64_t pid, int64_t incarnation);

/* A subscriber that stands for workers that are not there: not connected, and
 * in no list. Its handle, or 0 without memory; to be given back when it has no
 * job any more. */
uint32_t demand_stand_in(struct demand *demand);
void demand_stand_down(struct demand *demand, struct subscriber *subscriber);

/* The subscriber that speaks for a supervised worker, or NULL. */
struct subscriber *demand_find_worker(
    const struct demand *demand, int64_t pid, int64_t incarnation);

/* It speaks for its worker no more, and will not be heard again. */
void demand_disown(struct subscriber *subscriber);

/* Its connection has ended, and it is waited for until that moment, which is
 * never before one given before. Once more: it is waited for longer. */
void demand_silence(
    struct demand *demand, struct subscriber *subscriber, int64_t return_at_ms);

/* Forgets a subscriber that holds no job and has no subscription. */
void demand_leave(struct demand *demand, struct subscriber *subscriber);

/* The subscription of that subscriber to that lane, or NULL. */
struct subscription *demand_find(
    const struct subscriber *subscriber, const struct lane *lane);

/* A subscription with no demand; NULL without memory. */
struct subscription *demand_subscribe(
    struct demand *demand, struct subscriber *subscriber, struct lane *lane);

/* Ends all subscriptions of a subscriber and their demand. */
void demand_unsubscribe(
    struct demand *demand, struct lanes *lanes, struct subscriber *subscriber);

/* Adds n to the demand, at most up to DEMAND_MAX in all; false, and nothing
 * added, beyond that. */
bool demand_ask(struct demand *demand, const struct lanes *lanes,
    struct subscription *subscription, uint32_t n);

/* Prepares a lane's heap; once per lane, after lanes_add. */
void demand_init_lane(struct demand *demand, struct lane *lane);

/* The subscription to be served next, or NULL. */
struct subscription *demand_first(
    const struct demand *demand, const struct lane *lane);

/* One job of that size goes to this subscription's subscriber. */
void demand_served(struct demand *demand, const struct lanes *lanes,
    struct subscription *subscription, uint32_t body_bytes);

/* The subscriber no longer holds a job of that size. */
void demand_relieved(struct demand *demand, const struct lanes *lanes,
    struct subscriber *subscriber, uint32_t body_bytes);

/* Takes over a job of that size from another subscriber. */
void demand_adopted(struct demand *demand, const struct lanes *lanes,
    struct subscriber *subscriber, uint32_t body_bytes);

/* The sum of the demand of a lane. */
uint64_t demand_pending(const struct lane *lane);

#endif
