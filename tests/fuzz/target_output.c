/* SPDX-License-Identifier: MIT */
/*
 * A handler's output cut into lines: the same however it arrives, within both
 * bounds, and, but for what is beyond them, nothing lost.
 *
 * Input: how it arrives, how often it is repeated, then the output.
 */
#include "base/buffer.h"
#include "tests/fuzz/fuzz.h"
#include "worker/output.h"

struct seen {
	struct buffer lines; /* as they would stand in a file */
	uint64_t cost;
	unsigned full;
};

static void
on_line(void *context, struct span text, bool cut)
{
	struct seen *seen = context;
	CHECK(seen->full == 0);
	CHECK(text.count <= OUTPUT_LINE_BYTES_MAX);
	CHECK(!cut || text.count == OUTPUT_LINE_BYTES_MAX);
	CHECK(memchr(text.bytes, '\n', text.count) == NULL);
	seen->cost += text.count + OUTPUT_LINE_COST;
	CHECK(buffer_append(&seen->lines, text.bytes, text.count) == 0);
	CHECK(
	    buffer_append(&seen->lines, cut ? "+\n" : "\n", cut ? 2 : 1) == 0);
}

static void
on_full(void *context)
{
	struct seen *seen = context;
	seen->full++;
}

static const struct output_events events = { on_line, on_full };

static void
feed(struct seen *seen, struct span text, unsigned times, size_t step)
{
	struct output output;
	struct output_stream stream;
	output_init(&output);
	output_stream_init(&stream, &output, &events, seen);
	for (unsigned i = 0; i < times; i++) {
		size_t at = 0;
		while (at < text.count) {
			size_t part =
			    text.count - at < step ? text.count - at : step;
			char *copy = copy_exactly(text.bytes + at, part);
			output_feed(&stream, copy, part);
			free(copy);
			at += part;
		}
	}
	output_end(&stream);
	CHECK(seen->cost <= OUTPUT_JOB_BYTES_MAX);
	CHECK(seen->full <= 1);
}

/* Lines without bounds, the way they are taken from a file. */
static void
expect_lines(const struct seen *seen, struct span text)
{
	const char *shown = buffer_front(&seen->lines);
	size_t shown_left = buffer_count(&seen->lines);
	while (text.count > 0) {
		const char *end = memchr(text.bytes, '\n', text.count);
		size_t line = end ? (size_t)(end - text.bytes) : text.count;
		size_t taken = end ? line + 1 : line;
		size_t visible = line;
		bool cut = line > OUTPUT_LINE_BYTES_MAX;
		if (cut)
			visible = OUTPUT_LINE_BYTES_MAX;
		else if (line > 0 && text.bytes[line - 1] == '\r')
			visible--;
		size_t wanted = visible + (cut ? 2 : 1);
		CHECK(shown_left >= wanted);
		CHECK(memcmp(shown, text.bytes, visible) == 0);
		CHECK(shown[wanted - 1] == '\n');
		shown += wanted;
		shown_left -= wanted;
		text.bytes += taken;
		text.count -= taken;
	}
	CHECK(shown_left == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	size_t step = 1 + source_byte(&source);
	unsigned times = 1 + source_byte(&source);
	struct span text = source_span(&source, source.count);
	struct seen whole = { 0 }, pieces = { 0 }, once = { 0 };
	feed(&whole, text, times, text.count + 1);
	feed(&pieces, text, times, step);
	CHECK(whole.full == pieces.full);
	CHECK(span_is((struct span){ buffer_front(&whole.lines),
			  buffer_count(&whole.lines) },
	    (struct span){
		buffer_front(&pieces.lines), buffer_count(&pieces.lines) }));
	feed(&once, text, 1, text.count + 1);
	if (once.full == 0)
		expect_lines(&once, text);
	buffer_release(&whole.lines);
	buffer_release(&pieces.lines);
	buffer_release(&once.lines);
	return 0;
}
