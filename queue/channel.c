/* SPDX-License-Identifier: MIT */
#include "queue/channel.h"

#include "sys/log.h"

#include <unistd.h>

static void
ignore(struct span method, const char *hint)
{
	log_event(LOG_WARNING, "ignored", "message=%s hint=\"%s\"",
	    log_quote(method, NAME_BYTES_MAX), hint);
}

static void
on_message(struct peer *peer, const struct message *message)
{
	struct channel *channel = peer->context;
	union {
		struct params_worker_up up;
		struct params_introduced introduced;
		struct params_worker_down down;
	} params;
	char reason[REASON_BYTES_MAX];
	enum method method = METHOD_NONE;
	if (message->kind == MESSAGE_NOTIFICATION)
		method = method_of_name(message->method);
	if (method == METHOD_reopen) {
		channel->events->on_reopen(channel->context);
		return;
	}
	if (method != METHOD_worker_up && method != METHOD_introduced &&
	    method != METHOD_worker_down) {
		ignore(message->method, "unknown here");
		return;
	}
	if (method_decode(method, message->params, &params, reason,
		sizeof(reason)) != REFUSAL_NONE) {
		ignore(message->method, reason);
		return;
	}
	if (method == METHOD_worker_up)
		channel->events->on_worker_up(channel->context, &params.up);
	else if (method == METHOD_introduced)
		channel->events->on_introduced(channel->context);
	else
		channel->events->on_worker_down(channel->context, &params.down);
}

static void
on_gone(struct peer *peer, const char *reason)
{
	struct channel *channel = peer->context;
	(void)reason;
	channel->open = false;
	peer_release_memory(peer);
	channel->events->on_closed(channel->context);
}

static const struct peer_events peer_events = {
	.on_message = on_message,
	.on_gone = on_gone,
};

int
channel_init(struct channel *channel, struct event_base *base, int fd,
    const struct channel_events *events, void *context)
{
	channel->events = events;
	channel->context = context;
	int error =
	    peer_init(&channel->peer, base, 0, fd, &peer_events, channel);
	channel->open = error == 0;
	return error;
}

void
channel_release(struct channel *channel)
{
	if (!channel->open)
		return;
	channel->open = false;
	peer_close(&channel->peer);
	peer_release_memory(&channel->peer);
}

/* A message that does not fit into memory is not sent; the supervisor's start
 * timeout, or the next silence, repeats what it was for. */
static void
finish(struct channel *channel, struct message_writer *writer)
{
	if (message_end(writer) != 0)
		log_event(LOG_ERROR, "channel", "error=\"out of memory\"");
	peer_send(&channel->peer);
}

void
channel_ready(struct channel *channel)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("ready"), 1);
	put_key(&writer, "pid");
	put_integer(&writer, getpid());
	finish(channel, &writer);
}

void
channel_alive(struct channel *channel)
{
	struct message_writer writer;
	if (!channel->open || buffer_count(&channel->peer.output) > 0)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("alive"), 0);
	finish(channel, &writer);
}

void
channel_kill(struct channel *channel, int64_t pid, struct span reason)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("kill"), 2);
	put_key(&writer, "pid");
	put_integer(&writer, pid);
	put_key(&writer, "reason");
	put_text(&writer, reason);
	finish(channel, &writer);
}
