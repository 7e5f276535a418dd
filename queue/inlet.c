/* SPDX-License-Identifier: MIT */
#include "queue/inlet.h"

#include "base/check.h"
#include "queue/inspect.h"
#include "queue/notes.h"
#include "queue/report.h"
#include "queue/request.h"
#include "queue/steering.h"
#include "queue/verdict.h"
#include "queue/why.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "wire/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- enqueue ---- */

/* What one enqueue brings: an array of bodies or one, a key for each, one for
 * all, or none, and a token for each or none. */
struct bodies {
	const msgpack_object *objects; /* NULL: the one */
	const msgpack_object *keys;    /* NULL: the one, or none if empty */
	const msgpack_object *tokens;  /* NULL: the one, or none if empty */
	struct span one;
	struct span one_key;
	struct span one_token;
	enum key_mode mode; /* KEY_MODE_COUNT: as the queue says */
	uint32_t count;
	uint64_t bytes;
	int64_t retry_after_ms; /* of those that are FULL, by themselves */
	bool each; /* by itself, with a result of its own; else all or none */
};

static struct span
body_at(const struct bodies *bodies, uint32_t at)
{
	struct span body = bodies->one;
	if (bodies->objects != NULL)
		CHECK(object_span(&bodies->objects[at], &body));
	return body;
}

static bool
has_keys(const struct bodies *bodies)
{
	return bodies->keys != NULL || bodies->one_key.count > 0;
}

/* Empty: it has none. */
static struct span
key_at_place(const struct bodies *bodies, uint32_t at)
{
	struct span key = bodies->one_key;
	if (bodies->keys != NULL && !object_span(&bodies->keys[at], &key))
		return (struct span){ 0 };
	return key;
}

static bool
has_tokens(const struct bodies *bodies)
{
	return bodies->tokens != NULL || bodies->one_token.count > 0;
}

/* Empty: it has none. */
static struct span
token_at_place(const struct bodies *bodies, uint32_t at)
{
	struct span token = bodies->one_token;
	if (bodies->tokens != NULL && !object_span(&bodies->tokens[at], &token))
		return (struct span){ 0 };
	return token;
}

/* Of one for itself, in words that last. */
static enum refusal
check_body(const msgpack_object *object, const char **ret_words)
{
	struct span body;
	if (!object_span(object, &body)) {
		*ret_words = "a body must be bin or str";
		return REFUSAL_BAD_ARGUMENT;
	}
	*ret_words = "that body has more bytes than are allowed";
	return body.count > BODY_BYTES_MAX ? REFUSAL_TOO_BIG : REFUSAL_NONE;
}

/* What is wrong with the bodies, in words[words_bytes]. */
static enum refusal
check_bodies(struct bodies *bodies, char *words, size_t words_bytes)
{
	if (bodies->count > BATCH_JOBS_MAX) {
		snprintf(words, words_bytes,
		    "%" PRIu32 " bodies; at most %d in one request",
		    bodies->count, BATCH_JOBS_MAX);
		return REFUSAL_TOO_BIG;
	}
	for (uint32_t i = 0; i < bodies->count && !bodies->each; i++) {
		struct span body;
		if (!object_span(&bodies->objects[i], &body)) {
			snprintf(words, words_bytes,
			    "body %" PRIu32 " must be bin or str", i);
			return REFUSAL_BAD_ARGUMENT;
		}
		if (body.count > BODY_BYTES_MAX) {
			snprintf(words, words_bytes,
			    "body %" PRIu32
			    " has %zu bytes, at most %u are allowed",
			    i, body.count, BODY_BYTES_MAX);
			return REFUSAL_TOO_BIG;
		}
		bodies->bytes += body.count;
	}
	return REFUSAL_NONE;
}

static enum refusal
take_bodies(const struct params_enqueue *params, struct bodies *bodies,
    char *words, size_t words_bytes)
{
	const msgpack_object *array = params->bodies;
	*bodies = (struct bodies){
		.one = params->body, .count = 1, .bytes = params->body.count
	};
	if (array == NULL)
		return REFUSAL_NONE;
	if (params->body.bytes != NULL) {
		snprintf(words, words_bytes,
		    "\"body\" and \"bodies\" exclude each other");
		return REFUSAL_BAD_ARGUMENT;
	}
	if (array->type != MSGPACK_OBJECT_ARRAY) {
		snprintf(
		    words, words_bytes, "\"bodies\" must be an array of bin");
		return REFUSAL_BAD_ARGUMENT;
	}
	*bodies = (struct bodies){ .objects = array->via.array.ptr,
		.count = array->via.array.size,
		.each = params->each };
	return check_bodies(bodies, words, words_bytes);
}

