/* SPDX-License-Identifier: MIT */
/*
 * A handler's output, cut into lines for the log. Bounded twice: a line by
 * OUTPUT_LINE_BYTES_MAX, all lines of one job by OUTPUT_JOB_BYTES_MAX; what is
 * beyond that is read and dropped, so that it costs neither memory nor log, and
 * the handler never waits. Pure.
 */
#ifndef GSQ_WORKER_OUTPUT_H
#define GSQ_WORKER_OUTPUT_H

#include "base/limits.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a line costs beside its text: the time, the job and so on. */
#define OUTPUT_LINE_COST 128

struct output_events {
	/* One line, without its end; cut: it was longer. */
	void (*on_line)(void *context, struct span text, bool cut);

	/* The bound of the job is reached: no further line follows. Once. */
	void (*on_full)(void *context);
};

/* One job's; shared by its streams. */
struct output {
	uint64_t left; /* of OUTPUT_JOB_BYTES_MAX */
	bool full;
};

/* One stream; the part of a line that has come. */
struct output_stream {
	struct output *output;
	const struct output_events *events;
	void *context;
	bool skipping; /* the rest of a line that was cut */
	size_t count;
	char text[OUTPUT_LINE_BYTES_MAX];
};

/* How a stream began: its first bytes, as they came. */
struct output_head {
	size_t count;
	char bytes[STDERR_BYTES_MAX];
};

/* The next bytes of the stream, of which so many are kept as there is room
 * for. */
void output_head_feed(
    struct output_head *head, const char *bytes, size_t count);

void output_init(struct output *output);
void output_stream_init(struct output_stream *stream, struct output *output,
    const struct output_events *events, void *context);

/* The next bytes of the stream. */
void output_feed(struct output_stream *stream, const char *bytes, size_t count);

/* The stream is over: its last line may have no end. */
void output_end(struct output_stream *stream);

#endif
