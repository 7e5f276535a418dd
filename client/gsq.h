/* SPDX-License-Identifier: MIT */
/*
 * libgsq: a client of gsq. One connection, blocking with a time limit, or, for
 * those with a loop of their own, never blocking at all.
 *
 *     struct gsq *gsq = gsq_new();
 *     const msgpack_object *result;
 *     struct gsq_field fields[] = { gsq_text("queue", "mail"),
 *         gsq_bytes("body", body) };
 *     if (gsq_connect(gsq, "/run/gsq/gsq.sock", 1000) != GSQ_OK ||
 *         gsq_call(gsq, "enqueue", fields, 2, 1000, &result) != GSQ_OK)
 *             fprintf(stderr, "%s\n", gsq_error(gsq));
 *     gsq_free(gsq);
 *
 * Requests may be pipelined: gsq_request as often as wanted, then gsq_receive
 * for each message that comes. The server is not trusted: no byte of it is
 * decoded before it is known to belong to a whole message within the limits.
 *
 * The results are looked into with map_find, object_span and object_integer
 * of wire/message.h. docs/PROTOCOL.md says what is in them.
 */
#ifndef GSQ_CLIENT_GSQ_H
#define GSQ_CLIENT_GSQ_H

#include "base/refusal.h"
#include "base/span.h"
#include "wire/message.h"

#include <stddef.h>
#include <stdint.h>

/* For every timeout_ms. */
#define GSQ_NO_TIMEOUT (-1)

enum gsq_status {
	GSQ_OK,
	GSQ_REFUSED,	   /* gsq answered with an error; gsq_refusal */
	GSQ_UNREACHABLE,   /* nobody listens there */
	GSQ_NOT_PERMITTED, /* the socket is not ours to use */
	GSQ_BROKEN,	   /* the connection is over: unanswered requests may
			    * have been carried out or not */
	GSQ_TIMEOUT,	   /* nothing came in time; the connection stays */
	GSQ_BAD_ANSWER,	   /* the other side does not speak the protocol; the
			    * connection is over */
	GSQ_NO_MEMORY
};

struct gsq;

/* NULL without memory. */
struct gsq *gsq_new(void);

/* Closes the connection too. NULL is good. */
void gsq_free(struct gsq *gsq);

/*
 * Connects to a socket; what was of a connection before is forgotten. Waits
 * for room when too many others connect. GSQ_OK, GSQ_UNREACHABLE,
 * GSQ_NOT_PERMITTED or GSQ_TIMEOUT.
 */
enum gsq_status gsq_connect(
    struct gsq *gsq, const char *path, int64_t timeout_ms);

/* Why the last call on it was not GSQ_OK, in words, one line when the server
 * sent one; bytes of the server stand in it as they came. Good until the next
 * call. */
const char *gsq_error(const struct gsq *gsq);

/* The name of the last refusal; REFUSAL_NONE when it is none that we know. */
enum refusal gsq_refusal(const struct gsq *gsq);

/* How long the last refusal, which was FULL, says to wait before it may help to
 * try again; 0: it does not say. */
int64_t gsq_retry_after_ms(const struct gsq *gsq);

/* ---- params ---- */

enum gsq_kind {
	GSQ_ABSENT,
	GSQ_TEXT,
	GSQ_BYTES,
	GSQ_INTEGER,
	GSQ_BOOLEAN,
	GSQ_BODIES
};

/* One key of a request's params; borrowed until gsq_request returns. */
struct gsq_field {
	const char *key;
	enum gsq_kind kind;
	struct span span;	   /* GSQ_TEXT, GSQ_BYTES */
	int64_t integer;	   /* GSQ_INTEGER, GSQ_BOOLEAN */
	const struct span *bodies; /* GSQ_BODIES */
	size_t body_count;
};

/* A text that is NULL is left out. */
static inline struct gsq_field
gsq_text(const char *key, const char *text)
{
	if (text == NULL)
		return (struct gsq_field){ .key = key, .kind = GSQ_ABSENT };
	return (struct gsq_field){
		.key = key, .kind = GSQ_TEXT, .span = span_of(text)
	};
}

static inline struct gsq_field
gsq_bytes(const char *key, struct span bytes)
{
	return (
	    struct gsq_field){ .key = key, .kind = GSQ_BYTES, .span = bytes };
}

static inline struct gsq_field
gsq_boolean(const char *key, bool value)
{
	return (struct gsq_field){
		.key = key, .kind = GSQ_BOOLEAN, .integer = value
	};
}

static inline struct gsq_field
gsq_integer(const char *key, int64_t value)
{
	return (struct gsq_field){
		.key = key, .kind = GSQ_INTEGER, .integer = value
	};
}

/* An array of bodies, or keys; one whose bytes are NULL is nil. */
static inline struct gsq_field
gsq_bodies(const char *key, const struct span *bodies, size_t count)
{
	return (struct gsq_field){
		.key = key,
		.kind = GSQ_BODIES,
		.bodies = bodies,
		.body_count = count,
	};
}

/* ---- one request, its answer ---- */

/*
 * Sends a request and waits for its answer. *ret_result, NULL for nil, is good
 * until the next call on this connection. Notifications, and answers to other
 * requests, that come meanwhile are dropped. After GSQ_TIMEOUT the answer may
 * still come and is dropped by the next gsq_call.
 */
enum gsq_status gsq_call(struct gsq *gsq, const char *method,
    const struct gsq_field *fields, size_t field_count, int64_t timeout_ms,
    const msgpack_object **ret_result);

/* ---- many requests, and what comes by itself ---- */

/*
 * Appends a request to what is to be written; gsq_receive writes it. GSQ_OK,
 * GSQ_NO_MEMORY, or GSQ_BROKEN when there is no connection.
 */
enum gsq_status gsq_request(struct gsq *gsq, const char *method,
    const struct gsq_field *fields, size_t field_count, uint64_t *ret_msgid);

/*
 * Writes what waits and takes the next message, whatever it is; good until
 * the next call on this connection. With timeout_ms 0 it never blocks. GSQ_OK,
 * GSQ_TIMEOUT, GSQ_BROKEN (after all that had arrived was given out),
 * GSQ_BAD_ANSWER or GSQ_NO_MEMORY.
 */
enum gsq_status gsq_receive(
    struct gsq *gsq, int64_t timeout_ms, const struct message **ret_message);

/* GSQ_REFUSED, with gsq_error and gsq_refusal set, when this response is an
 * error, else GSQ_OK. */
enum gsq_status gsq_check(struct gsq *gsq, const struct message *message);

/* For poll(): the descriptor, -1 without connection, and the events after
 * which gsq_receive has something to do. Ask gsq_receive with 0 first: whole
 * messages may be there already. */
int gsq_poll_fd(const struct gsq *gsq);
short gsq_poll_events(const struct gsq *gsq);

#endif
