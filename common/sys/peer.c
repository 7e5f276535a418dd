/* SPDX-License-Identifier: MIT */
#include "sys/peer.h"

#include "base/check.h"
#include "base/limits.h"

#include "sys/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How much of a message that is not whole yet is read on together with what
 * follows it, in the common scratch; a longer one gathers in its own buffer. */
#define TAIL_BYTES_MAX 4096u

/* An empty output keeps this much: ten thousand quiet connections stay cheap,
 * busy ones allocate at most once per turn. */
#define OUTPUT_BYTES_KEPT 4096u

/* After a failed write the socket is read once more, to its end: what the
 * other side had said before it died counts. It cannot hold more than this
 * many reads unless somebody goes on writing. */
#define LAST_READS_MAX 64

#define ZONE_BYTES 4096u

static const char closed_reason[] = "closed by the other side";
static const char memory_reason[] = "out of memory";

static const char *
reason_of(int error)
{
	if (error == EPIPE || error == ECONNRESET)
		return closed_reason;
	const char *text = strerrordesc_np(error);
	return text != NULL ? text : "unknown error";
}

/* ---- the end ---- */

void
peer_close(struct peer *peer)
{
	if (peer->events == NULL || peer->fd == -1)
		return;
	event_del(&peer->read_event);
	event_del(&peer->write_event);
	event_del(&peer->again_event);
	peer->reading = peer->writing = peer->unfinished = false;
	close(peer->fd);
	peer->fd = -1;
}

void
peer_release_memory(struct peer *peer)
{
	CHECK(peer->events == NULL || peer->fd == -1);
	buffer_release(&peer->input);
	buffer_release(&peer->output);
	peer->released = 0;
}

/* The peer may not exist any more after this. */
static void
say_gone(struct peer *peer, const char *reason)
{
	peer_close(peer);
	peer->events->on_gone(peer, reason);
}

/* ---- writing ---- */

static void
discard_output(struct peer *peer)
{
	buffer_consume(&peer->output, buffer_count(&peer->output));
	peer->released = 0;
}

static void
break_off(struct peer *peer, const char *reason)
{
	if (peer->broken)
		return;
	peer->broken = true;
	peer->broken_reason = reason;
	discard_output(peer);
	event_active(&peer->read_event, EV_READ, 0);
}

static void
set_writing(struct peer *peer, bool wanted)
{
	if (peer->writing == wanted)
		return;
	peer->writing = wanted;
	if (!wanted)
		event_del(&peer->write_event);
	else if (event_add(&peer->write_event, NULL) != 0)
		break_off(peer, memory_reason);
}

static void
set_reading(struct peer *peer, bool wanted)
{
	if (peer->reading == wanted)
		return;
	peer->reading = wanted;
	if (!wanted)
		event_del(&peer->read_event);
	else if (event_add(&peer->read_event, NULL) != 0)
		break_off(peer, memory_reason);
}

static void
write_released(struct peer *peer)
{
	while (peer->released > 0 && !peer->broken) {
		ssize_t sent = send(peer->fd, buffer_front(&peer->output),
		    (size_t)peer->released, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			buffer_consume(&peer->output, (size_t)sent);
			peer->released -= (uint64_t)sent;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			break;
		} else if (errno != EINTR) {
			break_off(peer, reason_of(errno));
		}
	}
	if (peer->broken)
		discard_output(peer);
	if (buffer_count(&peer->output) == 0 &&
	    peer->output.capacity > OUTPUT_BYTES_KEPT)
		buffer_release(&peer->output);
}

/* Whoever does not take his answers is not read from, until he has taken half
 * of them; messages that had come before that wait in the input. */
static void
balance(struct peer *peer)
{
	if (!peer_has_room(peer)) {
		peer->was_high = true;
		set_reading(peer, peer->broken);
	} else if (buffer_count(&peer->output) <= peer->output_max / 2 &&
	    !peer->reading && !peer->ended) {
		set_reading(peer, true);
		event_active(&peer->read_event, EV_READ, 0);
	}
}

