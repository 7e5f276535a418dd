/* SPDX-License-Identifier: MIT */
/*
 * The frame: what one write puts into the log. A batch is one frame, or
 * several of which all but the last say CONTINUED.
 *
 *      0  magic              u32
 *      4  format version     u16
 *      6  flags              u16
 *      8  log id             u64   which log it is part of
 *     16  sequence           u64   1, 2, 3 ... without a gap
 *     24  previous           u64   header checksum of the frame before
 *     32  synced through     u64   frames up to that one were durable when
 *                                  this one was written
 *     40  next id            u64   above every job id ever used
 *     48  first segment      u32   where the log begins
 *     52  segment            u32   where this frame is
 *     56  offset             u32
 *     60  payload bytes      u32
 *     64  payload checksum   u64
 *     72  header checksum    u64   of the bytes before
 *     80  payload: records
 *         zeros
 *  end-16 sequence           u64
 *   end-8 mark               u64   that a frame of this sequence ends here
 *
 * All numbers are little endian; checksums are XXH3. A frame fills whole
 * sectors, so that no write ever touches one that holds durable data. Segments
 * are written again without being cleared: log id, segment, offset, sequence
 * and previous tell a frame from what lay there before. The mark at the end
 * tells of a frame whose header is lost.
 *
 * To change it: raise FORMAT_VERSION in store_log_format.h, and read the
 * versions before or refuse them by name.
 */
#ifndef GSQ_QUEUE_STORE_LOG_FRAME_H
#define GSQ_QUEUE_STORE_LOG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR_BYTES	    512u
#define FRAME_HEADER_BYTES  80u
#define FRAME_TRAILER_BYTES 16u

/* Half of the ids that the protocol has. Nobody enqueues that many jobs: what
 * says so was not written by a queue. */
#define NEXT_ID_MAX (UINT64_C(1) << 62)

enum frame_flag {
	FRAME_CONTINUED = 1, /* the batch goes on in the next frame */
	FRAME_SEAL = 2	     /* the log goes on in the next segment */
};

struct frame {
	uint64_t log_id;
	uint64_t sequence;
	uint64_t previous;
	uint64_t synced_through;
	uint64_t next_id;
	uint32_t first_segment;
	uint32_t segment;
	uint32_t offset;
	uint32_t payload_bytes;
	uint64_t payload_checksum;
	uint64_t checksum; /* of the header */
	uint16_t flags;
};

/* What a frame with that much payload takes. */
static inline size_t
frame_bytes(size_t payload_bytes)
{
	size_t bytes = FRAME_HEADER_BYTES + payload_bytes + FRAME_TRAILER_BYTES;
	return (bytes + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
}

/* Puts header, zeros and trailer around the payload at bytes +
 * FRAME_HEADER_BYTES, and sets both checksums of frame. */
void frame_close(char *bytes, struct frame *frame);

/* The header at bytes, of FRAME_HEADER_BYTES, as written there; log_id 0: of
 * any log. False when it is none. */
bool frame_read(const char *bytes, uint64_t log_id, struct frame *ret_frame);

/* Is this the payload that the header speaks of? */
bool frame_has_payload(const struct frame *frame, const char *payload);

/* The sequence of the frame of which this sector, at that place, is the last;
 * 0: of none. */
uint64_t frame_ended_by(
    const char *sector, uint64_t log_id, uint32_t segment, uint32_t offset);

/*
 * A sector that is nobody's: what stood there was cut off. It says so, where
 * zeros would not: after a sync that failed the kernel takes for written what
 * the disk does not have, and only who sees that can write it again.
 */
void frame_make_void(
    char *sector, uint64_t log_id, uint32_t segment, uint32_t offset);
bool frame_is_void(
    const char *sector, uint64_t log_id, uint32_t segment, uint32_t offset);

/* The checksum of the whole store: XXH3, seeded with the log's id, so that what
 * another log wrote never passes. */
uint64_t checksum_of(uint64_t log_id, const char *bytes, size_t count);

#endif