/* Why a key cannot be one. */
static enum refusal
refuse_key(struct span key, char *words, size_t words_bytes)
{
	if (key.count > KEY_BYTES_MAX)
		snprintf(words, words_bytes,
		    "a key of %zu bytes; at most %d are allowed", key.count,
		    KEY_BYTES_MAX);
	else
		snprintf(words, words_bytes,
		    key.count == 0 ? "a key must not be empty"
				   : "a key must not have a zero byte in it");
	return REFUSAL_BAD_NAME;
}

static enum refusal
check_keys(const struct bodies *bodies, char *words, size_t words_bytes)
{
	for (uint32_t i = 0; i < bodies->count && !bodies->each; i++) {
		struct span key;
		if (bodies->keys[i].type == MSGPACK_OBJECT_NIL)
			continue;
		if (!object_span(&bodies->keys[i], &key)) {
			snprintf(words, words_bytes,
			    "key %" PRIu32 " must be str, bin or nil", i);
			return REFUSAL_BAD_ARGUMENT;
		}
		if (!key_is_valid(key))
			return refuse_key(key, words, words_bytes);
	}
	return REFUSAL_NONE;
}

/* Of one for itself, in words that last. */
static enum refusal
check_key(const msgpack_object *object, const char **ret_words)
{
	struct span key;
	if (object->type == MSGPACK_OBJECT_NIL)
		return REFUSAL_NONE;
	if (!object_span(object, &key)) {
		*ret_words = "a key must be str, bin or nil";
		return REFUSAL_BAD_ARGUMENT;
	}
	*ret_words = "a key must have 1 to 255 bytes and none of them zero";
	return key_is_valid(key) ? REFUSAL_NONE : REFUSAL_BAD_NAME;
}

static enum refusal
take_keys(const struct params_enqueue *params, struct bodies *bodies,
    char *words, size_t words_bytes)
{
	const msgpack_object *array = params->keys;
	bodies->mode = KEY_MODE_COUNT;
	if (params->mode.bytes != NULL &&
	    !key_mode_parse(params->mode, &bodies->mode)) {
		snprintf(words, words_bytes,
		    "\"mode\" must be parallel, serial or coalesce");
		return REFUSAL_BAD_ARGUMENT;
	}
	if (params->key.bytes != NULL && !key_is_valid(params->key))
		return refuse_key(params->key, words, words_bytes);
	bodies->one_key = params->key;
	if (array == NULL)
		return REFUSAL_NONE;
	if (params->key.bytes != NULL || bodies->objects == NULL ||
	    array->type != MSGPACK_OBJECT_ARRAY ||
	    array->via.array.size != bodies->count) {
		snprintf(words, words_bytes,
		    "\"keys\" must be an array with one for each of "
		    "\"bodies\", without \"key\"");
		return REFUSAL_BAD_ARGUMENT;
	}
	bodies->keys = array->via.array.ptr;
	return check_keys(bodies, words, words_bytes);
}

/* ---- tokens ---- */

static const char bad_token[] = "a token must have 1 to 128 bytes";

/* Of one for itself, in words that last. */
static enum refusal
check_token(const msgpack_object *object, const char **ret_words)
{
	struct span token;
	if (object->type == MSGPACK_OBJECT_NIL)
		return REFUSAL_NONE;
	if (!object_span(object, &token)) {
		*ret_words = "a token must be str, bin or nil";
		return REFUSAL_BAD_ARGUMENT;
	}
	*ret_words = bad_token;
	return token.count > 0 && token.count <= TOKEN_BYTES_MAX
	    ? REFUSAL_NONE
	    : REFUSAL_BAD_NAME;
}

