/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <criterion/criterion.h>

Test(utf8, a_character_cut_at_the_end_is_left_out)
{
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("abc")), 3);
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("ab\xc3")), 2);
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("a\xf0\x9f\x99")), 1);
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("\xe4\xb8\x96")), 3);
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("")), 0);
	/* What is wrong anyway is not mended. */
	cr_expect_eq(utf8_whole_bytes(SPAN_LITERAL("\xff\xff")), 2);
}

Test(utf8, only_what_is_utf8_is_a_character)
{
	static const struct {
		struct span bytes;
		uint32_t code;
		size_t whole;
		bool cut;
	} cases[] = {
		{ SPAN_LITERAL("a"), 'a', 1, false },
		{ SPAN_LITERAL("\0"), 0, 1, false },
		{ SPAN_LITERAL("\x7f"), 0x7f, 1, false },
		{ SPAN_LITERAL("\xc2\x80"), 0x80, 2, false },
		{ SPAN_LITERAL("\xdf\xbfz"), 0x7ff, 2, false },
		{ SPAN_LITERAL("\xe0\xa0\x80"), 0x800, 3, false },
		{ SPAN_LITERAL("\xed\x9f\xbf"), 0xd7ff, 3, false },
		{ SPAN_LITERAL("\xef\xbf\xbf"), 0xffff, 3, false },
		{ SPAN_LITERAL("\xf0\x90\x80\x80"), 0x10000, 4, false },
		{ SPAN_LITERAL("\xf4\x8f\xbf\xbf"), 0x10ffff, 4, false },
		/* cut */
		{ SPAN_LITERAL("\xc2"), 0xc2, 0, true },
		{ SPAN_LITERAL("\xe0\xa0"), 0xe0, 0, true },
		{ SPAN_LITERAL("\xf4\x8f\xbf"), 0xf4, 0, true },
		/* overlong, surrogates, too high, stray */
		{ SPAN_LITERAL("\xc0\xaf"), 0xc0, 0, false },
		{ SPAN_LITERAL("\xc1\xbf"), 0xc1, 0, false },
		{ SPAN_LITERAL("\xe0\x9f\xbf"), 0xe0, 0, false },
		{ SPAN_LITERAL("\xed\xa0\x80"), 0xed, 0, false },
		{ SPAN_LITERAL("\xf0\x8f\xbf\xbf"), 0xf0, 0, false },
		{ SPAN_LITERAL("\xf4\x90\x80\x80"), 0xf4, 0, false },
		{ SPAN_LITERAL("\xf5\x80\x80\x80"), 0xf5, 0, false },
		{ SPAN_LITERAL("\xff"), 0xff, 0, false },
		{ SPAN_LITERAL("\x80"), 0x80, 0, false },
		{ SPAN_LITERAL("\xe2\x82z"), 0xe2, 0, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct utf8 got = utf8_decode(cases[i].bytes);
		cr_expect_eq(got.code, cases[i].code, "%zu", i);
		cr_expect_eq(got.bytes, cases[i].whole, "%zu", i);
		cr_expect_eq(got.cut, cases[i].cut, "%zu", i);
		cr_expect_eq(utf8_is_valid(cases[i].bytes), cases[i].whole > 0,
		    "%zu", i);
	}
	cr_expect(utf8_is_valid(SPAN_LITERAL("")));
	cr_expect_not(utf8_is_valid(SPAN_LITERAL("ab\xff")));
}

Test(utf8, a_cut_leaves_no_half_character)
{
	struct span euro = SPAN_LITERAL("ab\xe2\x82\xac");
	cr_expect_eq(utf8_cut(euro, 6).count, 5);
	cr_expect_eq(utf8_cut(euro, 5).count, 5);
	cr_expect_eq(utf8_cut(euro, 4).count, 2);
	cr_expect_eq(utf8_cut(euro, 3).count, 2);
	cr_expect_eq(utf8_cut(euro, 2).count, 2);
	cr_expect_eq(utf8_cut((struct span){ 0 }, 2).count, 0);
	/* What was not cut here is kept as it is. */
	cr_expect_eq(utf8_cut(SPAN_LITERAL("ab\xe2"), 9).count, 3);
}
