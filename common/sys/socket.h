/* SPDX-License-Identifier: MIT */
/*
 * Unix stream sockets. Every descriptor is close-on-exec and non-blocking.
 */
#ifndef GSQ_SYS_SOCKET_H
#define GSQ_SYS_SOCKET_H

/* The system has a header of this name; whoever asks for <sys/socket.h> and
 * finds this one in the include path must get both. */
#include_next <sys/socket.h>
#include <sys/types.h>

struct credentials {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/*
 * Listens on a path, readable and writable for the owner alone from its first
 * moment: bound under a temporary name next to it with mode 0600, then renamed
 * over whatever stood there, so that a client never sees it missing. The
 * caller must hold the directory's lock. A descriptor, or -errno.
 */
int socket_listen(const char *path);

/* Connects. A descriptor, or -errno (ENOENT, ECONNREFUSED, EACCES,
 * ENAMETOOLONG, EAGAIN when the backlog is full). */
int socket_connect(const char *path);

/* Accepts one connection. A descriptor, or -errno (EAGAIN when there is
 * none; EMFILE and ENFILE when out of descriptors). */
int socket_accept(int listener);

/* No client may have a descriptor of that number or above: DESCRIPTORS_KEPT of
 * the limit, or a quarter of a small one, are for what this process itself has
 * to open. The kernel always gives the smallest number that is free. */
int socket_client_descriptors(void);

/* Who is at the other end, as the kernel saw it when it connected. 0 or an
 * errno. */
int socket_credentials(int fd, struct credentials *ret_credentials);

/* Two connected ends. 0 or an errno. */
int socket_pair(int ends[2]);

#endif