static void
push(struct peer *peer)
{
	if (!peer_has_room(peer))
		peer->was_high = true;
	write_released(peer);
	set_writing(peer, peer->released > 0);
	balance(peer);
}

bool
peer_has_room(const struct peer *peer)
{
	return buffer_count(&peer->output) <= peer->output_max;
}

void
peer_release(struct peer *peer, uint64_t bytes)
{
	if (peer->broken || peer->fd == -1)
		return;
	CHECK(bytes <= buffer_count(&peer->output) - peer->released);
	peer->released += bytes;
}

void
peer_release_all(struct peer *peer)
{
	if (!peer->broken && peer->fd != -1)
		peer->released = buffer_count(&peer->output);
}

void
peer_flush(struct peer *peer)
{
	if (peer->fd == -1)
		return;
	push(peer);
	/* What the owner must hear of, it hears from the loop. */
	if (buffer_count(&peer->output) == 0 && (peer->ended || peer->was_high))
		event_active(&peer->write_event, EV_WRITE, 0);
}

void
peer_want_drained(struct peer *peer)
{
	peer->was_high = true;
}

void
peer_send(struct peer *peer)
{
	peer_release_all(peer);
	peer_flush(peer);
}

/* ---- ending in good order ---- */

/* Goes on until the output is written. The refusal comes last, so that the
 * answers to what was good before it stand in front, and are not written
 * before the owner releases them. */
static void
finish(struct peer *peer)
{
	push(peer);
	if (buffer_count(&peer->output) > 0)
		return;
	if (peer->refusing && !peer->broken) {
		peer->refusing = false;
		message_refuse(
		    &peer->output, 0, REFUSAL_BAD_MESSAGE, peer->ended_reason);
		peer_release_all(peer);
		push(peer);
		if (buffer_count(&peer->output) > 0)
			return;
	}
	say_gone(peer, peer->ended_reason);
}

static void
end(struct peer *peer, const char *reason)
{
	peer->ended = true;
	peer->ended_reason = reason;
	set_reading(peer, false);
	buffer_release(&peer->input);
}

/* ---- messages ---- */

enum intake {
	INTAKE_MORE,   /* nothing whole is left */
	INTAKE_PAUSED, /* the output is too full to go on */
	INTAKE_ENOUGH, /* its time of this turn is over */
	INTAKE_BAD,    /* peer->ended_reason says why */
	INTAKE_CLOSED  /* by the handler */
};

/* One zone for all peers: a decoded message lives only during on_message. */
static struct {
	msgpack_zone zone;
	bool is_ready;
} decoding;

static bool
prepare_zone(void)
{
	if (!decoding.is_ready)
		decoding.is_ready =
		    msgpack_zone_init(&decoding.zone, ZONE_BYTES);
	return decoding.is_ready;
}

/* Gives back what a huge message took. */
static void
clear_zone(void)
{
	if (decoding.is_ready)
		msgpack_zone_clear(&decoding.zone);
}

/* Why the first message is none, or NULL. */
static const char *
read_message(struct peer *peer, enum scan scan, struct message *message,
    const char *bytes)
{
	if (scan == SCAN_BAD)
		return peer->scanner.reason;
	if (!prepare_zone())
		return memory_reason;
	return message_decode(
	    message, &decoding.zone, bytes, peer->scanner.offset);
}

/* Hands out whole messages, as many as there is time for and at least one;
 * *bytes becomes what is left behind them. */
