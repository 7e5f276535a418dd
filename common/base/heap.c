/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/check.h"

#include <stdlib.h>

void
heap_init(struct heap *heap,
    bool (*before)(const void *context, uint32_t a, uint32_t b),
    void (*moved)(const void *context, uint32_t item, uint32_t position),
    const void *context)
{
	*heap = (struct heap){
		.before = before, .moved = moved, .context = context
	};
}

void
heap_release(struct heap *heap)
{
	free(heap->items);
	heap_init(heap, heap->before, heap->moved, heap->context);
}

bool
heap_reserve(struct heap *heap, uint32_t count)
{
	if (heap->room > count)
		return true;
	uint32_t room = heap->room ? heap->room : 16;
	while (room <= count)
		room *= 2;
	uint32_t *items = realloc(heap->items, room * sizeof(*items));
	if (items == NULL)
		return false;
	heap->items = items;
	heap->room = room;
	return true;
}

static void
set(struct heap *heap, uint32_t position, uint32_t item)
{
	heap->items[position] = item;
	heap->moved(heap->context, item, position);
}

static uint32_t
rise(struct heap *heap, uint32_t at, uint32_t item)
{
	for (; at > 1; at /= 2) {
		uint32_t parent = heap->items[at / 2];
		if (!heap->before(heap->context, item, parent))
			break;
		set(heap, at, parent);
	}
	return at;
}

static uint32_t
sink(struct heap *heap, uint32_t at, uint32_t item)
{
	while (2 * at <= heap->count) {
		uint32_t child = 2 * at;
		if (child < heap->count &&
		    heap->before(heap->context, heap->items[child + 1],
			heap->items[child]))
			child++;
		if (!heap->before(heap->context, heap->items[child], item))
			break;
		set(heap, at, heap->items[child]);
		at = child;
	}
	return at;
}

bool
heap_add(struct heap *heap, uint32_t item)
{
	if (!heap_reserve(heap, heap->count + 1))
		return false;
	heap->count++;
	set(heap, rise(heap, heap->count, item), item);
	return true;
}

void
heap_changed(struct heap *heap, uint32_t position)
{
	CHECK(position >= 1 && position <= heap->count);
	uint32_t item = heap->items[position];
	uint32_t at = rise(heap, position, item);
	if (at == position)
		at = sink(heap, position, item);
	set(heap, at, item);
}

void
heap_remove(struct heap *heap, uint32_t position)
{
	CHECK(position >= 1 && position <= heap->count);
	heap->moved(heap->context, heap->items[position], 0);
	uint32_t last = heap->items[heap->count--];
	if (position > heap->count)
		return;
	heap->items[position] = last;
	heap_changed(heap, position);
}
