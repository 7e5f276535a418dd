/* SPDX-License-Identifier: MIT */
#include "queue/store_log_jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GROUP_BITS 5
#define GROUP_JOBS (1u << GROUP_BITS)

struct group {
	uint64_t number; /* id >> GROUP_BITS */
	struct kept jobs[GROUP_JOBS];
};

/* Memory comes in whole huge pages: one fault instead of 512. */
#define PIECE_BYTES  (2u * 1024 * 1024)
#define PIECE_GROUPS (PIECE_BYTES / sizeof(struct group))

/* ---- memory ---- */

static char *
make_piece(void)
{
	char *bytes = mmap(NULL, 2 * PIECE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)bytes % PIECE_BYTES;
	if (before > 0)
		munmap(bytes, before);
	munmap(bytes + before + PIECE_BYTES, PIECE_BYTES - before);
	/* Without it there are more faults, and that is all. */
	madvise(bytes + before, PIECE_BYTES, MADV_HUGEPAGE);
	return bytes + before;
}

static bool
add_piece(struct kept_jobs *jobs)
{
	char **pieces =
	    realloc(jobs->pieces, (jobs->piece_count + 1) * sizeof(*pieces));
	if (pieces == NULL)
		return false;
	jobs->pieces = pieces;
	char *piece = make_piece();
	if (piece == NULL)
		return false;
	jobs->pieces[jobs->piece_count++] = piece;
	return true;
}

static struct group *
group_at(const struct kept_jobs *jobs, uint32_t handle)
{
	uint32_t at = handle - 1;
	return (struct group *)(void *)jobs->pieces[at / PIECE_GROUPS] +
	    at % PIECE_GROUPS;
}

/* An empty group; its handle, or 0 without memory. */
static uint32_t
add_group(struct kept_jobs *jobs)
{
	if (jobs->group_count == jobs->piece_count * PIECE_GROUPS &&
	    !add_piece(jobs))
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
	for (uint32_t i = 0; i < jobs->piece_count; i++)
		munmap(jobs->pieces[i], PIECE_BYTES);
	free(jobs->pieces);
	jobs->pieces = NULL;
	jobs->piece_count = jobs->group_count = 0;
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

static int
apply_full(struct kept_jobs *jobs, struct kept *slot,
    const struct stored *stored, uint64_t place)
{
	if (!span_is_text(stored->queue, jobs->last_name.text) &&
	    !name_set(&jobs->last_name, stored->queue))
		return EBADMSG;
	if (slot == NULL && (slot = make_slot(jobs, stored->id)) == NULL)
		return ENOMEM;
	jobs->count += slot->full == 0;
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
		if (is_there) {
			*slot = (struct kept){ 0 };
			jobs->count--;
		}
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
