/* SPDX-License-Identifier: MIT */
/*
 * A connection on the event loop: bytes in, whole messages out; messages in,
 * bytes out. Plain events and own buffers: measured, a bufferevent costs twice
 * the rest of the loop.
 *
 * Reading is fair: at most READ_BYTES_PER_TURN per readiness, and no more
 * messages than WORK_US_PER_TURN suffices for; the next turn goes on with the
 * rest, after the others had theirs. Writing is bounded: a peer that does not
 * read its answers (more than output_max bytes of them waiting) is not read
 * from either, until it has taken half of that.
 *
 * What is appended to the output becomes visible in two steps, because the
 * queue must not answer before its disk has: peer_release says up to where
 * bytes may go, peer_flush writes them. Others call peer_send for both.
 */
#ifndef GSQ_SYS_PEER_H
#define GSQ_SYS_PEER_H

#include "base/buffer.h"
#include "wire/message.h"
#include "wire/scanner.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct peer;

struct peer_events {
	/* One whole message; good during the call. The handler may append to
	 * peer->output, and may call peer_close. It must not run the loop. */
	void (*on_message)(struct peer *peer, const struct message *message);

	/* The connection is over: the other side closed it, broke it, or sent
	 * what cannot be read (then a refusal was sent where possible). Called
	 * once, never from inside of peer_flush or peer_send, never after
	 * peer_close. The socket is closed already. reason is for the log. The
	 * handler calls peer_release_memory and may free what contains the
	 * peer. */
	void (*on_gone)(struct peer *peer, const char *reason);

	/* All output was taken by the kernel after it had stood above
	 * output_max, or peer_want_drained. Called from the loop, at
	 * most once in a round of it. May be NULL. */
	void (*on_drained)(struct peer *peer);
};

/* Embedded in what it belongs to; the fields are for reading only, except
 * output (append), context and output_max. */
struct peer {
	int fd; /* owned; -1 when closed */
	void *context;
	const struct peer_events *events;
	struct buffer input;
	struct buffer output;
	size_t output_max; /* OUTPUT_BYTES_HIGH, unless the owner sets it
			    * before the loop runs */
	uint64_t
	    released; /* bytes at the front of output that may be written */
	bool reading;
	bool writing;
	bool unfinished; /* messages wait in the input for the next turn */
	bool was_high;	 /* on_drained is owed */
	bool broken;	 /* a write failed: on_gone follows from the loop */
	const char *broken_reason;
	int last_reads; /* after that */
	bool ended;	/* nothing more is read; on_gone follows when the
			 * output is written */
	const char *ended_reason;
	bool refusing;	   /* a refusal is still to be written before that */
	bool sent_rubbish; /* it ended because of what the other side sent */
	struct scanner scanner;
	struct event read_event;
	struct event write_event;
	struct event again_event;
};

/*
 * Takes over a connected, non-blocking socket and starts to read. priority is
 * the loop's (0 is served first). 0 or an errno; on error fd stays the
 * caller's.
 */
int peer_init(struct peer *peer, struct event_base *base, int priority, int fd,
    const struct peer_events *events, void *context);

/* Closes the socket and stops its events; on_gone is not called. Buffers stay
 * until peer_release_memory. May be called twice. */
void peer_close(struct peer *peer);

/* Frees the buffers of a closed peer. Its memory may be reused after that. Not
 * from within on_message. */
void peer_release_memory(struct peer *peer);

/* on_drained is to be called when the output is empty next. */
void peer_want_drained(struct peer *peer);

/* May more be appended before the other side has taken some? What is asked for
 * is not read when not; what is told unasked has to wait by itself. */
bool peer_has_room(const struct peer *peer);

/* Lets everything appended so far be written. */
void peer_release_all(struct peer *peer);

/* Lets that many more bytes be written; they must have been appended. After a
 * broken write and on a closed peer it does nothing: the output is gone. */
void peer_release(struct peer *peer, uint64_t bytes);

/* Writes what is released, as much as the socket takes; the loop does the
 * rest. */
void peer_flush(struct peer *peer);

/* peer_release_all and peer_flush. */
void peer_send(struct peer *peer);

#endif
