/* SPDX-License-Identifier: MIT */
/*
 * The books of a bulk enqueue: batches of bodies go out one after the other,
 * several at a time, their answers come in any order, and the ids leave in the
 * order of the bodies. What became of each body is known at every moment:
 *
 *     accepted    it is a job
 *     refused     it is none
 *     unanswered  it was sent and may be a job or not
 *
 * It does no I/O. What is on its way is bounded by batches, jobs and bytes.
 */
#ifndef GSQ_QCTL_BULK_H
#define GSQ_QCTL_BULK_H

#include "wire/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Large enough that the cost of a message vanishes, small enough that one
 * batch does not hold up the workers. */
#define BULK_BATCH_JOBS	 1000
#define BULK_BATCH_BYTES (256u * 1024)

/* On their way at once: enough that neither side waits for the other. */
#define BULK_BATCHES   16
#define BULK_BYTES_MAX (1024u * 1024)

enum bulk_fate { BULK_UNANSWERED, BULK_ACCEPTED, BULK_REFUSED };

struct bulk_batch {
	uint64_t msgid;
	uint64_t first; /* number of its first body, from 1 */
	size_t count;
	size_t bytes;
	enum bulk_fate fate;
	int64_t ids[BULK_BATCH_JOBS];
	const char *results[BULK_BATCH_JOBS]; /* "new", "merged", "behind" */
};

/* Bodies from first to last that met the same fate. */
struct bulk_range {
	uint64_t first;
	uint64_t last;
	enum bulk_fate fate;
};

struct bulk {
	struct bulk_batch batches[BULK_BATCHES]; /* a ring */
	unsigned oldest;
	unsigned count;	     /* in the ring */
	unsigned unanswered; /* of them */
	size_t bytes;	     /* of those */
	uint64_t sent;	     /* bodies */
	uint64_t accepted;
	uint64_t refused;
	/* What was not accepted, in order, of batches that were taken out.
	 * After the first of them nothing more is sent. */
	struct bulk_range ranges[BULK_BATCHES];
	unsigned range_count;
};

/* May a batch be sent now? */
bool bulk_has_room(const struct bulk *bulk);

/* A batch was sent; there was room. */
void bulk_sent(struct bulk *bulk, uint64_t msgid, size_t count, size_t bytes);

/* The answer to a batch came: its ids, an array, and what became of each; NULL:
 * all are new. False when no batch has that msgid, or there is not one for each
 * body: then nothing is changed. */
bool bulk_accept(struct bulk *bulk, uint64_t msgid, const msgpack_object *ids,
    const msgpack_object *results);

/* The batch was refused; nothing should be sent after that. False as above. */
bool bulk_refuse(struct bulk *bulk, uint64_t msgid);

/*
 * Takes the oldest batch out when its answer is known: one that was accepted,
 * to print its ids, good until the next call; or NULL when there is none.
 * Refused ones leave on the way.
 */
const struct bulk_batch *bulk_take(struct bulk *bulk);

/* No answer will come any more: the same, but the unanswered leave too. */
const struct bulk_batch *bulk_take_last(struct bulk *bulk);

#endif
