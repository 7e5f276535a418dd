/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/absent.h"
#include "core/admit.h"
#include "core/autopsy.h"
#include "core/due.h"
#include "core/ending.h"
#include "core/expiry.h"
#include "core/gate.h"
#include "core/lease.h"
#include "core/limit.h"
#include "core/line.h"
#include "core/match.h"
#include "core/merge.h"
#include "core/pause.h"
#include "core/repetition.h"
#include "core/steer.h"
#include "core/verify.h"
#include "core/wish.h"

#include <stdlib.h>

static const char *const event_names[EVENT_COUNT] = {
	[EVENT_ENQUEUED] = "enqueued",
	[EVENT_MERGED] = "merged",
	[EVENT_FOLDED] = "folded",
	[EVENT_DELIVERED] = "delivered",
	[EVENT_DONE] = "done",
	[EVENT_FAILED] = "failed",
	[EVENT_RETRIED] = "retried",
	[EVENT_RELEASED] = "released",
	[EVENT_RETURNED] = "returned",
	[EVENT_DEAD] = "dead",
	[EVENT_OVERDUE] = "overdue",
	[EVENT_CANCELLED] = "cancelled",
	[EVENT_DELETED] = "deleted",
	[EVENT_REVIVED] = "revived",
	[EVENT_PAUSED] = "paused",
	[EVENT_RESUMED] = "resumed",
	[EVENT_DRAINING] = "draining",
	[EVENT_OPENED] = "opened",
	[EVENT_SUBSCRIBED] = "subscribed",
	[EVENT_GONE] = "gone",
};

static const char *const result_names[ENQUEUE_RESULT_COUNT] = {
	[ENQUEUE_NEW] = "new",
	[ENQUEUE_MERGED] = "merged",
	[ENQUEUE_BEHIND] = "behind",
};

const char *
enqueue_result_name(enum enqueue_result result)
{
	CHECK((unsigned)result < ENQUEUE_RESULT_COUNT);
	return result_names[result];
}

const char *
core_event_name(enum core_event event)
{
	CHECK((unsigned)event < EVENT_COUNT);
	return event_names[event];
}

void
core_init(struct core *core, uint64_t next_id, uint64_t seed,
    struct lane_policy (*policy_of)(const void *context, struct span queue),
    const void *policy_context)
{
	CHECK(next_id > 0);
	*core = (struct core){ .random = { seed },
		.next_id = next_id,
		.now_ms = INT64_MIN,
		.policy_of = policy_of,
		.policy_context = policy_context };
	jobs_init(&core->jobs);
	keys_init(&core->keys, seed);
	tokens_init(&core->tokens, seed);
	attempts_init(&core->attempts);
	lanes_init(&core->lanes);
	demand_init(&core->demand);
	due_init(&core->due, &core->jobs);
	lease_init(&core->leases, &core->jobs);
	expiry_init(&core->expiries, &core->jobs);
	gate_init(&core->gates, &core->lanes);
}

void
core_release(struct core *core)
{
	free(core->wishes);
	free(core->plans);
	roll_release(&core->roll);
	heap_release(&core->gates);
	heap_release(&core->expiries);
	heap_release(&core->leases);
	due_release(&core->due);
	lanes_release(&core->lanes);
	demand_release(&core->demand);
	keys_release(&core->keys);
	tokens_release(&core->tokens);
	attempts_release(&core->attempts);
	buffer_release(&core->certificates);
	jobs_release(&core->jobs);
}

static void
refuse(struct core *core, enum refusal refusal, const char *words)
{
	core->refusal = refusal;
	core->words = words;
	if (refusal == REFUSAL_FULL)
		core->retry_after_ms = RETRY_AFTER_MS;
}

/* Made if there is none; NULL, refused, without room. */
static struct lane *
find_or_add_lane(struct core *core, struct span name)
{
	struct lane *lane = lanes_find(&core->lanes, name);
	if (lane != NULL)
		return lane;
	struct lane_policy policy = core->policy_of(core->policy_context, name);
	lane = lanes_add(&core->lanes, name, &policy);
	if (lane != NULL)
		demand_init_lane(&core->demand, lane);
	else
		refuse(core, REFUSAL_FULL, "no room for another queue");
	return lane;
}

