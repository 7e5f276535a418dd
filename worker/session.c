/* SPDX-License-Identifier: MIT */
#include "worker/session.h"

#include "base/backoff.h"
#include "base/units.h"
#include "sys/directory.h"
#include "sys/log.h"
#include "sys/socket.h"
#include "worker/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* The queue's socket is the supervisor's: while a queue is restarted, connect
 * succeeds at once. These delays are for a gsq that is not there, and for a
 * queue that dies as soon as it is spoken to. */
static const struct backoff reconnect = { 10, SECOND_MS };

static void
end_of_turn_follows(struct session *session)
{
	event_active(&session->turn_event, 0, 0);
}

/* A connection on which something could not be said is of no use; on the next
 * one everything is said again. */
static void
break_off(struct session *session)
{
	log_event(LOG_ERROR, "cut-off", "reason=\"out of memory\"");
	shutdown(session->peer.fd, SHUT_RDWR);
}

static void
check_written(struct session *session, int error)
{
	if (error != 0)
		break_off(session);
}

/* ---- saying ---- */

static void
send_outcome(struct session *session, const struct ledger_job *job)
{
	struct buffer *output = &session->peer.output;
	const char *command = session->options->command[0];
	if (job->state == LEDGER_SENT)
		check_written(session,
		    report_response(
			output, job->msgid, &job->outcome, command));
	else
		check_written(session, report_request(output, job, command));
}

/* A demand is at most DEMAND_MAX, as what is outstanding. */
static void
send_demand(struct session *session)
{
	struct message_writer writer;
	if (session->asking == 0 || !session->connected)
		return;
	message_notification(
	    &writer, &session->peer.output, SPAN_LITERAL("demand"), 2);
	put_key(&writer, "queue");
	put_text(&writer, span_of(session->options->queue.text));
	put_key(&writer, "n");
	put_unsigned(&writer, session->asking);
	session->asking = 0;
	check_written(session, message_end(&writer));
}

static void
put_held(struct message_writer *writer, const struct ledger *ledger)
{
	const struct ledger_job *job = NULL;
	put_array(writer, ledger_held_count(ledger));
	while ((job = ledger_next_held(ledger, job)) != NULL) {
		put_array(writer, 2);
		put_unsigned(writer, job->id);
		put_unsigned(writer, job->delivery);
	}
}

static void
send_subscribe(struct session *session)
{
	const struct options *options = session->options;
	struct message_writer writer;
	message_request(&writer, &session->peer.output, LEDGER_SUBSCRIBE_MSGID,
	    SPAN_LITERAL("subscribe"), 7);
	put_key(&writer, "queue");
	put_text(&writer, span_of(options->queue.text));
	put_key(&writer, "name");
	put_text(&writer, span_of(options->name.text));
	put_key(&writer, "max_demand");
	put_unsigned(&writer, options->max_demand);
	put_key(&writer, "min_demand");
	put_unsigned(&writer, options->min_demand);
	put_key(&writer, "pid");
	put_integer(&writer, getpid());
	put_key(&writer, "incarnation");
	put_integer(&writer, options->incarnation);
	put_key(&writer, "held");
	put_held(&writer, &session->ledger);
	check_written(session, message_end(&writer));
}

/* ---- wishes ---- */

/* params: of the delivery that led to them, or NULL. What is kept is kept
 * before its predecessor is stopped, which may end at once. */
static void
fulfil(struct session *session, const struct ledger_wishes *wishes,
    const struct params_job *params)
{
	const struct session_events *events = session->events;
	session->asking += wishes->ask;
	if (wishes->send != NULL)
		send_outcome(session, wishes->send);
	if (wishes->keep != NULL)
		events->on_keep(session->context, wishes->keep, params);
	if (wishes->stop != NULL)
		events->on_stop(session->context, wishes->stop);
	if (wishes->run != NULL && params != NULL)
		events->on_job(session->context, wishes->run, params);
	else if (wishes->run != NULL)
		events->on_go_on(session->context, wishes->run);
	end_of_turn_follows(session);
}

static void
tell(struct session *session, const struct ledger_fact *fact)
{
	const struct ledger_wishes wishes = ledger_step(&session->ledger, fact);
	fulfil(session, &wishes, NULL);
}

/* ---- hearing: jobs ---- */

static void
refuse(struct session *session, uint64_t msgid, enum refusal refusal,
    const char *words)
{
	check_written(session,
	    message_refuse(&session->peer.output, msgid, refusal, words));
	end_of_turn_follows(session);
}

