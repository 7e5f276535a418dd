/* SPDX-License-Identifier: MIT */
/*
 * What a service manager wants to know (sd_notify) and what it gives
 * (sockets, LISTEN_FDS), after systemd's protocol: datagrams of KEY=value lines
 * to $NOTIFY_SOCKET. Without one, nothing is said.
 */
#ifndef GSQ_SUPERVISOR_NOTIFY_H
#define GSQ_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_BYTES 128

struct notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_bytes;
	int64_t watchdog_ms; /* how often it wants to hear of us; 0: never */
	char status[NOTIFY_STATUS_BYTES]; /* as it was told last */
	bool stopping;
};

/* The sockets that were handed to us; -1: none. */
struct given_sockets {
	int queue;
	int control;
};

/*
 * Reads the environment, and takes it away: children must not speak for us,
 * nor use what is ours. A name that cannot be used is told in the log, and
 * nobody listens then.
 */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* False, and *ret_reason, when what was given cannot be used. By their names
 * (gsq.sock, control.sock), else the first is the queue's and the second the
 * supervisor's. */
bool notify_take_sockets(
    struct given_sockets *ret_sockets, const char **ret_reason);

/* Never blocks; what the manager does not take is lost. */
void notify_ready(struct notify *notify);
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify); /* once */
void notify_watchdog(struct notify *notify);

/* Only when it is not what was told last. */
void notify_status(struct notify *notify, const char *status);

#endif
