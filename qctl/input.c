/* SPDX-License-Identifier: MIT */
#include "qctl/input.h"

#include "base/limits.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (64u * 1024)

void
input_init_words(struct input *input, char *const *words, int count)
{
	*input = (struct input){
		.words = words, .word_count = count, .bytes_max = BODY_BYTES_MAX
	};
}

void
input_init_lines(struct input *input, int fd)
{
	*input = (struct input){ .fd = fd, .bytes_max = BODY_BYTES_MAX };
}

void
input_init_whole(struct input *input, int fd)
{
	*input = (struct input){
		.fd = fd, .whole = true, .bytes_max = BODY_BYTES_MAX
	};
}

void
input_allow(struct input *input, size_t bytes_max)
{
	input->bytes_max = bytes_max;
}

void
input_release(struct input *input)
{
	buffer_release(&input->buffer);
}

static enum input_next
next_word(struct input *input, struct span *ret_body)
{
	if (input->word_count == 0)
		return INPUT_END;
	struct span word = span_of(input->words[0]);
	if (word.count > input->bytes_max)
		return INPUT_TOO_BIG;
	*ret_body = word;
	input->words++;
	input->word_count--;
	return INPUT_BODY;
}

/* What has been read and not handed out. */
static struct span
rest_of(const struct input *input)
{
	size_t count = buffer_count(&input->buffer) - input->given;
	if (count == 0)
		return SPAN_LITERAL("");
	return (
	    struct span){ buffer_front(&input->buffer) + input->given, count };
}

static enum input_next
next_whole(struct input *input, struct span *ret_body)
{
	struct span rest = rest_of(input);
	if (rest.count > input->bytes_max)
		return INPUT_TOO_BIG;
	if (!input->ended)
		return INPUT_MORE;
	if (input->given_whole)
		return INPUT_END;
	input->given_whole = true;
	input->given += rest.count;
	*ret_body = rest;
	return INPUT_BODY;
}

/* The last line may lack its end. */
static enum input_next
next_line(struct input *input, struct span *ret_body)
{
	struct span rest = rest_of(input);
	const char *from = rest.bytes + input->searched;
	const char *end = memchr(from, '\n', rest.count - input->searched);
	size_t count = end != NULL ? (size_t)(end - rest.bytes) : rest.count;
	if (count > input->bytes_max)
		return INPUT_TOO_BIG;
	if (end == NULL && !input->ended) {
		input->searched = rest.count;
		return INPUT_MORE;
	}
	if (rest.count == 0)
		return INPUT_END;
	input->searched = 0;
	input->given += count + (end != NULL ? 1 : 0);
	*ret_body = (struct span){ rest.bytes, count };
	return INPUT_BODY;
}

enum input_next
input_next(struct input *input, struct span *ret_body)
{
	if (input->words != NULL)
		return next_word(input, ret_body);
	return input->whole ? next_whole(input, ret_body)
			    : next_line(input, ret_body);
}

int
input_read(struct input *input)
{
	buffer_consume(&input->buffer, input->given);
	input->given = 0;
	char *room = buffer_reserve(&input->buffer, READ_BYTES);
	if (room == NULL)
		return ENOMEM;
	ssize_t count = read(input->fd, room, READ_BYTES);
	if (count < 0)
		return errno;
	buffer_added(&input->buffer, (size_t)count);
	input->bytes_read += (uint64_t)count;
	input->ended = count == 0;
	return 0;
}
