/* SPDX-License-Identifier: MIT */
#include "supervisor/notify.h"

#include "base/limits.h"

#include "sys/directory.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_GIVEN 3
#define GIVEN_MAX   2

/* ---- the environment ---- */

/* A whole number of the environment; -1: none, or no number. */
static int64_t
number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : -1;
}

/* What is meant for one process is not meant for another one that it started:
 * a shell in between is told by the pid. */
static bool
is_meant_for_us(const char *variable)
{
	return getenv(variable) == NULL || number_of(variable) == getpid();
}

/* ---- telling ---- */

static bool
set_address(struct notify *notify, const char *name)
{
	size_t count = strlen(name);
	struct sockaddr_un *address = &notify->address;
	if ((*name != '/' && *name != '@') || count < 2 ||
	    count >= sizeof(address->sun_path))
		return false;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, name, count + 1);
	if (*name == '@')
		address->sun_path[0] = '\0'; /* abstract: no file */
	notify->address_bytes =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count);
	return true;
}

static void
open_socket(struct notify *notify, const char *name)
{
	if (!set_address(notify, name)) {
		log_event(LOG_WARNING, "notify", "socket=%s error=\"%s\"",
		    log_quote(
			(struct span){ name, strlen(name) }, REASON_BYTES_MAX),
		    "no path and no abstract name");
		return;
	}
	notify->fd =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd < 0)
		log_event(
		    LOG_WARNING, "notify", "error=\"%s\"", strerror(errno));
}

void
notify_open(struct notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int64_t watchdog_us = number_of("WATCHDOG_USEC");
	*notify = (struct notify){ .fd = -1 };
	if (name != NULL && *name != '\0')
		open_socket(notify, name);
	if (notify->fd >= 0 && watchdog_us > 0 &&
	    is_meant_for_us("WATCHDOG_PID"))
		notify->watchdog_ms =
		    watchdog_us < 1000 ? 1 : watchdog_us / 1000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

static void
tell(struct notify *notify, const char *text)
{
	if (notify->fd >= 0)
		(void)sendto(notify->fd, text, strlen(text),
		    MSG_DONTWAIT | MSG_NOSIGNAL,
		    (const struct sockaddr *)&notify->address,
		    notify->address_bytes);
}

void
notify_ready(struct notify *notify)
{
	tell(notify, "READY=1");
}

void
notify_reloading(struct notify *notify)
{
	struct timespec now;
	char text[64];
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	tell(notify, text);
}

void
notify_stopping(struct notify *notify)
{
	if (!notify->stopping)
		tell(notify, "STOPPING=1");
	notify->stopping = true;
}

void
notify_watchdog(struct notify *notify)
{
	tell(notify, "WATCHDOG=1");
}

void
notify_status(struct notify *notify, const char *status)
{
	char text[NOTIFY_STATUS_BYTES + 8];
	if (notify->fd < 0 || strcmp(status, notify->status) == 0)
		return;
	snprintf(notify->status, sizeof(notify->status), "%s", status);
	snprintf(text, sizeof(text), "STATUS=%s", notify->status);
	tell(notify, text);
}

/* ---- sockets ---- */

static bool
is_listening(int fd)
{
	int type = 0, listens = 0, domain = 0;
	socklen_t bytes = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 &&
	    type == SOCK_STREAM && listens && domain == AF_UNIX;
}

/* The n-th name of "a:b"; NULL when there is none. */
static const char *
name_of(char names[128], int64_t n)
{
	char *rest = names;
	const char *name = NULL;
	for (int64_t i = 0; i <= n; i++)
		name = strsep(&rest, ":");
	return name;
}

static int *
place_of(struct given_sockets *sockets, const char *names, int64_t n)
{
	char copy[128];
	const char *name = NULL;
	if (names != NULL) {
		snprintf(copy, sizeof(copy), "%s", names);
		name = name_of(copy, n);
	}
	if (name != NULL && strcmp(name, QUEUE_SOCKET_NAME) == 0)
		return &sockets->queue;
	if (name != NULL && strcmp(name, CONTROL_SOCKET_NAME) == 0)
		return &sockets->control;
	return n == 0 ? &sockets->queue : &sockets->control;
}

static bool
take_socket(struct given_sockets *sockets, const char *names, int64_t n,
    const char **ret_reason)
{
	int fd = FIRST_GIVEN + (int)n;
	int flags = fcntl(fd, F_GETFL);
	int *place = place_of(sockets, names, n);
	*ret_reason = "a socket of LISTEN_FDS is no listening Unix stream "
		      "socket";
	if (!is_listening(fd) || flags < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	*ret_reason = "two sockets of LISTEN_FDNAMES have the same name";
	if (*place >= 0)
		return false;
	*place = fd;
	return true;
}

static bool
take_sockets(struct given_sockets *sockets, const char **ret_reason)
{
	int64_t count = number_of("LISTEN_FDS");
	if (count <= 0 || !is_meant_for_us("LISTEN_PID"))
		return true;
	*ret_reason = "LISTEN_FDS has more than two sockets: gsq.sock and "
		      "control.sock";
	if (count > GIVEN_MAX)
		return false;
	for (int64_t n = 0; n < count; n++)
		if (!take_socket(
			sockets, getenv("LISTEN_FDNAMES"), n, ret_reason))
			return false;
	return true;
}

bool
notify_take_sockets(struct given_sockets *ret_sockets, const char **ret_reason)
{
	*ret_sockets = (struct given_sockets){ -1, -1 };
	bool taken = take_sockets(ret_sockets, ret_reason);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return taken;
}