/* A batch that is all or none is not repeated in part. */
static enum refusal
take_tokens(const struct params_enqueue *params, struct bodies *bodies,
    char *words, size_t words_bytes)
{
	const msgpack_object *array = params->tokens;
	bodies->one_token = params->token;
	if (params->token.bytes != NULL && bodies->count != 1) {
		snprintf(words, words_bytes,
		    "\"token\" stands for one body; for \"bodies\" say "
		    "\"tokens\", and \"each\"");
		return REFUSAL_BAD_ARGUMENT;
	}
	if (params->token.bytes != NULL &&
	    (params->token.count == 0 ||
		params->token.count > TOKEN_BYTES_MAX)) {
		snprintf(words, words_bytes, "%s", bad_token);
		return REFUSAL_BAD_NAME;
	}
	if (array == NULL)
		return REFUSAL_NONE;
	if (bodies->objects == NULL || !bodies->each ||
	    array->type != MSGPACK_OBJECT_ARRAY ||
	    array->via.array.size != bodies->count) {
		snprintf(words, words_bytes,
		    "\"tokens\" must be an array with one for each of "
		    "\"bodies\", and \"each\" must be true");
		return REFUSAL_BAD_ARGUMENT;
	}
	bodies->tokens = array->via.array.ptr;
	return REFUSAL_NONE;
}

/* ---- the time ---- */

static enum refusal
check_time(const struct params_enqueue *params, char *words, size_t words_bytes)
{
	if (params->at_ms == 0)
		return REFUSAL_NONE;
	if (params->delay_ms != 0)
		snprintf(words, words_bytes,
		    "\"delay_ms\" and \"at_ms\" exclude each other");
	else if (params->at_ms > clock_wall_ms() + DURATION_MS_MAX)
		snprintf(words, words_bytes,
		    "\"at_ms\" is more than a hundred years away; it is the "
		    "number of milliseconds since 1970 UTC");
	else
		return REFUSAL_NONE;
	return REFUSAL_BAD_TIME;
}

/* ---- the answer ---- */

/* Is it said what became of each? */
static bool
has_results(const struct bodies *bodies)
{
	return bodies->objects == NULL || has_keys(bodies) ||
	    has_tokens(bodies) || bodies->each;
}

static void
put_id(struct message_writer *writer, const struct taken *taken)
{
	if (taken->refusal == REFUSAL_NONE)
		put_unsigned(writer, taken->id);
	else
		put_nil(writer);
}

static void
put_result(struct message_writer *writer, const struct taken *taken)
{
	put_text(writer,
	    span_of(taken->refusal == REFUSAL_NONE
		    ? enqueue_result_name(taken->result)
		    : "refused"));
}

static void
put_error(struct message_writer *writer, const struct taken *taken)
{
	char text[REASON_BYTES_MAX];
	if (taken->refusal == REFUSAL_NONE) {
		put_nil(writer);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s", refusal_name(taken->refusal),
	    taken->words);
	put_array(writer, 2);
	put_integer(writer, refusal_code(taken->refusal));
	put_text(writer, span_of(text));
}

static void
put_taken(struct message_writer *writer, const struct bodies *bodies,
    const struct taken *taken)
{
	if (bodies->objects == NULL) {
		put_key(writer, "id");
		put_unsigned(writer, taken->id);
		put_key(writer, "result");
		put_result(writer, taken);
		if (has_tokens(bodies)) {
			put_key(writer, "dup");
			put_boolean(writer, taken->is_repeated);
		}
		return;
	}
	put_key(writer, "ids");
	put_array(writer, bodies->count);
	for (uint32_t i = 0; i < bodies->count; i++)
		put_id(writer, &taken[i]);
	if (!has_results(bodies))
		return; /* all are new */
	put_key(writer, "results");
	put_array(writer, bodies->count);
	for (uint32_t i = 0; i < bodies->count; i++)
		put_result(writer, &taken[i]);
	if (bodies->each) {
		put_key(writer, "errors");
		put_array(writer, bodies->count);
		for (uint32_t i = 0; i < bodies->count; i++)
			put_error(writer, &taken[i]);
	}
	if (has_tokens(bodies)) {
		put_key(writer, "dups");
		put_array(writer, bodies->count);
		for (uint32_t i = 0; i < bodies->count; i++)
			put_boolean(writer, taken[i].is_repeated);
	}
}

