/* SPDX-License-Identifier: MIT */
#include "base/key_rule.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(key_rule, each_mode_has_a_name_that_means_it)
{
	static const char *const names[] = { "parallel", "serial", "coalesce" };
	for (int i = 0; i < KEY_MODE_COUNT; i++) {
		enum key_mode mode = KEY_MODE_COUNT;
		cr_expect_str_eq(key_mode_name((enum key_mode)i), names[i]);
		cr_assert(key_mode_parse(span_of(names[i]), &mode));
		cr_expect_eq(mode, (enum key_mode)i);
	}
}

Test(key_rule, so_has_each_way_to_merge)
{
	static const char *const names[] = { "last", "first", "append" };
	for (int i = 0; i < KEY_MERGE_COUNT; i++) {
		enum key_merge merge = KEY_MERGE_COUNT;
		cr_expect_str_eq(key_merge_name((enum key_merge)i), names[i]);
		cr_assert(key_merge_parse(span_of(names[i]), &merge));
		cr_expect_eq(merge, (enum key_merge)i);
	}
}

Test(key_rule, no_other_text_is_a_name)
{
	enum key_mode mode = KEY_MODE_COUNT;
	enum key_merge merge = KEY_MERGE_COUNT;
	cr_expect_not(key_mode_parse(span_of(""), &mode));
	cr_expect_not(key_mode_parse(span_of("Serial"), &mode));
	cr_expect_not(key_mode_parse(span_of("last"), &mode));
	cr_expect_not(key_merge_parse(span_of("serial"), &merge));
	cr_expect_not(key_merge_parse(span_of("lastly"), &merge));
	cr_expect_eq(mode, KEY_MODE_COUNT);
	cr_expect_eq(merge, KEY_MERGE_COUNT);
}

Test(key_rule, what_is_no_mode_has_no_name, .signal = SIGABRT)
{
	key_mode_name(KEY_MODE_COUNT);
}
