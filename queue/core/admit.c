/* SPDX-License-Identifier: MIT */
#include "core/admit.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/limit.h"
#include "core/line.h"
#include "core/merge.h"

#include <stdlib.h>

#define PLANS_AT_FIRST 64

/* What the events of a batch make of one key. Where they coalesce that is one
 * job, or a part of one that waits already. */
struct plan {
	uint32_t key;
	uint64_t hints; /* of the batch alone */
	uint64_t bytes; /* of the body that these come to */
};

/* Forgets the plans, and keys that nothing has come to. */
static void
drop_plans(struct core *core)
{
	for (uint32_t i = 0; i < core->plan_count; i++) {
		key_at(&core->keys, core->plans[i].key)->plan = 0;
		keys_give(&core->keys, core->plans[i].key);
	}
	core->plan_count = 0;
}

/* NULL without memory. */
static struct plan *
add_plan(struct core *core, uint32_t key)
{
	if (core->plan_count == core->plan_room) {
		uint32_t room =
		    core->plan_room ? 2 * core->plan_room : PLANS_AT_FIRST;
		struct plan *plans =
		    realloc(core->plans, room * sizeof(*plans));
		if (plans == NULL)
			return NULL;
		core->plans = plans;
		core->plan_room = room;
	}
	struct plan *plan = &core->plans[core->plan_count++];
	*plan = (struct plan){ .key = key };
	key_at(&core->keys, key)->plan = core->plan_count;
	return plan;
}

/* The plan of a key, which is kept for the batch; NULL without memory. */
static struct plan *
plan_of(struct core *core, const struct lane *lane, struct span text)
{
	uint32_t key = keys_take(&core->keys, lane->handle, text);
	if (key == 0)
		return NULL;
	uint32_t place = key_at(&core->keys, key)->plan;
	if (place != 0)
		return &core->plans[place - 1];
	struct plan *plan = add_plan(core, key);
	if (plan == NULL)
		keys_give(&core->keys, key);
	return plan;
}

static enum refusal
refuse(struct core *core, enum refusal refusal, int64_t after_ms,
    const char *words)
{
	core->words = words;
	core->retry_after_ms = after_ms;
	return refusal;
}

/* The bytes of one body behind others of the same job. */
static uint64_t
joined(enum key_merge rule, uint64_t bytes, uint64_t hints, uint32_t more)
{
	if (hints == 0 || rule == MERGE_LAST)
		return more;
	return rule == MERGE_FIRST ? bytes : bytes + 1 + more;
}

/* One event more of that key, which coalesces. */
static enum refusal
plan_merge(struct core *core, const struct lane *lane, struct plan *plan,
    uint32_t body_bytes)
{
	uint32_t pending = line_pending(core, plan->key, KEY_COALESCE);
	plan->bytes =
	    joined(lane->policy.merge, plan->bytes, plan->hints, body_bytes);
	plan->hints++;
	if (plan->hints > 1 && !merge_fits(lane, plan->hints, plan->bytes))
		return refuse(core, REFUSAL_TOO_BIG, 0,
		    "the bodies of one key are too many or too long to be one "
		    "job; send fewer in one request");
	if (pending == 0)
		return REFUSAL_NONE;
	const struct job *job = job_at(&core->jobs, pending);
	if (merge_fits(lane, job->hints + plan->hints,
		(uint64_t)job->body_bytes + 1 + plan->bytes))
		return REFUSAL_NONE;
	return refuse(core, REFUSAL_FULL, limit_retry_after_ms(lane, 1),
	    "a job that waits with one of the keys takes no more before it has "
	    "run");
}

/* What one arrival of a key that coalesces adds; hints and bytes are of those
 * in front of it. */
static void
grow_merged(const struct core *core, const struct lane *lane, uint32_t key,
    uint64_t hints, uint64_t bytes, uint32_t body_bytes, struct growth *growth)
{
	enum key_merge rule = lane->policy.merge;
	uint32_t pending = key != 0 ? line_pending(core, key, KEY_COALESCE) : 0;
	uint64_t own = joined(rule, bytes, hints, body_bytes);
	growth->own_bytes += own - (hints > 0 ? bytes : 0);
	growth->own_jobs += hints == 0;
	if (pending == 0) {
		growth->jobs += hints == 0;
		growth->bytes += (int64_t)(own - (hints > 0 ? bytes : 0));
		return;
	}
	uint64_t there = job_at(&core->jobs, pending)->body_bytes;
	if (rule == MERGE_FIRST)
		return;
	if (rule == MERGE_APPEND)
		growth->bytes += 1 + (int64_t)body_bytes;
	else
		growth->bytes +=
		    (int64_t)body_bytes - (int64_t)(hints > 0 ? bytes : there);
}

