/* SPDX-License-Identifier: MIT */
#include "queue/inspect.h"

#include "base/key_rule.h"
#include "base/limits.h"
#include "core/lease.h"
#include "queue/obituary.h"
#include "queue/select.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1

/* Bodies in one page of whole jobs: more than that waits for the next one, so
 * that a page with one of the longest fits into a message. */
#define PAGE_BYTES_MAX (1024u * 1024)

/* What a list shows of a body. */
#define LIST_BODY_BYTES 64

/* Jobs that a stats request looks at to find the oldest ones: the same for all
 * queues together. */
#define STATS_LOOKS_MAX 20000

/* Of a queue. With the STATS_PAIRS more, 4096 queues are 155,000 objects: no
 * more than 31 pairs in all fit into a message. */
#define QUEUE_PAIRS 13
#define STATS_PAIRS 7

static void
finish(struct client *client, struct message_writer *writer)
{
	outlet_end(&client->server->outlet, client, writer, VISIBLE_NOW);
}

static void
refuse(struct client *client, uint64_t msgid, enum refusal refusal,
    const char *words)
{
	client->server->refused++;
	outlet_refuse(&client->server->outlet, client, msgid, refusal, words);
}

static void
put_pair(struct message_writer *writer, const char *key, int64_t value)
{
	put_key(writer, key);
	put_integer(writer, value);
}

static void
put_pair_text(struct message_writer *writer, const char *key, const char *text)
{
	put_key(writer, key);
	put_text(writer, span_of(text));
}

static int64_t
not_negative(int64_t value)
{
	return value > 0 ? value : 0;
}

void
inspect_ping(struct client *client, uint64_t msgid)
{
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 4);
	put_pair_text(&writer, "version", GSQ_VERSION);
	put_pair(&writer, "protocol", PROTOCOL_VERSION);
	put_pair(&writer, "pid", getpid());
	put_pair_text(&writer, "role", "queue");
	finish(client, &writer);
}

/* ---- jobs ---- */

static uint32_t
count_particulars(const struct core *core, const struct job *job,
    const char *reason, bool with_attempts)
{
	uint32_t count = *reason != '\0';
	count += job->crashes > 0;
	count += job->cancelled;
	count += job->by_wall;
	const struct job_terms terms = job_terms(&core->jobs, job);
	count += terms.expires_at_ms != 0;
	count += terms.ttr_ms != 0;
	count += terms.max_attempts != 0;
	count += with_attempts && obituary_is_there(core, job);
	if (job->state == JOB_RUNNING) {
		count += 3;
		count += lease_left_ms(core, job) != INT64_MAX;
	}
	if (job->state == JOB_DELAYED || job->state == JOB_DEAD)
		count++;
	if (job->key != 0)
		count += 3;
	return count;
}

/* What was said of the job itself, as an enqueue says it. */
static void
put_terms(struct message_writer *writer, struct job_terms terms, int64_t now_ms)
{
	if (terms.expires_at_ms != 0)
		put_pair(writer, "expires_in_ms",
		    not_negative(terms.expires_at_ms - now_ms));
	if (terms.ttr_ms != 0)
		put_pair(writer, "ttr_ms",
		    terms.ttr_ms == TTR_NONE ? 0 : terms.ttr_ms);
	if (terms.max_attempts != 0)
		put_pair(writer, "max_attempts", terms.max_attempts);
}

