/* SPDX-License-Identifier: MIT */
/*
 * What a program may have of the machine, and as whom it runs: set between fork
 * and exec, by system calls alone.
 */
#ifndef GSQ_SYS_CONFINE_H
#define GSQ_SYS_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* One of each resource there is. */
#define CONFINE_LIMITS_MAX 16
#define CONFINE_GROUPS_MAX 64

/* What the kernel kills first when memory runs out: handlers before workers,
 * these before the rest. Raising it needs no right. */
#define CONFINE_OOM_HANDLER 600
#define CONFINE_OOM_WORKER  300

struct confine_limit {
	int resource; /* RLIMIT_* */
	struct rlimit limit;
};

/* Zeroed, it changes nothing. */
struct confinement {
	struct confine_limit limits[CONFINE_LIMITS_MAX];
	size_t limit_count;
	bool has_umask;
	mode_t umask;
	const char *directory; /* borrowed; NULL: where the parent is */
	bool has_nice;
	int nice;
	bool has_oom; /* else oom_at_least counts */
	int oom_score_adj;
	int oom_at_least; /* raised to that, never lowered; 0: as it is */
	bool no_new_privileges;
	const char *user; /* borrowed; NULL: as the parent */
	uid_t uid;
	gid_t gid;
	gid_t groups[CONFINE_GROUPS_MAX];
	size_t group_count;
};

/*
 * "nofile=1024", "as=2GiB", "core=inf", "cpu=60", or "nofile=1024:4096" for a
 * soft and a hard one. Sizes may have a unit, other numbers have none. False,
 * and nothing written, for anything else.
 */
bool confine_parse_limit(const char *text, struct confine_limit *ret_limit);

/* "027", "0022"; false, and nothing written, for anything else. */
bool confine_parse_umask(const char *text, mode_t *ret_umask);

/* Fills in user, ids and groups of a user of this machine. 0, ENOENT when there
 * is none, E2BIG when it is in too many groups, or what reading said. */
int confine_find_user(struct confinement *confinement, const char *name);

/* From here on the environment of this process names that user and his home. */
void confine_adopt_home(const struct confinement *confinement);

/* May this process become that user? Itself, and anybody for root. */
bool confine_may_become(const struct confinement *confinement);

/*
 * In the child. 0 or an errno; then *ret_step is what could not be set, a
 * constant: "limits", "user", ...
 */
int confine_apply(const struct confinement *confinement, const char **ret_step);

#endif
