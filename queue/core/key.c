/* SPDX-License-Identifier: MIT */
#include "core/key.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t
hash_of(const void *context, uint32_t handle)
{
	const struct keys *keys = context;
	return key_at(keys, handle)->hash;
}

void
keys_init(struct keys *keys, uint64_t seed)
{
	slab_init(&keys->slab, sizeof(struct key));
	map_init(&keys->by_hash, hash_of, keys);
	keys->seed = seed;
}

void
keys_release(struct keys *keys)
{
	for (uint32_t handle = 1; handle <= keys->slab.made; handle++) {
		struct key *key = key_at(keys, handle);
		if (key->jobs > 0 || key->plan > 0)
			free(key->text);
	}
	map_release(&keys->by_hash);
	slab_release(&keys->slab);
}

static uint64_t
hash(const struct keys *keys, uint32_t lane, struct span text)
{
	return XXH3_64bits_withSeed(text.bytes, text.count, keys->seed + lane);
}

static bool
is_it(const struct key *key, uint32_t lane, struct span text)
{
	return key->lane == lane && span_is_text(text, key->text);
}

uint32_t
keys_find(const struct keys *keys, uint32_t lane, struct span text)
{
	uint32_t handle = map_get(&keys->by_hash, hash(keys, lane, text));
	while (handle != 0 && !is_it(key_at(keys, handle), lane, text))
		handle = key_at(keys, handle)->twin;
	return handle;
}

/* Twins stand in a chain behind the first of them, which the map knows. */
static bool
enter(struct keys *keys, uint32_t handle)
{
	struct key *key = key_at(keys, handle);
	uint32_t first = map_get(&keys->by_hash, key->hash);
	if (first == 0)
		return map_add(&keys->by_hash, handle);
	key->twin = key_at(keys, first)->twin;
	key_at(keys, first)->twin = handle;
	return true;
}

static void
leave(struct keys *keys, uint32_t handle)
{
	const struct key *key = key_at(keys, handle);
	uint32_t before = map_get(&keys->by_hash, key->hash);
	if (before == handle) {
		map_remove(&keys->by_hash, handle);
		/* There is room for it: the other one has just left. */
		if (key->twin != 0)
			CHECK(map_add(&keys->by_hash, key->twin));
		return;
	}
	while (key_at(keys, before)->twin != handle)
		before = key_at(keys, before)->twin;
	key_at(keys, before)->twin = key->twin;
}

static uint32_t
make(struct keys *keys, uint32_t lane, struct span text)
{
	uint32_t handle = slab_take(&keys->slab);
	if (handle == 0)
		return 0;
	struct key *key = key_at(keys, handle);
	key->lane = lane;
	key->hash = hash(keys, lane, text);
	key->text = strndup(text.bytes, text.count);
	if (key->text != NULL && enter(keys, handle))
		return handle;
	free(key->text);
	slab_give(&keys->slab, handle);
	return 0;
}

uint32_t
keys_take(struct keys *keys, uint32_t lane, struct span text)
{
	CHECK(key_is_valid(text));
	uint32_t handle = keys_find(keys, lane, text);
	return handle != 0 ? handle : make(keys, lane, text);
}

void
keys_give(struct keys *keys, uint32_t handle)
{
	struct key *key = key_at(keys, handle);
	if (key->jobs > 0 || key->plan > 0)
		return;
	CHECK(key->holder == 0 && key->pending == 0 && key->line.head == 0);
	leave(keys, handle);
	free(key->text);
	slab_give(&keys->slab, handle);
}

struct span
keys_text_of(const struct keys *keys, const struct job *job)
{
	if (job->key == 0)
		return (struct span){ 0 };
	return span_of(key_at(keys, job->key)->text);
}
