/* SPDX-License-Identifier: MIT */
#include "queue/store_log_settings.h"

#include "queue/store_log_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEW_NAME SETTINGS_NAME ".new"

static const char title[] = "gsq settings 1\n";

#define TITLE_BYTES  (sizeof(title) - 1)
#define ENDING_BYTES (sizeof("checksum 0123456789abcdef\n") - 1)

/* Far more than the lines of all queues there may be. */
#define FILE_BYTES_MAX (4u * 1024 * 1024)

static void
print_ending(char *text, const char *bytes, size_t count)
{
	char room[ENDING_BYTES + 1];
	snprintf(room, sizeof(room), "checksum %016" PRIx64 "\n",
	    checksum_of(0, bytes, count));
	memcpy(text, room, ENDING_BYTES);
}

/* ---- reading ---- */

static int
read_file(struct io *io, char **ret_bytes, size_t *ret_count)
{
	int file;
	char *bytes = malloc(FILE_BYTES_MAX);
	if (bytes == NULL)
		return ENOMEM;
	int error = io->open(io, SETTINGS_NAME, false, &file);
	if (error == 0) {
		error = io_read(io, file, bytes, FILE_BYTES_MAX, 0, ret_count);
		io->close(io, file);
	}
	*ret_bytes = bytes;
	return error;
}

static bool
is_whole(const char *bytes, size_t count)
{
	char ending[ENDING_BYTES];
	if (count < TITLE_BYTES + ENDING_BYTES || count == FILE_BYTES_MAX ||
	    memcmp(bytes, title, TITLE_BYTES) != 0)
		return false;
	print_ending(ending, bytes, count - ENDING_BYTES);
	return memcmp(bytes + count - ENDING_BYTES, ending, ENDING_BYTES) == 0;
}

int
settings_read(
    struct io *io, struct buffer *lines, char *reason, size_t reason_bytes)
{
	char *bytes = NULL;
	size_t count = 0;
	int error = read_file(io, &bytes, &count);
	if (error == 0 && !is_whole(bytes, count)) {
		error = EBADMSG;
		snprintf(reason, reason_bytes,
		    "the file '" SETTINGS_NAME
		    "' of the store is damaged; once it is removed no queue "
		    "is paused or drained, until somebody says so again, and "
		    "numbers of events are given again");
	} else if (error == 0) {
		error = buffer_append(lines, bytes + TITLE_BYTES,
		    count - TITLE_BYTES - ENDING_BYTES);
	}
	free(bytes);
	if (error == ENOENT)
		return 0;
	if (error != 0 && error != EBADMSG)
		snprintf(reason, reason_bytes,
		    "cannot read the file '" SETTINGS_NAME "' of the store: %s",
		    strerror(error));
	return error;
}

/* ---- writing ---- */

static int
write_new(struct io *io, struct span lines)
{
	int file;
	size_t count = TITLE_BYTES + lines.count;
	char *text = malloc(count + ENDING_BYTES);
	if (text == NULL)
		return ENOMEM;
	memcpy(text, title, TITLE_BYTES);
	if (lines.count > 0)
		memcpy(text + TITLE_BYTES, lines.bytes, lines.count);
	print_ending(text + count, text, count);
	struct iovec part = { text, count + ENDING_BYTES };
	int error = io->open(io, NEW_NAME, true, &file);
	if (error == 0) {
		error = io_write(io, file, &part, 1, 0);
		if (error == 0)
			error = io->sync(io, file);
		io->close(io, file);
	}
	free(text);
	return error;
}

int
settings_write(struct io *io, struct span lines)
{
	/* What a crash or a full disk left of an earlier one may be longer. */
	int error = io->remove(io, NEW_NAME);
	if (error == 0 || error == ENOENT)
		error = write_new(io, lines);
	if (error == 0)
		error = io->rename(io, NEW_NAME, SETTINGS_NAME);
	else if (error == ENOSPC)
		io->remove(io, NEW_NAME);
	return error != 0 ? error : io->sync(io, IO_DIRECTORY);
}
