/* SPDX-License-Identifier: MIT */
#include "core/autopsy.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/units.h"
#include "core/wish.h"

#include <string.h>

bool
autopsy_is_due(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_FAIL:
	case VERDICT_RETRY:
	case VERDICT_DEAD:
	case VERDICT_DIED:
	case VERDICT_LOST:
	case VERDICT_TIMEOUT:
		return true;
	case VERDICT_DONE:
	case VERDICT_RELEASE:
	case VERDICT_CANCELLED:
	case VERDICT_COUNT:
		break;
	}
	return false;
}

/* Its worker knows best, and survives the death of the queue; else as long as
 * this queue has seen it run. */
static void
find_duration(
    const struct core *core, const struct job *job, struct remains *remains)
{
	if ((remains->known & REMAINS_DURATION) ||
	    job_lease(&core->jobs, job)->is_resumed)
		return;
	remains->known |= REMAINS_DURATION;
	remains->duration_ms = core->now_ms - job->at_ms;
	if (remains->duration_ms > DURATION_MS_MAX)
		remains->duration_ms = DURATION_MS_MAX;
}

/* As the job's own reason is kept, which is a text. */
static struct span
up_to_zero(struct span reason)
{
	if (reason.count > 0)
		reason.count = strnlen(reason.bytes, reason.count);
	return reason;
}

struct certificate
autopsy_of_run(const struct core *core, uint32_t handle,
    const struct outcome *outcome, enum verdict verdict)
{
	const struct job *job = job_at(&core->jobs, handle);
	const struct subscriber *subscriber =
	    subscriber_at(&core->demand, job->place);
	struct certificate certificate = {
		.verdict = verdict,
		.attempt = job->attempt,
		.delivery = job->delivery,
		.reason = up_to_zero(outcome->reason),
		.remains = outcome->remains,
	};
	if (subscriber->handle != core->absent) {
		certificate.worker = span_of(subscriber->name.text);
		certificate.worker_pid = subscriber->pid;
	}
	find_duration(core, job, &certificate.remains);
	if (certificate.remains.known & REMAINS_DURATION)
		certificate.began_wall_ms = core->wall_ms + core->now_ms -
		    certificate.remains.duration_ms;
	return certificate;
}

static void
wish_forget_note(struct core *core, uint32_t handle)
{
	const struct attempt *attempt = attempt_at(&core->attempts, handle);
	/* What is wished within one step is not taken back in it. */
	CHECK(attempt->note < core->first_note);
	struct wish *wish = wish_add(core, WISH_FORGET_NOTE);
	wish->id = attempt->note;
	wish->body = attempt->body;
	wish->body_bytes = attempt->body_bytes;
	wish->in_memory = attempt->in_memory;
}

static struct attempt_list *
list_of(const struct core *core, uint32_t handle)
{
	uint32_t job = attempt_at(&core->attempts, handle)->job;
	return job != 0 ? job_attempts(&core->jobs, job_at(&core->jobs, job))
			: NULL;
}

void
autopsy_drop(struct core *core, uint32_t handle)
{
	attempts_remove(&core->attempts, list_of(core, handle), handle);
}

static void
forget(struct core *core, uint32_t handle)
{
	wish_forget_note(core, handle);
	autopsy_drop(core, handle);
}

/* False when there is none: those of this very step stay. */
static bool
make_room(struct core *core, uint32_t body_bytes)
{
	const struct attempts *attempts = &core->attempts;
	while (!attempts_has_room(attempts, body_bytes)) {
		uint32_t oldest = attempts->oldest;
		if (attempt_at(attempts, oldest)->note >= core->first_note)
			return false;
		forget(core, oldest);
	}
	return true;
}

static void
note(struct core *core, uint32_t handle, struct attempt_list *list,
    size_t words_at, uint32_t words_bytes)
{
	const struct job *job = job_at(&core->jobs, handle);
	const struct lane *lane = lane_at(&core->lanes, job->lane);
	const struct attempt attempt = { .note = core->next_id,
		.body_bytes = words_bytes,
		.job = handle,
		.in_memory = lane->policy.durability == DURABILITY_MEMORY };
	uint32_t added = attempts_add(&core->attempts, list, &attempt);
	if (added == 0)
		return;
	core->next_id++;
	struct wish *wish = wish_add(core, WISH_CERTIFY);
	wish->id = attempt.note;
	wish->job = handle;
	wish->lane = job->lane;
	wish->certificate = added;
	wish->words_at = words_at;
	wish->words_bytes = words_bytes;
	if (list->count > ATTEMPTS_KEPT && !PLANTED(CERTIFICATES_NEVER_DROPPED))
		forget(core, list->first);
}

void
autopsy_keep(
    struct core *core, uint32_t handle, const struct certificate *certificate)
{
	struct buffer *words = &core->certificates;
	size_t at = buffer_count(words);
	struct attempt_list *list =
	    job_make_attempts(&core->jobs, job_at(&core->jobs, handle));
	if (list == NULL || !certificate_write(words, certificate))
		return;
	uint32_t count = (uint32_t)(buffer_count(words) - at);
	if (make_room(core, count))
		note(core, handle, list, at, count);
}

void
autopsy_forget(struct core *core, uint32_t handle)
{
	const struct attempt_list *list =
	    job_attempts(&core->jobs, job_at(&core->jobs, handle));
	while (list != NULL && list->first != 0)
		forget(core, list->first);
}

void
autopsy_restore(struct core *core, const struct fact *fact)
{
	struct attempt attempt = fact->restore_attempt.attempt;
	struct attempt_list *list = NULL;
	attempt.job = PLANTED(CERTIFICATES_FORGOTTEN_AT_RESTART)
	    ? 0
	    : jobs_find(&core->jobs, fact->restore_attempt.job);
	if (attempt.job != 0) {
		list = job_make_attempts(
		    &core->jobs, job_at(&core->jobs, attempt.job));
		CHECK(list != NULL);
	}
	CHECK(attempts_add(&core->attempts, list, &attempt) != 0);
	if (attempt.note >= core->next_id)
		core->next_id = attempt.note + 1;
}

/* As after a salvage, which brings back what it finds. */
void
autopsy_restored(struct core *core)
{
	uint32_t following;
	for (uint32_t at = core->attempts.oldest; at != 0; at = following) {
		following = attempt_at(&core->attempts, at)->newer;
		if (attempt_at(&core->attempts, at)->job == 0)
			forget(core, at);
	}
}
