/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/units.h"

/* Time passes, and the core is called whenever it asked to be. */
void
do_at(struct line *line)
{
	int64_t to_ms = next_duration(line, "a time");
	end_of_line(line);
	if (to_ms < story.now_ms)
		fail("time does not go back");
	for (unsigned calls = 0; core_wake_at(&story.core) <= to_ms; calls++) {
		if (calls == 100000)
			fail("the core never stops asking to be called");
		if (core_wake_at(&story.core) > story.now_ms)
			story.now_ms = core_wake_at(&story.core);
		tell(&(struct fact){ .kind = FACT_TIME });
		render_all();
	}
	story.now_ms = to_ms;
}

static void
next_limits(struct line *line, struct lane_policy *policy)
{
	if (next_is(line, "max-jobs"))
		policy->max_jobs =
		    (int64_t)next_number(line, "how many", 1000000);
	if (next_is(line, "max-bytes"))
		policy->max_bytes =
		    (int64_t)next_number(line, "how many", UINT32_MAX);
	if (next_is(line, "max-keys"))
		policy->max_keys =
		    (int64_t)next_number(line, "how many", 1000000);
	if (next_is(line, "max-body"))
		policy->max_body_bytes =
		    (int64_t)next_number(line, "how many", BODY_BYTES_MAX);
}

/* "queue mail attempts 3 retry 1s..10s keys coalesce merge append": its rules,
 * before it is used. */
void
do_queue(struct line *line)
{
	if (story.policy_count == POLICIES_MAX)
		fail("more than %d queues with rules", POLICIES_MAX);
	struct policy *policy = &story.policies[story.policy_count];
	*policy = (struct policy){ .policy = { .max_attempts = 10,
				       .retry = { 2000, 3600 * 1000 } } };
	set_text(&policy->queue, "%s", next_word(line, "a queue"));
	if (lanes_find(&story.core.lanes, span_of(policy->queue.text)))
		fail("the queue is there already");
	if (next_is(line, "attempts"))
		policy->policy.max_attempts =
		    (uint32_t)next_number(line, "the attempts", UINT32_MAX);
	if (next_is(line, "retry"))
		next_durations(line, "delays", &policy->policy.retry.base_ms,
		    &policy->policy.retry.cap_ms);
	if (next_is(line, "crashes"))
		policy->policy.max_crashes =
		    (uint32_t)next_number(line, "the crashes", CRASHES_MAX);
	if (next_is(line, "ttr"))
		policy->policy.ttr_ms = next_duration(line, "a time");
	if (next_is(line, "grace"))
		policy->policy.ttr_grace_ms = next_duration(line, "a time");
	if (next_is(line, "running"))
		policy->policy.max_running =
		    (uint32_t)next_number(line, "how many", 1000000);
	policy->policy.rate_burst = 1;
	if (next_is(line, "rate") &&
	    !rate_parse(next_word(line, "a rate"), &policy->policy.rate_jobs,
		&policy->policy.rate_ms))
		fail("a rate is like 10/s");
	if (next_is(line, "burst"))
		policy->policy.rate_burst =
		    (int64_t)next_number(line, "how many", 1000000);
	policy->policy.mode = KEY_SERIAL;
	if (next_is(line, "keys") &&
	    !key_mode_parse(
		span_of(next_word(line, "a mode")), &policy->policy.mode))
		fail("a mode is parallel, serial or coalesce");
	if (next_is(line, "merge") &&
	    !key_merge_parse(
		span_of(next_word(line, "a rule")), &policy->policy.merge))
		fail("a rule is last, first or append");
	next_limits(line, &policy->policy);
	end_of_line(line);
	story.policy_count++;
}

struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context;
	for (unsigned i = 0; i < story.policy_count; i++)
		if (span_is_text(queue, story.policies[i].queue.text))
			return story.policies[i].policy;
	return (struct lane_policy){ .max_attempts = 10,
		.retry = { 2000, 3600 * 1000 },
		.mode = KEY_SERIAL };
}

/* The labels of a batch that were gathered, to be enqueued one by one. */
static void
count_one(void *context, const char *label)
{
	(void)label;
	++*(uint32_t *)context;
}

/* Asks whether all of them can be taken; false, and rendered, when not. */
static bool
admit(const struct fact *enqueue, uint32_t count)
{
	static struct arrival arrivals[BATCH_JOBS_MAX];
	struct fact fact = { .kind = FACT_ADMIT };
	if (count > BATCH_JOBS_MAX)
		fail("more than %d in one batch", BATCH_JOBS_MAX);
	for (uint32_t i = 0; i < count; i++)
		arrivals[i] = (struct arrival){ .key = enqueue->enqueue.key,
			.body_bytes = enqueue->enqueue.body_bytes };
	fact.admit.queue = enqueue->enqueue.queue;
	fact.admit.arrivals = arrivals;
	fact.admit.count = count;
	fact.admit.mode = enqueue->enqueue.mode;
	fact.admit.with_terms = true;
	tell(&fact);
	render_all();
	return story.core.refusal == REFUSAL_NONE;
}

static void
enqueue_one(void *context, const char *label)
{
	struct fact fact = *(const struct fact *)context;
	tell(&fact);
	/* What was merged has no job of its own to be named. */
	if (story.core.refusal == REFUSAL_NONE &&
	    story.core.result != ENQUEUE_MERGED)
		name_job(label, story.core.answer);
	render_all();
}

