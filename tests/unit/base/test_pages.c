/* SPDX-License-Identifier: MIT */
#include "base/pages.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(pages, are_whole_aligned_and_empty)
{
	for (size_t bytes = 1; bytes < 4 * PAGES_BYTES; bytes += 1234567) {
		char *pages = pages_take(bytes);
		cr_assert_not_null(pages);
		cr_expect_eq((uintptr_t)pages % PAGES_BYTES, 0);
		for (size_t i = 0; i < bytes; i += 4096)
			cr_expect_eq(pages[i], 0);
		memset(pages, 1, bytes);
		pages_give(pages, bytes);
	}
}

Test(pages, of_others_stay_when_some_are_given_back)
{
	char *pages[8];
	for (size_t i = 0; i < 8; i++) {
		pages[i] = pages_take((i % 3 + 1) * PAGES_BYTES);
		memset(pages[i], (int)i, (i % 3 + 1) * PAGES_BYTES);
	}
	for (size_t i = 0; i < 8; i += 2)
		pages_give(pages[i], (i % 3 + 1) * PAGES_BYTES);
	for (size_t i = 1; i < 8; i += 2) {
		cr_expect_eq(pages[i][0], (char)i);
		cr_expect_eq(pages[i][(i % 3 + 1) * PAGES_BYTES - 1], (char)i);
		pages_give(pages[i], (i % 3 + 1) * PAGES_BYTES);
	}
}

Test(pages, more_than_there_can_be_are_refused)
{
	cr_expect_null(pages_take(SIZE_MAX));
	cr_expect_null(pages_take(SIZE_MAX - 2 * PAGES_BYTES + 1));
	cr_expect_null(pages_take(SIZE_MAX / 2));
}

#if MEMORY_CAN_FAIL
Test(pages, without_memory_there_are_none)
{
	fail_memory(1);
	void *pages = pages_take(1);
	fail_memory(0);
	cr_expect_null(pages);
}
#endif
