/* SPDX-License-Identifier: MIT */
#include "sys/directory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[] = "/tmp/gsq-test-directory-XXXXXX";
static char path[64];
static char lock_path[80];
static char reason[512];

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/gsq", root);
	snprintf(lock_path, sizeof(lock_path), "%s/lock", path);
	unsetenv("GSQ_DIR");
	unsetenv("XDG_RUNTIME_DIR");
}

static void
tear_down(void)
{
	unlink(lock_path);
	if (rmdir(path) != 0)
		unlink(path);
	cr_expect_eq(rmdir(root), 0);
}

TestSuite(directory, .init = set_up, .fini = tear_down, .timeout = 60);

Test(directory, gsq_dir_is_stronger_than_the_runtime_directory)
{
	char text[128];
	char wanted[128];
	if (geteuid() == 0)
		snprintf(wanted, sizeof(wanted), "/run/gsq");
	else
		snprintf(wanted, sizeof(wanted), "/tmp/gsq-%u", geteuid());
	cr_assert_eq(directory_default(text, sizeof(text)), 0);
	cr_assert_str_eq(text, wanted);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	cr_assert_eq(directory_default(text, sizeof(text)), 0);
	cr_assert_str_eq(text, "/run/user/7/gsq");
	setenv("GSQ_DIR", "/here", 1);
	cr_assert_eq(directory_default(text, sizeof(text)), 0);
	cr_assert_str_eq(text, "/here");
	cr_assert_eq(directory_default(text, 5), ENAMETOOLONG);
	setenv("GSQ_DIR", "", 1);
	setenv("XDG_RUNTIME_DIR", "", 1);
	cr_assert_eq(directory_default(text, sizeof(text)), 0);
	cr_assert_str_eq(text, wanted);
}

Test(directory, jobs_are_kept_where_they_survive_a_boot)
{
	char text[128];
	bool is_root = geteuid() == 0;
	setenv("HOME", "/home/u", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	cr_assert_eq(
	    directory_default_store(text, sizeof(text), "/tmp/gsq-7"), 0);
	cr_assert_str_eq(text, is_root ? "/var/lib/gsq" : "/state/gsq");
	unsetenv("XDG_STATE_HOME");
	cr_assert_eq(
	    directory_default_store(text, sizeof(text), "/tmp/gsq-7"), 0);
	cr_assert_str_eq(
	    text, is_root ? "/var/lib/gsq" : "/home/u/.local/state/gsq");
	unsetenv("HOME");
	cr_assert_eq(
	    directory_default_store(text, sizeof(text), "/tmp/gsq-7"), 0);
	cr_assert_str_eq(text, is_root ? "/var/lib/gsq" : "/tmp/gsq-7/store");
	cr_assert_eq(
	    directory_default_store(text, 5, "/tmp/gsq-7"), ENAMETOOLONG);
}

Test(directory, a_socket_must_fit_into_107_bytes)
{
	char text[256];
	char longer[120];
	memset(longer, 'x', sizeof(longer));
	cr_assert_eq(
	    directory_path(text, sizeof(text), "/a", QUEUE_SOCKET_NAME), 0);
	cr_assert_str_eq(text, "/a/gsq.sock");
	longer[98] = '\0';
	cr_assert_eq(
	    directory_path(text, sizeof(text), longer, QUEUE_SOCKET_NAME), 0);
	cr_assert_eq(strlen(text), 107);
	longer[98] = 'x';
	longer[99] = '\0';
	cr_assert_eq(
	    directory_path(text, sizeof(text), longer, QUEUE_SOCKET_NAME),
	    ENAMETOOLONG);
	cr_assert_eq(directory_path(text, sizeof(text), longer, LOCK_NAME), 0);
	cr_assert_eq(directory_path(text, 50, longer, LOCK_NAME), ENAMETOOLONG);
}

static void
expect_prepared(const char *name)
{
	const char *wrong = directory_prepare(name, reason, sizeof(reason));
	cr_assert_null(wrong, "%s", wrong);
}

static void
expect_refused(const char *name, const char *what)
{
	const char *wrong = directory_prepare(name, reason, sizeof(reason));
	cr_assert_eq(wrong, reason);
	cr_assert_not_null(
	    strstr(reason, what), "'%s' is not in '%s'", what, reason);
	cr_assert_not_null(strstr(reason, root), "'%s'", reason);
}

Test(directory, a_missing_one_is_made_for_us_alone)
{
	struct stat status;
	umask(0);
	expect_prepared(path);
	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0700);
	expect_prepared(path);
}

