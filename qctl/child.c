/* SPDX-License-Identifier: MIT */
#include "qctl/child.h"

#include "base/units.h"
#include "qctl/answer.h"

#include <inttypes.h>
#include <stdio.h>

bool
child_is_unhealthy(const msgpack_object *child)
{
	return answer_has(child, "healthy") &&
	    !answer_boolean(child, "healthy");
}

bool
child_is_ready(const msgpack_object *child)
{
	return span_is_text(answer_text(child, "state"), "ready");
}

bool
child_is_queue(const msgpack_object *child)
{
	return span_is_text(answer_text(child, "role"), "queue");
}

bool
child_is_held_back(const msgpack_object *child)
{
	struct span state = answer_text(child, "state");
	return span_is_text(state, "backoff") || span_is_text(state, "failed");
}

enum style
child_state_style(struct span state)
{
	if (span_is_text(state, "ready") || span_is_text(state, "running"))
		return STYLE_GOOD;
	if (span_is_text(state, "failed") || span_is_text(state, "backoff"))
		return STYLE_BAD;
	return STYLE_CAUTION;
}

struct span
child_shown_state(const msgpack_object *child, enum style *ret_style)
{
	struct span state = answer_text(child, "state");
	if (child_is_unhealthy(child) && child_is_ready(child)) {
		*ret_style = STYLE_BAD;
		return SPAN_LITERAL("unhealthy");
	}
	if (answer_boolean(child, "quiet") && child_is_ready(child)) {
		*ret_style = STYLE_CAUTION;
		return SPAN_LITERAL("quiet");
	}
	*ret_style = child_state_style(state);
	return state;
}

void
child_write_brief(const msgpack_object *child, char note[CHILD_NOTE_BYTES_MAX])
{
	struct span reason = answer_text(child, "unhealthy_reason");
	struct span death = answer_text(child, "last_death");
	char duration[16];
	note[0] = '\0';
	if (child_is_unhealthy(child)) {
		snprintf(
		    note, CHILD_NOTE_BYTES_MAX, "%.*s", SPAN_ARGUMENTS(reason));
	} else if (answer_has(child, "start_in_ms")) {
		duration_print(answer_integer(child, "start_in_ms"), duration,
		    sizeof(duration));
		snprintf(note, CHILD_NOTE_BYTES_MAX, "%.*s, starts in %s",
		    SPAN_ARGUMENTS(death), duration);
	} else if (death.count > 0) {
		duration_print(answer_integer(child, "last_death_ms_ago"),
		    duration, sizeof(duration));
		snprintf(note, CHILD_NOTE_BYTES_MAX, "%.*s, %s ago",
		    SPAN_ARGUMENTS(death), duration);
	}
}

void
child_write_note(const msgpack_object *child, char note[CHILD_NOTE_BYTES_MAX])
{
	struct span death = answer_text(child, "last_death");
	char duration[16];
	char next[16];
	if (child_is_unhealthy(child) || !answer_has(child, "start_in_ms")) {
		child_write_brief(child, note);
		return;
	}
	duration_print(
	    answer_integer(child, "start_in_ms"), duration, sizeof(duration));
	duration_print(
	    answer_integer(child, "next_delay_ms"), next, sizeof(next));
	snprintf(note, CHILD_NOTE_BYTES_MAX,
	    "%.*s, failure %" PRId64 ", starts in %s, then after %s",
	    SPAN_ARGUMENTS(death), answer_integer(child, "failures"), duration,
	    next);
}
