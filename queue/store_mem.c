/* SPDX-License-Identifier: MIT */
/*
 * The store that keeps nothing but bodies, in memory. What the core knows of
 * a job is all there is of it.
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
mem_load(struct store *store, uint64_t *ret_next_id, char *reason,
    size_t reason_bytes)
{
	(void)reason;
	(void)reason_bytes;
	(void)store;
	*ret_next_id = 1;
	return 0;
}

static int
mem_begin(struct store *store)
{
	(void)store;
	return 0;
}

static bool
mem_has_room(struct store *store, uint32_t jobs, uint64_t body_bytes)
{
	(void)store;
	(void)jobs;
	(void)body_bytes;
	return true;
}

static int
mem_put(struct store *store, const struct record *record, struct span body,
    uint64_t *ret_body)
{
	(void)store;
	(void)record;
	*ret_body = 0;
	if (body.count == 0)
		return 0;
	char *copy = malloc(body.count);
	if (copy == NULL)
		return ENOMEM;
	memcpy(copy, body.bytes, body.count);
	*ret_body = (uint64_t)(uintptr_t)copy;
	return 0;
}

static int
mem_replace(struct store *store, const struct record *record, struct span body,
    uint64_t old_body, uint32_t old_body_bytes, uint64_t *ret_body)
{
	(void)old_body_bytes;
	int error = mem_put(store, record, body, ret_body);
	if (error == 0)
		free((void *)(uintptr_t)old_body);
	return error;
}

static int
mem_reserve_ids(struct store *store, uint64_t next_id)
{
	(void)store;
	(void)next_id;
	return 0;
}

static int
mem_update(struct store *store, const struct record *record)
{
	(void)store;
	(void)record;
	return 0;
}

static int
mem_delete(struct store *store, uint64_t id, uint64_t body, uint32_t body_bytes)
{
	(void)store;
	(void)id;
	(void)body_bytes;
	free((void *)(uintptr_t)body);
	return 0;
}

static int
mem_commit(struct store *store, bool relaxed)
{
	(void)relaxed;
	store->owner.committed(store->owner.context, 0);
	return 0;
}

static int
mem_body(struct store *store, uint64_t body, uint32_t body_bytes,
    struct span *ret_body)
{
	(void)store;
	*ret_body = (struct span){ (const char *)(uintptr_t)body, body_bytes };
	return 0;
}

static int
mem_progress(struct store *store, int64_t now_ms)
{
	(void)store;
	(void)now_ms;
	return 0;
}

static int64_t
mem_wake_at(const struct store *store)
{
	(void)store;
	return INT64_MAX;
}

static int
mem_wake_fd(const struct store *store)
{
	(void)store;
	return -1;
}

static void
mem_close(struct store *store)
{
	free(store);
}

struct store *
store_mem_open(void)
{
	static const struct store_operations operations = {
		.load = mem_load,
		.begin = mem_begin,
		.has_room = mem_has_room,
		.put = mem_put,
		.replace = mem_replace,
		.reserve_ids = mem_reserve_ids,
		.update = mem_update,
		.delete = mem_delete,
		.commit = mem_commit,
		.body = mem_body,
		.progress = mem_progress,
		.wake_at = mem_wake_at,
		.wake_fd = mem_wake_fd,
		.close = mem_close,
	};
	struct store *store = calloc(1, sizeof(*store));
	if (store != NULL)
		store->operations = &operations;
	return store;
}
