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

/*
 * What XXH3 takes of 17 to 32 bytes is a sum of products, and where the first 8
 * bytes are those of its secret plus the seed, the first product is 0 whatever
 * the next 8 bytes are. So who knows the seed can make keys with one hash.
 */
#define SECRET UINT64_C(0xbe4ba423396cfeb8)
#define FIRST  UINT64_C(0x6161616161616161) /* "aaaaaaaa" */

Test(key, that_collide_are_told_apart)
{
	static const char *const texts[] = { "aaaaaaaa-number0the-same-again-1",
		"aaaaaaaa-number1the-same-again-1",
		"aaaaaaaa-number2the-same-again-1",
		"aaaaaaaa-number3the-same-again-1" };
	uint32_t all[4];
	keys_release(&keys);
	keys_init(&keys, FIRST - SECRET - 1); /* lane 1 adds 1 */
	for (unsigned i = 0; i < 4; i++)
		all[i] = take(1, texts[i]);
	uint64_t hash = key_at(&keys, all[0])->hash;
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(key_at(&keys, all[i])->hash, hash);
		cr_assert_eq(find(1, texts[i]), all[i]);
	}
	cr_assert_eq(keys.by_hash.count, 1);
	cr_expect_eq(find(1, "aaaaaaaa-number4the-same-again-1"), 0);
	/* From the middle, from the end, from the front, and the last. */
	static const unsigned order[] = { 2, 1, 0, 3 };
	for (unsigned gone = 0; gone < 4; gone++) {
		give(all[order[gone]]);
		for (unsigned i = 0; i < 4; i++)
			cr_expect_eq(find(1, texts[order[i]]),
			    i > gone ? all[order[i]] : 0);
	}
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
