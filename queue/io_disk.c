/* SPDX-License-Identifier: MIT */
/*
 * The real file system behind io.h, and the thread that syncs beside the loop.
 * The thread has one slot: a file to sync goes in, its result comes out. It
 * starts when it is first needed; on a fast disk that is never.
 */
#include "queue/io.h"

#include "sys/clock.h"
#include "sys/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The queue of a supervisor that was killed dies within a second, and has the
 * store until then: the next one waits for that. */
#define LOCK_WAIT_MS 2000
#define LOCK_POLL_MS 5

enum slot { SLOT_EMPTY, SLOT_ASKED, SLOT_DONE, SLOT_END };

struct io_disk {
	struct io io;
	char *path;
	int directory; /* descriptors; -1: none */
	int lock;
	int wake; /* eventfd */
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t changed;
	enum slot slot;
	int fd;
	int error;
};

static struct io_disk *
disk_of(struct io *io)
{
	return (struct io_disk *)io;
}

/* ---- names ---- */

static int
sync_parent(const char *path)
{
	char parent[PATH_MAX];
	int error = directory_path(parent, sizeof(parent), path, "..");
	if (error != 0)
		return error;
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = fsync(fd) != 0 ? errno : 0;
	close(fd);
	return error;
}

static int
explain(char *reason, size_t reason_bytes, const char *what, const char *path,
    int error)
{
	snprintf(reason, reason_bytes, "cannot %s '%s': %s", what, path,
	    strerror(error));
	return error;
}

static int
lock_soon(const char *path, pid_t *ret_holder)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000 };
	int lock = directory_lock(path, ret_holder);
	for (int left_ms = LOCK_WAIT_MS; lock == -EWOULDBLOCK && left_ms > 0;
	     left_ms -= LOCK_POLL_MS) {
		nanosleep(&pause, NULL);
		lock = directory_lock(path, ret_holder);
	}
	return lock;
}

