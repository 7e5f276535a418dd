/* SPDX-License-Identifier: MIT */
#include "queue/request.h"

#include "sys/log.h"

#include <unistd.h>

enum visible
request_visible(const struct request *request)
{
	return request_turn(request)->gathering ? VISIBLE_COMMITTED
						: VISIBLE_NOW;
}

enum visible
request_visible_when_kept(const struct request *request)
{
	if (turn_is_busy(request_turn(request)))
		turn_wait(request_turn(request));
	return request_visible(request);
}

static void
log_refused(
    const struct request *request, enum refusal refusal, const char *words)
{
	log_event(LOG_DEBUG, "refused", "client_pid=%d refusal=%s words=\"%s\"",
	    (int)request->client->credentials.pid, refusal_name(refusal),
	    words);
}

void
request_refuse_for(
    const struct request *request, const char *words, int64_t retry_after_ms)
{
	struct server *server = request->client->server;
	server->refused++;
	if (request->wants_answer)
		outlet_refuse_for(&server->outlet, request->client,
		    request->msgid, REFUSAL_FULL, words, retry_after_ms);
	else
		log_refused(request, REFUSAL_FULL, words);
}

void
request_refuse(
    const struct request *request, enum refusal refusal, const char *words)
{
	struct server *server = request->client->server;
	if (refusal == REFUSAL_FULL) {
		request_refuse_for(request, words, RETRY_AFTER_MS);
		return;
	}
	server->refused++;
	if (request->wants_answer)
		outlet_refuse_when(&server->outlet, request->client,
		    request->msgid, refusal, words,
		    refusal == REFUSAL_STALE
			? request_visible_when_kept(request)
			: VISIBLE_NOW);
	else
		log_refused(request, refusal, words);
}

void
request_refuse_as_core(const struct request *request)
{
	const struct core *core = &request_turn(request)->core;
	if (core->refusal == REFUSAL_FULL && core->retry_after_ms > 0)
		request_refuse_for(request, core->words, core->retry_after_ms);
	else
		request_refuse(request, core->refusal, core->words);
}

void
request_begin(
    const struct request *request, struct message_writer *writer, uint32_t keys)
{
	message_response(writer, &request->client->peer.output, request->msgid);
	put_map(writer, keys);
}

void
request_end(const struct request *request, struct message_writer *writer)
{
	outlet_end(&request->client->server->outlet, request->client, writer,
	    request_visible(request));
}

enum refusal
request_step(const struct request *request, struct fact *fact, struct span body)
{
	fact->now_ms = server_now_ms(request->client->server);
	return turn_step(request_turn(request), fact, body);
}

bool
request_may_control(const struct request *request)
{
	uid_t uid = request->client->credentials.uid;
	if (uid == 0 || uid == geteuid())
		return true;
	request_refuse(request, REFUSAL_NOT_PERMITTED,
	    "only root and the user that gsq runs as may do that");
	return false;
}

int64_t
request_ttr(int64_t ttr_ms)
{
	if (ttr_ms < 0)
		return 0;
	return ttr_ms == 0 ? TTR_NONE : ttr_ms;
}