Test(directory, one_that_others_can_read_is_accepted)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chmod(path, 0755), 0);
	expect_prepared(path);
}

Test(directory, one_that_others_can_write_is_refused)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chmod(path, 0777), 0);
	expect_refused(path, "chmod go-w");
	cr_assert_eq(chmod(path, 0720), 0);
	expect_refused(path, "mode 0720");
	cr_assert_eq(chmod(path, 0500), 0);
	expect_refused(path, "chmod u+rwx");
}

Test(directory, a_link_is_refused_with_a_slash_behind_it_too)
{
	char slash[80];
	cr_assert_eq(symlink("/tmp", path), 0);
	expect_refused(path, "is a symbolic link");
	snprintf(slash, sizeof(slash), "%s//", path);
	expect_refused(slash, "is a symbolic link");
}

Test(directory, a_file_is_refused)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
	expect_refused(path, "is not a directory");
}

Test(directory, one_that_cannot_be_made_says_what_to_do)
{
	char deeper[80];
	snprintf(deeper, sizeof(deeper), "%s/a/b", root);
	expect_refused(deeper, "make the directory above it");
}

Test(directory, one_of_another_user_is_refused)
{
	if (geteuid() != 0)
		cr_skip_test("only root can give a directory away");
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chown(path, 1, 1), 0);
	expect_refused(path, "belongs to the user 1 and we are 0");
}

Test(directory, the_lock_is_for_one_and_names_its_holder)
{
	pid_t holder = -1;
	char text[32] = "";
	expect_prepared(path);
	int lock = directory_lock(path, &holder);
	cr_assert_geq(lock, 0);
	cr_assert_eq(holder, 0);
	cr_assert(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(directory_lock(path, &holder), -EWOULDBLOCK);
	cr_assert_eq(holder, getpid());
	cr_assert_gt(pread(lock, text, sizeof(text) - 1, 0), 0);
	cr_assert_eq(atoi(text), getpid());
	directory_unlock(lock);
	lock = directory_lock(path, &holder);
	cr_assert_geq(lock, 0);
	cr_assert_eq(holder, 0);
	close(lock);
}

Test(directory, the_lock_ends_with_the_process)
{
	pid_t holder = -1;
	int status;
	expect_prepared(path);
	pid_t child = fork();
	if (child == 0)
		_exit(directory_lock(path, &holder) >= 0 ? 0 : 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	int lock = directory_lock(path, &holder);
	cr_assert_geq(lock, 0);
	cr_assert_eq(holder, child, "it did not let go");
	close(lock);
}

Test(directory, the_lock_outlives_its_holder_in_what_inherited_it)
{
	pid_t holder = -1;
	int status;
	int ends[2];
	expect_prepared(path);
	cr_assert_eq(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[1]);
		if (directory_lock(path, &holder) >= 0 && fork() == 0)
			_exit((int)read(ends[0], &status, 1));
		_exit(0);
	}
	close(ends[0]);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(directory_lock(path, &holder), -EWOULDBLOCK);
	cr_assert_eq(holder, child);
	close(ends[1]);
	int lock = -1;
	while (lock < 0)
		lock = directory_lock(path, &holder);
	cr_assert_eq(holder, child);
	close(lock);
}

Test(directory, a_holder_that_is_not_written_down_is_unknown)
{
	pid_t holder = -1;
	expect_prepared(path);
	int lock = directory_lock(path, &holder);
	static const char *const rubbish[] = { "", "x\n", "12", "-3\n",
		"99999999999999\n" };
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		size_t count = strlen(rubbish[i]);
		cr_assert_eq(ftruncate(lock, 0), 0);
		cr_assert_eq(
		    pwrite(lock, rubbish[i], count, 0), (ssize_t)count);
		holder = -1;
		cr_assert_eq(directory_lock(path, &holder), -EWOULDBLOCK);
		cr_assert_eq(holder, 0, "'%s'", rubbish[i]);
	}
	close(lock);
}

Test(directory, a_lock_that_is_a_link_is_refused)
{
	pid_t holder = -1;
	expect_prepared(path);
	cr_assert_eq(symlink("/tmp/gsq-test-elsewhere", lock_path), 0);
	cr_assert_eq(directory_lock(path, &holder), -ELOOP);
	cr_assert_neq(access("/tmp/gsq-test-elsewhere", F_OK), 0);
}

Test(directory, no_directory_no_lock)
{
	pid_t holder = -1;
	cr_assert_eq(directory_lock(path, &holder), -ENOENT);
}
