/* SPDX-License-Identifier: MIT */
#include "tests/support/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR DISK_SECTOR_BYTES

struct disk_io {
	struct io io;
	struct disk *disk;
	bool open[DISK_FILES_MAX];
	bool is_syncing;
	int syncing;
	uint32_t polls_left;
	/* What was there when the sync began: what it makes durable. */
	struct disk_file began;
	uint64_t began_names;
};

static struct disk *
disk_of(struct io *io)
{
	return ((struct disk_io *)io)->disk;
}

static uint64_t
chance(struct disk *disk, uint64_t of)
{
	return random_next(&disk->random) % of;
}

/* ---- life ---- */

void
disk_init(struct disk *disk, uint64_t seed)
{
	memset(disk, 0, sizeof(*disk));
	disk->random.state = seed;
	disk->sync_us = 100;
}

void
disk_release(struct disk *disk)
{
	for (int i = 0; i < disk->file_count; i++) {
		free(disk->files[i].seen);
		free(disk->files[i].stable);
		free(disk->files[i].dirty);
	}
	disk->file_count = 0;
}

static void *
copy_of(const void *bytes, size_t count)
{
	void *copy = calloc(1, count ? count : 1);
	if (copy == NULL)
		abort();
	if (count > 0)
		memcpy(copy, bytes, count);
	return copy;
}

void
disk_copy(struct disk *to, const struct disk *from)
{
	memcpy(to, from, sizeof(*to));
	for (int i = 0; i < to->file_count; i++) {
		struct disk_file *file = &to->files[i];
		file->seen = copy_of(file->seen, file->room);
		file->stable = copy_of(file->stable, file->room);
		file->dirty =
		    copy_of(file->dirty, file->room / SECTOR * sizeof(bool));
	}
}

static void
make_room(struct disk_file *file, uint64_t bytes)
{
	if (bytes <= file->room)
		return;
	uint64_t room = (bytes + 4095) / 4096 * 4096;
	file->seen = realloc(file->seen, room);
	file->stable = realloc(file->stable, room);
	file->dirty = realloc(file->dirty, room / SECTOR * sizeof(bool));
	if (file->seen == NULL || file->stable == NULL || file->dirty == NULL)
		abort();
	memset(file->seen + file->room, 0, room - file->room);
	memset(file->stable + file->room, 0, room - file->room);
	memset(file->dirty + file->room / SECTOR, 0,
	    (room - file->room) / SECTOR * sizeof(bool));
	file->room = room;
}

/* ---- names ---- */

