/* SPDX-License-Identifier: MIT */
#include "client/stream.h"

#include "sys/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)

bool
stream_init(struct stream *stream)
{
	*stream = (struct stream){ .fd = -1 };
	scanner_init(&stream->scanner, MESSAGE_BYTES_MAX);
	return msgpack_zone_init(&stream->zone, MSGPACK_ZONE_CHUNK_SIZE);
}

void
stream_set(struct stream *stream, int fd)
{
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = fd;
	buffer_release(&stream->input);
	buffer_release(&stream->output);
	scanner_init(&stream->scanner, MESSAGE_BYTES_MAX);
	stream->given = 0;
	stream->deaf = false;
	stream->reason = NULL;
}

void
stream_release(struct stream *stream)
{
	stream_set(stream, -1);
	msgpack_zone_destroy(&stream->zone);
}

short
stream_poll_events(const struct stream *stream)
{
	return buffer_count(&stream->output) > 0 ? POLLIN | POLLOUT : POLLIN;
}

/* A side that takes nothing any more may still have said why. */
static void
write_output(struct stream *stream)
{
	struct buffer *output = &stream->output;
	while (!stream->deaf && buffer_count(output) > 0) {
		ssize_t count = send(stream->fd, buffer_front(output),
		    buffer_count(output), MSG_NOSIGNAL);
		if (count >= 0)
			buffer_consume(output, (size_t)count);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			stream->deaf = true;
	}
	if (stream->deaf)
		buffer_release(output);
}

static enum stream_status
give_up(struct stream *stream, enum stream_status status, const char *reason)
{
	stream_set(stream, -1);
	stream->reason = reason;
	return status;
}

static void
forget_given(struct stream *stream)
{
	if (stream->given == 0)
		return;
	buffer_consume(&stream->input, stream->given);
	stream->given = 0;
}

/* STREAM_LATE when the input holds no whole message. */
static enum stream_status
take_message(struct stream *stream, struct message *ret_message)
{
	struct buffer *input = &stream->input;
	if (buffer_count(input) == 0)
		return STREAM_LATE;
	enum scan scan = scanner_feed(
	    &stream->scanner, buffer_front(input), buffer_count(input));
	if (scan == SCAN_MORE)
		return STREAM_LATE;
	if (scan == SCAN_BAD)
		return give_up(stream, STREAM_BAD, stream->scanner.reason);
	const char *reason = message_decode(ret_message, &stream->zone,
	    buffer_front(input), stream->scanner.offset);
	if (reason != NULL)
		return give_up(stream, STREAM_BAD, reason);
	stream->given = stream->scanner.offset;
	scanner_init(&stream->scanner, MESSAGE_BYTES_MAX);
	return STREAM_MESSAGE;
}

/* STREAM_MESSAGE stands for: bytes came, look again. */
static enum stream_status
read_input(struct stream *stream)
{
	char *room = buffer_reserve(&stream->input, READ_BYTES);
	if (room == NULL)
		return STREAM_NO_MEMORY;
	ssize_t count;
	do
		count = read(stream->fd, room, READ_BYTES);
	while (count < 0 && errno == EINTR);
	if (count > 0) {
		buffer_added(&stream->input, (size_t)count);
		return STREAM_MESSAGE;
	}
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return STREAM_LATE;
	return give_up(stream, STREAM_ENDED,
	    count == 0 ? "the other side closed it" : strerror(errno));
}

static int
poll_timeout_ms(int64_t deadline_ms)
{
	if (deadline_ms == STREAM_NO_DEADLINE)
		return -1;
	int64_t left_ms = deadline_ms - clock_monotonic_ms();
	if (left_ms <= 0)
		return 0;
	return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* False when the deadline came first. A signal ends no wait. */
static bool
wait_ready(const struct stream *stream, int64_t deadline_ms)
{
	struct pollfd waited = { stream->fd, stream_poll_events(stream), 0 };
	for (;;) {
		int count = poll(&waited, 1, poll_timeout_ms(deadline_ms));
		if (count > 0)
			return true;
		if (count < 0 && errno != EINTR)
			return false;
		if (poll_timeout_ms(deadline_ms) == 0)
			return false;
	}
}

enum stream_status
stream_receive(
    struct stream *stream, int64_t deadline_ms, struct message *ret_message)
{
	forget_given(stream);
	for (;;) {
		enum stream_status status = take_message(stream, ret_message);
		if (status != STREAM_LATE)
			return status;
		if (stream->fd < 0)
			return STREAM_ENDED;
		write_output(stream);
		status = read_input(stream);
		if (status == STREAM_LATE && !wait_ready(stream, deadline_ms))
			return STREAM_LATE;
		if (status != STREAM_LATE && status != STREAM_MESSAGE)
			return status;
	}
}
