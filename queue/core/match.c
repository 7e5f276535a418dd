/* SPDX-License-Identifier: MIT */
#include "core/match.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/expiry.h"
#include "core/gate.h"
#include "core/lease.h"
#include "core/line.h"
#include "core/wish.h"

/* A msgid that no job waits for: after four billions they come again. */
static uint32_t
next_msgid(const struct core *core, struct subscriber *subscriber)
{
	do
		subscriber->last_msgid++;
	while (subscriber->last_msgid == 0 ||
	    jobs_find_delivery(
		&core->jobs, subscriber->handle, subscriber->last_msgid) != 0);
	return subscriber->last_msgid;
}

/* The attempt is counted here, before the job leaves: a job that kills its
 * worker never gets to say that it failed. */
static void
deliver(struct core *core, struct lane *lane, uint32_t handle,
    struct subscription *subscription)
{
	struct job *job = job_at(&core->jobs, handle);
	struct subscriber *subscriber =
	    subscriber_at(&core->demand, subscription->subscriber);

	lane_take(&core->jobs, lane, handle);
	line_began(core, handle);
	job_set_state(job, JOB_RUNNING);
	lane->counts[JOB_READY]--;
	lane->counts[JOB_RUNNING]++;
	job->delivery++;
	job->attempt++;
	histogram_add(&lane->wait_ms, core->now_ms - job->at_ms);
	job->at_ms = core->now_ms;
	job->place = subscriber->handle;
	lease_begin(core, handle, next_msgid(core, subscriber));
	jobs_note_delivery(&core->jobs, handle);
	job_list_push_back(&core->jobs, &subscriber->running, handle);
	demand_served(
	    &core->demand, &core->lanes, subscription, job->body_bytes);
	core->counters.delivered++;

	wish_save(core, handle, false);
	struct wish *wish = wish_add(core, WISH_DELIVER);
	wish->job = handle;
	wish->id = job->id;
	wish->subscriber = subscriber->handle;
	wish_tell_job(core, EVENT_DELIVERED, handle, subscriber->handle);
}

void
match_lane(struct core *core, struct lane *lane)
{
	uint32_t handle;
	struct subscription *subscription;
	while ((handle = lane_first(lane)) != 0 &&
	    (subscription = demand_first(&core->demand, lane)) != NULL) {
		/* What comes in the moment that its time is over comes before
		 * FACT_TIME, which is due and ends it. */
		if (expiry_has_passed(core, job_at(&core->jobs, handle)) &&
		    !PLANTED(EXPIRED_IS_GIVEN_OUT))
			return;
		if (gate_of(core, lane) != GATE_OPEN) {
			gate_wait(core, lane);
			return;
		}
		gate_pass(core, lane);
		deliver(core, lane, handle, subscription);
	}
}
