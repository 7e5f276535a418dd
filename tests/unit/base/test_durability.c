/* SPDX-License-Identifier: MIT */
#include "base/durability.h"

#include <criterion/criterion.h>

Test(durability, every_name_is_read_back)
{
	for (unsigned i = 0; i < DURABILITY_COUNT; i++) {
		enum durability found = DURABILITY_COUNT;
		const char *name = durability_name((enum durability)i);
		cr_assert(durability_parse(span_of(name), &found));
		cr_assert_eq(found, i);
	}
}

Test(durability, nothing_said_is_the_safest)
{
	enum durability unset = 0;
	cr_assert_str_eq(durability_name(unset), "sync");
}

Test(durability, other_names_are_refused_and_change_nothing)
{
	static const char *const others[] = { "", "Sync", "sync ", "disk",
		"relaxe", "memory2" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		enum durability found = DURABILITY_RELAXED;
		cr_assert(!durability_parse(span_of(others[i]), &found));
		cr_assert_eq(found, DURABILITY_RELAXED);
	}
}
