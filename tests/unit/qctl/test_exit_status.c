/* SPDX-License-Identifier: MIT */
#include "qctl/exit_status.h"

#include <criterion/criterion.h>

Test(exit_status, what_the_moment_refuses_may_be_tried_later)
{
	cr_expect_eq(exit_status_of(REFUSAL_FULL), EXIT_TRY_LATER);
	cr_expect_eq(exit_status_of(REFUSAL_STOPPING), EXIT_TRY_LATER);
	cr_expect_eq(exit_status_of(REFUSAL_UNAVAILABLE), EXIT_TRY_LATER);
}

Test(exit_status, what_the_caller_did_wrong_is_refused)
{
	cr_expect_eq(exit_status_of(REFUSAL_NOT_FOUND), EXIT_REFUSED);
	cr_expect_eq(exit_status_of(REFUSAL_BAD_ARGUMENT), EXIT_REFUSED);
	cr_expect_eq(exit_status_of(REFUSAL_NONE), EXIT_REFUSED,
	    "an error that we do not know");
}

Test(exit_status, what_is_not_permitted_has_its_own)
{
	cr_expect_eq(exit_status_of(REFUSAL_NOT_PERMITTED), EXIT_NOT_PERMITTED);
}
