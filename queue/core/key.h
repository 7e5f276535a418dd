/* SPDX-License-Identifier: MIT */
/*
 * The table of keys: what jobs of one queue have in common ("user 42"). A key
 * is there as long as a job has it. What follows from having one is told in
 * core/line.h.
 */
#ifndef GSQ_CORE_KEY_H
#define GSQ_CORE_KEY_H

#include "base/map.h"
#include "base/slab.h"
#include "core/job.h"

#include <stdint.h>

struct key {
	uint64_t hash;
	char *text;	      /* owned; ends with a zero */
	uint32_t lane;	      /* handle of its queue */
	uint32_t twin;	      /* handle of another key with that hash, or 0 */
	uint32_t jobs;	      /* that have it */
	uint32_t unfinished;  /* of them, that wait or run */
	uint32_t holder;      /* the job whose turn it is, or 0 */
	uint32_t pending;     /* the job that others are merged into, or 0 */
	uint32_t plan;	      /* its place among the plans of a batch that was
			       * admitted (core/admit.h), from 1; else 0 */
	struct job_list line; /* BLOCKED jobs; the head is next */
};

struct keys {
	struct slab slab;
	struct map by_hash; /* the first one of its twins */
	uint64_t seed;
};

/* seed: so that nobody can choose keys that collide. */
void keys_init(struct keys *keys, uint64_t seed);
void keys_release(struct keys *keys);

static inline struct key *
key_at(const struct keys *keys, uint32_t handle)
{
	return slab_at(&keys->slab, handle);
}

/* The handle of a queue's key with that text, or 0. */
uint32_t keys_find(const struct keys *keys, uint32_t lane, struct span text);

/* The same; makes one when there is none. 0 without memory. A key without jobs
 * is to be given back. */
uint32_t keys_take(struct keys *keys, uint32_t lane, struct span text);

/* The key is forgotten if no job has it and no plan. */
void keys_give(struct keys *keys, uint32_t handle);

/* The text of a job's key; empty without one. */
struct span keys_text_of(const struct keys *keys, const struct job *job);

#endif
