/* SPDX-License-Identifier: MIT */
#include "tests/sim/machine.h"

#include "queue/store_log.h"
#include "queue/store_log_frame.h"
#include "tests/sim/process.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/support/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define USUAL_SYNC_US 90
#define ROT_BYTES     16u

static struct {
	struct disk disk;
	struct log_sizes sizes;
	struct store *store;   /* of the queue that lives */
	struct io *inner;      /* its way to the disk */
	bool power_goes;       /* when it dies at a call */
	bool has_thread;       /* in this world */
	int64_t sync_us;       /* what a sync takes */
	bool is_syncing;       /* by the thread */
	struct timer sync_end; /* ... until then */
	struct timer room, dribble, slow;
	bool rots;		  /* when the queue has ended */
	struct disk_file *rotten; /* NULL: nothing is */
	uint64_t rotten_offset;
	char good[ROT_BYTES], bad[ROT_BYTES];
	uint64_t rewritten; /* by cleaning, at the last round */
	uint64_t call_failed;
} machine;

/* ---- calls ---- */

/* Whoever dies at a call dies inside of it. */
static int
after_call(int error)
{
	struct disk *disk = &machine.disk;
	mix_in(disk->calls);
	if (disk->dead) {
		disk->dead = false;
		disk->dead_at = 0;
		note("the queue dies at call %lld to the disk, power %lld",
		    (long long)disk->calls, machine.power_goes, 0, 0);
		if (machine.power_goes)
			world_machine_lost();
		queue_dies();
	}
	if (disk->has_failed) {
		note("call %lld to the disk fails", (long long)disk->calls, 0,
		    0, 0);
		disk->has_failed = false;
		machine.call_failed = disk->calls;
	}
	return error;
}

/* Memory of the disk is not the queue's. */
#define INNER(call)                                           \
	do {                                                  \
		struct process *before = process_enter(NULL); \
		int error = machine.inner->call;              \
		process_leave(before);                        \
		return after_call(error);                     \
	} while (0)

static int
do_claim(struct io *io, char *reason, size_t reason_bytes)
{
	(void)io;
	INNER(claim(machine.inner, reason, reason_bytes));
}

static int
do_list(struct io *io, void (*found)(void *context, const char *name),
    void *context)
{
	(void)io;
	INNER(list(machine.inner, found, context));
}

static int
do_open(struct io *io, const char *name, bool create, int *ret_file)
{
	(void)io;
	INNER(open(machine.inner, name, create, ret_file));
}

static void
do_close(struct io *io, int file)
{
	(void)io;
	machine.inner->close(machine.inner, file);
}

static int
do_size(struct io *io, int file, uint64_t *ret_bytes)
{
	(void)io;
	INNER(size(machine.inner, file, ret_bytes));
}

static int
do_allocate(struct io *io, int file, uint64_t bytes)
{
	(void)io;
	INNER(allocate(machine.inner, file, bytes));
}

static int
do_read(struct io *io, int file, void *bytes, size_t count, uint64_t offset,
    size_t *ret_count)
{
	(void)io;
	INNER(read(machine.inner, file, bytes, count, offset, ret_count));
}

static int
do_write(struct io *io, int file, const struct iovec *parts, int part_count,
    uint64_t offset, size_t *ret_count)
{
	(void)io;
	INNER(write(machine.inner, file, parts, part_count, offset, ret_count));
}

static int
do_sync(struct io *io, int file)
{
	(void)io;
	time_pass(machine.sync_us);
	INNER(sync(machine.inner, file));
}

static int
do_rename(struct io *io, const char *from, const char *to)
{
	(void)io;
	if (strncmp(to, "segment-", 8) == 0)
		sight(SIGHT_SEGMENT_RECYCLED);
	INNER(rename(machine.inner, from, to));
}

static int
do_remove(struct io *io, const char *name)
{
	(void)io;
	if (strncmp(name, "segment-", 8) == 0)
		sight(SIGHT_SEGMENT_REMOVED);
	INNER(remove(machine.inner, name));
}

/* ---- the thread ---- */

static void
on_sync_end(void *context)
{
	(void)context;
	queue_wake();
}

static int
do_sync_begin(struct io *io, int file)
{
	(void)io;
	machine.is_syncing = true;
	timer_set(&machine.sync_end, machine.sync_us);
	sight(SIGHT_SYNC_BY_THREAD);
	INNER(sync_begin(machine.inner, file));
}

bool
machine_sync_has_ended(void)
{
	return machine.is_syncing && !timer_is_set(&machine.sync_end);
}

static bool
do_sync_ended(struct io *io, int *ret_error)
{
	(void)io;
	if (!machine_sync_has_ended())
		return false;
	machine.is_syncing = false;
	struct process *before = process_enter(NULL);
	machine.inner->sync_ended(machine.inner, ret_error);
	process_leave(before);
	after_call(0);
	return true;
}

