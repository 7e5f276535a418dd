/* SPDX-License-Identifier: MIT */
/*
 * The table of tokens that producers have said, the oldest first: they all live
 * equally long, so the one that ends next is the one that came first.
 */
#ifndef GSQ_CORE_TOKEN_H
#define GSQ_CORE_TOKEN_H

#include "base/map.h"
#include "base/slab.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* How long a token is remembered. */
#define TOKEN_LIFE_MS INT64_C(86400000)

struct token {
	uint64_t hash;	 /* of its text, which is in the store alone */
	uint64_t digest; /* of what it came with */
	uint64_t job;	 /* what was answered: the id, */
	uint64_t note;	 /* the id of its record in the store */
	uint64_t body;	 /* the store's handle for what that says */
	int64_t ends_at_ms;
	uint32_t body_bytes;
	uint32_t newer; /* handle, or 0 */
	uint8_t result; /* enum enqueue_result */
	bool in_memory; /* kept where jobs are that survive nothing */
	bool is_hidden; /* another one has its hash: it is not found by it */
};

struct tokens {
	struct slab slab; /* struct token */
	struct map by_hash;
	struct map by_note;
	uint32_t oldest; /* handles */
	uint32_t newest;
	uint64_t seed;
};

void tokens_init(struct tokens *tokens, uint64_t seed);
void tokens_release(struct tokens *tokens);

static inline struct token *
token_at(const struct tokens *tokens, uint32_t handle)
{
	return slab_at(&tokens->slab, handle);
}

/* The token with that text, or 0. Two of a million texts are taken for one
 * another once in 40 million days. */
uint32_t tokens_find(const struct tokens *tokens, struct span text);

/* The token whose note has that id, or 0. */
uint32_t tokens_find_note(const struct tokens *tokens, uint64_t note);

/* A zeroed token that is found by that text from now on, and no other was; 0
 * when there are TOKENS_MAX, or without memory. */
uint32_t tokens_take(struct tokens *tokens, struct span text);

/* It has no note and is forgotten. */
void tokens_give(struct tokens *tokens, uint32_t handle);

/* It has its note, and is the newest. */
void tokens_append(struct tokens *tokens, uint32_t handle);

/* A copy of that one, which has its note, as it was kept. */
void tokens_restore(
    struct tokens *tokens, const struct token *token, struct span text);

/* Forgets the oldest, which there is. */
void tokens_drop_oldest(struct tokens *tokens);

#endif
