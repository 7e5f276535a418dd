/* SPDX-License-Identifier: MIT */
#include "sys/confine.h"

#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int resource;
	bool is_size;
} resources[] = {
	{ "as", RLIMIT_AS, true },
	{ "core", RLIMIT_CORE, true },
	{ "cpu", RLIMIT_CPU, false },
	{ "data", RLIMIT_DATA, true },
	{ "fsize", RLIMIT_FSIZE, true },
	{ "locks", RLIMIT_LOCKS, false },
	{ "memlock", RLIMIT_MEMLOCK, true },
	{ "msgqueue", RLIMIT_MSGQUEUE, true },
	{ "nice", RLIMIT_NICE, false },
	{ "nofile", RLIMIT_NOFILE, false },
	{ "nproc", RLIMIT_NPROC, false },
	{ "rss", RLIMIT_RSS, true },
	{ "rtprio", RLIMIT_RTPRIO, false },
	{ "rttime", RLIMIT_RTTIME, false },
	{ "sigpending", RLIMIT_SIGPENDING, false },
	{ "stack", RLIMIT_STACK, true },
};

#define RESOURCES (sizeof(resources) / sizeof(resources[0]))

_Static_assert(RESOURCES == CONFINE_LIMITS_MAX, "a place for each");

/* ---- words ---- */

static bool
parse_value(const char *text, bool is_size, rlim_t *ret_value)
{
	uint64_t value;
	if (strcmp(text, "inf") == 0) {
		*ret_value = RLIM_INFINITY;
		return true;
	}
	if (!is_size && text[strspn(text, "0123456789")] != '\0')
		return false;
	if (!size_parse(text, &value))
		return false;
	*ret_value = (rlim_t)value;
	return true;
}

/* "SOFT", for both, or "SOFT:HARD". */
static bool
parse_pair(const char *text, bool is_size, struct rlimit *limit)
{
	char soft[32];
	const char *colon = strchr(text, ':');
	if (colon == NULL) {
		if (!parse_value(text, is_size, &limit->rlim_cur))
			return false;
		limit->rlim_max = limit->rlim_cur;
		return true;
	}
	if ((size_t)(colon - text) >= sizeof(soft))
		return false;
	snprintf(soft, sizeof(soft), "%.*s", (int)(colon - text), text);
	return parse_value(soft, is_size, &limit->rlim_cur) &&
	    parse_value(colon + 1, is_size, &limit->rlim_max) &&
	    limit->rlim_cur <= limit->rlim_max;
}

bool
confine_parse_limit(const char *text, struct confine_limit *ret_limit)
{
	const char *equal = strchr(text, '=');
	struct confine_limit limit;
	if (equal == NULL)
		return false;
	size_t count = (size_t)(equal - text);
	for (size_t i = 0; i < RESOURCES; i++) {
		if (strlen(resources[i].name) != count ||
		    strncmp(resources[i].name, text, count) != 0)
			continue;
		limit.resource = resources[i].resource;
		if (!parse_pair(equal + 1, resources[i].is_size, &limit.limit))
			return false;
		*ret_limit = limit;
		return true;
	}
	return false;
}

bool
confine_parse_umask(const char *text, mode_t *ret_umask)
{
	size_t count = strlen(text);
	if (count < 3 || count > 4 || strspn(text, "01234567") != count ||
	    (count == 4 && *text != '0'))
		return false;
	*ret_umask = (mode_t)strtoul(text, NULL, 8);
	return true;
}

/* ---- users ---- */

int
confine_find_user(struct confinement *confinement, const char *name)
{
	errno = 0;
	const struct passwd *entry = getpwnam(name);
	if (entry == NULL)
		return errno == 0 ? ENOENT : errno;
	int count = CONFINE_GROUPS_MAX;
	confinement->user = name;
	confinement->uid = entry->pw_uid;
	confinement->gid = entry->pw_gid;
	if (getgrouplist(name, entry->pw_gid, confinement->groups, &count) < 0)
		return E2BIG;
	confinement->group_count = (size_t)count;
	return 0;
}

void
confine_adopt_home(const struct confinement *confinement)
{
	const struct passwd *entry = getpwuid(confinement->uid);
	if (entry == NULL)
		return;
	setenv("HOME", entry->pw_dir, 1);
	setenv("SHELL", entry->pw_shell, 1);
	setenv("USER", confinement->user, 1);
	setenv("LOGNAME", confinement->user, 1);
}

bool
confine_may_become(const struct confinement *confinement)
{
	return geteuid() == 0 ||
	    (confinement->uid == geteuid() && confinement->gid == getegid());
}

/* ---- in the child ---- */

static int
set_limits(const struct confinement *confinement)
{
	for (size_t i = 0; i < confinement->limit_count; i++)
		if (setrlimit(
			(__rlimit_resource_t)confinement->limits[i].resource,
			&confinement->limits[i].limit) != 0)
			return errno;
	return 0;
}

static int
set_nice(const struct confinement *confinement)
{
	if (!confinement->has_nice)
		return 0;
	return setpriority(PRIO_PROCESS, 0, confinement->nice) == 0 ? 0 : errno;
}

static int
read_oom(int fd)
{
	char text[16];
	ssize_t got = read(fd, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	return atoi(text);
}

/* One that nobody asked for is a favour, and no reason to run nothing. */
static int
set_oom(const struct confinement *confinement)
{
	char text[16];
	int wanted = confinement->has_oom ? confinement->oom_score_adj
					  : confinement->oom_at_least;
	if (!confinement->has_oom && wanted == 0)
		return 0;
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return confinement->has_oom ? errno : 0;
	int error = 0;
	if (confinement->has_oom || read_oom(fd) < wanted) {
		int count = snprintf(text, sizeof(text), "%d", wanted);
		if (pwrite(fd, text, (size_t)count, 0) < 0)
			error = confinement->has_oom ? errno : 0;
	}
	close(fd);
	return error;
}

/* The calls themselves: the library's would change all threads of the process
 * whose memory a vforked child shares. */
static int
become_user(const struct confinement *confinement)
{
	if (confinement->user == NULL)
		return 0;
	if (geteuid() == 0 &&
	    syscall(SYS_setgroups, confinement->group_count,
		confinement->groups) != 0)
		return errno;
	gid_t gid = confinement->gid;
	uid_t uid = confinement->uid;
	if (syscall(SYS_setresgid, gid, gid, gid) != 0 ||
	    syscall(SYS_setresuid, uid, uid, uid) != 0)
		return errno;
	return 0;
}

static int
set_directory(const struct confinement *confinement)
{
	if (confinement->directory == NULL)
		return 0;
	return chdir(confinement->directory) == 0 ? 0 : errno;
}

static int
set_umask(const struct confinement *confinement)
{
	if (confinement->has_umask)
		umask(confinement->umask);
	return 0;
}

static int
forbid_privileges(const struct confinement *confinement)
{
	if (!confinement->no_new_privileges)
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

/* What needs a right comes before the right is given up; the directory behind
 * it, so that only the user's own rights count there. */
static const struct {
	const char *name;
	int (*set)(const struct confinement *confinement);
} steps[] = {
	{ "limits", set_limits },
	{ "nice", set_nice },
	{ "oom_score_adj", set_oom },
	{ "user", become_user },
	{ "cwd", set_directory },
	{ "umask", set_umask },
	{ "no_new_privs", forbid_privileges },
};

int
confine_apply(const struct confinement *confinement, const char **ret_step)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int error = steps[i].set(confinement);
		if (error == 0)
			continue;
		*ret_step = steps[i].name;
		return error;
	}
	return 0;
}
