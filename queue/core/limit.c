/* SPDX-License-Identifier: MIT */
#include "core/limit.h"

#include "base/check.h"
#include "base/planted.h"

#include <inttypes.h>
#include <stdio.h>

/* The hint is at least that long, so that who follows it does not spin, and at
 * most, so that a queue that was slow once is not left alone for long. */
#define RETRY_AFTER_MIN_MS INT64_C(100)
#define RETRY_AFTER_MAX_MS (30 * INT64_C(1000))

/* Of a queue in which no job has ended yet. */
#define RETRY_AFTER_FIRST_MS INT64_C(1000)

/* A job that ends counts that much in the average; and a pause no longer than
 * that, as there may have been nothing to do. */
#define PACE_SHARE     8
#define PACE_PAUSE_MAX (10 * INT64_C(1000000))

/* ---- what there is ---- */

static struct lane *
lane_of(const struct core *core, const struct job *job)
{
	return lane_at(&core->lanes, job->lane);
}

void
limit_came(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_of(core, job);
	lane->body_bytes += job->body_bytes;
	if (job->key != 0 && key_at(&core->keys, job->key)->unfinished++ == 0)
		lane->keys++;
}

/* How long it takes from one end to the next, on average. */
static void
note_end(const struct core *core, struct lane *lane)
{
	int64_t pause_us = (core->now_ms - lane->left_at_ms) * 1000;
	bool is_first = lane->left_at_ms == 0;
	lane->left_at_ms = core->now_ms;
	if (is_first)
		return;
	if (pause_us > PACE_PAUSE_MAX)
		pause_us = PACE_PAUSE_MAX;
	if (lane->pace_us == 0)
		lane->pace_us = pause_us;
	else
		lane->pace_us += (pause_us - lane->pace_us) / PACE_SHARE;
}

void
limit_left(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_of(core, job);
	CHECK(lane->body_bytes >= job->body_bytes);
	lane->body_bytes -= job->body_bytes;
	if (job->key != 0 && --key_at(&core->keys, job->key)->unfinished == 0)
		lane->keys--;
	note_end(core, lane);
}

void
limit_resized(struct core *core, const struct job *job, uint32_t bytes_before)
{
	struct lane *lane = lane_of(core, job);
	lane->body_bytes += job->body_bytes;
	lane->body_bytes -= bytes_before;
}

/* ---- what there may be ---- */

bool
limit_is_set(const struct lane *lane)
{
	const struct lane_policy *policy = &lane->policy;
	return policy->max_jobs > 0 || policy->max_bytes > 0 ||
	    policy->max_keys > 0 || policy->max_body_bytes > 0;
}

int64_t
limit_retry_after_ms(const struct lane *lane, uint64_t jobs)
{
	if (lane->pace_us == 0)
		return RETRY_AFTER_FIRST_MS;
	uint64_t most =
	    (uint64_t)(RETRY_AFTER_MAX_MS * 1000 / lane->pace_us) + 1;
	int64_t after_ms =
	    (int64_t)(jobs < most ? jobs : most) * lane->pace_us / 1000;
	if (after_ms < RETRY_AFTER_MIN_MS)
		return RETRY_AFTER_MIN_MS;
	return after_ms < RETRY_AFTER_MAX_MS ? after_ms : RETRY_AFTER_MAX_MS;
}

enum refusal
limit_body(struct core *core, const struct lane *lane, uint32_t bytes)
{
	int64_t most = lane->policy.max_body_bytes;
	if (most == 0 || bytes <= most)
		return REFUSAL_NONE;
	snprintf(core->text, sizeof(core->text),
	    "a body of %" PRIu32 " bytes; that queue takes at most %" PRId64
	    " (max_body_bytes)",
	    bytes, most);
	core->words = core->text;
	return REFUSAL_TOO_BIG;
}

/* One of the limits: there are so many, so many come, of these so many would
 * stand there alone. */
struct measure {
	const char *what;
	const char *key;
	int64_t most; /* 0: any number */
	uint64_t there;
	int64_t more;
	uint64_t own;
};

static enum refusal
judge(struct core *core, const struct measure *measure)
{
	uint64_t most = (uint64_t)measure->most;
	if (PLANTED(LIMIT_OFF_BY_ONE) && most > 0)
		most++;
	if (most == 0 || measure->more <= 0 ||
	    measure->there + (uint64_t)measure->more <= most)
		return REFUSAL_NONE;
	core->words = core->text;
	if (measure->own > most) {
		snprintf(core->text, sizeof(core->text),
		    "%" PRIu64 " %s in one request; that queue takes at most "
		    "%" PRIu64 " in all (%s)",
		    measure->own, measure->what, most, measure->key);
		return REFUSAL_TOO_BIG;
	}
	snprintf(core->text, sizeof(core->text),
	    "that queue has %" PRIu64 " %s and takes at most %" PRIu64 " (%s)",
	    measure->there, measure->what, most, measure->key);
	return REFUSAL_FULL;
}

/* Jobs that have to end until there is room for so many bytes. */
static uint64_t
jobs_of_bytes(const struct lane *lane, int64_t over)
{
	uint64_t jobs = lane_unfinished(lane);
	uint64_t each = jobs > 0 ? lane->body_bytes / jobs : 0;
	return over <= 0 ? 0 : (uint64_t)over / (each > 0 ? each : 1) + 1;
}

static uint64_t
over(const struct measure *measure)
{
	int64_t over = (int64_t)measure->there + measure->more - measure->most;
	return measure->most > 0 && over > 0 ? (uint64_t)over : 0;
}

enum refusal
limit_growth(
    struct core *core, const struct lane *lane, const struct growth *growth)
{
	const struct lane_policy *policy = &lane->policy;
	const struct measure measures[] = {
		{ "jobs", "max_jobs", policy->max_jobs, lane_unfinished(lane),
		    (int64_t)growth->jobs, growth->own_jobs },
		{ "keys", "max_keys", policy->max_keys, lane->keys,
		    (int64_t)growth->keys, growth->own_keys },
		{ "bytes of bodies", "max_bytes", policy->max_bytes,
		    lane->body_bytes, growth->bytes, growth->own_bytes },
	};
	enum refusal worst = REFUSAL_NONE;
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]) &&
	     worst == REFUSAL_NONE;
	     i++)
		worst = judge(core, &measures[i]);
	/* That a repetition cannot help is more than that it may. */
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]) &&
	     worst == REFUSAL_FULL;
	     i++)
		if (measures[i].most > 0 &&
		    measures[i].own > (uint64_t)measures[i].most)
			worst = judge(core, &measures[i]);
	uint64_t jobs = over(&measures[0]);
	if (over(&measures[1]) > jobs)
		jobs = over(&measures[1]);
	uint64_t of_bytes = jobs_of_bytes(lane, (int64_t)over(&measures[2]));
	if (of_bytes > jobs)
		jobs = of_bytes;
	if (worst == REFUSAL_FULL)
		core->retry_after_ms = limit_retry_after_ms(lane, jobs);
	return worst;
}
