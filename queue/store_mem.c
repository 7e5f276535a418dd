/* SPDX-License-Identifier: MIT */
/*
 * The store that keeps nothing but bodies, in memory. What the core knows of
 * a job is all there is of it.
 */
#include "store.h"

#include "core/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct store_mem {
	struct store store;
	uint64_t first_id;
};

static int
mem_load(struct store *store,
    void (*restore)(void *context, const struct record *record), void *context,
    uint64_t *ret_next_id, char *reason, size_t reason_bytes)
{
	(void)restore;
	(void)context;
	(void)reason;
	(void)reason_bytes;
	*ret_next_id = ((struct store_mem *)store)->first_id;
	return 0;
}

static int
mem_begin(struct store *store)
{
	(void)store;
	return 0;
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
mem_update(struct store *store, const struct record *record)
{
	(void)store;
	(void)record;
	return 0;
}

static int
mem_delete(struct store *store, uint64_t id, uint64_t body)
{
	(void)store;
	(void)id;
	free((void *)(uintptr_t)body);
	return 0;
}

static int
mem_commit(struct store *store)
{
	store->committed(store->context, 0);
	return 0;
}

static int
mem_body(struct store *store, const struct job *job, struct span *ret_body)
{
	(void)store;
	*ret_body =
	    (struct span){ (const char *)(uintptr_t)job->body, job->body_bytes };
	return 0;
}

static void
mem_close(struct store *store)
{
	free(store);
}

struct store *
store_mem_open(uint64_t first_id)
{
	static const struct store_operations operations = {
		.durability = "memory",
		.load = mem_load,
		.begin = mem_begin,
		.put = mem_put,
		.update = mem_update,
		.delete = mem_delete,
		.commit = mem_commit,
		.body = mem_body,
		.close = mem_close,
	};
	struct store_mem *mem = calloc(1, sizeof(*mem));
	if (mem == NULL)
		return NULL;
	mem->store.operations = &operations;
	mem->first_id = first_id;
	return &mem->store;
}
