/* SPDX-License-Identifier: MIT */
/*
 * One line per event, on stderr: a time, a level, who speaks, the name of the
 * event and key=value fields.
 *
 *     time=2026-01-02T03:04:05.678Z level=info role=queue pid=12 event=job id=7
 *     03:04:05.678 info  queue           12 job         id=7
 *
 * The second form, in local time, is for a terminal.
 *
 * Each line is one write of at most LOG_LINE_BYTES_MAX, so the lines of all
 * processes of the tree can share one stderr. A stderr that takes nothing (a
 * full pipe whose reader sleeps) never blocks a daemon: lines are dropped and
 * counted, and the next line that gets through says dropped=N.
 */
#ifndef GSQ_SYS_LOG_H
#define GSQ_SYS_LOG_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Who speaks, "supervisor", "queue", "w1"; copied. Colour and columns when
 * stderr is a terminal; no colour when NO_COLOR is set or TERM is dumb. */
void log_open(const char *role, enum log_level level);

/*
 * From now on standard error is that file, also of whoever is started: made
 * with mode 0640 if need be, and appended to. A relative name is taken from
 * where the process stands now. 0 or an errno, and standard error as it was.
 */
int log_to_file(const char *path);

/* Where a child finds the name of the file that it was started with. */
#define LOG_FILE_VARIABLE "GSQ_LOG"

/* The file that another process of the tree has opened for us, to be opened
 * anew; NULL: none. Copied. */
void log_set_file(const char *path);

/* The name of it, from the root; NULL: none. */
const char *log_file(void);

/* Opens it anew, after somebody has given the old one another name. 0, also
 * when there is no file, or an errno, and the old one is written on. */
int log_reopen(void);

/* Would a line of that level be written? For fields that cost to make. */
bool log_wants(enum log_level level);

/*
 * Writes a line. event is one word; format and what follows are the fields,
 * "job=%llu worker=%s"; format may be NULL. errno is kept.
 */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines of one kind a second, of those that a client can cause as often as it
 * likes. */
#define LOG_LINES_PER_SECOND 100

/* One for each kind of line, zeroed but for the name of the event. */
struct log_limit {
	const char *event;
	int64_t second;
	unsigned count;
	uint64_t left_out;
};

/* May one more such line be written? How many were left out is told, as
 * event=left-out, when there is room again. */
bool log_allows(struct log_limit *limit);

/*
 * Quotes bytes from outside for a field: printable words stand as they are,
 * anything else in "..." with \xNN for what could move a terminal. The result
 * is at most max bytes of text (cut ones end in ...) and good until the
 * fourth call after this one.
 */
const char *log_quote(struct span bytes, size_t max);

#endif
