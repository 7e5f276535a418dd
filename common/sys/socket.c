/* SPDX-License-Identifier: MIT */
#include "sys/socket.h"

#include "base/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* As long as the kernel allows: it caps this to net.core.somaxconn. Nobody's
 * connect() is refused while a queue restarts. */
#define BACKLOG 4096

#define SOCKET_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

static int
set_address(struct sockaddr_un *address, const char *path)
{
	size_t count = strlen(path);
	if (count == 0)
		return ENOENT;
	if (count >= sizeof(address->sun_path))
		return ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, count);
	return 0;
}

static int
open_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0);
	return fd >= 0 ? fd : -errno;
}

/* A name next to it that is no longer, so that it fits when the path does. */
static void
set_temporary(struct sockaddr_un *address)
{
	char *last = address->sun_path + strlen(address->sun_path) - 1;
	*last = *last == '~' ? '+' : '~';
}

static int
bind_and_listen(int fd, const struct sockaddr_un *address)
{
	/* A socket has its mode from bind on; chmod would come too late. */
	mode_t kept = umask(0177);
	int failed = bind(
	    fd, (const struct sockaddr *)address, (socklen_t)sizeof(*address));
	int error = errno;
	umask(kept);
	if (failed != 0)
		return error;
	return listen(fd, BACKLOG) == 0 ? 0 : errno;
}

static int
put_in_place(int fd, const char *path)
{
	struct sockaddr_un address;
	int error = set_address(&address, path);
	if (error != 0)
		return error;
	set_temporary(&address);
	unlink(address.sun_path); /* of one that died between bind and rename */
	error = bind_and_listen(fd, &address);
	if (error != 0)
		return error;
	if (rename(address.sun_path, path) == 0)
		return 0;
	error = errno;
	unlink(address.sun_path);
	return error;
}

int
socket_listen(const char *path)
{
	int fd = open_socket();
	if (fd < 0)
		return fd;
	int error = put_in_place(fd, path);
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

/* A non-blocking connect to a Unix socket is done, or has failed, when it
 * returns; only an ended wait for room in the backlog is repeated. */
static int
connect_to(int fd, const struct sockaddr_un *address)
{
	while (connect(fd, (const struct sockaddr *)address,
		   (socklen_t)sizeof(*address)) != 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

int
socket_connect(const char *path)
{
	struct sockaddr_un address;
	int error = set_address(&address, path);
	if (error != 0)
		return -error;
	int fd = open_socket();
	if (fd < 0)
		return fd;
	error = connect_to(fd, &address);
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

int
socket_accept(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCKET_FLAGS);
		if (fd >= 0)
			return fd;
		if (errno != EINTR && errno != ECONNABORTED)
			return -errno;
	}
}

int
socket_client_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	int all = (int)limit.rlim_cur;
	return all - (all / 4 < DESCRIPTORS_KEPT ? all / 4 : DESCRIPTORS_KEPT);
}

int
socket_credentials(int fd, struct credentials *ret_credentials)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return errno;
	if (bytes != sizeof(peer))
		return EPROTO;
	*ret_credentials = (struct credentials){ peer.pid, peer.uid, peer.gid };
	return 0;
}

int
socket_pair(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCKET_FLAGS, 0, ends) != 0)
		return errno;
	return 0;
}