static void
put_particulars(struct message_writer *writer, const struct server *server,
    const struct job *job, const char *reason)
{
	const struct core *core = &server->turn.core;
	int64_t now_ms = clock_monotonic_ms();
	if (job->state == JOB_RUNNING) {
		const struct subscriber *subscriber =
		    subscriber_at(&core->demand, job->place);
		put_pair_text(writer, "worker", subscriber->name.text);
		put_pair(writer, "worker_pid", subscriber->pid);
		put_pair(
		    writer, "running_ms", not_negative(now_ms - job->at_ms));
		if (lease_left_ms(core, job) != INT64_MAX)
			put_pair(writer, "left_ms", lease_left_ms(core, job));
	} else if (job->state == JOB_DELAYED) {
		put_pair(writer, "due_in_ms",
		    not_negative(due_at_ms(job, core->wall_ms) - now_ms));
		if (job->by_wall)
			put_pair(writer, "due_wall_ms", job->at_ms);
	} else if (job->state == JOB_DEAD) {
		put_pair_text(writer, "cause",
		    job_cause_name((enum job_cause)job->cause));
	}
	if (*reason != '\0')
		put_pair_text(writer, "reason", reason);
	put_terms(writer, job_terms(&core->jobs, job), now_ms);
	if (job->crashes > 0)
		put_pair(writer, "crashes", job->crashes);
	if (job->cancelled) {
		put_key(writer, "cancelled");
		put_boolean(writer, true);
	}
	if (job->key == 0)
		return;
	put_key(writer, "key");
	put_bytes(writer, keys_text_of(&core->keys, job));
	put_pair_text(writer, "mode", key_mode_name((enum key_mode)job->mode));
	put_pair(writer, "hints", job->hints);
}

static void
put_job(struct message_writer *writer, struct server *server, uint32_t handle,
    size_t body_bytes_max, bool with_attempts)
{
	const struct core *core = &server->turn.core;
	const struct job *job = job_at(&core->jobs, handle);
	const char *reason = job_reason(&core->jobs, job);
	struct span body = turn_body(&server->turn, job);
	if (body.count > body_bytes_max)
		body.count = body_bytes_max;
	put_map(
	    writer, 8 + count_particulars(core, job, reason, with_attempts));
	put_key(writer, "id");
	put_unsigned(writer, job->id);
	put_pair_text(
	    writer, "queue", lane_at(&core->lanes, job->lane)->name.text);
	put_pair_text(
	    writer, "state", job_state_name((enum job_state)job->state));
	put_pair(writer, "priority", job->priority);
	put_pair(writer, "attempt", job->attempt);
	put_pair(writer, "enqueued_ms", job->enqueued_ms);
	put_pair(writer, "body_bytes", job->body_bytes);
	put_key(writer, "body");
	put_bytes(writer, body);
	put_particulars(writer, server, job, reason);
	if (with_attempts && obituary_is_there(core, job)) {
		put_key(writer, "attempts");
		obituary_put(writer, &server->turn, job);
	}
}

static void
answer_job(struct client *client, uint64_t msgid, uint32_t handle)
{
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_job(&writer, client->server, handle, BODY_BYTES_MAX, true);
	finish(client, &writer);
}

void
inspect_get(
    struct client *client, uint64_t msgid, const struct params_get *params)
{
	const struct core *core = &client->server->turn.core;
	uint32_t handle = jobs_resolve(&core->jobs, (uint64_t)params->id);
	char words[64];
	if (handle != 0) {
		answer_job(client, msgid, handle);
		return;
	}
	snprintf(words, sizeof(words), "no job %" PRId64 "%s", params->id,
	    (uint64_t)params->id < core->next_id ? ", any more" : "");
	refuse(client, msgid, REFUSAL_NOT_FOUND, words);
}

void
inspect_peek(
    struct client *client, uint64_t msgid, const struct params_peek *params)
{
	const struct core *core = &client->server->turn.core;
	const struct lane *lane = lanes_find(&core->lanes, params->queue);
	char words[NAME_BYTES_MAX + 64];
	if (lane != NULL && lane_first(lane) != 0) {
		answer_job(client, msgid, lane_first(lane));
		return;
	}
	snprintf(words, sizeof(words),
	    lane == NULL ? "no queue '%.*s'" : "no job is ready in '%.*s'",
	    (int)params->queue.count, params->queue.bytes);
	refuse(client, msgid, REFUSAL_NOT_FOUND, words);
}

/* ---- list ---- */

/* Whole bodies are many bytes: the page ends when there are enough, behind one
 * job at least. */
