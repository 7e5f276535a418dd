/* SPDX-License-Identifier: MIT */
#include "core/demand.h"

#include "base/check.h"
#include "base/planted.h"

void
demand_init(struct demand *demand)
{
	*demand = (struct demand){ 0 };
	slab_init(&demand->subscribers, sizeof(struct subscriber));
	slab_init(&demand->subscriptions, sizeof(struct subscription));
	TAILQ_INIT(&demand->all);
	TAILQ_INIT(&demand->silent);
}

void
demand_release(struct demand *demand)
{
	slab_release(&demand->subscribers);
	slab_release(&demand->subscriptions);
}

static bool
served_before(const void *context, uint32_t a_handle, uint32_t b_handle)
{
	const struct subscription *a = subscription_at(context, a_handle);
	const struct subscription *b = subscription_at(context, b_handle);
	if (a->demand != b->demand)
		return a->demand > b->demand;
	return a->waiting_since < b->waiting_since;
}

static void
note_place(const void *context, uint32_t handle, uint32_t position)
{
	subscription_at(context, handle)->place = position;
}

void
demand_init_lane(struct demand *demand, struct lane *lane)
{
	heap_init(&lane->asking, served_before, note_place, demand);
}

struct subscriber *
demand_find_worker(
    const struct demand *demand, int64_t pid, int64_t incarnation)
{
	struct subscriber *subscriber;
	LIST_FOREACH(subscriber,
	    &demand->supervised[(uint64_t)pid % SUPERVISED_LISTS],
	    in_supervised)
		if (subscriber->pid == pid &&
		    subscriber->incarnation == incarnation)
			return subscriber;
	return NULL;
}

struct subscriber *
demand_join(struct demand *demand, int64_t pid, int64_t incarnation)
{
	uint32_t handle = slab_take(&demand->subscribers);
	if (handle == 0)
		return NULL;
	struct subscriber *subscriber = subscriber_at(demand, handle);
	subscriber->handle = handle;
	subscriber->pid = pid;
	subscriber->incarnation = incarnation;
	subscriber->connected = true;
	LIST_INIT(&subscriber->subscriptions);
	TAILQ_INSERT_TAIL(&demand->all, subscriber, in_all);
	if (incarnation > 0)
		LIST_INSERT_HEAD(
		    &demand->supervised[(uint64_t)pid % SUPERVISED_LISTS],
		    subscriber, in_supervised);
	return subscriber;
}

uint32_t
demand_stand_in(struct demand *demand)
{
	uint32_t handle = slab_take(&demand->subscribers);
	if (handle == 0)
		return 0;
	struct subscriber *subscriber = subscriber_at(demand, handle);
	subscriber->handle = handle;
	LIST_INIT(&subscriber->subscriptions);
	return handle;
}

void
demand_stand_down(struct demand *demand, struct subscriber *subscriber)
{
	CHECK(subscriber->running.head == 0);
	slab_give(&demand->subscribers, subscriber->handle);
}

void
demand_disown(struct subscriber *subscriber)
{
	if (subscriber->incarnation > 0)
		LIST_REMOVE(subscriber, in_supervised);
	subscriber->incarnation = 0;
	subscriber->over = true;
}

void
demand_silence(
    struct demand *demand, struct subscriber *subscriber, int64_t return_at_ms)
{
	if (!subscriber->connected)
		TAILQ_REMOVE(&demand->silent, subscriber, in_silent);
	subscriber->connected = false;
	subscriber->return_at_ms = return_at_ms;
	TAILQ_INSERT_TAIL(&demand->silent, subscriber, in_silent);
}

void
demand_leave(struct demand *demand, struct subscriber *subscriber)
{
	CHECK(subscriber->running.head == 0);
	CHECK(LIST_EMPTY(&subscriber->subscriptions));
	demand_disown(subscriber);
	if (!subscriber->connected)
		TAILQ_REMOVE(&demand->silent, subscriber, in_silent);
	subscriber->connected = false;
	TAILQ_REMOVE(&demand->all, subscriber, in_all);
	slab_give(&demand->subscribers, subscriber->handle);
}

struct subscription *
demand_find(const struct subscriber *subscriber, const struct lane *lane)
{
	struct subscription *subscription;
	LIST_FOREACH(subscription, &subscriber->subscriptions, in_subscriber)
		if (subscription->lane == lane->handle)
			return subscription;
	return NULL;
}

