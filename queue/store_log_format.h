/* SPDX-License-Identifier: MIT */
/*
 * The file that says what the directory holds, for people and for programs:
 *
 *     gsq store format 1
 *     log 1a2b3c4d5e6f7788
 *     first 1
 *     checksum 0123456789abcdef
 *
 * log is in every frame; segments with numbers below first are not part of
 * the log any more. It is replaced whole, by a rename.
 */
#ifndef GSQ_QUEUE_STORE_LOG_FORMAT_H
#define GSQ_QUEUE_STORE_LOG_FORMAT_H

#include "queue/io.h"

#include <stdint.h>

/*
 * The version of all that is in the directory. To change the format: raise
 * it, say in the CHANGELOG what becomes of stores written before, and either
 * read them or keep the refusal below telling what to do.
 */
#define FORMAT_VERSION 1
#define FORMAT_NAME    "format"

struct format {
	uint64_t log_id; /* never 0 */
	uint32_t first_segment;
};

/* 0; ENOENT: there is none; or another errno with the words in
 * reason[reason_bytes], EPROTONOSUPPORT for a version that is not ours. */
int format_read(struct io *io, struct format *ret_format, char *reason,
    size_t reason_bytes);

/* Replaces it; durable when it returns 0. */
int format_write(struct io *io, const struct format *format);

#endif
