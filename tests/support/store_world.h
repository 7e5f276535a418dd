/* SPDX-License-Identifier: MIT */
/*
 * An owner of a store that knows what the store should keep: it does what the
 * queue does with one, at random, remembers what the jobs were at each commit
 * and how safe each commit was, and judges what a store gives back.
 */
#ifndef GSQ_TESTS_STORE_WORLD_H
#define GSQ_TESTS_STORE_WORLD_H

#include "base/name.h"
#include "base/random.h"
#include "core/job.h"
#include "queue/store.h"
#include "queue/store_log.h"
#include "tests/support/disk.h"

#include <stdbool.h>
#include <stdint.h>

#define WORLD_JOBS_MAX	  20000 /* ids below */
#define WORLD_COMMITS_MAX 20000

struct world_job {
	bool is_there;
	enum note_kind note; /* it is no job; then: */
	uint64_t note_of;
	struct job job;
	struct name queue;
	const char *key; /* NULL: none */
	uint64_t aliases[ALIASES_MAX];
	uint32_t alias_count;
	char reason[REASON_BYTES_MAX + 1];
	struct job_terms terms;
	int64_t due_wall_ms;
	int64_t expires_wall_ms; /* 0: never */
};

/* What is to be done how often, out of the sum of all. */
struct world_mix {
	unsigned put, note, update, replace, fold, delete, commit, relaxed,
	    progress, body;
	uint32_t body_bytes_max;
	uint32_t live_max; /* jobs at once; above, jobs end instead */
};

extern const struct world_mix world_mix_usual;

struct world {
	struct disk *disk;
	struct log_sizes sizes;
	struct store *store; /* NULL: closed */
	struct random random;
	struct world_job jobs[WORLD_JOBS_MAX];
	uint64_t high; /* ids from here on were never touched */
	uint32_t live;
	size_t expected; /* as many jobs as load said it would restore */
	uint64_t next_id;
	bool gathers;
	bool waits; /* for committed */
	bool waits_relaxed;

	/* What the jobs amounted to after each commit, [0] before any. */
	uint64_t digests[WORLD_COMMITS_MAX];
	uint64_t next_ids[WORLD_COMMITS_MAX];
	uint32_t commits;
	uint32_t written; /* commits up to that one survive the process */
	uint32_t safe;	  /* and up to that one the power */

	bool gives_no_reasons; /* which a full disk forgets */
	int error;	       /* of the store: it is not to be used any more */
	char reason[512];
	uint64_t refused; /* puts */
	uint64_t moved;

	/* Filled by restore. */
	bool is_loading;
	uint64_t last_restored;
	const char *wrong; /* what a check found, or NULL */
};

extern const struct log_sizes world_sizes; /* small: everything happens soon */

void world_init(struct world *world, struct disk *disk, uint64_t seed);

/* Opens the store and takes its jobs for what there is, if that is allowed:
 * a state that the jobs had at a commit, not before the last one that is safe
 * (power_was_cut) or written. False: world->error and reason, or wrong. */
bool world_open(struct world *world, bool power_was_cut);

/* What was committed is what it was in the other; world_open finds the jobs. */
void world_rewind(struct world *world, const struct world *to);

/* One thing at random. False after an error of the store. */
bool world_step(struct world *world, const struct world_mix *mix);

/* Until the store fails or so many steps are done. */
void world_run(
    struct world *world, const struct world_mix *mix, uint32_t steps);

/* Commits what gathers and waits until it is safe. */
bool world_settle(struct world *world);

/* The process ends, in order or not. */
void world_close(struct world *world);

/* Reads every body back. NULL, or what is wrong. */
const char *world_check_bodies(struct world *world);

/* What all jobs are, in a number. */
uint64_t world_digest(const struct world *world);

/* What a rewritten store would take at least. */
uint64_t world_live_bytes(const struct world *world);

/* One change each, in the batch that gathers. A note is something of its own,
 * of a job that may be there or not. */
bool world_put(struct world *world, uint32_t body_bytes);
bool world_note(struct world *world, uint32_t body_bytes);
bool world_update(struct world *world, uint64_t id);
bool world_delete(struct world *world, uint64_t id);

/* Another body for a job with a key; and the body of one that coalesces for
 * another one, which is gone. */
bool world_replace(struct world *world, uint64_t id, uint32_t body_bytes);
bool world_fold(struct world *world, uint64_t id, uint64_t other);
bool world_commit(struct world *world, bool relaxed);
bool world_progress(struct world *world);

#endif