static void
answer_enqueue(const struct request *request, struct span queue,
    const struct bodies *bodies)
{
	struct server *server = request->client->server;
	enum durability durability =
	    turn_durability(request_turn(request), queue);
	struct message_writer writer;
	if (!request->wants_answer)
		return;
	request_begin(request, &writer,
	    2u + has_results(bodies) + has_tokens(bodies) +
		(bodies->objects != NULL && bodies->each) +
		(bodies->retry_after_ms > 0));
	put_taken(&writer, bodies, server->taken);
	if (bodies->retry_after_ms > 0) {
		put_key(&writer, "retry_after_ms");
		put_integer(&writer, bodies->retry_after_ms);
	}
	put_key(&writer, "durability");
	put_text(&writer, span_of(durability_name(durability)));
	request_end(request, &writer);
}

static struct job_terms
take_terms(const struct request *request, const struct params_enqueue *params)
{
	int64_t now_ms = server_now_ms(request->client->server);
	return (struct job_terms){ .ttr_ms = request_ttr(params->ttr_ms),
		.max_attempts = (uint32_t)params->max_attempts,
		.expires_at_ms =
		    params->expires_ms > 0 ? now_ms + params->expires_ms : 0 };
}

/* ---- taking ---- */

/* Room for them, and for a note of each token. */
static bool
has_room(const struct request *request, const struct params_enqueue *params,
    const struct bodies *bodies, uint32_t count, uint64_t bytes)
{
	uint32_t notes = has_tokens(bodies) ? count : 0;
	return turn_has_room(request_turn(request), params->queue,
	    count + notes, bytes + notes * NOTE_BYTES_MAX);
}

/* One body, which may be refused. */
static void
enqueue_one(const struct request *request, const struct params_enqueue *params,
    const struct bodies *bodies, uint32_t at, struct taken *ret_taken)
{
	struct turn *turn = request_turn(request);
	struct span body = body_at(bodies, at);
	struct fact fact = { .kind = FACT_ENQUEUE };
	fact.enqueue.key = key_at_place(bodies, at);
	fact.enqueue.mode = bodies->mode;
	fact.enqueue.delay_ms = params->delay_ms;
	fact.enqueue.terms = take_terms(request, params);
	fact.enqueue.queue = params->queue;
	fact.enqueue.body_bytes = (uint32_t)body.count;
	fact.enqueue.priority = (uint8_t)params->priority;
	fact.enqueue.wall_ms = clock_wall_ms();
	fact.enqueue.due_wall_ms = params->at_ms;
	fact.enqueue.token = token_at_place(bodies, at);
	if (fact.enqueue.token.count > 0)
		fact.enqueue.digest =
		    notes_digest(params->queue, fact.enqueue.key, body);
	enum refusal refusal = request_step(request, &fact, body);
	*ret_taken = (struct taken){ .id = turn->core.answer,
		.result = turn->core.result,
		.refusal = refusal,
		.words = turn->core.words,
		.is_repeated = turn->core.is_repeated };
	/* What that job was added with may not be safe yet. */
	if (refusal == REFUSAL_NONE &&
	    (turn->core.result == ENQUEUE_MERGED || turn->core.is_repeated))
		turn_wait(turn);
}

/* Will all of them be taken? */
static enum refusal
admit(const struct request *request, const struct params_enqueue *params,
    const struct bodies *bodies)
{
	struct arrival *arrivals = request->client->server->arrivals;
	struct job_terms terms = take_terms(request, params);
	struct fact fact = { .kind = FACT_ADMIT };
	for (uint32_t i = 0; i < bodies->count; i++)
		arrivals[i] = (struct arrival){ .key = key_at_place(bodies, i),
			.body_bytes = (uint32_t)body_at(bodies, i).count };
	fact.admit.queue = params->queue;
	fact.admit.arrivals = arrivals;
	fact.admit.count = bodies->count;
	fact.admit.mode = bodies->mode;
	fact.admit.with_terms = terms_are_own(&terms);
	return request_step(request, &fact, (struct span){ 0 });
}

static const char no_room[] =
    "no room on the disk before jobs have ended or there is space";

