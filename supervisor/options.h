/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor was told: command line over environment over
 * configuration file over defaults.
 */
#ifndef GSQ_SUPERVISOR_OPTIONS_H
#define GSQ_SUPERVISOR_OPTIONS_H

#include "supervisor/plan.h"
#include "sys/configuration.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_GO_ON (-1)

enum exit_status {
#define EXIT_STATUS(name, number, meaning, advice) EXIT_##name = (number),
#include "supervisor/exit_status.def"
#undef EXIT_STATUS
};

struct options {
	int argc; /* borrowed, to be read again */
	char **argv;
	struct configuration configuration;
	const char *configuration_path; /* NULL: none */
	char directory[PATH_MAX];
	char store[PATH_MAX]; /* where the jobs are kept */
	const char *log;      /* NULL: standard error */
	bool verbose;
	bool demo; /* nobody said what to run */

	/* The pools of the file, or the one of the command line. Its workers
	 * are w1, w2, ...; those of a pool "sync" are sync-1, sync-2, ... */
	struct pool_options pools[PLAN_POOLS_MAX];
	size_t pool_count;
	bool pools_from_file;

	/* After a reload a pool is where it was before, for its workers know
	 * it by its place; one that the file has no more is gone, with nothing
	 * but its name left. */
	bool gone[PLAN_POOLS_MAX];
};

/*
 * Reads all of it. OPTIONS_GO_ON, or the status to exit with when the words for
 * the user have been written: 0 for help and version, 64 for a wrong command
 * line, 78 for a wrong file. argv must stay good as long as the options.
 */
int options_read(struct options *options, int argc, char **argv);
void options_release(struct options *options);

/*
 * Reads all of it again, as it was read at the start, with the pools of now in
 * their places. NULL, or what is wrong, a line each with its newline,
 * allocated, to be freed by the caller; then there is nothing to release.
 */
char *options_read_again(struct options *options, const struct options *now);

/* The place of the one pool there is; -1 when there are others. */
int options_only_pool(const struct options *options);

/* The id of a worker: its pool and its number therein, from 1. */
void options_worker_id(const struct options *options, size_t pool,
    unsigned number, char id[NAME_BYTES_MAX + 1]);

#endif