static int
do_sync_wait(struct io *io)
{
	(void)io;
	if (timer_is_set(&machine.sync_end)) {
		time_pass(machine.sync_end.at_us - time_now_us());
		timer_cancel(&machine.sync_end);
	}
	machine.is_syncing = false;
	INNER(sync_wait(machine.inner));
}

static int
do_wake_fd(const struct io *io)
{
	(void)io;
	return STREAM_FD_SYNC;
}

static int64_t
do_now_us(struct io *io)
{
	(void)io;
	return time_now_us();
}

static uint64_t
do_random(struct io *io)
{
	(void)io;
	return machine.inner->random(machine.inner);
}

static void
do_free(struct io *io)
{
	(void)io;
}

static struct io calls = {
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
	.sync_begin = do_sync_begin,
	.sync_ended = do_sync_ended,
	.sync_wait = do_sync_wait,
	.wake_fd = do_wake_fd,
	.now_us = do_now_us,
	.random = do_random,
	.free = do_free,
};

struct store *__wrap_store_log_open(const char *directory);

/* There is no other disk than ours. */
struct io *
io_disk_open(const char *directory)
{
	(void)directory;
	return NULL;
}

/* The queue opens its store: the real one, on this disk. */
struct store *
__wrap_store_log_open(const char *directory)
{
	(void)directory;
	struct process *before = process_enter(NULL);
	machine.inner = disk_open(&machine.disk);
	process_leave(before);
	static struct io own;
	own = calls;
	if (!machine.has_thread)
		own.sync_begin = NULL;
	machine.store = store_log_open_on(&own, &machine.sizes);
	machine.rewritten = 0;
	return machine.store;
}

/* ---- life ---- */

static void
on_room(void *context)
{
	(void)context;
	machine.disk.capacity = 0;
}

static void
on_no_dribble(void *context)
{
	(void)context;
	machine.disk.dribbles = false;
}

static void
on_fast(void *context)
{
	(void)context;
	machine.sync_us = USUAL_SYNC_US;
}

/* Segments are small, so that they are cleaned and used again all the time; but
 * each has room for what bodies may become that are put one behind the other.
 */
static uint32_t
draw_segment_bytes(void)
{
	bool is_small = true;
	for (unsigned i = 0; i < QUEUES; i++)
		is_small &= fault_rate(FAULT_KEYS) == 0 ||
		    queue_rules(i)->merge != MERGE_APPEND;
	return (is_small ? 16384u : 147456u) << draw(3);
}

void
machine_reset(uint64_t seed)
{
	disk_init(&machine.disk, seed);
	machine.has_thread = chance(700);
	machine.disk.has_thread = true;
	machine.sizes.segment_bytes_min = draw_segment_bytes();
	machine.sizes.segment_bytes_max = 2 * machine.sizes.segment_bytes_min;
	machine.sizes.slack_bytes = 8 * machine.sizes.segment_bytes_min;
	machine.store = NULL;
	machine.power_goes = machine.is_syncing = false;
	machine.call_failed = 0;
	machine.rots = false;
	machine.rotten = NULL;
	machine.sync_us = USUAL_SYNC_US;
	machine.sync_end = (struct timer){ .fire = on_sync_end };
	machine.room = (struct timer){ .fire = on_room };
	machine.dribble = (struct timer){ .fire = on_no_dribble };
	machine.slow = (struct timer){ .fire = on_fast };
}

void
machine_release(void)
{
	disk_release(&machine.disk);
}

/* ---- damage ---- */

static bool
is_segment(const struct disk *disk, int name)
{
	return strncmp(disk->seen.names[name], "segment-", 8) == 0;
}

/* The frame that lies over a place of a file, or where there is none the rest
 * of one of before. False at neither. */
static bool
frame_over(
    const struct disk_file *file, uint64_t offset, struct frame *ret_frame)
{
	uint64_t at = 0;
	while (at + FRAME_HEADER_BYTES <= file->bytes && at <= offset) {
		uint64_t bytes = DISK_SECTOR_BYTES;
		bool is_frame = frame_read(file->seen + at, 0, ret_frame);
		if (is_frame)
			bytes = frame_bytes(ret_frame->payload_bytes);
		if (is_frame && offset < at + bytes)
			return true;
		at += bytes;
	}
	return false;
}

/* Would it be there after a power cut? Behind a sync that failed what was
 * written counts as clean, and is not. */
static bool
is_safe(const struct disk_file *file, uint64_t at, uint64_t bytes)
{
	return at + bytes <= file->room &&
	    memcmp(file->seen + at, file->stable + at, bytes) == 0;
}

/* The last frame that one behind it, which is safe as well, says was safe. */
static uint64_t
vouched_for(const struct disk *disk)
{
	uint64_t through = 0;
	struct frame frame;
	for (int i = 0; i < disk->seen.count; i++) {
		const struct disk_file *file =
		    &disk->files[disk->seen.files[i]];
		for (uint64_t at = 0; is_segment(disk, i) &&
		     at + FRAME_HEADER_BYTES <= file->bytes;
		     at += DISK_SECTOR_BYTES)
			if (frame_read(file->seen + at, 0, &frame) &&
			    frame.synced_through > through &&
			    is_safe(file, at, frame_bytes(frame.payload_bytes)))
				through = frame.synced_through;
	}
	return through;
}

