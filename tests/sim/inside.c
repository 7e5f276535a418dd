/* SPDX-License-Identifier: MIT */
#include "tests/sim/inside.h"

#include "core/gate.h"
#include "core/line.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"

static uint64_t
count_blocked(const struct core *core)
{
	uint64_t count = 0;
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct lane *lane =
		    lanes_find(&core->lanes, span_of(queue_rules(i)->name));
		if (lane != NULL)
			count += lane->counts[JOB_BLOCKED];
	}
	return count;
}

static enum job_state
pending_state(const struct core *core, const struct fact *fact)
{
	const struct lane *lane = lanes_find(&core->lanes, fact->enqueue.queue);
	if (lane == NULL || fact->enqueue.key.count == 0)
		return JOB_NONE;
	enum key_mode mode = fact->enqueue.mode < KEY_MODE_COUNT
	    ? fact->enqueue.mode
	    : lane->policy.mode;
	uint32_t key = keys_find(&core->keys, lane->handle, fact->enqueue.key);
	uint32_t job = line_pending(core, key, mode);
	return job != 0 ? (enum job_state)job_at(&core->jobs, job)->state
			: JOB_NONE;
}

struct inside
inside_before(const struct core *core, const struct fact *fact)
{
	struct inside before = { 0 };
	if (fact->kind == FACT_ENQUEUE)
		before.pending = pending_state(core, fact);
	else if (fact->kind == FACT_TIME)
		before.blocked = count_blocked(core);
	return before;
}

static void
look_at_enqueue(const struct core *core, enum job_state pending)
{
	if (pending == JOB_NONE)
		return;
	if (core->refusal != REFUSAL_NONE)
		sight(SIGHT_MERGE_REFUSED);
	else if (pending == JOB_READY)
		sight(SIGHT_MERGED_INTO_READY);
	else if (pending == JOB_BLOCKED)
		sight(SIGHT_MERGED_INTO_BLOCKED);
	else
		sight(SIGHT_MERGED_INTO_DELAYED);
}

static void
look_at_restored(const struct core *core, const struct fact *fact)
{
	uint32_t handle = jobs_find(&core->jobs, fact->restore.job.id);
	const struct job *job = job_at(&core->jobs, handle);
	if (job->mode == KEY_PARALLEL)
		return;
	const struct key *key = key_at(&core->keys, job->key);
	if (key->holder == handle && key->line.head != 0 &&
	    job_at(&core->jobs, key->line.head)->id < job->id)
		sight(SIGHT_TURN_KEPT);
}

/* The end of the run of a job that will be tried again. */
static void
look_at_return(const struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	if (job->mode == KEY_COALESCE &&
	    key_at(&core->keys, job->key)->pending != handle &&
	    key_at(&core->keys, job->key)->pending != 0 &&
	    job->state != JOB_RUNNING)
		sight(SIGHT_FOLD_REFUSED);
}

static void
look_at_fold(const struct core *core, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		const struct wish *wish = &core->wishes[i];
		if (wish->kind != WISH_TELL ||
		    wish->id != core->wishes[at].into)
			continue;
		if (wish->event == EVENT_FAILED)
			sight(SIGHT_FOLDED_AFTER_FAILURE);
		else if (wish->event == EVENT_RETURNED)
			sight(SIGHT_FOLDED_AFTER_DEATH);
	}
}

static void
look_at_dead(const struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	if (job->mode != KEY_PARALLEL &&
	    key_at(&core->keys, job->key)->holder != 0)
		sight(SIGHT_DEAD_FREED_KEY);
}

static void
look_at_wish(const struct core *core, size_t at)
{
	const struct wish *wish = &core->wishes[at];
	if (wish->kind != WISH_TELL)
		return;
	if (wish->event == EVENT_FOLDED)
		look_at_fold(core, at);
	else if (wish->event == EVENT_DEAD)
		look_at_dead(core, wish->job);
	else if (wish->event == EVENT_FAILED || wish->event == EVENT_RETRIED ||
	    wish->event == EVENT_RELEASED || wish->event == EVENT_RETURNED)
		look_at_return(core, wish->job);
}

/* Somebody asks for what is there, and its queue has begun enough. */
static void
look_at_rate(const struct core *core, struct span queue)
{
	const struct lane *lane = lanes_find(&core->lanes, queue);
	if (lane != NULL && lane->policy.rate_jobs > 0 &&
	    lane_first(lane) != 0 &&
	    demand_first(&core->demand, lane) != NULL &&
	    gate_of(core, lane) == GATE_RATE)
		sight(SIGHT_RATE_WAITED);
}

void
inside_after(const struct core *core, const struct fact *fact,
    const struct inside *before)
{
	if (fact->kind == FACT_ENQUEUE)
		look_at_enqueue(core, before->pending);
	else if (fact->kind == FACT_RESTORE)
		look_at_restored(core, fact);
	else if (fact->kind == FACT_RESTORED && count_blocked(core) > 0)
		sight(SIGHT_RESTART_WITH_BLOCKED);
	else if (fact->kind == FACT_TIME &&
	    count_blocked(core) > before->blocked)
		sight(SIGHT_DUE_AND_BUSY);
	if (fact->kind == FACT_DEMAND)
		look_at_rate(core, fact->demand.queue);
	for (size_t i = 0; i < core->wish_count; i++)
		look_at_wish(core, i);
}
