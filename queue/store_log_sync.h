/* SPDX-License-Identifier: MIT */
/*
 * Makes durable what was written, oldest segment first; after a sync all
 * frames up to one sequence are on the disk (writer->durable).
 *
 * A sync in place is the fastest way on a fast disk: handing it to a thread
 * costs two wake-ups across processors, and made 0.75 of the rate with one
 * producer and 0.53 with eight. On a slow disk it would stop the loop. So it
 * is done in place until it takes long, and for a while after that by the
 * thread. While the log is cleaned the thread does it, too: the syncs have more
 * to write then, and one in some thousands of them took 4 to 9 ms.
 */
#ifndef GSQ_QUEUE_STORE_LOG_SYNC_H
#define GSQ_QUEUE_STORE_LOG_SYNC_H

#include "queue/store_log_writer.h"

#include <stdbool.h>
#include <stdint.h>

struct syncer {
	struct io *io;
	struct segments *segments;
	struct writer *writer;
	uint32_t points; /* how slow the last ones were */
	bool uses_thread;
	uint64_t log_bytes; /* writer->log_bytes at the last sync */

	/* The one on its way. */
	bool is_busy;
	bool is_names;	  /* of the directory */
	uint32_t segment; /* of that segment */
	uint64_t mark;	  /* the last frame, or segment, that it covers */
	int64_t begun_us;
};

void syncer_init(struct syncer *syncer, struct writer *writer);

/* What was made durable before took so long: how the disk is, to begin with. */
void syncer_expect(struct syncer *syncer, int64_t took_us);

/* More is written for a while than is committed: the next syncs may take long.
 */
void syncer_expect_load(struct syncer *syncer);

/* Is there a frame, or a name, that is not durable? */
bool syncer_has_frames(const struct syncer *syncer);
bool syncer_has_names(const struct syncer *syncer);

/* Is the next one to be done in place? */
bool syncer_is_fast(const struct syncer *syncer);

/* Makes all frames durable before it returns. Not while one is on its way. */
int syncer_run(struct syncer *syncer);

/* Makes the names durable before it returns. */
int syncer_run_names(struct syncer *syncer);

/* Begins the next sync beside the loop, of frames first; not while one is on
 * its way. */
int syncer_begin(struct syncer *syncer);

/* Takes the result of one that has ended. */
int syncer_poll(struct syncer *syncer);

#endif
