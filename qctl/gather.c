/* SPDX-License-Identifier: MIT */
#include "qctl/gather.h"

#include "base/units.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <stdio.h>
#include <string.h>

/* A connection to a socket that somebody listens on is made at once. */
#define CONNECT_MS_MAX 100

/* Who has not answered by then is not there for the user. */
#define ANSWER_MS_MAX SECOND_MS

/* What is asked each time. */
static const struct {
	enum socket_of socket_of;
	enum method method;
} shown[] = {
	{ SOCKET_OF_SUPERVISOR, METHOD_tree },
	{ SOCKET_OF_QUEUE, METHOD_stats },
	{ SOCKET_OF_QUEUE, METHOD_workers },
};

#define SHOWN_COUNT (sizeof(shown) / sizeof(shown[0]))

void
gather_init(struct gather *gather, struct command *command,
    void (*on_answer)(void *context, enum method method,
	const msgpack_object *result, const char *words),
    void *context)
{
	*gather = (struct gather){
		.command = command, .on_answer = on_answer, .context = context
	};
}

void
gather_release(struct gather *gather)
{
	snapshot_release(&gather->snapshot);
}

/* ---- requests ---- */

static void
remove_request(struct gather *gather, size_t at)
{
	gather->request_count--;
	memmove(&gather->requests[at], &gather->requests[at + 1],
	    (gather->request_count - at) * sizeof(gather->requests[0]));
}

/* Its unanswered requests will stay so. */
static void
side_failed(struct gather *gather, enum socket_of socket_of, const char *words)
{
	snprintf(gather->away[socket_of], TOP_WORDS_MAX, "%s", words);
	for (size_t i = gather->request_count; i > 0; i--) {
		struct gather_request request = gather->requests[i - 1];
		if (request.socket_of != socket_of)
			continue;
		remove_request(gather, i - 1);
		if (request.is_wanted)
			gather->on_answer(
			    gather->context, request.method, NULL, words);
	}
}

/* A connection. What is wrong is said in words. */
static bool
connect_side(struct gather *gather, enum socket_of socket_of, int64_t now_ms,
    char words[TOP_WORDS_MAX])
{
	struct command *command = gather->command;
	int64_t deadline_ms = command->deadline_ms;
	command->deadline_ms = now_ms + CONNECT_MS_MAX;
	say_into(words, TOP_WORDS_MAX);
	int failed = session_connect(command, socket_of);
	say_into(NULL, 0);
	command->deadline_ms = deadline_ms;
	return failed == EXIT_DONE;
}

static bool
send_request(struct gather *gather, enum method method, bool is_wanted,
    const struct gsq_field *fields, size_t field_count, int64_t now_ms,
    char words[TOP_WORDS_MAX])
{
	enum socket_of socket_of =
	    method_server(method) == METHOD_SERVER_SUPERVISOR
	    ? SOCKET_OF_SUPERVISOR
	    : SOCKET_OF_QUEUE;
	if (gather->request_count == GATHER_REQUESTS_MAX) {
		snprintf(words, TOP_WORDS_MAX, "too much is unanswered yet");
		return false;
	}
	if (!connect_side(gather, socket_of, now_ms, words)) {
		side_failed(gather, socket_of, words);
		return false;
	}
	struct gather_request *request =
	    &gather->requests[gather->request_count];
	*request = (struct gather_request){ .socket_of = socket_of,
		.method = method,
		.is_wanted = is_wanted,
		.sent_ms = now_ms };
	struct gsq *gsq = gather->command->sockets[socket_of];
	if (gsq_request(gsq, method_name(method), fields, field_count,
		&request->msgid) != GSQ_OK) {
		snprintf(words, TOP_WORDS_MAX, "%s", gsq_error(gsq));
		side_failed(gather, socket_of, words);
		return false;
	}
	gather->request_count++;
	return true;
}

/* One that is shown, and not answered yet; NULL: none. */
static const struct gather_request *
owed_by(const struct gather *gather, enum socket_of socket_of)
{
	for (size_t i = 0; i < gather->request_count; i++)
		if (gather->requests[i].socket_of == socket_of &&
		    !gather->requests[i].is_wanted)
			return &gather->requests[i];
	return NULL;
}

