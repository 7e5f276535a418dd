/* SPDX-License-Identifier: MIT */
#include "client/gsq.h"

#include "base/units.h"
#include "base/utf8.h"
#include "client/stream.h"
#include "sys/clock.h"
#include "sys/socket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ERROR_BYTES_MAX 512

/* Between two attempts to get into a full backlog. */
#define CONNECT_PAUSE_MS 5

/* The server answers with this msgid what it could not even read. */
#define UNREADABLE_MSGID 0

struct gsq {
	struct stream stream;
	struct message message; /* given out by gsq_receive */
	uint64_t last_msgid;
	enum refusal refusal;
	int64_t retry_after_ms;
	char error[ERROR_BYTES_MAX];
};

/* ---- life ---- */

struct gsq *
gsq_new(void)
{
	struct gsq *gsq = calloc(1, sizeof(*gsq));
	if (gsq == NULL)
		return NULL;
	if (stream_init(&gsq->stream))
		return gsq;
	free(gsq);
	return NULL;
}

void
gsq_free(struct gsq *gsq)
{
	if (gsq == NULL)
		return;
	stream_release(&gsq->stream);
	free(gsq);
}

const char *
gsq_error(const struct gsq *gsq)
{
	return gsq->error;
}

enum refusal
gsq_refusal(const struct gsq *gsq)
{
	return gsq->refusal;
}

int64_t
gsq_retry_after_ms(const struct gsq *gsq)
{
	return gsq->retry_after_ms;
}

int
gsq_poll_fd(const struct gsq *gsq)
{
	return gsq->stream.fd;
}

short
gsq_poll_events(const struct gsq *gsq)
{
	return stream_poll_events(&gsq->stream);
}

static enum gsq_status __attribute__((format(printf, 3, 4)))
fail(struct gsq *gsq, enum gsq_status status, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(gsq->error, sizeof(gsq->error), format, arguments);
	va_end(arguments);
	gsq->refusal = REFUSAL_NONE;
	gsq->retry_after_ms = 0;
	return status;
}

static enum gsq_status
fail_memory(struct gsq *gsq)
{
	return fail(gsq, GSQ_NO_MEMORY, "out of memory");
}

static int64_t
deadline_of(int64_t timeout_ms)
{
	if (timeout_ms < 0)
		return STREAM_NO_DEADLINE;
	return clock_monotonic_ms() + timeout_ms;
}

static bool
is_over(int64_t deadline_ms)
{
	return deadline_ms != STREAM_NO_DEADLINE &&
	    clock_monotonic_ms() >= deadline_ms;
}

static void
pause_before_retry(void)
{
	struct timespec pause = { 0, CONNECT_PAUSE_MS * 1000000L };
	nanosleep(&pause, NULL);
}

static enum gsq_status
explain_connect(struct gsq *gsq, const char *path, int error)
{
	if (error == EAGAIN)
		return fail(gsq, GSQ_TIMEOUT,
		    "no room among those who connect to '%s'", path);
	return fail(gsq,
	    error == EACCES || error == EPERM ? GSQ_NOT_PERMITTED
					      : GSQ_UNREACHABLE,
	    "cannot connect to '%s': %s", path, strerror(error));
}

enum gsq_status
gsq_connect(struct gsq *gsq, const char *path, int64_t timeout_ms)
{
	int64_t deadline_ms = deadline_of(timeout_ms);
	stream_set(&gsq->stream, -1);
	int fd;
	while ((fd = socket_connect(path)) == -EAGAIN && !is_over(deadline_ms))
		pause_before_retry();
	if (fd < 0)
		return explain_connect(gsq, path, -fd);
	stream_set(&gsq->stream, fd);
	return GSQ_OK;
}

/* ---- requests ---- */

static void
put_bodies(struct message_writer *writer, const struct gsq_field *field)
{
	put_array(writer, (uint32_t)field->body_count);
	for (size_t i = 0; i < field->body_count; i++)
		if (field->bodies[i].bytes != NULL)
			put_bytes(writer, field->bodies[i]);
		else
			put_nil(writer);
}

static void
put_field(struct message_writer *writer, const struct gsq_field *field)
{
	put_key(writer, field->key);
	switch (field->kind) {
	case GSQ_TEXT:
		/* Text may come as bin, and a str would not keep all bytes. */
		if (utf8_is_valid(field->span))
			put_text(writer, field->span);
		else
			put_bytes(writer, field->span);
		return;
	case GSQ_BYTES:
		put_bytes(writer, field->span);
		return;
	case GSQ_INTEGER:
		put_integer(writer, field->integer);
		return;
	case GSQ_BOOLEAN:
		put_boolean(writer, field->integer != 0);
		return;
	case GSQ_BODIES:
		put_bodies(writer, field);
		return;
	case GSQ_ABSENT:
		put_nil(writer);
		return;
	}
}

