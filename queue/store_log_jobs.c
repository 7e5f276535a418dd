/* SPDX-License-Identifier: MIT */
#include "queue/store_log_jobs.h"

#include <errno.h>
#include <stdlib.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define GROUP_BITS 6
#define GROUP_JOBS (1u << GROUP_BITS)

struct group {
	uint64_t number; /* id >> GROUP_BITS */
	uint32_t jobs[GROUP_JOBS];
};

struct named {
	struct name name;
	uint32_t handle;
	UT_hash_handle hh;
};

static uint64_t
number_of(const void *context, uint32_t handle)
{
	const struct kept_jobs *jobs = context;
	return ((const struct group *)slab_at(&jobs->groups, handle))->number;
}

void
kept_jobs_init(struct kept_jobs *jobs)
{
	*jobs = (struct kept_jobs){ 0 };
	slab_init(&jobs->jobs, sizeof(struct kept));
	slab_init(&jobs->groups, sizeof(struct group));
	slab_init(&jobs->names, sizeof(struct named));
	map_init(&jobs->by_group, number_of, jobs);
}

void
kept_jobs_release(struct kept_jobs *jobs)
{
	HASH_CLEAR(hh, jobs->by_name);
	map_release(&jobs->by_group);
	slab_release(&jobs->names);
	slab_release(&jobs->groups);
	slab_release(&jobs->jobs);
}

/* ---- names ---- */

static struct named *
name_at(const struct kept_jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->names, handle);
}

static int
find_or_add_name(struct kept_jobs *jobs, struct span text)
{
	struct named *named;
	if (jobs->last_name != 0 &&
	    span_is_text(text, name_at(jobs, jobs->last_name)->name.text))
		return 0;
	HASH_FIND(hh, jobs->by_name, text.bytes, text.count, named);
	if (named != NULL) {
		jobs->last_name = named->handle;
		return 0;
	}
	if (!name_is_valid(text))
		return EBADMSG;
	uint32_t handle = slab_take(&jobs->names);
	if (handle == 0)
		return ENOMEM;
	named = name_at(jobs, handle);
	name_set(&named->name, text);
	named->handle = handle;
	HASH_ADD_KEYPTR(hh, jobs->by_name, named->name.text, text.count, named);
	if (named->hh.tbl == NULL) {
		slab_give(&jobs->names, handle);
		return ENOMEM;
	}
	jobs->last_name = handle;
	return 0;
}

/* ---- jobs ---- */

static struct group *
group_at(const struct kept_jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->groups, handle);
}

/* Where the handle of the job with that id stands, or NULL. */
static uint32_t *
slot_of(struct kept_jobs *jobs, uint64_t id)
{
	uint64_t number = id >> GROUP_BITS;
	if (jobs->last_group == 0 ||
	    group_at(jobs, jobs->last_group)->number != number) {
		uint32_t handle = map_get(&jobs->by_group, number);
		if (handle == 0)
			return NULL;
		jobs->last_group = handle;
	}
	return &group_at(jobs, jobs->last_group)->jobs[id % GROUP_JOBS];
}

static uint32_t *
make_slot(struct kept_jobs *jobs, uint64_t id)
{
	uint32_t handle = slab_take(&jobs->groups);
	if (handle == 0)
		return NULL;
	group_at(jobs, handle)->number = id >> GROUP_BITS;
	if (!map_add(&jobs->by_group, handle)) {
		slab_give(&jobs->groups, handle);
		return NULL;
	}
	jobs->last_group = handle;
	return &group_at(jobs, handle)->jobs[id % GROUP_JOBS];
}

static struct kept *
job_in(const struct kept_jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->jobs, handle);
}

static void
set_where(struct kept *kept, const struct stored *stored, const char *bytes,
    uint64_t place)
{
	kept->due_wall_ms = stored->due_wall_ms;
	kept->delivery = stored->delivery;
	kept->attempt = stored->attempt;
	kept->priority = stored->priority;
	kept->state = stored->state;
	kept->cause = stored->cause;
	kept->reason_bytes = (uint8_t)stored->reason.count;
	kept->reason = place + (uint64_t)(stored->reason.bytes - bytes);
}

static int
apply_full(struct kept_jobs *jobs, uint32_t *slot, const struct stored *stored,
    const char *bytes, uint64_t place)
{
	int error = find_or_add_name(jobs, stored->queue);
	if (error != 0)
		return error;
	if (slot == NULL && (slot = make_slot(jobs, stored->id)) == NULL)
		return ENOMEM;
	if (*slot == 0) {
		*slot = slab_take(&jobs->jobs);
		if (*slot == 0)
			return ENOMEM;
		jobs->count++;
	}
	struct kept *kept = job_in(jobs, *slot);
	jobs->body_bytes += stored->body_bytes;
	jobs->body_bytes -= kept->body_bytes;
	kept->id = stored->id;
	kept->enqueued_ms = stored->enqueued_ms;
	kept->queue = jobs->last_name;
	kept->body_bytes = stored->body_bytes;
	kept->body = place + (uint64_t)(stored->body.bytes - bytes);
	set_where(kept, stored, bytes, place);
	return 0;
}

static void
forget(struct kept_jobs *jobs, uint32_t *slot)
{
	jobs->body_bytes -= job_in(jobs, *slot)->body_bytes;
	jobs->count--;
	slab_give(&jobs->jobs, *slot);
	*slot = 0;
}

int
kept_jobs_apply(struct kept_jobs *jobs, const struct stored *stored,
    const char *bytes, uint64_t place)
{
	uint32_t *slot = slot_of(jobs, stored->id);
	bool is_there = slot != NULL && *slot != 0;
	switch (stored->kind) {
	case RECORD_FULL:
		return apply_full(jobs, slot, stored, bytes, place);
	case RECORD_STATE:
		if (is_there)
			set_where(job_in(jobs, *slot), stored, bytes, place);
		return 0;
	case RECORD_GONE:
		if (is_there)
			forget(jobs, slot);
		return 0;
	}
	return EBADMSG;
}

/* ---- in order ---- */

static int
compare_groups(const void *a, const void *b)
{
	uint64_t left = (*(const struct group *const *)a)->number;
	uint64_t right = (*(const struct group *const *)b)->number;
	return (left > right) - (left < right);
}

static const struct group **
sort_groups(const struct kept_jobs *jobs)
{
	uint32_t count = jobs->groups.made;
	const struct group **groups = calloc(count, sizeof(const void *));
	if (groups == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		groups[i] = group_at(jobs, i + 1);
	qsort(groups, count, sizeof(const void *), compare_groups);
	return groups;
}

int
kept_jobs_each(const struct kept_jobs *jobs,
    int (*each)(void *context, const struct kept *kept, struct span queue),
    void *context)
{
	int error = 0;
	if (jobs->count == 0)
		return 0;
	const struct group **groups = sort_groups(jobs);
	if (groups == NULL)
		return ENOMEM;
	for (uint32_t i = 0; i < jobs->groups.made && error == 0; i++) {
		for (uint32_t j = 0; j < GROUP_JOBS && error == 0; j++) {
			if (groups[i]->jobs[j] == 0)
				continue;
			const struct kept *kept =
			    job_in(jobs, groups[i]->jobs[j]);
			error = each(context, kept,
			    span_of(name_at(jobs, kept->queue)->name.text));
		}
	}
	free(groups);
	return error;
}
