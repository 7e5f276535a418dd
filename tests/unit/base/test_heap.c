/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/random.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <signal.h>

#define ITEMS 500

/* Items are the numbers 1 to ITEMS. */
struct items {
	int rank[ITEMS + 1];
	uint32_t position[ITEMS + 1]; /* as the heap told it */
};

static bool
before(const void *context, uint32_t a, uint32_t b)
{
	const struct items *items = context;
	return items->rank[a] < items->rank[b];
}

static struct items items;

static void
moved(const void *context, uint32_t item, uint32_t position)
{
	cr_assert_eq(context, &items);
	items.position[item] = position;
}

static void
prepare(struct heap *heap)
{
	items = (struct items){ 0 };
	heap_init(heap, before, moved, &items);
}

static void
add(struct heap *heap, uint32_t item, int rank)
{
	items.rank[item] = rank;
	cr_assert(heap_add(heap, item));
}

static uint32_t
take_first(struct heap *heap)
{
	uint32_t item = heap_first(heap);
	heap_remove(heap, 1);
	return item;
}

/* Parents come no later than their children, and each item knows its place. */
static void
expect_order(const struct heap *heap)
{
	for (uint32_t at = 1; at <= heap->count; at++) {
		cr_assert_eq(items.position[heap->items[at]], at);
		cr_assert_not(at > 1 &&
		    before(&items, heap->items[at], heap->items[at / 2]));
	}
}

Test(heap, an_empty_one_has_no_first)
{
	struct heap heap;
	prepare(&heap);
	cr_assert_eq(heap_first(&heap), 0);
	heap_release(&heap);
}

Test(heap, items_leave_in_order_of_rank)
{
	struct heap heap;
	prepare(&heap);
	const int ranks[] = { 5, 3, 8, 1, 9, 2, 7 };
	for (uint32_t i = 0; i < 7; i++)
		add(&heap, i + 1, ranks[i]);
	const int wanted[] = { 1, 2, 3, 5, 7, 8, 9 };
	for (uint32_t i = 0; i < 7; i++)
		cr_assert_eq(items.rank[take_first(&heap)], wanted[i]);
	cr_assert_eq(heap.count, 0);
	heap_release(&heap);
}

Test(heap, every_item_knows_its_place_and_0_once_it_is_out)
{
	struct heap heap;
	prepare(&heap);
	add(&heap, 1, 20);
	add(&heap, 2, 10);
	cr_assert_eq(items.position[2], 1);
	cr_assert_eq(items.position[1], 2);
	heap_remove(&heap, items.position[2]);
	cr_assert_eq(items.position[2], 0);
	cr_assert_eq(items.position[1], 1);
	heap_release(&heap);
}

Test(heap, an_item_that_became_earlier_rises)
{
	struct heap heap;
	prepare(&heap);
	for (uint32_t item = 1; item <= 20; item++)
		add(&heap, item, (int)item);
	items.rank[20] = 0;
	heap_changed(&heap, items.position[20]);
	cr_assert_eq(heap_first(&heap), 20);
	expect_order(&heap);
	heap_release(&heap);
}

Test(heap, an_item_that_became_later_sinks)
{
	struct heap heap;
	prepare(&heap);
	for (uint32_t item = 1; item <= 20; item++)
		add(&heap, item, (int)item);
	items.rank[1] = 100;
	heap_changed(&heap, 1);
	cr_assert_eq(heap_first(&heap), 2);
	expect_order(&heap);
	heap_release(&heap);
}

/* The last item, which takes the place of the removed one, may have to rise
 * there: it comes from another branch. */
Test(heap, an_item_in_the_middle_is_taken_out_in_order)
{
	struct heap heap;
	prepare(&heap);
	const int ranks[] = { 1, 50, 2, 60, 70, 3, 4, 80, 90, 100, 110, 5 };
	for (uint32_t i = 0; i < 12; i++)
		add(&heap, i + 1, ranks[i]);
	heap_remove(&heap, items.position[8]);
	expect_order(&heap);
	cr_assert_eq(heap.count, 11);
	heap_release(&heap);
}

Test(heap, a_place_that_is_not_there_aborts, .signal = SIGABRT)
{
	struct heap heap;
	prepare(&heap);
	add(&heap, 1, 1);
	heap_remove(&heap, 2);
}

Test(heap, the_place_0_aborts, .signal = SIGABRT)
{
	struct heap heap;
	prepare(&heap);
	add(&heap, 1, 1);
	heap_changed(&heap, 0);
}

Test(heap, reserved_room_is_used_without_asking_for_memory)
{
	struct heap heap;
	prepare(&heap);
	cr_assert(heap_reserve(&heap, ITEMS));
	const uint32_t *items_before = heap.items;
	for (uint32_t item = 1; item <= ITEMS; item++)
		add(&heap, item, (int)item);
	cr_assert_eq(heap.items, items_before);
	heap_release(&heap);
}

Test(heap, a_released_one_is_empty_and_can_be_used_again)
{
	struct heap heap;
	prepare(&heap);
	add(&heap, 1, 1);
	heap_release(&heap);
	cr_assert_eq(heap_first(&heap), 0);
	add(&heap, 2, 2);
	cr_assert_eq(heap_first(&heap), 2);
	heap_release(&heap);
}

/* Adds, removes or changes the item that the dice name. */
static void
walk(struct heap *heap, struct random *random)
{
	uint32_t item = 1 + (uint32_t)(random_next(random) % ITEMS);
	int rank = (int)(random_next(random) % 100);
	if (items.position[item] == 0) {
		add(heap, item, rank);
	} else if (rank < 40) {
		heap_remove(heap, items.position[item]);
	} else {
		items.rank[item] = rank;
		heap_changed(heap, items.position[item]);
	}
}

Test(heap, a_random_walk_keeps_the_order)
{
	struct random random = { .state = 20260108 };
	struct heap heap;
	prepare(&heap);
	for (int i = 0; i < 3000; i++) {
		walk(&heap, &random);
		expect_order(&heap);
	}
	cr_assert_gt(heap.count, ITEMS / 4);
	int rank = 0;
	while (heap.count > 0) {
		uint32_t item = take_first(&heap);
		cr_assert_geq(items.rank[item], rank);
		rank = items.rank[item];
	}
	heap_release(&heap);
}

#if MEMORY_CAN_FAIL
Test(heap, without_memory_nothing_is_added)
{
	struct heap heap;
	prepare(&heap);
	fail_memory(1);
	bool added = heap_add(&heap, 1);
	fail_memory(0);
	cr_assert_not(added);
	cr_assert_eq(heap.count, 0);
	add(&heap, 1, 1);
	cr_assert_eq(heap_first(&heap), 1);
	heap_release(&heap);
}
#endif