static void
hear_job(struct session *session, const struct message *message)
{
	struct params_job params;
	char reason[REASON_BYTES_MAX];
	enum refusal refusal = method_decode(
	    METHOD_job, message->params, &params, reason, sizeof(reason));
	if (refusal != REFUSAL_NONE) {
		log_event(LOG_WARNING, "refused", "method=job reason=%s",
		    log_quote(span_of(reason), sizeof(reason)));
		tell(session, &(struct ledger_fact){ .event = LEDGER_REFUSED });
		refuse(session, message->msgid, refusal, reason);
		return;
	}
	const struct ledger_fact fact = { .event = LEDGER_JOB,
		.job = { .id = (uint64_t)params.id,
		    .msgid = message->msgid,
		    .delivery =
			(uint32_t)(params.delivery != 0 ? params.delivery
							: params.attempt) } };
	const struct ledger_wishes wishes =
	    ledger_step(&session->ledger, &fact);
	if (wishes.full) {
		const struct outcome outcome = outcome_of_errno(ENOMEM);
		check_written(session,
		    report_response(&session->peer.output, message->msgid,
			&outcome, session->options->command[0]));
	}
	fulfil(session, &wishes, &params);
}

static void
hear_request(struct session *session, const struct message *message)
{
	char words[NAME_BYTES_MAX + 32];
	if (!message->odd_params &&
	    method_of_name(message->method) == METHOD_job) {
		hear_job(session, message);
		return;
	}
	snprintf(words, sizeof(words), "no method %s here",
	    log_quote(message->method, NAME_BYTES_MAX));
	refuse(session, message->msgid, REFUSAL_NO_METHOD, words);
}

static void
hear_settled(struct session *session, const struct params_settled *params)
{
	tell(session,
	    &(struct ledger_fact){
		.event = LEDGER_SETTLED, .settled = (uint64_t)params->n });
}

static void
hear_stop(struct session *session, const struct params_stop *params)
{
	const struct ledger_fact fact = { .event = LEDGER_END,
		.end = { .id = (uint64_t)params->id,
		    .delivery = (uint32_t)params->delivery } };
	const struct ledger_wishes wishes =
	    ledger_step(&session->ledger, &fact);
	if (wishes.end != NULL)
		session->events->on_end(session->context, wishes.end, params);
	end_of_turn_follows(session);
}

/* Others than these may come some day. */
static void
hear_notification(struct session *session, const struct message *message)
{
	union {
		struct params_settled settled;
		struct params_stop stop;
	} params;
	char reason[REASON_BYTES_MAX];
	enum method method = method_of_name(message->method);
	if ((method != METHOD_settled && method != METHOD_stop) ||
	    message->odd_params ||
	    method_decode(method, message->params, &params, reason,
		sizeof(reason)) != REFUSAL_NONE)
		return;
	if (method == METHOD_settled)
		hear_settled(session, &params.settled);
	else
		hear_stop(session, &params.stop);
}

/* ---- hearing: answers ---- */

/* Its text, when it is an error as gsq's own are. */
static struct span
error_text(const msgpack_object *error)
{
	struct span text = SPAN_LITERAL("an error");
	if (error->type == MSGPACK_OBJECT_ARRAY && error->via.array.size == 2)
		object_span(&error->via.array.ptr[1], &text);
	return text;
}

static void
tell_trouble(struct session *session, const char *what, const char *reason)
{
	if (session->trouble_told)
		return;
	session->trouble_told = true;
	log_event(LOG_WARNING, what,
	    "socket=%s reason=%s hint=\"trying again\"", session->path,
	    log_quote(span_of(reason), REASON_BYTES_MAX));
}

static void
subscribe_refused(struct session *session, struct span text)
{
	char reason[REASON_BYTES_MAX + 1];
	snprintf(reason, sizeof(reason), "%.*s", (int)text.count, text.bytes);
	tell_trouble(session, "subscribe", reason);
	shutdown(session->peer.fd, SHUT_RDWR);
}

/* What we hold and the queue does not know: somebody else has it, or nobody
 * any more. */
static uint32_t
drop_unknown(struct session *session, const msgpack_object *unknown)
{
	uint32_t count = 0;
	int64_t id;
	if (unknown == NULL || unknown->type != MSGPACK_OBJECT_ARRAY)
		return 0;
	for (uint32_t i = 0; i < unknown->via.array.size; i++) {
		if (!object_integer(
			&unknown->via.array.ptr[i], 1, INT64_MAX, &id))
			continue;
		tell(session,
		    &(struct ledger_fact){
			.event = LEDGER_UNKNOWN, .unknown = (uint64_t)id });
		count++;
	}
	return count;
}

static void
hear_subscribed(struct session *session, const struct message *message)
{
	bool again = session->was_subscribed;
	if (message->error != NULL) {
		subscribe_refused(session, error_text(message->error));
		return;
	}
	session->subscribed = true;
	session->was_subscribed = true;
	session->trouble_told = false;
	session->failures = 0;
	uint32_t held = session->ledger.in_hand_count;
	uint32_t unknown =
	    drop_unknown(session, map_find(message->result, "unknown"));
	log_event(again ? LOG_INFO : LOG_DEBUG, "subscribed",
	    "queue=%s held=%u unknown=%u", session->options->queue.text, held,
	    unknown);
	if (!again)
		session->events->on_subscribed(session->context);
}

/* Code 0 blames the moment: the result is kept, for the next connection. Every
 * other answer is the end of it. */
