/* SPDX-License-Identifier: MIT */
#include "core/lease.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/ending.h"
#include "core/match.h"
#include "core/wish.h"

/* The last tenth of the time is warned of, and so much at least: what is told
 * later helps nobody. */
#define WARNING_MS_MIN INT64_C(1000)

static struct lease *
lease_at(const struct jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->leases, handle);
}

static bool
acts_before(const void *context, uint32_t a, uint32_t b)
{
	return lease_at(context, a)->act_at_ms <
	    lease_at(context, b)->act_at_ms;
}

static void
note_place(const void *context, uint32_t handle, uint32_t position)
{
	lease_at(context, handle)->place = position;
}

void
lease_init(struct heap *leases, const struct jobs *jobs)
{
	heap_init(leases, acts_before, note_place, jobs);
}

static struct lease *
lease_of(const struct core *core, uint32_t job)
{
	return job_lease(&core->jobs, job_at(&core->jobs, job));
}

static const struct lane_policy *
policy_of(const struct core *core, const struct job *job)
{
	return &lane_at(&core->lanes, job->lane)->policy;
}

/* ---- time ---- */

static int64_t
ttr_of(const struct core *core, const struct job *job)
{
	int64_t own_ms = job_terms(&core->jobs, job).ttr_ms;
	if (own_ms == 0)
		return policy_of(core, job)->ttr_ms;
	return own_ms == TTR_NONE ? 0 : own_ms;
}

static void
act_at(struct core *core, struct lease *lease, int64_t at_ms)
{
	uint32_t handle = job_at(&core->jobs, lease->job)->lease;
	if (lease->place != 0)
		heap_remove(&core->leases, lease->place);
	lease->place = 0;
	lease->act_at_ms = at_ms;
	/* Without memory for its time a job could run for ever. */
	CHECK(at_ms == INT64_MAX || heap_add(&core->leases, handle));
}

/* From now on, for so long; 0: for ever. */
static void
start(struct core *core, struct lease *lease, int64_t ttr_ms)
{
	int64_t warning_ms = ttr_ms / 10;
	lease->phase = LEASE_RUNNING;
	if (ttr_ms == 0) {
		lease->end_ms = INT64_MAX;
		act_at(core, lease, INT64_MAX);
		return;
	}
	lease->end_ms = core->now_ms + ttr_ms;
	if (warning_ms < WARNING_MS_MIN)
		warning_ms = WARNING_MS_MIN;
	if (warning_ms >= ttr_ms) {
		lease->phase = LEASE_WARNED;
		warning_ms = 0;
	}
	act_at(core, lease, lease->end_ms - warning_ms);
}

static struct lease *
take(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	job->lease = slab_take(&core->jobs.leases);
	CHECK(job->lease != 0);
	struct lease *lease = job_lease(&core->jobs, job);
	lease->job = handle;
	return lease;
}

void
lease_begin(struct core *core, uint32_t handle, uint32_t msgid)
{
	struct lease *lease = take(core, handle);
	lease->msgid = msgid;
	start(core, lease, ttr_of(core, job_at(&core->jobs, handle)));
}

void
lease_begin_absent(struct core *core, uint32_t handle)
{
	struct lease *lease = take(core, handle);
	lease->end_ms = lease->act_at_ms = INT64_MAX;
	lease->is_resumed = true;
}

void
lease_resume(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lease *lease = lease_of(core, handle);
	if (!job->cancelled && lease->phase < LEASE_STOPPING)
		return;
	lease->phase = LEASE_WARNED;
	act_at(core, lease, core->now_ms);
}

void
lease_resume_absent(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lease *lease = lease_of(core, handle);
	int64_t ttr_ms = ttr_of(core, job);
	/* What it was told meanwhile holds where that is longer. */
	if (lease->touched_ms == INT64_MAX)
		ttr_ms = 0;
	else if (ttr_ms > 0 && lease->touched_ms - core->now_ms > ttr_ms)
		ttr_ms = lease->touched_ms - core->now_ms;
	start(core, lease, ttr_ms);
	lease_resume(core, handle);
}

void
lease_end(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lease *lease = job_lease(&core->jobs, job);
	if (lease->place != 0)
		heap_remove(&core->leases, lease->place);
	slab_give(&core->jobs.leases, job->lease);
	job->lease = 0;
}

