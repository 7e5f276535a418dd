/* SPDX-License-Identifier: MIT */
/*
 * A binary heap of handles that tells each item where it stands, so that any
 * item can be moved or taken out in logarithmic time.
 */
#ifndef GSQ_BASE_HEAP_H
#define GSQ_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct heap {
	/* Does a come before b? */
	bool (*before)(const void *context, uint32_t a, uint32_t b);
	/* The item stands at this position now; from 1, 0 = not in the heap. */
	void (*moved)(const void *context, uint32_t item, uint32_t position);
	const void *context;
	uint32_t *items; /* owned; [1 .. count] */
	uint32_t count;
	uint32_t room;
};

void heap_init(struct heap *heap,
    bool (*before)(const void *context, uint32_t a, uint32_t b),
    void (*moved)(const void *context, uint32_t item, uint32_t position),
    const void *context);
void heap_release(struct heap *heap);

/* Room for that many items, so that later additions cannot fail. False
 * without memory. */
bool heap_reserve(struct heap *heap, uint32_t count);

/* The first item, or 0. */
static inline uint32_t
heap_first(const struct heap *heap)
{
	return heap->count ? heap->items[1] : 0;
}

/* False without memory. */
bool heap_add(struct heap *heap, uint32_t item);
void heap_remove(struct heap *heap, uint32_t position);

/* The item at that position comes earlier or later than it did. */
void heap_changed(struct heap *heap, uint32_t position);

#endif
