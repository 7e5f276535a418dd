/* SPDX-License-Identifier: MIT */
#include "core/lane.h"

#include "base/check.h"

void
lanes_init(struct lanes *lanes)
{
	slab_init(&lanes->slab, sizeof(struct lane));
	lanes->by_name = NULL;
	TAILQ_INIT(&lanes->idle);
}

static void
remove_lane(struct lanes *lanes, struct lane *lane)
{
	HASH_DELETE(by_name, lanes->by_name, lane);
	heap_release(&lane->asking);
	slab_give(&lanes->slab, lane->handle);
}

void
lanes_release(struct lanes *lanes)
{
	struct lane *lane, *following;
	HASH_ITER(by_name, lanes->by_name, lane, following)
		remove_lane(lanes, lane);
	slab_release(&lanes->slab);
}

struct lane *
lanes_find(const struct lanes *lanes, struct span name)
{
	struct lane *lane;
	HASH_FIND(by_name, lanes->by_name, name.bytes, name.count, lane);
	return lane;
}

void
lanes_note(struct lanes *lanes, struct lane *lane)
{
	bool idle = lane_is_idle(lane);
	if (idle == lane->idle)
		return;
	lane->idle = idle;
	if (idle)
		TAILQ_INSERT_TAIL(&lanes->idle, lane, in_idle);
	else
		TAILQ_REMOVE(&lanes->idle, lane, in_idle);
}

static bool
make_room(struct lanes *lanes)
{
	struct lane *lane = TAILQ_FIRST(&lanes->idle);
	if (lane == NULL)
		return false;
	TAILQ_REMOVE(&lanes->idle, lane, in_idle);
	remove_lane(lanes, lane);
	return true;
}

struct lane *
lanes_add(
    struct lanes *lanes, struct span name, const struct lane_policy *policy)
{
	if (lanes->slab.used >= LANES_MAX && !make_room(lanes))
		return NULL;
	uint32_t handle = slab_take(&lanes->slab);
	if (handle == 0)
		return NULL;
	struct lane *lane = lane_at(lanes, handle);
	CHECK(name_set(&lane->name, name));
	lane->handle = handle;
	lane->policy = *policy;
	lane->act_at_ms = INT64_MAX;
	lane->full_at_us = INT64_MIN;
	LIST_INIT(&lane->subscriptions);
	HASH_ADD(by_name, lanes->by_name, name.text, name.count, lane);
	if (lane->by_name.tbl == NULL) {
		slab_give(&lanes->slab, handle);
		return NULL;
	}
	lanes_note(lanes, lane);
	return lane;
}

/* The first priority from that one on with a ready job; PRIORITY_COUNT when
 * there is none. */
static unsigned
first_occupied(const struct lane *lane, unsigned priority)
{
	while (priority < PRIORITY_COUNT) {
		uint64_t bits = lane->occupied[priority / 64] >> priority % 64;
		if (bits != 0)
			return priority + (unsigned)__builtin_ctzll(bits);
		priority = (priority / 64 + 1) * 64;
	}
	return PRIORITY_COUNT;
}

uint32_t
lane_first(const struct lane *lane)
{
	unsigned priority = first_occupied(lane, 0);
	return priority < PRIORITY_COUNT ? lane->ready[priority].head : 0;
}

/* Of one priority: new jobs stand in the order in which they became ready,
 * those that came back in front of them. */
static int64_t
list_since_ms(
    const struct jobs *jobs, const struct job_list *list, unsigned *looks)
{
	int64_t since_ms = INT64_MAX;
	for (uint32_t handle = list->head; handle != 0;) {
		const struct job *job = job_at(jobs, handle);
		if (job->at_ms < since_ms)
			since_ms = job->at_ms;
		if (job->delivery == 0 || *looks == 0)
			break;
		(*looks)--;
		handle = job->next;
	}
	return since_ms;
}

int64_t
lane_ready_since_ms(
    const struct jobs *jobs, const struct lane *lane, unsigned *looks)
{
	int64_t since_ms = INT64_MAX;
	for (unsigned priority = first_occupied(lane, 0);
	     priority < PRIORITY_COUNT;
	     priority = first_occupied(lane, priority + 1)) {
		int64_t list_ms =
		    list_since_ms(jobs, &lane->ready[priority], looks);
		if (list_ms < since_ms)
			since_ms = list_ms;
	}
	return since_ms;
}

static void
set_occupied(struct lane *lane, unsigned priority)
{
	lane->occupied[priority / 64] |= UINT64_C(1) << priority % 64;
}

void
lane_push_back(const struct jobs *jobs, struct lane *lane, uint32_t handle)
{
	unsigned priority = job_at(jobs, handle)->priority;
	job_list_push_back(jobs, &lane->ready[priority], handle);
	set_occupied(lane, priority);
}

void
lane_push_front(const struct jobs *jobs, struct lane *lane, uint32_t handle)
{
	unsigned priority = job_at(jobs, handle)->priority;
	job_list_push_front(jobs, &lane->ready[priority], handle);
	set_occupied(lane, priority);
}

void
lane_take(const struct jobs *jobs, struct lane *lane, uint32_t handle)
{
	unsigned priority = job_at(jobs, handle)->priority;
	job_list_remove(jobs, &lane->ready[priority], handle);
	if (lane->ready[priority].head == 0)
		lane->occupied[priority / 64] &=
		    ~(UINT64_C(1) << priority % 64);
}

uint32_t
lane_after(const struct jobs *jobs, const struct lane *lane, uint32_t handle)
{
	const struct job *job = job_at(jobs, handle);
	if (job->next != 0)
		return job->next;
	unsigned priority = first_occupied(lane, job->priority + 1u);
	return priority < PRIORITY_COUNT ? lane->ready[priority].head : 0;
}
