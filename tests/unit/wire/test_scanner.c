/* SPDX-License-Identifier: MIT */
#include "wire/scanner.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes in memory of exactly their size, so that a sanitizer sees a read
 * behind them; NULL has none. */
static enum scan
feed_exactly(struct scanner *scanner, const char *bytes, size_t count)
{
	char *copy = malloc(count ? count : 1);
	cr_assert_not_null(copy);
	memcpy(copy, bytes, count);
	enum scan scan = scanner_feed(scanner, count ? copy : copy + 1, count);
	free(copy);
	return scan;
}

static enum scan
scan_all(
    struct scanner *scanner, size_t bytes_max, const char *bytes, size_t count)
{
	scanner_init(scanner, bytes_max);
	return feed_exactly(scanner, bytes, count);
}

/* An object of that size ends at its last byte, and not before, whether it
 * comes in one piece, in two, or byte by byte. */
static void
expect_object(const char *bytes, size_t count)
{
	struct scanner scanner;
	struct scanner slow;
	scanner_init(&slow, MESSAGE_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(feed_exactly(&slow, bytes, i), SCAN_MORE);
		cr_assert_eq(scan_all(&scanner, MESSAGE_BYTES_MAX, bytes, i),
		    SCAN_MORE, "first byte %02x, %zu of %zu",
		    (unsigned char)bytes[0], i, count);
		cr_assert_eq(
		    feed_exactly(&scanner, bytes, count), SCAN_COMPLETE);
		cr_assert_eq(scanner.offset, count);
	}
	cr_assert_eq(feed_exactly(&slow, bytes, count), SCAN_COMPLETE);
	cr_assert_eq(slow.offset, count);
}

static void
expect_bad(size_t bytes_max, const char *bytes, size_t count, const char *why)
{
	struct scanner scanner;
	cr_assert_eq(scan_all(&scanner, bytes_max, bytes, count), SCAN_BAD);
	cr_assert_str_eq(scanner.reason, why);
	cr_assert_eq(feed_exactly(&scanner, bytes, count), SCAN_BAD,
	    "what is bad stays bad");
}

#define TOO_LONG "more bytes than a message may have"
#define TOO_MANY "more objects than a message may have"
#define TOO_DEEP "nests deeper than a message may"

Test(scanner, every_form_of_messagepack_ends_where_it_should)
{
	static const struct {
		unsigned char first;
		size_t bytes; /* all zero behind the first: lengths are 0 */
	} forms[] = { { 0x00, 1 }, { 0x7f, 1 }, { 0x80, 1 }, { 0x90, 1 },
		{ 0xa0, 1 }, { 0xa1, 2 }, { 0xbf, 32 }, { 0xc0, 1 },
		{ 0xc2, 1 }, { 0xc3, 1 }, { 0xc4, 2 }, { 0xc5, 3 }, { 0xc6, 5 },
		{ 0xc7, 3 }, { 0xc8, 4 }, { 0xc9, 6 }, { 0xca, 5 }, { 0xcb, 9 },
		{ 0xcc, 2 }, { 0xcd, 3 }, { 0xce, 5 }, { 0xcf, 9 }, { 0xd0, 2 },
		{ 0xd1, 3 }, { 0xd2, 5 }, { 0xd3, 9 }, { 0xd4, 3 }, { 0xd5, 4 },
		{ 0xd6, 6 }, { 0xd7, 10 }, { 0xd8, 18 }, { 0xd9, 2 },
		{ 0xda, 3 }, { 0xdb, 5 }, { 0xdc, 3 }, { 0xdd, 5 }, { 0xde, 3 },
		{ 0xdf, 5 }, { 0xe0, 1 }, { 0xff, 1 }, { 0x91, 2 },
		{ 0x9f, 16 }, { 0x81, 3 }, { 0x8f, 31 } };
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char bytes[40] = { 0 };
		bytes[0] = (char)forms[i].first;
		expect_object(bytes, forms[i].bytes);
	}
}

Test(scanner, lengths_are_big_endian)
{
	char bytes[5 + 65536] = { 0 };
	memcpy(bytes, "\xc4\x03", 2);
	expect_object(bytes, 2 + 3);
	memcpy(bytes, "\xda\x01\x02", 3);
	expect_object(bytes, 3 + 0x102);
	memcpy(bytes, "\xc9\x00\x00\x01\x02", 5);
	expect_object(bytes, 6 + 0x102);
	memcpy(bytes, "\xde\x01\x00", 3);
	bytes[3] = 0;
	expect_object(bytes, 3 + 512);
}

Test(scanner, containers_end_with_their_last_element)
{
	static const char nested[] = "\x93\x92\x01\x02\x82\xa1"
				     "a\x90\xa1"
				     "b\x81\xc0\x91\x91\x80\xc4\x02xy";
	expect_object(nested, sizeof(nested) - 1);
}