static bool
ends_labels(const char *word)
{
	static const char *const words[] = { "priority", "bytes", "delay",
		"key", "mode", "ttr", "attempts", "together" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

/* "delay 5s key 42 mode coalesce" */
static void
next_key(struct line *line, struct fact *fact)
{
	fact->enqueue.mode = KEY_MODE_COUNT;
	if (next_is(line, "delay"))
		fact->enqueue.delay_ms = next_duration(line, "a delay");
	if (next_is(line, "key"))
		fact->enqueue.key = span_of(next_word(line, "a key"));
	if (next_is(line, "mode") &&
	    !key_mode_parse(
		span_of(next_word(line, "a mode")), &fact->enqueue.mode))
		fail("a mode is parallel, serial or coalesce");
}

/* "ttr 5s attempts 2" */
static void
next_terms(struct line *line, struct fact *fact)
{
	struct job_terms *terms = &fact->enqueue.terms;
	if (next_is(line, "ttr"))
		terms->ttr_ms = next_duration(line, "a time");
	if (next_is(line, "attempts"))
		terms->max_attempts =
		    (uint32_t)next_number(line, "the attempts", ATTEMPTS_MAX);
}

/* "enqueue mail 10..20 a b priority 5 bytes 1000 delay 5s key 42 together" */
void
do_enqueue(struct line *line)
{
	struct fact fact = { .kind = FACT_ENQUEUE,
		.enqueue = { .queue = span_of(next_queue(line)),
		    .body_bytes = 1,
		    .priority = 128 } };
	unsigned first = line->at, end = first;
	while (end < line->count && !ends_labels(line->words[end]))
		end++;
	line->at = end;
	if (next_is(line, "priority"))
		fact.enqueue.priority =
		    (uint8_t)next_number(line, "a priority", UINT8_MAX);
	if (next_is(line, "bytes"))
		fact.enqueue.body_bytes =
		    (uint32_t)next_number(line, "bytes", BODY_BYTES_MAX);
	next_key(line, &fact);
	next_terms(line, &fact);
	bool is_batch = next_is(line, "together");
	end_of_line(line);
	if (first == end)
		fail("which jobs?");
	uint32_t count = 0;
	for (unsigned i = first; i < end; i++)
		each_label(line->words[i], count_one, &count);
	if (is_batch && !admit(&fact, count))
		return;
	for (unsigned i = first; i < end; i++)
		each_label(line->words[i], enqueue_one, &fact);
}

/* "restore mail 10 running attempt 2", "... delayed until 5s",
 * "... dead exhausted", "... because signal 9" */
void
do_restore(struct line *line)
{
	struct text reason = { "" };
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = span_of(next_queue(line));
	const char *label = next_word(line, "a job");
	enum job_state state =
	    job_state_of_name(span_of(next_word(line, "a state")));
	if (state == JOB_NONE)
		fail("a state is ready, delayed, running or dead");
	struct job *job = &fact.restore.job;
	job->id = story.core.next_id;
	job->priority = 128;
	job->state = (uint8_t)state;
	if (next_is(line, "exhausted"))
		job->cause = CAUSE_EXHAUSTED;
	else if (next_is(line, "rejected"))
		job->cause = CAUSE_REJECTED;
	if (next_is(line, "attempt"))
		job->delivery = job->attempt =
		    (uint16_t)next_number(line, "the attempt", UINT16_MAX);
	if (next_is(line, "priority"))
		job->priority =
		    (uint8_t)next_number(line, "a priority", UINT8_MAX);
	if (next_is(line, "until"))
		job->at_ms = next_duration(line, "a time");
	if (next_is(line, "because"))
		rest_of_line(line, &reason);
	end_of_line(line);
	fact.restore.reason = span_of(reason.text);
	name_job(label, job->id);
	tell(&fact);
	render_all();
}

static void
steer_one(void *context, const char *label)
{
	struct fact fact = { .kind = *(const enum fact_kind *)context };
	fact.steer.id = id_of_label(label);
	tell(&fact);
	render_all();
}

static void
steer(struct line *line, enum fact_kind kind)
{
	do
		each_label(next_word(line, "a job"), steer_one, &kind);
	while (has_more(line));
}

void
do_cancel(struct line *line)
{
	steer(line, FACT_CANCEL);
}

void
do_delete(struct line *line)
{
	steer(line, FACT_DELETE);
}

void
do_revive(struct line *line)
{
	steer(line, FACT_REVIVE);
}

/* "touch 10", "touch 10 5s": it may take that long from now on. */
void
do_touch(struct line *line)
{
	struct fact fact = { .kind = FACT_TOUCH };
	fact.touch.id = id_of_label(next_word(line, "a job"));
	if (has_more(line))
		fact.touch.ttr_ms = next_duration(line, "a time");
	end_of_line(line);
	tell(&fact);
	render_all();
}

static void
change_gate(struct line *line, enum fact_kind kind, bool on)
{
	struct fact fact = { .kind = kind };
	fact.gate.queue = span_of(next_word(line, "a queue"));
	fact.gate.on = on;
	if (has_more(line))
		fact.gate.for_ms = next_duration(line, "a time");
	end_of_line(line);
	tell(&fact);
	render_all();
}

/* "pause mail", "pause mail 10s" */
void
do_pause(struct line *line)
{
	change_gate(line, FACT_PAUSE, true);
}

void
do_resume(struct line *line)
{
	change_gate(line, FACT_PAUSE, false);
}

void
do_drain(struct line *line)
{
	change_gate(line, FACT_DRAIN, true);
}

/* "open mail": it is drained no more */
void
do_open(struct line *line)
{
	change_gate(line, FACT_DRAIN, false);
}
