/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a job after a run: verdict + policy -> next state.
 */
#ifndef GSQ_CORE_RETRY_H
#define GSQ_CORE_RETRY_H

#include "core/lane.h"

#include <stdbool.h>
#include <stdint.h>

/* How a run ended. */
enum verdict {
	VERDICT_DONE,
	VERDICT_FAIL,	   /* the handler failed: try again later */
	VERDICT_RETRY,	   /* not now: again after a delay, not counted */
	VERDICT_DEAD,	   /* no attempt can succeed */
	VERDICT_RELEASE,   /* given back: again at once, not counted */
	VERDICT_DIED,	   /* its worker died: again at once */
	VERDICT_LOST,	   /* all died, of something else: the same */
	VERDICT_TIMEOUT,   /* its time was over and it was stopped: as FAIL */
	VERDICT_CANCELLED, /* it was stopped and is not wanted any more */
	VERDICT_COUNT
};

/* "fail", "release"; as on the wire. */
const char *verdict_name(enum verdict verdict);

/* The verdict that a worker may send by that name, or VERDICT_COUNT. */
enum verdict verdict_of_name(struct span name);

struct retry {
	enum job_state state; /* JOB_NONE: the job is done */
	enum job_cause cause; /* of JOB_DEAD */
	int64_t delay_ms;     /* of JOB_DELAYED */
	bool counted;	      /* does the run count as an attempt? */
	bool in_front;	      /* of JOB_READY: ahead of its equals */
};

/*
 * The decision. max_attempts: the job's own, or its queue's. crashed: the run
 * ended with the death of who ran it, which the job's crashes have in them as
 * its attempts have the run. delay_ms is what a VERDICT_RETRY asked for, from
 * 0; random spreads the delays of failures.
 */
struct retry retry_decide(const struct lane_policy *policy,
    const struct job *job, uint32_t max_attempts, enum verdict verdict,
    bool crashed, int64_t delay_ms, uint64_t random);

#endif
