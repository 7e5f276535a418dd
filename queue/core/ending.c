/* SPDX-License-Identifier: MIT */
#include "core/ending.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/autopsy.h"
#include "core/due.h"
#include "core/expiry.h"
#include "core/lease.h"
#include "core/limit.h"
#include "core/line.h"
#include "core/match.h"
#include "core/merge.h"
#include "core/wish.h"

#include <stdio.h>

static void
tell_ending(struct core *core, uint32_t handle, const struct retry *retry,
    enum verdict verdict, uint32_t subscriber)
{
	struct counters *counters = &core->counters;
	enum core_event event = EVENT_FAILED;
	switch (verdict) {
	case VERDICT_DONE:
		event = EVENT_DONE;
		counters->done++;
		break;
	case VERDICT_TIMEOUT:
		counters->timed_out++;
		event = EVENT_FAILED;
		counters->failed++;
		break;
	case VERDICT_FAIL:
	case VERDICT_DEAD:
		event = EVENT_FAILED;
		counters->failed++;
		break;
	case VERDICT_CANCELLED:
		event = EVENT_CANCELLED;
		counters->cancelled++;
		break;
	case VERDICT_RETRY:
		event = EVENT_RETRIED;
		counters->retried++;
		break;
	case VERDICT_RELEASE:
		event = EVENT_RELEASED;
		counters->released++;
		break;
	case VERDICT_DIED:
	case VERDICT_LOST:
		event = EVENT_RETURNED;
		counters->died++;
		break;
	case VERDICT_COUNT:
		UNREACHABLE();
	}
	if (retry->state == JOB_DEAD) {
		event = EVENT_DEAD;
		counters->dead++;
	}
	wish_tell_job(core, event, handle, subscriber);
}

void
ending_forget(struct core *core, uint32_t handle)
{
	wish_forget(core, handle);
	autopsy_forget(core, handle);
	line_leave(core, handle);
	line_forget(core, handle);
	expiry_end(core, handle);
	jobs_remove(&core->jobs, handle);
}

/* Puts a job that is in no list where its new state keeps it. */
static void
settle(struct core *core, struct lane *lane, uint32_t handle,
    const struct retry *retry)
{
	struct job *job = job_at(&core->jobs, handle);
	switch (retry->state) {
	case JOB_READY:
		job->at_ms = core->now_ms;
		merge_behind(core, handle);
		if (retry->in_front)
			lane_push_front(&core->jobs, lane, handle);
		else
			lane_push_back(&core->jobs, lane, handle);
		break;
	case JOB_DELAYED:
		merge_behind(core, handle);
		due_add(&core->due, &core->jobs, handle,
		    (struct moment){ core->now_ms + retry->delay_ms, false });
		break;
	case JOB_DEAD:
		expiry_end(core, handle);
		job->cause = (uint8_t)retry->cause;
		job->at_ms = core->now_ms;
		job_list_push_back(&core->jobs, &lane->dead, handle);
		line_leave(core, handle);
		break;
	case JOB_NONE:
	case JOB_BLOCKED:
	case JOB_RUNNING:
	case JOB_STATE_COUNT:
		UNREACHABLE();
	}
	lane->counts[retry->state]++;
	wish_save(core, handle, false);
}

void
ending_of_use(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	const struct retry retry = { .state = JOB_DEAD,
		.cause = CAUSE_EXPIRED };
	line_take_out(core, handle);
	job_set_state(job, JOB_DEAD);
	if (job->delivery == 0)
		job_set_reason(
		    &core->jobs, job, SPAN_LITERAL("expired before it began"));
	core->counters.dead++;
	core->counters.expired++;
	wish_tell_job(core, EVENT_DEAD, handle, 0);
	settle(core, lane, handle, &retry);
	lanes_note(&core->lanes, lane);
	match_lane(core, lane);
}

/* ---- the end of a run ---- */

/* What was done in time is done, whoever wanted to stop it. */
static enum verdict
judge(const struct core *core, const struct job *job,
    const struct outcome *outcome)
{
	if (outcome->verdict == VERDICT_DONE)
		return VERDICT_DONE;
	if (job->cancelled && !PLANTED(CANCELLED_RUNS_AGAIN))
		return VERDICT_CANCELLED;
	return lease_is_over(core, job) ? VERDICT_TIMEOUT : outcome->verdict;
}

