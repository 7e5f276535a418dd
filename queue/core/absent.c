/* SPDX-License-Identifier: MIT */
#include "core/absent.h"

#include "base/check.h"
#include "core/ending.h"
#include "core/lease.h"
#include "core/wish.h"

#include <stdio.h>

void
absent_add(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	CHECK(!core->absence.restored);
	CHECK(job->attempt > 0); /* it was counted when it was delivered */
	if (core->absent == 0) {
		core->absent = demand_stand_in(&core->demand);
		CHECK(core->absent != 0);
	}
	struct subscriber *absent = subscriber_at(&core->demand, core->absent);
	job->place = core->absent;
	/* When it began is not saved. */
	job->at_ms = core->now_ms;
	lease_begin_absent(core, handle);
	job_list_push_back(&core->jobs, &absent->running, handle);
	demand_adopted(&core->demand, &core->lanes, absent, job->body_bytes);
}

/* The stand-in goes with its last job. */
static void
leave_if_empty(struct core *core)
{
	struct subscriber *absent = subscriber_at(&core->demand, core->absent);
	if (absent->running.head != 0)
		return;
	demand_stand_down(&core->demand, absent);
	core->absent = 0;
}

/* What nobody has comes back. */
static void
come_back(struct core *core)
{
	const struct absence *absence = &core->absence;
	struct subscriber *absent = subscriber_at(&core->demand, core->absent);
	if (absence->everything_died)
		ending_of_subscriber(core, absent, VERDICT_LOST,
		    SPAN_LITERAL("everything died while it ran"), NULL);
	else if (absence->reason[0] != '\0')
		ending_of_subscriber(
		    core, absent, VERDICT_LOST, span_of(absence->reason), NULL);
	else
		ending_of_subscriber(core, absent, VERDICT_RELEASE,
		    SPAN_LITERAL("the queue restarted and no worker had it"),
		    NULL);
	leave_if_empty(core);
}

void
absent_begin(struct core *core, bool everything_died, bool supervised)
{
	struct absence *absence = &core->absence;
	CHECK(!absence->restored);
	absence->restored = true;
	absence->everything_died = everything_died;
	/* After the end of everything no supervised worker is older than the
	 * queue, and it matters to nobody who they are. */
	absence->await_introduction = supervised && !everything_died;
	absence->act_at_ms = core->now_ms + RETURN_GRACE_MS;
}

void
absent_introduced(struct core *core)
{
	struct absence *absence = &core->absence;
	if (absence->introduced)
		return;
	absence->introduced = true;
	absence->await_introduction = false;
	/* However late: those who are known from now on have their time. */
	absence->act_at_ms = core->now_ms + RETURN_GRACE_MS;
	absent_settle(core);
}

bool
absent_may_have(const struct core *core)
{
	/* Who comes after the introduction was started after the queue. */
	return !core->absence.introduced && !core->absence.everything_died;
}

bool
absent_has(const struct core *core, const struct job *job)
{
	return core->absent != 0 && job->place == core->absent;
}

void
absent_take(struct core *core, uint32_t handle, struct subscriber *subscriber)
{
	struct job *job = job_at(&core->jobs, handle);
	struct subscriber *absent = subscriber_at(&core->demand, core->absent);
	job_list_remove(&core->jobs, &absent->running, handle);
	job_list_push_back(&core->jobs, &subscriber->running, handle);
	job->place = subscriber->handle;
	lease_resume_absent(core, handle);
	demand_relieved(&core->demand, &core->lanes, absent, job->body_bytes);
	demand_adopted(
	    &core->demand, &core->lanes, subscriber, job->body_bytes);
	leave_if_empty(core);
}

void
absent_died(struct core *core, struct span reason)
{
	struct absence *absence = &core->absence;
	/* Who had what is not known: the first one stands for all. */
	if (core->absent == 0 || absence->reason[0] != '\0')
		return;
	snprintf(absence->reason, sizeof(absence->reason),
	    "a worker died that may have had it: %.*s", (int)reason.count,
	    reason.bytes);
}

void
absent_settle(struct core *core)
{
	const struct absence *absence = &core->absence;
	if (core->absent != 0 && core->roll.unheard == 0 && absence->restored &&
	    (absence->introduced || absence->asked_end))
		come_back(core);
}

int64_t
absent_wake_at(const struct core *core)
{
	return core->absent != 0 && core->absence.restored
	    ? core->absence.act_at_ms
	    : INT64_MAX;
}

/* They live and do not subscribe, and may have any absent job. */
static void
ask_for_their_end(struct core *core)
{
	const struct living *living, *following;
	HASH_ITER(hh, core->roll.living, living, following)
		if (living->unheard)
			wish_add(core, WISH_KILL)->pid = living->pid;
	core->absence.asked_end = true;
	core->absence.act_at_ms = core->now_ms + WORKER_SILENCE_MS;
}

void
absent_act(struct core *core)
{
	struct absence *absence = &core->absence;
	if (absent_wake_at(core) > core->now_ms)
		return;
	if (absence->await_introduction) {
		absence->await_introduction = false;
		absence->act_at_ms = core->now_ms + INTRODUCTION_MS;
	} else if (core->roll.unheard > 0) {
		ask_for_their_end(core);
	} else {
		come_back(core);
	}
}