struct subscription *
demand_subscribe(
    struct demand *demand, struct subscriber *subscriber, struct lane *lane)
{
	/* Room in the heap is made here, where a refusal is still possible. */
	if (!heap_reserve(&lane->asking, lane->subscription_count + 1))
		return NULL;
	uint32_t handle = slab_take(&demand->subscriptions);
	if (handle == 0)
		return NULL;
	struct subscription *subscription = subscription_at(demand, handle);
	subscription->handle = handle;
	subscription->subscriber = subscriber->handle;
	subscription->lane = lane->handle;
	LIST_INSERT_HEAD(&lane->subscriptions, subscription, in_lane);
	lane->subscription_count++;
	LIST_INSERT_HEAD(
	    &subscriber->subscriptions, subscription, in_subscriber);
	subscriber->subscription_count++;
	return subscription;
}

void
demand_unsubscribe(
    struct demand *demand, struct lanes *lanes, struct subscriber *subscriber)
{
	struct subscription *subscription;
	while ((subscription = LIST_FIRST(&subscriber->subscriptions))) {
		struct lane *lane = lane_at(lanes, subscription->lane);
		if (subscription->place != 0)
			heap_remove(&lane->asking, subscription->place);
		LIST_REMOVE(subscription, in_lane);
		LIST_REMOVE(subscription, in_subscriber);
		lane->subscription_count--;
		lanes_note(lanes, lane);
		slab_give(&demand->subscriptions, subscription->handle);
	}
	subscriber->subscription_count = 0;
}

static bool
can_be_served(const struct subscriber *subscriber,
    const struct subscription *subscription)
{
	return subscription->demand > 0 && !subscriber_is_full(subscriber);
}

/* Puts a subscription where it belongs after anything about it changed. */
static void
place(struct demand *demand, const struct lanes *lanes,
    struct subscription *subscription)
{
	struct heap *asking = &lane_at(lanes, subscription->lane)->asking;
	const struct subscriber *subscriber =
	    subscriber_at(demand, subscription->subscriber);
	if (!can_be_served(subscriber, subscription)) {
		if (subscription->place != 0)
			heap_remove(asking, subscription->place);
	} else if (subscription->place != 0) {
		heap_changed(asking, subscription->place);
	} else {
		/* Reserved at the subscription: cannot fail. */
		CHECK(heap_add(asking, subscription->handle));
	}
}

bool
demand_ask(struct demand *demand, const struct lanes *lanes,
    struct subscription *subscription, uint32_t n)
{
	if (n > DEMAND_MAX - subscription->demand)
		return false;
	if (subscription->demand == 0)
		subscription->waiting_since = ++demand->events;
	subscription->demand += n + PLANTED(ONE_JOB_TOO_MANY);
	place(demand, lanes, subscription);
	return true;
}

struct subscription *
demand_first(const struct demand *demand, const struct lane *lane)
{
	uint32_t handle = heap_first(&lane->asking);
	return handle ? subscription_at(demand, handle) : NULL;
}

/* All subscriptions of a subscriber: it just became too full, or no longer. */
static void
place_all(struct demand *demand, const struct lanes *lanes,
    struct subscriber *subscriber)
{
	struct subscription *subscription;
	LIST_FOREACH(subscription, &subscriber->subscriptions, in_subscriber)
		place(demand, lanes, subscription);
}

void
demand_adopted(struct demand *demand, const struct lanes *lanes,
    struct subscriber *subscriber, uint32_t body_bytes)
{
	subscriber->running_count++;
	subscriber->held_bytes += body_bytes;
	if (subscriber_is_full(subscriber))
		place_all(demand, lanes, subscriber);
}

void
demand_served(struct demand *demand, const struct lanes *lanes,
    struct subscription *subscription, uint32_t body_bytes)
{
	CHECK(subscription->demand > 0);
	subscription->demand--;
	subscription->waiting_since = ++demand->events;
	demand_adopted(demand, lanes,
	    subscriber_at(demand, subscription->subscriber), body_bytes);
	place(demand, lanes, subscription);
}

void
demand_relieved(struct demand *demand, const struct lanes *lanes,
    struct subscriber *subscriber, uint32_t body_bytes)
{
	bool was_full = subscriber_is_full(subscriber);
	CHECK(subscriber->running_count > 0 &&
	    subscriber->held_bytes >= body_bytes);
	subscriber->running_count--;
	subscriber->held_bytes -= body_bytes;
	if (was_full && !subscriber_is_full(subscriber))
		place_all(demand, lanes, subscriber);
}

uint64_t
demand_pending(const struct lane *lane)
{
	uint64_t pending = 0;
	const struct subscription *subscription;
	LIST_FOREACH(subscription, &lane->subscriptions, in_lane)
		pending += subscription->demand;
	return pending;
}
