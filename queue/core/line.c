/* SPDX-License-Identifier: MIT */
#include "core/line.h"

#include "base/check.h"
#include "base/planted.h"
#include "core/due.h"
#include "core/expiry.h"
#include "core/limit.h"
#include "core/wish.h"

static struct key *
key_of(const struct core *core, const struct job *job)
{
	return key_at(&core->keys, job->key);
}

/* Does it have to take turns? */
static bool
takes_turns(const struct job *job)
{
	return job->mode != KEY_PARALLEL;
}

void
line_join(struct core *core, uint32_t handle, uint32_t key, enum key_mode mode)
{
	struct job *job = job_at(&core->jobs, handle);
	if (key == 0)
		return;
	job->key = key;
	job->mode = (uint8_t)mode;
	key_at(&core->keys, key)->jobs++;
	if (mode == KEY_COALESCE)
		key_of(core, job)->pending = handle;
}

static void
become_ready(struct core *core, struct lane *lane, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	job_set_state(job, JOB_READY);
	job->at_ms = core->now_ms;
	lane->counts[JOB_READY]++;
	lane_push_back(&core->jobs, lane, handle);
}

enum job_state
line_enter(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	struct key *key = takes_turns(job) ? key_of(core, job) : NULL;
	if (key != NULL && key->holder == 0)
		key->holder = handle;
	if (key == NULL || key->holder == handle || PLANTED(KEY_NOT_BUSY)) {
		become_ready(core, lane, handle);
		return JOB_READY;
	}
	job_set_state(job, JOB_BLOCKED);
	lane->counts[JOB_BLOCKED]++;
	job_list_push_back(&core->jobs, &key->line, handle);
	return JOB_BLOCKED;
}

uint32_t
line_pending(const struct core *core, uint32_t key, enum key_mode mode)
{
	if (key == 0 || mode != KEY_COALESCE)
		return 0;
	return key_at(&core->keys, key)->pending;
}

bool
line_is_outside(const struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	return job->state == JOB_DELAYED && takes_turns(job) &&
	    key_of(core, job)->holder != handle;
}

void
line_began(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	if (job->mode != KEY_COALESCE)
		return;
	struct key *key = key_of(core, job);
	if (key->pending == handle && !PLANTED(MERGED_INTO_RUNNING))
		key->pending = 0;
}

void
line_take_out(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	struct lane *lane = lane_at(&core->lanes, job->lane);
	if (job->state != JOB_DEAD)
		limit_left(core, handle);
	switch ((enum job_state)job->state) {
	case JOB_READY:
		lane_take(&core->jobs, lane, handle);
		break;
	case JOB_BLOCKED:
		job_list_remove(&core->jobs, &key_of(core, job)->line, handle);
		break;
	case JOB_DELAYED:
		due_remove(&core->due, &core->jobs, handle);
		break;
	case JOB_DEAD:
		job_list_remove(&core->jobs, &lane->dead, handle);
		break;
	case JOB_NONE:
	case JOB_RUNNING:
	case JOB_STATE_COUNT:
		UNREACHABLE();
	}
	lane->counts[job->state]--;
	job_set_state(job, JOB_NONE);
}

void
line_remove(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	CHECK(!takes_turns(job) || key_of(core, job)->holder != handle);
	line_take_out(core, handle);
	line_forget(core, handle);
	expiry_end(core, handle);
	jobs_remove(&core->jobs, handle);
}

void
line_come_back(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	if (job->mode == KEY_COALESCE)
		key_of(core, job)->pending = handle;
}

void
line_leave(struct core *core, uint32_t handle)
{
	const struct job *job = job_at(&core->jobs, handle);
	if (!takes_turns(job))
		return;
	struct key *key = key_of(core, job);
	if (key->pending == handle)
		key->pending = 0;
	if (key->holder != handle)
		return;
	uint32_t next = PLANTED(KEY_KEPT_BUSY) ? 0 : key->line.head;
	key->holder = next;
	if (next == 0)
		return;
	struct lane *lane = lane_at(&core->lanes, job->lane);
	job_list_remove(&core->jobs, &key->line, next);
	lane->counts[JOB_BLOCKED]--;
	become_ready(core, lane, next);
}

void
line_forget(struct core *core, uint32_t handle)
{
	struct job *job = job_at(&core->jobs, handle);
	if (job->key == 0)
		return;
	key_of(core, job)->jobs--;
	keys_give(&core->keys, job->key);
	job->key = 0;
	job->mode = KEY_PARALLEL;
}

/* ---- after a restart ---- */

/* The job of a key that ran, and waits perhaps until it is tried again, is the
 * holder, whoever stands there by his id. */
static void
take_turn(struct core *core, struct key *key, uint32_t handle)
{
	uint32_t before = key->holder;
	struct job *other = before ? job_at(&core->jobs, before) : NULL;
	key->holder = handle;
	if (other == NULL || other->state != JOB_READY)
		return;
	struct lane *lane = lane_at(&core->lanes, other->lane);
	lane_take(&core->jobs, lane, before);
	lane->counts[JOB_READY]--;
	job_set_state(other, JOB_BLOCKED);
	lane->counts[JOB_BLOCKED]++;
	job_list_push_front(&core->jobs, &key->line, before);
}

/* Two that run, which no queue ever wrote: both are kept, and the second does
 * not take turns. */
static bool
is_second_run(
    const struct core *core, const struct key *key, enum job_state saved)
{
	return saved == JOB_RUNNING && key->holder != 0 &&
	    job_at(&core->jobs, key->holder)->state == JOB_RUNNING;
}

/* Has the one that has the turn run before? He keeps it, unless he is only
 * ready and the other one is to be tried again: then it was dead and revived,
 * and stood behind that one. */
static bool
is_held(const struct core *core, const struct key *key, enum job_state other)
{
	if (key->holder == 0)
		return false;
	const struct job *holder = job_at(&core->jobs, key->holder);
	return holder->delivery > 0 &&
	    (holder->state != JOB_READY || other != JOB_DELAYED);
}

void
line_restore(struct core *core, uint32_t handle, enum job_state saved)
{
	struct job *job = job_at(&core->jobs, handle);
	struct key *key = job->key ? key_of(core, job) : NULL;
	if (key != NULL)
		key->jobs++;
	if (key == NULL || !takes_turns(job) || saved == JOB_DEAD)
		return;
	if (is_second_run(core, key, saved))
		job->mode = KEY_PARALLEL;
	else if (saved == JOB_RUNNING ||
	    (job->delivery > 0 && !is_held(core, key, saved)))
		take_turn(core, key, handle);
	/* The newest of those that wait. */
	if (job->mode == KEY_COALESCE && saved != JOB_RUNNING)
		key->pending = handle;
}
