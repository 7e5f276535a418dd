/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* The range of the second byte forbids overlong forms, surrogates and what
 * lies above U+10FFFF. */
static bool
is_second(unsigned char first, unsigned char second)
{
	if (first == 0xe0)
		return second >= 0xa0 && second <= 0xbf;
	if (first == 0xed)
		return second >= 0x80 && second <= 0x9f;
	if (first == 0xf0)
		return second >= 0x90 && second <= 0xbf;
	if (first == 0xf4)
		return second >= 0x80 && second <= 0x8f;
	return second >= 0x80 && second <= 0xbf;
}

static size_t
bytes_promised(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

struct utf8
utf8_decode(struct span bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.bytes;
	size_t promised = bytes_promised(at[0]);
	if (promised < 2)
		return (struct utf8){ at[0], promised, false };
	uint32_t code = at[0] & (0xffu >> (promised + 1));
	for (size_t i = 1; i < promised; i++) {
		if (i == bytes.count)
			return (struct utf8){ at[0], 0, true };
		if (i == 1 ? !is_second(at[0], at[1]) : (at[i] & 0xc0) != 0x80)
			return (struct utf8){ at[0], 0, false };
		code = code << 6 | (at[i] & 0x3f);
	}
	return (struct utf8){ code, promised, false };
}

bool
utf8_is_valid(struct span bytes)
{
	while (bytes.count > 0) {
		size_t whole = utf8_decode(bytes).bytes;
		if (whole == 0)
			return false;
		bytes.bytes += whole;
		bytes.count -= whole;
	}
	return true;
}

size_t
utf8_whole_bytes(struct span bytes)
{
	size_t back = bytes.count < 3 ? bytes.count : 3;
	for (size_t i = 1; i <= back; i++) {
		size_t start = bytes.count - i;
		struct span tail = { bytes.bytes + start, i };
		if (utf8_decode(tail).cut)
			return start;
	}
	return bytes.count;
}

struct span
utf8_cut(struct span bytes, size_t most)
{
	if (bytes.count < most)
		return bytes;
	bytes.count = most;
	bytes.count = utf8_whole_bytes(bytes);
	return bytes;
}