/* What is stopped dies of that. */
static bool
count_crash(
    struct job *job, const struct outcome *outcome, enum verdict verdict)
{
	if (!outcome->crashed || verdict != outcome->verdict)
		return false;
	if (job->crashes < UINT8_MAX && !PLANTED(CRASHES_NOT_COUNTED))
		job->crashes++;
	return true;
}

static void
set_timeout_reason(struct core *core, struct job *job, const struct span *how)
{
	char text[REASON_BYTES_MAX + 1];
	snprintf(text, sizeof(text), "timeout%s%.*s",
	    how->count > 0 ? ": " : "", (int)how->count,
	    how->count > 0 ? how->bytes : "");
	job_set_reason(&core->jobs, job, span_of(text));
}

void
ending_of_run(struct core *core, uint32_t handle, const struct outcome *outcome)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	struct subscriber *subscriber =
	    subscriber_at(&core->demand, job->place);
	enum verdict verdict = judge(core, job, outcome);
	const struct certificate certificate =
	    autopsy_of_run(core, handle, outcome, verdict);
	bool crashed = count_crash(job, outcome, verdict);
	uint32_t max_attempts = job_terms(&core->jobs, job).max_attempts;
	if (max_attempts == 0)
		max_attempts = lane->policy.max_attempts;
	struct retry retry = retry_decide(&lane->policy, job, max_attempts,
	    verdict, crashed, outcome->delay_ms, random_next(&core->random));

	if ((retry.state == JOB_READY || retry.state == JOB_DELAYED) &&
	    expiry_has_passed(core, job)) {
		retry.state = JOB_DEAD;
		retry.cause = CAUSE_EXPIRED;
		core->counters.expired++;
	}
	if (retry.state == JOB_NONE || retry.state == JOB_DEAD)
		limit_left(core, handle);
	job_list_remove(&core->jobs, &subscriber->running, handle);
	demand_relieved(
	    &core->demand, &core->lanes, subscriber, job->body_bytes);
	job_set_state(job, retry.state);
	lane->counts[JOB_RUNNING]--;
	jobs_drop_delivery(&core->jobs, handle);
	lease_end(core, handle);
	job->place = 0;
	job->cancelled = false;
	if (verdict == VERDICT_TIMEOUT)
		set_timeout_reason(core, job, &outcome->reason);
	else if (outcome->reason.count > 0)
		job_set_reason(&core->jobs, job, outcome->reason);
	if (verdict != VERDICT_RELEASE)
		histogram_add(&lane->run_ms, core->now_ms - job->at_ms);
	if (verdict == VERDICT_DONE) {
		lane->done++;
		subscriber->done++;
	} else if (verdict == VERDICT_FAIL || verdict == VERDICT_DEAD ||
	    verdict == VERDICT_TIMEOUT) {
		lane->failed++;
	}
	tell_ending(core, handle, &retry, verdict,
	    subscriber->handle != core->absent ? subscriber->handle : 0);
	if (!retry.counted)
		job->attempt--;
	if (retry.state == JOB_NONE) {
		/* The told job is gone when the wish is read. */
		core->wishes[core->wish_count - 1].job = 0;
		ending_forget(core, handle);
		lanes_note(&core->lanes, lane);
	} else {
		settle(core, lane, handle, &retry);
		if (autopsy_is_due(verdict))
			autopsy_keep(core, handle, &certificate);
	}
}

/* Matches every lane into which a job has just come back. */
static void
match_lanes(struct core *core, size_t first_wish)
{
	size_t end = core->wish_count;
	uint32_t last = 0;
	for (size_t i = first_wish; i < end; i++) {
		if (core->wishes[i].kind != WISH_TELL ||
		    core->wishes[i].lane == last)
			continue;
		last = core->wishes[i].lane;
		match_lane(core, lane_at(&core->lanes, last));
	}
}

void
ending_of_subscriber(struct core *core, struct subscriber *subscriber,
    enum verdict verdict, struct span reason, const struct remains *remains)
{
	struct outcome outcome = {
		.verdict = verdict,
		.crashed = verdict == VERDICT_DIED,
		.reason = reason,
	};
	if (remains != NULL)
		outcome.remains = *remains;
	size_t first_wish = core->wish_count;
	/* The last one first: each goes in front of the one before it. */
	while (subscriber->running.tail != 0)
		ending_of_run(core, subscriber->running.tail, &outcome);
	match_lanes(core, first_wish);
}
