/* SPDX-License-Identifier: MIT */
/*
 * The client library beside a hostile queue: whatever bytes come over the
 * socket, and however they are cut, libgsq gives out the messages that the
 * scanner and the decoder find in all of them, then says how it ended. What
 * qctl makes of answers goes the same way: JSON that every reader takes and no
 * terminal obeys, and the books of a bulk enqueue.
 *
 * Input: how the client asks, how the bytes are cut, then the bytes.
 */
#include "client/gsq.h"
#include "qctl/bulk.h"
#include "qctl/json.h"
#include "qctl/text.h"
#include "tests/fuzz/fuzz.h"
#include "wire/scanner.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_MAX 64

/* What the socket takes before anybody reads. */
#define STREAM_BYTES_MAX (64u * 1024)

static int listener;
static char path[64];
static struct gsq *gsq;
static msgpack_zone zone;

/* ---- what must be given out ---- */

struct expected {
	unsigned count;
	enum message_kind kinds[MESSAGES_MAX];
	uint64_t msgids[MESSAGES_MAX];
	bool bad; /* and then something that is no message */
};

static void
expect(struct expected *expected, const char *bytes, size_t count)
{
	*expected = (struct expected){ 0 };
	while (count > 0 && expected->count < MESSAGES_MAX) {
		struct scanner scanner;
		struct message message;
		scanner_init(&scanner, MESSAGE_BYTES_MAX);
		enum scan scan = scanner_feed(&scanner, bytes, count);
		if (scan == SCAN_MORE)
			return;
		expected->bad = scan == SCAN_BAD ||
		    message_decode(&message, &zone, bytes, scanner.offset) !=
			NULL;
		if (expected->bad)
			return;
		expected->kinds[expected->count] = message.kind;
		expected->msgids[expected->count++] = message.msgid;
		bytes += scanner.offset;
		count -= scanner.offset;
	}
}

/* ---- what becomes of one ---- */

static void
try_json(const msgpack_object *object)
{
	char *text = NULL;
	size_t count = 0;
	json_error_t error;
	FILE *file = open_memstream(&text, &count);
	CHECK(file != NULL);
	json_print(file, json_of(object));
	fclose(file);
	CHECK(text_is_harmless((struct span){ text, count }));
	CHECK(memchr(text, '\n', count) == NULL);
	json_t *read_back = json_loadb(text, count, JSON_DECODE_ANY, &error);
	CHECK(read_back != NULL);
	json_decref(read_back);
	free(text);
}

static void
try_bulk(const struct message *message)
{
	static struct bulk bulk;
	bulk.oldest = bulk.count = bulk.unanswered = bulk.range_count = 0;
	bulk.bytes = 0;
	bulk.sent = bulk.accepted = bulk.refused = 0;
	bulk_sent(&bulk, 1, 1, 10);
	bulk_sent(&bulk, 2, 3, 30);
	bool known = message->msgid == 1 || message->msgid == 2;
	if (message->error != NULL) {
		CHECK(bulk_refuse(&bulk, message->msgid) == known);
	} else {
		const msgpack_object *ids = map_find(message->result, "ids");
		bool accepted = ids != NULL &&
		    bulk_accept(&bulk, message->msgid, ids,
			map_find(message->result, "results"));
		CHECK(!accepted || known);
	}
	while (bulk_take(&bulk) != NULL)
		;
	while (bulk_take_last(&bulk) != NULL)
		;
	CHECK(bulk.count == 0);
	CHECK(bulk.accepted + bulk.refused <= 4);
}

static void
try_message(const struct message *message)
{
	enum gsq_status status = gsq_check(gsq, message);
	bool is_refusal =
	    message->kind == MESSAGE_RESPONSE && message->error != NULL;
	CHECK((status == GSQ_REFUSED) == is_refusal);
	if (is_refusal) {
		CHECK(strlen(gsq_error(gsq)) < 1024);
		CHECK((unsigned)gsq_refusal(gsq) < REFUSAL_COUNT);
	}
	if (message->kind == MESSAGE_RESPONSE) {
		try_json(message->result);
		try_json(message->error);
		try_bulk(message);
	} else {
		try_json(message->params);
	}
}

/* ---- the connection ---- */

static int
connect_client(void)
{
	CHECK(gsq_connect(gsq, path, 1000) == GSQ_OK);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

static void
send_all(int fd, struct span bytes)
{
	while (bytes.count > 0) {
		ssize_t sent = send(fd, bytes.bytes, bytes.count, MSG_NOSIGNAL);
		CHECK(sent > 0);
		bytes.bytes += sent;
		bytes.count -= (size_t)sent;
	}
}

/* Everything that can be had now; the status that ended it. */
static enum gsq_status
receive_all(const struct expected *expected, unsigned *number)
{
	const struct message *message;
	enum gsq_status status;
	while ((status = gsq_receive(gsq, 0, &message)) == GSQ_OK) {
		CHECK(*number < expected->count);
		CHECK(message->kind == expected->kinds[*number]);
		CHECK(message->msgid == expected->msgids[*number]);
		try_message(message);
		++*number;
	}
	CHECK(gsq_error(gsq)[0] != '\0');
	return status;
}

static void
try_stream(struct span bytes, size_t step)
{
	struct expected expected;
	unsigned number = 0;
	enum gsq_status status = GSQ_TIMEOUT;
	expect(&expected, bytes.bytes, bytes.count);
	if (expected.count == MESSAGES_MAX)
		return;
	int fd = connect_client();
	while (bytes.count > 0 && status == GSQ_TIMEOUT) {
		struct span part = { bytes.bytes,
			bytes.count < step ? bytes.count : step };
		send_all(fd, part);
		bytes.bytes += part.count;
		bytes.count -= part.count;
		status = receive_all(&expected, &number);
	}
	close(fd);
	if (status == GSQ_TIMEOUT)
		status = receive_all(&expected, &number);
	CHECK(number == expected.count);
	CHECK(status == (expected.bad ? GSQ_BAD_ANSWER : GSQ_BROKEN));
	CHECK(gsq_poll_fd(gsq) == -1);
}

/* A request and its answer, should it be among the bytes. */
static void
try_call(struct span bytes)
{
	const msgpack_object *result = NULL;
	struct gsq_field fields[] = { gsq_integer("id", 1) };
	int fd = connect_client();
	send_all(fd, bytes);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 4; i++) {
		enum gsq_status status =
		    gsq_call(gsq, "get", fields, 1, 1000, &result);
		if (status == GSQ_OK)
			try_json(result);
		else
			CHECK(gsq_error(gsq)[0] != '\0');
	}
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	uint8_t mode = source_byte(&source);
	size_t step = 1 + source_number(&source, 2) % 1024;
	struct span stream = source_span(&source, source.count);
	if (stream.count > STREAM_BYTES_MAX)
		return 0;
	/* A gsq counts its msgids: the same bytes mean the same each time. */
	gsq = gsq_new();
	CHECK(gsq != NULL);
	if (mode % 4 == 0)
		try_call(stream);
	else
		try_stream(stream, step);
	gsq_free(gsq);
	return 0;
}

/* The socket keeps no name: a descriptor leads to it, and nothing is left
 * behind. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char folder[] = "/tmp/gsq-fuzz-XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)argc;
	(void)argv;
	text_init();
	CHECK(msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE));
	CHECK(mkdtemp(folder) != NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	CHECK(listen(listener, 16) == 0);
	int name = open(address.sun_path, O_PATH | O_CLOEXEC);
	CHECK(name >= 0);
	CHECK(unlink(address.sun_path) == 0);
	CHECK(rmdir(folder) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", name);
	return 0;
}
