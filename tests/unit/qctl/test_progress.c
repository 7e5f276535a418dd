/* SPDX-License-Identifier: MIT */
#include "qctl/progress.h"

#include <criterion/criterion.h>
#include <string.h>

static char line[256];

static const char *
line_of(size_t columns, uint64_t bytes_total, struct progress_state state)
{
	const struct progress progress = {
		.began_ms = 1000,
		.bytes_total = bytes_total,
	};
	progress_format(line, sizeof(line), columns, &progress, state, 3000);
	cr_expect_leq(strlen(line), columns, "'%s'", line);
	return line;
}

Test(progress, without_an_end_it_counts)
{
	struct progress_state state = { .jobs = 1234567, .bytes = 1 };
	cr_expect_str_eq(line_of(80, 0, state), "1,234,567 jobs  617,283/s");
}

Test(progress, with_an_end_it_has_a_bar)
{
	struct progress_state state = { .jobs = 999, .bytes = 50 };
	cr_expect_str_eq(line_of(80, 100, state),
	    "[####################....................]   50 %  "
	    "999 jobs  499/s");
}

Test(progress, a_file_that_grew_is_not_beyond_its_end)
{
	struct progress_state state = { .jobs = 1, .bytes = 500 };
	cr_expect_not_null(strstr(line_of(80, 100, state), " 100 %"));
}

Test(progress, the_bar_fits_into_a_narrow_terminal)
{
	struct progress_state state = { .jobs = 1000, .bytes = 10 };
	for (size_t columns = 35; columns < 120; columns++)
		line_of(columns, 100, state);
}