static void
cut_page(const struct core *core, struct selection *selection)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < selection->count; i++) {
		const struct job *job = job_at(&core->jobs, selection->jobs[i]);
		bytes += job->body_bytes;
		if (bytes <= PAGE_BYTES_MAX || i == 0)
			continue;
		selection->count = i;
		selection->next =
		    job_at(&core->jobs, selection->jobs[i - 1])->id;
	}
}

static void
answer_page(struct client *client, uint64_t msgid,
    const struct selection *selection, bool whole)
{
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 2);
	put_key(&writer, "jobs");
	put_array(&writer, selection->count);
	for (uint32_t i = 0; i < selection->count; i++)
		put_job(&writer, client->server, selection->jobs[i],
		    whole ? BODY_BYTES_MAX : LIST_BODY_BYTES, false);
	put_key(&writer, "next");
	put_unsigned(&writer, selection->next);
	finish(client, &writer);
}

void
inspect_list(
    struct client *client, uint64_t msgid, const struct params_list *params)
{
	const struct core *core = &client->server->turn.core;
	struct selection selection;
	char words[SELECTION_WORDS_BYTES];
	enum refusal refusal = select_begin(
	    &selection, core, params->queue, params->state, params->key, words);
	if (refusal != REFUSAL_NONE) {
		refuse(client, msgid, refusal, words);
		return;
	}
	select_page(
	    &selection, core, (uint64_t)params->after, (uint32_t)params->limit);
	if (params->whole)
		cut_page(core, &selection);
	answer_page(client, msgid, &selection, params->whole);
}

/* ---- queues, workers ---- */

static uint32_t
count_subscribers(const struct lane *lane)
{
	uint32_t count = 0;
	const struct subscription *subscription;
	LIST_FOREACH(subscription, &lane->subscriptions, in_lane)
		count++;
	return count;
}

/* What is told of a queue, in QUEUE_PAIRS pairs. */
static void
put_queue_pairs(struct message_writer *writer, const struct lane *lane)
{
	put_pair_text(writer, "name", lane->name.text);
	put_pair(writer, "ready", lane->counts[JOB_READY]);
	put_pair(writer, "blocked", lane->counts[JOB_BLOCKED]);
	put_pair(writer, "delayed", lane->counts[JOB_DELAYED]);
	put_pair(writer, "running", lane->counts[JOB_RUNNING]);
	put_pair(writer, "dead", lane->counts[JOB_DEAD]);
	put_key(writer, "demand");
	put_unsigned(writer, demand_pending(lane));
	put_pair(writer, "subscribers", count_subscribers(lane));
	put_key(writer, "enqueued");
	put_unsigned(writer, lane->enqueued);
	put_key(writer, "done");
	put_unsigned(writer, lane->done);
	put_key(writer, "failed");
	put_unsigned(writer, lane->failed);
	put_key(writer, "paused");
	put_boolean(writer, lane->gate.is_paused);
	put_key(writer, "draining");
	put_boolean(writer, lane->gate.is_draining);
	if (!lane->gate.is_paused)
		return;
	put_pair(writer, "paused_by", lane->gate.uid);
	put_pair(writer, "paused_ms", lane->gate.since_wall_ms);
	if (lane->gate.resume_at_ms != INT64_MAX)
		put_pair(writer, "resume_in_ms",
		    not_negative(
			lane->gate.resume_at_ms - clock_monotonic_ms()));
}

static uint32_t
count_queue_pairs(const struct lane *lane)
{
	uint32_t count = QUEUE_PAIRS;
	if (lane->gate.is_paused)
		count += 2;
	if (lane->gate.is_paused && lane->gate.resume_at_ms != INT64_MAX)
		count++;
	return count;
}

static void
put_queue(struct message_writer *writer, const struct lane *lane)
{
	put_map(writer, count_queue_pairs(lane));
	put_queue_pairs(writer, lane);
}

