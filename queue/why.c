/* SPDX-License-Identifier: MIT */
#include "queue/why.h"

#include "base/check.h"
#include "base/key_rule.h"
#include "base/units.h"
#include "core/absent.h"
#include "core/gate.h"
#include "core/lease.h"
#include "wire/method.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES_MAX 512

/* What keeps a job, in words, and when time alone changes it. */
struct answer {
	const char *reason; /* a word for programs */
	char text[TEXT_BYTES_MAX];
	int64_t until_ms; /* from now; -1: unknown */
};

static void __attribute__((format(printf, 3, 4)))
say(struct answer *answer, const char *reason, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(answer->text, sizeof(answer->text), format, arguments);
	va_end(arguments);
	answer->reason = reason;
}

struct duration {
	char text[16];
};

static struct duration
lasting(int64_t ms)
{
	struct duration duration;
	duration_print(ms > 0 ? ms : 0, duration.text, sizeof(duration.text));
	return duration;
}

static struct duration
until(struct answer *answer, int64_t ms)
{
	answer->until_ms = ms > 0 ? ms : 0;
	return lasting(ms);
}

/* ---- one that runs ---- */

static void
say_running(struct answer *answer, const struct core *core,
    const struct job *job, int64_t now_ms)
{
	const struct subscriber *subscriber =
	    subscriber_at(&core->demand, job->place);
	int64_t left_ms = lease_left_ms(core, job);
	const char *end =
	    job->cancelled ? "; it is cancelled and being stopped" : "";
	if (absent_has(core, job)) {
		say(answer, "worker-away",
		    "it ran when the queue was restarted, and the worker that "
		    "may have it is waited for");
		return;
	}
	if (!subscriber->connected) {
		say(answer, "worker-silent",
		    "it runs on %s, which is not connected: either comes back, "
		    "or its death is known, then the job is given out again",
		    subscriber->name.text);
		return;
	}
	say(answer, "running", "it runs on %s, attempt %u, for %s%s",
	    subscriber->name.text, job->attempt,
	    lasting(now_ms - job->at_ms).text, end);
	if (left_ms != INT64_MAX)
		answer->until_ms = left_ms;
}

/* ---- one that waits for others ---- */

static unsigned
place_in_line(
    const struct core *core, const struct key *key, const struct job *job)
{
	unsigned place = 1;
	for (uint32_t at = key->line.head; at != 0;
	     at = job_at(&core->jobs, at)->next, place++)
		if (job_at(&core->jobs, at) == job)
			break;
	return place;
}

static void
say_blocked(struct answer *answer, const struct core *core,
    const struct job *job, int64_t now_ms)
{
	const struct key *key = key_at(&core->keys, job->key);
	const struct job *holder = job_at(&core->jobs, key->holder);
	unsigned place = place_in_line(core, key, job);
	char ahead[48] = "";
	if (place > 1)
		snprintf(ahead, sizeof(ahead), ", and %u more %s before it",
		    place - 1, place == 2 ? "waits" : "wait");
	if (holder->state == JOB_RUNNING)
		say(answer, "key-busy",
		    "key busy: job %" PRIu64 " runs on %s for %s%s", holder->id,
		    subscriber_at(&core->demand, holder->place)->name.text,
		    lasting(now_ms - holder->at_ms).text, ahead);
	else if (holder->state == JOB_DELAYED)
		say(answer, "key-busy",
		    "key busy: job %" PRIu64
		    " has the turn and is tried again in %s%s",
		    holder->id,
		    until(answer, due_at_ms(holder, core->wall_ms) - now_ms)
			.text,
		    ahead);
	else
		say(answer, "key-busy",
		    "key busy: job %" PRIu64 " has the turn and is ready%s",
		    holder->id, ahead);
}

static void
say_delayed(struct answer *answer, const struct core *core,
    const struct job *job, int64_t now_ms)
{
	const char *reason = job_reason(&core->jobs, job);
	struct duration due =
	    until(answer, due_at_ms(job, core->wall_ms) - now_ms);
	if (job->delivery == 0)
		say(answer, "delayed", "due in %s, as it was enqueued",
		    due.text);
	else
		say(answer, "retry", "due in %s (after attempt %u%s%s)",
		    due.text, job->attempt, *reason != '\0' ? ", " : "",
		    reason);
}

static void
say_dead(struct answer *answer, const struct core *core, const struct job *job)
{
	const char *reason = job_reason(&core->jobs, job);
	say(answer, "dead",
	    "it is dead (%s) after attempt %u%s%s; retry it, "
	    "or delete it",
	    job_cause_name((enum job_cause)job->cause), job->attempt,
	    *reason != '\0' ? ": " : "", reason);
}

/* ---- one that is ready ---- */

static void
say_paused(struct answer *answer, const struct lane *lane, int64_t now_ms)
{
	const struct lane_gate *gate = &lane->gate;
	if (gate->resume_at_ms == INT64_MAX)
		say(answer, "paused",
		    "queue %s is paused by uid %" PRId64
		    ", until somebody resumes it",
		    lane->name.text, gate->uid);
	else
		say(answer, "paused",
		    "queue %s is paused by uid %" PRId64 ", for %s more",
		    lane->name.text, gate->uid,
		    until(answer, gate->resume_at_ms - now_ms).text);
}

/* Subscribers by what keeps them from asking. */
struct census {
	uint32_t all;
	uint32_t busy; /* they have jobs */
	uint32_t full; /* they asked, and have more bytes than they may */
};

