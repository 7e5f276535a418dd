/* SPDX-License-Identifier: MIT */
#include "core/verify.h"

#include "core/expiry.h"
#include "core/gate.h"

/*
 * What was found by walking, to be held against what is kept. Jobs that are
 * not in a list of their lane are summed up with a weight that tells lanes
 * apart, so that one too many here and one too few there does not cancel out.
 */
struct found {
	uint64_t jobs;
	uint64_t delayed;
	uint64_t running;
	uint64_t blocked;
	uint64_t delayed_weight;
	uint64_t running_weight;
	uint64_t blocked_weight;
	uint64_t bytes_weight; /* of jobs that wait or run */
	uint64_t keys_weight;
	uint32_t lanes;
	uint32_t idle_lanes;
	uint32_t subscriptions;
};

#define HOLDS(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return "not: " #condition; \
	} while (0)

static uint64_t
weight(const struct lane *lane)
{
	return lane->handle * UINT64_C(0x9e3779b97f4a7c15);
}

static const char *
verify_job(const struct core *core, uint32_t handle, enum job_state state)
{
	const struct job *job = job_at(&core->jobs, handle);
	HOLDS(job->state == state);
	HOLDS(job->id > 0 && job->id < core->next_id);
	HOLDS(jobs_find(&core->jobs, job->id) == handle);
	HOLDS(job->attempt <= job->delivery);
	HOLDS((state == JOB_DEAD) == (job->cause != CAUSE_NONE));
	HOLDS((state != JOB_READY && state != JOB_RUNNING) ||
	    job->at_ms <= core->now_ms);
	HOLDS(!job->by_wall || state == JOB_DELAYED);
	return NULL;
}

static const char *
verify_list(const struct core *core, const struct job_list *list,
    enum job_state state, uint64_t *count)
{
	uint32_t previous = 0;
	for (uint32_t handle = list->head; handle != 0;) {
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->previous == previous);
		const char *broken = verify_job(core, handle, state);
		if (broken != NULL)
			return broken;
		(*count)++;
		previous = handle;
		handle = job->next;
	}
	HOLDS(list->tail == previous);
	return NULL;
}

/* No item of a heap comes before the one above it. */
static const char *
verify_order(const struct heap *heap)
{
	for (uint32_t at = 2; at <= heap->count; at++)
		HOLDS(!heap->before(
		    heap->context, heap->items[at], heap->items[at / 2]));
	return NULL;
}

static const char *
verify_asking(const struct core *core, const struct lane *lane)
{
	const struct subscription *subscription;
	uint32_t asking = 0, count = 0;
	LIST_FOREACH(subscription, &lane->subscriptions, in_lane) {
		const struct subscriber *subscriber =
		    subscriber_at(&core->demand, subscription->subscriber);
		HOLDS(subscription->lane == lane->handle);
		HOLDS(subscription->demand <= DEMAND_MAX);
		HOLDS(subscriber->connected);
		HOLDS(demand_find(subscriber, lane) == subscription);
		count++;
		bool served =
		    subscription->demand > 0 && !subscriber_is_full(subscriber);
		HOLDS(served == (subscription->place != 0));
		if (!served)
			continue;
		HOLDS(subscription->place <= lane->asking.count);
		HOLDS(lane->asking.items[subscription->place] ==
		    subscription->handle);
		asking++;
	}
	HOLDS(count == lane->subscription_count);
	HOLDS(asking == lane->asking.count);
	return verify_order(&lane->asking);
}

/* The jobs in a list of a lane are its own; ready ones of that priority. */
static const char *
verify_members(const struct core *core, const struct job_list *list,
    const struct lane *lane, unsigned priority)
{
	for (uint32_t handle = list->head; handle != 0;) {
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->lane == lane->handle);
		HOLDS(priority == PRIORITY_COUNT || job->priority == priority);
		handle = job->next;
	}
	return NULL;
}