/* All or none. */
static void
enqueue_all(const struct request *request, const struct params_enqueue *params,
    const struct bodies *bodies)
{
	struct turn *turn = request_turn(request);
	struct taken *taken = request->client->server->taken;
	if (!has_room(request, params, bodies, bodies->count, bodies->bytes)) {
		request_refuse(request, REFUSAL_FULL, no_room);
		return;
	}
	uint64_t first_id = turn->core.next_id;
	bool is_admitted = bodies->count > 1;
	if (is_admitted && admit(request, params, bodies) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	for (uint32_t i = 0; i < bodies->count; i++) {
		enqueue_one(request, params, bodies, i, &taken[i]);
		if (taken[i].refusal == REFUSAL_NONE)
			continue;
		CHECK(!is_admitted);
		request_refuse_as_core(request);
		return;
	}
	report_enqueue(params->queue, first_id, bodies->count);
	answer_enqueue(request, params->queue, bodies);
}

/* What is wrong with one of them that the core does not see. */
static enum refusal
check_one(const struct request *request, const struct params_enqueue *params,
    const struct bodies *bodies, uint32_t at, const char **ret_words)
{
	enum refusal refusal = check_body(&bodies->objects[at], ret_words);
	if (refusal == REFUSAL_NONE && bodies->keys != NULL)
		refusal = check_key(&bodies->keys[at], ret_words);
	if (refusal == REFUSAL_NONE && bodies->tokens != NULL)
		refusal = check_token(&bodies->tokens[at], ret_words);
	if (refusal != REFUSAL_NONE)
		return refusal;
	*ret_words = no_room;
	return has_room(request, params, bodies, 1, body_at(bodies, at).count)
	    ? REFUSAL_NONE
	    : REFUSAL_FULL;
}

/* Of one that was refused, what is good until the next step alone. */
static void
keep_words(const struct core *core, struct bodies *bodies, struct taken *taken)
{
	if (taken->refusal == REFUSAL_FULL) {
		int64_t after_ms = core->retry_after_ms > 0
		    ? core->retry_after_ms
		    : RETRY_AFTER_MS;
		if (after_ms > bodies->retry_after_ms)
			bodies->retry_after_ms = after_ms;
	}
	if (taken->refusal == REFUSAL_NONE || taken->words != core->text)
		return;
	taken->copy = strdup(core->text);
	taken->words =
	    taken->copy != NULL ? taken->copy : refusal_meaning(taken->refusal);
}

/* Each as if it had come alone. */
static void
enqueue_each(const struct request *request, const struct params_enqueue *params,
    struct bodies *bodies)
{
	struct server *server = request->client->server;
	uint64_t first_id = server->turn.core.next_id;
	uint32_t taken_count = 0;
	for (uint32_t i = 0; i < bodies->count; i++) {
		struct taken *taken = &server->taken[i];
		const char *words = "";
		enum refusal refusal =
		    check_one(request, params, bodies, i, &words);
		if (refusal == REFUSAL_NONE)
			enqueue_one(request, params, bodies, i, taken);
		else
			*taken = (struct taken){ .refusal = refusal,
				.words = words };
		taken_count += taken->refusal == REFUSAL_NONE;
		keep_words(&server->turn.core, bodies, taken);
	}
	server->refused += bodies->count - taken_count;
	report_enqueue(params->queue, first_id, taken_count);
	answer_enqueue(request, params->queue, bodies);
	for (uint32_t i = 0; i < bodies->count; i++)
		free(server->taken[i].copy);
}

static void
on_enqueue(const struct request *request, const void *from)
{
	const struct params_enqueue *params = from;
	struct bodies bodies;
	char words[REASON_BYTES_MAX];
	enum refusal refusal =
	    take_bodies(params, &bodies, words, sizeof(words));
	if (refusal == REFUSAL_NONE)
		refusal = take_keys(params, &bodies, words, sizeof(words));
	if (refusal == REFUSAL_NONE)
		refusal = take_tokens(params, &bodies, words, sizeof(words));
	if (refusal == REFUSAL_NONE)
		refusal = check_time(params, words, sizeof(words));
	if (refusal != REFUSAL_NONE)
		request_refuse(request, refusal, words);
	else if (bodies.each)
		enqueue_each(request, params, &bodies);
	else
		enqueue_all(request, params, &bodies);
}

/* ---- subscribe, demand ---- */

struct held_list {
	struct held *items; /* owned */
	size_t count;
};

static bool
take_held_pair(const msgpack_object *pair, struct held *held)
{
	int64_t id, delivery;
	if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2 ||
	    !object_integer(&pair->via.array.ptr[0], 1, INT64_MAX, &id) ||
	    !object_integer(&pair->via.array.ptr[1], 1, INT32_MAX, &delivery))
		return false;
	*held =
	    (struct held){ .id = (uint64_t)id, .delivery = (uint32_t)delivery };
	return true;
}

