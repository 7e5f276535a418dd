/* SPDX-License-Identifier: MIT */
#include "sys/configuration_text.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 16384u
#define DEPTH_MAX  16

/* ---- reading ---- */

static int
read_all(int fd, struct buffer *buffer)
{
	while (buffer_count(buffer) <= CONFIGURATION_BYTES_MAX) {
		char *room = buffer_reserve(buffer, READ_BYTES);
		if (room == NULL)
			return ENOMEM;
		ssize_t got = read(fd, room, READ_BYTES);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return errno;
		if (got > 0)
			buffer_added(buffer, (size_t)got);
	}
	return EFBIG;
}

static int
read_file(const char *path, struct buffer *buffer)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	int error = fstat(fd, &status) != 0 ? errno
	    : S_ISDIR(status.st_mode)	    ? EISDIR
					    : read_all(fd, buffer);
	close(fd);
	return error;
}

/* ---- comments ---- */

/* Walks over the text as libconfuse does. */
struct walk {
	char *at;
	char *end;
	int line;
	int depth;
	int open_lines[DEPTH_MAX];
};

static bool
stands_at(const struct walk *walk, const char *what)
{
	size_t count = strlen(what);
	return (size_t)(walk->end - walk->at) >= count &&
	    memcmp(walk->at, what, count) == 0;
}

static void
step(struct walk *walk)
{
	walk->line += *walk->at == '\n';
	walk->at++;
}

static void
blank(struct walk *walk)
{
	if (*walk->at != '\n')
		*walk->at = ' ';
	step(walk);
}

static void
blank_line(struct walk *walk)
{
	while (walk->at < walk->end && *walk->at != '\n')
		blank(walk);
}

static void
blank_block(struct walk *walk)
{
	blank(walk);
	blank(walk);
	while (walk->at < walk->end && !stands_at(walk, "*/"))
		blank(walk);
	for (int i = 0; i < 2 && walk->at < walk->end; i++)
		blank(walk);
}

/* In both kinds of quotes a backslash keeps the next byte from ending it. */
static void
skip_quoted(struct walk *walk)
{
	char quote = *walk->at;
	step(walk);
	while (walk->at < walk->end && *walk->at != quote) {
		if (*walk->at == '\\' && walk->at + 1 < walk->end)
			step(walk);
		step(walk);
	}
	if (walk->at < walk->end)
		step(walk);
}

/* "//" inside of a bare word, as in http://host, is no comment. */
static void
skip_word(struct walk *walk)
{
	while (walk->at < walk->end &&
	    strchr(" #\"'\t\n\r={}()+,*", *walk->at) == NULL)
		step(walk);
}

static void
note_brace(struct walk *walk)
{
	if (*walk->at == '{' && walk->depth < DEPTH_MAX)
		walk->open_lines[walk->depth] = walk->line;
	if (*walk->at == '{')
		walk->depth++;
	else if (walk->depth > 0)
		walk->depth--;
	step(walk);
}

static void
walk_one(struct walk *walk)
{
	char byte = *walk->at;
	if (byte == '#' || stands_at(walk, "//"))
		blank_line(walk);
	else if (stands_at(walk, "/*"))
		blank_block(walk);
	else if (byte == '"' || byte == '\'')
		skip_quoted(walk);
	else if (byte == '{' || byte == '}')
		note_brace(walk);
	else if (strchr(" \t\n\r=()+,*", byte) != NULL)
		step(walk);
	else
		skip_word(walk);
}

static void
blank_comments(struct configuration_text *text)
{
	struct walk walk = {
		.at = text->bytes, .end = text->bytes + text->count, .line = 1
	};
	while (walk.at < walk.end)
		walk_one(&walk);
	text->open_line = walk.depth == 0 ? 0
	    : walk.depth <= DEPTH_MAX	  ? walk.open_lines[walk.depth - 1]
					  : walk.line;
}

/* ---- life ---- */

const char *
configuration_text_read(struct configuration_text *text, const char *path)
{
	struct buffer buffer = { 0 };
	*text = (struct configuration_text){ 0 };
	int error = read_file(path, &buffer);
	text->bytes = buffer.bytes; /* nothing was consumed: start is 0 */
	text->count = buffer_count(&buffer);
	errno = error;
	if (error != 0)
		return error == EFBIG ? "larger than 1 MiB"
				      : strerrordesc_np(error);
	if (text->count > 0 && memchr(text->bytes, '\0', text->count) != NULL)
		return "not a text: it contains a NUL byte";
	blank_comments(text);
	return NULL;
}

void
configuration_text_release(struct configuration_text *text)
{
	struct buffer buffer = { .bytes = text->bytes };
	buffer_release(&buffer);
	*text = (struct configuration_text){ 0 };
}