static const char *
verify_lane(
    const struct core *core, const struct lane *lane, struct found *found)
{
	uint64_t ready = 0, dead = 0;
	for (unsigned priority = 0; priority < PRIORITY_COUNT; priority++) {
		const struct job_list *list = &lane->ready[priority];
		bool occupied =
		    lane->occupied[priority / 64] >> priority % 64 & 1;
		HOLDS(occupied == (list->head != 0));
		const char *broken = verify_list(core, list, JOB_READY, &ready);
		if (broken == NULL)
			broken = verify_members(core, list, lane, priority);
		if (broken != NULL)
			return broken;
	}
	const char *broken = verify_list(core, &lane->dead, JOB_DEAD, &dead);
	if (broken == NULL)
		broken =
		    verify_members(core, &lane->dead, lane, PRIORITY_COUNT);
	if (broken != NULL)
		return broken;
	HOLDS(ready == lane->counts[JOB_READY]);
	HOLDS(dead == lane->counts[JOB_DEAD]);
	/* Nobody waits for what is there: the rule of stored demand. */
	HOLDS(ready == 0 || lane->asking.count == 0 ||
	    gate_of(core, lane) != GATE_OPEN || lane->gate_place != 0 ||
	    core->admitted > 0 ||
	    expiry_has_passed(core, job_at(&core->jobs, lane_first(lane))));
	HOLDS(lane->idle == lane_is_idle(lane));
	HOLDS(lanes_find(&core->lanes, span_of(lane->name.text)) == lane);
	found->jobs += ready + dead + lane->counts[JOB_DELAYED] +
	    lane->counts[JOB_RUNNING] + lane->counts[JOB_BLOCKED];
	found->blocked += lane->counts[JOB_BLOCKED];
	found->blocked_weight += lane->counts[JOB_BLOCKED] * weight(lane);
	found->delayed += lane->counts[JOB_DELAYED];
	found->running += lane->counts[JOB_RUNNING];
	found->delayed_weight += lane->counts[JOB_DELAYED] * weight(lane);
	found->running_weight += lane->counts[JOB_RUNNING] * weight(lane);
	found->bytes_weight += lane->body_bytes * weight(lane);
	found->keys_weight += lane->keys * weight(lane);
	found->lanes++;
	found->idle_lanes += lane->idle;
	found->subscriptions += lane->subscription_count;
	return verify_asking(core, lane);
}

static const char *
verify_lanes(const struct core *core, struct found *found)
{
	const struct lane *lane, *following;
	HASH_ITER(by_name, core->lanes.by_name, lane, following) {
		const char *broken = verify_lane(core, lane, found);
		if (broken != NULL)
			return broken;
	}
	HOLDS(found->lanes == core->lanes.slab.used);
	HOLDS(found->lanes <= LANES_MAX);
	TAILQ_FOREACH(lane, &core->lanes.idle, in_idle) {
		HOLDS(lane->idle);
		HOLDS(found->idle_lanes-- > 0);
	}
	HOLDS(found->idle_lanes == 0);
	return NULL;
}

/* The sums over all subscribers. */
struct sums {
	uint64_t running;
	uint64_t running_weight;
	uint64_t answerable; /* running jobs with a msgid */
	uint32_t subscriptions;
	uint32_t silent;
};

static const char *
verify_subscriber(const struct core *core, const struct subscriber *subscriber,
    struct sums *sums)
{
	uint64_t count = 0, bytes = 0;
	const char *broken =
	    verify_list(core, &subscriber->running, JOB_RUNNING, &count);
	if (broken != NULL)
		return broken;
	for (uint32_t handle = subscriber->running.head; handle != 0;) {
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->place == subscriber->handle);
		HOLDS(job->attempt > 0);
		const struct lease *lease = job_lease(&core->jobs, job);
		HOLDS(lease->job == handle);
		HOLDS(lease->msgid == 0 ||
		    jobs_find_delivery(&core->jobs, subscriber->handle,
			lease->msgid) == handle);
		sums->answerable += lease->msgid != 0;
		sums->running_weight +=
		    weight(lane_at(&core->lanes, job->lane));
		bytes += job->body_bytes;
		handle = job->next;
	}
	HOLDS(count == subscriber->running_count);
	HOLDS(bytes == subscriber->held_bytes);
	HOLDS(subscriber->connected || subscriber->running_count > 0);
	HOLDS(subscriber->connected || LIST_EMPTY(&subscriber->subscriptions));
	/* One connection speaks for a supervised worker, and only one. */
	HOLDS(subscriber->incarnation == 0 ||
	    demand_find_worker(&core->demand, subscriber->pid,
		subscriber->incarnation) == subscriber);
	HOLDS(!subscriber->over ||
	    (subscriber->connected && subscriber->incarnation == 0 &&
		count == 0 && LIST_EMPTY(&subscriber->subscriptions)));
	sums->running += count;
	sums->subscriptions += subscriber->subscription_count;
	sums->silent +=
	    !subscriber->connected && subscriber->handle != core->absent;
	return NULL;
}

