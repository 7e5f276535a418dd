/* SPDX-License-Identifier: MIT */
#include "sys/process.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[ENVIRONMENT_BYTES_MAX];

/* A process that waits until it is killed, with that environment. */
static pid_t
start(char *const *environment)
{
	int ends[2];
	char byte;
	char *const arguments[] = { "sleep", "100", NULL };
	cr_assert_eq(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		fcntl(ends[1], F_SETFD, FD_CLOEXEC);
		close(ends[0]);
		execve("/bin/sleep", arguments, environment);
		_exit(127);
	}
	close(ends[1]);
	cr_assert_eq(read(ends[0], &byte, 1), 0, "it is another program now");
	close(ends[0]);
	return pid;
}

Test(process, one_that_is_dead_and_not_reaped_does_not_live)
{
	char *const none[] = { NULL };
	siginfo_t info;
	int status;
	pid_t pid = start(none);
	cr_assert(process_lives(pid));
	cr_assert(process_lives(getpid()));
	kill(pid, SIGKILL);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	cr_assert_not(process_lives(pid));
	cr_assert_eq(process_environment(pid, bytes, sizeof(bytes)), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_not(process_lives(pid));
	cr_assert_not(process_lives(0));
	cr_assert_not(process_lives(-1));
}

Test(process, its_environment_is_that_of_its_start)
{
	char *const some[] = { "A=1", "GSQ_DIR=/run/gsq", "AB=", NULL };
	pid_t pid = start(some);
	size_t count = process_environment(pid, bytes, sizeof(bytes));
	cr_assert_eq(
	    count, sizeof("A=1") + sizeof("GSQ_DIR=/run/gsq") + sizeof("AB="));
	cr_expect(environment_has(bytes, count, "A=1"));
	cr_expect(environment_has(bytes, count, "AB="));
	cr_expect(environment_has(bytes, count, "GSQ_DIR=/run/gsq"));
	cr_expect_not(environment_has(bytes, count, "GSQ_DIR=/run/gs"));
	cr_expect_not(environment_has(bytes, count, "GSQ_DIR=/run/gsq2"));
	cr_expect_not(environment_has(bytes, count, "A="));
	cr_expect(environment_names(bytes, count, "A="));
	cr_expect(environment_names(bytes, count, "GSQ_DIR="));
	cr_expect_not(environment_names(bytes, count, "B="));
	cr_expect_not(environment_names(bytes, count, "GSQ_SUPERVISOR="));
	cr_assert_eq(process_environment(pid, bytes, 3), 3);
	int status;
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
}

Test(process, what_was_cut_off_is_not_a_variable_that_it_begins_like)
{
	static const char cut[] = "A=1\0GSQ_DIR=/r";
	cr_expect_not(environment_has(cut, sizeof(cut) - 1, "GSQ_DIR=/run"));
	cr_expect_not(
	    environment_names(cut, sizeof(cut) - 1, "GSQ_DIR=/run/gsq"));
	cr_expect_not(environment_has(cut, 0, "A=1"));
}
