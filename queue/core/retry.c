/* SPDX-License-Identifier: MIT */
#include "core/retry.h"

#include "base/check.h"

static const char *const names[VERDICT_COUNT] = {
	[VERDICT_DONE] = "done",
	[VERDICT_FAIL] = "fail",
	[VERDICT_RETRY] = "retry",
	[VERDICT_DEAD] = "dead",
	[VERDICT_RELEASE] = "release",
	[VERDICT_DIED] = "died",
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
	/* "died" is for the queue alone to say. */
	for (unsigned i = 0; i < VERDICT_DIED; i++)
		if (span_is_text(name, names[i]))
			return (enum verdict)i;
	return VERDICT_COUNT;
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

struct retry
retry_decide(const struct lane_policy *policy, const struct job *job,
    enum verdict verdict, int64_t delay_ms, uint64_t random)
{
	const struct retry exhausted = {
		.state = JOB_DEAD, .cause = CAUSE_EXHAUSTED, .counted = true
	};
	bool last = job->attempt >= policy->max_attempts;
	switch (verdict) {
	case VERDICT_DONE:
		return (struct retry){ .state = JOB_NONE, .counted = true };
	case VERDICT_FAIL:
		if (last)
			return exhausted;
		return again_after(
		    backoff_delay_ms(&policy->retry, job->attempt, random),
		    true);
	case VERDICT_RETRY:
		return again_after(delay_ms, false);
	case VERDICT_DEAD:
		return (struct retry){ .state = JOB_DEAD,
			.cause = CAUSE_REJECTED,
			.counted = true };
	case VERDICT_RELEASE:
		return (struct retry){ .state = JOB_READY, .in_front = true };
	case VERDICT_DIED:
		if (last)
			return exhausted;
		return (struct retry){
			.state = JOB_READY, .counted = true, .in_front = true
		};
	case VERDICT_COUNT:
		break;
	}
	UNREACHABLE();
}
