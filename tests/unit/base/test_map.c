/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/random.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#define ITEMS 20000u

/* The keys of the handles 1 to ITEMS. */
struct items {
	uint64_t key[ITEMS + 1];
};

static uint64_t
key_of(const void *context, uint32_t handle)
{
	const struct items *items = context;
	return items->key[handle];
}

/* The items and an empty map over them; ended by release. */
static struct items *
prepare(struct map *map)
{
	struct items *items = calloc(1, sizeof(*items));
	cr_assert_not_null(items);
	for (uint32_t handle = 1; handle <= ITEMS; handle++)
		items->key[handle] = 1000 + handle;
	map_init(map, key_of, items);
	return items;
}

static void
release(struct map *map, struct items *items)
{
	map_release(map);
	free(items);
}

Test(map, an_empty_one_finds_nothing)
{
	struct map map;
	struct items *items = prepare(&map);
	cr_assert_eq(map_get(&map, 0), 0);
	cr_assert_eq(map_get(&map, 1001), 0);
	cr_assert_eq(map.count, 0);
	release(&map, items);
}

Test(map, what_was_added_is_found_by_its_key_alone)
{
	struct map map;
	struct items *items = prepare(&map);
	cr_assert(map_add(&map, 7));
	cr_assert(map_add(&map, 9));
	cr_assert_eq(map_get(&map, 1007), 7);
	cr_assert_eq(map_get(&map, 1009), 9);
	cr_assert_eq(map_get(&map, 7), 0, "a handle is no key");
	cr_assert_eq(map.count, 2);
	release(&map, items);
}

Test(map, every_key_is_allowed)
{
	struct map map;
	struct items *items = prepare(&map);
	const uint64_t keys[] = { 0, 1, UINT32_MAX, UINT64_MAX };
	for (uint32_t i = 0; i < 4; i++) {
		items->key[i + 1] = keys[i];
		cr_assert(map_add(&map, i + 1));
	}
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(map_get(&map, keys[i]), i + 1);
	release(&map, items);
}

Test(map, what_was_removed_is_gone_and_may_come_again)
{
	struct map map;
	struct items *items = prepare(&map);
	cr_assert(map_add(&map, 7));
	map_remove(&map, 7);
	cr_assert_eq(map_get(&map, 1007), 0);
	cr_assert_eq(map.count, 0);
	cr_assert(map_add(&map, 7));
	cr_assert_eq(map_get(&map, 1007), 7);
	release(&map, items);
}

Test(map, removing_what_is_not_there_aborts, .signal = SIGABRT)
{
	struct map map;
	prepare(&map);
	map_add(&map, 1);
	map_remove(&map, 2);
}

Test(map, the_handle_0_is_refused, .signal = SIGABRT)
{
	struct map map;
	prepare(&map);
	map_add(&map, 0);
}

Test(map, while_it_grows_everything_stays_findable)
{
	struct map map;
	struct items *items = prepare(&map);
	unsigned growing = 0;
	for (uint32_t handle = 1; handle <= 3000; handle++) {
		cr_assert(map_add(&map, handle));
		growing += map.old.slots != NULL;
		for (uint32_t seen = 1; seen <= handle; seen++)
			if (map_get(&map, 1000 + seen) != seen)
				cr_assert_fail("%u lost at %u", seen, handle);
	}
	cr_assert_gt(growing, 100, "it was looked at while it moved");
	cr_assert_lt(growing, 2000, "moving ends");
	release(&map, items);
}

Test(map, an_item_is_removed_from_the_table_that_is_being_emptied)
{
	struct map map;
	struct items *items = prepare(&map);
	uint32_t count = 0;
	do
		cr_assert(map_add(&map, ++count));
	while (map.old.slots == NULL);
	for (uint32_t handle = 1; handle <= count; handle++) {
		map_remove(&map, handle);
		cr_assert_eq(map_get(&map, 1000 + handle), 0);
		cr_assert_eq(map.count, count - handle);
	}
	cr_assert(map_add(&map, 1));
	cr_assert_eq(map_get(&map, 1001), 1);
	release(&map, items);
}

Test(map, the_table_stays_small_when_items_come_and_go)
{
	struct map map;
	struct items *items = prepare(&map);
	for (uint32_t handle = 1; handle <= ITEMS; handle++) {
		cr_assert(map_add(&map, handle));
		if (handle > 40)
			map_remove(&map, handle - 40);
	}
	cr_assert_eq(map.count, 40);
	cr_assert_leq(map.now.mask + 1, 128);
	release(&map, items);
}

