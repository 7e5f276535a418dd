/* SPDX-License-Identifier: MIT */
#include "tests/sim/stream.h"

#include "base/check.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ENDS_MAX       256
#define BACKLOG_MAX    64
#define CAPACITY_BYTES 65536u
#define USUAL_DELAY_US 40
#define CAPACITY_LEAST 200u

struct end {
	bool used;
	struct stream_side side;
	int other;	   /* -1: it has closed */
	bool over;	   /* nothing comes behind what is here */
	bool shut;	   /* by ourselves */
	bool is_queues;	   /* a connection to the queue's socket */
	int64_t other_pid; /* who connected */
	char *bytes;	   /* what has come, or is on its way */
	size_t start, stop, room;
	size_t arrived; /* of these, from start on */
	size_t capacity;
	struct timer arrival;
	uint64_t ready_order; /* when it became readable; 0: it is not */
};

static struct {
	struct end ends[ENDS_MAX];
	int used;
	int backlog[BACKLOG_MAX];
	int backlog_count;
	bool listens;
	int64_t delay_us;
	uint64_t order;
} streams;

static struct end *
end_of(int fd)
{
	int at = fd - STREAM_FD_FIRST;
	CHECK(at >= 0 && at < streams.used && streams.ends[at].used);
	return &streams.ends[at];
}

static bool
is_readable(const struct end *end)
{
	return end->arrived > 0 || end->shut ||
	    (end->over && end->stop == end->start);
}

/* Who became readable first is read first, as the kernel does it: an older
 * connection of one process before the next. */
static void
note_readiness(struct end *end)
{
	if (!is_readable(end))
		end->ready_order = 0;
	else if (end->ready_order == 0)
		end->ready_order = ++streams.order;
}

uint64_t
stream_ready_order(int fd)
{
	return end_of(fd)->ready_order;
}

static void
tell(struct end *end)
{
	note_readiness(end);
	if (end->side.process != NULL)
		process_wake(end->side.process);
	else if (end->side.told != NULL)
		timer_hasten(&end->arrival, 1);
}

/* ---- arrival ---- */

static void
tell_of_arrival(struct end *end)
{
	if (end->side.process != NULL)
		process_wake(end->side.process);
	else if (end->side.told != NULL)
		end->side.told(end->side.context);
}

static int64_t
delay_us(void)
{
	return 1 + (int64_t)draw((uint64_t)streams.delay_us);
}

static void
on_arrival(void *context)
{
	struct end *end = context;
	size_t on_way = end->stop - end->start - end->arrived;
	if (on_way > 1 && chance(80)) {
		end->arrived += 1 + draw(on_way - 1);
		timer_set(&end->arrival, delay_us());
	} else {
		end->arrived += on_way;
	}
	note_readiness(end);
	tell_of_arrival(end);
}

/* ---- life ---- */

void
stream_reset(void)
{
	memset(&streams, 0, sizeof(streams));
	streams.delay_us = USUAL_DELAY_US;
}

void
stream_set_delay(int64_t us)
{
	streams.delay_us = us > 0 ? us : USUAL_DELAY_US;
}

static int
open_end(const struct stream_side *side)
{
	int at = 0;
	while (at < streams.used && streams.ends[at].used)
		at++;
	CHECK(at < ENDS_MAX);
	if (at == streams.used)
		streams.used++;
	struct end *end = &streams.ends[at];
	char *bytes = end->bytes;
	size_t room = end->room;
	*end = (struct end){ .used = true,
		.bytes = bytes,
		.room = room,
		.capacity = CAPACITY_BYTES,
		.other = -1 };
	if (side != NULL)
		end->side = *side;
	if (strikes(FAULT_SMALL_STREAM))
		end->capacity = CAPACITY_LEAST + draw(4000);
	end->arrival = (struct timer){ .fire = on_arrival, .context = end };
	return at;
}

void
stream_pair(
    const struct stream_side *one, const struct stream_side *two, int ends[2])
{
	int a = open_end(one);
	int b = open_end(two);
	streams.ends[a].other = b;
	streams.ends[b].other = a;
	ends[0] = STREAM_FD_FIRST + a;
	ends[1] = STREAM_FD_FIRST + b;
}

/* Nothing is on its way any more: it is here. */
static void
end_comes(struct end *end)
{
	end->over = true;
	end->arrived = end->stop - end->start;
	tell(end);
}

void
stream_close(int fd)
{
	struct end *end = end_of(fd);
	timer_cancel(&end->arrival);
	end->used = false;
	if (end->other < 0)
		return;
	struct end *other = &streams.ends[end->other];
	other->other = -1;
	end_comes(other);
}

void
stream_close_all(const struct process *process)
{
	for (int i = 0; i < streams.used; i++)
		if (streams.ends[i].used &&
		    streams.ends[i].side.process == process)
			stream_close(STREAM_FD_FIRST + i);
}

void
stream_shut(int fd)
{
	struct end *end = end_of(fd);
	end->shut = true;
	if (end->other >= 0) {
		end_comes(&streams.ends[end->other]);
	}
	tell(end);
}

/* ---- the queue's socket ---- */

void
stream_listen(bool listens)
{
	streams.listens = listens;
	if (listens)
		return;
	for (int i = 0; i < streams.backlog_count; i++)
		stream_close(streams.backlog[i]);
	streams.backlog_count = 0;
}

int
stream_connect(const struct stream_side *side, int64_t pid)
{
	int ends[2];
	if (!streams.listens)
		return -ECONNREFUSED;
	if (streams.backlog_count == BACKLOG_MAX)
		return -EAGAIN;
	stream_pair(side, NULL, ends);
	end_of(ends[1])->other_pid = pid;
	end_of(ends[0])->is_queues = end_of(ends[1])->is_queues = true;
	streams.backlog[streams.backlog_count++] = ends[1];
	queue_wake();
	return ends[0];
}