/* What the last frames have is safe, but nothing says so yet: its loss looks
 * like that of a write that was not finished. */
static bool
may_rot(const struct disk_file *file, uint64_t offset)
{
	const char *bytes = file->seen + offset;
	struct frame frame;
	bool is_written = false;
	if (!is_safe(file, offset, ROT_BYTES))
		return false;
	for (unsigned i = 0; i < ROT_BYTES; i++)
		is_written |= bytes[i] != 0;
	return is_written && frame_over(file, offset, &frame) &&
	    frame.sequence <= vouched_for(&machine.disk);
}

static void
rot(void)
{
	struct disk *disk = &machine.disk;
	machine.rots = false;
	if (disk->seen.count == 0)
		return;
	int at = (int)draw((uint64_t)disk->seen.count);
	int number = disk->seen.files[at];
	struct disk_file *file = &disk->files[number];
	if (!is_segment(disk, at) || file->bytes < 4096)
		return;
	uint64_t offset = draw(file->bytes / ROT_BYTES) * ROT_BYTES;
	if (chance(500)) /* where frames have their headers */
		offset = offset / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES +
		    draw(4) * ROT_BYTES;
	if (!may_rot(file, offset))
		return;
	machine.rotten = file;
	machine.rotten_offset = offset;
	memcpy(machine.good, file->seen + offset, ROT_BYTES);
	file->seen[offset + draw(ROT_BYTES)] ^= (char)(1 << draw(8));
	memcpy(machine.bad, file->seen + offset, ROT_BYTES);
	memcpy(file->stable + offset, file->seen + offset, ROT_BYTES);
	note("damage in file %lld at %lld", number, (long long)offset, 0, 0);
}

static void
mend(void)
{
	struct disk_file *file = machine.rotten;
	uint64_t offset = machine.rotten_offset;
	machine.rotten = NULL;
	/* Unless something else was written there since, in a segment that is
	 * used again. */
	if (offset + ROT_BYTES > file->room ||
	    memcmp(file->seen + offset, machine.bad, ROT_BYTES) != 0)
		return;
	memcpy(file->seen + offset, machine.good, ROT_BYTES);
	memcpy(file->stable + offset, machine.good, ROT_BYTES);
}

void
machine_rot(void)
{
	machine.rots = true;
}

bool
machine_is_rotten(void)
{
	return machine.rotten != NULL;
}

/* ---- ends ---- */

void
machine_queue_ended(void)
{
	machine.store = NULL;
	machine.is_syncing = false;
	timer_cancel(&machine.sync_end);
	disk_process_ends(&machine.disk);
	machine.disk.fail_at = 0;
	if (machine.rotten != NULL)
		mend();
	else if (machine.rots)
		rot();
	if (machine.call_failed != 0)
		sight(SIGHT_EIO_ENDED_QUEUE);
	machine.call_failed = 0;
}

void
machine_lose_power(void)
{
	disk_power_cut(&machine.disk, (enum disk_loss)draw(LOSS_KINDS));
}

void
machine_note_round(void)
{
	struct store_log_state state;
	if (machine.store == NULL)
		return;
	store_log_state(machine.store, &state);
	machine.rewritten = state.rewritten_bytes;
}

void
machine_note_death(bool while_starting)
{
	struct store_log_state state;
	if (machine.store == NULL)
		return;
	if (machine.is_syncing)
		sight(SIGHT_CRASH_BEFORE_SYNC);
	if (while_starting)
		return;
	store_log_state(machine.store, &state);
	if (state.rewritten_bytes != machine.rewritten)
		sight(SIGHT_CRASH_IN_CLEANING);
}

/* ---- faults ---- */

void
machine_kill_at_call(uint64_t from_now, bool with_power)
{
	machine.disk.dead_at = machine.disk.calls + from_now;
	machine.power_goes = with_power;
}

void
machine_fail_call(uint64_t from_now)
{
	machine.disk.fail_at = machine.disk.calls + from_now;
	machine.disk.fail_error = EIO;
}

void
machine_fill(int64_t for_us, uint64_t left_bytes)
{
	machine.disk.capacity = disk_used(&machine.disk) + left_bytes;
	timer_set(&machine.room, for_us);
}

void
machine_dribble(int64_t for_us)
{
	machine.disk.dribbles = true;
	timer_set(&machine.dribble, for_us);
}

void
machine_slow_syncs(int64_t for_us, int64_t sync_us)
{
	machine.sync_us = sync_us;
	timer_set(&machine.slow, for_us);
}

void
machine_heal(void)
{
	timer_cancel(&machine.room);
	timer_cancel(&machine.dribble);
	timer_cancel(&machine.slow);
	on_room(NULL);
	on_no_dribble(NULL);
	on_fast(NULL);
	machine.disk.dead_at = 0;
	machine.disk.fail_at = 0;
	machine.rots = false;
}