static void
hear_answer(struct session *session, const struct message *message)
{
	const msgpack_object *error = message->error;
	int64_t code;
	if (error != NULL)
		log_event(LOG_DEBUG, "result", "msgid=%" PRIu64 " answer=%s",
		    message->msgid,
		    log_quote(error_text(error), REASON_BYTES_MAX));
	if (error != NULL && error->type == MSGPACK_OBJECT_ARRAY &&
	    error->via.array.size == 2 &&
	    object_integer(&error->via.array.ptr[0], 0, 0, &code))
		return;
	tell(session,
	    &(struct ledger_fact){
		.event = LEDGER_ANSWERED, .answered = message->msgid });
}

static void
on_message(struct peer *peer, const struct message *message)
{
	struct session *session = peer->context;
	switch (message->kind) {
	case MESSAGE_REQUEST:
		hear_request(session, message);
		break;
	case MESSAGE_NOTIFICATION:
		hear_notification(session, message);
		break;
	case MESSAGE_RESPONSE:
		if (message->msgid == LEDGER_SUBSCRIBE_MSGID)
			hear_subscribed(session, message);
		else
			hear_answer(session, message);
		break;
	}
}

/* ---- connections ---- */

/* The first attempt after a good connection is made at once. */
static void
connect_later(struct session *session)
{
	int64_t delay_ms = 0;
	if (session->failures > 0)
		delay_ms = backoff_delay_ms(&reconnect, session->failures,
		    session->seed ^ session->failures);
	session->failures++;
	struct timeval delay = { .tv_sec = delay_ms / SECOND_MS,
		.tv_usec = delay_ms % SECOND_MS * 1000 };
	event_add(&session->connect_timer, &delay);
}

static void
on_gone(struct peer *peer, const char *reason)
{
	struct session *session = peer->context;
	peer_release_memory(peer);
	log_event(LOG_INFO, "lost", "queue=%s held=%u reason=\"%s\"",
	    session->options->queue.text, session->ledger.in_hand_count,
	    reason);
	session->connected = false;
	session->subscribed = false;
	session->asking = 0;
	tell(session, &(struct ledger_fact){ .event = LEDGER_LOST });
	connect_later(session);
}

static const struct peer_events peer_events = {
	.on_message = on_message,
	.on_gone = on_gone,
};

/* Subscribe, what is held, the results of it, and demand: one write. */
static void
introduce(struct session *session)
{
	const struct ledger_job *job;
	session->connected = true;
	send_subscribe(session);
	tell(session, &(struct ledger_fact){ .event = LEDGER_CONNECTED });
	while ((job = ledger_resend(&session->ledger)) != NULL)
		send_outcome(session, job);
}

static void
try_to_connect(struct session *session)
{
	int fd = socket_connect(session->path);
	int error = fd < 0 ? -fd
			   : peer_init(&session->peer, session->base, 0, fd,
				 &peer_events, session);
	if (error == 0) {
		introduce(session);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (session->failures > 0)
		tell_trouble(session, "connect", strerror(error));
	connect_later(session);
}

static void
on_connect_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	try_to_connect(context);
}

/* ---- what the owner says ---- */

void
session_finish(struct session *session, struct ledger_job *job,
    const struct outcome *outcome)
{
	tell(session,
	    &(struct ledger_fact){ .event = LEDGER_EXITED,
		.exited = { .job = job, .outcome = *outcome } });
}

void
session_quiet(struct session *session)
{
	session->asking = 0;
	tell(session, &(struct ledger_fact){ .event = LEDGER_QUIET });
}

void
session_set_appetite(struct session *session, enum ledger_appetite appetite)
{
	tell(session,
	    &(struct ledger_fact){
		.event = LEDGER_APPETITE, .appetite = appetite });
}

bool
session_is_busy(const struct session *session)
{
	return session->ledger.in_hand_count > 0;
}

bool
session_is_settled(const struct session *session)
{
	return ledger_is_settled(&session->ledger);
}

/* ---- life ---- */

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	struct session *session = context;
	(void)fd;
	(void)what;
	send_demand(session);
	if (session->connected)
		peer_send(&session->peer);
	session->events->on_turn(session->context);
}

int
session_init(struct session *session, struct event_base *base,
    const struct options *options, const struct session_events *events,
    void *context)
{
	memset(session, 0, sizeof(*session));
	session->base = base;
	session->options = options;
	session->events = events;
	session->context = context;
	session->seed = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15);
	ledger_init(&session->ledger, options->max_demand, options->min_demand);
	if (options->rest)
		ledger_step(&session->ledger,
		    &(struct ledger_fact){
			.event = LEDGER_APPETITE, .appetite = LEDGER_RESTING });
	event_assign(&session->turn_event, base, -1, 0, on_turn, session);
	evtimer_assign(
	    &session->connect_timer, base, on_connect_timer, session);
	int error = directory_path(session->path, sizeof(session->path),
	    options->directory, QUEUE_SOCKET_NAME);
	if (error == 0)
		try_to_connect(session);
	return error;
}

void
session_release(struct session *session)
{
	if (session->events == NULL)
		return;
	event_del(&session->turn_event);
	event_del(&session->connect_timer);
	peer_close(&session->peer);
	peer_release_memory(&session->peer);
	ledger_release(&session->ledger);
}
