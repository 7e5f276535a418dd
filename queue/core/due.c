/* SPDX-License-Identifier: MIT */
#include "core/due.h"

#include "base/check.h"

static bool
due_before(const void *context, uint32_t a_handle, uint32_t b_handle)
{
	const struct job *a = job_at(context, a_handle);
	const struct job *b = job_at(context, b_handle);
	/* Jobs of one moment come in the order of their ids. */
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->id < b->id;
}

static void
note_place(const void *context, uint32_t handle, uint32_t position)
{
	job_at(context, handle)->place = position;
}

void
due_init(struct heap *due, const struct jobs *jobs)
{
	heap_init(due, due_before, note_place, jobs);
}

void
due_add(
    struct heap *due, const struct jobs *jobs, uint32_t handle, int64_t at_ms)
{
	job_at(jobs, handle)->at_ms = at_ms;
	/* Without memory for its time a job would wait for ever. */
	CHECK(heap_add(due, handle));
}

void
due_remove(struct heap *due, const struct jobs *jobs, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	heap_remove(due, job->place);
	job->place = 0;
}

int64_t
due_next_ms(const struct heap *due, const struct jobs *jobs)
{
	uint32_t handle = heap_first(due);
	return handle ? job_at(jobs, handle)->at_ms : INT64_MAX;
}

uint32_t
due_take(struct heap *due, const struct jobs *jobs, int64_t now_ms)
{
	if (due_next_ms(due, jobs) > now_ms)
		return 0;
	uint32_t handle = heap_first(due);
	heap_remove(due, 1);
	return handle;
}
