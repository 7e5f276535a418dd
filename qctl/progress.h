/* SPDX-License-Identifier: MIT */
/*
 * A line on stderr that tells how far bulk work is: a bar when the end is
 * known, the count and the rate always. It is there only when stderr is a
 * terminal that can rewrite a line, and gone when the work is done.
 */
#ifndef GSQ_QCTL_PROGRESS_H
#define GSQ_QCTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool wanted;
	bool shown;
	bool shares_screen; /* stdout is a terminal too */
	int64_t began_ms;
	int64_t drawn_ms;
	uint64_t bytes_total; /* 0: not known */
};

struct progress_state {
	uint64_t jobs;
	uint64_t bytes;
};

/* bytes_total: of the input, 0 when not known. */
void progress_begin(struct progress *progress, uint64_t bytes_total);

/* Draws it, when it has not been drawn a moment ago. */
void progress_update(struct progress *progress, struct progress_state state);

/* Makes room for words on stderr. It is drawn again in time. */
void progress_erase(const struct progress *progress);

/* Makes room for output, when that goes to the same screen. */
void progress_hide(const struct progress *progress);

/* The bar goes; if it was ever seen, a line with the result stays. */
void progress_end(struct progress *progress, uint64_t jobs);

/* The text of the line, at most columns wide: "[####....]  50 %  1000 jobs
 * 500/s". */
void progress_format(char *text, size_t text_bytes, size_t columns,
    const struct progress *progress, struct progress_state state,
    int64_t now_ms);

#endif