Test(scanner, what_follows_the_object_is_not_its_business)
{
	struct scanner scanner;
	cr_assert_eq(
	    scan_all(&scanner, 100, "\x92\x01\x02\xc1\xc1", 5), SCAN_COMPLETE);
	cr_assert_eq(scanner.offset, 3);
	cr_assert_eq(scan_all(&scanner, 100, "", 0), SCAN_MORE);
}

Test(scanner, the_byte_c1_is_bad_wherever_an_object_begins)
{
	static const char why[] = "the byte 0xc1 begins no MessagePack object";
	expect_bad(100, "\xc1", 1, why);
	expect_bad(100, "\x92\x01\xc1", 3, why);
	expect_object("\x92\xa1\xc1\xcc\xc1", 5);
}

Test(scanner, five_bytes_that_promise_four_billion_elements_are_refused)
{
	expect_bad(MESSAGE_BYTES_MAX, "\xdd\xff\xff\xff\xff", 5, TOO_LONG);
	expect_bad(MESSAGE_BYTES_MAX, "\xdf\xff\xff\xff\xff", 5, TOO_LONG);
	expect_bad(MESSAGE_BYTES_MAX, "\xdf\x80\x00\x00\x00", 5, TOO_LONG);
	expect_bad(MESSAGE_BYTES_MAX, "\xc6\xff\xff\xff\xff", 5, TOO_LONG);
	expect_bad(MESSAGE_BYTES_MAX, "\xdb\xff\xff\xff\xff", 5, TOO_LONG);
	expect_bad(MESSAGE_BYTES_MAX, "\xc9\xff\xff\xff\xff", 5, TOO_LONG);
}

Test(scanner, an_object_may_fill_the_bound_and_not_a_byte_more)
{
	struct scanner scanner;
	char bytes[12] = "\xc4\x08xxxxxxxx";
	cr_assert_eq(scan_all(&scanner, 10, bytes, 10), SCAN_COMPLETE);
	expect_bad(9, bytes, 2, TOO_LONG);
	memcpy(bytes, "\x98\1\2\3\4\5\6\7\x08", 9);
	cr_assert_eq(scan_all(&scanner, 9, bytes, 9), SCAN_COMPLETE);
	expect_bad(8, bytes, 1, TOO_LONG);
	memcpy(bytes, "\x84\1\2\3\4\5\6\7\x08", 9);
	cr_assert_eq(scan_all(&scanner, 9, bytes, 9), SCAN_COMPLETE);
	expect_bad(8, bytes, 1, TOO_LONG);
	expect_bad(0, bytes, 1, TOO_LONG);
}

Test(scanner, what_outer_containers_still_need_counts_against_the_bound)
{
	struct scanner scanner;
	/* 3 + 2 elements: 2 of 10 bytes used, 4 owed, 4 left for the body. */
	static const char good[] = "\x93\x92\xa4wxyz\1\2\3";
	cr_assert_eq(scan_all(&scanner, 10, good, 10), SCAN_COMPLETE);
	expect_bad(10, "\x93\x92\xa5", 3, TOO_LONG);
	expect_bad(10, "\x93\x92\x97", 3, TOO_LONG);
	expect_bad(10, "\x93\x92\xcf", 3, TOO_LONG);
}

Test(scanner, sixteen_levels_are_accepted_and_seventeen_refused)
{
	char bytes[MESSAGE_DEPTH_MAX + 1];
	memset(bytes, '\x91', sizeof(bytes));
	bytes[MESSAGE_DEPTH_MAX] = 0;
	expect_object(bytes, sizeof(bytes));
	bytes[MESSAGE_DEPTH_MAX] = '\x90';
	expect_bad(100, bytes, sizeof(bytes), TOO_DEEP);
	bytes[MESSAGE_DEPTH_MAX] = '\x80';
	expect_bad(100, bytes, sizeof(bytes), TOO_DEEP);
}

Test(scanner, levels_that_are_closed_do_not_count)
{
	char bytes[1 + 15 * 2];
	bytes[0] = '\x9f';
	for (int i = 0; i < 15; i++)
		memcpy(bytes + 1 + 2 * i, "\x91\x90", 2);
	expect_object(bytes, sizeof(bytes));
}

Test(scanner, the_number_of_objects_is_bounded)
{
	static char bytes[5 + MESSAGE_ELEMENTS_MAX];
	struct scanner scanner;
	memcpy(bytes, "\xdd\x00\x03\xff\xff", 5);
	cr_assert_eq(scan_all(&scanner, MESSAGE_BYTES_MAX, bytes,
			 5 + MESSAGE_ELEMENTS_MAX - 1),
	    SCAN_COMPLETE);
	expect_bad(MESSAGE_BYTES_MAX, "\xdd\x00\x04\x00\x00", 5, TOO_MANY);
	expect_bad(MESSAGE_BYTES_MAX, "\xdf\x00\x02\x00\x00", 5, TOO_MANY);
}

