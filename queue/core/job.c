/* SPDX-License-Identifier: MIT */
#include "core/job.h"

#include "base/check.h"
#include "base/utf8.h"

static const bool transitions[JOB_STATE_COUNT][JOB_STATE_COUNT] = {
	[JOB_NONE] = { [JOB_READY] = true,
	    [JOB_BLOCKED] = true,
	    [JOB_DELAYED] = true,
	    [JOB_RUNNING] = true,
	    [JOB_DEAD] = true },
	/* BLOCKED: in a log, a job that runs may stand behind this one. */
	[JOB_READY] = { [JOB_RUNNING] = true,
	    [JOB_BLOCKED] = true,
	    [JOB_NONE] = true },
	[JOB_BLOCKED] = { [JOB_READY] = true, [JOB_NONE] = true },
	[JOB_DELAYED] = { [JOB_READY] = true,
	    [JOB_BLOCKED] = true,
	    [JOB_NONE] = true },
	[JOB_RUNNING] = { [JOB_NONE] = true,
	    [JOB_READY] = true,
	    [JOB_DELAYED] = true,
	    [JOB_DEAD] = true },
	[JOB_DEAD] = { [JOB_NONE] = true },
};

static const char *const state_names[JOB_STATE_COUNT] = {
	[JOB_NONE] = "none",
	[JOB_READY] = "ready",
	[JOB_BLOCKED] = "blocked",
	[JOB_DELAYED] = "delayed",
	[JOB_RUNNING] = "running",
	[JOB_DEAD] = "dead",
};

static const char *const cause_names[CAUSE_COUNT] = {
	[CAUSE_NONE] = "none",
	[CAUSE_EXHAUSTED] = "exhausted",
	[CAUSE_REJECTED] = "rejected",
	[CAUSE_POISON] = "poison",
	[CAUSE_EXPIRED] = "expired",
};

static uint64_t
id_of(const void *context, uint32_t handle)
{
	return job_at(context, handle)->id;
}

static struct alias *
alias_at(const struct jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->aliases, handle);
}

static uint64_t
alias_id_of(const void *context, uint32_t handle)
{
	return alias_at(context, handle)->id;
}

static uint64_t
delivery_key(uint32_t subscriber, uint32_t msgid)
{
	return (uint64_t)subscriber << 32 | msgid;
}

static uint64_t
delivery_of(const void *context, uint32_t handle)
{
	const struct job *job = job_at(context, handle);
	return delivery_key(job->place, job_lease(context, job)->msgid);
}

void
jobs_init(struct jobs *jobs)
{
	slab_init(&jobs->slab, sizeof(struct job));
	slab_init(&jobs->extras, sizeof(struct extras));
	slab_init(&jobs->aliases, sizeof(struct alias));
	slab_init(&jobs->leases, sizeof(struct lease));
	map_init(&jobs->by_id, id_of, jobs);
	map_init(&jobs->by_alias, alias_id_of, jobs);
	map_init(&jobs->by_delivery, delivery_of, jobs);
	jobs->oldest = jobs->newest = 0;
}

void
jobs_release(struct jobs *jobs)
{
	map_release(&jobs->by_delivery);
	map_release(&jobs->by_alias);
	map_release(&jobs->by_id);
	slab_release(&jobs->leases);
	slab_release(&jobs->aliases);
	slab_release(&jobs->extras);
	slab_release(&jobs->slab);
}

void
jobs_expect(struct jobs *jobs, size_t count)
{
	map_expect(&jobs->by_id, count);
}

bool
jobs_reserve(struct jobs *jobs, uint32_t count, bool with_terms)
{
	return slab_reserve(&jobs->slab, count) &&
	    map_reserve(&jobs->by_id, count) &&
	    (!with_terms || slab_reserve(&jobs->extras, count));
}

uint32_t
jobs_find(const struct jobs *jobs, uint64_t id)
{
	/* A new id is looked for in vain: half of the time to restore many. */
	if (jobs->newest == 0 || id > job_at(jobs, jobs->newest)->id)
		return 0;
	return map_get(&jobs->by_id, id);
}

/* ---- extras and aliases ---- */

static struct extras *
extras_at(const struct jobs *jobs, uint32_t handle)
{
	return slab_at(&jobs->extras, handle);
}

/* NULL without memory. */
static struct extras *
take_extras(struct jobs *jobs, struct job *job)
{
	if (job->extras == 0)
		job->extras = slab_take(&jobs->extras);
	return job->extras ? extras_at(jobs, job->extras) : NULL;
}

/* The one that *link, in the list of that extras, says. */
static void
drop_alias(struct jobs *jobs, struct extras *extras, uint32_t *link)
{
	uint32_t handle = *link;
	*link = alias_at(jobs, handle)->next;
	extras->alias_count--;
	map_remove(&jobs->by_alias, handle);
	slab_give(&jobs->aliases, handle);
}