/* NULL when good, else the words. */
static const char *
take_held(const msgpack_object *array, struct held_list *held)
{
	static const char form[] =
	    "\"held\" must be an array of [job, delivery]";
	*held = (struct held_list){ 0 };
	if (array == NULL)
		return NULL;
	if (array->type != MSGPACK_OBJECT_ARRAY)
		return form;
	if (array->via.array.size > DEMAND_MAX)
		return "\"held\" has more jobs than a worker may have";
	held->count = array->via.array.size;
	held->items = calloc(held->count + 1, sizeof(*held->items));
	if (held->items == NULL)
		return "no memory for \"held\"";
	for (size_t i = 0; i < held->count; i++)
		if (!take_held_pair(&array->via.array.ptr[i], &held->items[i]))
			return form;
	return NULL;
}

/* What is unknown may have just ended, and the worker forgets its result. */
static void
answer_subscribe(const struct request *request, const struct held_list *held)
{
	struct message_writer writer;
	uint32_t unknown = 0;
	if (!request->wants_answer)
		return;
	for (size_t i = 0; i < held->count; i++)
		unknown += !held->items[i].stands;
	request_begin(request, &writer, 2);
	put_key(&writer, "unknown");
	put_array(&writer, unknown);
	for (size_t i = 0; i < held->count; i++)
		if (!held->items[i].stands)
			put_unsigned(&writer, held->items[i].id);
	put_key(&writer, "pid");
	put_integer(&writer, getpid());
	outlet_end(&request->client->server->outlet, request->client, &writer,
	    unknown > 0 ? request_visible_when_kept(request)
			: request_visible(request));
}

/* Who the kernel says it is counts: only a process can speak for itself, so
 * only then is it one of the supervisor's. */
static void
take_identity(const struct client *client,
    const struct params_subscribe *params, struct fact *fact)
{
	int64_t pid = client->credentials.pid;
	fact->subscribe.pid = pid;
	if (params->pid == pid)
		fact->subscribe.incarnation = params->incarnation;
}

