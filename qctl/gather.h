/* SPDX-License-Identifier: MIT */
/*
 * Asks supervisor and queue again and again, and never waits for either: what
 * they answer becomes the snapshot, what goes wrong becomes words. A side that
 * is away is looked for until it is back.
 */
#ifndef GSQ_QCTL_GATHER_H
#define GSQ_QCTL_GATHER_H

#include "qctl/command.h"
#include "qctl/snapshot.h"
#include "qctl/top_layout.h"
#include "wire/method.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define GATHER_REQUESTS_MAX 64

struct gather_request {
	enum socket_of socket_of;
	uint64_t msgid;
	enum method method;
	bool is_wanted; /* by the user, who is told what became of it */
	int64_t sent_ms;
};

struct gather {
	struct command *command;
	struct snapshot snapshot;
	char away[SOCKET_COUNT][TOP_WORDS_MAX]; /* "": it answers */
	struct gather_request requests[GATHER_REQUESTS_MAX]; /* unanswered */
	size_t request_count;
	/* What the user asked for was answered: the result, NULL when it was
	 * refused, good for the time of the call; then words say why. */
	void (*on_answer)(void *context, enum method method,
	    const msgpack_object *result, const char *words);
	void *context;
};

void gather_init(struct gather *gather, struct command *command,
    void (*on_answer)(void *context, enum method method,
	const msgpack_object *result, const char *words),
    void *context);
void gather_release(struct gather *gather);

/* Asks for all that is shown, of whoever owes no answer yet. */
void gather_ask(struct gather *gather, int64_t now_ms);

/* Asks for what the user wants. False, with words, when it cannot be asked. */
bool gather_want(struct gather *gather, enum method method,
    const struct gsq_field *fields, size_t field_count, int64_t now_ms,
    char words[TOP_WORDS_MAX]);

/* Is there an answer to such a request still to come? */
bool gather_awaits(const struct gather *gather, enum method method);

/* Takes what has arrived. True when there is something new. */
bool gather_receive(struct gather *gather, int64_t now_ms);

/* What to wait for. Returns how many. */
size_t gather_fds(const struct gather *gather, struct pollfd fds[SOCKET_COUNT]);

#endif