/* ---- the supervisor ---- */

static void
on_worker_up(struct core *core, const struct fact *fact)
{
	int64_t pid = fact->worker_up.pid;
	int64_t incarnation = fact->worker_up.incarnation;
	/* It may have been quicker than the supervisor's word. */
	bool is_heard =
	    demand_find_worker(&core->demand, pid, incarnation) != NULL;
	roll_up(
	    &core->roll, pid, incarnation, !is_heard && absent_may_have(core));
}

static void
on_introduced(struct core *core, const struct fact *fact)
{
	(void)fact;
	absent_introduced(core);
}

/* A worker lost its subscriber: to death, or to a new connection. */
static void
end_subscriber(struct core *core, struct subscriber *subscriber,
    enum verdict verdict, struct span reason, const struct remains *remains)
{
	demand_unsubscribe(&core->demand, &core->lanes, subscriber);
	ending_of_subscriber(core, subscriber, verdict, reason, remains);
	if (subscriber->connected)
		demand_disown(subscriber); /* GONE is on its way */
	else
		demand_leave(&core->demand, subscriber);
}

static void
on_worker_down(struct core *core, const struct fact *fact)
{
	int64_t pid = fact->worker_down.pid;
	int64_t incarnation = fact->worker_down.incarnation;
	struct subscriber *subscriber =
	    demand_find_worker(&core->demand, pid, incarnation);
	bool unheard = roll_down(&core->roll, pid, incarnation);
	if (subscriber != NULL)
		end_subscriber(core, subscriber,
		    fact->worker_down.planned ? VERDICT_RELEASE : VERDICT_DIED,
		    fact->worker_down.reason, &fact->worker_down.remains);
	else if (unheard && !fact->worker_down.planned)
		absent_died(core, fact->worker_down.reason);
	absent_settle(core);
}

/* ---- time ---- */

/* A supervised worker is silent: ask for its end, then wait again. */
static void
act_on_silence(struct core *core)
{
	struct subscriber *subscriber;
	while ((subscriber = TAILQ_FIRST(&core->demand.silent)) != NULL &&
	    subscriber->return_at_ms <= core->now_ms) {
		if (roll_is_alive(&core->roll, subscriber->pid,
			subscriber->incarnation)) {
			demand_silence(&core->demand, subscriber,
			    core->now_ms + WORKER_SILENCE_MS);
			wish_add(core, WISH_KILL)->pid = subscriber->pid;
			continue;
		}
		/* It said that a supervisor watches over it, and none does. */
		end_subscriber(core, subscriber, VERDICT_DIED,
		    SPAN_LITERAL("the worker's connection broke"), NULL);
	}
}

static void
end_delay(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	lane->counts[JOB_DELAYED]--;
	if (line_enter(core, handle) == JOB_READY)
		match_lane(core, lane);
}

/* What has come too late goes first. */
static void
expire(struct core *core)
{
	uint32_t handle;
	for (unsigned left = DUE_JOBS_PER_STEP_MAX;
	     left > 0 && (handle = expiry_take(core)) != 0; left--)
		if (job_at(&core->jobs, handle)->state != JOB_RUNNING)
			ending_of_use(core, handle);
}

static void
on_clock(struct core *core, const struct fact *fact)
{
	core->wall_ms = fact->clock.wall_ms;
}

static void
on_time(struct core *core, const struct fact *fact)
{
	(void)fact;
	uint32_t handle;
	expire(core);
	for (unsigned left = DUE_JOBS_PER_STEP_MAX; left > 0 &&
	     (handle = due_take(
		  &core->due, &core->jobs, core->now_ms, core->wall_ms)) != 0;
	     left--)
		end_delay(core, handle);
	lease_act(core);
	pause_act(core);
	repetition_act(core);
	act_on_silence(core);
	absent_act(core);
}

static int64_t
earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

int64_t
core_wake_at(const struct core *core)
{
	const struct subscriber *silent = TAILQ_FIRST(&core->demand.silent);
	int64_t silent_ms = silent != NULL ? silent->return_at_ms : INT64_MAX;
	int64_t due_ms = due_next_ms(&core->due, &core->jobs, core->wall_ms);
	int64_t timed_ms =
	    earlier(earlier(lease_wake_at(core), gate_wake_at(core)),
		expiry_next_ms(core));
	int64_t kept_ms =
	    earlier(absent_wake_at(core), repetition_wake_at(core));
	return earlier(earlier(earlier(due_ms, silent_ms), timed_ms), kept_ms);
}

