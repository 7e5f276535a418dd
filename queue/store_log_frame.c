/* SPDX-License-Identifier: MIT */
#include "queue/store_log_frame.h"

#include "base/planted.h"
#include "queue/store_log_format.h"

#include <endian.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC 0x66717367u /* "gsqf" */

static void
write_16(char *at, uint16_t number)
{
	number = htole16(number);
	memcpy(at, &number, sizeof(number));
}

static void
write_32(char *at, uint32_t number)
{
	number = htole32(number);
	memcpy(at, &number, sizeof(number));
}

static void
write_64(char *at, uint64_t number)
{
	number = htole64(number);
	memcpy(at, &number, sizeof(number));
}

static uint16_t
read_16(const char *at)
{
	uint16_t number;
	memcpy(&number, at, sizeof(number));
	return le16toh(number);
}

static uint32_t
read_32(const char *at)
{
	uint32_t number;
	memcpy(&number, at, sizeof(number));
	return le32toh(number);
}

static uint64_t
read_64(const char *at)
{
	uint64_t number;
	memcpy(&number, at, sizeof(number));
	return le64toh(number);
}

uint64_t
checksum_of(uint64_t log_id, const char *bytes, size_t count)
{
	return XXH3_64bits_withSeed(bytes, count, log_id);
}

/* Of all that stands before it. */
static uint64_t
header_checksum(uint64_t log_id, const char *bytes)
{
	return checksum_of(
	    log_id, bytes, PLANTED(CHECKSUM_WITHOUT_LENGTH) ? 60 : 72);
}

static uint64_t
mark_of(uint64_t log_id, uint64_t sequence, uint32_t segment, uint32_t end)
{
	char place[16];
	write_64(place, sequence);
	write_32(place + 8, segment);
	write_32(place + 12, end);
	return checksum_of(log_id, place, sizeof(place));
}

void
frame_close(char *bytes, struct frame *frame)
{
	size_t count = frame_bytes(frame->payload_bytes);
	char *payload = bytes + FRAME_HEADER_BYTES;
	char *trailer = bytes + count - FRAME_TRAILER_BYTES;
	char *behind = payload + frame->payload_bytes;
	frame->payload_checksum =
	    checksum_of(frame->log_id, payload, frame->payload_bytes);
	write_32(bytes, MAGIC);
	write_16(bytes + 4, FORMAT_VERSION);
	write_16(bytes + 6, frame->flags);
	write_64(bytes + 8, frame->log_id);
	write_64(bytes + 16, frame->sequence);
	write_64(bytes + 24, frame->previous);
	write_64(bytes + 32, frame->synced_through);
	write_64(bytes + 40, frame->next_id);
	write_32(bytes + 48, frame->first_segment);
	write_32(bytes + 52, frame->segment);
	write_32(bytes + 56, frame->offset);
	write_32(bytes + 60, frame->payload_bytes);
	write_64(bytes + 64, frame->payload_checksum);
	frame->checksum = header_checksum(frame->log_id, bytes);
	write_64(bytes + 72, frame->checksum);
	memset(behind, 0, (size_t)(trailer - behind));
	write_64(trailer, frame->sequence);
	write_64(trailer + 8,
	    mark_of(frame->log_id, frame->sequence, frame->segment,
		frame->offset + (uint32_t)count));
}

bool
frame_read(const char *bytes, uint64_t log_id, struct frame *ret_frame)
{
	if (read_32(bytes) != MAGIC || read_16(bytes + 4) != FORMAT_VERSION)
		return false;
	struct frame frame = {
		.flags = read_16(bytes + 6),
		.log_id = read_64(bytes + 8),
		.sequence = read_64(bytes + 16),
		.previous = read_64(bytes + 24),
		.synced_through = read_64(bytes + 32),
		.next_id = read_64(bytes + 40),
		.first_segment = read_32(bytes + 48),
		.segment = read_32(bytes + 52),
		.offset = read_32(bytes + 56),
		.payload_bytes = read_32(bytes + 60),
		.payload_checksum = read_64(bytes + 64),
		.checksum = read_64(bytes + 72),
	};
	if ((log_id != 0 && frame.log_id != log_id) ||
	    frame.checksum != header_checksum(frame.log_id, bytes))
		return false;
	/* What no writer ever wrote; the store would end the process for it. */
	if (frame.first_segment > frame.segment || frame.next_id == 0 ||
	    frame.next_id > NEXT_ID_MAX)
		return false;
	*ret_frame = frame;
	return true;
}

bool
frame_has_payload(const struct frame *frame, const char *payload)
{
	return checksum_of(frame->log_id, payload, frame->payload_bytes) ==
	    frame->payload_checksum;
}

/* As if the last frame that there can be ended here. */
void
frame_make_void(
    char *sector, uint64_t log_id, uint32_t segment, uint32_t offset)
{
	char *trailer = sector + SECTOR_BYTES - FRAME_TRAILER_BYTES;
	memset(sector, 0, SECTOR_BYTES);
	write_64(trailer, UINT64_MAX);
	write_64(trailer + 8,
	    mark_of(log_id, UINT64_MAX, segment, offset + SECTOR_BYTES));
}

bool
frame_is_void(
    const char *sector, uint64_t log_id, uint32_t segment, uint32_t offset)
{
	return frame_ended_by(sector, log_id, segment, offset) == UINT64_MAX;
}

uint64_t
frame_ended_by(
    const char *sector, uint64_t log_id, uint32_t segment, uint32_t offset)
{
	const char *trailer = sector + SECTOR_BYTES - FRAME_TRAILER_BYTES;
	uint64_t sequence = read_64(trailer);
	if (sequence == 0 ||
	    read_64(trailer + 8) !=
		mark_of(log_id, sequence, segment, offset + SECTOR_BYTES))
		return 0;
	return sequence;
}
