/* SPDX-License-Identifier: MIT */
/*
 * What handlers leave behind: the worker is a subreaper, so a process whose
 * parent died becomes its child. When a run has ended, its orphans are killed;
 * those of other runs that go on must live.
 *
 * Whose an orphan is, its session tells, and where it made one of its own, the
 * GSQ_JOB_ID of its environment. Nobody's are killed.
 */
#ifndef GSQ_WORKER_ORPHANS_H
#define GSQ_WORKER_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Children that this process had before it became the worker ("sleep & exec
 * worker"): not ours to kill. */
#define ORPHANS_INHERITED_MAX 64

struct orphans {
	pid_t inherited[ORPHANS_INHERITED_MAX];
	size_t inherited_count;
	uint64_t reaped; /* orphans, since orphans_said */
};

/* A run that goes on. */
struct orphans_run {
	pid_t pid; /* leads a session */
	uint64_t job;
};

/* Becomes the subreaper; has_children: there may be inherited ones. 0 or an
 * errno. */
int orphans_init(struct orphans *orphans, bool has_children);

/* A child that is no handler was reaped. */
void orphans_reaped(struct orphans *orphans, pid_t pid);

/*
 * Kills the orphans that belong to none of these runs. How many were killed,
 * to be called again when one of them was reaped until it is 0; on failure
 * -errno.
 */
int orphans_kill(
    struct orphans *orphans, const struct orphans_run *runs, size_t count);

/* Before the worker ends in a hurry: kills all children, also theirs, and waits
 * for their death; gives up, and ends the process, after a second. */
void orphans_kill_all(struct orphans *orphans);

#endif