/* ---- producers ---- */

/* Puts a new job where it waits; false when another one has the turn of its
 * key. */
static bool
begin_waiting(struct core *core, struct lane *lane, uint32_t handle,
    const struct fact *fact)
{
	struct job *job = job_at(&core->jobs, handle);
	struct moment due = enqueue_due(fact);
	if (PLANTED(AT_BY_MONOTONIC_CLOCK))
		due = (struct moment){ moment_ms(due, core->wall_ms), false };
	if (moment_ms(due, core->wall_ms) <= core->now_ms)
		return line_enter(core, handle) == JOB_READY;
	job_set_state(job, JOB_DELAYED);
	lane->counts[JOB_DELAYED]++;
	due_add(&core->due, &core->jobs, handle, due);
	return job->mode == KEY_PARALLEL ||
	    key_at(&core->keys, job->key)->holder == 0;
}

static bool
add_job(struct core *core, const struct fact *fact, struct lane *lane,
    uint32_t key, enum key_mode mode)
{
	uint32_t handle = jobs_add(&core->jobs, core->next_id);
	if (handle == 0)
		return false;
	struct job *job = job_at(&core->jobs, handle);
	job->lane = lane->handle;
	job->priority = fact->enqueue.priority;
	job->body_bytes = fact->enqueue.body_bytes;
	job->enqueued_ms = fact->enqueue.wall_ms;
	if (!job_set_terms(&core->jobs, job, &fact->enqueue.terms)) {
		jobs_remove(&core->jobs, handle);
		return false;
	}
	line_join(core, handle, key, mode);
	limit_came(core, handle);
	expiry_begin(core, handle);
	bool has_turn = begin_waiting(core, lane, handle, fact);
	lanes_note(&core->lanes, lane);
	lane->enqueued++;
	core->counters.enqueued++;
	core->answer = core->next_id++;
	core->result = has_turn ? ENQUEUE_NEW : ENQUEUE_BEHIND;
	wish_save(core, handle, true);
	wish_tell_job(core, EVENT_ENQUEUED, handle, 0);
	return true;
}

static void
merge_into(struct core *core, const struct fact *fact, uint32_t pending)
{
	if (!merge_enqueue(core, pending, fact)) {
		refuse(core, REFUSAL_FULL,
		    "the job that waits with that key takes no more before it "
		    "has run");
		core->retry_after_ms = limit_retry_after_ms(
		    lane_at(&core->lanes, job_at(&core->jobs, pending)->lane),
		    1);
		return;
	}
	core->answer = job_at(&core->jobs, pending)->id;
	core->result = ENQUEUE_MERGED;
}

/* The lane that what comes is for; NULL, refused, when it takes nothing. */
static struct lane *
open_lane(struct core *core, struct span queue)
{
	struct lane *lane = find_or_add_lane(core, queue);
	if (lane == NULL || !lane->gate.is_draining)
		return lane;
	refuse(core, REFUSAL_DRAINING,
	    "that queue is being drained and takes no jobs");
	return NULL;
}

static enum key_mode
mode_of(const struct lane *lane, enum key_mode said)
{
	return said < KEY_MODE_COUNT ? said : lane->policy.mode;
}

static void
on_admit(struct core *core, const struct fact *fact)
{
	struct lane *lane = open_lane(core, fact->admit.queue);
	if (lane != NULL)
		core->refusal = admit_batch(
		    core, lane, mode_of(lane, fact->admit.mode), fact);
}

