/* SPDX-License-Identifier: MIT */
/*
 * From the files back to the jobs.
 *
 * The log is read from its first segment to where no frame goes on from the
 * one before. What comes there is one of two things:
 *
 *   the tail    The last writes before a crash reach the disk in any order and
 *               in parts. Nobody was told that they were safe: they are cut.
 *   damage      A later frame says that this place was durable when it was
 *               written (synced_through). Something that was promised is
 *               lost; nothing is changed, and the start is refused.
 *
 * The rest of the segment, and the segments behind, are searched for such a
 * frame. The very last frame has none behind it that could speak for it; a
 * store that is closed in order ends with an empty one for this reason.
 */
#ifndef GSQ_QUEUE_STORE_LOG_RECOVERY_H
#define GSQ_QUEUE_STORE_LOG_RECOVERY_H

#include "queue/store_log_format.h"
#include "queue/store_log_jobs.h"
#include "queue/store_log_reader.h"
#include "queue/store_log_segments.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a log ends: behind its last whole batch. */
struct log_end {
	uint32_t segment;
	uint32_t offset;
	uint64_t sequence;
	uint64_t previous; /* the header checksum of the last frame */
	uint64_t synced_through;
	uint64_t next_id;
	uint32_t first_segment;
};

/* A frame that may be in the page cache only. */
struct unsure {
	uint64_t sequence;
	uint32_t segment;
	uint32_t offset;
	uint32_t bytes;
};

/* A sector of the tail. */
struct place {
	uint32_t segment;
	uint32_t offset;
};

struct places {
	struct place *all; /* owned; in the order of the log */
	size_t count;
	size_t room;
};

struct recovery {
	struct io *io;
	struct segments *segments;
	struct format format;
	struct kept_jobs jobs;
	struct reader reader;
	struct reader ahead;
	struct log_end end;
	struct unsure *unsure; /* owned */
	size_t unsure_count;
	size_t unsure_room;
	/* Frames that speak for others of the tail: these are of a batch that
	 * was on the disk in part, and did not come to its end. */
	struct places vouchers;
	/* What was cut off by a start that did not come to its end. */
	struct places voids;
	uint32_t *leftovers; /* owned; segments on disk that nobody needs */
	size_t leftover_count;
	uint64_t frames;
	uint64_t next_id; /* of the last frame */
	uint64_t log_bytes;

	/* Behind the end, frames that are not whole. */
	uint64_t torn_bytes;

	char *reason; /* of an error */
	size_t reason_bytes;
};

/* Starts on the directory that io has claimed. The words of an error will be
 * in reason[reason_bytes]. */
void recovery_init(struct recovery *recovery, struct io *io,
    struct segments *segments, char *reason, size_t reason_bytes);
void recovery_release(struct recovery *recovery);

/* Reads everything and writes nothing. ENOENT: there is no store yet. EBADMSG:
 * it is damaged. Jobs, end and torn_bytes say what is there. */
int recovery_read(struct recovery *recovery);

/* Cuts the tail and makes durable what recovery_read has found: before anybody
 * hears of it, because a process that was killed may have left it in the page
 * cache alone. Segments behind the end are spare then. */
int recovery_repair(struct recovery *recovery);

#endif
