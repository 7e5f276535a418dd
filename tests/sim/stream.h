/* SPDX-License-Identifier: MIT */
/*
 * Virtual sockets: two ends, bytes that are on their way for a while and
 * arrive in pieces, a bound on what may be on the way, and an end that can come
 * at any byte.
 */
#ifndef GSQ_TESTS_SIM_STREAM_H
#define GSQ_TESTS_SIM_STREAM_H

#include "tests/sim/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors from here on are ours. */
#define STREAM_FD_FIRST	   1000
#define STREAM_FD_LISTENER 999
#define STREAM_FD_SYNC	   998

/* Something arrived, or there is room again, or the end. */
typedef void (*stream_told)(void *context);

void stream_reset(void);

/* Two connected ends. An end belongs to a process, whose loop hears of it, or
 * is told of it by a function. */
struct stream_side {
	struct process *process; /* or NULL, and: */
	stream_told told;
	void *context;
};
void stream_pair(
    const struct stream_side *one, const struct stream_side *two, int ends[2]);

/* Connects to the queue's socket. -ECONNREFUSED when nobody listens. */
int stream_connect(const struct stream_side *side, int64_t pid);

/* Does somebody listen? When not any more, all who wait are cut off. */
void stream_listen(bool listens);

/* For the queue: who waits, and who he is. */
bool stream_has_waiting(void);
int stream_accept(struct process *process);
int64_t stream_pid_of_other(int fd);

/* As the calls do: -errno. */
ssize_t stream_send(int fd, const void *bytes, size_t count);
ssize_t stream_receive(int fd, void *bytes, size_t count);
void stream_shut(int fd);
void stream_close(int fd);
void stream_close_all(const struct process *process);

bool stream_is_readable(int fd);
bool stream_is_writable(int fd);

/* Who became readable earlier has a lower number. */
uint64_t stream_ready_order(int fd);

/* Ends one of the queue's connections somewhere in what is on its way. */
void stream_cut_one(void);

/* The power goes: all connections are over, with all that was on its way. */
void stream_lose_all(void);

/* Has the other end closed, or died? What still comes is from before. */
bool stream_is_over(int fd);

/* From now on everything takes so long on its way. */
void stream_set_delay(int64_t delay_us);

#endif
