/* SPDX-License-Identifier: MIT */
/*
 * A request of a client while it is worked on, and how it is answered: what
 * its method does is in inlet.c, steering.c and inspect.c.
 */
#ifndef GSQ_QUEUE_REQUEST_H
#define GSQ_QUEUE_REQUEST_H

#include "base/refusal.h"
#include "queue/server.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stdint.h>

/* One request, or a notification, which has no answer. */
struct request {
	struct client *client;
	bool wants_answer;
	uint64_t msgid;
};

static inline struct turn *
request_turn(const struct request *request)
{
	return &request->client->server->turn;
}

/* One fact of this moment to the core; core.words and core.answer are good
 * until the next. */
enum refusal request_step(
    const struct request *request, struct fact *fact, struct span body);

/* The answer to what has just changed something: not before it is kept. */
enum visible request_visible(const struct request *request);

/* The answer to what makes a worker drop a result: the change that is behind it
 * may be of an earlier turn and still be lost, be it on its way to the disk;
 * then the answer waits for the batch after it. */
enum visible request_visible_when_kept(const struct request *request);

void request_refuse(
    const struct request *request, enum refusal refusal, const char *words);

/* The same of FULL. */
void request_refuse_for(
    const struct request *request, const char *words, int64_t retry_after_ms);

/* As the last step was. */
void request_refuse_as_core(const struct request *request);

/* The answer, a map of so many keys; between both calls they are put. Only of a
 * request that wants one. */
void request_begin(const struct request *request, struct message_writer *writer,
    uint32_t keys);
void request_end(const struct request *request, struct message_writer *writer);

/* Those who may enqueue and work may not all steer: gsq's own user may, and
 * root. Else false, refused. */
bool request_may_control(const struct request *request);

/* On the wire 0 is any time, and -1 as the queue says. */
int64_t request_ttr(int64_t ttr_ms);

#endif