void
inspect_queues(struct client *client, uint64_t msgid)
{
	const struct core *core = &client->server->turn.core;
	const struct lane *lane, *following;
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 1);
	put_key(&writer, "queues");
	put_array(&writer, HASH_CNT(by_name, core->lanes.by_name));
	HASH_ITER(by_name, core->lanes.by_name, lane, following)
		put_queue(&writer, lane);
	finish(client, &writer);
}

/* The jobs of a subscriber that are of that lane; 0: of any. */
static uint32_t
count_running(
    const struct core *core, const struct subscriber *subscriber, uint32_t lane)
{
	uint32_t count = 0;
	for (uint32_t handle = subscriber->running.head; handle != 0;
	     handle = job_at(&core->jobs, handle)->next)
		count += lane == 0 || job_at(&core->jobs, handle)->lane == lane;
	return count;
}

static void
put_running(struct message_writer *writer, const struct core *core,
    const struct subscriber *subscriber, uint32_t lane)
{
	int64_t now_ms = clock_monotonic_ms();
	put_array(writer, count_running(core, subscriber, lane));
	for (uint32_t handle = subscriber->running.head; handle != 0;
	     handle = job_at(&core->jobs, handle)->next) {
		const struct job *job = job_at(&core->jobs, handle);
		if (lane != 0 && job->lane != lane)
			continue;
		put_map(writer, 3);
		put_key(writer, "id");
		put_unsigned(writer, job->id);
		put_pair(writer, "attempt", job->attempt);
		put_pair(
		    writer, "running_ms", not_negative(now_ms - job->at_ms));
	}
}

/* One row: a subscription, or a subscriber that has none, because its
 * connection broke and its jobs wait for it. */
static void
put_worker(struct message_writer *writer, const struct core *core,
    const struct subscriber *subscriber,
    const struct subscription *subscription)
{
	const struct lane *lane = NULL;
	if (subscription != NULL)
		lane = lane_at(&core->lanes, subscription->lane);
	else if (subscriber->running.head != 0)
		lane = lane_at(&core->lanes,
		    job_at(&core->jobs, subscriber->running.head)->lane);
	put_map(writer, 8);
	put_pair_text(writer, "name", subscriber->name.text);
	put_pair(writer, "pid", subscriber->pid);
	put_pair_text(writer, "queue", lane != NULL ? lane->name.text : "");
	put_pair(
	    writer, "demand", subscription != NULL ? subscription->demand : 0);
	put_key(writer, "done");
	put_unsigned(writer, subscriber->done);
	put_key(writer, "supervised");
	/* The supervisor's word counts, not the worker's own. */
	put_boolean(writer,
	    roll_is_alive(
		&core->roll, subscriber->pid, subscriber->incarnation));
	put_key(writer, "connected");
	put_boolean(writer, subscriber->connected);
	put_key(writer, "jobs");
	put_running(
	    writer, core, subscriber, subscription != NULL ? lane->handle : 0);
}

static void
put_rows(struct message_writer *writer, const struct core *core,
    const struct subscriber *subscriber)
{
	const struct subscription *subscription;
	if (subscriber->subscription_count == 0)
		put_worker(writer, core, subscriber, NULL);
	LIST_FOREACH(subscription, &subscriber->subscriptions, in_subscriber)
		put_worker(writer, core, subscriber, subscription);
}

void
inspect_workers(struct client *client, uint64_t msgid)
{
	const struct core *core = &client->server->turn.core;
	const struct subscriber *subscriber;
	struct message_writer writer;
	uint32_t rows = 0;
	TAILQ_FOREACH(subscriber, &core->demand.all, in_all)
		rows += subscriber->subscription_count > 0
		    ? subscriber->subscription_count
		    : 1;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 1);
	put_key(&writer, "workers");
	put_array(&writer, rows);
	TAILQ_FOREACH(subscriber, &core->demand.all, in_all)
		put_rows(&writer, core, subscriber);
	finish(client, &writer);
}

/* ---- counters ---- */

static void
put_if_not_negative(
    struct message_writer *writer, const char *key, int64_t value)
{
	put_key(writer, key);
	if (value >= 0)
		put_integer(writer, value);
	else
		put_nil(writer);
}

