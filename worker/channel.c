/* SPDX-License-Identifier: MIT */
#include "worker/channel.h"

#include "sys/log.h"
#include "wire/method.h"

#include <unistd.h>

static void
on_message(struct peer *peer, const struct message *message)
{
	struct channel *channel = peer->context;
	struct params_rest rest;
	char reason[REASON_BYTES_MAX];
	enum method method = METHOD_NONE;
	if (message->kind == MESSAGE_NOTIFICATION)
		method = method_of_name(message->method);
	if (method == METHOD_reopen)
		channel->events->on_reopen(channel->context);
	else if (method == METHOD_rest &&
	    method_decode(METHOD_rest, message->params, &rest, reason,
		sizeof(reason)) == REFUSAL_NONE)
		channel->events->on_rest(channel->context, rest.on);
	else
		log_event(LOG_DEBUG, "ignored", "message=%s",
		    log_quote(message->method, NAME_BYTES_MAX));
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

/* A message that does not fit into memory is not sent: without "ready" the
 * supervisor's start timeout acts, and health is said again at its next
 * change. */
static void
end(struct channel *channel, struct message_writer *writer)
{
	if (message_end(writer) != 0)
		log_event(LOG_ERROR, "channel", "reason=\"out of memory\"");
	peer_send(&channel->peer);
}

void
channel_tell_ready(struct channel *channel)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("ready"), 1);
	put_key(&writer, "pid");
	put_integer(&writer, getpid());
	end(channel, &writer);
}

void
channel_tell_alive(struct channel *channel)
{
	struct message_writer writer;
	if (!channel->open || buffer_count(&channel->peer.output) > 0)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("alive"), 0);
	end(channel, &writer);
}

void
channel_tell_worked(struct channel *channel)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("worked"), 0);
	end(channel, &writer);
}

void
channel_tell_renew(struct channel *channel, const char *reason)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(
	    &writer, &channel->peer.output, SPAN_LITERAL("renew"), 1);
	put_key(&writer, "reason");
	put_text(&writer, span_of(reason));
	end(channel, &writer);
}

void
channel_tell_health(struct channel *channel, const char *reason)
{
	struct message_writer writer;
	if (!channel->open)
		return;
	message_notification(&writer, &channel->peer.output,
	    SPAN_LITERAL("health"), reason != NULL ? 2 : 1);
	put_key(&writer, "healthy");
	put_boolean(&writer, reason == NULL);
	if (reason != NULL) {
		put_key(&writer, "reason");
		put_text(&writer, span_of(reason));
	}
	end(channel, &writer);
}
