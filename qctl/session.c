/* SPDX-License-Identifier: MIT */
#include "qctl/session.h"

#include "qctl/say.h"
#include "sys/clock.h"
#include "sys/socket.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 50

void
session_pause(void)
{
	struct timespec pause = { 0, PAUSE_MS * 1000000L };
	nanosleep(&pause, NULL);
}

int64_t
session_left_ms(const struct command *command)
{
	if (command->deadline_ms == GSQ_NO_TIMEOUT)
		return GSQ_NO_TIMEOUT;
	int64_t left_ms = command->deadline_ms - clock_monotonic_ms();
	return left_ms > 0 ? left_ms : 0;
}

static int
say_unreachable(const struct command *command, const char *why)
{
	char hint[PATH_MAX * 2 + 8];
	place_start_hint(&command->place, hint, sizeof(hint));
	say("%s; start gsq with: %s", why, hint);
	return EXIT_UNREACHABLE;
}

int
session_failed(const struct command *command, enum socket_of socket_of,
    enum gsq_status status)
{
	const struct gsq *gsq = command->sockets[socket_of];
	const char *why = gsq_error(gsq);
	switch (status) {
	case GSQ_UNREACHABLE:
		return say_unreachable(command, why);
	case GSQ_REFUSED:
		say("%s", why);
		return exit_status_of(gsq_refusal(gsq));
	case GSQ_NOT_PERMITTED:
		say("%s; it is for root and the user that gsq runs as", why);
		return EXIT_NOT_PERMITTED;
	case GSQ_OK:
	case GSQ_BROKEN:
	case GSQ_TIMEOUT:
	case GSQ_BAD_ANSWER:
	case GSQ_NO_MEMORY:
		break;
	}
	say("%s", why);
	return status == GSQ_TIMEOUT  ? EXIT_TIMED_OUT
	    : status == GSQ_NO_MEMORY ? EXIT_SYSTEM
				      : EXIT_UNREACHABLE;
}

/* Where nobody said which gsq is meant, somebody else may have been there
 * first, and would be given the jobs. */
static int
check_owner(const struct command *command, struct gsq **gsq)
{
	struct credentials owner = { .uid = (uid_t)-1 }; /* nobody's */
	if (command->place.is_said)
		return EXIT_DONE;
	if (socket_credentials(gsq_poll_fd(*gsq), &owner) == 0 &&
	    (owner.uid == 0 || owner.uid == geteuid()))
		return EXIT_DONE;
	say("the gsq in %s belongs to uid %d, not to you; if it is the one you "
	    "mean, say so: -s %s",
	    command->place.directory, (int)owner.uid, command->place.directory);
	gsq_free(*gsq);
	*gsq = NULL;
	return EXIT_NOT_PERMITTED;
}

int
session_connect(struct command *command, enum socket_of socket_of)
{
	const char *const paths[SOCKET_COUNT] = {
		[SOCKET_OF_QUEUE] = command->place.queue_socket,
		[SOCKET_OF_SUPERVISOR] = command->place.control_socket,
	};
	struct gsq **gsq = &command->sockets[socket_of];
	if (*gsq != NULL && gsq_poll_fd(*gsq) >= 0)
		return EXIT_DONE;
	if (*gsq == NULL)
		*gsq = gsq_new();
	if (*gsq == NULL)
		out_of_memory();
	enum gsq_status status =
	    gsq_connect(*gsq, paths[socket_of], session_left_ms(command));
	if (status == GSQ_OK)
		return check_owner(command, gsq);
	return session_failed(command, socket_of, status);
}

int
session_call(struct command *command, enum method method,
    const struct gsq_field *fields, size_t field_count,
    const msgpack_object **ret_result)
{
	enum socket_of socket_of =
	    method_server(method) == METHOD_SERVER_SUPERVISOR
	    ? SOCKET_OF_SUPERVISOR
	    : SOCKET_OF_QUEUE;
	int failed = session_connect(command, socket_of);
	if (failed != EXIT_DONE)
		return failed;
	enum gsq_status status =
	    gsq_call(command->sockets[socket_of], method_name(method), fields,
		field_count, session_left_ms(command), ret_result);
	if (status == GSQ_OK)
		return EXIT_DONE;
	return session_failed(command, socket_of, status);
}

void
session_close(struct command *command)
{
	for (unsigned i = 0; i < SOCKET_COUNT; i++) {
		gsq_free(command->sockets[i]);
		command->sockets[i] = NULL;
	}
}
