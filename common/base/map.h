/* SPDX-License-Identifier: MIT */
/*
 * A hash table from 64-bit keys to handles that holds the handles alone: the
 * key is asked of the item, so an entry costs 4 bytes and its share of empty
 * slots. Linear probing; growing moves a few entries at each change instead of
 * all at once, so that no single insertion is long.
 */
#ifndef GSQ_BASE_MAP_H
#define GSQ_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_table {
	uint32_t *slots; /* owned; 0 is empty */
	size_t mask;	 /* slots - 1; a power of two less one */
};

struct map {
	uint64_t (*key_of)(const void *context, uint32_t handle);
	const void *context;
	size_t count;
	struct map_table now;
	struct map_table old; /* being emptied into now */
	size_t moved;	      /* slots of old that are empty already */
};

void map_init(struct map *map,
    uint64_t (*key_of)(const void *context, uint32_t handle),
    const void *context);
void map_release(struct map *map);

/* An empty map makes room for so many, so that it need not grow on the way.
 * Without memory it will grow. */
void map_expect(struct map *map, size_t count);

/* So many can be added from now on whatever happens. False without memory. */
bool map_reserve(struct map *map, size_t count);

/* The handle with that key, or 0. */
uint32_t map_get(const struct map *map, uint64_t key);

/* Adds a handle whose key is not there yet. False without memory. */
bool map_add(struct map *map, uint32_t handle);

/* Removes the handle, which must be there. */
void map_remove(struct map *map, uint32_t handle);

#endif
