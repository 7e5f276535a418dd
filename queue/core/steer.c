/* SPDX-License-Identifier: MIT */
#include "core/steer.h"

#include "base/planted.h"
#include "core/due.h"
#include "core/ending.h"
#include "core/lease.h"
#include "core/limit.h"
#include "core/line.h"
#include "core/match.h"
#include "core/merge.h"
#include "core/wish.h"

static void
refuse(struct core *core, enum refusal refusal, const char *words)
{
	core->refusal = refusal;
	core->words = words;
}

/* The job of that id, or the one that it was folded into; 0, refused, when
 * there is none. */
static uint32_t
find(struct core *core, uint64_t id)
{
	uint32_t handle = jobs_resolve(&core->jobs, id);
	if (handle == 0)
		refuse(core, REFUSAL_NOT_FOUND,
		    id < core->next_id ? "no such job any more"
				       : "no such job");
	return handle;
}

/* ---- more time ---- */

void
steer_touch(struct core *core, const struct fact *fact)
{
	uint32_t handle = find(core, fact->touch.id);
	if (handle == 0)
		return;
	const struct job *job = job_at(&core->jobs, handle);
	if (job->state != JOB_RUNNING) {
		refuse(core, REFUSAL_BAD_STATE, "that job does not run");
		return;
	}
	if (fact->touch.delivery != 0 &&
	    (job->delivery != fact->touch.delivery ||
		job->place != fact->subscriber)) {
		core->counters.stale++;
		refuse(core, REFUSAL_STALE, "that delivery no longer stands");
		return;
	}
	if (!lease_extend(core, handle, fact->touch.ttr_ms))
		refuse(core, REFUSAL_BAD_STATE,
		    "that job is being stopped: its time was over, or it was "
		    "cancelled");
}

/* ---- out of the way ---- */

static void
remove_job(struct core *core, uint32_t handle, enum core_event event)
{
	struct lane *lane =
	    lane_at(&core->lanes, job_at(&core->jobs, handle)->lane);
	wish_tell_job(core, event, handle, 0);
	/* The told job is gone when the wish is read. */
	core->wishes[core->wish_count - 1].job = 0;
	line_take_out(core, handle);
	if (PLANTED(DELETED_KEEPS_ITS_KEY)) {
		wish_forget(core, handle);
		jobs_remove(&core->jobs, handle);
	} else {
		ending_forget(core, handle);
	}
	lanes_note(&core->lanes, lane);
	match_lane(core, lane);
}

void
steer_cancel(struct core *core, const struct fact *fact)
{
	uint32_t handle = find(core, fact->steer.id);
	if (handle == 0)
		return;
	enum job_state state =
	    (enum job_state)job_at(&core->jobs, handle)->state;
	if (state == JOB_RUNNING) {
		lease_cancel(core, handle);
		core->answer = 1;
	} else if (state == JOB_DEAD) {
		refuse(core, REFUSAL_BAD_STATE,
		    "that job is dead; delete or retry it");
	} else {
		core->counters.cancelled++;
		remove_job(core, handle, EVENT_CANCELLED);
	}
}

void
steer_delete(struct core *core, const struct fact *fact)
{
	uint32_t handle = find(core, fact->steer.id);
	if (handle == 0)
		return;
	if (job_at(&core->jobs, handle)->state == JOB_RUNNING) {
		refuse(
		    core, REFUSAL_BAD_STATE, "that job runs; cancel it first");
		return;
	}
	core->counters.deleted++;
	remove_job(core, handle, EVENT_DELETED);
}

/* ---- once more ---- */

static void
tell_revived(struct core *core, uint32_t handle)
{
	wish_save(core, handle, false);
	wish_tell_job(core, EVENT_REVIVED, handle, 0);
	core->counters.revived++;
	core->answer = job_at(&core->jobs, handle)->id;
}

static void
hurry(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	due_remove(&core->due, &core->jobs, handle);
	lane->counts[JOB_DELAYED]--;
	line_enter(core, handle);
	tell_revived(core, handle);
	match_lane(core, lane);
}

/* What it was tried before is over: it begins anew. */
static void
revive(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	line_take_out(core, handle);
	job->cause = CAUSE_NONE;
	job->attempt = 0;
	job->crashes = 0;
	line_come_back(core, handle);
	limit_came(core, handle);
	line_enter(core, handle);
	lanes_note(&core->lanes, lane);
	tell_revived(core, handle);
	match_lane(core, lane);
}

/* A job with its key waits already: they become one. */
static void
fold_into(struct core *core, uint32_t pending, uint32_t handle)
{
	struct lane *lane =
	    lane_at(&core->lanes, job_at(&core->jobs, handle)->lane);
	if (!merge_dead(core, pending, handle)) {
		refuse(core, REFUSAL_FULL,
		    "the job that waits with that key takes no more before it "
		    "has run");
		return;
	}
	tell_revived(core, pending);
	lanes_note(&core->lanes, lane);
	match_lane(core, lane);
}

void
steer_revive(struct core *core, const struct fact *fact)
{
	uint32_t handle = find(core, fact->steer.id);
	if (handle == 0)
		return;
	const struct job *job = job_at(&core->jobs, handle);
	uint32_t pending =
	    line_pending(core, job->key, (enum key_mode)job->mode);
	if (job->state == JOB_DELAYED)
		hurry(core, handle);
	else if (job->state != JOB_DEAD)
		refuse(core, REFUSAL_BAD_STATE,
		    "that job is not dead, and waits for no time");
	else if (pending != 0)
		fold_into(core, pending, handle);
	else
		revive(core, handle);
}