static int
disk_claim(struct io *io, char *reason, size_t reason_bytes)
{
	struct io_disk *disk = disk_of(io);
	errno = 0;
	if (directory_prepare(disk->path, reason, reason_bytes) != NULL)
		return errno != 0 && errno != EEXIST ? errno : EPERM;
	disk->directory = open(disk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (disk->directory < 0)
		return explain(reason, reason_bytes, "open", disk->path, errno);
	pid_t holder = 0;
	disk->lock = lock_soon(disk->path, &holder);
	if (disk->lock == -EWOULDBLOCK) {
		snprintf(reason, reason_bytes,
		    "'%s' is in use by another queue (pid %d); stop it first",
		    disk->path, (int)holder);
		return EWOULDBLOCK;
	}
	if (disk->lock < 0)
		return explain(
		    reason, reason_bytes, "lock", disk->path, -disk->lock);
	int error = sync_parent(disk->path);
	if (error != 0)
		return explain(
		    reason, reason_bytes, "sync above", disk->path, error);
	return 0;
}

static int
disk_list(struct io *io, void (*found)(void *context, const char *name),
    void *context)
{
	DIR *directory = opendir(disk_of(io)->path);
	if (directory == NULL)
		return errno;
	const struct dirent *entry;
	while ((errno = 0, entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			found(context, entry->d_name);
	int error = errno;
	closedir(directory);
	return error;
}

static int
disk_rename(struct io *io, const char *from, const char *to)
{
	int directory = disk_of(io)->directory;
	return renameat(directory, from, directory, to) != 0 ? errno : 0;
}

static int
disk_remove(struct io *io, const char *name)
{
	return unlinkat(disk_of(io)->directory, name, 0) != 0 ? errno : 0;
}

/* ---- files ---- */

static int
disk_open(struct io *io, const char *name, bool create, int *ret_file)
{
	int directory = disk_of(io)->directory;
	int flags = O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(
	    directory, name, flags | O_RDWR | (create ? O_CREAT : 0), 0600);
	/* A check of what lies on a disk that takes nothing any more. */
	if (fd < 0 && errno == EROFS && !create)
		fd = openat(directory, name, flags | O_RDONLY);
	if (fd < 0)
		return errno;
	*ret_file = fd;
	return 0;
}

static void
disk_close(struct io *io, int file)
{
	(void)io;
	close(file);
}

static int
disk_size(struct io *io, int file, uint64_t *ret_bytes)
{
	(void)io;
	struct stat status;
	if (fstat(file, &status) != 0)
		return errno;
	if (!S_ISREG(status.st_mode))
		return EINVAL;
	*ret_bytes = (uint64_t)status.st_size;
	return 0;
}

/* Where the file system cannot set blocks aside, zeros take them. */
static int
fill(struct io *io, int file, uint64_t bytes)
{
	static char zeros[64 * 1024];
	uint64_t offset = 0;
	int error = disk_size(io, file, &offset);
	while (error == 0 && offset < bytes) {
		uint64_t left = bytes - offset;
		struct iovec part = { zeros,
			left < sizeof(zeros) ? (size_t)left : sizeof(zeros) };
		size_t step = part.iov_len;
		error = io_write(io, file, &part, 1, offset);
		offset += step;
	}
	return error;
}

static int
disk_allocate(struct io *io, int file, uint64_t bytes)
{
	while (fallocate(file, 0, 0, (off_t)bytes) != 0) {
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return fill(io, file, bytes);
		if (errno != EINTR)
			return errno;
	}
	return 0;
}

static int
disk_read(struct io *io, int file, void *bytes, size_t count, uint64_t offset,
    size_t *ret_count)
{
	(void)io;
	ssize_t done = pread(file, bytes, count, (off_t)offset);
	if (done < 0)
		return errno;
	*ret_count = (size_t)done;
	return 0;
}

static int
disk_write(struct io *io, int file, const struct iovec *parts, int part_count,
    uint64_t offset, size_t *ret_count)
{
	(void)io;
	ssize_t done = pwritev(file, parts, part_count, (off_t)offset);
	if (done < 0)
		return errno;
	*ret_count = (size_t)done;
	return 0;
}

static int
sync_fd(int fd)
{
	while (fdatasync(fd) != 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

static int
fd_of(struct io *io, int file)
{
	return file == IO_DIRECTORY ? disk_of(io)->directory : file;
}

static int
disk_sync(struct io *io, int file)
{
	return sync_fd(fd_of(io, file));
}

/* ---- the thread ---- */

static void *
sync_for_others(void *argument)
{
	struct io_disk *disk = argument;
	pthread_mutex_lock(&disk->mutex);
	for (;;) {
		while (disk->slot != SLOT_ASKED && disk->slot != SLOT_END)
			pthread_cond_wait(&disk->changed, &disk->mutex);
		if (disk->slot == SLOT_END)
			break;
		int fd = disk->fd;
		pthread_mutex_unlock(&disk->mutex);
		int error = sync_fd(fd);
		pthread_mutex_lock(&disk->mutex);
		disk->error = error;
		if (disk->slot == SLOT_ASKED)
			disk->slot = SLOT_DONE;
		eventfd_write(disk->wake, 1);
		pthread_cond_broadcast(&disk->changed);
	}
	pthread_mutex_unlock(&disk->mutex);
	return NULL;
}

/* Signals are the loop's. */
static int
start_thread(struct io_disk *disk)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&disk->thread, NULL, sync_for_others, disk);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	disk->has_thread = error == 0;
	return error;
}

static int
disk_sync_begin(struct io *io, int file)
{
	struct io_disk *disk = disk_of(io);
	if (!disk->has_thread) {
		int error = start_thread(disk);
		if (error != 0)
			return error;
	}
	pthread_mutex_lock(&disk->mutex);
	disk->fd = fd_of(io, file);
	disk->slot = SLOT_ASKED;
	pthread_mutex_unlock(&disk->mutex);
	/* Not before: the thread would wake up and wait for the mutex. */
	pthread_cond_broadcast(&disk->changed);
	return 0;
}

static int
take_result(struct io_disk *disk)
{
	eventfd_t count;
	disk->slot = SLOT_EMPTY;
	eventfd_read(disk->wake, &count);
	return disk->error;
}

static bool
disk_sync_ended(struct io *io, int *ret_error)
{
	struct io_disk *disk = disk_of(io);
	pthread_mutex_lock(&disk->mutex);
	bool ended = disk->slot == SLOT_DONE;
	if (ended)
		*ret_error = take_result(disk);
	pthread_mutex_unlock(&disk->mutex);
	return ended;
}

static int
disk_sync_wait(struct io *io)
{
	struct io_disk *disk = disk_of(io);
	pthread_mutex_lock(&disk->mutex);
	while (disk->slot == SLOT_ASKED)
		pthread_cond_wait(&disk->changed, &disk->mutex);
	int error = take_result(disk);
	pthread_mutex_unlock(&disk->mutex);
	return error;
}

static void
end_thread(struct io_disk *disk)
{
	if (!disk->has_thread)
		return;
	pthread_mutex_lock(&disk->mutex);
	disk->slot = SLOT_END;
	pthread_cond_signal(&disk->changed);
	pthread_mutex_unlock(&disk->mutex);
	pthread_join(disk->thread, NULL);
}

static int
disk_wake_fd(const struct io *io)
{
	return ((const struct io_disk *)io)->wake;
}

/* ---- the rest ---- */

static int64_t
disk_now_us(struct io *io)
{
	(void)io;
	return clock_monotonic_us();
}

static uint64_t
disk_random(struct io *io)
{
	(void)io;
	uint64_t number = 0;
	/* Up to 256 bytes always come whole. */
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint64_t)clock_wall_ms() << 20 ^ (uint64_t)getpid();
	return number;
}

static void
close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void
disk_free(struct io *io)
{
	struct io_disk *disk = disk_of(io);
	end_thread(disk);
	close_if_open(disk->wake);
	close_if_open(disk->directory);
	close_if_open(disk->lock);
	pthread_cond_destroy(&disk->changed);
	pthread_mutex_destroy(&disk->mutex);
	free(disk->path);
	free(disk);
}

struct io *
io_disk_open(const char *directory)
{
	static const struct io calls = {
		.claim = disk_claim,
		.list = disk_list,
		.open = disk_open,
		.close = disk_close,
		.size = disk_size,
		.allocate = disk_allocate,
		.read = disk_read,
		.write = disk_write,
		.sync = disk_sync,
		.rename = disk_rename,
		.remove = disk_remove,
		.sync_begin = disk_sync_begin,
		.sync_ended = disk_sync_ended,
		.sync_wait = disk_sync_wait,
		.wake_fd = disk_wake_fd,
		.now_us = disk_now_us,
		.random = disk_random,
		.free = disk_free,
	};
	struct io_disk *disk = calloc(1, sizeof(*disk));
	if (disk == NULL)
		return NULL;
	disk->io = calls;
	disk->directory = -1;
	disk->lock = -1;
	pthread_mutex_init(&disk->mutex, NULL);
	pthread_cond_init(&disk->changed, NULL);
	disk->path = strdup(directory);
	disk->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (disk->path != NULL && disk->wake >= 0)
		return &disk->io;
	disk_free(&disk->io);
	return NULL;
}
