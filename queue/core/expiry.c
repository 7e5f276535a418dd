/* SPDX-License-Identifier: MIT */
#include "core/expiry.h"

#include "base/check.h"

static int64_t
time_of(const struct jobs *jobs, uint32_t handle)
{
	return job_extras(jobs, job_at(jobs, handle))->terms.expires_at_ms;
}

static bool
ends_before(const void *context, uint32_t a, uint32_t b)
{
	return time_of(context, a) < time_of(context, b);
}

static void
note_place(const void *context, uint32_t handle, uint32_t position)
{
	job_extras(context, job_at(context, handle))->expiry_place = position;
}

void
expiry_init(struct heap *expiries, const struct jobs *jobs)
{
	heap_init(expiries, ends_before, note_place, jobs);
}

/* NULL: it has none. */
static struct extras *
extras_of(const struct core *core, const struct job *job)
{
	struct extras *extras =
	    job->extras != 0 ? job_extras(&core->jobs, job) : NULL;
	return extras != NULL && extras->terms.expires_at_ms != 0 ? extras
								  : NULL;
}

void
expiry_begin(struct core *core, uint32_t handle)
{
	if (extras_of(core, job_at(&core->jobs, handle)) != NULL)
		CHECK(heap_add(&core->expiries, handle));
}

void
expiry_end(struct core *core, uint32_t handle)
{
	struct extras *extras = extras_of(core, job_at(&core->jobs, handle));
	if (extras == NULL)
		return;
	if (extras->expiry_place != 0)
		heap_remove(&core->expiries, extras->expiry_place);
	extras->expiry_place = 0;
	extras->terms.expires_at_ms = 0;
}

bool
expiry_extend(struct core *core, uint32_t handle, int64_t expires_at_ms)
{
	struct extras *extras = extras_of(core, job_at(&core->jobs, handle));
	if (extras == NULL ||
	    (expires_at_ms != 0 &&
		expires_at_ms <= extras->terms.expires_at_ms))
		return false;
	expiry_end(core, handle);
	extras->terms.expires_at_ms = expires_at_ms;
	expiry_begin(core, handle);
	return true;
}

bool
expiry_has_passed(const struct core *core, const struct job *job)
{
	const struct extras *extras = extras_of(core, job);
	return extras != NULL && extras->terms.expires_at_ms <= core->now_ms;
}

int64_t
expiry_next_ms(const struct core *core)
{
	uint32_t handle = heap_first(&core->expiries);
	return handle != 0 ? time_of(&core->jobs, handle) : INT64_MAX;
}

uint32_t
expiry_take(struct core *core)
{
	if (expiry_next_ms(core) > core->now_ms)
		return 0;
	uint32_t handle = heap_first(&core->expiries);
	heap_remove(&core->expiries, 1);
	job_extras(&core->jobs, job_at(&core->jobs, handle))->expiry_place = 0;
	return handle;
}