static void
take_event(struct core *core, const struct fact *fact, struct lane *lane)
{
	enum key_mode mode = mode_of(lane, fact->enqueue.mode);
	uint32_t key = 0;
	if (core->admitted == 0 && limit_is_set(lane)) {
		core->refusal = admit_one(core, lane, mode, fact);
		if (core->refusal != REFUSAL_NONE)
			return;
	}
	if (fact->enqueue.key.count > 0) {
		key = keys_take(&core->keys, lane->handle, fact->enqueue.key);
		if (key == 0) {
			refuse(core, REFUSAL_FULL, "no memory for another key");
			return;
		}
	}
	uint32_t pending = line_pending(core, key, mode);
	if (pending != 0) {
		merge_into(core, fact, pending);
	} else if (!add_job(
		       core, fact, lane, key, key != 0 ? mode : KEY_PARALLEL)) {
		if (key != 0)
			keys_give(&core->keys, key);
		refuse(core, REFUSAL_FULL, "no memory for another job");
	}
}

/* What comes as a batch comes at one moment: none of it is given out before the
 * last is there. */
static void
on_enqueue(struct core *core, const struct fact *fact)
{
	bool has_token = fact->enqueue.token.count > 0;
	uint32_t token = 0;
	CHECK(!has_token || core->admitted == 0);
	if (has_token && repetition_answer(core, fact))
		return;
	struct lane *lane = open_lane(core, fact->enqueue.queue);
	if (lane == NULL ||
	    (has_token && (token = repetition_prepare(core, fact)) == 0))
		return;
	take_event(core, fact, lane);
	if (token != 0)
		repetition_settle(core, token, lane);
	if (core->admitted > 0)
		admit_taken(core);
	if (core->admitted == 0 && core->refusal == REFUSAL_NONE)
		match_lane(core, lane);
}

/* ---- workers ---- */

/* Is the job that a worker says it has with this subscriber? One that was
 * absent is from now on. So is one that is still with its older connection:
 * only its place says so yet. */
static bool
claim(struct core *core, struct subscriber *subscriber,
    const struct subscriber *older, const struct held *held)
{
	uint32_t handle = jobs_find(&core->jobs, held->id);
	if (handle == 0)
		return false;
	struct job *job = job_at(&core->jobs, handle);
	if (job->state != JOB_RUNNING || job->delivery != held->delivery)
		return false;
	if (job->place == subscriber->handle)
		return true;
	if (absent_has(core, job)) {
		absent_take(core, handle, subscriber);
		return true;
	}
	if (older == NULL || job->place != older->handle)
		return false;
	jobs_drop_delivery(&core->jobs, handle);
	job->place = subscriber->handle;
	lease_resume(core, handle);
	return true;
}

/* Moves what was claimed, in the order of delivery. */
static void
adopt_claimed(
    struct core *core, struct subscriber *subscriber, struct subscriber *older)
{
	uint32_t following;
	for (uint32_t handle = older->running.head; handle != 0;
	     handle = following) {
		const struct job *job = job_at(&core->jobs, handle);
		following = job->next;
		if (job->place != subscriber->handle)
			continue;
		job_list_remove(&core->jobs, &older->running, handle);
		job_list_push_back(&core->jobs, &subscriber->running, handle);
		demand_relieved(
		    &core->demand, &core->lanes, older, job->body_bytes);
		demand_adopted(
		    &core->demand, &core->lanes, subscriber, job->body_bytes);
	}
}

static struct subscriber *
join(struct core *core, const struct fact *fact)
{
	struct subscriber *subscriber = demand_join(
	    &core->demand, fact->subscribe.pid, fact->subscribe.incarnation);
	if (subscriber == NULL)
		refuse(core, REFUSAL_FULL, "no memory for another worker");
	else if (fact->subscribe.name.count > 0)
		CHECK(name_set(&subscriber->name, fact->subscribe.name));
	return subscriber;
}

/* Before anything is made for it. */
static bool
may_subscribe(struct core *core, const struct fact *fact,
    const struct subscriber *subscriber)
{
	if (subscriber == NULL) {
		if (!roll_is_departed(&core->roll, fact->subscribe.pid,
			fact->subscribe.incarnation))
			return true;
		refuse(core, REFUSAL_BAD_STATE, "that worker is dead");
		return false;
	}
	const struct lane *lane =
	    lanes_find(&core->lanes, fact->subscribe.queue);
	if (subscriber->over)
		refuse(core, REFUSAL_BAD_STATE,
		    "that worker is dead, or connected anew");
	else if (lane != NULL && demand_find(subscriber, lane) != NULL)
		refuse(core, REFUSAL_BAD_STATE, "already subscribed");
	else if (subscriber->subscription_count >= SUBSCRIPTIONS_PER_PEER_MAX)
		refuse(core, REFUSAL_TOO_BIG, "too many subscriptions");
	return core->refusal == REFUSAL_NONE;
}