/* The stand-in for those who are not back is never connected, and has what it
 * stands there for. */
static const char *
verify_absent(const struct core *core, struct sums *sums)
{
	if (core->absent == 0)
		return NULL;
	const struct subscriber *absent =
	    subscriber_at(&core->demand, core->absent);
	HOLDS(absent->handle == core->absent);
	HOLDS(!absent->connected && absent->incarnation == 0);
	for (uint32_t handle = absent->running.head; handle != 0;
	     handle = job_at(&core->jobs, handle)->next)
		HOLDS(job_lease(&core->jobs, job_at(&core->jobs, handle))
			  ->msgid == 0);
	return verify_subscriber(core, absent, sums);
}

static const char *
verify_roll(const struct core *core)
{
	const struct living *living, *following;
	uint32_t unheard = 0;
	HASH_ITER(hh, core->roll.living, living, following) {
		unheard += living->unheard;
		/* Who has a connection was heard. */
		HOLDS(!living->unheard ||
		    demand_find_worker(&core->demand, living->pid,
			living->incarnation) == NULL);
	}
	HOLDS(unheard == core->roll.unheard);
	return NULL;
}

static const char *
verify_silent(const struct core *core, uint32_t silent)
{
	int64_t before_ms = INT64_MIN;
	const struct subscriber *subscriber;
	TAILQ_FOREACH(subscriber, &core->demand.silent, in_silent) {
		HOLDS(!subscriber->connected);
		HOLDS(subscriber->incarnation > 0);
		HOLDS(subscriber->return_at_ms >= before_ms);
		HOLDS(silent-- > 0);
		before_ms = subscriber->return_at_ms;
	}
	HOLDS(silent == 0);
	return NULL;
}

static const char *
verify_subscribers(const struct core *core, const struct found *found)
{
	struct sums sums = { 0 };
	uint32_t count = core->absent != 0;
	const struct subscriber *subscriber;
	const char *broken = verify_absent(core, &sums);
	if (broken != NULL)
		return broken;
	TAILQ_FOREACH(subscriber, &core->demand.all, in_all) {
		broken = verify_subscriber(core, subscriber, &sums);
		if (broken != NULL)
			return broken;
		count++;
	}
	HOLDS(count == core->demand.subscribers.used);
	HOLDS(sums.running == found->running);
	HOLDS(sums.running_weight == found->running_weight);
	HOLDS(sums.answerable == core->jobs.by_delivery.count);
	HOLDS(sums.subscriptions == found->subscriptions);
	HOLDS(sums.subscriptions == core->demand.subscriptions.used);
	return verify_silent(core, sums.silent);
}

static const char *
verify_delayed(const struct core *core, const struct heap *heap, bool by_wall,
    uint64_t *ret_weight)
{
	for (uint32_t at = 1; at <= heap->count; at++) {
		uint32_t handle = heap->items[at];
		const char *broken = verify_job(core, handle, JOB_DELAYED);
		if (broken != NULL)
			return broken;
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->place == at);
		HOLDS(job->by_wall == by_wall);
		*ret_weight += weight(lane_at(&core->lanes, job->lane));
	}
	return verify_order(heap);
}

static const char *
verify_due(const struct core *core, const struct found *found)
{
	uint64_t delayed_weight = 0;
	HOLDS(due_count(&core->due) == found->delayed);
	const char *broken =
	    verify_delayed(core, &core->due.by_clock, false, &delayed_weight);
	if (broken == NULL)
		broken = verify_delayed(
		    core, &core->due.by_wall, true, &delayed_weight);
	if (broken != NULL)
		return broken;
	HOLDS(delayed_weight == found->delayed_weight);
	return NULL;
}

