/* SPDX-License-Identifier: MIT */
/*
 * What takes the place of common/sys, where that touches the machine.
 */
#include "base/check.h"
#include "sys/clock.h"
#include "sys/directory.h"
#include "sys/log.h"
#include "sys/socket.h"
#include "sys/title.h"
#include "tests/sim/process.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/time.h"
#include "tests/sim/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- clock ---- */

int64_t
clock_monotonic_ms(void)
{
	return time_now_us() / 1000;
}

int64_t
clock_monotonic_us(void)
{
	return time_now_us();
}

int64_t
clock_wall_ms(void)
{
	return time_wall_ms();
}

int64_t
clock_wall_at_0_ms(void)
{
	return clock_wall_ms() - clock_monotonic_ms();
}

/* A world's clocks are set between its events, so that each is noticed with the
 * next one. */
int
clock_watch(void)
{
	return -1;
}

void
clock_watch_on(int fd)
{
	(void)fd;
}

/* ---- log: some lines tell what can be known in no other way ---- */

static const struct {
	const char *event;
	enum sight sight;
} telling[] = {
	{ "store-cut", SIGHT_TORN_TAIL_CUT },
	{ "store-full", SIGHT_DISK_FULL },
	{ "certificate-dropped", SIGHT_CERTIFICATE_DROPPED },
	{ "store-has-room", SIGHT_DISK_FULL_AND_BACK },
	{ "cut-off", SIGHT_OVERSTAYED_CUT_OFF },
};

bool
log_wants(enum log_level level)
{
	return level <= LOG_INFO;
}

void
log_event(enum log_level level, const char *event, const char *format, ...)
{
	struct process *process = process_current();
	if (process == NULL)
		return;
	for (size_t i = 0; i < sizeof(telling) / sizeof(*telling); i++)
		if (strcmp(event, telling[i].event) == 0)
			sight(telling[i].sight);
	if (strcmp(event, "result") == 0)
		worker_note_error(process);
	if (level > LOG_INFO || format == NULL)
		return;
	char words[300];
	int length = snprintf(words, sizeof(words), "log: %s ", event);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(
	    words + length, sizeof(words) - (size_t)length, format, arguments);
	va_end(arguments);
	note_words(words);
	if (strcmp(event, "boot-failed") == 0)
		queue_note_refusal(words);
}

bool
log_allows(struct log_limit *limit)
{
	(void)limit;
	return true;
}

int
log_reopen(void)
{
	return 0;
}

const char *
log_quote(struct span bytes, size_t max)
{
	static char text[4][512];
	static unsigned next;
	char *mine = text[next++ % 4];
	size_t most = max < sizeof(text[0]) ? max : sizeof(text[0]) - 1;
	snprintf(mine, sizeof(text[0]), "%.*s",
	    (int)(bytes.count < most ? bytes.count : most),
	    bytes.bytes != NULL ? bytes.bytes : "");
	return mine;
}

_Noreturn void
check_failed(const char *file, int line, const char *condition)
{
	broken("no promise between two parts breaks", "%s:%d: %s", file, line,
	    condition);
}

/* ---- sockets, paths, titles ---- */

int
socket_listen(const char *path)
{
	(void)path;
	return -EADDRINUSE;
}

int
socket_connect(const char *path)
{
	struct process *process = process_current();
	struct stream_side side = { .process = process };
	(void)path;
	return stream_connect(&side, process->pid);
}

int
socket_accept(int listener)
{
	(void)listener;
	return stream_accept(process_current());
}

int
socket_credentials(int fd, struct credentials *ret_credentials)
{
	*ret_credentials =
	    (struct credentials){ .pid = (pid_t)stream_pid_of_other(fd) };
	return 0;
}

int
socket_client_descriptors(void)
{
	return INT_MAX;
}

int
directory_path(
    char *path, size_t path_bytes, const char *directory, const char *name)
{
	snprintf(path, path_bytes, "%s/%s", directory, name);
	return 0;
}

void
title_set(const char *format, ...)
{
	(void)format;
}
