/* SPDX-License-Identifier: MIT */
/*
 * Keeps the log short. The oldest segment alone is cleaned: of each job that
 * is alive and has its body there, one FULL record is written at the head, and
 * the segment is given up.
 *
 * Why nothing is lost with it. A job that is alive has a last FULL record, and
 * what comes behind that record, applied in order, is its present state.
 *   - If that record is in the oldest segment, it is written again with the
 *     present state, which makes every record before it meaningless.
 *   - If it is in a later one, then no record of the job in the oldest segment
 *     means anything: it comes before.
 *   - A job that is over may have a GONE there; all its FULL records come
 *     before the GONE, so there or in segments given up earlier, and no record
 *     that is left can bring it back. Records left behind of a job whose FULL
 *     record was given up change nothing, and reading ignores them.
 * The present state includes what the owner has changed in the batch that
 * gathers, so what is written again goes into that same batch; and the segment
 * is given up only when a frame that says that the log begins behind it is
 * durable, hence everything before that frame too.
 *
 * Cleaning is paid for: the owner's writing and deleting earns credit, writing
 * again spends it. So it ends when nothing happens, whatever the estimate of
 * what is alive says.
 */
#ifndef GSQ_QUEUE_STORE_LOG_CLEANER_H
#define GSQ_QUEUE_STORE_LOG_CLEANER_H

#include "queue/store.h"
#include "queue/store_log_space.h"
#include "queue/store_log_writer.h"

#include <stdbool.h>
#include <stdint.h>

struct cleaner {
	struct writer *writer;
	const struct store_owner *owner;
	struct reader reader;
	uint32_t segment;   /* being cleaned; 0: none */
	uint32_t offset;    /* of the frame to look at */
	uint32_t done;	    /* of its payload, this much */
	uint64_t credit;    /* bytes */
	uint64_t rewritten; /* bytes of log, ever */
	uint64_t worked;    /* bytes read and written, ever */
	uint64_t unpaid; /* bytes of the owner that are still to give credit */
	bool is_stuck;	 /* the last step had no room to write in */
	uint64_t fresh;	 /* what the owner wrote since the last step */
};

void cleaner_init(struct cleaner *cleaner, struct writer *writer,
    const struct store_owner *owner);
void cleaner_release(struct cleaner *cleaner);

/* The owner has written so much. */
static inline void
cleaner_note(struct cleaner *cleaner, uint64_t bytes)
{
	cleaner->unpaid += bytes;
}

/* A job is gone that took so much. */
void cleaner_earn(struct cleaner *cleaner, uint64_t bytes);

/* Is there reason to clean, and anything to be cleaned? is_full: the disk
 * gives no more. */
bool cleaner_is_wanted(
    const struct cleaner *cleaner, const struct account *account, bool is_full);

/* Cleans a little more: its share of what the owner wrote since, so that a
 * segment is free before the room is used up. The batch that gathers takes the
 * records; on a full disk without what is for people. EBADMSG: what it reads
 * is damaged. */
int cleaner_step(
    struct cleaner *cleaner, const struct account *account, bool is_full);

#endif