/* Each running job has a lease, and those that end some time are in order. */
static const char *
verify_leases(const struct core *core, const struct found *found)
{
	HOLDS(core->jobs.leases.used == found->running);
	for (uint32_t at = 1; at <= core->leases.count; at++) {
		const struct lease *lease =
		    slab_at(&core->jobs.leases, core->leases.items[at]);
		HOLDS(lease->place == at);
		HOLDS(lease->act_at_ms < INT64_MAX);
		HOLDS(job_at(&core->jobs, lease->job)->lease ==
		    core->leases.items[at]);
	}
	return verify_order(&core->leases);
}

/* Gates that time opens are in order. */
static const char *
verify_gates(const struct core *core)
{
	const struct lane *lane, *following;
	uint32_t waiting = 0;
	for (uint32_t at = 1; at <= core->gates.count; at++) {
		const struct lane *one =
		    lane_at(&core->lanes, core->gates.items[at]);
		HOLDS(one->gate_place == at);
		HOLDS(one->act_at_ms < INT64_MAX);
	}
	HASH_ITER(by_name, core->lanes.by_name, lane, following) {
		waiting += lane->gate_place != 0;
		HOLDS((lane->gate_place != 0) == (lane->act_at_ms < INT64_MAX));
	}
	HOLDS(waiting == core->gates.count);
	return verify_order(&core->gates);
}

/* Every alias is one of the job that it is found by. */
static const char *
verify_aliases(const struct core *core)
{
	uint32_t count = 0;
	for (uint32_t at = core->jobs.oldest; at != 0;
	     at = job_at(&core->jobs, at)->newer) {
		const struct alias *alias =
		    job_alias(&core->jobs, job_at(&core->jobs, at));
		for (; alias != NULL; alias = alias_after(&core->jobs, alias)) {
			HOLDS(jobs_resolve(&core->jobs, alias->id) == at);
			count++;
		}
	}
	HOLDS(count == core->jobs.aliases.used);
	HOLDS(count == core->jobs.by_alias.count);
	return NULL;
}

/* Whose turn it is, and who waits for it. */
static const char *
verify_key(const struct core *core, uint32_t handle, uint64_t *blocked)
{
	const struct key *key = key_at(&core->keys, handle);
	uint64_t count = 0;
	const char *broken = verify_list(core, &key->line, JOB_BLOCKED, &count);
	if (broken != NULL)
		return broken;
	for (uint32_t at = key->line.head; at != 0;
	     at = job_at(&core->jobs, at)->next) {
		HOLDS(job_at(&core->jobs, at)->key == handle);
		HOLDS(job_at(&core->jobs, at)->mode != KEY_PARALLEL);
	}
	HOLDS(count == 0 || key->holder != 0);
	HOLDS(keys_find(&core->keys, key->lane, span_of(key->text)) == handle);
	if (key->holder != 0) {
		const struct job *holder = job_at(&core->jobs, key->holder);
		HOLDS(holder->key == handle && holder->mode != KEY_PARALLEL);
		HOLDS(holder->state == JOB_READY ||
		    holder->state == JOB_RUNNING ||
		    holder->state == JOB_DELAYED);
	}
	if (key->pending != 0) {
		const struct job *pending = job_at(&core->jobs, key->pending);
		HOLDS(pending->key == handle && pending->mode == KEY_COALESCE);
		HOLDS(pending->state == JOB_READY ||
		    pending->state == JOB_BLOCKED ||
		    pending->state == JOB_DELAYED);
	}
	*blocked += count;
	return NULL;
}

static const char *
verify_keys(const struct core *core, const struct found *found)
{
	uint64_t blocked = 0, keys = 0, jobs = 0;
	for (uint32_t at = 1; at <= core->keys.slab.made; at++) {
		if (key_at(&core->keys, at)->jobs == 0 &&
		    key_at(&core->keys, at)->plan == 0)
			continue;
		const char *broken = verify_key(core, at, &blocked);
		if (broken != NULL)
			return broken;
		keys++;
		jobs += key_at(&core->keys, at)->jobs;
	}
	HOLDS(keys == core->keys.slab.used);
	HOLDS(blocked == found->blocked);
	for (uint32_t at = core->jobs.oldest; at != 0;
	     at = job_at(&core->jobs, at)->newer)
		jobs -= job_at(&core->jobs, at)->key != 0;
	HOLDS(jobs == 0);
	return NULL;
}

