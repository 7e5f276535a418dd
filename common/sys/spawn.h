/* SPDX-License-Identifier: MIT */
/*
 * Starts a program: vfork and exec, never a bare fork, so that the cost does
 * not grow with the parent and the child starts with a clean address space.
 *
 * The child gets its own process group (or session), default signal actions,
 * an empty signal mask, exactly the descriptors it is given (0, 1, 2, then fds
 * as 3, 4, ...), and dies with its parent when death_signal is not 0.
 */
#ifndef GSQ_SYS_SPAWN_H
#define GSQ_SYS_SPAWN_H

#include "sys/confine.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct spawn {
	const char *path;	  /* with a slash: executed as it is; without
				   * one: looked for in the parent's PATH */
	char *const *argv;	  /* ends with NULL */
	char *const *environment; /* ends with NULL */
	int input_fd;		  /* becomes 0; -1: /dev/null */
	int output_fd;		  /* becomes 1; -1: the parent's stderr */
	int error_fd;		  /* becomes 2; -1: the parent's stderr */
	const int *fds;		  /* become 3, 4, ... */
	size_t fd_count;
	int death_signal; /* sent to it when this process dies; 0: none */
	bool new_session; /* setsid, else setpgid: always leads a group */
	const struct confinement *confinement; /* NULL: as the parent */
	const char **ret_step; /* NULL, or set to what of the confinement could
				* not be had */
};

/*
 * The pid, whose process group is the same number, or -errno: what fork or exec
 * said (ENOENT, EACCES, EAGAIN, ENOMEM ...); a failed exec leaves no child.
 * Everything the child needs is prepared before the fork; the child itself
 * makes only system calls.
 */
pid_t spawn_process(const struct spawn *spawn);

/* Can a program of that path be found and may it be executed? 0, ENOENT, EACCES
 * or what else stat says. 0 promises nothing: its format or its interpreter may
 * be wrong. */
int spawn_check(const char *path);

/*
 * Kills with that signal every child of this process that keep() does not
 * know, which for a subreaper are the orphans of what it started. Returns how
 * many were signalled; to be called again after each reaped orphan until it
 * returns 0. Reads /proc; on failure -errno.
 */
int spawn_kill_orphans(
    int signal, bool (*keep)(pid_t pid, void *context), void *context);

/* Makes this process the one that orphans of its descendants fall to. 0 or an
 * errno. */
int spawn_become_subreaper(void);

#endif
