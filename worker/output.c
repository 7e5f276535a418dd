/* SPDX-License-Identifier: MIT */
#include "worker/output.h"

#include <string.h>

void
output_head_feed(struct output_head *head, const char *bytes, size_t count)
{
	size_t room = sizeof(head->bytes) - head->count;
	if (count > room)
		count = room;
	memcpy(head->bytes + head->count, bytes, count);
	head->count += count;
}

void
output_init(struct output *output)
{
	*output = (struct output){ .left = OUTPUT_JOB_BYTES_MAX };
}

void
output_stream_init(struct output_stream *stream, struct output *output,
    const struct output_events *events, void *context)
{
	stream->output = output;
	stream->events = events;
	stream->context = context;
	stream->skipping = false;
	stream->count = 0;
}

static void
emit(struct output_stream *stream, bool cut)
{
	struct output *output = stream->output;
	size_t count = stream->count;
	stream->count = 0;
	if (output->full)
		return;
	if (output->left < count + OUTPUT_LINE_COST) {
		output->full = true;
		stream->events->on_full(stream->context);
		return;
	}
	output->left -= count + OUTPUT_LINE_COST;
	/* Ends of lines as other systems write them. */
	if (!cut && count > 0 && stream->text[count - 1] == '\r')
		count--;
	stream->events->on_line(
	    stream->context, (struct span){ stream->text, count }, cut);
}

/* Bytes without an end of line. A line is shown as soon as it is full: who
 * waits for its end may wait for ever. */
static void
gather(struct output_stream *stream, const char *bytes, size_t count)
{
	size_t room = OUTPUT_LINE_BYTES_MAX - stream->count;
	if (stream->skipping)
		return;
	bool cut = count > room;
	memcpy(stream->text + stream->count, bytes, cut ? room : count);
	stream->count += cut ? room : count;
	if (!cut)
		return;
	stream->skipping = true;
	emit(stream, true);
}

static void
end_line(struct output_stream *stream)
{
	if (!stream->skipping)
		emit(stream, false);
	stream->skipping = false;
}

void
output_feed(struct output_stream *stream, const char *bytes, size_t count)
{
	while (count > 0) {
		const char *newline = memchr(bytes, '\n', count);
		size_t part =
		    newline != NULL ? (size_t)(newline - bytes) : count;
		gather(stream, bytes, part);
		if (newline == NULL)
			return;
		end_line(stream);
		bytes += part + 1;
		count -= part + 1;
	}
}

void
output_end(struct output_stream *stream)
{
	if (stream->count > 0)
		emit(stream, false);
	stream->skipping = false;
}
