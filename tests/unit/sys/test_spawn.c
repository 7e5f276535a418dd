/* SPDX-License-Identifier: MIT */
#include "sys/spawn.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/gsq-test-spawn-XXXXXX";
static char file[64];

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/program", directory);
}

static void
tear_down(void)
{
	unlink(file);
	rmdir(file);
	cr_expect_eq(rmdir(directory), 0);
}

TestSuite(spawn, .init = set_up, .fini = tear_down, .timeout = 60);

static char *no_environment[] = { "PATH=/usr/bin:/bin", NULL };

static pid_t
start_shell(const char *script, int output, const struct spawn *more)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	struct spawn spawn = *more;
	spawn.path = "/bin/sh";
	spawn.argv = argv;
	spawn.environment = no_environment;
	spawn.output_fd = output;
	spawn.error_fd = -1;
	return spawn_process(&spawn);
}

static int
wait_for(pid_t pid)
{
	int status = -1;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* A pipe that takes no low descriptor, which tests want for themselves. */
static void
open_pipe(int ends[2])
{
	int low[2];
	cr_assert_eq(pipe2(low, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 20);
		cr_assert_geq(ends[i], 20);
	}
	close(low[0]);
	close(low[1]);
}

/* Runs a script to its end and returns what it wrote. */
static const char *
output_of(const char *script, const struct spawn *more)
{
	static char text[4096];
	int ends[2];
	size_t count = 0;
	open_pipe(ends);
	pid_t pid = start_shell(script, ends[1], more);
	cr_assert_gt(pid, 0, "%s", strerror(-pid));
	close(ends[1]);
	for (ssize_t got = 1; got > 0; count += (size_t)got) {
		got = read(ends[0], text + count, sizeof(text) - 1 - count);
		cr_assert_geq(got, 0);
	}
	text[count] = '\0';
	close(ends[0]);
	cr_assert_eq(wait_for(pid), 0);
	return text;
}

static const struct spawn plain = { .input_fd = -1 };
static const struct spawn session = { .input_fd = -1, .new_session = true };

static bool
keep_none(pid_t pid, void *context)
{
	(void)pid;
	(void)context;
	return false;
}

static int
error_of(const char *path)
{
	char *argv[] = { "x", NULL };
	struct spawn spawn = plain;
	spawn.path = path;
	spawn.argv = argv;
	spawn.environment = no_environment;
	spawn.output_fd = spawn.error_fd = -1;
	pid_t pid = spawn_process(&spawn);
	if (pid > 0)
		return wait_for(pid) == 0 ? 0 : -1;
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(errno, ECHILD, "a failed exec left a child");
	return (int)-pid;
}

static void
make_file(const char *text, mode_t mode)
{
	int fd = open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	cr_assert_eq(chmod(file, mode), 0);
}

/* ---- the program ---- */

Test(spawn, a_program_runs_with_its_arguments_and_environment)
{
	cr_assert_str_eq(
	    output_of("echo \"$0 $PATH\"", &plain), "sh /usr/bin:/bin\n");
}

Test(spawn, what_exec_says_comes_back_and_no_child_is_left)
{
	cr_assert_eq(error_of(file), ENOENT);
	make_file("#!/nonexistent/interpreter\n", 0700);
	cr_assert_eq(error_of(file), ENOENT);
	make_file("no program", 0700);
	cr_assert_eq(error_of(file), ENOEXEC);
	make_file("#!/bin/sh\nexit 0\n", 0600);
	cr_assert_eq(error_of(file), EACCES);
	make_file("#!/bin/sh\nexit 0\n", 0700);
	cr_assert_eq(error_of(file), 0);
	cr_assert_eq(error_of(directory), EACCES);
}

Test(spawn, a_name_without_a_slash_is_looked_for_in_the_path)
{
	char path[256];
	make_file("#!/bin/sh\nexit 0\n", 0700);
	setenv("PATH", "/usr/bin:/bin", 1);
	cr_assert_eq(error_of("program"), ENOENT);
	cr_assert_eq(error_of("true"), 0);
	cr_assert_eq(error_of(""), ENOENT);
	snprintf(path, sizeof(path), "/nonexistent:%s:/bin", directory);
	setenv("PATH", path, 1);
	cr_assert_eq(error_of("program"), 0);
	make_file("#!/bin/sh\nexit 0\n", 0600);
	cr_assert_eq(error_of("program"), EACCES);
	unlink(file);
	cr_assert_eq(mkdir(file, 0700), 0);
	cr_assert_eq(error_of("program"), EACCES, "a directory is no program");
	unsetenv("PATH");
	cr_assert_eq(error_of("true"), 0);
}

Test(spawn, an_empty_part_of_the_path_is_the_directory_where_we_are)
{
	make_file("#!/bin/sh\nexit 0\n", 0700);
	cr_assert_eq(chdir(directory), 0);
	setenv("PATH", "/nonexistent:", 1);
	cr_assert_eq(error_of("program"), 0);
	setenv("PATH", "", 1);
	cr_assert_eq(error_of("program"), 0);
}

Test(spawn, a_look_tells_what_a_start_would_say)
{
	cr_assert_eq(spawn_check(file), ENOENT);
	make_file("#!/bin/sh\nexit 0\n", 0600);
	cr_assert_eq(spawn_check(file), EACCES);
	make_file("#!/bin/sh\nexit 0\n", 0700);
	cr_assert_eq(spawn_check(file), 0);
	cr_assert_eq(spawn_check(directory), EACCES);
	setenv("PATH", "/usr/bin:/bin", 1);
	cr_assert_eq(spawn_check("true"), 0);
	cr_assert_eq(spawn_check("no-such-program"), ENOENT);
}

/* ---- groups and signals ---- */

Test(spawn, the_child_leads_a_group_or_a_session)
{
	pid_t pid = start_shell("kill -STOP $$", -1, &plain);
	cr_assert_gt(pid, 0);
	cr_assert_eq(getpgid(pid), pid);
	cr_assert_eq(getsid(pid), getsid(0));
	cr_assert_eq(kill(-pid, SIGKILL), 0);
	wait_for(pid);
	pid = start_shell("kill -STOP $$", -1, &session);
	cr_assert_gt(pid, 0);
	cr_assert_eq(getsid(pid), pid);
	cr_assert_eq(kill(-pid, SIGKILL), 0);
	wait_for(pid);
}

static void
on_signal(int signal)
{
	(void)signal;
}

/* Signals 32 and 33. What make starts has them ignored, because glibc's
 * posix_spawn does so, and glibc lets nobody change them. */
#define OF_THE_C_LIBRARY (3ULL << 31)

Test(spawn, signals_are_as_in_a_fresh_process)
{
	sigset_t blocked;
	sigset_t after;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, on_signal);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGCHLD);
	cr_assert_eq(sigprocmask(SIG_SETMASK, &blocked, NULL), 0);
	const char *text = output_of(
	    "cat /proc/self/status | grep -E '^Sig(Blk|Ign|Cgt)'", &plain);
	unsigned long long is_blocked, is_ignored, is_caught;
	cr_assert_eq(sscanf(text, "SigBlk: %llx SigIgn: %llx SigCgt: %llx",
			 &is_blocked, &is_ignored, &is_caught),
	    3);
	cr_assert_eq(is_blocked, 0);
	cr_assert_eq(is_ignored & ~OF_THE_C_LIBRARY, 0);
	cr_assert_eq(is_caught, 0);
	cr_assert_eq(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	cr_assert(sigismember(&after, SIGUSR1));
	cr_assert(sigismember(&after, SIGCHLD));
	cr_assert_not(sigismember(&after, SIGTERM));
	struct sigaction action;
	cr_assert_eq(sigaction(SIGTERM, NULL, &action), 0);
	cr_assert_eq(action.sa_handler, on_signal, "the parent's was reset");
}

