/* SPDX-License-Identifier: MIT */
/*
 * A borrowed run of bytes. Not terminated by NUL, may contain NUL, is never
 * owned; how long it is good is said where it is handed out.
 */
#ifndef GSQ_BASE_SPAN_H
#define GSQ_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *bytes;
	size_t count;
};

#define SPAN_LITERAL(text) ((struct span){ (text), sizeof(text) - 1 })

static inline struct span
span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static inline bool
span_is(struct span a, struct span b)
{
	return a.count == b.count &&
	    (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

static inline bool
span_is_text(struct span a, const char *text)
{
	return span_is(a, span_of(text));
}

#endif