static uint32_t
count_present(const struct gsq_field *fields, size_t field_count)
{
	uint32_t present = 0;
	for (size_t i = 0; i < field_count; i++)
		present += fields[i].kind != GSQ_ABSENT;
	return present;
}

enum gsq_status
gsq_request(struct gsq *gsq, const char *method, const struct gsq_field *fields,
    size_t field_count, uint64_t *ret_msgid)
{
	struct message_writer writer;
	if (gsq->stream.fd < 0)
		return fail(gsq, GSQ_BROKEN, "there is no connection to gsq");
	message_request(&writer, &gsq->stream.output, gsq->last_msgid + 1,
	    span_of(method), count_present(fields, field_count));
	for (size_t i = 0; i < field_count; i++)
		if (fields[i].kind != GSQ_ABSENT)
			put_field(&writer, &fields[i]);
	if (message_end(&writer) != 0)
		return fail_memory(gsq);
	*ret_msgid = ++gsq->last_msgid;
	return GSQ_OK;
}

/* ---- answers ---- */

static enum gsq_status
receive(struct gsq *gsq, int64_t deadline_ms)
{
	switch (stream_receive(&gsq->stream, deadline_ms, &gsq->message)) {
	case STREAM_MESSAGE:
		return GSQ_OK;
	case STREAM_LATE:
		return fail(gsq, GSQ_TIMEOUT, "no answer from gsq in time");
	case STREAM_ENDED:
		return fail(gsq, GSQ_BROKEN, "the connection to gsq ended: %s",
		    gsq->stream.reason != NULL ? gsq->stream.reason
					       : "it was never made");
	case STREAM_BAD:
		return fail(gsq, GSQ_BAD_ANSWER,
		    "what answers there does not speak gsq's protocol: %s",
		    gsq->stream.reason);
	case STREAM_NO_MEMORY:
		return fail_memory(gsq);
	}
	return GSQ_BAD_ANSWER;
}

enum gsq_status
gsq_receive(
    struct gsq *gsq, int64_t timeout_ms, const struct message **ret_message)
{
	enum gsq_status status = receive(gsq, deadline_of(timeout_ms));
	if (status == GSQ_OK)
		*ret_message = &gsq->message;
	return status;
}

/* An error is [code, "NAME: text"]; others are shown as far as they are
 * text. */
static struct span
error_text(const msgpack_object *error)
{
	struct span text;
	if (error->type == MSGPACK_OBJECT_ARRAY && error->via.array.size > 0)
		error = &error->via.array.ptr[error->via.array.size - 1];
	if (object_span(error, &text) && text.count > 0 && *text.bytes != '\0')
		return text;
	return SPAN_LITERAL("an error without words");
}

enum gsq_status
gsq_check(struct gsq *gsq, const struct message *message)
{
	if (message->kind != MESSAGE_RESPONSE || message->error == NULL)
		return GSQ_OK;
	struct span text = error_text(message->error);
	size_t count = text.count < sizeof(gsq->error) - 1
	    ? text.count
	    : sizeof(gsq->error) - 1;
	memcpy(gsq->error, text.bytes, count);
	gsq->error[count] = '\0';
	gsq->refusal = refusal_of_text(text);
	gsq->retry_after_ms = 0;
	object_integer(map_find(message->result, "retry_after_ms"), 0,
	    DURATION_MS_MAX, &gsq->retry_after_ms);
	return GSQ_REFUSED;
}

static bool
is_answer_to(const struct message *message, uint64_t msgid)
{
	if (message->kind != MESSAGE_RESPONSE)
		return false;
	return message->msgid == msgid ||
	    (message->msgid == UNREADABLE_MSGID && message->error != NULL);
}

static enum gsq_status
wait_for_answer(struct gsq *gsq, uint64_t msgid, int64_t deadline_ms)
{
	enum gsq_status status;
	while ((status = receive(gsq, deadline_ms)) == GSQ_OK) {
		if (is_answer_to(&gsq->message, msgid))
			return GSQ_OK;
		/* A flood of others must not keep us beyond the time. */
		if (is_over(deadline_ms))
			return fail(
			    gsq, GSQ_TIMEOUT, "no answer from gsq in time");
	}
	return status;
}

enum gsq_status
gsq_call(struct gsq *gsq, const char *method, const struct gsq_field *fields,
    size_t field_count, int64_t timeout_ms, const msgpack_object **ret_result)
{
	uint64_t msgid;
	enum gsq_status status =
	    gsq_request(gsq, method, fields, field_count, &msgid);
	if (status == GSQ_OK)
		status = wait_for_answer(gsq, msgid, deadline_of(timeout_ms));
	if (status == GSQ_OK)
		status = gsq_check(gsq, &gsq->message);
	if (status == GSQ_OK)
		*ret_result = gsq->message.result;
	return status;
}
