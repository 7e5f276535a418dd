/* SPDX-License-Identifier: MIT */
#include "worker/orphans.h"

#include "sys/process.h"
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_SECONDS 1

struct hunt {
	struct orphans *orphans;
	const struct orphans_run *runs;
	size_t count;
};

/* ---- whose it is ---- */

static bool
is_inherited(const struct orphans *orphans, pid_t pid)
{
	for (size_t i = 0; i < orphans->inherited_count; i++)
		if (orphans->inherited[i] == pid)
			return true;
	return false;
}

static bool
is_of_run(const struct hunt *hunt, pid_t pid)
{
	static char bytes[ENVIRONMENT_BYTES_MAX];
	pid_t session = getsid(pid);
	for (size_t i = 0; i < hunt->count; i++)
		if (hunt->runs[i].pid == pid || hunt->runs[i].pid == session)
			return true;
	if (hunt->count == 0)
		return false;
	size_t count = process_environment(pid, bytes, sizeof(bytes));
	for (size_t i = 0; i < hunt->count; i++) {
		char variable[40];
		snprintf(variable, sizeof(variable), "GSQ_JOB_ID=%" PRIu64,
		    hunt->runs[i].job);
		if (environment_has(bytes, count, variable))
			return true;
	}
	return false;
}

static bool
keep(pid_t pid, void *context)
{
	const struct hunt *hunt = context;
	return is_inherited(hunt->orphans, pid) || is_of_run(hunt, pid);
}

/* ---- life ---- */

static bool
note_inherited(pid_t pid, void *context)
{
	struct orphans *orphans = context;
	if (orphans->inherited_count < ORPHANS_INHERITED_MAX)
		orphans->inherited[orphans->inherited_count++] = pid;
	return true;
}

int
orphans_init(struct orphans *orphans, bool has_children)
{
	memset(orphans, 0, sizeof(*orphans));
	if (has_children)
		spawn_kill_orphans(SIGKILL, note_inherited, orphans);
	return spawn_become_subreaper();
}

void
orphans_reaped(struct orphans *orphans, pid_t pid)
{
	for (size_t i = 0; i < orphans->inherited_count; i++) {
		if (orphans->inherited[i] != pid)
			continue;
		orphans->inherited[i] =
		    orphans->inherited[--orphans->inherited_count];
		return;
	}
	orphans->reaped++;
}

int
orphans_kill(
    struct orphans *orphans, const struct orphans_run *runs, size_t count)
{
	struct hunt hunt = { orphans, runs, count };
	return spawn_kill_orphans(SIGKILL, keep, &hunt);
}

/* Each death makes its children ours, so it ends when there are none. The
 * alarm ends a wait for what does not die of KILL. */
void
orphans_kill_all(struct orphans *orphans)
{
	signal(SIGALRM, SIG_DFL);
	alarm(LAST_SECONDS);
	while (orphans_kill(orphans, NULL, 0) > 0)
		while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
			continue;
	alarm(0);
}
