/* SPDX-License-Identifier: MIT */
#include "tests/sim/clients.h"

#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"

#include <string.h>

#define PRODUCERS_MAX 4
#define REQUESTS_MAX  4
#define JOBS_MAX      12

struct request {
	uint32_t tokens[JOBS_MAX];
	unsigned count; /* 0: none */
	bool bulk;
	bool sent; /* on this connection */
	uint64_t msgid;
	int64_t not_before_us;
};

struct producer {
	bool used;
	struct talker talker;
	struct timer act;
	uint64_t last_msgid;
	int64_t pause_us; /* between two requests, about */
	struct request requests[REQUESTS_MAX];
};

static struct producer producers[PRODUCERS_MAX];
static uint32_t backlog_most;

/* ---- requests ---- */

static void
make_request(struct request *request)
{
	unsigned queue = (unsigned)draw(QUEUES);
	uint8_t priority = chance(700) ? 128 : (uint8_t)(126 + draw(5));
	unsigned count = 1;
	memset(request, 0, sizeof(*request));
	if (strikes(FAULT_BULK)) {
		request->bulk = true;
		count = (unsigned)draw(JOBS_MAX + 1);
	}
	for (unsigned i = 0; i < count; i++) {
		uint32_t bytes = BODY_BYTES_LEAST + (uint32_t)draw(90);
		if (strikes(FAULT_LARGE_BODIES))
			bytes += (uint32_t)draw(BODY_BYTES_MOST / 2);
		request->tokens[i] = oracle_new_token(queue, priority, bytes);
		if (request->tokens[i] == 0)
			break;
		request->count++;
	}
}

static void
send_request(struct producer *producer, struct request *request)
{
	struct message_writer writer;
	uint32_t first = request->tokens[0];
	request->msgid = ++producer->last_msgid;
	request->sent = true;
	message_request(&writer, &producer->talker.output, request->msgid,
	    SPAN_LITERAL("enqueue"), 3);
	put_key(&writer, "queue");
	put_text(
	    &writer, span_of(queue_rules(oracle_token_queue(first))->name));
	put_key(&writer, "priority");
	put_integer(&writer, oracle_token_priority(first));
	put_key(&writer, request->bulk ? "bodies" : "body");
	if (request->bulk)
		put_array(&writer, request->count);
	for (unsigned i = 0; i < request->count; i++) {
		oracle_sent(request->tokens[i]);
		put_bytes(&writer, oracle_body(request->tokens[i]));
	}
	CHECK(message_end(&writer) == 0);
	note("producer %lld sends request %lld, %lld jobs, first token %lld",
	    producer - producers, (long long)request->msgid, request->count,
	    first);
	talker_send(&producer->talker);
}

/* ---- answers ---- */

static struct request *
find_request(struct producer *producer, uint64_t msgid)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct request *request = &producer->requests[i];
		if (request->count > 0 && request->sent &&
		    request->msgid == msgid)
			return request;
	}
	broken("each request has one answer", "msgid %llu",
	    (unsigned long long)msgid);
}

static void
take_ids(const struct request *request, const msgpack_object *result, bool late)
{
	const msgpack_object *ids =
	    map_find(result, request->bulk ? "ids" : "id");
	struct span durability = { 0 };
	int64_t id = 0;
	object_span(map_find(result, "durability"), &durability);
	for (unsigned i = 0; i < request->count; i++) {
		const msgpack_object *one = ids;
		if (request->bulk && ids != NULL &&
		    ids->type == MSGPACK_OBJECT_ARRAY &&
		    ids->via.array.size == request->count)
			one = &ids->via.array.ptr[i];
		if (!object_integer(one, 1, INT64_MAX, &id))
			broken("each request has one answer",
			    "an enqueue without its ids");
		oracle_acknowledged(
		    request->tokens[i], (uint64_t)id, durability, late);
	}
	note("ids up to %lld are acknowledged", id, 0, 0, 0);
	if (request->bulk)
		sight(SIGHT_BULK_KEPT);
}

static void
on_message(void *context, const struct message *message)
{
	struct producer *producer = context;
	if (message->kind != MESSAGE_RESPONSE)
		broken("gsq sends good messages", "no response");
	struct request *request = find_request(producer, message->msgid);
	if (message->error == NULL) {
		take_ids(request, message->result,
		    stream_is_over(producer->talker.fd));
		request->count = 0;
		return;
	}
	int64_t code;
	if (message->error->type != MSGPACK_OBJECT_ARRAY ||
	    !object_integer(&message->error->via.array.ptr[0], 0, 0, &code))
		broken("good requests are taken or put off",
		    "an enqueue was refused for good");
	sight(SIGHT_REFUSED_FULL);
	request->sent = false;
	request->not_before_us = time_now_us() + draw_about(20000, 500000);
}

static void
on_end(void *context)
{
	struct producer *producer = context;
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct request *request = &producer->requests[i];
		if (request->count > 0 && request->sent)
			sight(SIGHT_ANSWER_LOST);
		request->sent = false;
	}
	timer_set(&producer->act, draw_about(100, 60000));
}

/* ---- acting ---- */

static bool
wants_more(void)
{
	return !world_heals() && oracle_unfinished() < backlog_most;
}

static void
on_act(void *context)
{
	struct producer *producer = context;
	if (!talker_is_connected(&producer->talker))
		talker_connect(
		    &producer->talker, 100 + (int64_t)(producer - producers));
	unsigned at = (unsigned)draw(REQUESTS_MAX);
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct request *request =
		    &producer->requests[(at + i) % REQUESTS_MAX];
		if (!talker_is_connected(&producer->talker))
			break;
		if (request->count == 0 && i == 0 && wants_more())
			make_request(request);
		if (request->count > 0 && !request->sent &&
		    request->not_before_us <= time_now_us())
			send_request(producer, request);
	}
	timer_set(&producer->act, draw_about(10, producer->pause_us));
}

void
producers_reset(void)
{
	unsigned count = 1 + (unsigned)draw(PRODUCERS_MAX);
	memset(producers, 0, sizeof(producers));
	backlog_most = 4 + (uint32_t)draw(40);
	for (unsigned i = 0; i < count; i++) {
		struct producer *producer = &producers[i];
		producer->used = true;
		producer->talker.fd = -1;
		producer->talker.context = producer;
		producer->talker.on_message = on_message;
		producer->talker.on_end = on_end;
		producer->act.fire = on_act;
		producer->act.context = producer;
		producer->pause_us = draw_about(1000, 200000);
		timer_set(&producer->act, (int64_t)draw(10000));
	}
}

bool
producers_are_idle(void)
{
	for (unsigned i = 0; i < PRODUCERS_MAX; i++)
		for (unsigned k = 0; k < REQUESTS_MAX; k++)
			if (producers[i].used &&
			    producers[i].requests[k].count > 0)
				return false;
	return true;
}