uint32_t
jobs_resolve(const struct jobs *jobs, uint64_t id)
{
	uint32_t handle = jobs_find(jobs, id);
	uint32_t alias = handle == 0 ? map_get(&jobs->by_alias, id) : 0;
	return alias ? alias_at(jobs, alias)->job : handle;
}

void
jobs_add_alias(struct jobs *jobs, uint32_t handle, uint64_t id)
{
	struct extras *extras = take_extras(jobs, job_at(jobs, handle));
	if (extras == NULL)
		return;
	if (extras->alias_count == ALIASES_MAX) {
		uint32_t *link = &extras->aliases;
		while (alias_at(jobs, *link)->next != 0)
			link = &alias_at(jobs, *link)->next;
		drop_alias(jobs, extras, link);
	}
	uint32_t alias = slab_take(&jobs->aliases);
	if (alias == 0)
		return;
	*alias_at(jobs, alias) =
	    (struct alias){ .id = id, .job = handle, .next = extras->aliases };
	if (!map_add(&jobs->by_alias, alias)) {
		slab_give(&jobs->aliases, alias);
		return;
	}
	extras->aliases = alias;
	extras->alias_count++;
}

void
jobs_move_aliases(struct jobs *jobs, uint32_t from, uint32_t to)
{
	const struct job *job = job_at(jobs, from);
	if (job->extras == 0)
		return;
	struct extras *extras = extras_at(jobs, job->extras);
	while (extras->aliases != 0) {
		uint64_t id = alias_at(jobs, extras->aliases)->id;
		drop_alias(jobs, extras, &extras->aliases);
		jobs_add_alias(jobs, to, id);
	}
}

const struct alias *
job_alias(const struct jobs *jobs, const struct job *job)
{
	uint32_t alias =
	    job->extras ? extras_at(jobs, job->extras)->aliases : 0;
	return alias ? alias_at(jobs, alias) : NULL;
}

const struct alias *
alias_after(const struct jobs *jobs, const struct alias *alias)
{
	return alias->next ? alias_at(jobs, alias->next) : NULL;
}

uint32_t
jobs_after(const struct jobs *jobs, uint64_t id)
{
	uint32_t same = id > 0 ? jobs_find(jobs, id) : 0;
	if (same != 0)
		return jobs_next(jobs, same);
	/* Up from the oldest, down from the newest and up through the ids, all
	 * at once: whichever is there first. */
	uint32_t low = jobs->oldest, high = jobs->newest;
	if (high == 0 || job_at(jobs, high)->id < id)
		return 0;
	for (uint64_t probe = id + 1;; probe++) {
		if (job_at(jobs, low)->id > id)
			return low;
		low = jobs_next(jobs, low);
		if (job_at(jobs, high)->id < id)
			return jobs_next(jobs, high);
		high = job_at(jobs, high)->older;
		uint32_t found = jobs_find(jobs, probe);
		if (found != 0)
			return found;
	}
}

/* New ids are higher than all others; only restored ones may come late. */
static void
link_by_id(struct jobs *jobs, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	uint32_t older = jobs->newest;
	while (older != 0 && job_at(jobs, older)->id > job->id)
		older = job_at(jobs, older)->older;
	job->older = older;
	job->newer = older ? job_at(jobs, older)->newer : jobs->oldest;
	if (job->newer != 0)
		job_at(jobs, job->newer)->older = handle;
	else
		jobs->newest = handle;
	if (older != 0)
		job_at(jobs, older)->newer = handle;
	else
		jobs->oldest = handle;
}

static void
unlink_by_id(struct jobs *jobs, const struct job *job)
{
	if (job->newer != 0)
		job_at(jobs, job->newer)->older = job->older;
	else
		jobs->newest = job->older;
	if (job->older != 0)
		job_at(jobs, job->older)->newer = job->newer;
	else
		jobs->oldest = job->newer;
}

uint32_t
jobs_add(struct jobs *jobs, uint64_t id)
{
	uint32_t handle = slab_take(&jobs->slab);
	if (handle == 0)
		return 0;
	job_at(jobs, handle)->id = id;
	job_at(jobs, handle)->hints = 1;
	if (map_add(&jobs->by_id, handle)) {
		link_by_id(jobs, handle);
		return handle;
	}
	slab_give(&jobs->slab, handle);
	return 0;
}

void
jobs_remove(struct jobs *jobs, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	CHECK(job->state == JOB_NONE);
	if (job->extras != 0) {
		struct extras *extras = extras_at(jobs, job->extras);
		while (extras->aliases != 0)
			drop_alias(jobs, extras, &extras->aliases);
		slab_give(&jobs->extras, job->extras);
	}
	map_remove(&jobs->by_id, handle);
	unlink_by_id(jobs, job);
	slab_give(&jobs->slab, handle);
}

