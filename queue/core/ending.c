/* SPDX-License-Identifier: MIT */
#include "core/ending.h"

#include "base/check.h"
#include "core/due.h"
#include "core/line.h"
#include "core/match.h"
#include "core/merge.h"
#include "core/wish.h"

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
	case VERDICT_FAIL:
	case VERDICT_DEAD:
		event = EVENT_FAILED;
		counters->failed++;
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

static void
forget(struct core *core, uint32_t handle)
{
	wish_forget(core, handle);
	line_leave(core, handle);
	line_forget(core, handle);
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
		merge_behind(core, handle);
		if (retry->in_front)
			lane_push_front(&core->jobs, lane, handle);
		else
			lane_push_back(&core->jobs, lane, handle);
		break;
	case JOB_DELAYED:
		merge_behind(core, handle);
		due_add(&core->due, &core->jobs, handle,
		    core->now_ms + retry->delay_ms);
		break;
	case JOB_DEAD:
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
ending_of_run(struct core *core, uint32_t handle, const struct outcome *outcome)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	struct subscriber *subscriber =
	    subscriber_at(&core->demand, job->place);
	struct retry retry = retry_decide(&lane->policy, job, outcome->verdict,
	    outcome->delay_ms, random_next(&core->random));

	job_list_remove(&core->jobs, &subscriber->running, handle);
	demand_relieved(
	    &core->demand, &core->lanes, subscriber, job->body_bytes);
	job_set_state(job, retry.state);
	lane->counts[JOB_RUNNING]--;
	jobs_drop_delivery(&core->jobs, handle);
	job->place = 0;
	job->msgid = 0;
	if (outcome->reason.count > 0)
		job_set_reason(&core->jobs, job, outcome->reason);
	if (outcome->verdict == VERDICT_DONE) {
		lane->done++;
		subscriber->done++;
	} else if (outcome->verdict == VERDICT_FAIL ||
	    outcome->verdict == VERDICT_DEAD) {
		lane->failed++;
	}
	tell_ending(core, handle, &retry, outcome->verdict,
	    subscriber->handle != core->absent ? subscriber->handle : 0);
	if (!retry.counted)
		job->attempt--;
	if (retry.state == JOB_NONE) {
		/* The told job is gone when the wish is read. */
		core->wishes[core->wish_count - 1].job = 0;
		forget(core, handle);
	} else {
		settle(core, lane, handle, &retry);
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
    bool counted, struct span reason)
{
	struct outcome outcome = {
		.verdict = counted ? VERDICT_DIED : VERDICT_RELEASE,
		.reason = reason,
	};
	size_t first_wish = core->wish_count;
	/* The last one first: each goes in front of the one before it. */
	while (subscriber->running.tail != 0)
		ending_of_run(core, subscriber->running.tail, &outcome);
	match_lanes(core, first_wish);
}
