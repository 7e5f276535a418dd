/* SPDX-License-Identifier: MIT */
#include "core/retry.h"

#include "base/check.h"
#include "base/planted.h"

static const char *const names[VERDICT_COUNT] = {
	[VERDICT_DONE] = "done",
	[VERDICT_FAIL] = "fail",
	[VERDICT_RETRY] = "retry",
	[VERDICT_DEAD] = "dead",
	[VERDICT_RELEASE] = "release",
	[VERDICT_DIED] = "died",
	[VERDICT_LOST] = "lost",
	[VERDICT_TIMEOUT] = "timeout",
	[VERDICT_CANCELLED] = "cancelled",
};

const char *
verdict_name(enum verdict verdict)
{
	CHECK((unsigned)verdict < VERDICT_COUNT);
	return names[verdict];
}

enum verdict
verdict_of_name(struct span name)
{
	/* What follows is for the queue alone to say. */
	for (unsigned i = 0; i < VERDICT_DIED; i++)
		if (span_is_text(name, names[i]))
			return (enum verdict)i;
	return VERDICT_COUNT;
}

static struct retry
dead_of(enum job_cause cause)
{
	return (
	    struct retry){ .state = JOB_DEAD, .cause = cause, .counted = true };
}

static struct retry
again_after(int64_t delay_ms, bool counted)
{
	if (delay_ms <= 0)
		return (struct retry){ .state = JOB_READY, .counted = counted };
	return (struct retry){
		.state = JOB_DELAYED, .delay_ms = delay_ms, .counted = counted
	};
}

/* What somebody has listed is not spread. */
static int64_t
delay_of(
    const struct lane_policy *policy, const struct job *job, uint64_t random)
{
	if (policy->retry_schedule.count > 0)
		return schedule_delay_ms(&policy->retry_schedule,
		    job->attempt + (PLANTED(LISTED_DELAY_SKIPPED) ? 1 : 0));
	return backoff_delay_ms(&policy->retry, job->attempt, random);
}

struct retry
retry_decide(const struct lane_policy *policy, const struct job *job,
    uint32_t max_attempts, enum verdict verdict, bool crashed, int64_t delay_ms,
    uint64_t random)
{
	bool last = job->attempt >= max_attempts;
	bool poison = crashed && policy->max_crashes > 0 &&
	    job->crashes >= policy->max_crashes;
	switch (verdict) {
	case VERDICT_DONE:
	case VERDICT_CANCELLED:
		return (struct retry){ .state = JOB_NONE, .counted = true };
	case VERDICT_FAIL:
	case VERDICT_TIMEOUT:
		if (poison)
			return dead_of(CAUSE_POISON);
		if (last)
			return dead_of(CAUSE_EXHAUSTED);
		return again_after(delay_of(policy, job, random), true);
	case VERDICT_RETRY:
		return again_after(delay_ms, false);
	case VERDICT_DEAD:
		return dead_of(CAUSE_REJECTED);
	case VERDICT_RELEASE:
		return (struct retry){ .state = JOB_READY, .in_front = true };
	case VERDICT_DIED:
	case VERDICT_LOST:
		if (poison)
			return dead_of(CAUSE_POISON);
		if (last)
			return dead_of(CAUSE_EXHAUSTED);
		return (struct retry){
			.state = JOB_READY, .counted = true, .in_front = true
		};
	case VERDICT_COUNT:
		break;
	}
	UNREACHABLE();
}
