/* SPDX-License-Identifier: MIT */
/*
 * The boundary scanner: finds where a MessagePack object ends, before anything
 * is decoded or allocated.
 *
 * msgpack-c allocates for an array as soon as it has read the array's header:
 * five hostile bytes reserve gigabytes. So nothing from a socket reaches it
 * before this walker has seen the whole object, and has seen that
 *   - it is at most bytes_max long,
 *   - it nests at most MESSAGE_DEPTH_MAX deep,
 *   - it has at most MESSAGE_ELEMENTS_MAX objects,
 *   - no header promises more elements or bytes than could still follow.
 *
 * It is incremental: bytes are looked at once however they arrive, and those
 * inside of strings and bodies not at all.
 */
#ifndef GSQ_WIRE_SCANNER_H
#define GSQ_WIRE_SCANNER_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

enum scan {
	SCAN_MORE,     /* the object is not whole yet */
	SCAN_COMPLETE, /* it ends at scanner->offset */
	SCAN_BAD       /* it can never become acceptable; scanner->reason */
};

struct scanner {
	size_t bytes_max;
	size_t offset; /* bytes that belong to the object so far; may lie
			* behind what has arrived */
	const char *reason;
	uint64_t promised; /* elements promised by headers and not yet seen */
	uint64_t elements; /* promised or seen, in all */
	unsigned depth;
	uint32_t left[MESSAGE_DEPTH_MAX]; /* elements still open, per level */
};

/* Ready for the first byte of an object of at most bytes_max bytes. */
void scanner_init(struct scanner *scanner, size_t bytes_max);

/*
 * Looks at an object from its first byte on. bytes must hold the same bytes as
 * in the call before and may hold more; those already scanned are not read
 * again. After SCAN_COMPLETE the object is bytes[0 .. offset); call
 * scanner_init for the next one.
 */
enum scan scanner_feed(
    struct scanner *scanner, const char *bytes, size_t count);

#endif
