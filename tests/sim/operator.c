/* SPDX-License-Identifier: MIT */
#include "tests/sim/clients.h"

#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"

#include <string.h>

struct auditor {
	struct talker talker;
	struct timer act;
	int64_t pause_us;
	uint64_t msgid;
	bool listing;
	uint64_t moment;
	int64_t limit; /* of a page */
	int64_t asked_us;
	int64_t told_us; /* a turn of this queue has ended since; 0: none */
	uint64_t told_life;
	bool is_whole; /* one page */
	uint64_t life; /* of the queue, when it began */
	uint64_t lists;
};

struct looker {
	struct talker talker;
	struct timer act;
	uint64_t msgid;
};

static struct auditor auditor;
static struct looker looker;

/* ---- the auditor ---- */

static void
ask_for_page(int64_t after)
{
	struct message_writer writer;
	auditor.asked_us = time_now_us();
	message_request(&writer, &auditor.talker.output, ++auditor.msgid,
	    SPAN_LITERAL("list"), 2);
	put_key(&writer, "after");
	put_integer(&writer, after);
	put_key(&writer, "limit");
	put_integer(&writer, auditor.limit);
	CHECK(message_end(&writer) == 0);
	talker_send(&auditor.talker);
}

static void
begin_list(void)
{
	auditor.listing = true;
	auditor.moment = oracle_moment();
	auditor.is_whole = true;
	auditor.life = queue_life();
	auditor.limit = chance(800) ? 1000 : 1 + (int64_t)draw(30);
	oracle_list_begins();
	ask_for_page(0);
}

/* Is what comes from the queue that lives, all of it? */
static bool
is_of_now(void)
{
	return auditor.life == queue_life() &&
	    !stream_is_over(auditor.talker.fd);
}

static void
take_listed(const msgpack_object *row)
{
	struct listed listed = { 0 };
	int64_t id = 0;
	bool good = object_integer(map_find(row, "id"), 1, INT64_MAX, &id) &&
	    object_integer(
		map_find(row, "priority"), 0, 255, &listed.priority) &&
	    object_integer(
		map_find(row, "attempt"), 0, INT32_MAX, &listed.attempt) &&
	    object_integer(map_find(row, "body_bytes"), 0, INT32_MAX,
		&listed.body_bytes) &&
	    object_span(map_find(row, "queue"), &listed.queue) &&
	    object_span(map_find(row, "state"), &listed.state) &&
	    object_span(map_find(row, "body"), &listed.body);
	if (!good)
		broken("gsq sends good messages", "a list has a bad row");
	object_integer(map_find(row, "crashes"), 1, INT32_MAX, &listed.crashes);
	object_span(map_find(row, "cause"), &listed.cause);
	object_span(map_find(row, "key"), &listed.key);
	listed.id = (uint64_t)id;
	if (auditor.told_life == queue_life() && is_of_now())
		listed.since_us = auditor.told_us;
	oracle_listed(&listed);
}

static void
on_page(void *context, const struct message *message)
{
	int64_t next = 0;
	(void)context;
	if (message->kind != MESSAGE_RESPONSE || message->error != NULL ||
	    message->msgid != auditor.msgid)
		broken("each request has one answer", "a list was refused");
	const msgpack_object *rows = map_find(message->result, "jobs");
	if (rows == NULL || rows->type != MSGPACK_OBJECT_ARRAY ||
	    !object_integer(
		map_find(message->result, "next"), 0, INT64_MAX, &next))
		broken("gsq sends good messages", "a bad page");
	for (uint32_t i = 0; i < rows->via.array.size; i++)
		take_listed(&rows->via.array.ptr[i]);
	auditor.told_us = auditor.asked_us;
	auditor.told_life = auditor.life;
	if (next != 0) {
		auditor.is_whole = false;
		ask_for_page(next);
		return;
	}
	oracle_list_ends(auditor.moment, auditor.is_whole && is_of_now());
	auditor.listing = false;
	auditor.lists++;
	if (!world_heals()) /* else it is asked for */
		timer_set(&auditor.act, draw_about(500, auditor.pause_us));
}

static void
on_audit_end(void *context)
{
	(void)context;
	auditor.listing = false;
	timer_set(&auditor.act, draw_about(500, 20000));
}

static void
on_audit(void *context)
{
	(void)context;
	if (auditor.listing)
		return;
	if (talker_is_connected(&auditor.talker) ||
	    talker_connect(&auditor.talker, 300))
		begin_list();
	else
		timer_set(&auditor.act, draw_about(500, 20000));
}

uint64_t
operators_lists(void)
{
	return auditor.lists;
}

void
operators_list_now(void)
{
	if (!auditor.listing)
		timer_hasten(&auditor.act, 1);
}

/* ---- one who looks at everything ---- */

static void
look(void)
{
	static const char *const methods[] = { "get", "peek", "queues",
		"workers", "stats", "ping", "wait", "events", "list",
		"nothing" };
	const char *method = methods[draw(sizeof(methods) / sizeof(*methods))];
	int64_t delivery;
	uint64_t id = oracle_some_job(&delivery);
	struct message_writer writer;
	bool by_id = strcmp(method, "get") == 0 ||
	    (strcmp(method, "wait") == 0 && chance(500));
	message_request(
	    &writer, &looker.talker.output, ++looker.msgid, span_of(method), 1);
	if (by_id) {
		put_key(&writer, "id");
		put_unsigned(&writer, id > 0 ? id : 1);
	} else {
		put_key(&writer, "queue");
		put_text(&writer,
		    span_of(queue_rules((unsigned)draw(QUEUES))->name));
	}
	CHECK(message_end(&writer) == 0);
	talker_send(&looker.talker);
}

static void
on_seen(void *context, const struct message *message)
{
	(void)context;
	if (message->kind == MESSAGE_RESPONSE && message->msgid > looker.msgid)
		broken("each request has one answer", "msgid %llu",
		    (unsigned long long)message->msgid);
}

static void
on_look_end(void *context)
{
	(void)context;
	timer_set(&looker.act, draw_about(1000, 200000));
}

static void
on_look(void *context)
{
	(void)context;
	if (talker_is_connected(&looker.talker) ||
	    talker_connect(&looker.talker, 301))
		look();
	if (chance(30) && talker_is_connected(&looker.talker))
		talker_close(&looker.talker);
	timer_set(&looker.act, draw_about(1000, 100000));
}

void
operators_reset(void)
{
	memset(&auditor, 0, sizeof(auditor));
	memset(&looker, 0, sizeof(looker));
	auditor.talker.fd = looker.talker.fd = -1;
	auditor.talker.on_message = on_page;
	auditor.talker.on_end = on_audit_end;
	auditor.act.fire = on_audit;
	auditor.pause_us = draw_about(20000, 600000);
	looker.talker.on_message = on_seen;
	looker.talker.on_end = on_look_end;
	looker.act.fire = on_look;
	timer_set(&auditor.act, 1000);
	if (fault_rate(FAULT_OPERATORS) > 0)
		timer_set(&looker.act, 5000);
}
