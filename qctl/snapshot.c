/* SPDX-License-Identifier: MIT */
#include "qctl/snapshot.h"

#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/say.h"

#include <string.h>

#define ZONE_BYTES 8192

/* Of less time, as between two keys, a rate would jump about. */
#define RATE_MS_MIN 900

/* ---- documents ---- */

static void
document_release(struct document *document)
{
	if (document->zone != NULL)
		msgpack_zone_free(document->zone);
	*document = (struct document){ NULL, NULL };
}

/* By way of its bytes, which lie in the same memory. */
static void
document_copy(struct document *document, const msgpack_object *answer)
{
	msgpack_sbuffer packed;
	msgpack_packer packer;
	document_release(document);
	if (answer == NULL)
		return;
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	msgpack_zone *zone = msgpack_zone_new(ZONE_BYTES);
	if (zone == NULL || msgpack_pack_object(&packer, *answer) != 0)
		out_of_memory();
	char *bytes = msgpack_zone_malloc(zone, packed.size);
	msgpack_object *root = msgpack_zone_malloc(zone, sizeof(*root));
	size_t used = 0;
	if (bytes == NULL || root == NULL)
		out_of_memory();
	memcpy(bytes, packed.data, packed.size);
	if (msgpack_unpack(bytes, packed.size, &used, zone, root) !=
	    MSGPACK_UNPACK_SUCCESS)
		out_of_memory();
	msgpack_sbuffer_destroy(&packed);
	*document = (struct document){ zone, root };
}

void
snapshot_release(struct snapshot *snapshot)
{
	document_release(&snapshot->tree);
	document_release(&snapshot->workers);
	document_release(&snapshot->stats);
	document_release(&snapshot->before);
	document_release(&snapshot->between);
}

void
snapshot_take_tree(struct snapshot *snapshot, const msgpack_object *answer)
{
	document_copy(&snapshot->tree, answer);
}

void
snapshot_take_workers(struct snapshot *snapshot, const msgpack_object *answer)
{
	document_copy(&snapshot->workers, answer);
}

void
snapshot_take_stats(
    struct snapshot *snapshot, const msgpack_object *answer, int64_t now_ms)
{
	struct document stats = { NULL, NULL };
	document_copy(&stats, answer);
	/* Another process counts from 0. */
	if (answer_integer(stats.root, "pid") !=
	    answer_integer(snapshot->stats.root, "pid")) {
		document_release(&snapshot->before);
		document_release(&snapshot->between);
		document_release(&snapshot->stats);
	}
	if (snapshot->between.root == NULL) {
		snapshot->between = snapshot->stats;
		snapshot->between_ms = snapshot->stats_ms;
	} else {
		document_release(&snapshot->stats);
	}
	snapshot->stats = stats;
	snapshot->stats_ms = now_ms;
	if (snapshot->between.root == NULL ||
	    now_ms - snapshot->between_ms < RATE_MS_MIN)
		return;
	document_release(&snapshot->before);
	snapshot->before = snapshot->between;
	snapshot->before_ms = snapshot->between_ms;
	snapshot->between = (struct document){ NULL, NULL };
}

/* ---- rates ---- */

/* The queue as it was before, most likely in the same place; NULL when it was
 * not there. */
static const msgpack_object *
queue_before(const struct snapshot *snapshot, uint32_t at, struct span name)
{
	struct elements queues =
	    answer_elements(snapshot->before.root, "queues");
	if (at < queues.count &&
	    span_is(answer_text(&queues.items[at], "name"), name))
		return &queues.items[at];
	for (uint32_t i = 0; i < queues.count; i++)
		if (span_is(answer_text(&queues.items[i], "name"), name))
			return &queues.items[i];
	return NULL;
}

int64_t
snapshot_rate(const struct snapshot *snapshot, uint32_t at, const char *counter)
{
	const msgpack_object *now = snapshot->stats.root;
	const msgpack_object *before = snapshot->before.root;
	int64_t passed_ms = snapshot->stats_ms - snapshot->before_ms;
	if (before == NULL || now == NULL || passed_ms <= 0)
		return RATE_UNKNOWN;
	if (at != RATE_OF_ALL) {
		struct elements queues = answer_elements(now, "queues");
		if (at >= queues.count)
			return RATE_UNKNOWN;
		now = &queues.items[at];
		/* A new one counts from 0, as nothing does. */
		before = queue_before(snapshot, at, answer_text(now, "name"));
	}
	int64_t rise =
	    answer_integer(now, counter) - answer_integer(before, counter);
	/* It was forgotten meanwhile, and made again. */
	if (rise < 0)
		return RATE_UNKNOWN;
	return (
	    int64_t)((double)rise * 10 * SECOND_MS / (double)passed_ms + 0.5);
}
