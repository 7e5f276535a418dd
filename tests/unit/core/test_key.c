/* SPDX-License-Identifier: MIT */
#include "core/key.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct keys keys;

static void
init_keys(void)
{
	keys_init(&keys, 7);
}

static void
release_keys(void)
{
	keys_release(&keys);
}

TestSuite(key, .init = init_keys, .fini = release_keys);

static uint32_t
take(uint32_t lane, const char *text)
{
	uint32_t handle = keys_take(&keys, lane, span_of(text));
	cr_assert_neq(handle, 0);
	key_at(&keys, handle)->jobs++;
	return handle;
}

static void
give(uint32_t handle)
{
	key_at(&keys, handle)->jobs--;
	keys_give(&keys, handle);
}

static uint32_t
find(uint32_t lane, const char *text)
{
	return keys_find(&keys, lane, span_of(text));
}

Test(key, is_known_while_a_job_has_it)
{
	uint32_t handle = take(1, "42");
	cr_expect_eq(take(1, "42"), handle);
	give(handle);
	cr_expect_eq(find(1, "42"), handle);
	give(handle);
	cr_expect_eq(find(1, "42"), 0);
	cr_expect_eq(keys.slab.used, 0);
}

Test(key, of_another_queue_is_another_one)
{
	uint32_t one = take(1, "42"), other = take(2, "42");
	cr_expect_neq(one, other);
	give(one);
	cr_expect_eq(find(2, "42"), other);
	cr_expect_eq(find(1, "42"), 0);
}

Test(key, is_all_of_its_bytes)
{
	take(1, "4");
	cr_expect_eq(find(1, "42"), 0);
	cr_expect_eq(find(1, ""), 0);
	struct job job = { .key = find(1, "4") };
	cr_expect(span_is_text(keys_text_of(&keys, &job), "4"));
	cr_expect_eq(keys_text_of(&keys, &(struct job){ 0 }).count, 0);
}

Test(key, that_is_none_ends_the_process, .signal = SIGABRT)
{
	keys_take(&keys, 1, (struct span){ 0 });
}

Test(key, that_is_in_use_cannot_be_forgotten, .signal = SIGABRT)
{
	uint32_t handle = take(1, "42");
	key_at(&keys, handle)->holder = 1;
	give(handle);
}

/* Keys with one hash, as nobody can choose them: made by hand. */
Test(key, that_collide_are_told_apart)
{
	uint32_t all[4];
	char text[8];
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "k%u", i);
		all[i] = take(1, text);
	}
	/* What keys_find and keys_take do with twins, on the chain itself. */
	struct key *first = key_at(&keys, all[0]);
	for (unsigned i = 1; i < 4; i++) {
		map_remove(&keys.by_hash, all[i]);
		key_at(&keys, all[i])->hash = first->hash;
		key_at(&keys, all[i])->twin = first->twin;
		first->twin = all[i];
	}
	cr_expect_eq(find(1, "k0"), all[0]);
	/* From the middle, from the end, from the front. */
	give(all[2]);
	cr_expect_eq(first->twin, all[3]);
	cr_expect_eq(key_at(&keys, all[3])->twin, all[1]);
	give(all[1]);
	cr_expect_eq(key_at(&keys, all[3])->twin, 0);
	give(all[0]);
	cr_expect_eq(
	    map_get(&keys.by_hash, key_at(&keys, all[3])->hash), all[3]);
	give(all[3]);
	cr_expect_eq(keys.by_hash.count, 0);
}

Test(key, a_hundred_thousand_come_and_go)
{
	struct random random = { 5 };
	static uint32_t handles[100000];
	char text[24];
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "user-%u", i);
		handles[i] = take(1 + i % 3, text);
	}
	for (unsigned i = 0; i < 100000; i++) {
		if (random_next(&random) % 2 == 0)
			continue;
		give(handles[i]);
		handles[i] = 0;
	}
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(text, sizeof(text), "user-%u", i);
		cr_assert_eq(find(1 + i % 3, text), handles[i]);
	}
}
