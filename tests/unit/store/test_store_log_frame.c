/* SPDX-License-Identifier: MIT */
#include "queue/store_log_frame.h"

#include <criterion/criterion.h>
#include <string.h>

static char bytes[2 * SECTOR_BYTES];

static struct frame
make_frame(uint32_t payload_bytes)
{
	struct frame frame = {
		.log_id = 0x1122334455667788,
		.sequence = 42,
		.previous = 7,
		.synced_through = 41,
		.next_id = 1000,
		.first_segment = 3,
		.segment = 5,
		.offset = 4096,
		.payload_bytes = payload_bytes,
		.flags = FRAME_CONTINUED,
	};
	memset(bytes, 'x', sizeof(bytes));
	frame_close(bytes, &frame);
	return frame;
}

Test(frame, what_is_closed_is_read)
{
	struct frame frame = make_frame(500), read;
	cr_assert(frame_read(bytes, frame.log_id, &read));
	cr_assert_eq(read.sequence, 42);
	cr_assert_eq(read.previous, 7);
	cr_assert_eq(read.synced_through, 41);
	cr_assert_eq(read.next_id, 1000);
	cr_assert_eq(read.first_segment, 3);
	cr_assert_eq(read.segment, 5);
	cr_assert_eq(read.offset, 4096);
	cr_assert_eq(read.payload_bytes, 500);
	cr_assert_eq(read.flags, FRAME_CONTINUED);
	cr_assert_eq(read.checksum, frame.checksum);
	cr_assert(frame_has_payload(&read, bytes + FRAME_HEADER_BYTES));
}

Test(frame, a_frame_of_another_log_is_none)
{
	struct frame frame = make_frame(500), read;
	cr_assert_not(frame_read(bytes, frame.log_id + 1, &read));
	cr_assert(frame_read(bytes, 0, &read));
	cr_assert_eq(read.log_id, frame.log_id);
}

Test(frame, any_bit_flipped_in_header_or_payload_is_seen)
{
	struct frame frame = make_frame(500), read;
	for (unsigned i = 0; i < 8 * (FRAME_HEADER_BYTES + 500); i++) {
		bytes[i / 8] ^= (char)(1 << i % 8);
		cr_assert_not(frame_read(bytes, frame.log_id, &read) &&
		    frame_has_payload(&read, bytes + FRAME_HEADER_BYTES));
		bytes[i / 8] ^= (char)(1 << i % 8);
	}
}

Test(frame, its_last_sector_tells_of_it_when_the_header_is_lost)
{
	struct frame frame = make_frame(500);
	size_t count = frame_bytes(500);
	uint32_t last = frame.offset + (uint32_t)count - SECTOR_BYTES;
	const char *sector = bytes + count - SECTOR_BYTES;
	cr_assert_eq(count, sizeof(bytes));
	cr_assert_eq(frame_ended_by(sector, frame.log_id, 5, last), 42);
	cr_assert_eq(frame_ended_by(sector, frame.log_id, 6, last), 0);
	cr_assert_eq(frame_ended_by(sector, frame.log_id + 1, 5, last), 0);
	cr_assert_eq(
	    frame_ended_by(sector, frame.log_id, 5, last + SECTOR_BYTES), 0);
	cr_assert_eq(frame_ended_by(bytes, frame.log_id, 5, 4096), 0);
}

Test(frame, whole_sectors_are_taken_and_no_more_than_needed)
{
	cr_assert_eq(frame_bytes(0), SECTOR_BYTES);
	cr_assert_eq(frame_bytes(SECTOR_BYTES - 96), SECTOR_BYTES);
	cr_assert_eq(frame_bytes(SECTOR_BYTES - 95), 2 * SECTOR_BYTES);
}
