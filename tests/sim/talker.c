/* SPDX-License-Identifier: MIT */
#include "tests/sim/talker.h"

#include "base/check.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"

#include <errno.h>

static struct {
	msgpack_zone zone;
	bool is_ready;
} decoding;

void
talker_take(struct talker *talker, int fd)
{
	talker->fd = fd;
	scanner_init(&talker->scanner, MESSAGE_BYTES_MAX);
	buffer_consume(&talker->input, buffer_count(&talker->input));
	buffer_consume(&talker->output, buffer_count(&talker->output));
}

bool
talker_connect(struct talker *talker, int64_t pid)
{
	struct stream_side side = { .told = talker_told, .context = talker };
	int fd = stream_connect(&side, pid);
	if (fd < 0)
		return false;
	talker_take(talker, fd);
	return true;
}

void
talker_close(struct talker *talker)
{
	if (talker->fd < 0)
		return;
	stream_close(talker->fd);
	talker->fd = -1;
}

static void
end(struct talker *talker)
{
	if (buffer_count(&talker->input) > 0)
		sight(SIGHT_CUT_INSIDE_FRAME);
	talker_close(talker);
	talker->on_end(talker->context);
}

void
talker_send(struct talker *talker)
{
	while (talker->fd >= 0 && buffer_count(&talker->output) > 0) {
		ssize_t sent =
		    stream_send(talker->fd, buffer_front(&talker->output),
			buffer_count(&talker->output));
		if (sent < 0) /* the end is heard when it is read */
			return;
		buffer_consume(&talker->output, (size_t)sent);
	}
}

/* Hands out whole messages. */
static void
hand_out(struct talker *talker)
{
	struct message message;
	if (!decoding.is_ready)
		decoding.is_ready = msgpack_zone_init(&decoding.zone, 4096);
	while (talker->fd >= 0) {
		const char *bytes = buffer_front(&talker->input);
		size_t count = buffer_count(&talker->input);
		if (count == 0)
			return;
		enum scan scan = scanner_feed(&talker->scanner, bytes, count);
		if (scan == SCAN_MORE)
			return;
		if (scan == SCAN_BAD ||
		    message_decode(&message, &decoding.zone, bytes,
			talker->scanner.offset) != NULL)
			broken("gsq sends good messages", "a bad one came");
		size_t used = talker->scanner.offset;
		talker->on_message(talker->context, &message);
		if (talker->fd < 0)
			return;
		buffer_consume(&talker->input, used);
		scanner_init(&talker->scanner, MESSAGE_BYTES_MAX);
	}
}

void
talker_told(void *context)
{
	struct talker *talker = context;
	talker_send(talker);
	while (talker->fd >= 0) {
		char *room = buffer_reserve(&talker->input, 4096);
		CHECK(room != NULL);
		ssize_t got = stream_receive(talker->fd, room, 4096);
		if (got == -EAGAIN)
			return;
		if (got <= 0) {
			end(talker);
			return;
		}
		buffer_added(&talker->input, (size_t)got);
		hand_out(talker);
	}
}
