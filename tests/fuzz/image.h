/* SPDX-License-Identifier: MIT */
/*
 * The files of a store as the bytes of a fuzz input, and what can be done to
 * them so that they stay nearly a store.
 *
 * An image is a row of files, each:
 *
 *     kind      u8     0 format, 1 a segment, others: see image_name
 *     number    u16    of the segment; the last few stand for the last few of
 *                      all 32 bits
 *     sectors   u16    its size, if it is more than the content
 *     count     u32    bytes of content, which follow
 *
 * Numbers are little endian. What follows the last whole file is left out.
 */
#ifndef GSQ_TESTS_FUZZ_IMAGE_H
#define GSQ_TESTS_FUZZ_IMAGE_H

#include "queue/store_log_segments.h"
#include "tests/support/disk.h"

#include <stddef.h>
#include <stdint.h>

#define IMAGE_FILES_MAX	  8
#define IMAGE_SECTORS_MAX 64u
#define IMAGE_FILE_BYTES  (IMAGE_SECTORS_MAX * 512u)

/* Of the stores that are made and opened here: small, so that an image is. */
extern const struct log_sizes image_sizes;

enum image_kind { IMAGE_FORMAT, IMAGE_SEGMENT, IMAGE_NEW_FORMAT, IMAGE_OTHER };

struct image_file {
	uint8_t kind;
	uint16_t number;
	uint16_t sectors;
	uint32_t count;
	const uint8_t *content; /* borrowed from the input */
};

struct image {
	struct image_file files[IMAGE_FILES_MAX];
	unsigned count;
};

void image_read(struct image *image, const uint8_t *bytes, size_t count);

/* The name of the file; name has DISK_NAME_BYTES. */
void image_name(const struct image_file *file, char *name);

/* Puts the files on an empty disk, durable. */
void image_fill(const struct image *image, struct disk *disk);

/* The files of a disk as an image; its bytes, or 0 when there is no room. For
 * the seeds. */
size_t image_write_disk(struct disk *disk, uint8_t *bytes, size_t room);

/* Changes an image at random: records, headers, whole frames, whole files; and
 * mostly repairs the checksums and the chain of the frames. The new count. */
size_t image_mutate(uint8_t *bytes, size_t count, size_t room, uint64_t seed);

#endif
