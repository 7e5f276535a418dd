/* SPDX-License-Identifier: MIT */
#include "story.h"

static const struct lane *
next_lane(struct line *line)
{
	const char *name = next_word(line, "a queue");
	const struct lane *lane = lanes_find(&story.core.lanes, span_of(name));
	if (lane == NULL)
		fail("there is no queue '%s'", name);
	return lane;
}

struct count {
	const char *name;
	uint64_t is;
	bool zero_unless_said;
	bool said;
};

static void
check_counts(struct line *line, struct count *counts, size_t count)
{
	story.expectations++;
	while (has_more(line)) {
		const char *name = next_word(line, "a count");
		uint64_t wanted = next_number(line, name, UINT64_MAX);
		size_t i = 0;
		while (i < count && strcmp(counts[i].name, name) != 0)
			i++;
		if (i == count)
			fail("nothing called '%s' is counted", name);
		counts[i].said = true;
		if (counts[i].is != wanted)
			fail("expected %s %llu, but it is %llu", name,
			    (unsigned long long)wanted,
			    (unsigned long long)counts[i].is);
	}
	for (size_t i = 0; i < count; i++)
		if (counts[i].zero_unless_said && !counts[i].said &&
		    counts[i].is != 0)
			fail("expected %s 0, but it is %llu", counts[i].name,
			    (unsigned long long)counts[i].is);
}

void
do_counts(struct line *line)
{
	const struct lane *lane = next_lane(line);
	struct count counts[] = {
		{ "ready", lane->counts[JOB_READY], true, false },
		{ "blocked", lane->counts[JOB_BLOCKED], true, false },
		{ "delayed", lane->counts[JOB_DELAYED], true, false },
		{ "running", lane->counts[JOB_RUNNING], true, false },
		{ "dead", lane->counts[JOB_DEAD], true, false },
		{ "demand", demand_pending(lane), true, false },
		{ "enqueued", lane->enqueued, false, false },
		{ "done", lane->done, false, false },
		{ "failed", lane->failed, false, false },
	};
	check_counts(line, counts, sizeof(counts) / sizeof(*counts));
}

void
do_totals(struct line *line)
{
	const struct counters *counters = &story.core.counters;
	struct count counts[] = {
		{ "enqueued", counters->enqueued, true, false },
		{ "merged", counters->merged, true, false },
		{ "folded", counters->folded, true, false },
		{ "delivered", counters->delivered, true, false },
		{ "done", counters->done, true, false },
		{ "failed", counters->failed, true, false },
		{ "retried", counters->retried, true, false },
		{ "released", counters->released, true, false },
		{ "died", counters->died, true, false },
		{ "dead", counters->dead, true, false },
		{ "timeouts", counters->timed_out, true, false },
		{ "cancelled", counters->cancelled, true, false },
		{ "deleted", counters->deleted, true, false },
		{ "revived", counters->revived, true, false },
		{ "stale", counters->stale, true, false },
	};
	check_counts(line, counts, sizeof(counts) / sizeof(*counts));
}

struct walk {
	const struct lane *lane;
	uint32_t handle;
};

static void
check_next_ready(void *context, const char *label)
{
	struct walk *walk = context;
	uint64_t id = id_of_label(label);
	if (walk->handle == 0)
		fail("expected %s to be ready, but no more jobs are", label);
	const struct job *job = job_at(&story.core.jobs, walk->handle);
	if (job->id != id)
		fail("expected %s to be ready next, but it is %s", label,
		    label_of(job->id));
	walk->handle = lane_after(&story.core.jobs, walk->lane, walk->handle);
}

/* "order mail 12..20": all ready jobs, as they would be delivered. */
void
do_order(struct line *line)
{
	struct walk walk = { .lane = next_lane(line) };
	story.expectations++;
	walk.handle = lane_first(walk.lane);
	while (has_more(line))
		each_label(next_word(line, "a job"), check_next_ready, &walk);
	if (walk.handle != 0)
		fail("expected no more ready jobs, but %s is",
		    label_of(job_at(&story.core.jobs, walk.handle)->id));
}

static void
check_number(const char *name, uint64_t wanted, uint64_t found)
{
	if (found != wanted)
		fail("expected %s %llu, but it is %llu", name,
		    (unsigned long long)wanted, (unsigned long long)found);
}

static void
check_job_reason(struct line *line, const struct job *job)
{
	struct text wanted;
	rest_of_line(line, &wanted);
	const char *reason = job_reason(&story.core.jobs, job);
	if (strcmp(reason, wanted.text) != 0)
		fail("expected the reason \"%s\", but it is \"%s\"",
		    wanted.text, reason);
}

