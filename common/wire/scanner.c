/* SPDX-License-Identifier: MIT */
#include "wire/scanner.h"

#include "base/check.h"

#include <stdbool.h>

static const char too_long[] = "more bytes than a message may have";
static const char too_many[] = "more objects than a message may have";
static const char too_deep[] = "nests deeper than a message may";
static const char never_used[] = "the byte 0xc1 begins no MessagePack object";

/* What the first byte of an object says about the rest of it. */
enum form_kind {
	FORM_BODY,  /* bytes follow that are no objects */
	FORM_ARRAY, /* that many objects follow */
	FORM_MAP,   /* twice that many */
	FORM_NEVER
};

struct form {
	enum form_kind kind;
	uint8_t length_bytes; /* of the length that follows the first byte */
	uint8_t body_bytes;   /* on top of what the length says */
};

/* From 0xc0 on; the bytes outside of 0xc0..0xdf carry their length in
 * themselves. The specification:
 * https://github.com/msgpack/msgpack/blob/master/spec.md */
static const struct form forms[32] = {
	{ FORM_BODY, 0, 0 },  /* c0 nil */
	{ FORM_NEVER, 0, 0 }, /* c1 */
	{ FORM_BODY, 0, 0 },  /* c2 false */
	{ FORM_BODY, 0, 0 },  /* c3 true */
	{ FORM_BODY, 1, 0 },  /* c4 bin 8 */
	{ FORM_BODY, 2, 0 },  /* c5 bin 16 */
	{ FORM_BODY, 4, 0 },  /* c6 bin 32 */
	{ FORM_BODY, 1, 1 },  /* c7 ext 8: its type is one byte more */
	{ FORM_BODY, 2, 1 },  /* c8 ext 16 */
	{ FORM_BODY, 4, 1 },  /* c9 ext 32 */
	{ FORM_BODY, 0, 4 },  /* ca float 32 */
	{ FORM_BODY, 0, 8 },  /* cb float 64 */
	{ FORM_BODY, 0, 1 },  /* cc uint 8 */
	{ FORM_BODY, 0, 2 },  /* cd uint 16 */
	{ FORM_BODY, 0, 4 },  /* ce uint 32 */
	{ FORM_BODY, 0, 8 },  /* cf uint 64 */
	{ FORM_BODY, 0, 1 },  /* d0 int 8 */
	{ FORM_BODY, 0, 2 },  /* d1 int 16 */
	{ FORM_BODY, 0, 4 },  /* d2 int 32 */
	{ FORM_BODY, 0, 8 },  /* d3 int 64 */
	{ FORM_BODY, 0, 2 },  /* d4 fixext 1 */
	{ FORM_BODY, 0, 3 },  /* d5 fixext 2 */
	{ FORM_BODY, 0, 5 },  /* d6 fixext 4 */
	{ FORM_BODY, 0, 9 },  /* d7 fixext 8 */
	{ FORM_BODY, 0, 17 }, /* d8 fixext 16 */
	{ FORM_BODY, 1, 0 },  /* d9 str 8 */
	{ FORM_BODY, 2, 0 },  /* da str 16 */
	{ FORM_BODY, 4, 0 },  /* db str 32 */
	{ FORM_ARRAY, 2, 0 }, /* dc array 16 */
	{ FORM_ARRAY, 4, 0 }, /* dd array 32 */
	{ FORM_MAP, 2, 0 },   /* de map 16 */
	{ FORM_MAP, 4, 0 },   /* df map 32 */
};

/* The first byte and the length behind it, understood. */
struct header {
	enum form_kind kind;
	size_t bytes;	 /* of the header itself */
	uint64_t length; /* bytes of the body, or objects that follow */
};

void
scanner_init(struct scanner *scanner, size_t bytes_max)
{
	/* The levels need no clearing: depth says which of them count. */
	scanner->bytes_max = bytes_max;
	scanner->offset = 0;
	scanner->reason = NULL;
	scanner->promised = 1;
	scanner->elements = 1;
	scanner->depth = 0;
}

static uint64_t
read_length(const unsigned char *bytes, unsigned count)
{
	uint64_t length = 0;
	for (unsigned i = 0; i < count; i++)
		length = length << 8 | bytes[i];
	return length;
}

/* Reads the header; false when it is not whole yet. */
static bool
read_header(const unsigned char *bytes, size_t count, struct header *header)
{
	unsigned char first = bytes[0];
	header->bytes = 1;
	header->length = 0;
	header->kind = FORM_BODY;
	if (first < 0x80 || first >= 0xe0) /* fixint */
		return true;
	if (first < 0xc0) { /* fixmap, fixarray, fixstr */
		header->kind = first < 0x90 ? FORM_MAP
		    : first < 0xa0	    ? FORM_ARRAY
					    : FORM_BODY;
		header->length = first & (first < 0xa0 ? 0x0f : 0x1f);
	} else {
		const struct form *form = &forms[first - 0xc0];
		header->bytes += form->length_bytes;
		if (header->bytes > count)
			return false;
		header->kind = form->kind;
		header->length = read_length(bytes + 1, form->length_bytes) +
		    form->body_bytes;
	}
	if (header->kind == FORM_MAP)
		header->length *= 2;
	return true;
}

static enum scan
refuse(struct scanner *scanner, const char *reason)
{
	scanner->reason = reason;
	return SCAN_BAD;
}

/* Every promised element needs at least a byte: what is promised must fit into
 * what may still come. */
static bool
fits(const struct scanner *scanner, uint64_t bytes, uint64_t elements)
{
	uint64_t room = scanner->bytes_max - scanner->offset;
	return bytes <= room && elements <= room - bytes;
}

static void
close_levels(struct scanner *scanner)
{
	while (scanner->depth > 0 && scanner->left[scanner->depth - 1] == 0)
		scanner->depth--;
}

/* Goes into a container, or over anything else, body and all. */
static enum scan
enter(struct scanner *scanner, const struct header *header)
{
	bool is_container = header->kind != FORM_BODY;
	uint64_t inside = is_container ? header->length : 0;
	uint64_t body = is_container ? 0 : header->length;
	uint64_t promised = scanner->promised - 1 + inside;
	if (header->kind == FORM_NEVER)
		return refuse(scanner, never_used);
	if (!fits(scanner, header->bytes + body, promised))
		return refuse(scanner, too_long);
	if (inside > MESSAGE_ELEMENTS_MAX - scanner->elements)
		return refuse(scanner, too_many);
	if (is_container && scanner->depth == MESSAGE_DEPTH_MAX)
		return refuse(scanner, too_deep);
	scanner->promised = promised;
	scanner->elements += inside;
	scanner->offset += header->bytes + (size_t)body;
	if (scanner->depth > 0)
		scanner->left[scanner->depth - 1]--;
	if (is_container)
		scanner->left[scanner->depth++] = (uint32_t)inside;
	close_levels(scanner);
	return SCAN_MORE;
}

enum scan
scanner_feed(struct scanner *scanner, const char *bytes, size_t count)
{
	const unsigned char *from = (const unsigned char *)bytes;
	struct header header;
	if (scanner->reason != NULL)
		return SCAN_BAD;
	while (scanner->promised > 0) {
		if (scanner->offset >= count)
			return SCAN_MORE;
		if (!read_header(from + scanner->offset,
			count - scanner->offset, &header))
			return SCAN_MORE;
		if (enter(scanner, &header) == SCAN_BAD)
			return SCAN_BAD;
	}
	CHECK(scanner->depth == 0);
	return scanner->offset <= count ? SCAN_COMPLETE : SCAN_MORE;
}
