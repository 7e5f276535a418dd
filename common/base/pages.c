/* SPDX-License-Identifier: MIT */
#include "base/pages.h"

#include "base/check.h"

#include <stdint.h>
#include <sys/mman.h>

static size_t
whole_pages(size_t bytes)
{
	return (bytes + PAGES_BYTES - 1) / PAGES_BYTES * PAGES_BYTES;
}

void *
pages_take(size_t bytes)
{
	CHECK(bytes > 0);
	if (bytes > SIZE_MAX - 2 * PAGES_BYTES)
		return NULL;
	bytes = whole_pages(bytes);
	char *mapped = mmap(NULL, bytes + PAGES_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED)
		return NULL;
	/* The kernel gives huge pages to what is aligned like them. */
	size_t before = -(uintptr_t)mapped % PAGES_BYTES;
	if (before > 0)
		munmap(mapped, before);
	munmap(mapped + before + bytes, PAGES_BYTES - before);
	/* Where it has none to give, there are more faults, and that is all. */
	madvise(mapped + before, bytes, MADV_HUGEPAGE);
	return mapped + before;
}

void
pages_give(void *pages, size_t bytes)
{
	munmap(pages, whole_pages(bytes));
}
