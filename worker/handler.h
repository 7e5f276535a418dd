/* SPDX-License-Identifier: MIT */
/*
 * One process that runs one job: its body goes to standard input, its output
 * line by line into the log. It leads a session of its own and dies with the
 * worker. Its end is the end of the process, never a closed pipe: who waits for
 * it calls handler_reaped, and handler_close once all that it started is dead.
 */
#ifndef GSQ_WORKER_HANDLER_H
#define GSQ_WORKER_HANDLER_H

#include "base/span.h"
#include "sys/confine.h"
#include "worker/output.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors that the worker needs for a handler; some more for a moment. */
#define HANDLER_FDS 2

enum handler_stream { HANDLER_STDOUT, HANDLER_STDERR, HANDLER_STREAMS };

struct handler;

struct handler_pipe {
	struct handler *handler;
	int fd; /* -1: closed */
	struct event event;
	struct output_stream lines;
};

/* A zeroed one has no process. */
struct handler {
	uint64_t job;
	pid_t pid; /* 0: none, or reaped */
	struct output output;
	struct output_head errors; /* of its stderr; whole once it is closed */
	struct handler_pipe pipes[HANDLER_STREAMS];
};

struct handler_command {
	char *const *argv; /* argv[0] is looked for in PATH */
	char *const *environment;
	const struct confinement *confinement;
};

/*
 * Starts it. The handler must stay in its place until handler_close. 0, or an
 * errno: what pipe, fork or exec said; then there is nothing to close.
 */
int handler_start(struct handler *handler, struct event_base *base,
    const struct handler_command *command, uint64_t job, struct span body);

/* Signals its process group; a stopped one goes on, to see it. */
void handler_signal(const struct handler *handler, int signal);

/* Its process has ended and was reaped. */
void handler_reaped(struct handler *handler);

/* Takes what is still in its pipes and closes them. May be called twice, and on
 * a zeroed one. */
void handler_close(struct handler *handler);

#endif