/* ---- descriptors ---- */

Test(spawn, only_the_given_descriptors_are_there)
{
	int leaking[20];
	for (int i = 0; i < 20; i++)
		leaking[i] = open("/dev/null", O_RDONLY); /* no CLOEXEC */
	const char *text = output_of("ls /proc/$$/fd", &plain);
	cr_assert_str_eq(text, "0\n1\n2\n");
	struct spawn two = plain;
	two.fds = leaking + 4;
	two.fd_count = 2;
	cr_assert_str_eq(output_of("ls /proc/$$/fd", &two), "0\n1\n2\n3\n4\n");
	for (int i = 0; i < 20; i++)
		close(leaking[i]);
}

Test(spawn, without_input_there_is_the_null_device)
{
	cr_assert_str_eq(
	    output_of("readlink /proc/$$/fd/0; cat", &plain), "/dev/null\n");
}

#define PLACES 5

/* Five pipes with a letter in each stand, in that order, just where the child
 * shall have them in another. */
static void
expect_order(const int order[PLACES])
{
	int high[PLACES];
	int sources[PLACES];
	for (int i = 0; i < PLACES; i++) {
		int ends[2];
		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		cr_assert_eq(write(ends[1], &"abcde"[i], 1), 1);
		high[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 100);
		close(ends[0]);
		close(ends[1]);
	}
	for (int i = 0; i < PLACES; i++) {
		sources[i] = 3 + order[i];
		cr_assert_eq(dup3(high[i], sources[i], O_CLOEXEC), sources[i]);
		close(high[i]);
	}
	struct spawn all = plain;
	all.fds = sources;
	all.fd_count = PLACES;
	cr_assert_str_eq(output_of("cat <&3; cat <&4; cat <&5; cat <&6; "
				   "cat <&7",
			     &all),
	    "abcde");
}

