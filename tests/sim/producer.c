/* SPDX-License-Identifier: MIT */
#include "tests/sim/clients.h"

#include "base/check.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"

#include <stdio.h>
#include <string.h>

#define PRODUCERS_MAX 4
#define REQUESTS_MAX  4
#define JOBS_MAX      12

struct request {
	uint32_t tokens[JOBS_MAX];
	unsigned count; /* 0: none */
	bool bulk;
	bool keyed;
	bool ticketed; /* and then each of a bulk is taken or not */
	bool sent;     /* on this connection */
	uint64_t sent_at;
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
static unsigned key_count;

/* ---- requests ---- */

static uint32_t
draw_bytes(const struct enqueue *enqueue, bool is_alone)
{
	uint32_t bytes = BODY_BYTES_LEAST + (uint32_t)draw(90);
	if (!strikes(FAULT_LARGE_BODIES))
		return bytes;
	/* Two in one request would be more than one job ever takes. */
	if (is_alone && enqueue->key != 0 && chance(500) &&
	    queue_rules(enqueue->queue)->merge == MERGE_APPEND)
		return BODY_BYTES_HUGE - (uint32_t)draw(BODY_BYTES_HUGE / 2);
	return bytes + (uint32_t)draw(BODY_BYTES_MOST / 2);
}

/* In a world with keys most jobs have one, so that they meet. */
static bool
has_key(void)
{
	return fault_rate(FAULT_KEYS) > 0 &&
	    chance(500 + fault_rate(FAULT_KEYS));
}

static enum key_mode
draw_mode(void)
{
	static const enum key_mode modes[] = { KEY_MODE_COUNT, KEY_MODE_COUNT,
		KEY_MODE_COUNT, KEY_COALESCE, KEY_COALESCE, KEY_SERIAL,
		KEY_SERIAL, KEY_PARALLEL };
	return modes[draw(sizeof(modes) / sizeof(*modes))];
}

/* Who says what it said says nothing of keys: then it may become two jobs or be
 * one with others. */
static bool
has_ticket(bool is_keyed)
{
	return !is_keyed && fault_rate(FAULT_TICKETS) > 0 &&
	    chance(200 + fault_rate(FAULT_TICKETS));
}

/* What all jobs of a request have in common. */
static struct enqueue
draw_enqueue(bool is_keyed)
{
	struct enqueue enqueue = { .queue = (unsigned)draw(QUEUES),
		.priority = chance(700) ? 128 : (uint8_t)(126 + draw(5)),
		.mode = KEY_MODE_COUNT };
	if (is_keyed)
		enqueue.mode = draw_mode();
	if (strikes(FAULT_DELAYS))
		enqueue.delay_ms = draw_about(1, 3000);
	else if (strikes(FAULT_AT))
		enqueue.at_ms = time_wall_ms() - 500 + draw_about(1, 4000);
	if (strikes(FAULT_EXPIRY))
		enqueue.expires_ms = draw_about(1, chance(500) ? 100 : 5000);
	return enqueue;
}

/* Something else with a ticket that was used, or the same as somebody has said
 * before. */
static void
make_late_request(struct request *request, uint32_t token)
{
	struct enqueue enqueue = draw_enqueue(false);
	enqueue.ticket = oracle_enqueue(token)->ticket;
	enqueue.bytes = draw_bytes(&enqueue, true);
	request->tokens[0] = chance(500) ? token : oracle_new_token(&enqueue);
	request->count = request->tokens[0] != 0;
}

static void
make_request(struct request *request)
{
	memset(request, 0, sizeof(*request));
	request->keyed = has_key();
	request->ticketed = has_ticket(request->keyed);
	uint32_t before =
	    request->ticketed && chance(100) ? oracle_some_ticketed() : 0;
	if (before != 0) {
		make_late_request(request, before);
		return;
	}
	struct enqueue enqueue = draw_enqueue(request->keyed);
	unsigned count = 1;
	if (strikes(FAULT_BULK)) {
		request->bulk = true;
		count = (unsigned)draw(JOBS_MAX + 1);
	}
	for (unsigned i = 0; i < count; i++) {
		enqueue.key = 0;
		if (request->keyed && (!request->bulk || chance(800)))
			enqueue.key = (uint8_t)(1 + draw(key_count));
		enqueue.ticket = 0;
		if (request->ticketed && (!request->bulk || chance(800)))
			enqueue.ticket = oracle_new_ticket();
		enqueue.bytes = draw_bytes(&enqueue, !request->bulk);
		request->tokens[i] = oracle_new_token(&enqueue);
		if (request->tokens[i] == 0)
			break;
		request->count++;
	}
}

static void
put_keys(struct message_writer *writer, const struct request *request)
{
	const struct enqueue *first = oracle_enqueue(request->tokens[0]);
	if (!request->keyed)
		return;
	put_key(writer, request->bulk ? "keys" : "key");
	if (request->bulk)
		put_array(writer, request->count);
	for (unsigned i = 0; i < request->count; i++) {
		uint8_t key = oracle_enqueue(request->tokens[i])->key;
		if (key == 0)
			put_nil(writer);
		else
			put_text(writer, span_of(oracle_key(key)));
	}
	put_key(writer, "mode");
	if (first->mode == KEY_MODE_COUNT)
		put_nil(writer);
	else
		put_text(writer, span_of(key_mode_name(first->mode)));
}

static void
put_ticket(struct message_writer *writer, uint32_t token)
{
	uint32_t ticket = oracle_enqueue(token)->ticket;
	if (ticket == 0)
		put_nil(writer);
	else
		put_text(writer, oracle_ticket(ticket));
}

static void
put_tickets(struct message_writer *writer, const struct request *request)
{
	if (!request->ticketed)
		return;
	put_key(writer, request->bulk ? "tokens" : "token");
	if (!request->bulk) {
		put_ticket(writer, request->tokens[0]);
		return;
	}
	put_array(writer, request->count);
	for (unsigned i = 0; i < request->count; i++)
		put_ticket(writer, request->tokens[i]);
	put_key(writer, "each");
	put_boolean(writer, true);
}

static uint32_t
count_fields(const struct request *request)
{
	const struct enqueue *first = oracle_enqueue(request->tokens[0]);
	uint32_t tickets = 0;
	if (request->ticketed)
		tickets = request->bulk ? 2 : 1;
	return 4 + 2 * (uint32_t)request->keyed + tickets +
	    (first->expires_ms > 0);
}

static void
put_times(struct message_writer *writer, const struct enqueue *enqueue)
{
	put_key(writer, enqueue->at_ms != 0 ? "at_ms" : "delay_ms");
	put_integer(
	    writer, enqueue->at_ms != 0 ? enqueue->at_ms : enqueue->delay_ms);
	if (enqueue->expires_ms == 0)
		return;
	put_key(writer, "expires_ms");
	put_integer(writer, enqueue->expires_ms);
}

static void
send_request(struct producer *producer, struct request *request)
{
	struct message_writer writer;
	const struct enqueue *first = oracle_enqueue(request->tokens[0]);
	request->msgid = ++producer->last_msgid;
	request->sent = true;
	request->sent_at = oracle_moment();
	message_request(&writer, &producer->talker.output, request->msgid,
	    SPAN_LITERAL("enqueue"), count_fields(request));
	put_key(&writer, "queue");
	put_text(&writer, span_of(queue_rules(first->queue)->name));
	put_key(&writer, "priority");
	put_integer(&writer, first->priority);
	put_times(&writer, first);
	put_keys(&writer, request);
	put_tickets(&writer, request);
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
	    request->tokens[0]);
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

/* What the answer says of one job: under one name, or in an array. NULL when it
 * says nothing. */
static const msgpack_object *
answer_at(const struct request *request, const msgpack_object *result,
    const char *name, unsigned at)
{
	char names[16];
	if (!request->bulk)
		return map_find(result, name);
	snprintf(names, sizeof(names), "%ss", name);
	const msgpack_object *all = map_find(result, names);
	if (all == NULL || all->type != MSGPACK_OBJECT_ARRAY ||
	    all->via.array.size != request->count)
		return NULL;
	return &all->via.array.ptr[at];
}

/* False when it does not say so of what had a ticket. */
static bool
take_repeated(const struct request *request, const msgpack_object *result,
    unsigned at, bool *ret_repeated)
{
	const msgpack_object *dup = answer_at(request, result, "dup", at);
	if (dup == NULL || dup->type != MSGPACK_OBJECT_BOOLEAN)
		return !request->ticketed;
	*ret_repeated = dup->via.boolean;
	return true;
}

static void
take_id(const struct request *request, const msgpack_object *result,
    unsigned at, bool late)
{
	struct acknowledged taken = { .token = request->tokens[at],
		.result = SPAN_LITERAL("new"),
		.sent_at = request->sent_at,
		.late = late };
	int64_t id = 0;
	object_span(map_find(result, "durability"), &taken.durability);
	if (!object_integer(
		answer_at(request, result, "id", at), 1, INT64_MAX, &id) ||
	    (!object_span(
		 answer_at(request, result, "result", at), &taken.result) &&
		(!request->bulk || request->keyed || request->ticketed)) ||
	    !take_repeated(request, result, at, &taken.is_repeated))
		broken("each request has one answer",
		    "an enqueue without its ids and results");
	taken.id = (uint64_t)id;
	note("token %lld is acknowledged as job %lld", taken.token, id, 0, 0);
	oracle_acknowledged(&taken);
}

enum refused { REFUSED_NOT, REFUSED_NOW, REFUSED_FOR_GOOD };

/* Something is refused as it is to be refused, or the world ends here. */
static enum refused
take_refusal(const msgpack_object *error, uint32_t token)
{
	int64_t code;
	struct span words = { 0 };
	if (error->type != MSGPACK_OBJECT_ARRAY || error->via.array.size != 2 ||
	    !object_integer(&error->via.array.ptr[0], 0, 1, &code) ||
	    !object_span(&error->via.array.ptr[1], &words))
		broken("gsq sends good messages", "a bad error");
	if (code == 1 && words.count > 12 &&
	    memcmp(words.bytes, "TOKEN_REUSED", 12) == 0) {
		oracle_reused(token);
		return REFUSED_FOR_GOOD;
	}
	if (code != 0)
		broken("good requests are taken or put off",
		    "an enqueue was refused for good: %.*s", (int)words.count,
		    words.bytes);
	if (words.count > 8 && memcmp(words.bytes, "DRAINING", 8) == 0)
		oracle_draining(token);
	else
		sight(SIGHT_REFUSED_FULL);
	return REFUSED_NOW;
}

/* Was that one of a bulk refused by itself? */
static enum refused
take_error(
    const struct request *request, const msgpack_object *result, unsigned at)
{
	if (!request->bulk || !request->ticketed)
		return REFUSED_NOT;
	const msgpack_object *error = answer_at(request, result, "error", at);
	if (error == NULL)
		broken("each request has one answer", "no errors");
	if (error->type == MSGPACK_OBJECT_NIL)
		return REFUSED_NOT;
	return take_refusal(error, request->tokens[at]);
}

/* Returns whether all of it was taken. */
static bool
take_ids(struct request *request, const msgpack_object *result, bool late)
{
	unsigned later = 0, taken = 0, count = request->count;
	uint32_t tokens[JOBS_MAX];
	foreigners_note_ends();
	for (unsigned i = 0; i < count; i++) {
		enum refused refused = take_error(request, result, i);
		if (refused == REFUSED_NOW)
			tokens[later++] = request->tokens[i];
		if (refused != REFUSED_NOT)
			continue;
		take_id(request, result, i, late);
		taken++;
	}
	if (request->bulk)
		sight(SIGHT_BULK_KEPT);
	if (taken == count)
		return true;
	request->count = later;
	memcpy(request->tokens, tokens, later * sizeof(*tokens));
	return false;
}

static void
put_off(struct request *request, int64_t most_us)
{
	request->sent = false;
	request->not_before_us = time_now_us() + draw_about(1000, most_us);
}

/* All of it was taken: is the same to be said again, or something else with the
 * same ticket? */
static void
end_or_repeat(struct request *request)
{
	if (!request->ticketed || request->count == 0 || world_heals() ||
	    chance(600)) {
		request->count = 0;
		return;
	}
	if (!request->bulk && chance(200))
		make_late_request(request, request->tokens[0]);
	put_off(request, chance(500) ? 20000 : 5000000);
}

static void
on_message(void *context, const struct message *message)
{
	struct producer *producer = context;
	if (message->kind != MESSAGE_RESPONSE)
		broken("gsq sends good messages", "no response");
	struct request *request = find_request(producer, message->msgid);
	if (message->error == NULL) {
		if (take_ids(request, message->result,
			stream_is_over(producer->talker.fd)))
			end_or_repeat(request);
		else
			put_off(request, 500000);
		return;
	}
	if (take_refusal(message->error, request->tokens[0]) ==
	    REFUSED_FOR_GOOD)
		request->count = 0;
	else
		put_off(request, 500000);
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
	key_count = 1 + (unsigned)draw(KEYS_MOST);
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
