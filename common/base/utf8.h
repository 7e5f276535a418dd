/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as it is and nothing else: no overlong forms, no surrogates, nothing
 * above U+10FFFF.
 */
#ifndef GSQ_BASE_UTF8_H
#define GSQ_BASE_UTF8_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct utf8 {
	uint32_t code;
	size_t bytes; /* 0: there is no character, and code is the byte */
	bool cut;     /* it could become one with more bytes */
};

/* What begins there; bytes is not empty. */
struct utf8 utf8_decode(struct span bytes);

/* Is all of it whole characters? */
bool utf8_is_valid(struct span bytes);

/* How many bytes at the front are whole characters or none at all: all of them,
 * or less when the last character is cut. */
size_t utf8_whole_bytes(struct span bytes);

/* At most that many bytes of the front, without half a character at the end of
 * what may have been cut. */
struct span utf8_cut(struct span bytes, size_t most);

#endif
