/* SPDX-License-Identifier: MIT */
/*
 * Memory for what grows large: huge pages, which take one fault where small
 * ones take 512. Touching memory for the first time is most of what it costs
 * to take in a million jobs.
 */
#ifndef GSQ_BASE_PAGES_H
#define GSQ_BASE_PAGES_H

#include <stddef.h>

/* The memory of anything smaller is better taken from malloc. */
#define PAGES_BYTES ((size_t)2 * 1024 * 1024)

/* Zeroed memory for bytes > 0, rounded up to whole huge pages and aligned like
 * one. NULL without memory. */
void *pages_take(size_t bytes);

/* Gives back what pages_take gave for that many bytes. */
void pages_give(void *pages, size_t bytes);

#endif
