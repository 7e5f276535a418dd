/* SPDX-License-Identifier: MIT */
#include "base/slab.h"

#include "base/pages.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#define CHUNK_ITEMS (1u << SLAB_CHUNK_BITS)

struct item {
	uint64_t number;
	char text[20];
};

Test(slab, handles_begin_at_1_because_0_names_nothing)
{
	struct slab slab;
	slab_init(&slab, sizeof(struct item));
	cr_assert_eq(slab_take(&slab), 1);
	cr_assert_eq(slab_take(&slab), 2);
	cr_assert_eq(slab.used, 2);
	slab_release(&slab);
}

Test(slab, a_taken_item_is_zeroed_even_when_it_was_used_before)
{
	struct slab slab;
	const struct item zero = { 0 };
	slab_init(&slab, sizeof(struct item));
	uint32_t handle = slab_take(&slab);
	memset(slab_at(&slab, handle), 0xff, sizeof(struct item));
	slab_give(&slab, handle);
	cr_assert_eq(slab_take(&slab), handle);
	cr_assert_arr_eq(slab_at(&slab, handle), &zero, sizeof(zero));
	slab_release(&slab);
}

Test(slab, items_do_not_overlap_and_never_move)
{
	struct slab slab;
	struct item *first[3 * CHUNK_ITEMS];
	slab_init(&slab, sizeof(struct item));
	for (uint32_t i = 0; i < 3 * CHUNK_ITEMS; i++) {
		cr_assert_eq(slab_take(&slab), i + 1);
		first[i] = slab_at(&slab, i + 1);
		memset(first[i], 'x', sizeof(*first[i]));
		first[i]->number = i;
	}
	for (uint32_t i = 0; i < 3 * CHUNK_ITEMS; i++) {
		cr_assert_eq(slab_at(&slab, i + 1), first[i]);
		cr_assert_eq(first[i]->number, i);
	}
	cr_assert_eq(slab.chunk_count, 3);
	slab_release(&slab);
}

Test(slab, given_items_are_taken_again_before_new_ones_are_made)
{
	struct slab slab;
	bool taken[CHUNK_ITEMS + 1] = { false };
	slab_init(&slab, sizeof(struct item));
	for (uint32_t i = 0; i < CHUNK_ITEMS; i++)
		slab_take(&slab);
	for (uint32_t handle = CHUNK_ITEMS; handle >= 1; handle--)
		slab_give(&slab, handle);
	cr_assert_eq(slab.used, 0);
	for (uint32_t i = 0; i < CHUNK_ITEMS; i++) {
		uint32_t handle = slab_take(&slab);
		cr_assert(handle >= 1 && handle <= CHUNK_ITEMS);
		cr_assert_not(taken[handle], "%u is taken twice", handle);
		taken[handle] = true;
	}
	cr_assert_eq(slab.chunk_count, 1);
	cr_assert_eq(slab.made, CHUNK_ITEMS);
	slab_release(&slab);
}

Test(slab, the_smallest_item_is_a_link)
{
	struct slab slab;
	slab_init(&slab, sizeof(uint32_t));
	uint32_t one = slab_take(&slab);
	uint32_t two = slab_take(&slab);
	slab_give(&slab, one);
	slab_give(&slab, two);
	cr_assert_eq(slab_take(&slab), two);
	cr_assert_eq(slab_take(&slab), one);
	cr_assert_eq(slab_take(&slab), 3);
	slab_release(&slab);
}

Test(slab, items_smaller_than_a_link_are_refused, .signal = SIGABRT)
{
	struct slab slab;
	slab_init(&slab, 3);
}

Test(slab, giving_what_was_never_taken_aborts, .signal = SIGABRT)
{
	struct slab slab;
	slab_init(&slab, sizeof(struct item));
	slab_take(&slab);
	slab_give(&slab, 2);
}

Test(slab, giving_nothing_aborts, .signal = SIGABRT)
{
	struct slab slab;
	slab_init(&slab, sizeof(struct item));
	slab_take(&slab);
	slab_give(&slab, 0);
}

Test(slab, a_released_one_is_empty_and_can_be_used_again)
{
	struct slab slab;
	slab_init(&slab, sizeof(struct item));
	slab_take(&slab);
	slab_release(&slab);
	cr_assert_eq(slab.used, 0);
	cr_assert_eq(slab_take(&slab), 1);
	slab_release(&slab);
}

Test(slab, beyond_a_huge_page_every_item_keeps_its_own_place)
{
	enum { COUNT = 3 * 2097152 / sizeof(struct item) };
	struct slab slab;
	slab_init(&slab, sizeof(struct item));
	for (uint32_t i = 1; i <= COUNT; i++) {
		cr_assert_eq(slab_take(&slab), i);
		memcpy(slab_at(&slab, i), &i, sizeof(i));
	}
	for (uint32_t i = 1; i <= COUNT; i++)
		cr_assert_arr_eq(slab_at(&slab, i), &i, sizeof(i));
	slab_release(&slab);
}

Test(slab, items_larger_than_any_page_holds_many_of_are_taken_too)
{
	struct slab slab;
	slab_init(&slab, 3000);
	for (uint32_t i = 1; i <= 3000; i++) {
		cr_assert_eq(slab_take(&slab), i);
		memset(slab_at(&slab, i), (int)(i % 251), 3000);
	}
	for (uint32_t i = 1; i <= 3000; i++)
		cr_assert_eq(
		    ((unsigned char *)slab_at(&slab, i))[2999], i % 251);
	slab_release(&slab);
}

#if MEMORY_CAN_FAIL
Test(slab, what_is_reserved_can_be_taken_without_memory)
{
	enum { COUNT = 3 * PAGES_BYTES / sizeof(struct item) };
	struct slab slab;
	unsigned failures = 0;
	slab_init(&slab, sizeof(struct item));
	for (uint32_t i = 1; i <= 5; i++)
		slab_take(&slab);
	slab_give(&slab, 3);
	while (fail_memory(1 + failures), !slab_reserve(&slab, COUNT))
		failures++;
	fail_memory(1);
	for (uint32_t i = 1; i <= COUNT; i++)
		cr_assert_neq(slab_take(&slab), 0);
	fail_memory(0);
	cr_assert_gt(failures, 1);
	cr_assert_eq(slab.used, 4 + COUNT);
	slab_release(&slab);
}
#endif

#if MEMORY_CAN_FAIL
Test(slab, without_memory_nothing_is_taken_and_nothing_lost)
{
	enum { COUNT = 5 * PAGES_BYTES / sizeof(struct item) };
	struct slab slab;
	unsigned failures = 0;
	slab_init(&slab, sizeof(struct item));
	for (uint32_t i = 1; i <= COUNT; i++) {
		fail_memory(1);
		uint32_t handle = slab_take(&slab);
		fail_memory(0);
		if (handle == 0) {
			failures++;
			handle = slab_take(&slab);
		}
		cr_assert_eq(handle, i);
	}
	cr_assert_gt(failures, 1);
	cr_assert_eq(slab.used, COUNT);
	slab_release(&slab);
}
#endif