static int
find_name(const struct disk_names *names, const char *name)
{
	for (int i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return i;
	return -1;
}

static void
set_name(struct disk_names *names, const char *name, int file)
{
	int at = find_name(names, name);
	if (at < 0) {
		if (names->count == DISK_FILES_MAX)
			abort();
		at = names->count++;
		snprintf(names->names[at], DISK_NAME_BYTES, "%s", name);
	}
	names->files[at] = file;
}

static void
unset_name(struct disk_names *names, const char *name)
{
	int at = find_name(names, name);
	if (at < 0)
		return;
	names->count--;
	memcpy(names->names[at], names->names[names->count], DISK_NAME_BYTES);
	names->files[at] = names->files[names->count];
}

static void
apply(struct disk_names *names, const struct disk_change *change)
{
	if (change->from[0] != '\0')
		unset_name(names, change->from);
	if (change->to[0] != '\0')
		set_name(names, change->to, change->file);
}

static void
change_name(struct disk *disk, const char *from, const char *to, int file)
{
	if (disk->pending_count == DISK_PENDING_MAX)
		abort();
	struct disk_change *change = &disk->pending[disk->pending_count++];
	snprintf(change->from, DISK_NAME_BYTES, "%s", from);
	snprintf(change->to, DISK_NAME_BYTES, "%s", to);
	change->file = file;
	apply(&disk->seen, change);
}

static void
sync_names(struct disk *disk, int count)
{
	for (int i = 0; i < count; i++)
		apply(&disk->stable, &disk->pending[i]);
	disk->synced_names += (uint64_t)count;
	disk->pending_count -= count;
	memmove(disk->pending, disk->pending + count,
	    (size_t)disk->pending_count * sizeof(*disk->pending));
}

/* ---- power ---- */

void
disk_process_ends(struct disk *disk)
{
	disk->dead = false;
	disk->dead_at = 0;
	disk->claimed = false;
}

static void
lose(struct disk *disk, struct disk_file *file, enum disk_loss loss)
{
	for (uint64_t i = 0; i < file->room / SECTOR; i++) {
		char *seen = file->seen + i * SECTOR;
		char *stable = file->stable + i * SECTOR;
		if (!file->dirty[i]) {
			/* After a sync that failed these may differ. */
			memcpy(seen, stable, SECTOR);
			continue;
		}
		bool stays = loss == LOSS_NOTHING ||
		    (loss != LOSS_ALL && chance(disk, 2) == 0);
		if (stays)
			memcpy(stable, seen, SECTOR);
		else if (loss == LOSS_TORN)
			memcpy(stable, seen, SECTOR / 2);
		memcpy(seen, stable, SECTOR);
		file->dirty[i] = false;
	}
	if (loss == LOSS_NOTHING || (loss != LOSS_ALL && chance(disk, 2) == 0))
		file->stable_bytes = file->bytes;
	file->bytes = file->stable_bytes;
	if (file->bytes < file->room) {
		memset(file->seen + file->bytes, 0, file->room - file->bytes);
		memset(file->stable + file->bytes, 0, file->room - file->bytes);
	}
}

void
disk_power_cut(struct disk *disk, enum disk_loss loss)
{
	int names = disk->pending_count;
	if (loss == LOSS_ALL)
		names = 0;
	else if (loss != LOSS_NOTHING)
		names = (int)chance(disk, (uint64_t)names + 1);
	sync_names(disk, names);
	disk->pending_count = 0;
	disk->seen = disk->stable;
	for (int i = 0; i < disk->file_count; i++)
		lose(disk, &disk->files[i], loss);
	disk_process_ends(disk);
}

struct disk_file *
disk_find(struct disk *disk, const char *name)
{
	int at = find_name(&disk->seen, name);
	return at < 0 ? NULL : &disk->files[disk->seen.files[at]];
}

bool
disk_remove(struct disk *disk, const char *name)
{
	bool was_there = find_name(&disk->seen, name) >= 0;
	unset_name(&disk->seen, name);
	unset_name(&disk->stable, name);
	return was_there;
}

uint64_t
disk_used(const struct disk *disk)
{
	uint64_t bytes = 0;
	for (int i = 0; i < disk->seen.count; i++)
		bytes += disk->files[disk->seen.files[i]].bytes;
	return bytes;
}

/* ---- calls ---- */

/* 0, or what this call fails with. */
static int
begin_call(struct disk *disk)
{
	disk->calls++;
	if (disk->dead_at != 0 && disk->calls >= disk->dead_at)
		disk->dead = true;
	if (disk->dead)
		return EIO;
	if (disk->fail_at != 0 &&
	    (disk->calls == disk->fail_at ||
		(disk->fails_on && disk->calls > disk->fail_at))) {
		disk->has_failed = true;
		return disk->fail_error;
	}
	return 0;
}

static int
do_claim(struct io *io, char *reason, size_t reason_bytes)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	if (error == 0 && disk->claimed)
		error = EWOULDBLOCK;
	if (error != 0)
		snprintf(reason, reason_bytes, "cannot claim the disk: %s",
		    strerror(error));
	else
		disk->claimed = true;
	return error;
}

static int
do_list(struct io *io, void (*found)(void *context, const char *name),
    void *context)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	if (error != 0)
		return error;
	for (int i = 0; i < disk->seen.count; i++)
		found(context, disk->seen.names[i]);
	return 0;
}

static int
do_open(struct io *io, const char *name, bool create, int *ret_file)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	if (error != 0)
		return error;
	int at = find_name(&disk->seen, name);
	if (at < 0 && !create)
		return ENOENT;
	if (at < 0) {
		int file = 0;
		/* Files without a name are used again. */
		for (; file < disk->file_count; file++) {
			bool used = false;
			for (int i = 0; i < disk->seen.count; i++)
				used |= disk->seen.files[i] == file;
			for (int i = 0; i < disk->stable.count; i++)
				used |= disk->stable.files[i] == file;
			for (int i = 0; i < disk->pending_count; i++)
				used |= disk->pending[i].file == file;
			if (!used)
				break;
		}
		if (file == DISK_FILES_MAX)
			abort();
		if (file == disk->file_count)
			disk->file_count++;
		free(disk->files[file].seen);
		free(disk->files[file].stable);
		free(disk->files[file].dirty);
		disk->files[file] = (struct disk_file){ 0 };
		change_name(disk, "", name, file);
		at = find_name(&disk->seen, name);
	}
	*ret_file = disk->seen.files[at];
	((struct disk_io *)io)->open[*ret_file] = true;
	return 0;
}