Test(map, one_that_was_told_how_many_come_does_not_grow)
{
	struct map map;
	struct items *items = prepare(&map);
	map_expect(&map, ITEMS);
	size_t mask = map.now.mask;
	map_expect(&map, ITEMS / 8);
	cr_assert_eq(map.now.mask, mask, "it has room already");
	for (uint32_t handle = 1; handle <= ITEMS; handle++)
		cr_assert(map_add(&map, handle));
	cr_assert_eq(map.now.mask, mask);
	cr_assert_leq(mask + 1, 4 * ITEMS);
	for (uint32_t handle = 1; handle <= ITEMS; handle++)
		cr_assert_eq(map_get(&map, items->key[handle]), handle);
	release(&map, items);
}

static uint64_t
same(const void *context, uint32_t handle)
{
	(void)context;
	return handle;
}

Test(map, a_million_entries_grow_into_huge_pages_and_out_again)
{
	enum { COUNT = 1000000 };
	struct map map;
	map_init(&map, same, NULL);
	map_expect(&map, 100);
	for (uint32_t handle = 1; handle <= COUNT; handle++)
		cr_assert(map_add(&map, handle));
	for (uint32_t handle = 1; handle <= COUNT; handle++)
		cr_assert_eq(map_get(&map, handle), handle);
	for (uint32_t handle = 1; handle <= COUNT; handle++)
		map_remove(&map, handle);
	cr_assert_eq(map.count, 0);
	map_release(&map);
}

Test(map, a_released_one_is_empty_and_can_be_used_again)
{
	struct map map;
	struct items *items = prepare(&map);
	cr_assert(map_add(&map, 1));
	map_release(&map);
	cr_assert_eq(map_get(&map, 1001), 0);
	cr_assert(map_add(&map, 2));
	cr_assert_eq(map_get(&map, 1002), 2);
	release(&map, items);
}

/* A dice throw adds or removes one item, with keys that share few bits. */
static void
walk(struct map *map, bool *is_in, struct random *random)
{
	uint32_t handle = 1 + (uint32_t)(random_next(random) % ITEMS);
	if (is_in[handle])
		map_remove(map, handle);
	else
		cr_assert(map_add(map, handle));
	is_in[handle] = !is_in[handle];
}

Test(map, a_random_walk_agrees_with_a_plain_array)
{
	static bool is_in[ITEMS + 1];
	struct random random = { .state = 20260107 };
	struct map map;
	struct items *items = prepare(&map);
	for (uint32_t handle = 1; handle <= ITEMS; handle++)
		items->key[handle] = (uint64_t)handle << 40;
	for (int i = 0; i < 200000; i++)
		walk(&map, is_in, &random);
	size_t count = 0;
	for (uint32_t handle = 1; handle <= ITEMS; handle++) {
		count += is_in[handle];
		cr_assert_eq(map_get(&map, items->key[handle]),
		    is_in[handle] ? handle : 0);
	}
	cr_assert_eq(map.count, count);
	cr_assert_gt(count, ITEMS / 4);
	release(&map, items);
}

#if MEMORY_CAN_FAIL
/* From whatever fill, with what an older table still holds or without. */
Test(map, what_is_reserved_can_be_added_without_memory)
{
	for (uint32_t there = 0; there < 300; there++) {
		struct map map;
		struct items *items = prepare(&map);
		for (uint32_t handle = 1; handle <= there; handle++)
			cr_assert(map_add(&map, handle));
		cr_assert(map_reserve(&map, ITEMS - there));
		fail_memory(1);
		for (uint32_t handle = there + 1; handle <= ITEMS; handle++)
			cr_assert(map_add(&map, handle));
		fail_memory(0);
		for (uint32_t handle = 1; handle <= ITEMS; handle++)
			cr_assert_eq(map_get(&map, items->key[handle]), handle);
		release(&map, items);
	}
}

Test(map, nothing_is_lost_where_there_is_no_memory_to_reserve)
{
	struct map map;
	struct items *items = prepare(&map);
	cr_assert(map_add(&map, 1));
	fail_memory(1);
	cr_assert_not(map_reserve(&map, ITEMS - 1));
	fail_memory(0);
	for (uint32_t handle = 2; handle <= ITEMS; handle++)
		cr_assert(map_add(&map, handle));
	cr_assert_eq(map_get(&map, items->key[1]), 1);
	cr_assert_eq(map_get(&map, items->key[ITEMS]), ITEMS);
	release(&map, items);
}
#endif

#if MEMORY_CAN_FAIL
Test(map, one_that_cannot_prepare_for_what_comes_grows_as_any_other)
{
	struct map map;
	struct items *items = prepare(&map);
	fail_memory(1);
	map_expect(&map, ITEMS);
	bool failed = memory_has_failed();
	fail_memory(0);
	cr_assert(failed);
	for (uint32_t handle = 1; handle <= ITEMS; handle++)
		cr_assert(map_add(&map, handle));
	cr_assert_eq(map_get(&map, items->key[ITEMS]), ITEMS);
	release(&map, items);
}
#endif