bool
lease_is_over(const struct core *core, const struct job *job)
{
	return !job->cancelled &&
	    job_lease(&core->jobs, job)->phase >= LEASE_STOPPING;
}

bool
lease_extend(struct core *core, uint32_t handle, int64_t ttr_ms)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lease *lease = lease_of(core, handle);
	if (job->cancelled || lease->phase >= LEASE_STOPPING)
		return false;
	if (ttr_ms == 0)
		ttr_ms = ttr_of(core, job);
	if (PLANTED(TOUCH_IGNORED))
		return true;
	/* Whose worker is waited for has all the time until it comes. */
	if (job->place == core->absent)
		lease->touched_ms = ttr_ms == TTR_NONE || ttr_ms == 0
		    ? INT64_MAX
		    : core->now_ms + ttr_ms;
	else
		start(core, lease, ttr_ms == TTR_NONE ? 0 : ttr_ms);
	return true;
}

int64_t
lease_left_ms(const struct core *core, const struct job *job)
{
	const struct lease *lease = job_lease(&core->jobs, job);
	if (lease->end_ms == INT64_MAX)
		return INT64_MAX;
	return lease->end_ms > core->now_ms ? lease->end_ms - core->now_ms : 0;
}

/* ---- stopping ---- */

static void
stop(struct core *core, struct lease *lease)
{
	const struct job *job = job_at(&core->jobs, lease->job);
	int64_t grace_ms = policy_of(core, job)->ttr_grace_ms;
	struct wish *wish = wish_add(core, WISH_STOP);
	wish->job = lease->job;
	wish->id = job->id;
	wish->delivery = job->delivery;
	wish->subscriber = job->place;
	lease->phase = LEASE_STOPPING;
	act_at(core, lease, core->now_ms + grace_ms + LEASE_PATIENCE_MS);
}

void
lease_cancel(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lease *lease = lease_of(core, handle);
	if (job->cancelled)
		return;
	job->cancelled = true;
	wish_save(core, handle, false);
	/* Who is being stopped already has only so long to live. */
	if (lease->phase < LEASE_STOPPING && job->place != core->absent)
		stop(core, lease);
}

/* It was asked, and had its time. */
static void
end_worker(struct core *core, struct lease *lease)
{
	const struct job *job = job_at(&core->jobs, lease->job);
	const struct subscriber *subscriber =
	    subscriber_at(&core->demand, job->place);
	bool is_alive = roll_is_alive(
	    &core->roll, subscriber->pid, subscriber->incarnation);
	struct wish *wish = wish_add(core, is_alive ? WISH_KILL : WISH_CUT_OFF);
	wish->pid = subscriber->pid;
	wish->subscriber = job->place;
	wish->id = job->id;
	if (PLANTED(GIVEN_OUT_BEFORE_REAPED)) {
		struct lane *lane = lane_at(&core->lanes, job->lane);
		ending_of_run(core, lease->job,
		    &(struct outcome){ .verdict = VERDICT_DIED });
		match_lane(core, lane);
		return;
	}
	lease->phase = LEASE_OVERSTAYED;
	act_at(core, lease, core->now_ms + WORKER_SILENCE_MS);
}

static void
warn(struct core *core, struct lease *lease)
{
	const struct job *job = job_at(&core->jobs, lease->job);
	lease->phase = LEASE_WARNED;
	wish_tell_job(core, EVENT_OVERDUE, lease->job, job->place);
	act_at(core, lease, lease->end_ms);
}

static void
act(struct core *core, struct lease *lease)
{
	switch ((enum lease_phase)lease->phase) {
	case LEASE_RUNNING:
		warn(core, lease);
		return;
	case LEASE_WARNED:
		stop(core, lease);
		return;
	case LEASE_STOPPING:
	case LEASE_OVERSTAYED:
		end_worker(core, lease);
		return;
	}
	UNREACHABLE();
}

int64_t
lease_wake_at(const struct core *core)
{
	uint32_t first = heap_first(&core->leases);
	return first != 0 ? lease_at(&core->jobs, first)->act_at_ms : INT64_MAX;
}

void
lease_act(struct core *core)
{
	while (lease_wake_at(core) <= core->now_ms)
		act(core, lease_at(&core->jobs, heap_first(&core->leases)));
}
