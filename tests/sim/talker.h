/* SPDX-License-Identifier: MIT */
/*
 * One who speaks the protocol without being a process: a producer, an operator,
 * a foreign worker, the supervisor. The codec is the real one.
 */
#ifndef GSQ_TESTS_SIM_TALKER_H
#define GSQ_TESTS_SIM_TALKER_H

#include "base/buffer.h"
#include "wire/message.h"
#include "wire/scanner.h"

#include <stdbool.h>
#include <stdint.h>

struct talker {
	int fd; /* -1: not connected */
	struct buffer input;
	struct buffer output;
	struct scanner scanner;
	void *context;
	void (*on_message)(void *context, const struct message *message);
	void (*on_end)(void *context);
};

/* Connects to the queue; false when nobody listens. */
bool talker_connect(struct talker *talker, int64_t pid);

/* Takes over an end of a pair; its side's told is talker_told. */
void talker_take(struct talker *talker, int fd);
void talker_told(void *talker);

/* Sends what was put into output, as far as it goes. */
void talker_send(struct talker *talker);
void talker_close(struct talker *talker);

static inline bool
talker_is_connected(const struct talker *talker)
{
	return talker->fd >= 0;
}

#endif