static struct census
count_subscribers(const struct core *core, const struct lane *lane)
{
	struct census census = { 0 };
	const struct subscription *subscription;
	LIST_FOREACH(subscription, &lane->subscriptions, in_lane) {
		const struct subscriber *subscriber =
		    subscriber_at(&core->demand, subscription->subscriber);
		census.all++;
		census.busy += subscriber->running_count > 0;
		census.full +=
		    subscription->demand > 0 && subscriber_is_full(subscriber);
	}
	return census;
}

static void
say_no_demand(
    struct answer *answer, const struct core *core, const struct lane *lane)
{
	struct census census = count_subscribers(core, lane);
	if (census.all == 0)
		say(answer, "no-workers", "no worker serves queue %s",
		    lane->name.text);
	else if (census.full > 0)
		say(answer, "workers-full",
		    "%" PRIu32 " of %" PRIu32
		    " workers asked, but hold as many bytes as they may",
		    census.full, census.all);
	else
		say(answer, "no-demand",
		    "no demand: %" PRIu32 " of %" PRIu32 " workers busy",
		    census.busy, census.all);
}

static void
say_ready(struct answer *answer, const struct core *core,
    const struct lane *lane, int64_t now_ms)
{
	switch (gate_of(core, lane)) {
	case GATE_PAUSED:
		say_paused(answer, lane, now_ms);
		return;
	case GATE_MAX_RUNNING:
		say(answer, "max-running",
		    "%" PRIu32 " jobs of queue %s run, as many as may at once",
		    lane->counts[JOB_RUNNING], lane->name.text);
		return;
	case GATE_RATE:
		say(answer, "rate",
		    "the rate of queue %s lets the next job begin in %s",
		    lane->name.text,
		    until(answer, gate_opens_at(core, lane) - now_ms).text);
		return;
	case GATE_OPEN:
		say_no_demand(answer, core, lane);
		return;
	}
	UNREACHABLE();
}

/* ---- which job ---- */

static void
explain(struct answer *answer, const struct core *core, const struct job *job,
    int64_t now_ms)
{
	const struct lane *lane = lane_at(&core->lanes, job->lane);
	switch ((enum job_state)job->state) {
	case JOB_READY:
		say_ready(answer, core, lane, now_ms);
		return;
	case JOB_BLOCKED:
		say_blocked(answer, core, job, now_ms);
		return;
	case JOB_DELAYED:
		say_delayed(answer, core, job, now_ms);
		return;
	case JOB_RUNNING:
		say_running(answer, core, job, now_ms);
		return;
	case JOB_DEAD:
		say_dead(answer, core, job);
		return;
	case JOB_NONE:
	case JOB_STATE_COUNT:
		UNREACHABLE();
	}
}

/* Of a key's jobs the one that waits to be next: behind the holder, if that
 * runs already. */
static uint32_t
next_of_key(const struct core *core, const struct params_why *params)
{
	const struct lane *lane = lanes_find(&core->lanes, params->queue);
	uint32_t handle =
	    lane ? keys_find(&core->keys, lane->handle, params->key) : 0;
	if (handle == 0)
		return 0;
	const struct key *key = key_at(&core->keys, handle);
	if (key->line.head != 0)
		return key->line.head;
	return key->holder != 0 ? key->holder : key->pending;
}

static void
refuse_unknown(const struct request *request, const struct params_why *params)
{
	char words[KEY_BYTES_MAX + 80];
	const struct core *core = &request_turn(request)->core;
	if (params->id == 0)
		snprintf(words, sizeof(words),
		    "no job of that queue with that key waits or runs");
	else
		snprintf(words, sizeof(words), "no job %" PRId64 "%s",
		    params->id,
		    (uint64_t)params->id < core->next_id ? ", any more: it "
							   "has ended"
							 : "");
	request_refuse(request, REFUSAL_NOT_FOUND, words);
}

static void
put_answer(const struct request *request, const struct job *job,
    const struct answer *answer)
{
	struct message_writer writer;
	request_begin(request, &writer, 4 + (answer->until_ms >= 0));
	put_key(&writer, "id");
	put_unsigned(&writer, job->id);
	put_key(&writer, "state");
	put_text(&writer, span_of(job_state_name((enum job_state)job->state)));
	put_key(&writer, "reason");
	put_text(&writer, span_of(answer->reason));
	put_key(&writer, "text");
	put_text(&writer, span_of(answer->text));
	if (answer->until_ms >= 0) {
		put_key(&writer, "until_ms");
		put_integer(&writer, answer->until_ms);
	}
	outlet_end(&request->client->server->outlet, request->client, &writer,
	    VISIBLE_NOW);
}

void
why(const struct request *request, const struct params_why *params)
{
	const struct core *core = &request_turn(request)->core;
	struct answer answer = { .until_ms = -1 };
	bool by_key = params->key.bytes != NULL;
	if ((params->id != 0) == by_key ||
	    (by_key && params->queue.count == 0)) {
		request_refuse(request, REFUSAL_BAD_ARGUMENT,
		    "say either \"id\", or \"queue\" and \"key\"");
		return;
	}
	uint32_t handle = by_key
	    ? next_of_key(core, params)
	    : jobs_resolve(&core->jobs, (uint64_t)params->id);
	if (handle == 0) {
		refuse_unknown(request, params);
		return;
	}
	const struct job *job = job_at(&core->jobs, handle);
	explain(&answer, core, job, server_now_ms(request->client->server));
	put_answer(request, job, &answer);
}
