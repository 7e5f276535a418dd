/* SPDX-License-Identifier: MIT */
#include "core/attempts.h"

#include "base/limits.h"

static uint64_t
note_of(const void *context, uint32_t handle)
{
	return attempt_at(context, handle)->note;
}

void
attempts_init(struct attempts *attempts)
{
	*attempts = (struct attempts){ 0 };
	slab_init(&attempts->slab, sizeof(struct attempt));
	map_init(&attempts->by_note, note_of, attempts);
}

void
attempts_release(struct attempts *attempts)
{
	map_release(&attempts->by_note);
	slab_release(&attempts->slab);
}

uint32_t
attempts_find(const struct attempts *attempts, uint64_t note)
{
	return map_get(&attempts->by_note, note);
}

bool
attempts_has_room(const struct attempts *attempts, uint32_t body_bytes)
{
	return attempts->slab.used < CERTIFICATES_MAX &&
	    attempts->bytes + body_bytes <= CERTIFICATES_BYTES_MAX;
}

static void
link_by_age(struct attempts *attempts, uint32_t handle)
{
	struct attempt *attempt = attempt_at(attempts, handle);
	attempt->older = attempts->newest;
	attempt->newer = 0;
	if (attempts->newest != 0)
		attempt_at(attempts, attempts->newest)->newer = handle;
	else
		attempts->oldest = handle;
	attempts->newest = handle;
}

static void
link_in_list(
    struct attempts *attempts, struct attempt_list *list, uint32_t handle)
{
	struct attempt *attempt = attempt_at(attempts, handle);
	attempt->earlier = list->last;
	attempt->later = 0;
	if (list->last != 0)
		attempt_at(attempts, list->last)->later = handle;
	else
		list->first = handle;
	list->last = handle;
	list->count++;
}

uint32_t
attempts_add(struct attempts *attempts, struct attempt_list *list,
    const struct attempt *attempt)
{
	uint32_t handle = slab_take(&attempts->slab);
	if (handle == 0)
		return 0;
	*attempt_at(attempts, handle) = *attempt;
	if (!map_add(&attempts->by_note, handle)) {
		slab_give(&attempts->slab, handle);
		return 0;
	}
	link_by_age(attempts, handle);
	if (list != NULL)
		link_in_list(attempts, list, handle);
	attempts->bytes += attempt->body_bytes;
	return handle;
}

static void
unlink_by_age(struct attempts *attempts, const struct attempt *attempt)
{
	if (attempt->older != 0)
		attempt_at(attempts, attempt->older)->newer = attempt->newer;
	else
		attempts->oldest = attempt->newer;
	if (attempt->newer != 0)
		attempt_at(attempts, attempt->newer)->older = attempt->older;
	else
		attempts->newest = attempt->older;
}

static void
unlink_in_list(struct attempts *attempts, struct attempt_list *list,
    const struct attempt *attempt)
{
	if (attempt->earlier != 0)
		attempt_at(attempts, attempt->earlier)->later = attempt->later;
	else
		list->first = attempt->later;
	if (attempt->later != 0)
		attempt_at(attempts, attempt->later)->earlier =
		    attempt->earlier;
	else
		list->last = attempt->earlier;
	list->count--;
}

void
attempts_remove(
    struct attempts *attempts, struct attempt_list *list, uint32_t handle)
{
	const struct attempt *attempt = attempt_at(attempts, handle);
	unlink_by_age(attempts, attempt);
	if (list != NULL)
		unlink_in_list(attempts, list, attempt);
	attempts->bytes -= attempt->body_bytes;
	map_remove(&attempts->by_note, handle);
	slab_give(&attempts->slab, handle);
}
