/* SPDX-License-Identifier: MIT */
#include "qctl/page.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct page page;
static struct table table;

static const struct column columns[] = {
	{ .title = "NAME" },
	{ .title = "COUNT", .right = true },
	{ .title = "AGE", .right = true },
	{ .title = "NOTE" },
};

static void
set_up(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
	table_init(&table, columns, 4);
}

static void
tear_down(void)
{
	page_release(&page);
	table_release(&table);
}

TestSuite(page, .init = set_up, .fini = tear_down, .timeout = 60);

Test(page, text_stands_where_it_is_put)
{
	page_begin(&page, 2, 20);
	size_t at = page_put(&page, 1, 3, span_of("abc"), STYLE_PLAIN);
	cr_expect_eq(at, 6);
	page_format(&page, 1, at, STYLE_GOOD, " %d", 7);
	expect_page(&page, "\n   abc 7\n");
}

Test(page, what_is_too_wide_is_cut_at_the_edge)
{
	page_begin(&page, 1, 6);
	page_put(&page, 0, 2, span_of("abcdef"), STYLE_PLAIN);
	expect_page(&page, "  abc…\n");
	page_begin(&page, 1, 6);
	page_put(&page, 0, 2, span_of("你好吗"), STYLE_PLAIN);
	expect_page(&page, "  你…\n");
}

Test(page, what_is_outside_is_not_there)
{
	page_begin(&page, 2, 5);
	page_put(&page, 2, 0, span_of("below"), STYLE_PLAIN);
	page_put(&page, 0, 5, span_of("right"), STYLE_PLAIN);
	page_put(&page, SIZE_MAX, SIZE_MAX, span_of("far"), STYLE_PLAIN);
	cr_expect_eq(page.piece_count, 0);
	page_begin(&page, 0, 0);
	page_put(&page, 0, 0, span_of("no page"), STYLE_PLAIN);
	cr_expect_eq(page.piece_count, 0);
}

Test(page, text_from_outside_moves_nothing)
{
	page_begin(&page, 1, 60);
	page_put(&page, 0, 0, span_of("a\033[2J\n\t\xff\u202e"), STYLE_PLAIN);
	expect_page(&page, "a\\x1b[2J\\n\\t\\xff\\u202e\n");
}

Test(page, a_terminal_without_unicode_gets_none)
{
	setenv("LC_ALL", "C", 1);
	text_init();
	page_begin(&page, 1, 60);
	page_put(&page, 0, 0, span_of("a\u4f60b"), STYLE_PLAIN);
	expect_page(&page, "a???b\n");
}

static void
add_rows(void)
{
	for (int i = 1; i <= 5; i++) {
		table_format(&table, "w%d", i);
		table_number(&table, i * 100);
		table_duration(&table, i);
		table_text(&table, "some note");
	}
}

Test(page, a_table_stands_under_its_titles)
{
	const struct page_window window = {
		.row = 1, .height = 2, .first = 1, .marked = 2
	};
	add_rows();
	page_begin(&page, 5, 40);
	page_table(&page, &table, &window, NULL, 0);
	expect_page(&page,
	    "\n"
	    "  NAME  COUNT  AGE  NOTE\n"
	    "  w2      200  2ms  some note\n"
	    "> w3      300  3ms  some note\n"
	    "\n");
	for (size_t i = 0; i < page.piece_count; i++)
		cr_expect_eq(page.pieces[i].is_marked, page.pieces[i].row == 3);
}

Test(page, columns_that_matter_least_go_first)
{
	static const unsigned char drops[] = { 2, 1 };
	const struct page_window window = { .height = 1, .marked = SIZE_MAX };
	add_rows();
	page_begin(&page, 2, 27);
	page_table(&page, &table, &window, drops, 2);
	expect_page(&page, "  NAME  COUNT  NOTE\n  w1      100  some note\n");
	page_begin(&page, 2, 18);
	page_table(&page, &table, &window, drops, 2);
	expect_page(&page, "  NAME  NOTE\n  w1    some note\n");
	page_begin(&page, 2, 12);
	page_table(&page, &table, &window, drops, 2);
	expect_page(&page, "  NAME  NOTE\n  w1    som…\n");
}
