/* SPDX-License-Identifier: MIT */
#include "worker/handler.h"

#include "sys/log.h"
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)

/* What is read after its end: a pipe holds no more than this many reads unless
 * somebody goes on writing who should be dead. */
#define LAST_READS_MAX 32

/* Room in a line of the log for what stands around a quoted text. */
#define QUOTE_BYTES_MAX (LOG_LINE_BYTES_MAX - 256)

static const char *const stream_names[HANDLER_STREAMS] = {
	[HANDLER_STDOUT] = "stdout",
	[HANDLER_STDERR] = "stderr",
};

/* ---- output ---- */

static void
on_line(void *context, struct span text, bool cut)
{
	const struct handler_pipe *pipe = context;
	const struct handler *handler = pipe->handler;
	log_event(LOG_INFO, "output", "job=%" PRIu64 " stream=%s%s text=%s",
	    handler->job, stream_names[pipe - handler->pipes],
	    cut ? " cut=yes" : "", log_quote(text, QUOTE_BYTES_MAX));
}

static void
on_full(void *context)
{
	const struct handler_pipe *pipe = context;
	log_event(LOG_WARNING, "output-full",
	    "job=%" PRIu64 " bytes=%u hint=\"what follows is not logged\"",
	    pipe->handler->job, OUTPUT_JOB_BYTES_MAX);
}

static const struct output_events output_events = {
	.on_line = on_line,
	.on_full = on_full,
};

static void
close_pipe(struct handler_pipe *pipe)
{
	if (pipe->fd < 0)
		return;
	event_del(&pipe->event);
	close(pipe->fd);
	pipe->fd = -1;
	output_end(&pipe->lines);
}

static void
feed(struct handler_pipe *pipe, const char *bytes, size_t count)
{
	struct handler *handler = pipe->handler;
	if (pipe == &handler->pipes[HANDLER_STDERR])
		output_head_feed(&handler->errors, bytes, count);
	output_feed(&pipe->lines, bytes, count);
}

/* False when there is nothing more for now, or for ever. */
static bool
read_pipe(struct handler_pipe *pipe)
{
	static char bytes[READ_BYTES]; /* nothing of it is kept */
	ssize_t got = read(pipe->fd, bytes, sizeof(bytes));
	if (got > 0) {
		feed(pipe, bytes, (size_t)got);
		return true;
	}
	if (got < 0 && errno == EINTR)
		return true;
	if (got == 0 || errno != EAGAIN)
		close_pipe(pipe);
	return false;
}

static void
on_output(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	read_pipe(context);
}

/* ---- input ---- */

static int
write_all(int fd, struct span body)
{
	while (body.count > 0) {
		ssize_t put = write(fd, body.bytes, body.count);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		body.bytes += put;
		body.count -= (size_t)put;
	}
	return lseek(fd, 0, SEEK_SET) == 0 ? 0 : errno;
}

/* The whole body, in memory, before there is a handler to read it. A pipe ends
 * when the worker dies, and for a moment, until it dies of that too, a handler
 * would take half a body for a whole one. */
static int
make_input(struct span body, int *ret_fd)
{
	int fd = memfd_create("body", MFD_CLOEXEC);
	if (fd < 0)
		return errno;
	int error = write_all(fd, body);
	if (error != 0)
		close(fd);
	else
		*ret_fd = fd;
	return error;
}

/* ---- life ---- */

/* The handler's standard descriptors, and our ends of its output. */
struct ends {
	int theirs[1 + HANDLER_STREAMS];
	int ours[1 + HANDLER_STREAMS]; /* -1 for the input */
};

static void
close_ends(int *fds)
{
	for (int i = 0; i < 1 + HANDLER_STREAMS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Only our end does not block: a program expects that its own does. */
static int
open_ends(struct ends *ends, struct span body)
{
	memset(ends, -1, sizeof(*ends));
	int error = make_input(body, &ends->theirs[STDIN_FILENO]);
	if (error != 0)
		return error;
	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		int both[2];
		if (pipe2(both, O_CLOEXEC) != 0)
			return errno;
		ends->ours[i] = both[0];
		ends->theirs[i] = both[1];
		if (fcntl(ends->ours[i], F_SETFL, O_NONBLOCK) != 0)
			return errno;
	}
	return 0;
}

static pid_t
start_process(const struct handler_command *command, const struct ends *ends)
{
	static struct log_limit told = { .event = "confinement" };
	const char *step = NULL;
	const struct spawn spawn = { .path = command->argv[0],
		.argv = command->argv,
		.environment = command->environment,
		.input_fd = ends->theirs[STDIN_FILENO],
		.output_fd = ends->theirs[STDOUT_FILENO],
		.error_fd = ends->theirs[STDERR_FILENO],
		.death_signal = SIGKILL,
		.new_session = true,
		.confinement = command->confinement,
		.ret_step = &step };
	pid_t pid = spawn_process(&spawn);
	if (pid < 0 && step != NULL && log_allows(&told))
		log_event(LOG_WARNING, "confinement",
		    "what=%s error=\"%s\" hint=\"the handler cannot have what "
		    "its pool says\"",
		    step, strerror((int)-pid));
	return pid;
}

/* A stream that cannot be watched is closed; the handler then sees EPIPE, which
 * is better than to wait for a reader for ever. */
static void
watch(struct handler *handler, struct event_base *base, enum handler_stream i,
    int fd)
{
	struct handler_pipe *pipe = &handler->pipes[i];
	pipe->handler = handler;
	pipe->fd = fd;
	output_stream_init(
	    &pipe->lines, &handler->output, &output_events, pipe);
	event_assign(
	    &pipe->event, base, fd, EV_READ | EV_PERSIST, on_output, pipe);
	if (event_add(&pipe->event, NULL) != 0)
		close_pipe(pipe);
}

int
handler_start(struct handler *handler, struct event_base *base,
    const struct handler_command *command, uint64_t job, struct span body)
{
	struct ends ends;
	int error = open_ends(&ends, body);
	pid_t pid = error == 0 ? start_process(command, &ends) : -error;
	close_ends(ends.theirs);
	if (pid < 0) {
		close_ends(ends.ours);
		return (int)-pid;
	}
	handler->job = job;
	handler->pid = pid;
	output_init(&handler->output);
	handler->errors.count = 0;
	watch(handler, base, HANDLER_STDOUT, ends.ours[STDOUT_FILENO]);
	watch(handler, base, HANDLER_STDERR, ends.ours[STDERR_FILENO]);
	return 0;
}

void
handler_signal(const struct handler *handler, int signal)
{
	if (handler->pid == 0)
		return;
	kill(-handler->pid, signal);
	if (signal != SIGKILL)
		kill(-handler->pid, SIGCONT);
}

void
handler_reaped(struct handler *handler)
{
	handler->pid = 0;
}

void
handler_close(struct handler *handler)
{
	if (handler->job == 0)
		return;
	for (int i = 0; i < HANDLER_STREAMS; i++) {
		struct handler_pipe *pipe = &handler->pipes[i];
		for (int k = 0; k < LAST_READS_MAX && pipe->fd >= 0; k++)
			if (!read_pipe(pipe))
				break;
		close_pipe(pipe);
	}
	handler->job = 0;
}