static void
do_close(struct io *io, int file)
{
	((struct disk_io *)io)->open[file] = false;
}

static struct disk_file *
file_of(struct io *io, int file)
{
	if (!((struct disk_io *)io)->open[file])
		abort();
	return &disk_of(io)->files[file];
}

static int
do_size(struct io *io, int file, uint64_t *ret_bytes)
{
	int error = begin_call(disk_of(io));
	*ret_bytes = file_of(io, file)->bytes;
	return error;
}

static int
do_allocate(struct io *io, int file, uint64_t bytes)
{
	struct disk *disk = disk_of(io);
	struct disk_file *it = file_of(io, file);
	int error = begin_call(disk);
	if (error != 0 || bytes <= it->bytes)
		return error;
	if (disk->capacity != 0 &&
	    disk_used(disk) + bytes - it->bytes > disk->capacity)
		return ENOSPC;
	make_room(it, bytes);
	it->bytes = bytes;
	return 0;
}

static int
do_read(struct io *io, int file, void *bytes, size_t count, uint64_t offset,
    size_t *ret_count)
{
	struct disk *disk = disk_of(io);
	struct disk_file *it = file_of(io, file);
	int error = begin_call(disk);
	if (error != 0)
		return error;
	if (disk->dribbles && chance(disk, 4) == 0)
		return EINTR;
	if (offset >= it->bytes)
		count = 0;
	else if (count > it->bytes - offset)
		count = it->bytes - offset;
	if (disk->dribbles && count > 1)
		count = 1 + chance(disk, count);
	if (count > 0)
		memcpy(bytes, it->seen + offset, count);
	*ret_count = count;
	return 0;
}

static void
put_bytes(
    struct disk_file *it, uint64_t offset, const char *bytes, size_t count)
{
	if (count == 0)
		return;
	make_room(it, offset + count);
	memcpy(it->seen + offset, bytes, count);
	for (uint64_t i = offset / SECTOR; i <= (offset + count - 1) / SECTOR;
	     i++)
		it->dirty[i] = true;
	if (offset + count > it->bytes)
		it->bytes = offset + count;
}

static int
do_write(struct io *io, int file, const struct iovec *parts, int part_count,
    uint64_t offset, size_t *ret_count)
{
	struct disk *disk = disk_of(io);
	struct disk_file *it = file_of(io, file);
	bool was_dead = disk->dead;
	int error = begin_call(disk);
	size_t total = 0, left, done = 0;
	for (int i = 0; i < part_count; i++)
		total += parts[i].iov_len;
	left = total;
	/* The one at which it dies may have been half done. */
	if (error != 0 && !was_dead && disk->dead)
		left = chance(disk, total + 1);
	else if (error != 0)
		return error;
	else if (disk->dribbles && chance(disk, 4) == 0)
		return EINTR;
	else if (disk->dribbles)
		left = 1 + chance(disk, total);
	for (int i = 0; i < part_count && left > 0; i++) {
		size_t step = parts[i].iov_len < left ? parts[i].iov_len : left;
		put_bytes(it, offset + done, parts[i].iov_base, step);
		done += step;
		left -= step;
	}
	disk->written_bytes += done;
	*ret_count = done;
	return error;
}

static void
make_stable(struct disk_file *it)
{
	for (uint64_t i = 0; i < it->room / SECTOR; i++)
		if (it->dirty[i])
			memcpy(it->stable + i * SECTOR, it->seen + i * SECTOR,
			    SECTOR);
	memset(it->dirty, 0, it->room / SECTOR * sizeof(bool));
	it->stable_bytes = it->bytes;
}

/* The kernel takes what it could not write for written: clean, and not there.
 */
static void
fail_sync(struct disk *disk, struct disk_file *it)
{
	for (uint64_t i = 0; i < it->room / SECTOR; i++) {
		if (it->dirty[i] && chance(disk, 2) == 0)
			memcpy(it->stable + i * SECTOR, it->seen + i * SECTOR,
			    SECTOR);
		it->dirty[i] = false;
	}
}

static int
do_sync(struct io *io, int file)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	disk->now_us += disk->sync_us;
	disk->syncs++;
	if (error != 0) {
		if (!disk->dead && file != IO_DIRECTORY)
			fail_sync(disk, file_of(io, file));
		return error;
	}
	if (file == IO_DIRECTORY)
		sync_names(disk, disk->pending_count);
	else if (file_of(io, file)->room > 0)
		make_stable(file_of(io, file));
	return 0;
}

