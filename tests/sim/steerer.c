/* SPDX-License-Identifier: MIT */
#include "tests/sim/clients.h"

#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"

#include <string.h>

/* Each has one request on its way at most; what is not answered before its
 * connection ends may have happened or not. */
struct steerer {
	struct talker talker;
	struct timer act;
	int64_t pause_us;
	uint64_t msgid;
	bool waits;
	struct steering steering;  /* of jobs */
	struct gate_change change; /* of queues */
};

static struct steerer steerer;
static struct steerer keeper;

static void
begin_request(struct steerer *self, struct message_writer *writer,
    const char *method, uint32_t keys)
{
	message_request(
	    writer, &self->talker.output, ++self->msgid, span_of(method), keys);
}

static void
end_request(struct steerer *self, struct message_writer *writer)
{
	CHECK(message_end(writer) == 0);
	self->waits = true;
	talker_send(&self->talker);
}

static struct span
error_text(const struct message *message)
{
	struct span text = { 0 };
	if (message->error->type == MSGPACK_OBJECT_ARRAY &&
	    message->error->via.array.size == 2)
		object_span(&message->error->via.array.ptr[1], &text);
	return text;
}

static bool
begins_with(struct span text, const char *words)
{
	size_t count = strlen(words);
	return text.count >= count && memcmp(text.bytes, words, count) == 0;
}

static void
check_answer(struct steerer *self, const struct message *message)
{
	if (message->kind != MESSAGE_RESPONSE || !self->waits ||
	    message->msgid != self->msgid)
		broken("each request has one answer", "msgid %llu",
		    (unsigned long long)message->msgid);
	self->waits = false;
}

/* ---- jobs ---- */

static void
steer(void)
{
	static const char *const methods[] = {
		[STEER_CANCEL] = "cancel",
		[STEER_DELETE] = "delete",
		[STEER_RETRY] = "retry",
		[STEER_TOUCH] = "touch",
	};
	struct steering *steering = &steerer.steering;
	struct message_writer writer;
	int64_t delivery;
	*steering = (struct steering){ .what = (enum steer)draw(4),
		.id = oracle_some_job(&delivery),
		.ttr_ms = -1 };
	if (steering->id == 0)
		return;
	bool has_ttr = steering->what == STEER_TOUCH && chance(700);
	if (has_ttr)
		steering->ttr_ms = chance(100) ? 0 : draw_about(1, 6000);
	oracle_steers(steering);
	note("somebody steers (%lld) job %lld", steering->what,
	    (long long)steering->id, 0, 0);
	begin_request(
	    &steerer, &writer, methods[steering->what], has_ttr ? 2 : 1);
	put_key(&writer, "id");
	put_unsigned(&writer, steering->id);
	if (has_ttr) {
		put_key(&writer, "ttr_ms");
		put_integer(&writer, steering->ttr_ms);
	}
	end_request(&steerer, &writer);
}

static void
on_steered(void *context, const struct message *message)
{
	struct span result = { 0 };
	(void)context;
	check_answer(&steerer, message);
	foreigners_note_ends();
	if (message->error == NULL) {
		object_span(map_find(message->result, "result"), &result);
		oracle_steered(&steerer.steering, result);
		return;
	}
	struct span text = error_text(message);
	if (!begins_with(text, "NOT_FOUND") &&
	    !begins_with(text, "BAD_STATE") && !begins_with(text, "FULL"))
		broken("good requests are taken or put off", "%.*s",
		    (int)text.count, text.count > 0 ? text.bytes : "");
	oracle_steer_refused(&steerer.steering);
}

/* ---- queues ---- */

