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
due_init(struct due *due, const struct jobs *jobs)
{
	heap_init(&due->by_clock, due_before, note_place, jobs);
	heap_init(&due->by_wall, due_before, note_place, jobs);
}

void
due_release(struct due *due)
{
	heap_release(&due->by_wall);
	heap_release(&due->by_clock);
}

void
due_add(
    struct due *due, const struct jobs *jobs, uint32_t handle, struct moment at)
{
	struct job *job = job_at(jobs, handle);
	job->at_ms = at.at_ms;
	job->by_wall = at.by_wall;
	/* Without memory for its time a job would wait for ever. */
	CHECK(heap_add(at.by_wall ? &due->by_wall : &due->by_clock, handle));
}

void
due_remove(struct due *due, const struct jobs *jobs, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	heap_remove(job->by_wall ? &due->by_wall : &due->by_clock, job->place);
	job->by_wall = false;
	job->place = 0;
}

/* The first one of all, or 0. */
static uint32_t
first_of(const struct due *due, const struct jobs *jobs, int64_t wall_ms)
{
	uint32_t a = heap_first(&due->by_clock);
	uint32_t b = heap_first(&due->by_wall);
	if (a == 0 || b == 0)
		return a != 0 ? a : b;
	return due_at_ms(job_at(jobs, b), wall_ms) <
		due_at_ms(job_at(jobs, a), wall_ms)
	    ? b
	    : a;
}

int64_t
due_next_ms(const struct due *due, const struct jobs *jobs, int64_t wall_ms)
{
	uint32_t handle = first_of(due, jobs, wall_ms);
	return handle ? due_at_ms(job_at(jobs, handle), wall_ms) : INT64_MAX;
}

uint32_t
due_take(
    struct due *due, const struct jobs *jobs, int64_t now_ms, int64_t wall_ms)
{
	if (due_next_ms(due, jobs, wall_ms) > now_ms)
		return 0;
	uint32_t handle = first_of(due, jobs, wall_ms);
	due_remove(due, jobs, handle);
	return handle;
}
