/* SPDX-License-Identifier: MIT */
/*
 * The command lines of the children. Made once at the start; a restart only
 * writes the id and the incarnation into them, and asks for no memory.
 */
#ifndef GSQ_SUPERVISOR_PROGRAM_H
#define GSQ_SUPERVISOR_PROGRAM_H

#include "supervisor/options.h"

#include <limits.h>
#include <stdint.h>

struct program {
	char path[PATH_MAX];
	char **argv; /* owned; points into this struct and the options */
	char id[NAME_BYTES_MAX + 1];
	char incarnation[24];
	char rest[2]; /* "1": it begins nothing new */
	char max_demand[24];
	char min_demand[24];
	char heartbeat[24]; /* milliseconds */
	char nice[24];
	char oom_score_adj[24];
	char max_jobs[24];
	char max_rss[24]; /* bytes */
	char max_age[24]; /* milliseconds */
};

/*
 * The queue's, and that of the workers of one pool. The programs lie in
 * ../libexec/gsq from the supervisor's own folder, else beside it. 0, ENOENT
 * when there is none (path then says where it should be), ENOMEM, or what
 * readlink said. The program must not move afterwards.
 */
int program_init_queue(struct program *program, const struct options *options);
int program_init_worker(struct program *program, const struct options *options,
    const struct pool_options *pool);
void program_release(struct program *program);

/* Makes it the command line of that child's next life. */
void program_aim(
    struct program *program, const char *id, int64_t incarnation, bool rest);

#endif