/* One job and the turn of its key. */
static const char *
verify_turn(const struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	HOLDS(job->hints > 0);
	HOLDS((job->state == JOB_RUNNING) == (job->lease != 0));
	HOLDS(!job->cancelled || job->state == JOB_RUNNING);
	HOLDS(job->key != 0 || job->mode == KEY_PARALLEL);
	HOLDS(job->state != JOB_BLOCKED || job->mode != KEY_PARALLEL);
	if (job->mode == KEY_PARALLEL)
		return NULL;
	const struct key *key = key_at(&core->keys, job->key);
	HOLDS(key->lane == job->lane);
	HOLDS((job->state != JOB_READY && job->state != JOB_RUNNING) ||
	    key->holder == handle);
	return NULL;
}

/* The list of all jobs, in the order of their ids. */
static const char *
verify_all(const struct core *core, const struct found *found)
{
	uint64_t count = 0, blocked_weight = 0;
	uint32_t older = 0;
	for (uint32_t handle = core->jobs.oldest; handle != 0;) {
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->older == older);
		HOLDS(older == 0 || job_at(&core->jobs, older)->id < job->id);
		HOLDS(job->state != JOB_NONE);
		HOLDS(count++ < core->jobs.slab.used);
		const char *broken = verify_turn(core, handle);
		if (broken != NULL)
			return broken;
		if (job->state == JOB_BLOCKED)
			blocked_weight +=
			    weight(lane_at(&core->lanes, job->lane));
		older = handle;
		handle = job->newer;
	}
	HOLDS(older == core->jobs.newest);
	HOLDS(count == core->jobs.slab.used);
	HOLDS(count == core->jobs.by_id.count);
	HOLDS(count == found->jobs);
	HOLDS(blocked_weight == found->blocked_weight);
	return NULL;
}

/* What is held against the limits of a queue: the jobs that wait or run. */
static const char *
verify_limits(const struct core *core, const struct found *found)
{
	uint64_t bytes_weight = 0, keys_weight = 0, unfinished = 0;
	for (uint32_t at = core->jobs.oldest; at != 0;
	     at = job_at(&core->jobs, at)->newer) {
		const struct job *job = job_at(&core->jobs, at);
		if (job->state == JOB_DEAD)
			continue;
		bytes_weight +=
		    job->body_bytes * weight(lane_at(&core->lanes, job->lane));
		unfinished += job->key != 0;
	}
	for (uint32_t at = 1; at <= core->keys.slab.made; at++) {
		const struct key *key = key_at(&core->keys, at);
		if (key->jobs == 0)
			continue;
		HOLDS(key->unfinished <= key->jobs);
		unfinished -= key->unfinished;
		if (key->unfinished > 0)
			keys_weight += weight(lane_at(&core->lanes, key->lane));
	}
	HOLDS(unfinished == 0);
	HOLDS(bytes_weight == found->bytes_weight);
	HOLDS(keys_weight == found->keys_weight);
	return NULL;
}

/* Who waits and has a time is in the heap of them. */
static const char *
verify_expiries(const struct core *core)
{
	size_t timed = 0;
	for (uint32_t at = core->jobs.oldest; at != 0;
	     at = job_at(&core->jobs, at)->newer) {
		const struct job *job = job_at(&core->jobs, at);
		if (job->extras == 0)
			continue;
		const struct extras *extras = job_extras(&core->jobs, job);
		HOLDS(extras->expiry_place == 0 ||
		    core->expiries.items[extras->expiry_place] == at);
		HOLDS(extras->expiry_place == 0 ||
		    extras->terms.expires_at_ms != 0);
		HOLDS(extras->expiry_place != 0 ||
		    extras->terms.expires_at_ms == 0 ||
		    job->state == JOB_RUNNING);
		HOLDS(
		    job->state != JOB_DEAD || extras->terms.expires_at_ms == 0);
		timed += extras->expiry_place != 0;
	}
	HOLDS(timed == core->expiries.count);
	return verify_order(&core->expiries);
}