/* Makes the subscription, and the subscriber when there is none yet; it, or
 * NULL, refused, when one cannot be made. */
static struct subscriber *
subscribe(struct core *core, const struct fact *fact,
    struct subscriber *subscriber, struct lane *lane)
{
	bool is_new = subscriber == NULL;
	if (is_new && (subscriber = join(core, fact)) == NULL)
		return NULL;
	if (demand_subscribe(&core->demand, subscriber, lane) == NULL) {
		if (is_new)
			demand_leave(&core->demand, subscriber);
		refuse(core, REFUSAL_FULL, "no memory for a subscription");
		return NULL;
	}
	lanes_note(&core->lanes, lane);
	return subscriber;
}

static void
on_subscribe(struct core *core, const struct fact *fact)
{
	struct subscriber *known = fact->subscriber
	    ? subscriber_at(&core->demand, fact->subscriber)
	    : NULL;
	/* Another connection of the worker: of before, as this one is new. */
	struct subscriber *older = known == NULL
	    ? demand_find_worker(&core->demand, fact->subscribe.pid,
		  fact->subscribe.incarnation)
	    : NULL;
	if (!may_subscribe(core, fact, known))
		return;
	struct lane *lane = find_or_add_lane(core, fact->subscribe.queue);
	if (lane == NULL)
		return;
	struct subscriber *subscriber = subscribe(core, fact, known, lane);
	if (subscriber == NULL)
		return;
	for (size_t i = 0; i < fact->subscribe.held_count; i++)
		fact->subscribe.held[i].stands =
		    claim(core, subscriber, older, &fact->subscribe.held[i]);
	if (older != NULL) {
		adopt_claimed(core, subscriber, older);
		end_subscriber(core, older, VERDICT_RELEASE,
		    SPAN_LITERAL("the worker does not have it any more"), NULL);
	}
	core->answer = subscriber->handle;
	struct wish *wish = wish_add(core, WISH_TELL);
	wish->event = EVENT_SUBSCRIBED;
	wish->subscriber = subscriber->handle;
	wish->lane = lane->handle;
	roll_heard(&core->roll, subscriber->pid, subscriber->incarnation);
	absent_settle(core);
}

static void
on_demand(struct core *core, const struct fact *fact)
{
	struct lane *lane = lanes_find(&core->lanes, fact->demand.queue);
	struct subscription *subscription = NULL;
	if (lane != NULL && fact->subscriber != 0)
		subscription = demand_find(
		    subscriber_at(&core->demand, fact->subscriber), lane);
	if (subscription == NULL) {
		refuse(core, REFUSAL_BAD_STATE, "subscribe to the queue first");
		return;
	}
	if (!demand_ask(
		&core->demand, &core->lanes, subscription, fact->demand.n)) {
		refuse(core, REFUSAL_TOO_BIG,
		    "more demand than a worker may have");
		return;
	}
	match_lane(core, lane);
	core->answer = subscription->demand;
}

static void
end_run(struct core *core, uint32_t handle, const struct outcome *outcome)
{
	struct lane *lane =
	    lane_at(&core->lanes, job_at(&core->jobs, handle)->lane);
	CHECK(outcome->verdict <= VERDICT_RELEASE);
	struct subscriber *subscriber =
	    subscriber_at(&core->demand, job_at(&core->jobs, handle)->place);
	bool was_full = subscriber_is_full(subscriber);
	ending_of_run(core, handle, outcome);
	match_lane(core, lane);
	if (!was_full)
		return;
	/* It could not be given what its other queues had for it. */
	const struct subscription *subscription;
	LIST_FOREACH(subscription, &subscriber->subscriptions, in_subscriber)
		match_lane(core, lane_at(&core->lanes, subscription->lane));
}

static void
refuse_stale(struct core *core)
{
	core->counters.stale++;
	refuse(core, REFUSAL_STALE, "that delivery no longer stands");
}

