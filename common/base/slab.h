/* SPDX-License-Identifier: MIT */
/*
 * A pool of equal items in chunks that never move, named by small numbers: a
 * handle of 4 bytes stands where a pointer would need 8, and a million lists
 * links are half as big. 0 names nothing. Beyond the first chunks memory comes
 * in huge pages.
 */
#ifndef GSQ_BASE_SLAB_H
#define GSQ_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slab {
	size_t item_bytes;
	char **chunks; /* each its own memory, or a part of a huge page */
	uint32_t chunk_count;
	uint32_t chunk_room;
	uint32_t small_count; /* so many are their own memory */
	uint32_t used;	      /* items taken */
	uint32_t made;	      /* items ever made; the highest handle */
	uint32_t first_free;  /* handle, or 0 */
};

/* item_bytes: at least 4. */
void slab_init(struct slab *slab, size_t item_bytes);
void slab_release(struct slab *slab);

/* A zeroed item; its handle, or 0 without memory. */
uint32_t slab_take(struct slab *slab);

/* So many can be taken from now on whatever happens, as long as nobody else
 * does. False without memory. */
bool slab_reserve(struct slab *slab, uint32_t count);

/* Gives an item back. */
void slab_give(struct slab *slab, uint32_t handle);

/* Fuzzing makes and drops many small slabs, and has smaller chunks. */
#ifndef SLAB_CHUNK_BITS
#define SLAB_CHUNK_BITS 10
#endif

/* The item of a handle that was taken; never NULL. */
static inline void *
slab_at(const struct slab *slab, uint32_t handle)
{
	uint32_t at = handle - 1;
	return slab->chunks[at >> SLAB_CHUNK_BITS] +
	    (at & ((1u << SLAB_CHUNK_BITS) - 1)) * slab->item_bytes;
}

#endif
