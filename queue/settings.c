/* SPDX-License-Identifier: MIT */
#include "queue/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX (NAME_BYTES_MAX + 128)

/* ---- printing ---- */

static int
print_line(struct buffer *lines, const char *line, int count)
{
	return buffer_append(lines, line, (size_t)count);
}

static int
print_lane(
    struct buffer *lines, const struct lane *lane, int64_t wall_offset_ms)
{
	const struct lane_gate *gate = &lane->gate;
	char line[LINE_BYTES_MAX];
	int error = 0;
	if (gate->is_paused)
		error = print_line(lines, line,
		    snprintf(line, sizeof(line),
			"%s paused %" PRId64 " %" PRId64 " %" PRId64 "\n",
			lane->name.text, gate->since_wall_ms,
			gate->resume_at_ms == INT64_MAX
			    ? 0
			    : gate->resume_at_ms + wall_offset_ms,
			gate->uid));
	if (error == 0 && gate->is_draining)
		error = print_line(lines, line,
		    snprintf(
			line, sizeof(line), "%s draining\n", lane->name.text));
	return error;
}

static int
print_events(struct buffer *lines, uint64_t through)
{
	char line[LINE_BYTES_MAX];
	if (through == 0)
		return 0;
	return print_line(lines, line,
	    snprintf(line, sizeof(line), "* events %" PRIu64 "\n", through));
}

int
settings_print(struct buffer *lines, const struct core *core,
    uint64_t events_through, int64_t wall_offset_ms)
{
	const struct lane *lane, *following;
	int error = 0;
	HASH_ITER(by_name, core->lanes.by_name, lane, following) {
		if (error == 0)
			error = print_lane(lines, lane, wall_offset_ms);
	}
	return error == 0 ? print_events(lines, events_through) : error;
}

/* ---- reading ---- */

/* The greatest would leave no numbers for this queue to take. */
static bool
read_events(const char *line, uint64_t *through)
{
	char behind;
	return sscanf(line, "* events %" SCNu64 " %c", through, &behind) == 1 &&
	    *through <= INT64_MAX / 2;
}

/* What a line says, added to what is known of its queue. */
static bool
read_line(const char *line, char *name, struct lane_gate *gate,
    int64_t wall_offset_ms)
{
	int64_t since_ms, until_ms, uid;
	char word[16];
	char behind;
	if (sscanf(line, "%64s %15s", name, word) != 2 ||
	    !name_is_valid(span_of(name)))
		return false;
	if (strcmp(word, "draining") == 0) {
		gate->is_draining = true;
		return sscanf(line, "%*s %*s %c", &behind) != 1;
	}
	if (strcmp(word, "paused") != 0 ||
	    sscanf(line, "%*s %*s %" SCNd64 " %" SCNd64 " %" SCNd64 " %c",
		&since_ms, &until_ms, &uid, &behind) != 3)
		return false;
	gate->is_paused = true;
	gate->since_wall_ms = since_ms;
	gate->resume_at_ms =
	    until_ms == 0 ? INT64_MAX : until_ms - wall_offset_ms;
	gate->uid = uid;
	return true;
}

static void
tell(struct core *core, const char *name, const struct lane_gate *more,
    int64_t now_ms)
{
	struct fact fact = { .kind = FACT_RESTORE_GATE, .now_ms = now_ms };
	const struct lane *lane = lanes_find(&core->lanes, span_of(name));
	fact.restore_gate.queue = span_of(name);
	fact.restore_gate.gate = *more;
	/* Its other line came before. */
	if (lane != NULL && lane->gate.is_paused) {
		fact.restore_gate.gate = lane->gate;
		fact.restore_gate.gate.is_draining = more->is_draining;
	}
	core_step(core, &fact);
}

bool
settings_restore(struct core *core, struct span lines, int64_t now_ms,
    int64_t wall_offset_ms, uint64_t *ret_events_through)
{
	while (lines.count > 0) {
		const char *end = memchr(lines.bytes, '\n', lines.count);
		char line[LINE_BYTES_MAX], name[NAME_BYTES_MAX + 1];
		struct lane_gate gate = { .resume_at_ms = INT64_MAX };
		size_t count = end ? (size_t)(end - lines.bytes) : 0;
		if (end == NULL || count >= sizeof(line))
			return false;
		memcpy(line, lines.bytes, count);
		line[count] = '\0';
		if (read_line(line, name, &gate, wall_offset_ms))
			tell(core, name, &gate, now_ms);
		else if (!read_events(line, ret_events_through))
			return false;
		lines.bytes += count + 1;
		lines.count -= count + 1;
	}
	return true;
}
