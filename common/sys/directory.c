/* SPDX-License-Identifier: MIT */
#include "sys/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_SUFFIX	 ".sock"
#define HOLDER_BYTES_MAX 32

/* ---- names ---- */

static int __attribute__((format(printf, 3, 4)))
print_path(char *path, size_t path_bytes, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int count = vsnprintf(path, path_bytes, format, arguments);
	va_end(arguments);
	return count >= 0 && (size_t)count < path_bytes ? 0 : ENAMETOOLONG;
}

static const char *
environment_value(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && *value != '\0' ? value : NULL;
}

int
directory_default(char *path, size_t path_bytes)
{
	const char *own = environment_value("GSQ_DIR");
	const char *runtime = environment_value("XDG_RUNTIME_DIR");
	if (own != NULL)
		return print_path(path, path_bytes, "%s", own);
	if (runtime != NULL)
		return print_path(path, path_bytes, "%s/gsq", runtime);
	if (geteuid() == 0)
		return print_path(path, path_bytes, "/run/gsq");
	return print_path(
	    path, path_bytes, "/tmp/gsq-%lu", (unsigned long)geteuid());
}

int
directory_default_store(char *path, size_t path_bytes, const char *directory)
{
	const char *state = environment_value("XDG_STATE_HOME");
	const char *home = environment_value("HOME");
	if (geteuid() == 0)
		return print_path(path, path_bytes, "/var/lib/gsq");
	if (state != NULL)
		return print_path(path, path_bytes, "%s/gsq", state);
	if (home != NULL)
		return print_path(
		    path, path_bytes, "%s/.local/state/gsq", home);
	return print_path(path, path_bytes, "%s/%s", directory, STORE_NAME);
}

static bool
is_socket_name(const char *name)
{
	size_t count = strlen(name);
	size_t suffix = strlen(SOCKET_SUFFIX);
	return count >= suffix &&
	    strcmp(name + count - suffix, SOCKET_SUFFIX) == 0;
}

int
directory_path(
    char *path, size_t path_bytes, const char *directory, const char *name)
{
	int error = print_path(path, path_bytes, "%s/%s", directory, name);
	if (error != 0)
		return error;
	if (is_socket_name(name) &&
	    strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return ENAMETOOLONG;
	return 0;
}

/* ---- ours? ---- */

struct judgement {
	char *reason;
	size_t reason_bytes;
};

static const char *__attribute__((format(printf, 2, 3)))
refuse(const struct judgement *judgement, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(
	    judgement->reason, judgement->reason_bytes, format, arguments);
	va_end(arguments);
	return judgement->reason;
}

static const char *
judge(const struct judgement *judgement, const char *path,
    const struct stat *status)
{
	unsigned mode = status->st_mode & 07777;
	if (S_ISLNK(status->st_mode))
		return refuse(judgement,
		    "'%s' is a symbolic link; name the directory it points to",
		    path);
	if (!S_ISDIR(status->st_mode))
		return refuse(judgement,
		    "'%s' is not a directory; remove it or name another one",
		    path);
	if (status->st_uid != geteuid())
		return refuse(judgement,
		    "'%s' belongs to the user %lu and we are %lu; name another "
		    "directory",
		    path, (unsigned long)status->st_uid,
		    (unsigned long)geteuid());
	if ((mode & 022) != 0)
		return refuse(judgement,
		    "others may write to '%s' (mode %04o); say: chmod go-w "
		    "'%s'",
		    path, mode, path);
	if ((mode & 0700) != 0700)
		return refuse(judgement,
		    "we may not use '%s' (mode %04o); say: chmod u+rwx '%s'",
		    path, mode, path);
	return NULL;
}

static const char *
explain_mkdir(const struct judgement *judgement, const char *path, int error)
{
	if (error == ENOENT)
		return refuse(judgement,
		    "cannot make directory '%s': %s; make the directory above "
		    "it or name another one",
		    path, strerror(error));
	return refuse(judgement,
	    "cannot make directory '%s': %s; name another one", path,
	    strerror(error));
}

/* lstat of "link/" follows the link, of "link" does not. */
static int
strip_slashes(char *bare, size_t bare_bytes, const char *path)
{
	size_t count = strlen(path);
	while (count > 1 && path[count - 1] == '/')
		count--;
	return print_path(bare, bare_bytes, "%.*s", (int)count, path);
}

const char *
directory_prepare(const char *path, char *reason, size_t reason_bytes)
{
	struct judgement judgement = { reason, reason_bytes };
	struct stat status;
	char bare[PATH_MAX];
	if (strip_slashes(bare, sizeof(bare), path) != 0)
		return explain_mkdir(&judgement, path, ENAMETOOLONG);
	if (mkdir(bare, 0700) != 0 && errno != EEXIST)
		return explain_mkdir(&judgement, path, errno);
	if (lstat(bare, &status) != 0)
		return refuse(&judgement, "cannot look at '%s': %s", bare,
		    strerror(errno));
	return judge(&judgement, bare, &status);
}

/* ---- lock ---- */

static pid_t
read_holder(int fd)
{
	char text[HOLDER_BYTES_MAX];
	ssize_t count = pread(fd, text, sizeof(text) - 1, 0);
	if (count <= 0)
		return 0;
	text[count] = '\0';
	char *end;
	long pid = strtol(text, &end, 10);
	return *end == '\n' && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* The lock holds without it, on a full disk too. */
static void
write_holder(int fd)
{
	char text[HOLDER_BYTES_MAX];
	int count = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0)
		return;
	while (pwrite(fd, text, (size_t)count, 0) < 0 && errno == EINTR)
		continue;
}

static int
lock_file(int fd)
{
	while (flock(fd, LOCK_EX | LOCK_NB) != 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

int
directory_lock(const char *path, pid_t *ret_holder)
{
	char name[PATH_MAX];
	int error = directory_path(name, sizeof(name), path, LOCK_NAME);
	if (error != 0)
		return -error;
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	error = lock_file(fd);
	if (error == 0 || error == EWOULDBLOCK)
		*ret_holder = read_holder(fd);
	if (error == 0) {
		write_holder(fd);
		return fd;
	}
	close(fd);
	return -error;
}

void
directory_unlock(int lock)
{
	while (ftruncate(lock, 0) != 0 && errno == EINTR)
		continue;
	close(lock);
}
