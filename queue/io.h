/* SPDX-License-Identifier: MIT */
/*
 * All that the durable store asks of a file system: one directory of flat
 * files. The store sees nothing else of the machine, so that a test can fail
 * the n-th call, tear a write or cut the power, and a simulator can run the
 * store without files, clock or thread.
 *
 * Calls return 0 or an errno. read and write are one attempt: they may be
 * interrupted (EINTR) and may do less than was asked; io_read and io_write
 * below go on until all is done.
 */
#ifndef GSQ_QUEUE_IO_H
#define GSQ_QUEUE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Stands for the directory, the names of the files, where a file is asked
 * for by sync and sync_begin. */
#define IO_DIRECTORY (-1)

struct io {
	/* Makes the directory if need be, and makes it ours alone until free.
	 * EWOULDBLOCK: another process has it. In any case of error the words
	 * are in reason[reason_bytes]. */
	int (*claim)(struct io *io, char *reason, size_t reason_bytes);

	/* Tells the name of each file there is. */
	int (*list)(struct io *io,
	    void (*found)(void *context, const char *name), void *context);

	/* Opens for reading and writing; create: a file that may be new. Its
	 * name is safe only after sync of IO_DIRECTORY. */
	int (*open)(
	    struct io *io, const char *name, bool create, int *ret_file);
	void (*close)(struct io *io, int file);
	int (*size)(struct io *io, int file, uint64_t *ret_bytes);

	/* The disk's room for the file's first bytes, which read as zero where
	 * never written. ENOSPC: there is not as much. */
	int (*allocate)(struct io *io, int file, uint64_t bytes);

	/* *ret_count is 0 at the end of the file alone. */
	int (*read)(struct io *io, int file, void *bytes, size_t count,
	    uint64_t offset, size_t *ret_count);
	int (*write)(struct io *io, int file, const struct iovec *parts,
	    int part_count, uint64_t offset, size_t *ret_count);

	/* What was written before is on the disk when it returns 0. */
	int (*sync)(struct io *io, int file);
	int (*rename)(struct io *io, const char *from, const char *to);
	int (*remove)(struct io *io, const char *name);

	/* The same as sync, beside us; one at a time. NULL: there is nobody to
	 * do it, use sync. */
	int (*sync_begin)(struct io *io, int file);

	/* Has it ended? If so, what sync would have returned. sync_wait waits
	 * for the end. */
	bool (*sync_ended)(struct io *io, int *ret_error);
	int (*sync_wait)(struct io *io);

	/* Readable when sync_begin has ended; -1: never. */
	int (*wake_fd)(const struct io *io);

	int64_t (*now_us)(struct io *io);  /* monotonic */
	uint64_t (*random)(struct io *io); /* for the name of a new log */

	/* Gives the directory and all memory back. */
	void (*free)(struct io *io);
};

/* Reads until all is read or the file ends; *ret_count tells. */
int io_read(struct io *io, int file, void *bytes, size_t count, uint64_t offset,
    size_t *ret_count);

/* Writes all of it. parts are used up. */
int io_write(struct io *io, int file, struct iovec *parts, int part_count,
    uint64_t offset);

/* The directory on the real file system; NULL without memory. The path is
 * copied. */
struct io *io_disk_open(const char *directory);

#endif
