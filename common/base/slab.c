/* SPDX-License-Identifier: MIT */
#include "base/slab.h"

#include "base/check.h"
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ITEMS (1u << SLAB_CHUNK_BITS)

static size_t
chunk_bytes(const struct slab *slab)
{
	return CHUNK_ITEMS * slab->item_bytes;
}

/* Chunks in a huge page. */
static uint32_t
chunks_per_page(const struct slab *slab)
{
	return (uint32_t)(PAGES_BYTES / chunk_bytes(slab));
}

void
slab_init(struct slab *slab, size_t item_bytes)
{
	CHECK(item_bytes >= sizeof(uint32_t));
	*slab = (struct slab){ .item_bytes = item_bytes };
}

void
slab_release(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->small_count; i++)
		free(slab->chunks[i]);
	for (uint32_t i = slab->small_count; i < slab->chunk_count;
	     i += chunks_per_page(slab))
		pages_give(slab->chunks[i], PAGES_BYTES);
	free(slab->chunks);
	slab_init(slab, slab->item_bytes);
}

static bool
make_room(struct slab *slab, uint32_t count)
{
	uint32_t room = slab->chunk_room ? slab->chunk_room : 8;
	while (room < slab->chunk_count + count)
		room *= 2;
	if (room == slab->chunk_room)
		return true;
	char **chunks = realloc(slab->chunks, room * sizeof(*slab->chunks));
	if (chunks == NULL)
		return false;
	slab->chunks = chunks;
	slab->chunk_room = room;
	return true;
}

static bool
add_small_chunk(struct slab *slab)
{
	char *chunk = malloc(chunk_bytes(slab));
	if (chunk == NULL)
		return false;
	slab->chunks[slab->chunk_count++] = chunk;
	slab->small_count++;
	return true;
}

static bool
add_page(struct slab *slab)
{
	char *page = pages_take(PAGES_BYTES);
	if (page == NULL)
		return false;
	for (uint32_t i = 0; i < chunks_per_page(slab); i++)
		slab->chunks[slab->chunk_count++] =
		    page + i * chunk_bytes(slab);
	return true;
}

/* As many as one huge page holds are small, so that a little takes little. So
 * is everything of items of which a page would hold too few to matter. */
static bool
add_chunks(struct slab *slab)
{
	uint32_t count = chunks_per_page(slab);
	if (count == 0)
		count = UINT32_MAX / CHUNK_ITEMS;
	bool is_small = slab->small_count < count;
	if (is_small)
		count = 1;
	if (slab->chunk_count > UINT32_MAX / CHUNK_ITEMS - 1 - count ||
	    !make_room(slab, count))
		return false;
	return is_small ? add_small_chunk(slab) : add_page(slab);
}

bool
slab_reserve(struct slab *slab, uint32_t count)
{
	while (slab->chunk_count * CHUNK_ITEMS - slab->used < count)
		if (!add_chunks(slab))
			return false;
	return true;
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
		    !add_chunks(slab))
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