Test(spawn, descriptors_that_stand_in_each_others_places_arrive)
{
	static const int orders[][PLACES] = { { 0, 1, 2, 3, 4 },
		{ 4, 3, 2, 1, 0 }, { 1, 2, 3, 4, 0 }, { 1, 0, 3, 2, 4 } };
	int kept[PLACES]; /* what the test's framework has there */
	for (int i = 0; i < PLACES; i++)
		kept[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 200);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		expect_order(orders[i]);
	for (int i = 0; i < PLACES; i++)
		if (kept[i] < 0)
			close(3 + i);
		else
			cr_assert_eq(dup2(kept[i], 3 + i), 3 + i);
}

Test(spawn, a_parent_without_stderr_can_start_programs)
{
	close(2);
	cr_assert_str_eq(
	    output_of("readlink /proc/$$/fd/2", &plain), "/dev/null\n");
}

Test(spawn, a_bad_descriptor_is_an_error_and_leaves_no_child)
{
	static const int fds[] = { 999 };
	char *argv[] = { "true", NULL };
	struct spawn bad = plain;
	bad.path = "/bin/true";
	bad.argv = argv;
	bad.environment = no_environment;
	bad.output_fd = bad.error_fd = -1;
	bad.fds = fds;
	bad.fd_count = 1;
	cr_assert_eq(spawn_process(&bad), -EBADF);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
}

Test(spawn, the_parent_keeps_no_descriptor_of_it)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(before);
	cr_assert_eq(error_of("/bin/true"), 0);
	cr_assert_eq(error_of("/nonexistent"), ENOENT);
	int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	cr_assert_eq(before, after);
}

/* ---- death ---- */

/* A process of ours that starts a child with that death signal, tells its pid
 * and dies. Returns the child's pid; this process is to be a subreaper. */
static pid_t
start_through_a_dying_parent(int death_signal)
{
	int ends[2];
	pid_t child = 0;
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (parent == 0) {
		struct spawn dying = plain;
		dying.death_signal = death_signal;
		pid_t pid = start_shell("kill -STOP $$; exit 7", -1, &dying);
		int status;
		waitpid(pid, &status, WUNTRACED);
		_exit(write(ends[1], &pid, sizeof(pid)) != sizeof(pid));
	}
	cr_assert_eq(read(ends[0], &child, sizeof(child)), sizeof(child));
	cr_assert_eq(wait_for(parent), 0);
	close(ends[0]);
	close(ends[1]);
	return child;
}

Test(spawn, the_death_signal_comes_when_the_parent_dies)
{
	cr_assert_eq(spawn_become_subreaper(), 0);
	pid_t child = start_through_a_dying_parent(SIGKILL);
	cr_assert_eq(wait_for(child), SIGKILL);
	child = start_through_a_dying_parent(SIGCONT);
	int status = wait_for(child);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 7, "it was not woken up");
}

static bool
keep_one(pid_t pid, void *context)
{
	return pid == *(const pid_t *)context;
}

Test(spawn, orphans_fall_to_the_subreaper_and_are_killed)
{
	cr_assert_eq(spawn_become_subreaper(), 0);
	pid_t known = start_shell("kill -STOP $$", -1, &plain);
	pid_t orphan = start_through_a_dying_parent(0);
	cr_assert_eq(spawn_kill_orphans(SIGKILL, keep_one, &known), 1);
	cr_assert_eq(wait_for(orphan), SIGKILL);
	cr_assert_eq(spawn_kill_orphans(SIGKILL, keep_one, &known), 0);
	cr_assert_eq(waitpid(known, NULL, WNOHANG), 0, "it was to be kept");
	cr_assert_eq(spawn_kill_orphans(SIGKILL, keep_none, NULL), 1);
	cr_assert_eq(wait_for(known), SIGKILL);
	cr_assert_eq(spawn_kill_orphans(SIGKILL, keep_none, NULL), 0);
}

Test(spawn, hundreds_of_orphans_are_found)
{
	enum { MANY = 500 };
	for (int i = 0; i < MANY; i++) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		cr_assert_gt(pid, 0);
	}
	cr_assert_eq(spawn_kill_orphans(SIGKILL, keep_none, NULL), MANY);
	int reaped = 0;
	while (waitpid(-1, NULL, 0) > 0)
		reaped++;
	cr_assert_eq(reaped, MANY);
}

Test(spawn, many_starts_leave_the_parent_as_it_was)
{
	for (int i = 0; i < 200; i++)
		cr_assert_eq(error_of("/bin/true"), 0);
}
