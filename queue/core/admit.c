/* SPDX-License-Identifier: MIT */
#include "core/admit.h"

#include "base/check.h"
#include "core/line.h"
#include "core/merge.h"

#include <stdlib.h>

#define PLANS_AT_FIRST 64

/* What the events of a batch that coalesce make of one key. */
struct plan {
	uint32_t key;
	uint64_t hints; /* of the batch alone */
	uint64_t bytes; /* of these, with the line breaks between them */
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

/* One event more of that key, which coalesces. */
static enum refusal
plan_merge(const struct core *core, const struct lane *lane, struct plan *plan,
    uint32_t body_bytes, const char **ret_words)
{
	uint32_t pending = line_pending(core, plan->key, KEY_COALESCE);
	plan->bytes += body_bytes + (plan->hints > 0);
	plan->hints++;
	if (plan->hints > 1 && !merge_fits(lane, plan->hints, plan->bytes)) {
		*ret_words =
		    "the bodies of one key are too many or too long to "
		    "be one job; send fewer in one request";
		return REFUSAL_TOO_BIG;
	}
	if (pending == 0)
		return REFUSAL_NONE;
	const struct job *job = job_at(&core->jobs, pending);
	if (merge_fits(lane, job->hints + plan->hints,
		(uint64_t)job->body_bytes + 1 + plan->bytes))
		return REFUSAL_NONE;
	*ret_words = "a job that waits with one of the keys takes no more; try "
		     "again when it has run";
	return REFUSAL_FULL;
}

/* Does it make a job of its own? */
static bool
is_job(const struct core *core, const struct plan *plan, enum key_mode mode)
{
	return plan == NULL || mode != KEY_COALESCE ||
	    (plan->hints == 1 && line_pending(core, plan->key, mode) == 0);
}

static enum refusal
plan_arrival(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct arrival *arrival, uint32_t *jobs, const char **ret_words)
{
	enum refusal refusal = REFUSAL_NONE;
	struct plan *plan = NULL;
	if (arrival->key.count > 0) {
		plan = plan_of(core, lane, arrival->key);
		if (plan == NULL) {
			*ret_words = "no memory for another key";
			return REFUSAL_FULL;
		}
		if (mode == KEY_COALESCE)
			refusal = plan_merge(
			    core, lane, plan, arrival->body_bytes, ret_words);
	}
	*jobs += is_job(core, plan, mode);
	return refusal;
}

/* Counts the jobs that the batch makes. That a repetition cannot help is more
 * than that it may, so the look goes on after FULL. */
static enum refusal
make_plans(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct fact *fact, uint32_t *ret_jobs, const char **ret_words)
{
	enum refusal worst = REFUSAL_NONE;
	*ret_jobs = 0;
	for (uint32_t i = 0; i < fact->admit.count && worst != REFUSAL_TOO_BIG;
	     i++) {
		enum refusal refusal = plan_arrival(core, lane, mode,
		    &fact->admit.arrivals[i], ret_jobs, ret_words);
		if (refusal != REFUSAL_NONE)
			worst = refusal;
	}
	return worst;
}

enum refusal
admit_batch(struct core *core, const struct lane *lane, enum key_mode mode,
    const struct fact *fact, const char **ret_words)
{
	uint32_t jobs;
	CHECK(core->plan_count == 0 && fact->admit.count > 0);
	enum refusal refusal =
	    make_plans(core, lane, mode, fact, &jobs, ret_words);
	if (refusal == REFUSAL_NONE &&
	    !jobs_reserve(&core->jobs, jobs, fact->admit.with_terms)) {
		*ret_words = "no memory for so many jobs";
		refusal = REFUSAL_FULL;
	}
	if (refusal == REFUSAL_NONE)
		core->admitted = fact->admit.count;
	else
		drop_plans(core);
	return refusal;
}

void
admit_taken(struct core *core)
{
	CHECK(core->admitted > 0 && core->refusal == REFUSAL_NONE);
	if (--core->admitted == 0)
		drop_plans(core);
}
