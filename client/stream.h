/* SPDX-License-Identifier: MIT */
/*
 * A connected socket as bytes out and whole messages in, each call with a
 * deadline. What the other side sends meets the boundary scanner first.
 */
#ifndef GSQ_CLIENT_STREAM_H
#define GSQ_CLIENT_STREAM_H

#include "base/buffer.h"
#include "wire/message.h"
#include "wire/scanner.h"

#include <stdbool.h>
#include <stdint.h>

#define STREAM_NO_DEADLINE (-1)

enum stream_status {
	STREAM_MESSAGE,
	STREAM_LATE,  /* the deadline came first */
	STREAM_ENDED, /* closed or broken by the other side */
	STREAM_BAD,   /* not the protocol */
	STREAM_NO_MEMORY
};

struct stream {
	int fd; /* owned; -1 when closed */
	struct buffer input;
	struct buffer output; /* append to it; stream_receive writes it */
	struct scanner scanner;
	msgpack_zone zone;
	size_t given;	    /* bytes of the message that was given out */
	bool deaf;	    /* the other side takes no more bytes */
	const char *reason; /* of STREAM_ENDED, STREAM_BAD */
};

/* False without memory. */
bool stream_init(struct stream *stream);
void stream_release(struct stream *stream);

/* Takes over a connected non-blocking socket, with empty buffers; -1 closes
 * the one before. */
void stream_set(struct stream *stream, int fd);

/*
 * The next message, borrowed until the next call. deadline_ms is on the
 * monotonic clock; one that has passed means: do not block.
 */
enum stream_status stream_receive(
    struct stream *stream, int64_t deadline_ms, struct message *ret_message);

/* What poll() should wait for before stream_receive is called. */
short stream_poll_events(const struct stream *stream);

#endif
