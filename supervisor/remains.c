/* SPDX-License-Identifier: MIT */
#include "supervisor/remains.h"

#include "sys/clock.h"
#include "sys/directory.h"
#include "sys/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS	      2
#define PATIENCE_MS   10000
#define WORTH_TELL_MS 500

struct wait {
	const char *directory;
	pid_t holder;
	int64_t began_ms;
	bool told;
};

/* Waits a moment. False when there was enough of it. */
static bool
wait_on(struct wait *wait)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	int64_t waited_ms = clock_monotonic_ms() - wait->began_ms;
	if (waited_ms > PATIENCE_MS)
		return false;
	if (waited_ms > WORTH_TELL_MS && !wait->told) {
		fprintf(stderr,
		    "supervisor: the one of before in '%s', pid %d, is dead; "
		    "waiting for the end of what it started\n",
		    wait->directory, (int)wait->holder);
		wait->told = true;
	}
	nanosleep(&pause, NULL);
	return true;
}

/* Only supervised workers say GSQ_SUPERVISOR to their handlers: one that was
 * started by hand may live, and go on. */
static bool
is_left(pid_t pid, const char *directory)
{
	static char bytes[ENVIRONMENT_BYTES_MAX];
	if (pid == getpid() || pid == getppid())
		return false;
	size_t count = process_environment(pid, bytes, sizeof(bytes));
	return environment_has(bytes, count, directory) &&
	    environment_names(bytes, count, "GSQ_SUPERVISOR=");
}

/* How many there were. */
static unsigned
kill_handlers(const char *directory)
{
	unsigned killed = 0;
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return 0;
	struct dirent *entry;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0])
		    ? (pid_t)atoi(entry->d_name)
		    : 0;
		if (pid > 0 && is_left(pid, directory) &&
		    kill(pid, SIGKILL) == 0)
			killed++;
	}
	closedir(proc);
	return killed;
}

int
remains_lock(const char *directory, pid_t *ret_holder)
{
	struct wait wait = { .directory = directory,
		.began_ms = clock_monotonic_ms() };
	char variable[PATH_MAX + 16];
	int lock = directory_lock(directory, &wait.holder);
	while (lock == -EWOULDBLOCK && !process_lives(wait.holder) &&
	    wait_on(&wait))
		lock = directory_lock(directory, &wait.holder);
	*ret_holder = wait.holder;
	if (lock < 0 || wait.holder == 0)
		return lock;
	char resolved[PATH_MAX];
	if (realpath(directory, resolved) == NULL)
		return lock;
	snprintf(variable, sizeof(variable), "GSQ_DIR=%s", resolved);
	while (kill_handlers(variable) > 0)
		if (!wait_on(&wait)) {
			close(lock);
			return -EWOULDBLOCK;
		}
	return lock;
}
