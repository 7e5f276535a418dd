/* SPDX-License-Identifier: MIT */
#include "queue/watch.h"

#include "base/check.h"
#include "sys/clock.h"

#include <stdlib.h>
#include <sys/socket.h>

static const char too_many[] = "too many requests wait already";

/* A request that waits: for a job, or for a queue. */
struct waiter {
	struct client *client;
	uint64_t msgid;
	struct awaited *job; /* NULL: it waits for the queue */
	struct name queue;
	LIST_ENTRY(waiter) in_awaited; /* or in watch->queues */
	LIST_ENTRY(waiter) in_client;
};

/* A job that somebody waits for. */
struct awaited {
	uint64_t id;
	struct waiter_list waiters;
	UT_hash_handle hh;
};

int
watch_init(struct watch *watch, const struct core *core, struct outlet *outlet,
    uint64_t first_id)
{
	*watch = (struct watch){
		.core = core, .outlet = outlet, .first_id = first_id
	};
	TAILQ_INIT(&watch->watchers);
	LIST_INIT(&watch->queues);
	return recent_init(&watch->recent);
}

void
watch_release(struct watch *watch)
{
	CHECK(watch->jobs == NULL && LIST_EMPTY(&watch->queues));
	CHECK(TAILQ_EMPTY(&watch->watchers));
	recent_release(&watch->recent);
}

/* ---- waiters ---- */

static struct waiter *
waiter_new(struct client *client, uint64_t msgid)
{
	struct waiter *waiter = NULL;
	if (client->waiter_count < WAITERS_PER_CLIENT_MAX)
		waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return NULL;
	waiter->client = client;
	waiter->msgid = msgid;
	client->waiter_count++;
	LIST_INSERT_HEAD(&client->waiters, waiter, in_client);
	return waiter;
}

static void
forget_unawaited(struct watch *watch, struct awaited *job)
{
	if (job == NULL || !LIST_EMPTY(&job->waiters))
		return;
	HASH_DEL(watch->jobs, job);
	free(job);
}

static void
waiter_free(struct watch *watch, struct waiter *waiter)
{
	struct awaited *job = waiter->job;
	LIST_REMOVE(waiter, in_awaited);
	LIST_REMOVE(waiter, in_client);
	waiter->client->waiter_count--;
	free(waiter);
	forget_unawaited(watch, job);
}

static struct awaited *
find_awaited(struct watch *watch, uint64_t id)
{
	struct awaited *job;
	HASH_FIND(hh, watch->jobs, &id, sizeof(id), job);
	return job;
}

static struct awaited *
find_or_add_awaited(struct watch *watch, uint64_t id)
{
	struct awaited *job = find_awaited(watch, id);
	if (job != NULL || (job = calloc(1, sizeof(*job))) == NULL)
		return job;
	job->id = id;
	LIST_INIT(&job->waiters);
	HASH_ADD(hh, watch->jobs, id, sizeof(job->id), job);
	if (job->hh.tbl != NULL)
		return job;
	free(job);
	return NULL;
}

/* ---- answers ---- */

static void
answer(struct watch *watch, struct client *client, uint64_t msgid,
    const char *state, enum visible visible)
{
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 1);
	put_key(&writer, "state");
	put_text(&writer, span_of(state));
	outlet_end(watch->outlet, client, &writer, visible);
}

static void
note_removed(struct watch *watch, const struct wish *wish)
{
	watch->removed[watch->removed_count++ % REMOVED_MAX] =
	    (struct removed){ wish->id, wish->event };
}

/* Of a job that is not there: done, unless somebody took it away. A dead one
 * stays, and one that was folded is found as another. */
static const char *
end_of(const struct watch *watch, uint64_t id)
{
	for (uint32_t i = 0; i < REMOVED_MAX; i++)
		if (watch->removed[i].id == id)
			return core_event_name(watch->removed[i].how);
	return id >= watch->first_id ? "done" : "gone";
}

