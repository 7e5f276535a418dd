/* SPDX-License-Identifier: MIT */
#include "queue/store_log_jobs.h"

#include "base/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP_BITS 5
#define GROUP_JOBS (1u << GROUP_BITS)

struct group {
	uint64_t number;		     /* id >> GROUP_BITS */
	uint32_t notes[NOTE_KIND_COUNT - 1]; /* which are; a bit for each */
	struct kept jobs[GROUP_JOBS];
};

/* Memory comes in whole huge pages. */
#define PAGE_GROUPS (PAGES_BYTES / sizeof(struct group))

/* ---- memory ---- */

static bool
add_page(struct kept_jobs *jobs)
{
	char **pages =
	    realloc(jobs->pages, (jobs->page_count + 1) * sizeof(*pages));
	if (pages == NULL)
		return false;
	jobs->pages = pages;
	char *page = pages_take(PAGES_BYTES);
	if (page == NULL)
		return false;
	jobs->pages[jobs->page_count++] = page;
	return true;
}

static struct group *
group_at(const struct kept_jobs *jobs, uint32_t handle)
{
	uint32_t at = handle - 1;
	return (struct group *)(void *)jobs->pages[at / PAGE_GROUPS] +
	    at % PAGE_GROUPS;
}

/* An empty group; its handle, or 0 without memory. */
static uint32_t
add_group(struct kept_jobs *jobs)
{
	if (jobs->group_count == jobs->page_count * PAGE_GROUPS &&
	    !add_page(jobs))
		return 0;
	return ++jobs->group_count;
}

/* ---- jobs ---- */

static uint64_t
number_of(const void *context, uint32_t handle)
{
	return group_at(context, handle)->number;
}

void
kept_jobs_init(struct kept_jobs *jobs)
{
	*jobs = (struct kept_jobs){ 0 };
	map_init(&jobs->by_number, number_of, jobs);
}

void
kept_jobs_release(struct kept_jobs *jobs)
{
	map_release(&jobs->by_number);
	for (uint32_t i = 0; i < jobs->page_count; i++)
		pages_give(jobs->pages[i], PAGES_BYTES);
	free(jobs->pages);
	jobs->pages = NULL;
	jobs->page_count = jobs->group_count = 0;
}

/* Where the job with that id stands, or would stand; NULL when none of its
 * group is there. */
static struct kept *
slot_of(struct kept_jobs *jobs, uint64_t id)
{
	uint64_t number = id >> GROUP_BITS;
	if (jobs->last == 0 || group_at(jobs, jobs->last)->number != number) {
		uint32_t handle = map_get(&jobs->by_number, number);
		if (handle == 0)
			return NULL;
		jobs->last = handle;
	}
	return &group_at(jobs, jobs->last)->jobs[id % GROUP_JOBS];
}

static struct kept *
make_slot(struct kept_jobs *jobs, uint64_t id)
{
	uint32_t handle = add_group(jobs);
	if (handle == 0)
		return NULL;
	group_at(jobs, handle)->number = id >> GROUP_BITS;
	if (!map_add(&jobs->by_number, handle)) {
		jobs->group_count--;
		return NULL;
	}
	jobs->last = handle;
	return &group_at(jobs, handle)->jobs[id % GROUP_JOBS];
}

/* A bit of that kind, or none: what is there is a job. */
static void
set_kind(struct kept_jobs *jobs, uint64_t id, uint8_t kind)
{
	struct group *group = group_at(jobs, jobs->last);
	uint32_t bit = 1u << id % GROUP_JOBS;
	for (uint8_t i = 1; i < NOTE_KIND_COUNT; i++)
		if (i == kind)
			group->notes[i - 1] |= bit;
		else
			group->notes[i - 1] &= ~bit;
}

static uint8_t
kind_of(const struct kept_jobs *jobs, uint64_t id)
{
	const struct group *group = group_at(jobs, jobs->last);
	for (uint8_t i = 1; i < NOTE_KIND_COUNT; i++)
		if ((group->notes[i - 1] >> id % GROUP_JOBS & 1) != 0)
			return i;
	return NOTE_NONE;
}

/* What has that id, whose slot was looked for last. */
static void
forget(struct kept_jobs *jobs, struct kept *slot, uint64_t id)
{
	jobs->count--;
	jobs->counts[kind_of(jobs, id)]--;
	*slot = (struct kept){ 0 };
}

static int
apply_full(struct kept_jobs *jobs, struct kept *slot,
    const struct stored *stored, uint64_t place)
{
	if (!span_is_text(stored->queue, jobs->last_name.text) &&
	    !name_set(&jobs->last_name, stored->queue))
		return EBADMSG;
	if (slot == NULL && (slot = make_slot(jobs, stored->id)) == NULL)
		return ENOMEM;
	if (slot->full != 0)
		forget(jobs, slot, stored->id);
	set_kind(jobs, stored->id, stored->note);
	jobs->count++;
	jobs->counts[stored->note]++;
	*slot = (struct kept){ .full = place };
	return 0;
}

int
kept_jobs_apply(
    struct kept_jobs *jobs, const struct stored *stored, uint64_t place)
{
	struct kept *slot = slot_of(jobs, stored->id);
	bool is_there = slot != NULL && slot->full != 0;
	switch (stored->kind) {
	case RECORD_FULL:
		return apply_full(jobs, slot, stored, place);
	case RECORD_STATE:
		if (is_there)
			slot->state = place;
		return 0;
	case RECORD_GONE:
		if (is_there)
			forget(jobs, slot, stored->id);
		return 0;
	}
	return EBADMSG;
}

const char *
kept_jobs_print(const struct kept_jobs *jobs, char text[KEPT_JOBS_TEXT_BYTES])
{
	snprintf(text, KEPT_JOBS_TEXT_BYTES,
	    "%" PRIu64 " jobs, %" PRIu64 " tokens, %" PRIu64 " certificates",
	    jobs->counts[NOTE_NONE], jobs->counts[NOTE_TOKEN],
	    jobs->counts[NOTE_ATTEMPT]);
	return text;
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
	uint32_t count = jobs->group_count;
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
    int (*each)(void *context, const struct kept *kept), void *context)
{
	int error = 0;
	if (jobs->count == 0)
		return 0;
	const struct group **groups = sort_groups(jobs);
	if (groups == NULL)
		return ENOMEM;
	for (uint32_t i = 0; i < jobs->group_count && error == 0; i++)
		for (uint32_t j = 0; j < GROUP_JOBS && error == 0; j++)
			if (groups[i]->jobs[j].full != 0)
				error = each(context, &groups[i]->jobs[j]);
	free(groups);
	return error;
}
