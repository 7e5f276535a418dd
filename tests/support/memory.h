/* SPDX-License-Identifier: MIT */
/*
 * Memory that fails when told to: linked with a test, this stands in front of
 * the allocator, and of mmap, for the whole program.
 */
#ifndef GSQ_TESTS_MEMORY_H
#define GSQ_TESTS_MEMORY_H

#include <stdbool.h>

/* Memory cannot be made to fail with AddressSanitizer, which brings its own. */
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_CAN_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_CAN_FAIL 0
#endif
#endif
#ifndef MEMORY_CAN_FAIL
#define MEMORY_CAN_FAIL 1
#endif

/* The n-th allocation from now on fails, from 1, and those behind it; 0: none.
 */
void fail_memory(unsigned n);

/* Were there so many that one failed? */
bool memory_has_failed(void);

#endif
