/* SPDX-License-Identifier: MIT */
#include "core/pause.h"

#include "base/planted.h"
#include "core/gate.h"
#include "core/match.h"
#include "core/wish.h"

static void
tell(struct core *core, enum core_event event, const struct lane *lane)
{
	struct wish *wish = wish_add(core, WISH_TELL);
	wish->event = event;
	wish->lane = lane->handle;
}

static void
open_gate(struct core *core, struct lane *lane)
{
	if (lane->gate.is_paused && lane->gate.resume_at_ms <= core->now_ms) {
		lane->gate.is_paused = false;
		tell(core, EVENT_RESUMED, lane);
	}
	gate_act_at(core, lane, INT64_MAX);
	lanes_note(&core->lanes, lane);
	match_lane(core, lane);
}

void
pause_act(struct core *core)
{
	while (gate_wake_at(core) <= core->now_ms)
		open_gate(
		    core, lane_at(&core->lanes, heap_first(&core->gates)));
}

static void
begin_change(struct core *core, struct lane *lane)
{
	core->undo_lane = lane->handle;
	core->undo_gate = lane->gate;
}

static void
end_change(struct core *core, struct lane *lane, enum core_event event)
{
	/* Behind a gate that opens at this moment jobs go with the next fact.
	 */
	gate_act_at(core, lane,
	    lane->gate.is_paused ? lane->gate.resume_at_ms : core->now_ms);
	lanes_note(&core->lanes, lane);
	wish_add(core, WISH_SETTINGS)->lane = lane->handle;
	tell(core, event, lane);
}

void
pause_queue(struct core *core, struct lane *lane, const struct fact *fact)
{
	begin_change(core, lane);
	if (!fact->gate.on && !lane->gate.is_paused) {
		core->refusal = REFUSAL_BAD_STATE;
		core->words = "that queue is not paused";
		return;
	}
	lane->gate.is_paused = fact->gate.on;
	lane->gate.resume_at_ms = fact->gate.for_ms > 0
	    ? core->now_ms + fact->gate.for_ms
	    : INT64_MAX;
	lane->gate.since_wall_ms = fact->gate.wall_ms;
	lane->gate.uid = fact->gate.uid;
	end_change(core, lane, fact->gate.on ? EVENT_PAUSED : EVENT_RESUMED);
}

void
pause_drain(struct core *core, struct lane *lane, const struct fact *fact)
{
	begin_change(core, lane);
	if (!fact->gate.on && !lane->gate.is_draining) {
		core->refusal = REFUSAL_BAD_STATE;
		core->words = "that queue takes jobs";
		return;
	}
	lane->gate.is_draining = fact->gate.on;
	end_change(core, lane, fact->gate.on ? EVENT_DRAINING : EVENT_OPENED);
}

void
pause_restore(
    struct core *core, struct lane *lane, const struct lane_gate *gate)
{
	lane->gate = *gate;
	if (PLANTED(PAUSE_FORGOTTEN_AT_RESTART))
		lane->gate.is_paused = false;
	if (lane->gate.is_paused)
		gate_act_at(core, lane, lane->gate.resume_at_ms);
	lanes_note(&core->lanes, lane);
}

void
pause_undo(struct core *core)
{
	struct lane *lane = lane_at(&core->lanes, core->undo_lane);
	lane->gate = core->undo_gate;
	gate_act_at(core, lane,
	    lane->gate.is_paused ? lane->gate.resume_at_ms : core->now_ms);
	lanes_note(&core->lanes, lane);
}