static void
put_queue_stats(struct message_writer *writer, const struct core *core,
    const struct lane *lane, unsigned *looks)
{
	const struct {
		const char *key;
		const struct histogram *histogram;
		unsigned thousandths;
	} rows[] = {
		{ "wait_p50_ms", &lane->wait_ms, 500 },
		{ "wait_p95_ms", &lane->wait_ms, 950 },
		{ "wait_p99_ms", &lane->wait_ms, 990 },
		{ "run_p50_ms", &lane->run_ms, 500 },
		{ "run_p95_ms", &lane->run_ms, 950 },
		{ "run_p99_ms", &lane->run_ms, 990 },
	};
	int64_t since_ms = lane_ready_since_ms(&core->jobs, lane, looks);
	put_map(writer, count_queue_pairs(lane) + STATS_PAIRS);
	put_queue_pairs(writer, lane);
	put_if_not_negative(writer, "oldest_ready_ms",
	    since_ms < INT64_MAX ? not_negative(clock_monotonic_ms() - since_ms)
				 : -1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put_if_not_negative(writer, rows[i].key,
		    histogram_quantile(rows[i].histogram, rows[i].thousandths));
}

/* only: NULL: all. */
static void
put_queues_stats(struct message_writer *writer, const struct core *core,
    const struct lane *only)
{
	const struct lane *lane, *following;
	unsigned looks = STATS_LOOKS_MAX;
	put_key(writer, "queues");
	if (only != NULL) {
		put_array(writer, 1);
		put_queue_stats(writer, core, only, &looks);
		return;
	}
	put_array(writer, HASH_CNT(by_name, core->lanes.by_name));
	HASH_ITER(by_name, core->lanes.by_name, lane, following)
		put_queue_stats(writer, core, lane, &looks);
}

static void
answer_stats(struct client *client, uint64_t msgid, const struct lane *only)
{
	const struct server *server = client->server;
	const struct core *core = &server->turn.core;
	const struct counters *counters = &core->counters;
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "pid", (uint64_t)getpid() },
		{ "uptime_ms",
		    (uint64_t)(clock_monotonic_ms() - server->started_ms) },
		{ "connections", server->client_count },
		{ "jobs", core->jobs.slab.used },
		{ "enqueued", counters->enqueued },
		{ "merged", counters->merged },
		{ "folded", counters->folded },
		{ "delivered", counters->delivered },
		{ "done", counters->done },
		{ "failed", counters->failed },
		{ "retried", counters->retried },
		{ "released", counters->released },
		{ "died", counters->died },
		{ "dead", counters->dead },
		{ "timed_out", counters->timed_out },
		{ "cancelled", counters->cancelled },
		{ "deleted", counters->deleted },
		{ "revived", counters->revived },
		{ "expired", counters->expired },
		{ "repeated", counters->repeated },
		{ "stale", counters->stale },
		{ "refused", server->refused },
		{ "longest_turn_us", (uint64_t)server->longest_turn_us },
		{ "longest_upkeep_turn_us",
		    (uint64_t)server->longest_upkeep_turn_us },
	};
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, sizeof(rows) / sizeof(rows[0]) + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_key(&writer, rows[i].key);
		put_unsigned(&writer, rows[i].value);
	}
	put_queues_stats(&writer, core, only);
	finish(client, &writer);
}

void
inspect_stats(
    struct client *client, uint64_t msgid, const struct params_stats *params)
{
	const struct core *core = &client->server->turn.core;
	const struct lane *only = NULL;
	char words[NAME_BYTES_MAX + 64];
	if (params->queue.count > 0) {
		only = lanes_find(&core->lanes, params->queue);
		if (only == NULL) {
			snprintf(words, sizeof(words), "no queue '%.*s'",
			    (int)params->queue.count, params->queue.bytes);
			refuse(client, msgid, REFUSAL_NOT_FOUND, words);
			return;
		}
	}
	answer_stats(client, msgid, only);
}