/* One with a key of its own, or a place in line. */
static void
grow_by_job(uint32_t body_bytes, struct growth *growth)
{
	growth->jobs++;
	growth->own_jobs++;
	growth->bytes += body_bytes;
	growth->own_bytes += body_bytes;
}

/* A key that comes for the first time. */
static void
grow_by_key(const struct core *core, uint32_t key, struct growth *growth)
{
	growth->own_keys++;
	growth->keys += key == 0 || key_at(&core->keys, key)->unfinished == 0;
}

static enum refusal
plan_arrival(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct arrival *arrival, struct growth *growth)
{
	uint32_t body_bytes = arrival->body_bytes;
	enum refusal refusal = limit_body(core, lane, body_bytes);
	if (refusal != REFUSAL_NONE)
		return refusal;
	if (arrival->key.count == 0) {
		grow_by_job(body_bytes, growth);
		return REFUSAL_NONE;
	}
	uint32_t plans = core->plan_count;
	struct plan *plan = plan_of(core, lane, arrival->key);
	if (plan == NULL)
		return refuse(core, REFUSAL_FULL, RETRY_AFTER_MS,
		    "no memory for another key");
	if (core->plan_count > plans)
		grow_by_key(core, plan->key, growth);
	if (mode != KEY_COALESCE) {
		grow_by_job(body_bytes, growth);
		return REFUSAL_NONE;
	}
	grow_merged(core, lane, plan->key, plan->hints, plan->bytes, body_bytes,
	    growth);
	return plan_merge(core, lane, plan, body_bytes);
}

/* What the batch comes to. That a repetition cannot help is more than that it
 * may, so the look goes on after FULL. */
static enum refusal
make_plans(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct fact *fact, struct growth *growth)
{
	enum refusal worst = REFUSAL_NONE;
	for (uint32_t i = 0; i < fact->admit.count && worst != REFUSAL_TOO_BIG;
	     i++) {
		enum refusal refusal = plan_arrival(
		    core, lane, mode, &fact->admit.arrivals[i], growth);
		if (refusal != REFUSAL_NONE)
			worst = refusal;
	}
	return worst;
}

enum refusal
admit_batch(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct fact *fact)
{
	struct growth growth = { 0 };
	CHECK(core->plan_count == 0 && fact->admit.count > 0);
	enum refusal refusal = make_plans(core, lane, mode, fact, &growth);
	if (refusal != REFUSAL_TOO_BIG && !PLANTED(BATCH_PASSES_THE_LIMIT)) {
		enum refusal limit = limit_growth(core, lane, &growth);
		if (limit != REFUSAL_NONE)
			refusal = limit;
	}
	if (refusal == REFUSAL_NONE &&
	    !jobs_reserve(
		&core->jobs, (uint32_t)growth.jobs, fact->admit.with_terms))
		refusal = refuse(core, REFUSAL_FULL, RETRY_AFTER_MS,
		    "no memory for so many jobs");
	if (refusal == REFUSAL_NONE)
		core->admitted = fact->admit.count;
	else
		drop_plans(core);
	return refusal;
}

enum refusal
admit_one(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct fact *fact)
{
	struct growth growth = { 0 };
	uint32_t body_bytes = fact->enqueue.body_bytes;
	enum refusal refusal = limit_body(core, lane, body_bytes);
	if (refusal != REFUSAL_NONE)
		return refusal;
	uint32_t key = 0;
	if (fact->enqueue.key.count > 0) {
		key = keys_find(&core->keys, lane->handle, fact->enqueue.key);
		grow_by_key(core, key, &growth);
	}
	if (fact->enqueue.key.count > 0 && mode == KEY_COALESCE)
		grow_merged(core, lane, key, 0, 0, body_bytes, &growth);
	else
		grow_by_job(body_bytes, &growth);
	return limit_growth(core, lane, &growth);
}

void
admit_taken(struct core *core)
{
	CHECK(core->admitted > 0 && core->refusal == REFUSAL_NONE);
	if (--core->admitted == 0)
		drop_plans(core);
}