void
gather_ask(struct gather *gather, int64_t now_ms)
{
	char words[TOP_WORDS_MAX];
	bool asks[SOCKET_COUNT];
	for (unsigned side = 0; side < SOCKET_COUNT; side++) {
		const struct gather_request *owed =
		    owed_by(gather, (enum socket_of)side);
		asks[side] = owed == NULL;
		if (owed != NULL && now_ms - owed->sent_ms >= ANSWER_MS_MAX)
			snprintf(gather->away[side], TOP_WORDS_MAX,
			    "no answer for %d s",
			    (int)((now_ms - owed->sent_ms) / SECOND_MS));
	}
	for (size_t i = 0; i < SHOWN_COUNT; i++)
		if (asks[shown[i].socket_of] &&
		    !send_request(
			gather, shown[i].method, false, NULL, 0, now_ms, words))
			asks[shown[i].socket_of] = false;
}

bool
gather_want(struct gather *gather, enum method method,
    const struct gsq_field *fields, size_t field_count, int64_t now_ms,
    char words[TOP_WORDS_MAX])
{
	return send_request(
	    gather, method, true, fields, field_count, now_ms, words);
}

bool
gather_awaits(const struct gather *gather, enum method method)
{
	for (size_t i = 0; i < gather->request_count; i++)
		if (gather->requests[i].method == method)
			return true;
	return false;
}

/* ---- answers ---- */

static void
take_shown(struct gather *gather, enum method method,
    const msgpack_object *result, int64_t now_ms)
{
	if (method == METHOD_tree)
		snapshot_take_tree(&gather->snapshot, result);
	else if (method == METHOD_stats)
		snapshot_take_stats(&gather->snapshot, result, now_ms);
	else
		snapshot_take_workers(&gather->snapshot, result);
}

static void
take_response(struct gather *gather, enum socket_of socket_of,
    const struct message *message, int64_t now_ms)
{
	struct gsq *gsq = gather->command->sockets[socket_of];
	size_t at = 0;
	while (at < gather->request_count &&
	    (gather->requests[at].socket_of != socket_of ||
		gather->requests[at].msgid != message->msgid))
		at++;
	bool is_known = at < gather->request_count;
	bool is_good = gsq_check(gsq, message) == GSQ_OK;
	const char *words = is_good ? "" : gsq_error(gsq);
	/* What nobody asked for may say why the connection will end. */
	if (!is_known && is_good)
		return;
	struct gather_request request = { .method = METHOD_NONE };
	if (is_known) {
		request = gather->requests[at];
		remove_request(gather, at);
	}
	if (request.is_wanted) {
		gather->on_answer(gather->context, request.method,
		    is_good ? message->result : NULL, words);
		return;
	}
	snprintf(gather->away[socket_of], TOP_WORDS_MAX, "%s", words);
	if (is_good)
		take_shown(gather, request.method, message->result, now_ms);
}

static bool
receive_from(struct gather *gather, enum socket_of socket_of, int64_t now_ms)
{
	struct gsq *gsq = gather->command->sockets[socket_of];
	const struct message *message;
	bool any = false;
	if (gsq == NULL || gsq_poll_fd(gsq) < 0)
		return false;
	for (;;) {
		enum gsq_status status = gsq_receive(gsq, 0, &message);
		if (status == GSQ_TIMEOUT)
			return any;
		any = true;
		if (status != GSQ_OK) {
			side_failed(gather, socket_of, gsq_error(gsq));
			return any;
		}
		if (message->kind == MESSAGE_RESPONSE)
			take_response(gather, socket_of, message, now_ms);
	}
}

bool
gather_receive(struct gather *gather, int64_t now_ms)
{
	bool of_queue = receive_from(gather, SOCKET_OF_QUEUE, now_ms);
	return receive_from(gather, SOCKET_OF_SUPERVISOR, now_ms) || of_queue;
}

size_t
gather_fds(const struct gather *gather, struct pollfd fds[SOCKET_COUNT])
{
	size_t count = 0;
	for (unsigned side = 0; side < SOCKET_COUNT; side++) {
		const struct gsq *gsq = gather->command->sockets[side];
		if (gsq != NULL && gsq_poll_fd(gsq) >= 0)
			fds[count++] = (struct pollfd){
				.fd = gsq_poll_fd(gsq),
				.events = gsq_poll_events(gsq),
			};
	}
	return count;
}
