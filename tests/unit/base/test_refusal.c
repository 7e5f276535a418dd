/* SPDX-License-Identifier: MIT */
#include "base/refusal.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

Test(refusal, every_one_has_a_name_a_code_and_a_meaning)
{
	cr_assert_gt(REFUSAL_COUNT, 1);
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		enum refusal refusal = (enum refusal)i;
		const char *name = refusal_name(refusal);
		cr_expect_gt(strlen(name), 0);
		cr_expect_eq(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"),
		    strlen(name), "%s", name);
		cr_expect_gt(strlen(refusal_meaning(refusal)), 0, "%s", name);
		cr_expect(
		    refusal_code(refusal) == 0 || refusal_code(refusal) == 1,
		    "%s", name);
	}
}

Test(refusal, no_error_has_a_name_too)
{
	cr_assert_str_eq(refusal_name(REFUSAL_NONE), "NONE");
	cr_assert_eq(refusal_code(REFUSAL_NONE), 0);
	cr_assert_str_eq(refusal_meaning(REFUSAL_NONE), "no error");
}

Test(refusal, the_code_tells_whether_a_repetition_may_help)
{
	cr_assert_eq(refusal_code(REFUSAL_BAD_ARGUMENT), 1);
	cr_assert_eq(refusal_code(REFUSAL_STALE), 1);
	cr_assert_eq(refusal_code(REFUSAL_FULL), 0);
	cr_assert_eq(refusal_code(REFUSAL_STOPPING), 0);
	cr_assert_eq(refusal_code(REFUSAL_UNAVAILABLE), 0);
}

Test(refusal, every_text_leads_back_to_its_refusal)
{
	char text[128];
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		enum refusal refusal = (enum refusal)i;
		snprintf(
		    text, sizeof(text), "%s: words", refusal_name(refusal));
		cr_expect_eq(refusal_of_text(span_of(text)), refusal);
		cr_expect_eq(
		    refusal_of_text(span_of(refusal_name(refusal))), refusal);
	}
}

Test(refusal, a_text_of_somebody_else_is_none_of_ours)
{
	static const char *const others[] = { "", ":", "NOT", "NOT_FOUNDING",
		"not_found: x", " NOT_FOUND: x", "NONE", "NONE: x",
		"Traceback" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_expect_eq(refusal_of_text(span_of(others[i])), REFUSAL_NONE,
		    "'%s'", others[i]);
	cr_expect_eq(refusal_of_text((struct span){ NULL, 0 }), REFUSAL_NONE);
}

Test(refusal, a_text_ends_where_its_span_ends)
{
	struct span cut = { "FULL: no room", 3 };
	cr_assert_eq(refusal_of_text(cut), REFUSAL_NONE);
	cut.count = 4;
	cr_assert_eq(refusal_of_text(cut), REFUSAL_FULL);
}

Test(refusal, a_number_out_of_the_table_aborts, .signal = SIGABRT)
{
	refusal_name(REFUSAL_COUNT);
}
