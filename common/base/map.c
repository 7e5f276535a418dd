/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/check.h"

#include <stdlib.h>

#define REMOVED	      UINT32_MAX /* stands in slots of the old table only */
#define SLOTS_MIN     64
#define MOVE_PER_STEP 8

/* The finalizer of MurmurHash3 (Appleby, public domain): ids that follow each
 * other spread over the whole table. */
static uint64_t
spread(uint64_t key)
{
	key ^= key >> 33;
	key *= UINT64_C(0xff51afd7ed558ccd);
	key ^= key >> 33;
	key *= UINT64_C(0xc4ceb9fe1a85ec53);
	return key ^ key >> 33;
}

void
map_init(struct map *map,
    uint64_t (*key_of)(const void *context, uint32_t handle),
    const void *context)
{
	*map = (struct map){ .key_of = key_of, .context = context };
}

void
map_release(struct map *map)
{
	free(map->now.slots);
	free(map->old.slots);
	map_init(map, map->key_of, map->context);
}

/* The slot that holds the key, or SIZE_MAX. */
static size_t
slot_of(const struct map *map, const struct map_table *table, uint64_t key)
{
	if (table->slots == NULL)
		return SIZE_MAX;
	for (size_t at = spread(key) & table->mask;;
	     at = (at + 1) & table->mask) {
		uint32_t handle = table->slots[at];
		if (handle == 0)
			return SIZE_MAX;
		if (handle != REMOVED &&
		    map->key_of(map->context, handle) == key)
			return at;
	}
}

uint32_t
map_get(const struct map *map, uint64_t key)
{
	size_t at = slot_of(map, &map->now, key);
	if (at != SIZE_MAX)
		return map->now.slots[at];
	at = slot_of(map, &map->old, key);
	return at != SIZE_MAX ? map->old.slots[at] : 0;
}

static void
put(struct map *map, uint32_t handle)
{
	struct map_table *table = &map->now;
	size_t at = spread(map->key_of(map->context, handle)) & table->mask;
	while (table->slots[at] != 0)
		at = (at + 1) & table->mask;
	table->slots[at] = handle;
}

static void
move_some(struct map *map)
{
	if (map->old.slots == NULL)
		return;
	for (int i = 0; i < MOVE_PER_STEP; i++) {
		if (map->moved > map->old.mask) {
			free(map->old.slots);
			map->old = (struct map_table){ 0 };
			return;
		}
		uint32_t handle = map->old.slots[map->moved];
		if (handle != 0 && handle != REMOVED) {
			put(map, handle);
			map->old.slots[map->moved] = REMOVED;
		}
		map->moved++;
	}
}

/* At 3/4 the table doubles. The old one is empty again long before: it has
 * 1/2 of the slots, 8 of which move per change, and 3/8 changes fit in. */
static bool
grow(struct map *map)
{
	size_t slots = map->now.slots ? 2 * (map->now.mask + 1) : SLOTS_MIN;
	CHECK(map->old.slots == NULL);
	uint32_t *fresh = calloc(slots, sizeof(*fresh));
	if (fresh == NULL)
		return false;
	map->old = map->now;
	map->now = (struct map_table){ fresh, slots - 1 };
	map->moved = 0;
	return true;
}

bool
map_add(struct map *map, uint32_t handle)
{
	CHECK(handle != 0 && handle != REMOVED);
	move_some(map);
	size_t slots = map->now.slots ? map->now.mask + 1 : 0;
	if ((map->count + 1) * 4 > slots * 3 && !grow(map))
		return false;
	put(map, handle);
	map->count++;
	return true;
}

/* Closes the hole by moving back whatever would no longer be found (Knuth,
 * TAOCP 6.4, algorithm R). */
static void
close_hole(struct map *map, size_t hole)
{
	struct map_table *table = &map->now;
	for (size_t at = (hole + 1) & table->mask; table->slots[at] != 0;
	     at = (at + 1) & table->mask) {
		uint64_t key = map->key_of(map->context, table->slots[at]);
		size_t home = spread(key) & table->mask;
		if (((at - home) & table->mask) >=
		    ((at - hole) & table->mask)) {
			table->slots[hole] = table->slots[at];
			hole = at;
		}
	}
	table->slots[hole] = 0;
}

void
map_remove(struct map *map, uint32_t handle)
{
	uint64_t key = map->key_of(map->context, handle);
	size_t at = slot_of(map, &map->now, key);
	if (at != SIZE_MAX) {
		close_hole(map, at);
	} else {
		at = slot_of(map, &map->old, key);
		CHECK(at != SIZE_MAX);
		map->old.slots[at] = REMOVED;
	}
	map->count--;
	move_some(map);
}