static void
subscribe(const struct request *request, const struct params_subscribe *params,
    const struct held_list *held)
{
	struct client *client = request->client;
	struct server *server = client->server;
	struct fact fact = { .kind = FACT_SUBSCRIBE,
		.subscriber = client->subscriber };
	char name[32];
	snprintf(name, sizeof(name), "pid-%d", (int)client->credentials.pid);
	fact.subscribe.queue = params->queue;
	fact.subscribe.name =
	    params->name.count > 0 ? params->name : span_of(name);
	fact.subscribe.held = held->items;
	fact.subscribe.held_count = held->count;
	take_identity(client, params, &fact);
	if (request_step(request, &fact, (struct span){ 0 }) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	client->subscriber = (uint32_t)server->turn.core.answer;
	/* Nothing could be delivered to it: let its connection end. */
	if (!roster_set(&server->roster, client->subscriber, client))
		shutdown(client->peer.fd, SHUT_RDWR);
	answer_subscribe(request, held);
}

static void
on_subscribe(const struct request *request, const void *from)
{
	const struct params_subscribe *params = from;
	struct held_list held;
	const char *wrong = take_held(params->held, &held);
	if (wrong == NULL && params->min_demand >= params->max_demand)
		wrong = "\"min_demand\" must be less than \"max_demand\"";
	if (wrong != NULL)
		request_refuse(request, REFUSAL_BAD_ARGUMENT, wrong);
	else
		subscribe(request, params, &held);
	free(held.items);
}

static void
on_demand(const struct request *request, const void *from)
{
	const struct params_demand *params = from;
	struct client *client = request->client;
	struct message_writer writer;
	struct fact fact = { .kind = FACT_DEMAND,
		.subscriber = client->subscriber };
	fact.demand.queue = params->queue;
	fact.demand.n = (uint32_t)params->n;
	if (request_step(request, &fact, (struct span){ 0 }) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	uint64_t pending = request_turn(request)->core.answer;
	report_demand(&request_turn(request)->core, client->subscriber,
	    params->queue, fact.demand.n, pending);
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 1);
	put_key(&writer, "pending");
	put_unsigned(&writer, pending);
	outlet_end(&client->server->outlet, client, &writer, VISIBLE_NOW);
}

/* ---- results ---- */

static void
on_response(struct client *client, const struct message *message)
{
	static struct log_limit limit = { .event = "stale" };
	struct server *server = client->server;
	struct fact fact = { .kind = FACT_ANSWER,
		.now_ms = server_now_ms(server),
		.subscriber = client->subscriber };
	fact.answer.msgid = message->msgid;
	fact.answer.outcome = verdict_read(message->error);
	if (turn_step(&server->turn, &fact, (struct span){ 0 }) !=
	    REFUSAL_NONE) {
		if (log_allows(&limit))
			log_event(LOG_INFO, "stale",
			    "client_pid=%d msgid=%" PRIu64,
			    (int)client->credentials.pid, message->msgid);
		turn_wait(&server->turn);
	}
	outlet_count_answer(&server->outlet, client);
}

static void
on_result(const struct request *request, const void *from)
{
	const struct params_result *params = from;
	struct message_writer writer;
	struct fact fact = { .kind = FACT_RESULT,
		.subscriber = request->client->subscriber };
	fact.result.id = (uint64_t)params->job;
	fact.result.delivery = (uint32_t)params->delivery;
	fact.result.outcome = verdict_read(params->error);
	if (request_step(request, &fact, (struct span){ 0 }) != REFUSAL_NONE) {
		request_refuse_as_core(request);
		return;
	}
	if (!request->wants_answer)
		return;
	request_begin(request, &writer, 0);
	request_end(request, &writer);
}

/* ---- looking and waiting ---- */

static void
on_ping(const struct request *request, const void *from)
{
	(void)from;
	inspect_ping(request->client, request->msgid);
}

static void
on_get(const struct request *request, const void *from)
{
	inspect_get(request->client, request->msgid, from);
}

static void
on_peek(const struct request *request, const void *from)
{
	inspect_peek(request->client, request->msgid, from);
}

static void
on_list(const struct request *request, const void *from)
{
	inspect_list(request->client, request->msgid, from);
}

static void
on_queues(const struct request *request, const void *from)
{
	(void)from;
	inspect_queues(request->client, request->msgid);
}

static void
on_workers(const struct request *request, const void *from)
{
	(void)from;
	inspect_workers(request->client, request->msgid);
}

static void
on_stats(const struct request *request, const void *from)
{
	inspect_stats(request->client, request->msgid, from);
}

static void
on_why(const struct request *request, const void *from)
{
	why(request, from);
}

static void
on_wait(const struct request *request, const void *from)
{
	const struct params_wait *params = from;
	struct client *client = request->client;
	struct watch *watch = &client->server->watch;
	const char *words = "say either \"id\" or \"queue\"";
	enum refusal refusal = REFUSAL_BAD_ARGUMENT;
	/* That a job has ended must not be undone once it was told. */
	enum visible when = request_visible_when_kept(request);
	if (params->id != 0 && params->queue.count == 0)
		refusal = watch_job(watch, client, request->msgid,
		    (uint64_t)params->id, when, &words);
	else if (params->id == 0 && params->queue.count > 0)
		refusal = watch_queue(
		    watch, client, request->msgid, params->queue, when, &words);
	if (refusal != REFUSAL_NONE)
		request_refuse(request, refusal, words);
}

static void
on_events(const struct request *request, const void *from)
{
	const struct params_events *params = from;
	struct server *server = request->client->server;
	struct watch *watch = &server->watch;
	struct message_writer writer;
	char words[80];
	if (!watch_take_numbers(watch, &server->turn)) {
		request_refuse(request, REFUSAL_FULL,
		    "no room on the disk for the numbers of events; try again "
		    "when there is space");
		return;
	}
	uint64_t last = watch_last(watch);
	uint64_t after = params->after < 0 ? last : (uint64_t)params->after;
	if (after > last) {
		snprintf(words, sizeof(words),
		    "no event has that number yet; the last one has %" PRIu64,
		    last);
		request_refuse(request, REFUSAL_BAD_ARGUMENT, words);
		return;
	}
	watch_events(watch, request->client, params->queue, after);
	request_begin(request, &writer, 1);
	put_key(&writer, "seq");
	put_unsigned(&writer, last);
	outlet_end(&server->outlet, request->client, &writer, VISIBLE_NOW);
	if (after < last)
		watch_go_on(
		    watch, request->client, request_visible_when_kept(request));
}

/* ---- dispatch ---- */

static const struct {
	void (*act)(const struct request *request, const void *params);
	bool needs_no_answer; /* means something as a notification too */
} actions[METHOD_COUNT] = {
	[METHOD_ping] = { on_ping, false },
	[METHOD_enqueue] = { on_enqueue, true },
	[METHOD_subscribe] = { on_subscribe, true },
	[METHOD_demand] = { on_demand, true },
	[METHOD_result] = { on_result, true },
	[METHOD_get] = { on_get, false },
	[METHOD_peek] = { on_peek, false },
	[METHOD_list] = { on_list, false },
	[METHOD_queues] = { on_queues, false },
	[METHOD_workers] = { on_workers, false },
	[METHOD_stats] = { on_stats, false },
	[METHOD_wait] = { on_wait, false },
	[METHOD_events] = { on_events, false },
	[METHOD_touch] = { steering_touch, true },
	[METHOD_pause] = { steering_pause, true },
	[METHOD_resume] = { steering_resume, true },
	[METHOD_drain] = { steering_drain, true },
	[METHOD_why] = { on_why, false },
	[METHOD_cancel] = { steering_cancel, true },
	[METHOD_delete] = { steering_delete, true },
	[METHOD_retry] = { steering_retry, true },
};

static void
refuse_unknown(const struct request *request, struct span method)
{
	char words[NAME_BYTES_MAX + 64];
	if (name_is_valid(method))
		snprintf(words, sizeof(words), "no method '%.*s'",
		    (int)method.count, method.bytes);
	else
		snprintf(words, sizeof(words), "no such method");
	request_refuse(request, REFUSAL_NO_METHOD, words);
}

static void
on_call(struct client *client, const struct message *message)
{
	union {
		struct params_ping ping;
		struct params_enqueue enqueue;
		struct params_subscribe subscribe;
		struct params_demand demand;
		struct params_result result;
		struct params_get get;
		struct params_peek peek;
		struct params_list list;
		struct params_queues queues;
		struct params_workers workers;
		struct params_stats stats;
		struct params_wait wait;
		struct params_events events;
		struct params_touch touch;
		struct params_pause pause;
		struct params_resume resume;
		struct params_drain drain;
		struct params_why why;
		struct params_cancel cancel;
		struct params_delete delete;
		struct params_retry retry;
	} params;
	char reason[REASON_BYTES_MAX];
	struct request request = { .client = client,
		.wants_answer = message->kind == MESSAGE_REQUEST,
		.msgid = message->msgid };
	enum method method = method_of_name(message->method);
	if (method == METHOD_NONE || actions[method].act == NULL) {
		if (request.wants_answer)
			refuse_unknown(&request, message->method);
		return;
	}
	if (!request.wants_answer && !actions[method].needs_no_answer)
		return;
	enum refusal refusal = REFUSAL_BAD_ARGUMENT;
	if (message->odd_params)
		snprintf(
		    reason, sizeof(reason), "params must be [] or [{...}]");
	else
		refusal = method_decode(
		    method, message->params, &params, reason, sizeof(reason));
	if (refusal != REFUSAL_NONE)
		request_refuse(&request, refusal, reason);
	else
		actions[method].act(&request, &params);
}

void
inlet_message(struct client *client, const struct message *message)
{
	if (message->kind == MESSAGE_RESPONSE)
		on_response(client, message);
	else
		on_call(client, message);
}

void
inlet_gone(struct client *client)
{
	struct server *server = client->server;
	if (client->subscriber == 0)
		return;
	struct fact fact = { .kind = FACT_GONE,
		.now_ms = server_now_ms(server),
		.subscriber = client->subscriber };
	roster_clear(&server->roster, client->subscriber);
	turn_step(&server->turn, &fact, (struct span){ 0 });
}
