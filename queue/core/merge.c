/* SPDX-License-Identifier: MIT */
#include "core/merge.h"

#include "core/autopsy.h"

#include "base/check.h"
#include "core/due.h"
#include "core/expiry.h"
#include "core/limit.h"
#include "core/line.h"
#include "core/wish.h"

static uint32_t
add_hints(uint32_t hints, uint32_t more)
{
	return hints > UINT32_MAX - more ? UINT32_MAX : hints + more;
}

/* A body that comes, and what is known of it. */
struct body {
	bool given;	 /* with the fact */
	uint64_t handle; /* else the store's */
	uint32_t bytes;
	bool is_older; /* than that of the job it comes to */
};

/* The bytes of both, one behind the other. */
static uint64_t
appended_bytes(const struct job *job, const struct body *body)
{
	return (uint64_t)job->body_bytes + 1 + body->bytes;
}

bool
merge_fits(const struct lane *lane, uint64_t hints, uint64_t bytes)
{
	return lane->policy.merge != MERGE_APPEND ||
	    (hints <= MERGED_HINTS_MAX && bytes <= MERGED_BODY_BYTES_MAX);
}

/* The bodies would be more than one job may have. */
static bool
takes_no_more(const struct core *core, const struct job *job,
    const struct body *body, uint32_t hints)
{
	return !merge_fits(lane_at(&core->lanes, job->lane),
	    add_hints(job->hints, hints), appended_bytes(job, body));
}

/* The queue's rule; of a body that is the older one of both the other way
 * round. Lines are put behind one another as they come. */
static enum key_merge
rule_for(
    const struct core *core, const struct job *job, const struct body *body)
{
	enum key_merge rule = lane_at(&core->lanes, job->lane)->policy.merge;
	if (!body->is_older || rule == MERGE_APPEND)
		return rule;
	return rule == MERGE_LAST ? MERGE_FIRST : MERGE_LAST;
}

static void
merge_body(struct core *core, uint32_t handle, const struct body *body)
{
	struct job *job = job_at(&core->jobs, handle);
	enum key_merge rule = rule_for(core, job, body);
	if (rule == MERGE_FIRST ||
	    (rule == MERGE_LAST && job->body_bytes == 0 && body->bytes == 0))
		return;
	struct wish *wish = wish_add(core, WISH_REPLACE);
	wish->job = handle;
	wish->id = job->id;
	wish->body = job->body;
	wish->body_bytes = job->body_bytes;
	wish->append = rule == MERGE_APPEND;
	wish->given = body->given;
	wish->other = body->handle;
	wish->other_bytes = body->bytes;
	uint32_t bytes_before = job->body_bytes;
	job->body_bytes = rule == MERGE_APPEND
	    ? (uint32_t)appended_bytes(job, body)
	    : body->bytes;
	limit_resized(core, job, bytes_before);
}

/* ---- of an event ---- */

/* True when it is more urgent now. */
static bool
raise_priority(struct core *core, uint32_t handle, uint8_t priority)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	if (priority >= job->priority)
		return false;
	if (job->state == JOB_READY)
		lane_take(&core->jobs, lane, handle);
	job->priority = priority;
	if (job->state == JOB_READY)
		lane_push_back(&core->jobs, lane, handle);
	return true;
}

/* True when it is due earlier now. Before it is tried again a job waits as long
 * as it has to, whatever is told meanwhile. */
static bool
hasten(struct core *core, uint32_t handle, struct moment due)
{
	struct job *job = job_at(&core->jobs, handle);
	int64_t at_ms = moment_ms(due, core->wall_ms);
	if (!line_is_outside(core, handle) ||
	    at_ms >= due_at_ms(job, core->wall_ms))
		return false;
	due_remove(&core->due, &core->jobs, handle);
	if (at_ms > core->now_ms) {
		due_add(&core->due, &core->jobs, handle, due);
		return true;
	}
	lane_at(&core->lanes, job->lane)->counts[JOB_DELAYED]--;
	line_enter(core, handle);
	return true;
}

bool
merge_enqueue(struct core *core, uint32_t handle, const struct fact *fact)
{
	struct job *job = job_at(&core->jobs, handle);
	const struct body body = { .given = true,
		.bytes = fact->enqueue.body_bytes };
	if (takes_no_more(core, job, &body, 1))
		return false;
	merge_body(core, handle, &body);
	job->hints = add_hints(job->hints, 1);
	bool is_urgent = raise_priority(core, handle, fact->enqueue.priority);
	bool is_earlier = hasten(core, handle, enqueue_due(fact));
	bool is_longer =
	    expiry_extend(core, handle, fact->enqueue.terms.expires_at_ms);
	/* What changed nothing but the number of hints is not worth a write. */
	if (is_urgent || is_earlier || is_longer)
		wish_save(core, handle, false);
	wish_tell_job(core, EVENT_MERGED, handle, 0);
	core->counters.merged++;
	return true;
}

/* ---- of a job ---- */

static void
tell_folded(struct core *core, const struct job *job, const struct job *other)
{
	struct wish *wish = wish_add(core, WISH_TELL);
	wish->event = EVENT_FOLDED;
	wish->id = other->id;
	wish->into = job->id;
	wish->lane = other->lane;
	wish->delivery = other->delivery;
	wish->attempt = other->attempt;
	core->counters.folded++;
}

/* On a full disk two jobs can end where there is no room to make one of them.
 */
static bool
has_room(
    const struct core *core, const struct job *job, const struct body *body)
{
	enum key_merge rule = rule_for(core, job, body);
	uint64_t bytes =
	    rule == MERGE_APPEND ? appended_bytes(job, body) : body->bytes;
	return rule == MERGE_FIRST || core->has_room == NULL ||
	    core->has_room(core->room_context, job->lane, (uint32_t)bytes);
}

/* Takes over what the other job stands for; false, and nothing changed, when
 * that is too much. */
static bool
fold(struct core *core, uint32_t handle, uint32_t other_handle, bool is_older)
{
	struct job *job = job_at(&core->jobs, handle);
	const struct job *other = job_at(&core->jobs, other_handle);
	const struct body body = { .handle = other->body,
		.bytes = other->body_bytes,
		.is_older = is_older };
	if (takes_no_more(core, job, &body, other->hints) ||
	    !has_room(core, job, &body))
		return false;
	merge_body(core, handle, &body);
	job->hints = add_hints(job->hints, other->hints);
	expiry_extend(
	    core, handle, job_terms(&core->jobs, other).expires_at_ms);
	jobs_move_aliases(&core->jobs, other_handle, handle);
	jobs_add_alias(&core->jobs, handle, other->id);
	tell_folded(core, job, other);
	wish_forget(core, other_handle);
	autopsy_forget(core, other_handle);
	line_remove(core, other_handle);
	return true;
}

void
merge_behind(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	if (job->mode != KEY_COALESCE)
		return;
	uint32_t *pending = &key_at(&core->keys, job->key)->pending;
	if (*pending == 0) {
		*pending = handle;
		return;
	}
	uint8_t priority = job_at(&core->jobs, *pending)->priority;
	if (!fold(core, handle, *pending, false))
		return;
	*pending = handle;
	if (priority < job->priority)
		job->priority = priority;
}

bool
merge_dead(struct core *core, uint32_t handle, uint32_t dead)
{
	uint8_t priority = job_at(&core->jobs, dead)->priority;
	if (!fold(core, handle, dead, true))
		return false;
	raise_priority(core, handle, priority);
	hasten(core, handle, (struct moment){ core->now_ms, false });
	return true;
}
