/* SPDX-License-Identifier: MIT */
#include "core/token.h"

#include "base/check.h"
#include "base/limits.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t
hash_of(const void *context, uint32_t handle)
{
	return token_at(context, handle)->hash;
}

static uint64_t
note_of(const void *context, uint32_t handle)
{
	return token_at(context, handle)->note;
}

void
tokens_init(struct tokens *tokens, uint64_t seed)
{
	slab_init(&tokens->slab, sizeof(struct token));
	map_init(&tokens->by_hash, hash_of, tokens);
	map_init(&tokens->by_note, note_of, tokens);
	tokens->oldest = tokens->newest = 0;
	tokens->seed = seed;
}

void
tokens_release(struct tokens *tokens)
{
	map_release(&tokens->by_note);
	map_release(&tokens->by_hash);
	slab_release(&tokens->slab);
}

static uint64_t
hash(const struct tokens *tokens, struct span text)
{
	return XXH3_64bits_withSeed(text.bytes, text.count, tokens->seed);
}

uint32_t
tokens_find(const struct tokens *tokens, struct span text)
{
	return map_get(&tokens->by_hash, hash(tokens, text));
}

uint32_t
tokens_find_note(const struct tokens *tokens, uint64_t note)
{
	return map_get(&tokens->by_note, note);
}

uint32_t
tokens_take(struct tokens *tokens, struct span text)
{
	if (tokens->slab.used == TOKENS_MAX)
		return 0;
	uint32_t handle = slab_take(&tokens->slab);
	if (handle == 0)
		return 0;
	token_at(tokens, handle)->hash = hash(tokens, text);
	if (!map_reserve(&tokens->by_note, 1) ||
	    !map_add(&tokens->by_hash, handle)) {
		slab_give(&tokens->slab, handle);
		return 0;
	}
	return handle;
}

void
tokens_give(struct tokens *tokens, uint32_t handle)
{
	if (!token_at(tokens, handle)->is_hidden)
		map_remove(&tokens->by_hash, handle);
	slab_give(&tokens->slab, handle);
}

void
tokens_append(struct tokens *tokens, uint32_t handle)
{
	if (tokens->newest != 0)
		token_at(tokens, tokens->newest)->newer = handle;
	else
		tokens->oldest = handle;
	tokens->newest = handle;
	/* There is room since it was taken. */
	CHECK(map_add(&tokens->by_note, handle));
}

void
tokens_restore(
    struct tokens *tokens, const struct token *token, struct span text)
{
	uint32_t handle = slab_take(&tokens->slab);
	CHECK(handle != 0);
	*token_at(tokens, handle) = *token;
	token_at(tokens, handle)->hash = hash(tokens, text);
	token_at(tokens, handle)->newer = 0;
	/* The seed is another one than before. */
	uint32_t twin = tokens_find(tokens, text);
	if (twin != 0) {
		map_remove(&tokens->by_hash, twin);
		token_at(tokens, twin)->is_hidden = true;
	}
	CHECK(map_add(&tokens->by_hash, handle));
	tokens_append(tokens, handle);
}

void
tokens_drop_oldest(struct tokens *tokens)
{
	uint32_t handle = tokens->oldest;
	tokens->oldest = token_at(tokens, handle)->newer;
	if (tokens->oldest == 0)
		tokens->newest = 0;
	map_remove(&tokens->by_note, handle);
	tokens_give(tokens, handle);
}
