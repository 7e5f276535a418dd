/* SPDX-License-Identifier: MIT */
#include "worker/builtin.h"

#include <criterion/criterion.h>
#include <string.h>

Test(builtin, the_known_ones_are_found_and_named)
{
	static const char *const names[] = { "builtin:demo", "builtin:noop" };
	for (size_t i = 0; i < 2; i++) {
		const struct builtin *found = builtin_find(names[i]);
		cr_assert_not_null(found);
		cr_expect_str_eq(found->name, names[i]);
		cr_expect_not_null(strstr(BUILTIN_NAMES, names[i]));
	}
	cr_expect_eq(builtin_find("builtin:demo")->takes_ms, 1000);
	cr_expect_eq(builtin_find("builtin:demo")->level, LOG_INFO);
	cr_expect_eq(builtin_find("builtin:noop")->takes_ms, 0);
	cr_expect_eq(builtin_find("builtin:noop")->level, LOG_DEBUG);
}

Test(builtin, others_are_not_found)
{
	cr_expect_null(builtin_find("builtin:"));
	cr_expect_null(builtin_find("builtin:demos"));
	cr_expect_null(builtin_find("demo"));
	cr_expect(builtin_is_meant("builtin:what"));
	cr_expect_not(builtin_is_meant("./builtin:demo"));
}
