/* SPDX-License-Identifier: MIT */
#include "core/verify.h"

/* Counts of what was found by walking, to be held against what is kept. */
struct found {
	uint64_t ready;
	uint64_t delayed;
	uint64_t running;
	uint64_t dead;
};

#define HOLDS(condition)                          \
	do {                                      \
		if (!(condition))                 \
			return "not: " #condition; \
	} while (0)

static const char *
verify_job(const struct core *core, uint32_t handle, enum job_state state)
{
	const struct job *job = job_at(&core->jobs, handle);
	HOLDS(job->state == state);
	HOLDS(job->id > 0 && job->id < core->next_id);
	HOLDS(jobs_find(&core->jobs, job->id) == handle);
	HOLDS(job->attempt <= job->delivery);
	HOLDS((state == JOB_DEAD) == (job->cause != CAUSE_NONE));
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

static const char *
verify_asking(const struct core *core, const struct lane *lane)
{
	const struct subscription *subscription;
	uint32_t asking = 0;
	LIST_FOREACH(subscription, &lane->subscriptions, in_lane) {
		const struct subscriber *subscriber =
		    subscriber_at(&core->demand, subscription->subscriber);
		HOLDS(subscription->lane == lane->handle);
		HOLDS(subscription->demand <= DEMAND_MAX);
		HOLDS(subscriber->connected);
		bool served = subscription->demand > 0 &&
		    subscriber->held_bytes < HELD_BYTES_MAX;
		HOLDS(served == (subscription->place != 0));
		if (!served)
			continue;
		HOLDS(lane->asking.items[subscription->place] ==
		    subscription->handle);
		asking++;
	}
	HOLDS(asking == lane->asking.count);
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
		const char *broken =
		    verify_list(core, list, JOB_READY, &ready);
		if (broken != NULL)
			return broken;
	}
	const char *broken = verify_list(core, &lane->dead, JOB_DEAD, &dead);
	if (broken != NULL)
		return broken;
	HOLDS(ready == lane->counts[JOB_READY]);
	HOLDS(dead == lane->counts[JOB_DEAD]);
	/* Nobody waits for what is there: the rule of stored demand. */
	HOLDS(ready == 0 || lane->asking.count == 0);
	found->ready += ready;
	found->dead += dead;
	found->delayed += lane->counts[JOB_DELAYED];
	found->running += lane->counts[JOB_RUNNING];
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
	return NULL;
}

static const char *
verify_subscriber(const struct core *core,
    const struct subscriber *subscriber, uint64_t *running)
{
	uint64_t count = 0, bytes = 0;
	const char *broken =
	    verify_list(core, &subscriber->running, JOB_RUNNING, &count);
	if (broken != NULL)
		return broken;
	for (uint32_t handle = subscriber->running.head; handle != 0;) {
		const struct job *job = job_at(&core->jobs, handle);
		HOLDS(job->place == subscriber->handle);
		HOLDS(job->msgid <= subscriber->last_msgid);
		HOLDS(job->attempt > 0);
		bytes += job->body_bytes;
		handle = job->next;
	}
	HOLDS(count == subscriber->running_count);
	HOLDS(bytes == subscriber->held_bytes);
	HOLDS(subscriber->connected || subscriber->running_count > 0);
	HOLDS(subscriber->connected ||
	    LIST_EMPTY(&subscriber->subscriptions));
	*running += count;
	return NULL;
}

static const char *
verify_subscribers(const struct core *core, const struct found *found)
{
	uint64_t running = 0;
	uint32_t silent = 0;
	const struct subscriber *subscriber;
	TAILQ_FOREACH(subscriber, &core->demand.all, in_all) {
		const char *broken =
		    verify_subscriber(core, subscriber, &running);
		if (broken != NULL)
			return broken;
		if (!subscriber->connected)
			silent++;
	}
	HOLDS(silent == core->silent);
	HOLDS(running == found->running);
	return NULL;
}

static const char *
verify_due(const struct core *core, const struct found *found)
{
	HOLDS(core->due.count == found->delayed);
	for (uint32_t at = 1; at <= core->due.count; at++) {
		uint32_t handle = core->due.items[at];
		const char *broken = verify_job(core, handle, JOB_DELAYED);
		if (broken != NULL)
			return broken;
		HOLDS(job_at(&core->jobs, handle)->place == at);
		HOLDS(at == 1 ||
		    !core->due.before(
			core->due.context, handle, core->due.items[at / 2]));
	}
	return NULL;
}

const char *
verify_core(const struct core *core)
{
	struct found found = { 0 };
	const char *broken = verify_lanes(core, &found);
	if (broken == NULL)
		broken = verify_subscribers(core, &found);
	if (broken == NULL)
		broken = verify_due(core, &found);
	if (broken != NULL)
		return broken;
	HOLDS(found.ready + found.delayed + found.running + found.dead ==
	    core->jobs.slab.used);
	HOLDS(core->jobs.by_id.count == core->jobs.slab.used);
	return NULL;
}