static int
do_rename(struct io *io, const char *from, const char *to)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	int at = find_name(&disk->seen, from);
	if (error == 0 && at < 0)
		error = ENOENT;
	if (error == 0)
		change_name(disk, from, to, disk->seen.files[at]);
	return error;
}

static int
do_remove(struct io *io, const char *name)
{
	struct disk *disk = disk_of(io);
	int error = begin_call(disk);
	int at = find_name(&disk->seen, name);
	if (error == 0 && at < 0)
		error = ENOENT;
	if (error == 0)
		change_name(disk, name, "", disk->seen.files[at]);
	return error;
}

/* ---- beside the loop ---- */

static void
forget_began(struct disk_io *own)
{
	free(own->began.seen);
	free(own->began.dirty);
	own->began = (struct disk_file){ 0 };
}

static int
do_sync_begin(struct io *io, int file)
{
	struct disk_io *own = (struct disk_io *)io;
	if (own->is_syncing)
		abort();
	own->is_syncing = true;
	own->syncing = file;
	own->polls_left = own->disk->late_polls;
	own->disk->begun_syncs++;
	own->began_names =
	    own->disk->synced_names + (uint64_t)own->disk->pending_count;
	if (file == IO_DIRECTORY)
		return 0;
	own->began = *file_of(io, file);
	own->began.seen = copy_of(own->began.seen, own->began.room);
	own->began.dirty =
	    copy_of(own->began.dirty, own->began.room / SECTOR * sizeof(bool));
	return 0;
}

static void
make_began_stable(struct disk_io *own, struct disk_file *it)
{
	for (uint64_t i = 0; i < own->began.room / SECTOR; i++) {
		const char *was = own->began.seen + i * SECTOR;
		if (!own->began.dirty[i])
			continue;
		memcpy(it->stable + i * SECTOR, was, SECTOR);
		it->dirty[i] = memcmp(it->seen + i * SECTOR, was, SECTOR) != 0;
	}
	it->stable_bytes = own->began.bytes;
}

static int
do_sync_wait(struct io *io)
{
	struct disk_io *own = (struct disk_io *)io;
	struct disk *disk = own->disk;
	if (!own->is_syncing)
		abort();
	own->is_syncing = false;
	int error = begin_call(disk);
	disk->syncs++;
	if (error != 0 && !disk->dead && own->syncing != IO_DIRECTORY)
		fail_sync(disk, file_of(io, own->syncing));
	if (error == 0 && own->syncing == IO_DIRECTORY)
		sync_names(disk,
		    own->began_names > disk->synced_names
			? (int)(own->began_names - disk->synced_names)
			: 0);
	else if (error == 0)
		make_began_stable(own, file_of(io, own->syncing));
	forget_began(own);
	return error;
}

static bool
do_sync_ended(struct io *io, int *ret_error)
{
	struct disk_io *own = (struct disk_io *)io;
	if (!own->is_syncing)
		return false;
	if (own->polls_left > 0) {
		own->polls_left--;
		own->disk->now_us += own->disk->sync_us;
		return false;
	}
	*ret_error = do_sync_wait(io);
	return true;
}

static int
do_wake_fd(const struct io *io)
{
	(void)io;
	return -1;
}

static int64_t
do_now_us(struct io *io)
{
	return disk_of(io)->now_us;
}

static uint64_t
do_random(struct io *io)
{
	return random_next(&disk_of(io)->random);
}

static void
do_free(struct io *io)
{
	disk_of(io)->claimed = false;
	forget_began((struct disk_io *)io);
	free(io);
}

struct io *
disk_open(struct disk *disk)
{
	static const struct io calls = {
		.claim = do_claim,
		.list = do_list,
		.open = do_open,
		.close = do_close,
		.size = do_size,
		.allocate = do_allocate,
		.read = do_read,
		.write = do_write,
		.sync = do_sync,
		.rename = do_rename,
		.remove = do_remove,
		.sync_wait = do_sync_wait,
		.wake_fd = do_wake_fd,
		.now_us = do_now_us,
		.random = do_random,
		.free = do_free,
	};
	struct disk_io *own = calloc(1, sizeof(*own));
	if (own == NULL)
		abort();
	own->io = calls;
	own->disk = disk;
	if (disk->has_thread) {
		own->io.sync_begin = do_sync_begin;
		own->io.sync_ended = do_sync_ended;
	}
	return &own->io;
}