uint32_t
jobs_find_delivery(const struct jobs *jobs, uint32_t subscriber, uint64_t msgid)
{
	if (msgid > UINT32_MAX)
		return 0;
	return map_get(
	    &jobs->by_delivery, delivery_key(subscriber, (uint32_t)msgid));
}

void
jobs_note_delivery(struct jobs *jobs, uint32_t handle)
{
	CHECK(map_add(&jobs->by_delivery, handle));
}

void
jobs_drop_delivery(struct jobs *jobs, uint32_t handle)
{
	struct lease *lease = job_lease(jobs, job_at(jobs, handle));
	if (lease->msgid == 0)
		return;
	map_remove(&jobs->by_delivery, handle);
	lease->msgid = 0;
}

bool
job_may_become(enum job_state from, enum job_state to)
{
	return transitions[from][to];
}

void
job_set_state(struct job *job, enum job_state state)
{
	CHECK(job_may_become((enum job_state)job->state, state));
	job->state = (uint8_t)state;
}

void
job_set_reason(struct jobs *jobs, struct job *job, struct span reason)
{
	struct extras *extras = take_extras(jobs, job);
	if (extras == NULL)
		return;
	reason = utf8_cut(reason, REASON_BYTES_MAX);
	if (reason.count > 0)
		memcpy(extras->reason, reason.bytes, reason.count);
	extras->reason[reason.count] = '\0';
}

struct attempt_list *
job_attempts(const struct jobs *jobs, const struct job *job)
{
	return job->extras != 0 ? &extras_at(jobs, job->extras)->attempts
				: NULL;
}

struct attempt_list *
job_make_attempts(struct jobs *jobs, struct job *job)
{
	struct extras *extras = take_extras(jobs, job);
	return extras != NULL ? &extras->attempts : NULL;
}

bool
terms_are_own(const struct job_terms *terms)
{
	return terms->ttr_ms != 0 || terms->max_attempts != 0 ||
	    terms->expires_at_ms != 0;
}

bool
job_set_terms(struct jobs *jobs, struct job *job, const struct job_terms *terms)
{
	if (job->extras == 0 && !terms_are_own(terms))
		return true;
	struct extras *extras = take_extras(jobs, job);
	if (extras == NULL)
		return false;
	extras->terms = *terms;
	return true;
}

struct job_terms
job_terms(const struct jobs *jobs, const struct job *job)
{
	if (job->extras == 0)
		return (struct job_terms){ 0 };
	return extras_at(jobs, job->extras)->terms;
}

const char *
job_reason(const struct jobs *jobs, const struct job *job)
{
	if (job->extras == 0)
		return "";
	return extras_at(jobs, job->extras)->reason;
}

const char *
job_state_name(enum job_state state)
{
	CHECK((unsigned)state < JOB_STATE_COUNT);
	return state_names[state];
}

const char *
job_cause_name(enum job_cause cause)
{
	CHECK((unsigned)cause < CAUSE_COUNT);
	return cause_names[cause];
}

enum job_state
job_state_of_name(struct span name)
{
	for (unsigned i = JOB_NONE + 1; i < JOB_STATE_COUNT; i++)
		if (span_is_text(name, state_names[i]))
			return (enum job_state)i;
	return JOB_NONE;
}

void
job_list_push_back(
    const struct jobs *jobs, struct job_list *list, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	job->next = 0;
	job->previous = list->tail;
	if (list->tail != 0)
		job_at(jobs, list->tail)->next = handle;
	else
		list->head = handle;
	list->tail = handle;
}

void
job_list_push_front(
    const struct jobs *jobs, struct job_list *list, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	job->previous = 0;
	job->next = list->head;
	if (list->head != 0)
		job_at(jobs, list->head)->previous = handle;
	else
		list->tail = handle;
	list->head = handle;
}

void
job_list_insert_after(const struct jobs *jobs, struct job_list *list,
    uint32_t before, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	job->previous = before;
	job->next = job_at(jobs, before)->next;
	if (job->next != 0)
		job_at(jobs, job->next)->previous = handle;
	else
		list->tail = handle;
	job_at(jobs, before)->next = handle;
}

void
job_list_remove(const struct jobs *jobs, struct job_list *list, uint32_t handle)
{
	struct job *job = job_at(jobs, handle);
	if (job->previous != 0)
		job_at(jobs, job->previous)->next = job->next;
	else
		list->head = job->next;
	if (job->next != 0)
		job_at(jobs, job->next)->previous = job->previous;
	else
		list->tail = job->previous;
	job->next = job->previous = 0;
}