static void
on_answer(struct core *core, const struct fact *fact)
{
	uint32_t handle = 0;
	if (fact->subscriber != 0)
		handle = jobs_find_delivery(
		    &core->jobs, fact->subscriber, fact->answer.msgid);
	if (handle != 0)
		end_run(core, handle, &fact->answer.outcome);
	else
		refuse_stale(core);
}

static void
on_result(struct core *core, const struct fact *fact)
{
	uint32_t handle = jobs_find(&core->jobs, fact->result.id);
	const struct job *job = handle ? job_at(&core->jobs, handle) : NULL;
	if (job != NULL && fact->subscriber != 0 && job->state == JOB_RUNNING &&
	    job->place == fact->subscriber &&
	    (job->delivery == fact->result.delivery ||
		PLANTED(STALE_RESULT_TAKEN)))
		end_run(core, handle, &fact->result.outcome);
	else
		refuse_stale(core);
}

static void
on_gone(struct core *core, const struct fact *fact)
{
	struct subscriber *subscriber =
	    subscriber_at(&core->demand, fact->subscriber);
	CHECK(subscriber->connected);
	if (!PLANTED(DEMAND_KEPT_AT_DISCONNECT))
		demand_unsubscribe(&core->demand, &core->lanes, subscriber);
	struct wish *wish = wish_add(core, WISH_TELL);
	wish->event = EVENT_GONE;
	wish->subscriber = subscriber->handle;
	if (subscriber->incarnation > 0 && subscriber->running.head != 0) {
		demand_silence(&core->demand, subscriber,
		    core->now_ms + WORKER_SILENCE_MS);
		return;
	}
	/* A foreign worker: that its connection is closed is all we have. */
	if (PLANTED(LEASE_KEPT_AT_DISCONNECT))
		return;
	ending_of_subscriber(core, subscriber, VERDICT_DIED,
	    SPAN_LITERAL("the worker's connection broke"), NULL);
	demand_leave(&core->demand, subscriber);
}

/* ---- the store ---- */

static void
restore_key(struct core *core, struct job *job, struct span key)
{
	job->key = 0;
	if (job->hints == 0)
		job->hints = 1;
	if (key.count > 0) {
		job->key = keys_take(&core->keys, job->lane, key);
		CHECK(job->key != 0);
	} else {
		job->mode = KEY_PARALLEL;
	}
}

static void
restore_elsewhere(struct core *core, struct lane *lane, uint32_t handle,
    const struct job *saved)
{
	enum job_state state = (enum job_state)saved->state;
	job_set_state(job_at(&core->jobs, handle), state);
	lane->counts[state]++;
	if (state == JOB_DELAYED)
		due_add(&core->due, &core->jobs, handle,
		    (struct moment){ saved->at_ms, saved->by_wall });
	else if (state == JOB_DEAD)
		job_list_push_back(&core->jobs, &lane->dead, handle);
	else
		absent_add(core, handle);
}

static void
on_restore(struct core *core, const struct fact *fact)
{
	const struct job *saved = &fact->restore.job;
	struct lane *lane = find_or_add_lane(core, fact->restore.queue);
	CHECK(lane != NULL);
	CHECK(saved->id > 0 && jobs_find(&core->jobs, saved->id) == 0);
	uint32_t handle = jobs_add(&core->jobs, saved->id);
	CHECK(handle != 0);
	struct job *job = job_at(&core->jobs, handle);
	uint32_t newer = job->newer, older = job->older;
	*job = *saved;
	job->newer = newer;
	job->older = older;
	job->lane = lane->handle;
	job->next = job->previous = job->place = job->lease = 0;
	job->extras = 0;
	job->state = JOB_NONE;
	if (fact->restore.reason.count > 0)
		job_set_reason(&core->jobs, job, fact->restore.reason);
	CHECK(job_set_terms(&core->jobs, job, &fact->restore.terms));
	for (size_t i = 0; i < fact->restore.alias_count; i++)
		if (jobs_resolve(&core->jobs, fact->restore.aliases[i]) == 0)
			jobs_add_alias(
			    &core->jobs, handle, fact->restore.aliases[i]);
	if (saved->state != JOB_DEAD)
		expiry_begin(core, handle);
	if (saved->id >= core->next_id)
		core->next_id = saved->id + 1;
	restore_key(core, job, fact->restore.key);
	if (saved->state != JOB_DEAD)
		limit_came(core, handle);
	line_restore(core, handle, (enum job_state)saved->state);
	if (saved->state == JOB_READY)
		line_enter(core, handle);
	else
		restore_elsewhere(core, lane, handle, saved);
	lanes_note(&core->lanes, lane);
}

