/* SPDX-License-Identifier: MIT */
#include "qctl/bulk.h"

#include "base/check.h"

static struct bulk_batch *
batch_at(struct bulk *bulk, unsigned place)
{
	return &bulk->batches[(bulk->oldest + place) % BULK_BATCHES];
}

bool
bulk_has_room(const struct bulk *bulk)
{
	return bulk->count < BULK_BATCHES && bulk->bytes < BULK_BYTES_MAX;
}

void
bulk_sent(struct bulk *bulk, uint64_t msgid, size_t count, size_t bytes)
{
	CHECK(bulk->count < BULK_BATCHES && count <= BULK_BATCH_JOBS);
	struct bulk_batch *batch = batch_at(bulk, bulk->count);
	batch->msgid = msgid;
	batch->first = bulk->sent + 1;
	batch->count = count;
	batch->bytes = bytes;
	batch->fate = BULK_UNANSWERED;
	bulk->count++;
	bulk->unanswered++;
	bulk->bytes += bytes;
	bulk->sent += count;
}

static struct bulk_batch *
find_unanswered(struct bulk *bulk, uint64_t msgid)
{
	for (unsigned i = 0; i < bulk->count; i++) {
		struct bulk_batch *batch = batch_at(bulk, i);
		if (batch->msgid == msgid && batch->fate == BULK_UNANSWERED)
			return batch;
	}
	return NULL;
}

static void
settle(struct bulk *bulk, struct bulk_batch *batch, enum bulk_fate fate)
{
	batch->fate = fate;
	bulk->unanswered--;
	bulk->bytes -= batch->bytes;
	if (fate == BULK_ACCEPTED)
		bulk->accepted += batch->count;
	else
		bulk->refused += batch->count;
}

/* The word, or NULL when there is no such result. */
static const char *
result_of(const msgpack_object *object)
{
	static const char *const words[] = { "new", "merged", "behind" };
	struct span word;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (object_span(object, &word) && span_is_text(word, words[i]))
			return words[i];
	return NULL;
}

static bool
has_one_each(const msgpack_object *array, size_t count)
{
	return array != NULL && array->type == MSGPACK_OBJECT_ARRAY &&
	    array->via.array.size == count;
}

bool
bulk_accept(struct bulk *bulk, uint64_t msgid, const msgpack_object *ids,
    const msgpack_object *results)
{
	struct bulk_batch *batch = find_unanswered(bulk, msgid);
	if (batch == NULL || !has_one_each(ids, batch->count) ||
	    (results != NULL && !has_one_each(results, batch->count)))
		return false;
	for (size_t i = 0; i < batch->count; i++) {
		batch->results[i] = results != NULL
		    ? result_of(&results->via.array.ptr[i])
		    : "new";
		if (batch->results[i] == NULL ||
		    !object_integer(
			&ids->via.array.ptr[i], 1, INT64_MAX, &batch->ids[i]))
			return false;
	}
	settle(bulk, batch, BULK_ACCEPTED);
	return true;
}

bool
bulk_refuse(struct bulk *bulk, uint64_t msgid)
{
	struct bulk_batch *batch = find_unanswered(bulk, msgid);
	if (batch == NULL)
		return false;
	settle(bulk, batch, BULK_REFUSED);
	return true;
}

/* Beside the range before it, it becomes one with it. */
static void
record(struct bulk *bulk, const struct bulk_batch *batch)
{
	uint64_t last = batch->first + batch->count - 1;
	struct bulk_range *before =
	    bulk->range_count > 0 ? &bulk->ranges[bulk->range_count - 1] : NULL;
	if (before != NULL && before->fate == batch->fate &&
	    before->last + 1 == batch->first) {
		before->last = last;
		return;
	}
	CHECK(bulk->range_count < BULK_BATCHES);
	bulk->ranges[bulk->range_count++] =
	    (struct bulk_range){ batch->first, last, batch->fate };
}

static const struct bulk_batch *
take(struct bulk *bulk, bool also_unanswered)
{
	while (bulk->count > 0) {
		const struct bulk_batch *batch = batch_at(bulk, 0);
		if (batch->fate == BULK_UNANSWERED && !also_unanswered)
			return NULL;
		bulk->oldest = (bulk->oldest + 1) % BULK_BATCHES;
		bulk->count--;
		if (batch->fate == BULK_ACCEPTED)
			return batch;
		record(bulk, batch);
	}
	return NULL;
}

const struct bulk_batch *
bulk_take(struct bulk *bulk)
{
	return take(bulk, false);
}

const struct bulk_batch *
bulk_take_last(struct bulk *bulk)
{
	return take(bulk, true);
}
