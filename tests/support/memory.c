/* SPDX-License-Identifier: MIT */
#include "tests/support/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned calls_left;
static bool has_failed;

void
fail_memory(unsigned n)
{
	calls_left = n;
	has_failed = false;
}

bool
memory_has_failed(void)
{
	return has_failed;
}

#if MEMORY_CAN_FAIL

/* glibc's own allocator, behind the functions that stand in for it here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

static bool
fails(void)
{
	if (calls_left > 1)
		calls_left--;
	else if (calls_left == 1)
		has_failed = true;
	return has_failed && calls_left == 1;
}

void *
malloc(size_t bytes)
{
	return fails() ? NULL : __libc_malloc(bytes);
}

void *
calloc(size_t count, size_t bytes)
{
	return fails() ? NULL : __libc_calloc(count, bytes);
}

void *
realloc(void *memory, size_t bytes)
{
	return fails() ? NULL : __libc_realloc(memory, bytes);
}

void *
mmap(void *where, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(
	    SYS_mmap, where, bytes, protection, flags, fd, offset);
}

#endif
