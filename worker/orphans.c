/* SPDX-License-Identifier: MIT */
#include "worker/orphans.h"

#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of an environment; the handler's own variables stand in front of it. */
#define ENVIRONMENT_BYTES_MAX (32u * 1024)

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

/* True if the process was started with the variable "GSQ_JOB_ID=N". */
static bool
has_job(const char *bytes, size_t count, uint64_t job)
{
	char wanted[40];
	int length =
	    snprintf(wanted, sizeof(wanted), "GSQ_JOB_ID=%" PRIu64, job);
	const char *end = bytes + count;
	for (const char *at = bytes; at < end;) {
		size_t part = strnlen(at, (size_t)(end - at));
		if (part == (size_t)length && memcmp(at, wanted, part) == 0)
			return true;
		at += part + 1;
	}
	return false;
}

static size_t
read_environment(pid_t pid, char *bytes, size_t room)
{
	char path[40];
	size_t count = 0;
	ssize_t got = 1;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (count < room && got > 0) {
		got = read(fd, bytes + count, room - count);
		if (got > 0)
			count += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	close(fd);
	return count;
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
	size_t count = read_environment(pid, bytes, sizeof(bytes));
	for (size_t i = 0; i < hunt->count; i++)
		if (has_job(bytes, count, hunt->runs[i].job))
			return true;
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