/* "job 10 running of w1"; of nobody: its worker is not back. */
static void
check_job_worker(struct line *line, const struct job *job)
{
	const char *wanted = next_word(line, "a worker");
	if (job->state != JOB_RUNNING)
		fail("it does not run");
	const char *worker = job->place == story.core.absent
	    ? "nobody"
	    : worker_of_subscriber(job->place);
	if (strcmp(worker, wanted) != 0)
		fail("expected it with %s, but it is with %s", wanted, worker);
}

/* "job 11 is 10": it was folded into that one. */
static void
check_alias(struct line *line, uint32_t handle, const char *label)
{
	const char *wanted = next_word(line, "a job");
	uint32_t found = jobs_resolve(&story.core.jobs, id_of_label(label));
	end_of_line(line);
	story.expectations++;
	if (handle != 0 || found == 0 ||
	    job_at(&story.core.jobs, found)->id != id_of_label(wanted))
		fail("%s is not found as %s", label, wanted);
}

/* "job 10 dead exhausted attempt 3 because exit 1", "job 10 gone" */
void
do_job(struct line *line)
{
	const char *label = next_word(line, "a job");
	uint32_t handle = jobs_find(&story.core.jobs, id_of_label(label));
	const char *wanted = next_word(line, "a state");
	if (strcmp(wanted, "is") == 0) {
		check_alias(line, handle, label);
		return;
	}
	const struct job *job =
	    handle ? job_at(&story.core.jobs, handle) : NULL;
	const char *state =
	    job ? job_state_name((enum job_state)job->state) : "gone";
	story.expectations++;
	if (strcmp(wanted, state) != 0)
		fail("expected it %s, but it is %s", wanted, state);
	if (job != NULL && job->state == JOB_DEAD &&
	    !next_is(line, job_cause_name((enum job_cause)job->cause)))
		fail("it is dead because it was %s",
		    job_cause_name((enum job_cause)job->cause));
	if (job != NULL && next_is(line, "of"))
		check_job_worker(line, job);
	if (job != NULL && next_is(line, "attempt"))
		check_number("attempt",
		    next_number(line, "the attempt", UINT16_MAX), job->attempt);
	if (job != NULL && next_is(line, "hints"))
		check_number("hints", next_number(line, "hints", UINT32_MAX),
		    job->hints);
	if (job != NULL && next_is(line, "priority"))
		check_number("priority",
		    next_number(line, "a priority", UINT8_MAX), job->priority);
	if (job != NULL && next_is(line, "bytes"))
		check_number("bytes", next_number(line, "bytes", UINT32_MAX),
		    job->body_bytes);
	if (job != NULL && next_is(line, "because"))
		check_job_reason(line, job);
	end_of_line(line);
}

/* "certificates 10 1 fail 2 died": of its last attempts, the last one last. */
void
do_certificates(struct line *line)
{
	const char *label = next_word(line, "a job");
	uint32_t handle = jobs_find(&story.core.jobs, id_of_label(label));
	story.expectations++;
	if (handle == 0)
		fail("%s is gone", label);
	const struct attempts *attempts = &story.core.attempts;
	const struct attempt_list *list =
	    job_attempts(&story.core.jobs, job_at(&story.core.jobs, handle));
	uint32_t at = list != NULL ? list->first : 0;
	for (; at != 0; at = attempt_at(attempts, at)->later) {
		struct certificate is;
		if (!disk_certificate(attempt_at(attempts, at)->note, &is))
			fail("the disk has not what %s ended of", label);
		check_number("attempt",
		    next_number(line, "an attempt", UINT16_MAX), is.attempt);
		const char *wanted = next_word(line, "an outcome");
		if (strcmp(wanted, verdict_name(is.verdict)) != 0)
			fail("attempt %u was %s", (unsigned)is.attempt,
			    verdict_name(is.verdict));
	}
	end_of_line(line);
}

/* "wake 2s", "wake 1800ms..2200ms", "wake never" */
void
do_wake(struct line *line)
{
	int64_t from_ms = INT64_MAX, to_ms = INT64_MAX;
	int64_t is_ms = core_wake_at(&story.core);
	story.expectations++;
	if (!next_is(line, "never"))
		next_durations(line, "a time", &from_ms, &to_ms);
	end_of_line(line);
	if (is_ms == INT64_MAX && from_ms != INT64_MAX)
		fail("expected a time to wake, but there is none");
	if (is_ms < from_ms || is_ms > to_ms)
		fail("the time to wake is %lldms", (long long)is_ms);
}
