/* SPDX-License-Identifier: MIT */
#include "qctl/progress.h"

#include "base/units.h"
#include "qctl/text.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAW_EVERY_MS	100
#define BAR_COLUMNS_MAX 40
#define BAR_COLUMNS_MIN 5
#define LINE_BYTES_MAX	512

static bool
can_rewrite(void)
{
	const char *terminal = getenv("TERM");
	return isatty(STDERR_FILENO) && terminal != NULL &&
	    strcmp(terminal, "dumb") != 0;
}

void
progress_begin(struct progress *progress, uint64_t bytes_total)
{
	int64_t now_ms = clock_monotonic_ms();
	*progress = (struct progress){
		.wanted = can_rewrite(),
		.shares_screen = isatty(STDOUT_FILENO),
		.began_ms = now_ms,
		.drawn_ms = now_ms, /* what takes a moment needs no bar */
		.bytes_total = bytes_total,
	};
}

/* "1234567" as "1,234,567". */
static void
format_count(char text[32], uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t at = 0;
	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
}

static uint64_t
rate_per_second(uint64_t jobs, int64_t elapsed_ms)
{
	double seconds = (double)(elapsed_ms > 0 ? elapsed_ms : 1) / 1000;
	return (uint64_t)((double)jobs / seconds);
}

static void
append_bar(char *text, size_t columns, double share)
{
	size_t full = (size_t)((double)columns * share);
	size_t at = strlen(text);
	text[at++] = '[';
	for (size_t i = 0; i < columns; i++)
		text[at++] = i < full ? '#' : '.';
	text[at++] = ']';
	text[at] = '\0';
}

void
progress_format(char *text, size_t text_bytes, size_t columns,
    const struct progress *progress, struct progress_state state,
    int64_t now_ms)
{
	char count[32];
	char rate[32];
	char words[128];
	format_count(count, state.jobs);
	format_count(
	    rate, rate_per_second(state.jobs, now_ms - progress->began_ms));
	snprintf(words, sizeof(words), "%s jobs  %s/s", count, rate);
	text[0] = '\0';
	if (progress->bytes_total > 0) {
		double share =
		    (double)state.bytes / (double)progress->bytes_total;
		share = share < 1 ? share : 1;
		size_t others = strlen(words) + strlen("[]  100 %  ");
		size_t bar = columns > others ? columns - others : 0;
		bar = bar < BAR_COLUMNS_MAX ? bar : BAR_COLUMNS_MAX;
		if (bar >= BAR_COLUMNS_MIN && bar + 32 < text_bytes)
			append_bar(text, bar, share);
		snprintf(text + strlen(text), text_bytes - strlen(text),
		    "  %3d %%  ", (int)(share * 100));
	}
	snprintf(text + strlen(text), text_bytes - strlen(text), "%s", words);
}

void
progress_update(struct progress *progress, struct progress_state state)
{
	char line[LINE_BYTES_MAX];
	int64_t now_ms = clock_monotonic_ms();
	if (!progress->wanted || now_ms - progress->drawn_ms < DRAW_EVERY_MS)
		return;
	/* The last column stays free: a full line would wrap. */
	progress_format(line, sizeof(line), terminal_columns(stderr) - 1,
	    progress, state, now_ms);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	progress->drawn_ms = now_ms;
	progress->shown = true;
}

void
progress_erase(const struct progress *progress)
{
	if (!progress->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}

void
progress_hide(const struct progress *progress)
{
	if (progress->shares_screen)
		progress_erase(progress);
}

void
progress_end(struct progress *progress, uint64_t jobs)
{
	char count[32];
	char took[16];
	char rate[32];
	if (!progress->shown)
		return;
	int64_t elapsed_ms = clock_monotonic_ms() - progress->began_ms;
	progress_erase(progress);
	format_count(count, jobs);
	format_count(rate, rate_per_second(jobs, elapsed_ms));
	duration_print(elapsed_ms, took, sizeof(took));
	fprintf(stderr, "%s jobs in %s, %s/s\n", count, took, rate);
	progress->wanted = progress->shown = false;
}
