/* SPDX-License-Identifier: MIT */
#include "queue/io.h"

#include <errno.h>

int
io_read(struct io *io, int file, void *bytes, size_t count, uint64_t offset,
    size_t *ret_count)
{
	size_t done = 0;
	while (done < count) {
		size_t step = 0;
		int error = io->read(io, file, (char *)bytes + done,
		    count - done, offset + done, &step);
		if (error == EINTR)
			continue;
		if (error != 0)
			return error;
		if (step == 0)
			break;
		done += step;
	}
	*ret_count = done;
	return 0;
}

int
io_write(struct io *io, int file, struct iovec *parts, int part_count,
    uint64_t offset)
{
	while (part_count > 0) {
		size_t step = 0;
		int error =
		    io->write(io, file, parts, part_count, offset, &step);
		if (error == EINTR)
			continue;
		if (error != 0)
			return error;
		/* A disk that takes nothing and names no reason is full. */
		if (step == 0)
			return ENOSPC;
		offset += step;
		while (part_count > 0 && step >= parts->iov_len) {
			step -= parts->iov_len;
			parts++;
			part_count--;
		}
		if (part_count > 0) {
			parts->iov_base = (char *)parts->iov_base + step;
			parts->iov_len -= step;
		}
	}
	return 0;
}