bool
stream_has_waiting(void)
{
	return streams.backlog_count > 0;
}

int
stream_accept(struct process *process)
{
	if (streams.backlog_count == 0)
		return -EAGAIN;
	int fd = streams.backlog[0];
	streams.backlog_count--;
	memmove(streams.backlog, streams.backlog + 1,
	    (size_t)streams.backlog_count * sizeof(streams.backlog[0]));
	end_of(fd)->side.process = process;
	end_of(fd)->ready_order = 0;
	note_readiness(end_of(fd));
	return fd;
}

int64_t
stream_pid_of_other(int fd)
{
	return end_of(fd)->other_pid;
}

/* ---- bytes ---- */

static void
append(struct end *end, const void *bytes, size_t count)
{
	if (end->start > 0 && end->stop + count > end->room) {
		memmove(end->bytes, end->bytes + end->start,
		    end->stop - end->start);
		end->stop -= end->start;
		end->start = 0;
	}
	if (end->stop + count > end->room) {
		struct process *before = process_enter(NULL);
		end->room = 2 * (end->stop + count);
		end->bytes = realloc(end->bytes, end->room);
		CHECK(end->bytes != NULL);
		process_leave(before);
	}
	memcpy(end->bytes + end->stop, bytes, count);
	end->stop += count;
}

static size_t
room_in(const struct end *end)
{
	size_t held = end->stop - end->start;
	return held < end->capacity ? end->capacity - held : 0;
}

ssize_t
stream_send(int fd, const void *bytes, size_t count)
{
	struct end *end = end_of(fd);
	if (end->shut || end->other < 0)
		return -EPIPE;
	struct end *other = &streams.ends[end->other];
	if (other->shut || other->over)
		return -EPIPE;
	size_t room = room_in(other);
	if (room == 0)
		return -EAGAIN;
	if (count > room)
		count = room;
	append(other, bytes, count);
	if (!timer_is_set(&other->arrival))
		timer_set(&other->arrival, delay_us());
	mix_in((uint64_t)fd << 32 | count);
	return (ssize_t)count;
}

ssize_t
stream_receive(int fd, void *bytes, size_t count)
{
	struct end *end = end_of(fd);
	if (end->shut)
		return 0;
	if (end->arrived == 0)
		return end->over && end->stop == end->start ? 0 : -EAGAIN;
	if (count > end->arrived)
		count = end->arrived;
	bool was_full = room_in(end) == 0;
	memcpy(bytes, end->bytes + end->start, count);
	end->start += count;
	end->arrived -= count;
	if (end->start == end->stop)
		end->start = end->stop = 0;
	end->ready_order = 0;
	note_readiness(end);
	if (was_full && end->other >= 0)
		tell(&streams.ends[end->other]);
	return (ssize_t)count;
}

bool
stream_is_over(int fd)
{
	return end_of(fd)->other < 0;
}

bool
stream_is_readable(int fd)
{
	return is_readable(end_of(fd));
}

bool
stream_is_writable(int fd)
{
	const struct end *end = end_of(fd);
	return end->shut || end->other < 0 ||
	    room_in(&streams.ends[end->other]) > 0;
}

/* ---- faults ---- */

/* What is on its way is cut at any byte. */
static void
cut_short(struct end *end)
{
	size_t on_way = end->stop - end->start - end->arrived;
	if (on_way > 0)
		end->stop -= draw(on_way + 1);
	end_comes(end);
}

void
stream_cut_one(void)
{
	int found[ENDS_MAX];
	int count = 0;
	for (int i = 0; i < streams.used; i++)
		if (streams.ends[i].used && streams.ends[i].is_queues &&
		    streams.ends[i].other >= 0)
			found[count++] = i;
	if (count == 0)
		return;
	struct end *end = &streams.ends[found[draw((uint64_t)count)]];
	struct end *other = &streams.ends[end->other];
	note("a connection is cut, ends %lld and %lld", end->other,
	    other->other, 0, 0);
	end->other = other->other = -1;
	cut_short(end);
	cut_short(other);
}

void
stream_lose_all(void)
{
	for (int i = 0; i < streams.used; i++) {
		struct end *end = &streams.ends[i];
		if (!end->used)
			continue;
		end->other = -1;
		end->over = true;
		end->start = end->stop = end->arrived = 0;
		tell(end);
	}
}

/* ---- the calls of real code ---- */

ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t count, int flags);
ssize_t __wrap___recv_chk(
    int fd, void *bytes, size_t count, size_t room, int flags);
int __wrap_shutdown(int fd, int how);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_unlink(const char *path);

static ssize_t
as_call(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

ssize_t
__wrap_send(int fd, const void *bytes, size_t count, int flags)
{
	(void)flags;
	return as_call(stream_send(fd, bytes, count));
}

ssize_t
__wrap_recv(int fd, void *bytes, size_t count, int flags)
{
	(void)flags;
	return as_call(stream_receive(fd, bytes, count));
}

ssize_t
__wrap___recv_chk(int fd, void *bytes, size_t count, size_t room, int flags)
{
	CHECK(count <= room);
	return __wrap_recv(fd, bytes, count, flags);
}

int
__wrap_shutdown(int fd, int how)
{
	(void)how;
	stream_shut(fd);
	return 0;
}

int
__wrap_close(int fd)
{
	if (fd < STREAM_FD_SYNC)
		return __real_close(fd);
	if (fd >= STREAM_FD_FIRST)
		stream_close(fd);
	return 0;
}

int
__wrap_fcntl(int fd, int command, ...)
{
	(void)fd, (void)command;
	return 0;
}

int
__wrap_unlink(const char *path)
{
	(void)path;
	return 0;
}