static void
on_restored(struct core *core, const struct fact *fact)
{
	autopsy_restored(core);
	absent_begin(
	    core, fact->restored.everything_died, fact->restored.supervised);
}

/* ---- queues, closed and opened ---- */

/* What it is told of must be there afterwards, be it empty. */
static void
on_pause(struct core *core, const struct fact *fact)
{
	struct lane *lane = find_or_add_lane(core, fact->gate.queue);
	if (lane != NULL)
		pause_queue(core, lane, fact);
}

static void
on_drain(struct core *core, const struct fact *fact)
{
	struct lane *lane = find_or_add_lane(core, fact->gate.queue);
	if (lane != NULL)
		pause_drain(core, lane, fact);
}

static void
on_restore_gate(struct core *core, const struct fact *fact)
{
	struct lane *lane = find_or_add_lane(core, fact->restore_gate.queue);
	CHECK(lane != NULL);
	pause_restore(core, lane, &fact->restore_gate.gate);
}

/* ---- the step ---- */

static void (*const steps[FACT_KIND_COUNT])(
    struct core *core, const struct fact *fact) = {
	[FACT_TIME] = on_time,
	[FACT_ADMIT] = on_admit,
	[FACT_CLOCK] = on_clock,
	[FACT_ENQUEUE] = on_enqueue,
	[FACT_SUBSCRIBE] = on_subscribe,
	[FACT_DEMAND] = on_demand,
	[FACT_ANSWER] = on_answer,
	[FACT_RESULT] = on_result,
	[FACT_TOUCH] = steer_touch,
	[FACT_CANCEL] = steer_cancel,
	[FACT_DELETE] = steer_delete,
	[FACT_REVIVE] = steer_revive,
	[FACT_PAUSE] = on_pause,
	[FACT_DRAIN] = on_drain,
	[FACT_GONE] = on_gone,
	[FACT_WORKER_UP] = on_worker_up,
	[FACT_WORKER_DOWN] = on_worker_down,
	[FACT_RESTORE_GATE] = on_restore_gate,
	[FACT_RESTORE_TOKEN] = repetition_restore,
	[FACT_RESTORE_ATTEMPT] = autopsy_restore,
	[FACT_RESTORE] = on_restore,
	[FACT_RESTORED] = on_restored,
	[FACT_INTRODUCED] = on_introduced,
};

void
core_expect(struct core *core, size_t jobs)
{
	jobs_expect(&core->jobs, jobs);
}

void
core_step(struct core *core, const struct fact *fact)
{
	CHECK((unsigned)fact->kind < FACT_KIND_COUNT);
	CHECK(fact->now_ms >= core->now_ms);
	CHECK(core->admitted == 0 || fact->kind == FACT_ENQUEUE);
	core->now_ms = fact->now_ms;
	core->wish_count = 0;
	core->first_note = core->next_id;
	buffer_consume(&core->certificates, buffer_count(&core->certificates));
	core->refusal = REFUSAL_NONE;
	core->words = "";
	core->retry_after_ms = 0;
	core->answer = 0;
	core->is_repeated = false;
	steps[fact->kind](core, fact);
#ifdef GSQ_VERIFY
	const char *broken = verify_core(core);
	if (broken != NULL)
		check_failed("verify", 0, broken);
#endif
}

void
core_set_body(struct core *core, uint32_t job, uint64_t body)
{
	job_at(&core->jobs, job)->body = body;
}

void
core_set_note(
    struct core *core, uint32_t handle, uint64_t body, uint32_t body_bytes)
{
	struct token *token = token_at(&core->tokens, handle);
	token->body = body;
	token->body_bytes = body_bytes;
}

void
core_set_attempt(struct core *core, uint32_t attempt, uint64_t body)
{
	attempt_at(&core->attempts, attempt)->body = body;
}