static enum intake
hand_out(struct peer *peer, struct span *bytes)
{
	struct message message;
	int64_t began_us = clock_monotonic_us();
	while (bytes->count > 0) {
		if (peer->broken)
			discard_output(peer);
		if (!peer_has_room(peer))
			return INTAKE_PAUSED;
		enum scan scan =
		    scanner_feed(&peer->scanner, bytes->bytes, bytes->count);
		if (scan == SCAN_MORE)
			return INTAKE_MORE;
		const char *wrong =
		    read_message(peer, scan, &message, bytes->bytes);
		if (wrong != NULL) {
			peer->ended_reason = wrong;
			return INTAKE_BAD;
		}
		peer->events->on_message(peer, &message);
		if (peer->fd == -1)
			return INTAKE_CLOSED;
		bytes->bytes += peer->scanner.offset;
		bytes->count -= peer->scanner.offset;
		scanner_init(&peer->scanner, MESSAGE_BYTES_MAX);
		if (clock_monotonic_us() - began_us >= WORK_US_PER_TURN)
			return bytes->count > 0 ? INTAKE_ENOUGH : INTAKE_MORE;
	}
	return INTAKE_MORE;
}

/* ---- reading ---- */

/* What one look at the socket brought. */
enum look {
	LOOK_GOOD,
	LOOK_NOTHING, /* nothing to read now */
	LOOK_ENOUGH,  /* the next turn goes on */
	LOOK_OVER,    /* the end, an error or a bad message: peer->ended */
	LOOK_CLOSED   /* by the handler */
};

static enum look
out_of_memory(struct peer *peer)
{
	break_off(peer, memory_reason);
	end(peer, memory_reason);
	return LOOK_OVER;
}

/* By a timer, which fires in the next round of the loop: an event that makes
 * itself active is called in this one, again and again. */
static enum look
go_on_next_turn(struct peer *peer)
{
	peer->unfinished = true;
	if (event_add(&peer->again_event, &(struct timeval){ 0 }) == 0)
		return LOOK_ENOUGH;
	return out_of_memory(peer);
}

static enum look
after_intake(struct peer *peer, enum intake intake)
{
	clear_zone();
	switch (intake) {
	case INTAKE_MORE:
	case INTAKE_PAUSED:
		balance(peer);
		return LOOK_GOOD;
	case INTAKE_ENOUGH:
		balance(peer);
		return go_on_next_turn(peer);
	case INTAKE_BAD:
		peer->refusing = peer->sent_rubbish = true;
		end(peer, peer->ended_reason);
		return LOOK_OVER;
	case INTAKE_CLOSED:
		return LOOK_CLOSED;
	}
	UNREACHABLE();
}

static ssize_t
receive(struct peer *peer, char *room)
{
	for (;;) {
		ssize_t got =
		    recv(peer->fd, room, READ_BYTES_PER_TURN, MSG_DONTWAIT);
		if (got >= 0 || errno != EINTR)
			return got;
	}
}

static enum look
after_failure(struct peer *peer, ssize_t got)
{
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LOOK_NOTHING;
	if (got < 0) /* nobody is there to take the output */
		break_off(peer, reason_of(errno));
	end(peer, got == 0 ? closed_reason : peer->broken_reason);
	return LOOK_OVER;
}

/* Hands out what stands in the input. */
static enum look
take_from_input(struct peer *peer)
{
	struct span left = { buffer_front(&peer->input),
		buffer_count(&peer->input) };
	size_t before = left.count;
	enum intake intake = hand_out(peer, &left);
	buffer_consume(&peer->input, before - left.count);
	return after_intake(peer, intake);
}

static enum look
read_into_input(struct peer *peer)
{
	char *room = buffer_reserve(&peer->input, READ_BYTES_PER_TURN);
	if (room == NULL)
		return out_of_memory(peer);
	ssize_t got = receive(peer, room);
	if (got <= 0)
		return after_failure(peer, got);
	buffer_added(&peer->input, (size_t)got);
	return take_from_input(peer);
}

/* Reads behind a short tail, or nothing, in a scratch that all peers share:
 * most reads end with a whole message, so that most peers need no input buffer
 * at any time. */