enum refusal
watch_job(struct watch *watch, struct client *client, uint64_t msgid,
    uint64_t id, enum visible visible, const char **ret_words)
{
	const struct core *core = watch->core;
	uint32_t handle = jobs_resolve(&core->jobs, id);
	if (handle == 0 && id >= core->next_id) {
		*ret_words = "no such job";
		return REFUSAL_NOT_FOUND;
	}
	if (handle == 0) {
		answer(watch, client, msgid, end_of(watch, id), visible);
		return REFUSAL_NONE;
	}
	if (job_at(&core->jobs, handle)->state == JOB_DEAD) {
		answer(watch, client, msgid, "dead", visible);
		return REFUSAL_NONE;
	}
	struct awaited *job =
	    find_or_add_awaited(watch, job_at(&core->jobs, handle)->id);
	struct waiter *waiter = job ? waiter_new(client, msgid) : NULL;
	if (waiter == NULL) {
		forget_unawaited(watch, job);
		*ret_words = too_many;
		return REFUSAL_FULL;
	}
	waiter->job = job;
	LIST_INSERT_HEAD(&job->waiters, waiter, in_awaited);
	return REFUSAL_NONE;
}

enum refusal
watch_queue(struct watch *watch, struct client *client, uint64_t msgid,
    struct span queue, enum visible visible, const char **ret_words)
{
	const struct lane *lane = lanes_find(&watch->core->lanes, queue);
	if (lane == NULL || lane_unfinished(lane) == 0) {
		answer(watch, client, msgid, "empty", visible);
		return REFUSAL_NONE;
	}
	struct waiter *waiter = waiter_new(client, msgid);
	if (waiter == NULL) {
		*ret_words = too_many;
		return REFUSAL_FULL;
	}
	CHECK(name_set(&waiter->queue, queue));
	LIST_INSERT_HEAD(&watch->queues, waiter, in_awaited);
	return REFUSAL_NONE;
}

static void
answer_waiter(struct watch *watch, struct waiter *waiter, const char *state,
    enum visible visible)
{
	answer(watch, waiter->client, waiter->msgid, state, visible);
	waiter_free(watch, waiter);
}

static void
answer_job_waiters(
    struct watch *watch, uint64_t id, const char *state, enum visible visible)
{
	struct awaited *job = find_awaited(watch, id);
	if (job == NULL)
		return;
	/* The last one takes the list with it. */
	struct waiter *waiter = LIST_FIRST(&job->waiters);
	while (waiter != NULL) {
		struct waiter *following = LIST_NEXT(waiter, in_awaited);
		answer_waiter(watch, waiter, state, visible);
		waiter = following;
	}
}

static void
answer_queue_waiters(
    struct watch *watch, const struct lane *lane, enum visible visible)
{
	struct waiter *waiter = LIST_FIRST(&watch->queues);
	while (waiter != NULL) {
		struct waiter *following = LIST_NEXT(waiter, in_awaited);
		if (strcmp(waiter->queue.text, lane->name.text) == 0)
			answer_waiter(watch, waiter, "empty", visible);
		waiter = following;
	}
}

/* Whoever waits for a job that was folded waits for the other one. */
static void
follow_fold(struct watch *watch, const struct wish *wish)
{
	struct awaited *from = find_awaited(watch, wish->id);
	if (from == NULL)
		return;
	struct awaited *to = find_or_add_awaited(watch, wish->into);
	struct waiter *waiter = LIST_FIRST(&from->waiters);
	while (waiter != NULL) {
		struct waiter *following = LIST_NEXT(waiter, in_awaited);
		if (to == NULL) {
			/* Without memory he cannot be told when. */
			answer_waiter(watch, waiter, "gone", VISIBLE_COMMITTED);
		} else {
			LIST_REMOVE(waiter, in_awaited);
			LIST_INSERT_HEAD(&to->waiters, waiter, in_awaited);
			waiter->job = to;
		}
		waiter = following;
	}
	if (to != NULL)
		forget_unawaited(watch, from);
}

/* ---- the numbers of events ---- */

bool
watch_wants_numbers(const struct watch *watch)
{
	return watch->numbers_through > 0 &&
	    recent_numbers_run_out(watch_last(watch), watch->numbers_through);
}

