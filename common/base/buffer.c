/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include "base/check.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An empty buffer keeps this much, so that quiet connections stay cheap and
 * busy ones do not allocate for every message. */
#define CAPACITY_KEPT (64u * 1024)
#define CAPACITY_MIN  4096u

void
buffer_release(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){ 0 };
}

char *
buffer_reserve(struct buffer *buffer, size_t count)
{
	if (buffer->capacity - buffer->end >= count && buffer->bytes != NULL)
		return buffer->bytes + buffer->end;
	size_t used = buffer_count(buffer);
	/* Moving is worth it only when it frees as much as it copies, else a
	 * full buffer that is read in small bites would be copied each time. */
	if (buffer->start >= used && buffer->capacity - used >= count &&
	    buffer->bytes != NULL) {
		memmove(buffer->bytes, buffer_front(buffer), used);
		buffer->start = 0;
		buffer->end = used;
		return buffer->bytes + used;
	}
	size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_MIN;
	while (capacity - used < count) {
		if (capacity > SIZE_MAX / 2)
			return NULL;
		capacity *= 2;
	}
	char *bytes = malloc(capacity);
	if (bytes == NULL)
		return NULL;
	if (used > 0)
		memcpy(bytes, buffer_front(buffer), used);
	free(buffer->bytes);
	*buffer = (struct buffer){ bytes, 0, used, capacity };
	return bytes + used;
}

void
buffer_added(struct buffer *buffer, size_t count)
{
	CHECK(buffer->capacity - buffer->end >= count);
	buffer->end += count;
}

int
buffer_append(struct buffer *buffer, const void *bytes, size_t count)
{
	if (count == 0)
		return 0;
	char *room = buffer_reserve(buffer, count);
	if (room == NULL)
		return ENOMEM;
	memcpy(room, bytes, count);
	buffer->end += count;
	return 0;
}

void
buffer_consume(struct buffer *buffer, size_t count)
{
	CHECK(count <= buffer_count(buffer));
	buffer->start += count;
	if (buffer->start < buffer->end)
		return;
	buffer->start = buffer->end = 0;
	if (buffer->capacity > CAPACITY_KEPT)
		buffer_release(buffer);
}

void
buffer_truncate(struct buffer *buffer, size_t count)
{
	CHECK(count <= buffer_count(buffer));
	buffer->end = buffer->start + count;
}