static const char *
verify_tokens(const struct core *core)
{
	const struct tokens *tokens = &core->tokens;
	size_t count = 0, found = 0;
	uint32_t last = 0;
	for (uint32_t at = tokens->oldest; at != 0;
	     at = token_at(tokens, at)->newer) {
		const struct token *token = token_at(tokens, at);
		HOLDS(token->note > 0 && token->note < core->next_id);
		HOLDS(tokens_find_note(tokens, token->note) == at);
		found += !token->is_hidden;
		last = at;
		count++;
	}
	HOLDS(last == tokens->newest);
	HOLDS(count == tokens->by_note.count);
	HOLDS(count == tokens->slab.used);
	HOLDS(found == tokens->by_hash.count);
	return NULL;
}

static const char *
verify_attempts_of(const struct core *core, uint32_t handle,
    const struct attempt_list *list, size_t *ret_count)
{
	const struct attempts *attempts = &core->attempts;
	uint32_t count = 0, last = 0;
	for (uint32_t at = list->first; at != 0;
	     at = attempt_at(attempts, at)->later) {
		const struct attempt *attempt = attempt_at(attempts, at);
		HOLDS(attempt->job == handle);
		HOLDS(attempt->earlier == last);
		HOLDS(last == 0 ||
		    attempt->note > attempt_at(attempts, last)->note);
		last = at;
		count++;
	}
	HOLDS(last == list->last);
	HOLDS(count == list->count);
	HOLDS(count <= ATTEMPTS_KEPT);
	*ret_count += count;
	return NULL;
}

/* Those that stand in the list of a job, and those that have none. */
static const char *
verify_owners(const struct core *core, size_t without)
{
	size_t count = without;
	for (uint32_t handle = core->jobs.oldest; handle != 0;
	     handle = jobs_next(&core->jobs, handle)) {
		const struct attempt_list *list =
		    job_attempts(&core->jobs, job_at(&core->jobs, handle));
		const char *broken = list != NULL
		    ? verify_attempts_of(core, handle, list, &count)
		    : NULL;
		if (broken != NULL)
			return broken;
	}
	HOLDS(count == core->attempts.slab.used);
	return NULL;
}

static const char *
verify_attempts(const struct core *core)
{
	const struct attempts *attempts = &core->attempts;
	size_t count = 0, without = 0;
	uint64_t bytes = 0;
	uint32_t last = 0;
	for (uint32_t at = attempts->oldest; at != 0;
	     at = attempt_at(attempts, at)->newer) {
		const struct attempt *attempt = attempt_at(attempts, at);
		HOLDS(attempt->note > 0 && attempt->note < core->next_id);
		HOLDS(attempts_find(attempts, attempt->note) == at);
		HOLDS(attempt->older == last);
		without += attempt->job == 0;
		bytes += attempt->body_bytes;
		last = at;
		count++;
	}
	HOLDS(last == attempts->newest);
	HOLDS(count == attempts->slab.used);
	HOLDS(count == attempts->by_note.count);
	HOLDS(bytes == attempts->bytes);
	return verify_owners(core, without);
}

const char *
verify_core(const struct core *core)
{
	struct found found = { 0 };
	const char *broken = verify_lanes(core, &found);
	if (broken == NULL)
		broken = verify_subscribers(core, &found);
	if (broken == NULL)
		broken = verify_roll(core);
	if (broken == NULL)
		broken = verify_due(core, &found);
	if (broken == NULL)
		broken = verify_leases(core, &found);
	if (broken == NULL)
		broken = verify_gates(core);
	if (broken == NULL)
		broken = verify_keys(core, &found);
	if (broken == NULL)
		broken = verify_aliases(core);
	if (broken == NULL)
		broken = verify_tokens(core);
	if (broken == NULL)
		broken = verify_expiries(core);
	if (broken == NULL)
		broken = verify_attempts(core);
	if (broken == NULL)
		broken = verify_all(core, &found);
	if (broken == NULL)
		broken = verify_limits(core, &found);
	return broken;
}