void
watch_number(struct watch *watch, uint64_t free, uint64_t through)
{
	if (watch->numbers_through == 0)
		watch->base = free;
	watch->numbers_through = through;
	CHECK(watch_last(watch) < through);
}

bool
watch_take_numbers(struct watch *watch, struct turn *turn)
{
	uint64_t free = turn->events_through;
	if (watch->numbers_through > 0 && !watch_wants_numbers(watch))
		return true;
	uint64_t used = watch->numbers_through > 0 ? watch_last(watch)
						   : free + watch->recent.last;
	uint64_t through = recent_numbers_through(used);
	if (!turn_take_event_numbers(turn, through))
		return false;
	watch_number(watch, free, through);
	return true;
}

uint64_t
watch_last(const struct watch *watch)
{
	return watch->base + watch->recent.last;
}

static void
stop_watching(struct watch *watch, struct client *client)
{
	TAILQ_REMOVE(&watch->watchers, client, in_watchers);
	client->watching.active = false;
}

/* The disk has had no room for more numbers since a quarter of a billion
 * events: no event can be shown until it has. Whoever asks again is told so. */
static void
run_out_of_numbers(struct watch *watch)
{
	struct client *client;
	while ((client = TAILQ_FIRST(&watch->watchers)) != NULL) {
		stop_watching(watch, client);
		shutdown(client->peer.fd, SHUT_RDWR);
	}
	recent_clear(&watch->recent);
	watch->numbers_through = 0;
}

/* ---- events ---- */

/* All but its number and type go without saying where they are empty. */
static void
begin_event(struct message_writer *writer, struct client *client,
    uint64_t number, int64_t time_ms, const char *type, uint32_t keys)
{
	message_notification(
	    writer, &client->peer.output, SPAN_LITERAL("event"), 3 + keys);
	put_key(writer, "seq");
	put_unsigned(writer, number);
	put_key(writer, "time_ms");
	put_integer(writer, time_ms);
	put_key(writer, "type");
	put_text(writer, span_of(type));
}

/* A gap has the number of the last event that is missing. */
static void
tell_gap(struct watch *watch, struct client *client, uint64_t from,
    uint64_t through, enum visible visible)
{
	struct message_writer writer;
	begin_event(&writer, client, through, clock_wall_ms(), "gap", 1);
	put_key(&writer, "from");
	put_unsigned(&writer, from);
	outlet_end(watch->outlet, client, &writer, visible);
}

static void
put_if_there(struct message_writer *writer, const char *key, struct span text)
{
	if (text.count == 0)
		return;
	put_key(writer, key);
	put_text(writer, text);
}

static void
put_number_if_there(
    struct message_writer *writer, const char *key, uint64_t number, bool there)
{
	if (!there)
		return;
	put_key(writer, key);
	put_unsigned(writer, number);
}

static void
send_event(struct watch *watch, struct client *client, uint64_t number,
    const struct happening *event, enum visible visible)
{
	struct message_writer writer;
	bool has_job = event->job != 0;
	uint32_t keys = 2u * has_job + (event->queue.count > 0) +
	    (event->worker.count > 0) + (event->reason.count > 0) +
	    (event->into != 0);
	begin_event(&writer, client, number, event->time_ms,
	    core_event_name(event->type), keys);
	put_number_if_there(&writer, "job", event->job, has_job);
	put_if_there(&writer, "queue", event->queue);
	put_number_if_there(&writer, "attempt", event->attempt, has_job);
	put_if_there(&writer, "worker", event->worker);
	put_if_there(&writer, "reason", event->reason);
	put_number_if_there(&writer, "into", event->into, event->into != 0);
	outlet_end(watch->outlet, client, &writer, visible);
}

/* The next event that is remembered, unless it is none of its queue's. Returns
 * how many that is. */
static int
send_next(struct watch *watch, struct client *client, enum visible visible)
{
	struct happening event;
	struct watching *watching = &client->watching;
	uint64_t number = watching->next++;
	recent_get(&watch->recent, number - watch->base, &event);
	if (*watching->queue.text != '\0' &&
	    !span_is_text(event.queue, watching->queue.text))
		return 0;
	send_event(watch, client, number, &event, visible);
	return 1;
}

