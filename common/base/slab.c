/* SPDX-License-Identifier: MIT */
#include "base/slab.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ITEMS (1u << SLAB_CHUNK_BITS)

void
slab_init(struct slab *slab, size_t item_bytes)
{
	CHECK(item_bytes >= sizeof(uint32_t));
	*slab = (struct slab){ .item_bytes = item_bytes };
}

void
slab_release(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->chunk_count; i++)
		free(slab->chunks[i]);
	free(slab->chunks);
	slab_init(slab, slab->item_bytes);
}

static int
add_chunk(struct slab *slab)
{
	if (slab->chunk_count == UINT32_MAX / CHUNK_ITEMS - 1)
		return -1;
	if (slab->chunk_count == slab->chunk_room) {
		uint32_t room = slab->chunk_room ? 2 * slab->chunk_room : 8;
		char **chunks =
		    realloc(slab->chunks, room * sizeof(*slab->chunks));
		if (chunks == NULL)
			return -1;
		slab->chunks = chunks;
		slab->chunk_room = room;
	}
	char *chunk = malloc(CHUNK_ITEMS * slab->item_bytes);
	if (chunk == NULL)
		return -1;
	slab->chunks[slab->chunk_count++] = chunk;
	return 0;
}

uint32_t
slab_take(struct slab *slab)
{
	uint32_t handle = slab->first_free;
	if (handle != 0) {
		memcpy(&slab->first_free, slab_at(slab, handle),
		    sizeof(slab->first_free));
	} else {
		if (slab->made == slab->chunk_count * CHUNK_ITEMS &&
		    add_chunk(slab) != 0)
			return 0;
		handle = ++slab->made;
	}
	memset(slab_at(slab, handle), 0, slab->item_bytes);
	slab->used++;
	return handle;
}

void
slab_give(struct slab *slab, uint32_t handle)
{
	CHECK(handle != 0 && handle <= slab->made && slab->used > 0);
	memcpy(
	    slab_at(slab, handle), &slab->first_free, sizeof(slab->first_free));
	slab->first_free = handle;
	slab->used--;
}
