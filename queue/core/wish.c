/* SPDX-License-Identifier: MIT */
#include "core/wish.h"

#include "base/check.h"

#include <stdlib.h>

struct wish *
wish_add(struct core *core, enum wish_kind kind)
{
	if (core->wish_count == core->wish_room) {
		size_t room = core->wish_room ? 2 * core->wish_room : 64;
		struct wish *wishes =
		    realloc(core->wishes, room * sizeof(*wishes));
		/* A wish lost could be a job lost. */
		CHECK(wishes != NULL);
		core->wishes = wishes;
		core->wish_room = room;
	}
	struct wish *wish = &core->wishes[core->wish_count++];
	*wish = (struct wish){ .kind = kind };
	return wish;
}

void
wish_save(struct core *core, uint32_t job, bool with_body)
{
	struct wish *wish = wish_add(core, WISH_SAVE);
	wish->job = job;
	wish->id = job_at(&core->jobs, job)->id;
	wish->with_body = with_body;
}

void
wish_forget(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct wish *wish = wish_add(core, WISH_FORGET);
	wish->id = job->id;
	wish->body = job->body;
	wish->body_bytes = job->body_bytes;
	wish->lane = job->lane;
}

void
wish_tell_job(struct core *core, enum core_event event, uint32_t handle,
    uint32_t subscriber)
{
	const struct job *job = job_at(&core->jobs, handle);
	struct wish *wish = wish_add(core, WISH_TELL);
	wish->event = event;
	wish->job = handle;
	wish->id = job->id;
	wish->lane = job->lane;
	wish->subscriber = subscriber;
	wish->delivery = job->delivery;
	wish->attempt = job->attempt;
}
