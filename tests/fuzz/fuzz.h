/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets have in common. Each file target_*.c is one target:
 * linked with libFuzzer it is attacked (`make fuzz`), linked with replay.c it
 * shows that what was found once stays repaired (`make replay`). A target ends
 * the process with CHECK when something is not as it must be.
 */
#ifndef GSQ_TESTS_FUZZ_H
#define GSQ_TESTS_FUZZ_H

#include "base/check.h"
#include "base/span.h"
#include "wire/message.h"
#include "wire/scanner.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The names are libFuzzer's. Only the first one must be there. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(
    uint8_t *bytes, size_t count, size_t room, unsigned seed);

/* libFuzzer's own mutation, for use in a custom one: the new count. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t room);

/* Bytes that decide something, one after the other; 0 when there are no more.
 */
struct source {
	const uint8_t *bytes;
	size_t count;
};

static inline uint8_t
source_byte(struct source *source)
{
	if (source->count == 0)
		return 0;
	source->count--;
	return *source->bytes++;
}

/* A number of that many bytes, the highest first. */
static inline uint64_t
source_number(struct source *source, unsigned bytes)
{
	uint64_t number = 0;
	while (bytes-- > 0)
		number = number << 8 | source_byte(source);
	return number;
}

/* The next bytes, or what is left of them. */
static inline struct span
source_span(struct source *source, size_t count)
{
	if (count > source->count)
		count = source->count;
	struct span span = { (const char *)source->bytes, count };
	source->bytes += count;
	source->count -= count;
	return span;
}

/* A copy with nothing behind it, so that a read beyond its end is seen; the
 * caller frees it. */
static inline char *
copy_exactly(const void *bytes, size_t count)
{
	char *copy = malloc(count > 0 ? count : 1);
	CHECK(copy != NULL);
	if (count > 0)
		memcpy(copy, bytes, count);
	return copy;
}

/* The bytes of the message at the front, 0 when there is no whole and good
 * one. */
static inline size_t
first_message(const char *bytes, size_t count)
{
	struct scanner scanner;
	scanner_init(&scanner, MESSAGE_BYTES_MAX);
	if (scanner_feed(&scanner, bytes, count) != SCAN_COMPLETE)
		return 0;
	return scanner.offset;
}

/* What gsq wrote itself is one whole message, and nothing behind it. */
static inline void
decode_own(
    const struct buffer *buffer, msgpack_zone *zone, struct message *message)
{
	size_t count = buffer_count(buffer);
	CHECK(first_message(buffer_front(buffer), count) == count);
	CHECK(
	    message_decode(message, zone, buffer_front(buffer), count) == NULL);
}

#endif
