/* SPDX-License-Identifier: MIT */
#include "sys/spawn.h"

#include "base/check.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX	     16
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
#define SIGNAL_LAST  64

/* ---- which program ---- */

static int
judge_file(const char *path)
{
	struct stat status;
	if (stat(path, &status) != 0)
		return errno;
	if (!S_ISREG(status.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* As execvp: the first that can be executed; else EACCES when there was one
 * that may not be, else ENOENT. */
static int
find_in_path(const char *name, char found[PATH_MAX])
{
	const char *at = getenv("PATH");
	int result = ENOENT;
	if (*name == '\0')
		return ENOENT;
	at = at != NULL ? at : PATH_DEFAULT;
	for (;;) {
		int count = (int)strcspn(at, ":");
		int wanted = snprintf(found, PATH_MAX, "%.*s%s%s", count, at,
		    count > 0 ? "/" : "./", name);
		int error = wanted < PATH_MAX ? judge_file(found) : ENOENT;
		if (error == 0)
			return 0;
		if (error == EACCES)
			result = EACCES;
		if (at[count] == '\0')
			return result;
		at += count + 1;
	}
}

int
spawn_check(const char *path)
{
	char found[PATH_MAX];
	if (strchr(path, '/') == NULL)
		return find_in_path(path, found);
	return judge_file(path);
}

/* ---- the child ---- */

/* Everything that the child needs. It shares the parent's memory until it
 * executes, so its error comes back by simply being written; volatile, for the
 * compiler sees that the function that writes it never returns. */
struct launch {
	const struct spawn *spawn;
	const char *path;
	pid_t parent;
	int sources[3 + FDS_MAX]; /* descriptors to become 0, 1, 2, ... */
	int count;
	volatile int error;
	const char *volatile step; /* of the confinement, that failed */
};

/* Handlers are functions of a program that the child is about to leave, and an
 * ignored signal would stay ignored after exec. */
static void
reset_signals(void)
{
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (int signal = 1; signal <= SIGNAL_LAST; signal++)
		sigaction(signal, &action, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First all above the targets, where none can be overwritten by another, then
 * down to their places, where dup2 takes the close-on-exec away. */
static int
place_descriptors(struct launch *launch)
{
	int high[3 + FDS_MAX];
	for (int i = 0; i < launch->count; i++) {
		high[i] =
		    fcntl(launch->sources[i], F_DUPFD_CLOEXEC, launch->count);
		if (high[i] < 0)
			return errno;
	}
	for (int i = 0; i < launch->count; i++)
		if (dup2(high[i], i) < 0)
			return errno;
	return close_range((unsigned)launch->count, ~0U, 0) == 0 ? 0 : errno;
}

static int
die_with_parent(const struct launch *launch)
{
	if (launch->spawn->death_signal == 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, launch->spawn->death_signal);
	/* It died before; nobody will read this. */
	return getppid() == launch->parent ? 0 : ESRCH;
}

static int
prepare_child(struct launch *launch)
{
	const struct spawn *spawn = launch->spawn;
	int failed = spawn->new_session ? setsid() < 0 : setpgid(0, 0) != 0;
	if (failed)
		return errno;
	int error = place_descriptors(launch);
	const char *step = NULL;
	if (error == 0 && spawn->confinement != NULL)
		error = confine_apply(spawn->confinement, &step);
	launch->step = step;
	if (error != 0)
		return error;
	reset_signals();
	/* Behind a change of the user, which takes it away. */
	return die_with_parent(launch);
}

/* Not inlined: what it keeps in registers and on its stack must not be what
 * the parent finds when it goes on. */
static _Noreturn void __attribute__((noinline)) run_child(struct launch *launch)
{
	int error = prepare_child(launch);
	if (error == 0) {
		execve(launch->path, launch->spawn->argv,
		    launch->spawn->environment);
		error = errno;
	}
	launch->error = error;
	_exit(127);
}

/* ---- the parent ---- */

/* Signals wait meanwhile: a handler that ran in the child would run in the
 * parent's memory. */
static pid_t __attribute__((noinline)) fork_and_run(struct launch *launch)
{
	sigset_t all;
	sigset_t kept;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &kept);
	pid_t pid = vfork();
	if (pid == 0)
		run_child(launch);
	int error = errno;
	sigprocmask(SIG_SETMASK, &kept, NULL);
	return pid > 0 ? pid : -error;
}

static pid_t
start(struct launch *launch)
{
	pid_t pid = fork_and_run(launch);
	if (pid < 0 || launch->error == 0)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return -launch->error;
}

static int
open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static void
choose_descriptors(struct launch *launch, int null)
{
	const struct spawn *spawn = launch->spawn;
	int error_of_parent =
	    fcntl(STDERR_FILENO, F_GETFD) < 0 ? null : STDERR_FILENO;
	launch->sources[0] = spawn->input_fd < 0 ? null : spawn->input_fd;
	launch->sources[1] =
	    spawn->output_fd < 0 ? error_of_parent : spawn->output_fd;
	launch->sources[2] =
	    spawn->error_fd < 0 ? error_of_parent : spawn->error_fd;
	for (size_t i = 0; i < spawn->fd_count; i++)
		launch->sources[3 + i] = spawn->fds[i];
	launch->count = 3 + (int)spawn->fd_count;
}

pid_t
spawn_process(const struct spawn *spawn)
{
	char found[PATH_MAX];
	struct launch launch = { .spawn = spawn, .path = spawn->path };
	CHECK(spawn->fd_count <= FDS_MAX);
	if (strchr(spawn->path, '/') == NULL) {
		int error = find_in_path(spawn->path, found);
		if (error != 0)
			return -error;
		launch.path = found;
	}
	int null = open_null();
	if (null < 0)
		return null;
	launch.parent = getpid();
	choose_descriptors(&launch, null);
	pid_t pid = start(&launch);
	if (spawn->ret_step != NULL)
		*spawn->ret_step = launch.step;
	close(null);
	return pid;
}

/* ---- orphans ---- */

struct hunt {
	int signal;
	bool (*keep)(pid_t pid, void *context);
	void *context;
	int killed;
};

static void
kill_unless_kept(struct hunt *hunt, pid_t pid)
{
	if (!hunt->keep(pid, hunt->context) && kill(pid, hunt->signal) == 0)
		hunt->killed++;
}

static ssize_t
read_some(int fd, char *bytes, size_t count)
{
	for (;;) {
		ssize_t got = read(fd, bytes, count);
		if (got >= 0 || errno != EINTR)
			return got;
	}
}

/* The list is numbers with a space behind each; a number may be cut by the end
 * of a read. */
static int
hunt_in_list(struct hunt *hunt, int fd)
{
	char bytes[1024];
	pid_t pid = 0;
	for (;;) {
		ssize_t got = read_some(fd, bytes, sizeof(bytes));
		if (got < 0)
			return -errno;
		for (ssize_t i = 0; i < got; i++) {
			if (isdigit((unsigned char)bytes[i])) {
				pid = pid * 10 + (bytes[i] - '0');
				continue;
			}
			if (pid > 0)
				kill_unless_kept(hunt, pid);
			pid = 0;
		}
		if (got == 0)
			break;
	}
	if (pid > 0)
		kill_unless_kept(hunt, pid);
	return hunt->killed;
}

/* The parent of a process from "PID (NAME) STATE PARENT ...", where the name
 * may contain anything; 0 when it is gone. */
static pid_t
parent_of(int proc, const char *name)
{
	char path[32];
	char text[512];
	int parent = 0;
	if (snprintf(path, sizeof(path), "%s/stat", name) >= (int)sizeof(path))
		return 0;
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read_some(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	const char *behind = strrchr(text, ')');
	if (behind == NULL || sscanf(behind, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/* For kernels without the list of children: all processes are looked at. */
static int
hunt_everywhere(struct hunt *hunt)
{
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return -errno;
	pid_t self = getpid();
	struct dirent *entry;
	while ((entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    parent_of(dirfd(proc), entry->d_name) != self)
			continue;
		kill_unless_kept(hunt, (pid_t)atoi(entry->d_name));
	}
	closedir(proc);
	return hunt->killed;
}

int
spawn_kill_orphans(
    int signal, bool (*keep)(pid_t pid, void *context), void *context)
{
	struct hunt hunt = { signal, keep, context, 0 };
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return hunt_everywhere(&hunt);
	int killed = hunt_in_list(&hunt, fd);
	close(fd);
	return killed;
}

int
spawn_become_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : errno;
}
