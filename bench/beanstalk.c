/* SPDX-License-Identifier: MIT */
#include "beanstalk.h"

#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEPTH_MAX 1000

/* One of our commands without its body, one of the server's answers. */
#define LINE_BYTES_MAX 128

void
beanstalk_connect(struct beanstalk *client, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	*client = (struct beanstalk){ 0 };
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int tries = 0; connect(client->fd, (struct sockaddr *)&address,
				sizeof(address)) != 0;
	     tries++) {
		if (tries == 5000)
			give_up("beanstalkd does not come: %s: %s", path,
			    strerror(errno));
		usleep(1000);
	}
	client->input = fdopen(client->fd, "r");
	if (client->input == NULL)
		give_up("fdopen: %s", strerror(errno));
	setvbuf(client->input, NULL, _IOFBF, 64 * 1024);
}

void
beanstalk_close(struct beanstalk *client)
{
	fclose(client->input);
	free(client->output);
}

/* ---- out ---- */

static void
append(struct beanstalk *client, const char *bytes, size_t count)
{
	if (client->output_room - client->output_bytes < count) {
		client->output_room = 2 * client->output_room + count;
		client->output = realloc(client->output, client->output_room);
		if (client->output == NULL)
			give_up("no memory");
	}
	memcpy(client->output + client->output_bytes, bytes, count);
	client->output_bytes += count;
}

static void
append_text(struct beanstalk *client, const char *text)
{
	append(client, text, strlen(text));
}

static void
send_all(struct beanstalk *client)
{
	size_t sent = 0;
	while (sent < client->output_bytes) {
		ssize_t count = write(client->fd, client->output + sent,
		    client->output_bytes - sent);
		if (count < 0)
			give_up("beanstalkd: write: %s", strerror(errno));
		sent += (size_t)count;
	}
	client->output_bytes = 0;
}

/* ---- in ---- */

static void
read_line(struct beanstalk *client, char line[LINE_BYTES_MAX])
{
	if (fgets_unlocked(line, LINE_BYTES_MAX, client->input) == NULL)
		give_up("beanstalkd closed the connection");
}

static void
expect(struct beanstalk *client, const char *word)
{
	char line[LINE_BYTES_MAX];
	read_line(client, line);
	if (strncmp(line, word, strlen(word)) != 0)
		give_up("beanstalkd said '%s', and not %s", line, word);
}

/* The id of a reserved job, whose body is dropped; 0 when there is none. */
static uint64_t
read_reserved(struct beanstalk *client)
{
	char line[LINE_BYTES_MAX], body[64 * 1024];
	uint64_t id;
	size_t bytes;
	read_line(client, line);
	if (strncmp(line, "TIMED_OUT", 9) == 0)
		return 0;
	if (sscanf(line, "RESERVED %" SCNu64 " %zu", &id, &bytes) != 2 ||
	    bytes + 2 > sizeof(body) ||
	    fread_unlocked(body, 1, bytes + 2, client->input) != bytes + 2)
		give_up("beanstalkd said '%s', and not RESERVED", line);
	return id;
}

/* ---- the two roles ---- */

void
beanstalk_put(
    struct beanstalk *client, const char *body, size_t body_bytes, size_t count)
{
	char command[LINE_BYTES_MAX];
	snprintf(
	    command, sizeof(command), "put 1024 0 600 %zu\r\n", body_bytes);
	for (size_t i = 0; i < count; i++) {
		append_text(client, command);
		append(client, body, body_bytes);
		append_text(client, "\r\n");
	}
	send_all(client);
	for (size_t i = 0; i < count; i++)
		expect(client, "INSERTED");
}

static void
append_delete(struct beanstalk *client, uint64_t id)
{
	char command[LINE_BYTES_MAX];
	snprintf(command, sizeof(command), "delete %" PRIu64 "\r\n", id);
	append_text(client, command);
}

/* One job, two round trips. */
static size_t
work_in_lockstep(struct beanstalk *client)
{
	append_text(client, "reserve\r\n");
	send_all(client);
	append_delete(client, read_reserved(client));
	send_all(client);
	expect(client, "DELETED");
	return 1;
}

/* Jobs of this worker that are reserved and not deleted. */
struct hand {
	uint64_t ids[DEPTH_MAX];
	size_t count;
};

/* Deletes what is in hand and takes up to depth more, in one round trip. The
 * first reserve waits for a job, the others take what more is there. */
static size_t
work_in_one_write(struct beanstalk *client, struct hand *hand, size_t depth)
{
	size_t deleted = hand->count;
	for (size_t i = 0; i < hand->count; i++)
		append_delete(client, hand->ids[i]);
	append_text(client, "reserve\r\n");
	for (size_t i = 1; i < depth; i++)
		append_text(client, "reserve-with-timeout 0\r\n");
	send_all(client);
	for (size_t i = 0; i < deleted; i++)
		expect(client, "DELETED");
	hand->count = 0;
	return deleted;
}

static void
take_in_hand(struct beanstalk *client, struct hand *hand, size_t depth)
{
	for (size_t i = 0; i < depth; i++) {
		uint64_t id = read_reserved(client);
		if (id != 0)
			hand->ids[hand->count++] = id;
	}
}

_Noreturn void
beanstalk_work(struct beanstalk *client, size_t depth, _Atomic size_t *done,
    void (*on_done)(size_t done))
{
	struct hand hand = { .count = 0 };
	if (depth > DEPTH_MAX)
		give_up("depth %zu is too deep", depth);
	for (;;) {
		size_t deleted = depth == 0
		    ? work_in_lockstep(client)
		    : work_in_one_write(client, &hand, depth);
		if (deleted > 0)
			on_done(atomic_fetch_add(done, deleted) + deleted);
		take_in_hand(client, &hand, depth);
	}
}
