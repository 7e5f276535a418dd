/* SPDX-License-Identifier: MIT */
/*
 * The table of certificates: small handles, in the order in which they were
 * written; what each says is in the store alone, as a note of its own. Bounded
 * for each job, and for all of them together: the oldest go first.
 */
#ifndef GSQ_CORE_ATTEMPTS_H
#define GSQ_CORE_ATTEMPTS_H

#include "base/map.h"
#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>

/* One that is kept. Links are handles, or 0. */
struct attempt {
	uint64_t note; /* the id of its record in the store */
	uint64_t body; /* the store's handle for what that says */
	uint32_t body_bytes;
	uint32_t job;	  /* handle; 0: it has none any more */
	uint32_t earlier; /* of the same job */
	uint32_t later;
	uint32_t older; /* of all */
	uint32_t newer;
	bool in_memory; /* kept where jobs are that survive nothing */
};

/* Those of one job. */
struct attempt_list {
	uint32_t first; /* handle, or 0 */
	uint32_t last;
	uint32_t count;
};

struct attempts {
	struct slab slab; /* struct attempt */
	struct map by_note;
	uint32_t oldest;
	uint32_t newest;
	uint64_t bytes; /* of what all of them say */
};

void attempts_init(struct attempts *attempts);
void attempts_release(struct attempts *attempts);

static inline struct attempt *
attempt_at(const struct attempts *attempts, uint32_t handle)
{
	return slab_at(&attempts->slab, handle);
}

/* The one whose note has that id, or 0. */
uint32_t attempts_find(const struct attempts *attempts, uint64_t note);

/* Does another one with so many bytes fit, without one going? */
bool attempts_has_room(const struct attempts *attempts, uint32_t body_bytes);

/* A copy of that one, whose note no other has, behind all others and the last
 * of that list; its links are set here. list NULL: it is in none. Its handle,
 * or 0 without memory. */
uint32_t attempts_add(struct attempts *attempts, struct attempt_list *list,
    const struct attempt *attempt);

/* list: the one that it is in, or NULL. */
void attempts_remove(
    struct attempts *attempts, struct attempt_list *list, uint32_t handle);

#endif