Test(scanner, many_small_containers_are_bounded_together)
{
	/* [[65535 objects], ...] five times is one container too many. */
	static char bytes[1 + 5 * (3 + 65535)];
	struct scanner scanner;
	bytes[0] = '\x95';
	for (int i = 0; i < 5; i++)
		memcpy(bytes + 1 + i * (3 + 65535), "\xdc\xff\xff", 3);
	cr_assert_eq(
	    scan_all(&scanner, MESSAGE_BYTES_MAX, bytes, sizeof(bytes)),
	    SCAN_BAD);
	cr_assert_str_eq(scanner.reason, TOO_MANY);
}

Test(scanner, a_body_is_skipped_without_being_read)
{
	/* The bytes of the body do not exist at all. */
	struct scanner scanner;
	scanner_init(&scanner, MESSAGE_BYTES_MAX);
	cr_assert_eq(
	    feed_exactly(&scanner, "\x92\xc6\x00\x10\x00\x00", 6), SCAN_MORE);
	cr_assert_eq(scanner.offset, 6 + 0x100000);
	char *bytes = calloc(1, 7 + 0x100000);
	cr_assert_not_null(bytes);
	cr_assert_eq(scanner_feed(&scanner, bytes, 6 + 0x100000), SCAN_MORE);
	cr_assert_eq(
	    scanner_feed(&scanner, bytes, 7 + 0x100000), SCAN_COMPLETE);
	cr_assert_eq(scanner.offset, 7 + 0x100000);
	free(bytes);
}

Test(scanner, bytes_already_scanned_are_not_read_again)
{
	struct scanner scanner;
	scanner_init(&scanner, 100);
	cr_assert_eq(feed_exactly(&scanner, "\x93\x01\x02", 3), SCAN_MORE);
	cr_assert_eq(
	    feed_exactly(&scanner, "\xc1\xc1\xc1\x03", 4), SCAN_COMPLETE);
	cr_assert_eq(scanner.offset, 4);
}

/* ---- beside msgpack-c, on random bytes ---- */

#define FUZZ_ROUNDS    30000
#define FUZZ_BYTES_MAX 512

struct tally {
	unsigned complete;
	unsigned more;
	unsigned bad;
};

static const struct {
	unsigned char
	    first; /* the length is added to it without length_bytes */
	unsigned char length_bytes;
	unsigned char body;	/* bytes on top of the length */
	unsigned char children; /* objects for each of the length */
	unsigned char length_max;
} kinds[] = {
	{ 0x00, 0, 0, 0, 127 },
	{ 0xe0, 0, 0, 0, 31 },
	{ 0xc0, 0, 0, 0, 0 },
	{ 0xc2, 0, 0, 0, 1 },
	{ 0xa0, 0, 0, 0, 0 },
	{ 0xca, 0, 4, 0, 0 },
	{ 0xcb, 0, 8, 0, 0 },
	{ 0xcc, 0, 1, 0, 0 },
	{ 0xcd, 0, 2, 0, 0 },
	{ 0xce, 0, 4, 0, 0 },
	{ 0xcf, 0, 8, 0, 0 },
	{ 0xd0, 0, 1, 0, 0 },
	{ 0xd1, 0, 2, 0, 0 },
	{ 0xd2, 0, 4, 0, 0 },
	{ 0xd3, 0, 8, 0, 0 },
	{ 0xd4, 0, 2, 0, 0 },
	{ 0xd5, 0, 3, 0, 0 },
	{ 0xd6, 0, 5, 0, 0 },
	{ 0xd7, 0, 9, 0, 0 },
	{ 0xd8, 0, 17, 0, 0 },
	{ 0xc4, 1, 0, 0, 9 },
	{ 0xc5, 2, 0, 0, 9 },
	{ 0xc6, 4, 0, 0, 9 },
	{ 0xc7, 1, 1, 0, 9 },
	{ 0xc8, 2, 1, 0, 9 },
	{ 0xc9, 4, 1, 0, 9 },
	{ 0xd9, 1, 0, 0, 9 },
	{ 0xda, 2, 0, 0, 9 },
	{ 0xdb, 4, 0, 0, 9 },
	{ 0x90, 0, 0, 1, 9 },
	{ 0xdc, 2, 0, 1, 5 },
	{ 0xdd, 4, 0, 1, 5 },
	{ 0x80, 0, 0, 2, 5 },
	{ 0xde, 2, 0, 2, 3 },
	{ 0xdf, 4, 0, 2, 3 },
	{ 0x90, 0, 0, 1, 9 },
};

