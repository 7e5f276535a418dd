/* SPDX-License-Identifier: MIT */
/*
 * A byte queue: bytes are appended behind and consumed in front. Grows as
 * needed; what may stand in it is bounded by those who fill it.
 */
#ifndef GSQ_BASE_BUFFER_H
#define GSQ_BASE_BUFFER_H

#include <stddef.h>

struct buffer {
	char *bytes;  /* owned */
	size_t start; /* first byte not consumed */
	size_t end;   /* behind the last byte */
	size_t capacity;
};

/* A zeroed struct is an empty buffer. */
void buffer_release(struct buffer *buffer);

static inline size_t
buffer_count(const struct buffer *buffer)
{
	return buffer->end - buffer->start;
}

static inline const char *
buffer_front(const struct buffer *buffer)
{
	/* Nothing may be added to NULL, not even 0. */
	return buffer->bytes == NULL ? NULL : buffer->bytes + buffer->start;
}

/* Room for at least that many bytes behind the end; NULL without memory. The
 * bytes count only after buffer_added. */
char *buffer_reserve(struct buffer *buffer, size_t count);
void buffer_added(struct buffer *buffer, size_t count);

/* 0, or ENOMEM with the buffer unchanged. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t count);

/* Forgets bytes in front; gives big unused memory back once it is empty. */
void buffer_consume(struct buffer *buffer, size_t count);

/* Forgets bytes at the end, back to that many in all: undoes a half-written
 * message. */
void buffer_truncate(struct buffer *buffer, size_t count);

#endif
