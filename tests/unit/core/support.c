/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "core/verify.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct core core;
int64_t now_ms;

const struct lane_policy usual_policy = { .max_attempts = 3,
	.retry = { .base_ms = 1000, .cap_ms = 8000 } };

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)queue;
	return *(const struct lane_policy *)context;
}

void
begin_with(const struct lane_policy *policy)
{
	now_ms = 1000;
	core_init(&core, 1, 1, policy_of, policy);
}

void
begin(void)
{
	begin_with(&usual_policy);
}

void
tell(struct fact fact)
{
	fact.now_ms = now_ms;
	core_step(&core, &fact);
	const char *broken = verify_core(&core);
	cr_assert_null(broken, "%s", broken);
}

static void
tell_allowed(struct fact fact)
{
	tell(fact);
	cr_assert_eq(core.refusal, REFUSAL_NONE, "refused: %s", core.words);
}

uint64_t
enqueue_sized(const char *queue, uint8_t priority, uint32_t bytes)
{
	tell_allowed((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = span_of(queue),
		.body_bytes = bytes,
		.priority = priority } });
	return core.answer;
}

uint64_t
enqueue(const char *queue)
{
	return enqueue_sized(queue, 128, 1);
}

uint32_t
subscribe_worker(const char *queue, int64_t pid, int64_t incarnation)
{
	tell_allowed((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = span_of(queue),
		.name = SPAN_LITERAL("w"),
		.pid = pid,
		.incarnation = incarnation } });
	return (uint32_t)core.answer;
}

uint32_t
subscribe(const char *queue)
{
	return subscribe_worker(queue, 0, 0);
}

void
subscribe_too(uint32_t subscriber, const char *queue)
{
	tell_allowed((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscriber = subscriber,
	    .subscribe = { .queue = span_of(queue) } });
	cr_assert_eq(core.answer, subscriber);
}

void
ask(uint32_t subscriber, const char *queue, uint32_t n)
{
	tell_allowed((struct fact){ .kind = FACT_DEMAND,
	    .subscriber = subscriber,
	    .demand = { .queue = span_of(queue), .n = n } });
}

void
pass(int64_t duration_ms)
{
	now_ms += duration_ms;
	tell_allowed((struct fact){ .kind = FACT_TIME });
}

void
worker_up(int64_t pid, int64_t incarnation)
{
	tell_allowed((struct fact){ .kind = FACT_WORKER_UP,
	    .worker_up = { .pid = pid, .incarnation = incarnation } });
}

void
worker_down(int64_t pid, int64_t incarnation, bool planned)
{
	tell_allowed((struct fact){ .kind = FACT_WORKER_DOWN,
	    .worker_down = { .pid = pid,
		.incarnation = incarnation,
		.planned = planned,
		.reason = SPAN_LITERAL("signal 9 (KILL)") } });
}

void
answer(uint32_t subscriber, uint64_t msgid, enum verdict verdict)
{
	tell((struct fact){ .kind = FACT_ANSWER,
	    .subscriber = subscriber,
	    .answer = { .msgid = msgid, .outcome = { .verdict = verdict } } });
}

void
gone(uint32_t subscriber)
{
	tell_allowed(
	    (struct fact){ .kind = FACT_GONE, .subscriber = subscriber });
}

struct lane *
lane_named(const char *queue)
{
	struct lane *lane = lanes_find(&core.lanes, span_of(queue));
	cr_assert_not_null(lane, "no queue %s", queue);
	return lane;
}

struct job *
job_with(uint64_t id)
{
	uint32_t handle = jobs_find(&core.jobs, id);
	cr_assert_neq(handle, 0, "no job %lu", (unsigned long)id);
	return job_at(&core.jobs, handle);
}

struct lease *
lease_of(uint64_t id)
{
	const struct job *job = job_with(id);
	cr_assert_neq(job->lease, 0, "job %lu does not run", (unsigned long)id);
	return job_lease(&core.jobs, job);
}

const struct wish *
wished(enum wish_kind kind, unsigned n)
{
	for (size_t i = 0; i < core.wish_count; i++)
		if (core.wishes[i].kind == kind && n-- == 0)
			return &core.wishes[i];
	return NULL;
}

unsigned
count_wished(enum wish_kind kind)
{
	unsigned count = 0;
	while (wished(kind, count) != NULL)
		count++;
	return count;
}
