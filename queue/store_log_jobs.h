/* SPDX-License-Identifier: MIT */
/*
 * Where the jobs and notes are that a log amounts to, gathered while it is
 * read. Notes are treated as jobs are, and only counted apart. It lives during
 * recovery alone, and takes about 18 bytes a job: touching memory for the first
 * time is most of what recovery costs, and reading a record twice is cheaper
 * than keeping it.
 *
 * Ids are dense in most places, so jobs stand in groups of neighbours: reading
 * jobs in a row touches the table once per group, and the order of the ids is
 * the order of the groups.
 */
#ifndef GSQ_QUEUE_STORE_LOG_JOBS_H
#define GSQ_QUEUE_STORE_LOG_JOBS_H

#include "base/map.h"
#include "base/name.h"
#include "queue/record.h"

#include <stdint.h>

/* Places of records. */
struct kept {
	uint64_t full;
	uint64_t state; /* the last one behind full; 0: none */
};

struct kept_jobs {
	char **pages; /* owned; of groups */
	uint32_t page_count;
	uint32_t group_count;
	struct map by_number;
	uint32_t last;			  /* handle of the group used last */
	struct name last_name;		  /* known to be valid */
	uint64_t count;			  /* of all of them */
	uint64_t counts[NOTE_KIND_COUNT]; /* of each kind; NOTE_NONE: jobs */
};

/* "3 jobs, 1 tokens, 0 certificates"; so many bytes are enough for it. */
#define KEPT_JOBS_TEXT_BYTES 96

void kept_jobs_init(struct kept_jobs *jobs);
void kept_jobs_release(struct kept_jobs *jobs);

/*
 * Applies the record at that place. A change of a job that is not there is
 * none: its FULL record was in a segment that has been given up since, and a
 * GONE follows (store_log_cleaner.h says why). 0, ENOMEM, or EBADMSG for a
 * queue's name that is none.
 */
int kept_jobs_apply(
    struct kept_jobs *jobs, const struct stored *stored, uint64_t place);

/* How many there are of what, for people. Returns text. */
const char *kept_jobs_print(
    const struct kept_jobs *jobs, char text[KEPT_JOBS_TEXT_BYTES]);

/* Calls for each job in the order of their ids. Stops at the first error,
 * which it returns. */
int kept_jobs_each(const struct kept_jobs *jobs,
    int (*each)(void *context, const struct kept *kept), void *context);

#endif
