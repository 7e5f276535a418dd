/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/check.h"
#include "base/pages.h"

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

/* ---- tables ---- */

/* An empty table; its slots are NULL without memory. */
static struct map_table
table_take(size_t slots)
{
	size_t bytes = slots * sizeof(uint32_t);
	uint32_t *memory = bytes < PAGES_BYTES ? calloc(slots, sizeof(uint32_t))
					       : pages_take(bytes);
	return (struct map_table){ memory, slots - 1 };
}

static void
table_give(struct map_table *table)
{
	size_t bytes = (table->mask + 1) * sizeof(uint32_t);
	if (table->slots != NULL && bytes >= PAGES_BYTES)
		pages_give(table->slots, bytes);
	else
		free(table->slots);
	*table = (struct map_table){ 0 };
}

void
map_release(struct map *map)
{
	table_give(&map->now);
	table_give(&map->old);
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
			table_give(&map->old);
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

/* A table is full at 3/4. */
static bool
holds(size_t slots, size_t count)
{
	return count <= slots / 4 * 3;
}

static size_t
slots_of(const struct map *map)
{
	return map->now.slots != NULL ? map->now.mask + 1 : 0;
}

/* To at least twice as many slots: the old table is empty again long before the
 * new one is full. It has 1/2 of the slots, 8 of which move per change, and 3/8
 * changes fit in. */
static bool
grow(struct map *map, size_t slots)
{
	CHECK(map->old.slots == NULL);
	struct map_table fresh = table_take(slots);
	if (fresh.slots == NULL)
		return false;
	map->old = map->now;
	map->now = fresh;
	map->moved = 0;
	return true;
}

void
map_expect(struct map *map, size_t count)
{
	size_t slots = SLOTS_MIN;
	CHECK(map->count == 0);
	while (!holds(slots, count))
		slots *= 2;
	if (slots <= slots_of(map))
		return;
	struct map_table table = table_take(slots);
	if (table.slots == NULL)
		return;
	map_release(map);
	map->now = table;
}

bool
map_reserve(struct map *map, size_t count)
{
	size_t slots = slots_of(map);
	if (holds(slots, map->count + count))
		return true;
	/* Only a small table can still have an old one here. */
	while (map->old.slots != NULL)
		move_some(map);
	do
		slots = slots > 0 ? 2 * slots : SLOTS_MIN;
	while (!holds(slots, map->count + count));
	return grow(map, slots);
}

bool
map_add(struct map *map, uint32_t handle)
{
	CHECK(handle != 0 && handle != REMOVED);
	move_some(map);
	size_t slots = slots_of(map);
	if (!holds(slots, map->count + 1) &&
	    !grow(map, slots > 0 ? 2 * slots : SLOTS_MIN))
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
