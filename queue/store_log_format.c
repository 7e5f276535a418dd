/* SPDX-License-Identifier: MIT */
#include "queue/store_log_format.h"

#include "queue/store_log_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX 256
#define NEW_NAME       FORMAT_NAME ".new"

static int
print_text(char *text, const struct format *format)
{
	int count = snprintf(text, TEXT_BYTES_MAX,
	    "gsq store format %d\nlog %016" PRIx64 "\nfirst %" PRIu32 "\n",
	    FORMAT_VERSION, format->log_id, format->first_segment);
	return count +
	    snprintf(text + count, TEXT_BYTES_MAX - (size_t)count,
		"checksum %016" PRIx64 "\n",
		checksum_of(format->log_id, text, (size_t)count));
}

static int
read_text(struct io *io, char *text)
{
	int file;
	size_t count;
	int error = io->open(io, FORMAT_NAME, false, &file);
	if (error != 0)
		return error;
	error = io_read(io, file, text, TEXT_BYTES_MAX - 1, 0, &count);
	io->close(io, file);
	if (error == 0)
		text[count] = '\0';
	return error;
}

/* Whatever is not exactly what we would have written is refused. */
static int
judge(const char *text, struct format *ret_format, char *reason,
    size_t reason_bytes)
{
	struct format format = { 0 };
	unsigned version = 0;
	char ours[TEXT_BYTES_MAX];
	int fields =
	    sscanf(text, "gsq store format %u log %" SCNx64 " first %" SCNu32,
		&version, &format.log_id, &format.first_segment);
	if (fields >= 1 && version != FORMAT_VERSION) {
		snprintf(reason, reason_bytes,
		    "the store has format %u and this gsq reads format %d; "
		    "start the gsq that wrote it",
		    version, FORMAT_VERSION);
		return EPROTONOSUPPORT;
	}
	if (fields == 3 && format.log_id != 0 && format.first_segment != 0 &&
	    print_text(ours, &format) > 0 && strcmp(ours, text) == 0) {
		*ret_format = format;
		return 0;
	}
	snprintf(reason, reason_bytes,
	    "the file '" FORMAT_NAME "' of the store is damaged; "
	    "'queue --check' tells more, 'queue --salvage' saves what it can");
	return EBADMSG;
}

int
format_read(
    struct io *io, struct format *ret_format, char *reason, size_t reason_bytes)
{
	char text[TEXT_BYTES_MAX];
	int error = read_text(io, text);
	if (error == 0)
		return judge(text, ret_format, reason, reason_bytes);
	if (error != ENOENT)
		snprintf(reason, reason_bytes,
		    "cannot read the file '" FORMAT_NAME "' of the store: %s",
		    strerror(error));
	return error;
}

static int
write_new(struct io *io, const struct format *format)
{
	char text[TEXT_BYTES_MAX];
	int count = print_text(text, format);
	/* What a crash left of an earlier one may be longer. */
	int error = io->remove(io, NEW_NAME);
	if (error != 0 && error != ENOENT)
		return error;
	int file;
	error = io->open(io, NEW_NAME, true, &file);
	if (error != 0)
		return error;
	struct iovec part = { text, (size_t)count };
	error = io_write(io, file, &part, 1, 0);
	if (error == 0)
		error = io->sync(io, file);
	io->close(io, file);
	return error;
}

int
format_write(struct io *io, const struct format *format)
{
	int error = write_new(io, format);
	if (error == 0)
		error = io->rename(io, NEW_NAME, FORMAT_NAME);
	if (error == 0)
		error = io->sync(io, IO_DIRECTORY);
	return error;
}
