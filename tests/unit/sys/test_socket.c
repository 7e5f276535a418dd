/* SPDX-License-Identifier: MIT */
#include "sys/socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/gsq-test-socket-XXXXXX";
static char path[108];

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/gsq.sock", directory);
}

static void
tear_down(void)
{
	unlink(path);
	cr_expect_eq(rmdir(directory), 0, "something else was left there");
}

TestSuite(socket, .init = set_up, .fini = tear_down, .timeout = 60);

static int
must_listen(void)
{
	int listener = socket_listen(path);
	cr_assert_geq(listener, 0, "%s", strerror(-listener));
	return listener;
}

static int
must_connect(void)
{
	int fd = socket_connect(path);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	return fd;
}

static void
expect_flags(int fd)
{
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

Test(socket, both_ends_can_talk)
{
	char byte = 0;
	int listener = must_listen();
	cr_assert_eq(socket_accept(listener), -EAGAIN);
	int client = must_connect();
	int server = socket_accept(listener);
	cr_assert_geq(server, 0);
	cr_assert_eq(write(client, "x", 1), 1);
	cr_assert_eq(read(server, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	expect_flags(listener);
	expect_flags(client);
	expect_flags(server);
	close(client);
	close(server);
	close(listener);
}

Test(socket, it_is_for_the_owner_alone_whatever_the_umask)
{
	struct stat status;
	mode_t kept = umask(0);
	int listener = must_listen();
	cr_assert_eq(umask(kept), 0, "the umask was not put back");
	cr_assert_eq(lstat(path, &status), 0);
	cr_assert(S_ISSOCK(status.st_mode));
	cr_assert_eq(status.st_mode & 0777, 0600);
	close(listener);
}

Test(socket, it_takes_the_place_of_a_dead_one)
{
	close(must_listen());
	cr_assert_eq(socket_connect(path), -ECONNREFUSED);
	int listener = must_listen();
	int client = must_connect();
	close(client);
	close(listener);
}

Test(socket, what_a_start_that_died_half_way_left_does_no_harm)
{
	int listener = must_listen();
	char left[108];
	snprintf(left, sizeof(left), "%s/gsq.soc~", directory);
	cr_assert_eq(rename(path, left), 0);
	int second = must_listen();
	cr_assert_neq(access(left, F_OK), 0);
	close(second);
	close(listener);
}

Test(socket, a_path_that_does_not_fit_is_refused)
{
	char longer[109];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[108] = '\0';
	cr_assert_eq(socket_listen(longer), -ENAMETOOLONG);
	cr_assert_eq(socket_connect(longer), -ENAMETOOLONG);
	cr_assert_eq(socket_connect(""), -ENOENT);
}

Test(socket, the_longest_path_that_fits_can_be_listened_on)
{
	size_t used = strlen(directory);
	memset(path + used, 'x', sizeof(path) - used);
	path[used] = '/';
	path[107] = '\0';
	int listener = must_listen();
	int client = must_connect();
	close(client);
	close(listener);
}

Test(socket, nobody_there_is_told)
{
	cr_assert_eq(socket_connect(path), -ENOENT);
	char elsewhere[108];
	snprintf(elsewhere, sizeof(elsewhere), "%s/none/x.sock", directory);
	cr_assert_eq(socket_listen(elsewhere), -ENOENT);
}

Test(socket, hundreds_can_connect_before_one_is_accepted)
{
	int clients[400];
	int listener = must_listen();
	for (int i = 0; i < 400; i++)
		clients[i] = must_connect();
	for (int i = 0; i < 400; i++) {
		int server = socket_accept(listener);
		cr_assert_geq(server, 0);
		close(server);
		close(clients[i]);
	}
	cr_assert_eq(socket_accept(listener), -EAGAIN);
	close(listener);
}

Test(socket, the_kernel_says_who_is_there)
{
	struct credentials who = { 0 };
	int listener = must_listen();
	int client = must_connect();
	int server = socket_accept(listener);
	cr_assert_eq(socket_credentials(server, &who), 0);
	cr_assert_eq(who.pid, getpid());
	cr_assert_eq(who.uid, geteuid());
	cr_assert_eq(who.gid, getegid());
	cr_assert_eq(socket_credentials(-1, &who), EBADF);
	close(client);
	close(server);
	close(listener);
}

Test(socket, a_pair_is_connected)
{
	int ends[2];
	char byte = 0;
	cr_assert_eq(socket_pair(ends), 0);
	expect_flags(ends[0]);
	expect_flags(ends[1]);
	cr_assert_eq(write(ends[1], "y", 1), 1);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	close(ends[1]);
	cr_assert_eq(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}