/* Writes a random good object; one that finds no room is cut. */
static size_t
random_object(struct random *random, char *bytes, size_t room, unsigned depth)
{
	uint64_t dice = random_next(random);
	/* The outermost is a container, of the last row. */
	size_t kinds_count = sizeof(kinds) / sizeof(kinds[0]);
	size_t kind =
	    depth > 0 ? (size_t)(dice >> 8) % kinds_count : kinds_count - 1;
	unsigned length = (unsigned)(dice % (kinds[kind].length_max + 1u));
	unsigned body = kinds[kind].body;
	size_t count = 1u + kinds[kind].length_bytes;
	if (room < 40)
		return 0;
	memset(bytes, 0, count);
	bytes[0] = (char)kinds[kind].first;
	bytes[count - 1] = (char)((unsigned char)bytes[count - 1] + length);
	if (kinds[kind].length_bytes > 0 && kinds[kind].children == 0)
		body += length;
	for (; body > 0; body--)
		bytes[count++] = (char)random_next(random);
	for (unsigned i = length * kinds[kind].children; i > 0; i--)
		count += random_object(
		    random, bytes + count, room - count, depth + 1);
	return count;
}

/* Whole objects, cut ones, damaged ones, and garbage. */
static size_t
random_bytes(struct random *random, char *bytes)
{
	uint64_t dice = random_next(random);
	size_t count = random_object(random, bytes, FUZZ_BYTES_MAX, 0);
	for (uint64_t damages = dice % 4; damages > 1; damages--) {
		uint64_t where = random_next(random);
		bytes[where % count] = (char)(where >> 32);
	}
	if (dice % 16 == 8)
		for (size_t i = 0; i < count; i++)
			bytes[i] = (char)random_next(random);
	if (dice % 4 == 1)
		count = 1 + (size_t)(dice >> 8) % count;
	return count;
}

/* Feeds them in random pieces. */
static enum scan
scan_in_pieces(struct random *random, struct scanner *scanner,
    const char *bytes, size_t count)
{
	enum scan scan = SCAN_MORE;
	size_t seen = 0;
	scanner_init(scanner, FUZZ_BYTES_MAX);
	while (scan == SCAN_MORE && seen < count) {
		seen += 1 + (size_t)(random_next(random) % 20);
		if (seen > count)
			seen = count;
		scan = feed_exactly(scanner, bytes, seen);
	}
	return scan;
}

/* msgpack-c has its say on what the scanner let pass; the rest would make it
 * allocate without bound. */
static void
compare(const struct scanner *scanner, enum scan scan, const char *bytes,
    size_t count, struct tally *tally)
{
	msgpack_zone *zone = msgpack_zone_new(1024);
	msgpack_object object;
	size_t offset = 0;
	bool is_c1 = scan == SCAN_BAD && strstr(scanner->reason, "0xc1");
	if (scan != SCAN_BAD || is_c1) {
		msgpack_unpack_return got =
		    msgpack_unpack(bytes, count, &offset, zone, &object);
		if (scan == SCAN_COMPLETE) {
			cr_assert(got == MSGPACK_UNPACK_SUCCESS ||
			    got == MSGPACK_UNPACK_EXTRA_BYTES);
			cr_assert_eq(offset, scanner->offset);
		} else {
			cr_assert_eq(got,
			    is_c1 ? MSGPACK_UNPACK_PARSE_ERROR
				  : MSGPACK_UNPACK_CONTINUE);
		}
	}
	tally->complete += scan == SCAN_COMPLETE && scanner->offset > 4;
	tally->more += scan == SCAN_MORE;
	tally->bad += scan == SCAN_BAD;
	msgpack_zone_free(zone);
}

Test(scanner, it_agrees_with_msgpack_c_on_where_random_objects_end)
{
	struct random random = { .state = 20260104 };
	struct tally tally = { 0 };
	for (int i = 0; i < FUZZ_ROUNDS; i++) {
		char bytes[FUZZ_BYTES_MAX] = { 0 };
		struct scanner whole;
		struct scanner pieces;
		size_t count = random_bytes(&random, bytes);
		enum scan scan = scan_all(&whole, FUZZ_BYTES_MAX, bytes, count);
		cr_assert_eq(
		    scan_in_pieces(&random, &pieces, bytes, count), scan);
		cr_assert_eq(pieces.offset, whole.offset);
		cr_assert_eq(pieces.reason, whole.reason);
		cr_assert(scan != SCAN_COMPLETE || whole.offset <= count);
		compare(&whole, scan, bytes, count, &tally);
	}
	cr_assert_gt(tally.complete, FUZZ_ROUNDS / 20, "%u", tally.complete);
	cr_assert_gt(tally.more, FUZZ_ROUNDS / 20, "%u", tally.more);
	cr_assert_gt(tally.bad, FUZZ_ROUNDS / 20, "%u", tally.bad);
}
