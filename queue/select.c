/* SPDX-License-Identifier: MIT */
#include "queue/select.h"

#include "base/check.h"
#include "base/key_rule.h"
#include "base/limits.h"

#include <stdio.h>

/* Jobs that are looked at for one page: about a millisecond, so that nobody
 * waits for it. */
#define LOOKS_MAX 20000

enum refusal
select_begin(struct selection *selection, const struct core *core,
    struct span queue, struct span state, struct span key, char *words)
{
	selection->lane = 0;
	selection->state = JOB_NONE;
	selection->key = key;
	selection->nothing = false;
	if (key.bytes != NULL && !key_is_valid(key)) {
		snprintf(words, SELECTION_WORDS_BYTES,
		    "a key has 1 to %d bytes, none of them zero",
		    KEY_BYTES_MAX);
		return REFUSAL_BAD_NAME;
	}
	if (state.count > 0)
		selection->state = job_state_of_name(state);
	if (state.count > 0 && selection->state == JOB_NONE) {
		snprintf(words, SELECTION_WORDS_BYTES,
		    "\"state\" must be ready, blocked, delayed, running or "
		    "dead");
		return REFUSAL_BAD_ARGUMENT;
	}
	if (queue.count > 0) {
		const struct lane *lane = lanes_find(&core->lanes, queue);
		selection->nothing = lane == NULL;
		selection->lane = lane != NULL ? lane->handle : 0;
	}
	return REFUSAL_NONE;
}

static bool
passes(const struct selection *selection, const struct core *core,
    const struct job *job)
{
	return (selection->lane == 0 || selection->lane == job->lane) &&
	    (selection->state == JOB_NONE || selection->state == job->state) &&
	    (selection->key.count == 0 ||
		span_is(selection->key, keys_text_of(&core->keys, job)));
}

void
select_page(struct selection *selection, const struct core *core,
    uint64_t after, uint32_t limit)
{
	uint32_t looks = 0;
	CHECK(limit <= SELECTION_MAX);
	selection->count = 0;
	selection->next = after;
	uint32_t handle =
	    selection->nothing ? 0 : jobs_after(&core->jobs, after);
	while (handle != 0 && selection->count < limit && looks++ < LOOKS_MAX) {
		const struct job *job = job_at(&core->jobs, handle);
		selection->next = job->id;
		if (passes(selection, core, job))
			selection->jobs[selection->count++] = handle;
		handle = jobs_next(&core->jobs, handle);
	}
	if (handle == 0)
		selection->next = 0;
}
