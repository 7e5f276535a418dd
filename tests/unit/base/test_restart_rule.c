/* SPDX-License-Identifier: MIT */
#include "base/restart_rule.h"

#include <criterion/criterion.h>

Test(restart_rule, every_strategy_is_found_by_its_name)
{
	for (int i = 0; i < RESTART_STRATEGY_COUNT; i++) {
		enum restart_strategy found = RESTART_STRATEGY_COUNT;
		const char *name =
		    restart_strategy_name((enum restart_strategy)i);
		cr_assert(restart_strategy_parse(span_of(name), &found));
		cr_assert_eq(found, (enum restart_strategy)i, "%s", name);
	}
}

Test(restart_rule, every_kind_is_found_by_its_name)
{
	for (int i = 0; i < RESTART_KIND_COUNT; i++) {
		enum restart_kind found = RESTART_KIND_COUNT;
		const char *name = restart_kind_name((enum restart_kind)i);
		cr_assert(restart_kind_parse(span_of(name), &found));
		cr_assert_eq(found, (enum restart_kind)i, "%s", name);
	}
}

Test(restart_rule, other_words_are_no_rule)
{
	enum restart_strategy strategy = ONE_FOR_ALL;
	enum restart_kind kind = RESTART_TEMPORARY;
	cr_assert_not(restart_strategy_parse(span_of("one_for"), &strategy));
	cr_assert_not(restart_kind_parse(span_of("Permanent"), &kind));
	cr_assert_not(restart_kind_parse(span_of(""), &kind));
	cr_assert_eq(strategy, ONE_FOR_ALL, "and nothing is set");
	cr_assert_eq(kind, RESTART_TEMPORARY);
}