void
watch_events(struct watch *watch, struct client *client, struct span queue,
    uint64_t after)
{
	CHECK(watch->numbers_through > 0 && after <= watch_last(watch));
	if (!client->watching.active)
		TAILQ_INSERT_TAIL(&watch->watchers, client, in_watchers);
	client->watching =
	    (struct watching){ .active = true, .next = after + 1 };
	if (queue.count > 0)
		CHECK(name_set(&client->watching.queue, queue));
}

void
watch_go_on(struct watch *watch, struct client *client, enum visible visible)
{
	struct watching *watching = &client->watching;
	uint64_t first = watch->base + watch->recent.first;
	if (!watching->active)
		return;
	if (watching->next < first) {
		tell_gap(watch, client, watching->next, first - 1, visible);
		watching->next = first;
	}
	/* Who is still behind then has something in his output to drain. */
	int sent = 0;
	while (watching->next <= watch_last(watch) &&
	    peer_has_room(&client->peer) && sent < EVENTS_PER_TURN)
		sent += send_next(watch, client, visible);
	if (watching->next <= watch_last(watch))
		peer_want_drained(&client->peer);
}

static bool
failed_somehow(enum core_event event)
{
	return event == EVENT_FAILED || event == EVENT_RETRIED ||
	    event == EVENT_RELEASED || event == EVENT_RETURNED ||
	    event == EVENT_DEAD || event == EVENT_CANCELLED;
}

void
watch_end_turn(struct watch *watch)
{
	watch->turn_wall_ms = 0;
}

static void
remember(struct watch *watch, const struct wish *wish)
{
	const struct core *core = watch->core;
	if (watch->turn_wall_ms == 0)
		watch->turn_wall_ms = clock_wall_ms();
	struct happening event = {
		.time_ms = watch->turn_wall_ms,
		.type = wish->event,
		.job = wish->id,
		.attempt = wish->attempt,
		.into = wish->into,
	};
	if (wish->lane != 0)
		event.queue =
		    span_of(lane_at(&core->lanes, wish->lane)->name.text);
	if (wish->subscriber != 0)
		event.worker = span_of(
		    subscriber_at(&core->demand, wish->subscriber)->name.text);
	if (wish->job != 0 && failed_somehow(wish->event))
		event.reason = span_of(
		    job_reason(&core->jobs, job_at(&core->jobs, wish->job)));
	recent_add(&watch->recent, &event);
}

/* Who is behind goes on when he has read: what he has not been sent may not all
 * be shown yet. */
static void
tell_watchers(struct watch *watch, enum visible visible)
{
	struct client *client;
	uint64_t last = watch_last(watch);
	TAILQ_FOREACH(client, &watch->watchers, in_watchers)
		if (client->watching.next == last &&
		    peer_has_room(&client->peer))
			send_next(watch, client, visible);
}

void
watch_tell(struct watch *watch, const struct wish *wish, enum visible visible)
{
	const struct core *core = watch->core;
	remember(watch, wish);
	if (watch->numbers_through == watch_last(watch))
		run_out_of_numbers(watch);
	tell_watchers(watch, visible);
	if (wish->event == EVENT_FOLDED)
		follow_fold(watch, wish);
	if (wish->event == EVENT_CANCELLED || wish->event == EVENT_DELETED)
		note_removed(watch, wish);
	else if (wish->event != EVENT_DONE && wish->event != EVENT_DEAD)
		return;
	if (watch->jobs != NULL)
		answer_job_waiters(
		    watch, wish->id, core_event_name(wish->event), visible);
	const struct lane *lane = lane_at(&core->lanes, wish->lane);
	if (!LIST_EMPTY(&watch->queues) && lane_unfinished(lane) == 0)
		answer_queue_waiters(watch, lane, visible);
}

/* ---- the end of a client ---- */

void
watch_forget(struct watch *watch, struct client *client)
{
	while (!LIST_EMPTY(&client->waiters))
		waiter_free(watch, LIST_FIRST(&client->waiters));
	if (client->watching.active)
		stop_watching(watch, client);
}
