/* SPDX-License-Identifier: MIT */
/*
 * What goes out, and when. State first, durable second, visible third: what
 * tells of a change waits in its connection's output until the batch with that
 * change is committed; what follows it on the same connection waits with it.
 * Other connections are not held up.
 *
 * There are two batches at most: the one that gathers and the one that is on
 * its way to the disk. The turn says when a batch moves on.
 */
#ifndef GSQ_QUEUE_OUTLET_H
#define GSQ_QUEUE_OUTLET_H

#include "queue/client.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stddef.h>

/* When a message may be seen. */
enum visible {
	VISIBLE_NOW,	  /* it tells of nothing that could be lost */
	VISIBLE_COMMITTED /* when the batch that gathers now is committed */
};

struct outlet {
	struct client_list dirty;   /* have something to be written */
	struct client_list waiting; /* have something that waits */
};

void outlet_init(struct outlet *outlet);

/* The client is about to be freed. */
void outlet_forget(struct outlet *outlet, struct client *client);

/*
 * Ends the message that was written into client->peer.output through writer. A
 * client that cannot be answered for want of memory is cut off: no answer means
 * unknown, and its jobs come back.
 */
void outlet_end(struct outlet *outlet, struct client *client,
    struct message_writer *writer, enum visible visible);

/* A refusal, whole; that may be seen now. */
void outlet_refuse(struct outlet *outlet, struct client *client, uint64_t msgid,
    enum refusal refusal, const char *words);

/* The same of what may be tried again after some time, which the words then say
 * as well. */
void outlet_refuse_for(struct outlet *outlet, struct client *client,
    uint64_t msgid, enum refusal refusal, const char *words,
    int64_t retry_after_ms);

/* The same, of one that tells of a change. */
void outlet_refuse_when(struct outlet *outlet, struct client *client,
    uint64_t msgid, enum refusal refusal, const char *words,
    enum visible visible);

/* The client answered a delivery; settled is told when that is committed. */
void outlet_count_answer(struct outlet *outlet, struct client *client);

/* The batch that gathers is on its way to the disk, another one begins. */
void outlet_batch_leaves(struct outlet *outlet);

/* The batch on its way is committed. */
void outlet_batch_committed(struct outlet *outlet);

/* Writes what may be seen, as far as the sockets take it. */
void outlet_flush(struct outlet *outlet);

#endif