static void
say_gate(enum gating what, unsigned queue)
{
	static const char *const methods[] = {
		[GATING_PAUSE] = "pause",
		[GATING_RESUME] = "resume",
		[GATING_DRAIN] = "drain",
		[GATING_OPEN] = "drain",
	};
	struct gate_change *change = &keeper.change;
	struct message_writer writer;
	*change = (struct gate_change){ .what = what, .queue = queue };
	if (what == GATING_PAUSE && chance(500))
		change->for_ms = draw_about(1, 4000);
	oracle_gates(change);
	note("somebody closes or opens (%lld) queue %lld for %lld ms", what,
	    queue, change->for_ms, 0);
	begin_request(
	    &keeper, &writer, methods[what], what == GATING_RESUME ? 1 : 2);
	put_key(&writer, "queue");
	put_text(&writer, span_of(queue_rules(queue)->name));
	if (what == GATING_PAUSE) {
		put_key(&writer, "for_ms");
		put_integer(&writer, change->for_ms);
	} else if (what != GATING_RESUME) {
		put_key(&writer, "on");
		put_boolean(&writer, what == GATING_DRAIN);
	}
	end_request(&keeper, &writer);
}

/* Closed queues are opened soon: behind them the world stands still. */
static void
keep_gates(void)
{
	unsigned queue = (unsigned)draw(QUEUES);
	bool opens = world_heals() || chance(600);
	for (unsigned i = 0; i < QUEUES && opens; i++) {
		unsigned at = (queue + i) % QUEUES;
		if (oracle_may_be_paused(at)) {
			say_gate(GATING_RESUME, at);
			return;
		}
		if (oracle_may_be_drained(at)) {
			say_gate(GATING_OPEN, at);
			return;
		}
	}
	if (!world_heals())
		say_gate(chance(700) ? GATING_PAUSE : GATING_DRAIN, queue);
}

static void
on_gated(void *context, const struct message *message)
{
	(void)context;
	check_answer(&keeper, message);
	if (message->error == NULL) {
		oracle_gated(&keeper.change);
		return;
	}
	struct span text = error_text(message);
	bool bad_state = begins_with(text, "BAD_STATE");
	if (!bad_state && !begins_with(text, "FULL"))
		broken("good requests are taken or put off", "%.*s",
		    (int)text.count, text.count > 0 ? text.bytes : "");
	oracle_gate_refused(&keeper.change, bad_state);
}

/* ---- acting ---- */

static void
on_end(void *context)
{
	struct steerer *self = context;
	self->waits = false;
	timer_set(&self->act, draw_about(1000, 100000));
}

static bool
is_connected(struct steerer *self, int64_t pid)
{
	return talker_is_connected(&self->talker) ||
	    talker_connect(&self->talker, pid);
}

static void
on_steer(void *context)
{
	(void)context;
	if (world_heals())
		return;
	if (is_connected(&steerer, 302) && !steerer.waits)
		steer();
	timer_set(&steerer.act, draw_about(1000, steerer.pause_us));
}

static void
on_keep(void *context)
{
	(void)context;
	if (is_connected(&keeper, 303) && !keeper.waits)
		keep_gates();
	if (!world_heals() || !steerers_are_idle())
		timer_set(&keeper.act, draw_about(1000, keeper.pause_us));
}

static void
reset(struct steerer *self, void (*act)(void *context),
    void (*on_message)(void *context, const struct message *message))
{
	memset(self, 0, sizeof(*self));
	self->talker.fd = -1;
	self->talker.context = self;
	self->talker.on_message = on_message;
	self->talker.on_end = on_end;
	self->act.fire = act;
	self->pause_us = draw_about(20000, 1500000);
}

void
steerers_reset(void)
{
	reset(&steerer, on_steer, on_steered);
	reset(&keeper, on_keep, on_gated);
	if (fault_rate(FAULT_STEER) > 0)
		timer_set(&steerer.act, 50000);
	if (fault_rate(FAULT_PAUSE) > 0)
		timer_set(&keeper.act, 50000);
}

void
steerers_heal(void)
{
	keeper.pause_us = 20000;
	if (!steerers_are_idle())
		timer_hasten(&keeper.act, 1);
}

bool
steerers_are_idle(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (oracle_may_be_paused(i) || oracle_may_be_drained(i))
			return false;
	return true;
}
