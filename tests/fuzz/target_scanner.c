/* SPDX-License-Identifier: MIT */
/*
 * The boundary scanner, beside msgpack-c. What the scanner calls a whole object
 * of n bytes, msgpack-c reads, and takes n bytes for it; where the scanner
 * wants more, so does msgpack-c. What the scanner refuses for its length, its
 * number of objects or its depth msgpack-c may take: these limits are ours.
 * However the bytes arrive, the answer is the same.
 *
 * Input: the limit, how the bytes arrive, then the objects.
 */
#include "tests/fuzz/fuzz.h"
#include "wire/scanner.h"

#include <msgpack.h>
#include <stdbool.h>

static void
expect_unpacked(const char *bytes, size_t count, msgpack_unpack_return wanted,
    size_t wanted_bytes)
{
	msgpack_unpacked unpacked;
	size_t offset = 0;
	char *copy = copy_exactly(bytes, count);
	msgpack_unpacked_init(&unpacked);
	CHECK(msgpack_unpack_next(&unpacked, copy, count, &offset) == wanted);
	if (wanted == MSGPACK_UNPACK_SUCCESS)
		CHECK(offset == wanted_bytes);
	msgpack_unpacked_destroy(&unpacked);
	free(copy);
}

static bool
says_never_used(const struct scanner *scanner)
{
	return strstr(scanner->reason, "0xc1") != NULL;
}

/* Some bytes more each time; every call has a copy of its own. */
static void
feed_in_pieces(const char *bytes, size_t count, size_t step,
    const struct scanner *whole, enum scan wanted)
{
	struct scanner scanner;
	enum scan scan = SCAN_MORE;
	size_t arrived = 0;
	scanner_init(&scanner, whole->bytes_max);
	while (scan == SCAN_MORE && arrived < count) {
		arrived = count - arrived < step ? count : arrived + step;
		char *copy = copy_exactly(bytes, arrived);
		scan = scanner_feed(&scanner, copy, arrived);
		free(copy);
		if (scan == SCAN_MORE && wanted == SCAN_COMPLETE)
			CHECK(arrived < whole->offset);
	}
	CHECK(scan == wanted);
	CHECK(scanner.reason == whole->reason);
	if (scan != SCAN_BAD)
		CHECK(scanner.offset == whole->offset);
}

/* How many bytes the object at the front has; 0: it is not whole, or bad. */
static size_t
try_one(const char *bytes, size_t count, size_t bytes_max, size_t step)
{
	struct scanner scanner;
	scanner_init(&scanner, bytes_max);
	enum scan scan = scanner_feed(&scanner, bytes, count);
	CHECK(scanner.offset <= bytes_max);
	CHECK(scanner.elements <= MESSAGE_ELEMENTS_MAX);
	CHECK((scan == SCAN_BAD) == (scanner.reason != NULL));
	switch (scan) {
	case SCAN_MORE:
		expect_unpacked(bytes, count, MSGPACK_UNPACK_CONTINUE, 0);
		break;
	case SCAN_COMPLETE:
		CHECK(scanner.offset > 0 && scanner.offset <= count);
		expect_unpacked(
		    bytes, count, MSGPACK_UNPACK_SUCCESS, scanner.offset);
		expect_unpacked(bytes, scanner.offset, MSGPACK_UNPACK_SUCCESS,
		    scanner.offset);
		break;
	case SCAN_BAD:
		if (says_never_used(&scanner))
			expect_unpacked(bytes, scanner.offset + 1,
			    MSGPACK_UNPACK_PARSE_ERROR, 0);
		break;
	}
	feed_in_pieces(bytes, count, step, &scanner, scan);
	return scan == SCAN_COMPLETE ? scanner.offset : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	uint8_t limit = source_byte(&source);
	size_t step = 1 + source_byte(&source) % 64u;
	size_t bytes_max = limit < 128 ? MESSAGE_BYTES_MAX : limit - 127u;
	const char *at = (const char *)source.bytes;
	size_t left = source.count;
	while (left > 0) {
		size_t taken = try_one(at, left, bytes_max, step);
		if (taken == 0)
			break;
		at += taken;
		left -= taken;
	}
	return 0;
}
