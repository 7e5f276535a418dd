/* SPDX-License-Identifier: MIT */
/*
 * Where the bodies of jobs come from: the words of the command line, the lines
 * of a descriptor, or all that a descriptor has. Lines are handed out as they
 * come, from a buffer that holds little more than what one read brought.
 */
#ifndef GSQ_QCTL_INPUT_H
#define GSQ_QCTL_INPUT_H

#include "base/buffer.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum input_next {
	INPUT_BODY, /* here is one */
	INPUT_MORE, /* input_read must bring more bytes first */
	INPUT_END,
	INPUT_TOO_BIG /* the next one is bigger than a body may be; it stays */
};

struct input {
	char *const *words; /* NULL: the descriptor */
	int word_count;
	int fd;		  /* not owned */
	bool whole;	  /* all bytes are one body */
	size_t bytes_max; /* of a line, or body */
	bool ended;
	bool given_whole;
	struct buffer buffer;
	size_t searched; /* bytes in which there is no end of a line */
	size_t given;	 /* bytes handed out since the last read */
	uint64_t bytes_read;
};

void input_init_words(struct input *input, char *const *words, int count);
void input_init_lines(struct input *input, int fd);
void input_init_whole(struct input *input, int fd);
void input_release(struct input *input);

/* Lines may be so long, instead of as a body may. */
void input_allow(struct input *input, size_t bytes_max);

/* The next body, good until input_read. */
enum input_next input_next(struct input *input, struct span *ret_body);

/* Reads once; blocks when the descriptor does. 0, EINTR or another errno. */
int input_read(struct input *input);

#endif
