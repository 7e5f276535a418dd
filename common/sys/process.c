/* SPDX-License-Identifier: MIT */
#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor of a process can be read from when it is dead, reaped or not. */
bool
process_lives(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno != ESRCH && errno != EINVAL;
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	bool dead = poll(&poll_fd, 1, 0) > 0;
	close(fd);
	return !dead;
}

size_t
process_environment(pid_t pid, char *bytes, size_t room)
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

/* whole: it is all of the variable, and not only its beginning. */
static bool
find(const char *bytes, size_t count, const char *wanted, bool whole)
{
	size_t length = strlen(wanted);
	const char *end = bytes + count;
	for (const char *at = bytes; at < end;) {
		size_t part = strnlen(at, (size_t)(end - at));
		if ((whole ? part == length : part >= length) &&
		    memcmp(at, wanted, length) == 0)
			return true;
		at += part + 1;
	}
	return false;
}

bool
environment_has(const char *bytes, size_t count, const char *variable)
{
	return find(bytes, count, variable, true);
}

bool
environment_names(const char *bytes, size_t count, const char *name)
{
	return find(bytes, count, name, false);
}
