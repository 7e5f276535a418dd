/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <criterion/criterion.h>

/* From the reference implementation, https://prng.di.unimi.it/splitmix64.c,
 * with the seed 1234567. */
Test(random, it_is_splitmix64)
{
	static const uint64_t reference[] = { UINT64_C(6457827717110365317),
		UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
		UINT64_C(4593380528125082431), UINT64_C(16408922859458223821) };
	struct random random = { .state = 1234567 };
	for (int i = 0; i < 5; i++)
		cr_expect_eq(
		    random_next(&random), reference[i], "number %d", i);
}

Test(random, the_same_seed_gives_the_same_numbers)
{
	struct random one = { .state = 7 };
	struct random other = { .state = 7 };
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(random_next(&one), random_next(&other));
}

Test(random, every_bit_is_set_about_half_of_the_time)
{
	struct random random = { .state = 0 };
	unsigned set[64] = { 0 };
	for (int i = 0; i < 10000; i++) {
		uint64_t number = random_next(&random);
		for (int bit = 0; bit < 64; bit++)
			set[bit] += (unsigned)(number >> bit & 1);
	}
	for (int bit = 0; bit < 64; bit++)
		cr_expect(set[bit] > 4700 && set[bit] < 5300,
		    "bit %d: %u of 10000", bit, set[bit]);
}
