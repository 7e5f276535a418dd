/* SPDX-License-Identifier: MIT */
#include "base/name.h"

#include <criterion/criterion.h>
#include <string.h>

Test(name, letters_digits_dot_underscore_and_minus_are_a_name)
{
	cr_assert(name_is_valid(SPAN_LITERAL("a")));
	cr_assert(name_is_valid(SPAN_LITERAL("w1")));
	cr_assert(name_is_valid(SPAN_LITERAL("Sync-1_2.old")));
	cr_assert(name_is_valid(SPAN_LITERAL("...")));
}

Test(name, of_all_bytes_only_65_are_allowed)
{
	unsigned allowed = 0;
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool good = name_is_valid((struct span){ &byte, 1 });
		allowed += good;
		cr_expect_eq(good,
		    c != 0 &&
			strchr("abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    c) != NULL,
		    "byte %d", c);
	}
	cr_assert_eq(allowed, 65);
}

Test(name, one_bad_byte_anywhere_spoils_it)
{
	char text[NAME_BYTES_MAX];
	for (size_t i = 0; i < sizeof(text); i++) {
		memset(text, 'a', sizeof(text));
		text[i] = '/';
		cr_expect_not(
		    name_is_valid((struct span){ text, sizeof(text) }));
	}
}

Test(name, it_has_1_to_64_bytes)
{
	char text[NAME_BYTES_MAX + 1];
	memset(text, 'a', sizeof(text));
	cr_assert_not(name_is_valid((struct span){ NULL, 0 }));
	cr_assert_not(name_is_valid((struct span){ text, 0 }));
	cr_assert(name_is_valid((struct span){ text, NAME_BYTES_MAX }));
	cr_assert_not(name_is_valid((struct span){ text, NAME_BYTES_MAX + 1 }));
}

Test(name, a_kept_name_is_terminated)
{
	struct name name;
	memset(&name, 'x', sizeof(name));
	cr_assert(name_set(&name, (struct span){ "mailbox", 4 }));
	cr_assert_str_eq(name.text, "mail");
}

Test(name, the_longest_name_fits)
{
	char text[NAME_BYTES_MAX];
	struct name name;
	memset(text, 'z', sizeof(text));
	cr_assert(name_set(&name, (struct span){ text, sizeof(text) }));
	cr_assert_eq(strlen(name.text), NAME_BYTES_MAX);
}

Test(name, a_refused_name_leaves_an_empty_one)
{
	struct name name = { "old" };
	cr_assert_not(name_set(&name, SPAN_LITERAL("a b")));
	cr_assert_str_eq(name.text, "");
}
