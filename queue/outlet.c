/* SPDX-License-Identifier: MIT */
#include "queue/outlet.h"

#include "base/check.h"
#include "base/units.h"
#include "sys/log.h"

#include <stdio.h>
#include <sys/socket.h>

void
outlet_init(struct outlet *outlet)
{
	TAILQ_INIT(&outlet->dirty);
	TAILQ_INIT(&outlet->waiting);
}

static void
add_dirty(struct outlet *outlet, struct client *client)
{
	if (client->in_dirty)
		return;
	client->in_dirty = true;
	TAILQ_INSERT_TAIL(&outlet->dirty, client, dirty);
}

static void
remove_dirty(struct outlet *outlet, struct client *client)
{
	if (!client->in_dirty)
		return;
	client->in_dirty = false;
	TAILQ_REMOVE(&outlet->dirty, client, dirty);
}

static void
add_waiting(struct outlet *outlet, struct client *client)
{
	if (client->in_waiting)
		return;
	client->in_waiting = true;
	TAILQ_INSERT_TAIL(&outlet->waiting, client, waiting);
}

static void
remove_waiting(struct outlet *outlet, struct client *client)
{
	if (!client->in_waiting)
		return;
	client->in_waiting = false;
	TAILQ_REMOVE(&outlet->waiting, client, waiting);
}

void
outlet_forget(struct outlet *outlet, struct client *client)
{
	remove_dirty(outlet, client);
	remove_waiting(outlet, client);
}

/* Bytes were appended: they may be seen when those in front of them may, and
 * not before their own batch is committed. Nor before the turn flushes them:
 * the peer may write at any moment what it has been given, and the record of
 * what a delivery tells is written at the end of the turn. */
static void
account(struct outlet *outlet, struct client *client, uint64_t bytes,
    enum visible visible)
{
	if (visible == VISIBLE_COMMITTED || client->gathering_bytes > 0) {
		client->gathering_bytes += bytes;
		add_waiting(outlet, client);
	} else if (client->committing_bytes > 0) {
		client->committing_bytes += bytes;
	} else {
		client->free_bytes += bytes;
		add_dirty(outlet, client);
	}
}

static void
cut_off(struct client *client)
{
	log_event(LOG_ERROR, "cut-off",
	    "client_pid=%d reason=\"out of memory\"",
	    (int)client->credentials.pid);
	shutdown(client->peer.fd, SHUT_RDWR);
}

/* A broken or closed connection has forgotten its output, and takes no more. */
static bool
is_over(struct client *client)
{
	struct buffer *output = &client->peer.output;
	if (!client->peer.broken && client->peer.fd != -1)
		return false;
	buffer_consume(output, buffer_count(output));
	client->free_bytes = 0;
	client->gathering_bytes = client->committing_bytes = 0;
	return true;
}

void
outlet_end(struct outlet *outlet, struct client *client,
    struct message_writer *writer, enum visible visible)
{
	size_t before = writer->before;
	if (message_end(writer) != 0)
		cut_off(client);
	else if (!is_over(client))
		account(outlet, client,
		    buffer_count(&client->peer.output) - before, visible);
}

void
outlet_refuse_when(struct outlet *outlet, struct client *client, uint64_t msgid,
    enum refusal refusal, const char *words, enum visible visible)
{
	struct buffer *output = &client->peer.output;
	size_t before = buffer_count(output);
	if (message_refuse(output, msgid, refusal, words) != 0)
		cut_off(client);
	else if (!is_over(client))
		account(outlet, client, buffer_count(output) - before, visible);
}

void
outlet_refuse_for(struct outlet *outlet, struct client *client, uint64_t msgid,
    enum refusal refusal, const char *words, int64_t retry_after_ms)
{
	struct buffer *output = &client->peer.output;
	size_t before = buffer_count(output);
	char text[2 * REASON_BYTES_MAX], after[16];
	duration_print(retry_after_ms, after, sizeof(after));
	snprintf(text, sizeof(text), "%s; try again in %s", words, after);
	if (message_refuse_for(output, msgid, refusal, text, retry_after_ms) !=
	    0)
		cut_off(client);
	else if (!is_over(client))
		account(
		    outlet, client, buffer_count(output) - before, VISIBLE_NOW);
}

void
outlet_refuse(struct outlet *outlet, struct client *client, uint64_t msgid,
    enum refusal refusal, const char *words)
{
	outlet_refuse_when(outlet, client, msgid, refusal, words, VISIBLE_NOW);
}

void
outlet_count_answer(struct outlet *outlet, struct client *client)
{
	client->answers++;
	add_waiting(outlet, client);
}

void
outlet_batch_leaves(struct outlet *outlet)
{
	struct client *client;
	TAILQ_FOREACH(client, &outlet->waiting, waiting) {
		CHECK(client->committing_bytes == 0);
		client->answers_committing = client->answers;
		client->committing_bytes = client->gathering_bytes;
		client->gathering_bytes = 0;
	}
}

static void
tell_settled(struct outlet *outlet, struct client *client)
{
	struct message_writer writer;
	if (client->answers_settled == client->answers_committing)
		return;
	client->answers_settled = client->answers_committing;
	message_notification(
	    &writer, &client->peer.output, SPAN_LITERAL("settled"), 1);
	put_key(&writer, "n");
	put_unsigned(&writer, client->answers_settled);
	outlet_end(outlet, client, &writer, VISIBLE_NOW);
}

void
outlet_batch_committed(struct outlet *outlet)
{
	struct client *client, *following;
	for (client = TAILQ_FIRST(&outlet->waiting); client != NULL;
	     client = following) {
		following = TAILQ_NEXT(client, waiting);
		if (!is_over(client) && client->committing_bytes > 0) {
			client->free_bytes += client->committing_bytes;
			client->committing_bytes = 0;
			add_dirty(outlet, client);
		}
		tell_settled(outlet, client);
		if (client->gathering_bytes == 0 &&
		    client->answers == client->answers_settled)
			remove_waiting(outlet, client);
	}
}

void
outlet_flush(struct outlet *outlet)
{
	struct client *client;
	while ((client = TAILQ_FIRST(&outlet->dirty)) != NULL) {
		remove_dirty(outlet, client);
		if (!is_over(client))
			peer_release(&client->peer, client->free_bytes);
		client->free_bytes = 0;
		peer_flush(&client->peer);
	}
}
