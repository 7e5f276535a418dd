/* SPDX-License-Identifier: MIT */
/*
 * The durable store: a log in segments, and nothing in memory but its end.
 *
 *     store_log.c            the operations of store.h, and when what is done
 *     store_log_writer.c     the end of the log: frames gather, are written
 *     store_log_sync.c       makes them durable, in place or by the thread
 *     store_log_cleaner.c    keeps the log short
 *     store_log_space.h      how much of the disk it may have, and needs
 *     store_log_recovery.c   from the files back to the jobs, after a crash
 *     store_log_jobs.c         the jobs while that goes on
 *     store_log_reader.c       frame by frame
 *     store_log_bodies.c     bodies from their places
 *     store_log_segments.c   the files
 *     store_log_frame.c      what one write looks like
 *     store_log_format.c     what the whole directory is
 *     store_log_check.c      'queue --check' and '--salvage'
 *     record.c               one change of one job in bytes
 *     io.h                   all that is asked of the file system
 *
 * What it does differently from what store.h allows: begin never answers
 * ENOSPC, has_room does; a batch that is lost is told by the error that commit
 * or progress returns, never by committed.
 */
#ifndef GSQ_QUEUE_STORE_LOG_H
#define GSQ_QUEUE_STORE_LOG_H

#include "queue/io.h"
#include "queue/store.h"
#include "queue/store_log_segments.h"

/* How long a relaxed commit waits for its sync, so that it is durable within
 * 10 ms. */
#define RELAXED_SYNC_MS 5

/*
 * The store in that directory, which load makes if it is not there. load's
 * errors: EWOULDBLOCK another queue has it, EBADMSG it is damaged,
 * EPROTONOSUPPORT a newer gsq wrote it, EPERM it is not ours; ENOSPC, EROFS,
 * EIO and so on as the file system says. NULL without memory.
 */
struct store *store_log_open(const char *directory);

/* The same on any io, which the store takes over, with those sizes. */
struct store *store_log_open_on(struct io *io, const struct log_sizes *sizes);

/* What the store has on disk, what of it is alive, and what was cut at the
 * start; for status and for tests. Only of a store made here. */
struct store_log_state {
	uint64_t disk_bytes;
	uint64_t limit_bytes;
	uint64_t live_bytes;
	uint64_t jobs;
	uint64_t log_bytes;	  /* written since the start, all */
	uint64_t rewritten_bytes; /* of these, by cleaning */
	uint64_t torn_bytes;
	bool is_full;	  /* the disk gives no more */
	bool uses_thread; /* the disk is slow */
};
void store_log_state(const struct store *store, struct store_log_state *ret);

/* ---- when it is damaged; see store_log_check.c ---- */

/* Says a line of a report, without an end of line. */
typedef void store_log_say(void *context, const char *line);

/* Looks through the whole store and changes nothing. 0: it is sound. EBADMSG:
 * it is damaged, or another error; the report says more. */
int store_log_check(const char *directory, store_log_say *say, void *context);

/*
 * Makes a store of all that can be read. Jobs whose end is lost come back,
 * jobs whose beginning is lost do not; the report tells how much is missing.
 * The old files stay in the directory, as "damaged-...". 0, or an errno with
 * the old store as it was.
 */
int store_log_salvage(const char *directory, store_log_say *say, void *context);

/* The same on any io, which they take over. */
int store_log_check_on(struct io *io, const struct log_sizes *sizes,
    store_log_say *say, void *context);
int store_log_salvage_on(struct io *io, const struct log_sizes *sizes,
    store_log_say *say, void *context);

#endif