static enum look
read_into_scratch(struct peer *peer)
{
	static char scratch[TAIL_BYTES_MAX + READ_BYTES_PER_TURN];
	size_t tail = buffer_count(&peer->input);
	ssize_t got = receive(peer, scratch + tail);
	if (got <= 0)
		return after_failure(peer, got);
	if (tail > 0)
		memcpy(scratch, buffer_front(&peer->input), tail);
	buffer_consume(&peer->input, tail);
	struct span left = { scratch, tail + (size_t)got };
	enum intake intake = hand_out(peer, &left);
	bool goes_on = intake == INTAKE_MORE || intake == INTAKE_PAUSED ||
	    intake == INTAKE_ENOUGH;
	if (left.count == 0 || !goes_on)
		buffer_release(&peer->input);
	else if (buffer_append(&peer->input, left.bytes, left.count) != 0)
		return out_of_memory(peer);
	return after_intake(peer, intake);
}

/* Hands out what had to wait, then reads once. */
static enum look
look(struct peer *peer)
{
	if (buffer_count(&peer->input) > 0) {
		enum look look = take_from_input(peer);
		if (look != LOOK_GOOD)
			return look;
	}
	if (!peer->reading && !peer->broken)
		return LOOK_NOTHING;
	if (buffer_count(&peer->input) <= TAIL_BYTES_MAX)
		return read_into_scratch(peer);
	return read_into_input(peer);
}

static void
look_for_the_last_time(struct peer *peer)
{
	enum look got = LOOK_GOOD;
	while (got == LOOK_GOOD && peer->last_reads++ < LAST_READS_MAX)
		got = look(peer);
	if (got != LOOK_CLOSED && got != LOOK_ENOUGH)
		say_gone(peer, peer->broken_reason);
}

/* After a bad message the end waits for the next round of the loop, in which
 * the owner's answers to the good ones before it are there. */
static void
end_of_look(struct peer *peer)
{
	if (peer->refusing && !peer->broken)
		set_writing(peer, true);
	else
		finish(peer);
}

static void
go_on(struct peer *peer)
{
	if (peer->ended)
		finish(peer);
	else if (peer->broken)
		look_for_the_last_time(peer);
	else if (look(peer) == LOOK_OVER)
		end_of_look(peer);
}

static void
on_readable(evutil_socket_t fd, short what, void *context)
{
	struct peer *peer = context;
	(void)fd;
	(void)what;
	if (!peer->unfinished) /* else on_again comes too: once is its turn */
		go_on(peer);
}

static void
on_again(evutil_socket_t none, short what, void *context)
{
	struct peer *peer = context;
	(void)none;
	(void)what;
	peer->unfinished = false;
	go_on(peer);
}

static void
on_writable(evutil_socket_t fd, short what, void *context)
{
	struct peer *peer = context;
	(void)fd;
	(void)what;
	if (peer->ended) {
		finish(peer);
		return;
	}
	push(peer);
	if (peer->broken || !peer->was_high || buffer_count(&peer->output) > 0)
		return;
	peer->was_high = false;
	if (peer->events->on_drained != NULL)
		peer->events->on_drained(peer);
}

/* ---- life ---- */

int
peer_init(struct peer *peer, struct event_base *base, int priority, int fd,
    const struct peer_events *events, void *context)
{
	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
	errno = 0;
	if (event_assign(&peer->read_event, base, fd, EV_READ | EV_PERSIST,
		on_readable, peer) != 0 ||
	    event_assign(&peer->write_event, base, fd, EV_WRITE | EV_PERSIST,
		on_writable, peer) != 0 ||
	    evtimer_assign(&peer->again_event, base, on_again, peer) != 0 ||
	    event_priority_set(&peer->read_event, priority) != 0 ||
	    event_priority_set(&peer->write_event, priority) != 0 ||
	    event_priority_set(&peer->again_event, priority) != 0)
		return EINVAL;
	if (event_add(&peer->read_event, NULL) != 0)
		return errno != 0 ? errno : ENOMEM;
	peer->fd = fd;
	peer->context = context;
	peer->events = events;
	peer->reading = true;
	peer->output_max = OUTPUT_BYTES_HIGH;
	scanner_init(&peer->scanner, MESSAGE_BYTES_MAX);
	return 0;
}
