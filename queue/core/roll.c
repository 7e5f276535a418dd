/* SPDX-License-Identifier: MIT */
#include "core/roll.h"

#include "base/check.h"

#include <stdlib.h>

static struct living *
find(const struct roll *roll, int64_t pid)
{
	struct living *living;
	HASH_FIND(hh, roll->living, &pid, sizeof(pid), living);
	return living;
}

static struct living *
find_life(const struct roll *roll, int64_t pid, int64_t incarnation)
{
	struct living *living = find(roll, pid);
	return living != NULL && living->incarnation == incarnation ? living
								    : NULL;
}

static void
set_unheard(struct roll *roll, struct living *living, bool unheard)
{
	roll->unheard -= living->unheard;
	living->unheard = unheard;
	roll->unheard += living->unheard;
}

static void
strike(struct roll *roll, struct living *living)
{
	set_unheard(roll, living, false);
	HASH_DEL(roll->living, living);
	free(living);
}

void
roll_release(struct roll *roll)
{
	struct living *living, *following;
	HASH_ITER(hh, roll->living, living, following)
		strike(roll, living);
}

bool
roll_is_alive(const struct roll *roll, int64_t pid, int64_t incarnation)
{
	return find_life(roll, pid, incarnation) != NULL;
}

static uint32_t
place_of(int64_t pid)
{
	return (uint32_t)((uint64_t)pid % DEPARTED_MAX);
}

bool
roll_is_departed(const struct roll *roll, int64_t pid, int64_t incarnation)
{
	const struct departed *departed = &roll->departed[place_of(pid)];
	return incarnation > 0 && departed->pid == pid &&
	    departed->incarnation == incarnation;
}

void
roll_up(struct roll *roll, int64_t pid, int64_t incarnation, bool unheard)
{
	struct living *living = find(roll, pid);
	if (living == NULL) {
		living = calloc(1, sizeof(*living));
		CHECK(living != NULL);
		living->pid = pid;
		HASH_ADD(hh, roll->living, pid, sizeof(living->pid), living);
		CHECK(living->hh.tbl != NULL);
	}
	if (living->incarnation != incarnation)
		set_unheard(roll, living, unheard);
	living->incarnation = incarnation;
	/* Another worker may have died with the same two numbers. */
	struct departed *departed = &roll->departed[place_of(pid)];
	if (departed->pid == pid)
		*departed = (struct departed){ 0 };
}

void
roll_heard(struct roll *roll, int64_t pid, int64_t incarnation)
{
	struct living *living = find_life(roll, pid, incarnation);
	if (living != NULL)
		set_unheard(roll, living, false);
}

bool
roll_down(struct roll *roll, int64_t pid, int64_t incarnation)
{
	bool unheard = !roll_is_departed(roll, pid, incarnation);
	struct living *living = find_life(roll, pid, incarnation);
	if (living != NULL) {
		unheard = living->unheard;
		strike(roll, living);
	}
	roll->departed[place_of(pid)] = (struct departed){ pid, incarnation };
	return unheard;
}
