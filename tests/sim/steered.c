/* SPDX-License-Identifier: MIT */
/*
 * The judge of what people do to jobs, of the time of runs and of crashes, by
 * what the outside sees.
 *
 * From when a request is sent until it is answered, and for ever when it is
 * not, what it asks for may happen; once it is answered it has. What a queue
 * tells a worker comes in order, so that a result that was confirmed without a
 * stop before was none of a run that was being stopped.
 */
#include "tests/sim/known.h"
#include "tests/sim/sim.h"
#include "tests/sim/time.h"

#include <string.h>

/* The queue's clock has milliseconds. */
#define TICK_US 1000

/* ---- requests ---- */

static void
ask_one(struct known *job, enum steer what)
{
	switch (what) {
	case STEER_CANCEL:
	case STEER_DELETE:
		job->unwanted = true;
		break;
	case STEER_RETRY:
		job->revived = job->is_loose = true;
		job->unrevived++;
		job->crashes_least = 0;
		if (job->ended == ENDED_DEAD)
			job->ended = ENDED_NOT;
		break;
	case STEER_TOUCH:
		job->was_touched = true;
		job->untouched++;
		job->touched_us = 0;
		break;
	}
}

/* The job that is meant, and where they coalesce any other one with its key: it
 * may have been folded into that. What is not known of those yet is forgiven to
 * all jobs of the key (keys_is_steered). */
static void
tell(struct known *job, enum steer what,
    void (*one)(struct known *job, enum steer what))
{
	const struct token *token = oracle_token(job->token);
	one(job, what);
	if (keys_mode(token) != KEY_COALESCE)
		return;
	for (uint32_t i = 0; i < oracle_jobs(); i++) {
		struct known *other = oracle_job_at(i);
		if (other != job &&
		    keys_are_one(token, oracle_token(other->token)))
			one(other, what);
	}
}

void
oracle_steers(struct steering *steering)
{
	struct known *job = oracle_job(steering->id);
	steering->sent_us = time_now_us();
	steering->life = queue_life();
	steering->delivery = job->delivery;
	keys_steered(job);
	tell(job, steering->what, ask_one);
}

static void
note_gone(struct known *job, bool cancelled)
{
	sight(cancelled ? SIGHT_CANCELLED_WAITING : SIGHT_DELETED);
	job->ended = ENDED_GONE;
	job->ended_at = oracle_moment();
}

/* Does somebody certainly have the run that was seen last? */
static bool
is_running(const struct known *job)
{
	return job->delivery > 0 && oracle_is_live(job->holder) &&
	    job->said_delivery != job->delivery;
}

static void
note_stopping(struct known *job)
{
	sight(SIGHT_CANCELLED_RUNNING);
	job->stopping = true;
	job->may_begin = !is_running(job);
	job->cancelled_life = queue_life();
}

static int64_t
ttr_of(const struct known *job, const struct steering *steering)
{
	return steering->ttr_ms < 0 ? oracle_rules(job)->ttr_ms
				    : steering->ttr_ms;
}

/* Which run was touched is known when it was the same before and after. */
static void
note_touched(struct known *job, const struct steering *steering)
{
	int64_t ttr_ms = ttr_of(job, steering);
	if (job->untouched > 0 || steering->delivery != job->delivery ||
	    steering->life != queue_life() || !is_running(job))
		return;
	job->touched_delivery = job->delivery;
	job->touched_life = queue_life();
	job->touched_us =
	    ttr_ms == 0 ? INT64_MAX : steering->sent_us + ttr_ms * 1000;
}

static void
answer_one(struct known *job, enum steer what)
{
	if (what == STEER_TOUCH && job->untouched > 0)
		job->untouched--;
	else if (what == STEER_RETRY && job->unrevived > 0)
		job->unrevived--;
}

void
oracle_steered(const struct steering *steering, struct span result)
{
	struct known *job = oracle_job(steering->id);
	tell(job, steering->what, answer_one);
	if (steering->what == STEER_TOUCH && result.count == 0)
		note_touched(job, steering);
	else if (steering->what == STEER_CANCEL &&
	    span_is_text(result, "stopping"))
		note_stopping(job);
	else if ((steering->what == STEER_CANCEL &&
		     span_is_text(result, "cancelled")) ||
	    (steering->what == STEER_DELETE && span_is_text(result, "deleted")))
		note_gone(job, steering->what == STEER_CANCEL);
	else if (steering->what != STEER_RETRY ||
	    !span_is_text(result, "retried"))
		broken("an answer says what became of a request",
		    "job %llu: %.*s", (unsigned long long)job->id,
		    (int)result.count, result.count > 0 ? result.bytes : "");
}

void
oracle_steer_refused(const struct steering *steering)
{
	struct known *job = oracle_job(steering->id);
	tell(job, steering->what, answer_one);
	if (steering->what == STEER_TOUCH && job->stop_heard == job->delivery &&
	    job->delivery > 0)
		sight(SIGHT_TOUCH_REFUSED);
}

/* ---- runs ---- */

/* The run before: may it have been a crash? */
static bool
may_have_crashed(const struct known *job)
{
	return job->said_delivery != job->delivery || job->said_crash ||
	    !oracle_is_live(job->holder);
}

static void
count_crashes(struct known *job, const struct delivered *delivered)
{
	uint32_t max = oracle_rules(job)->max_crashes;
	job->crashes_most +=
	    (uint32_t)(delivered->delivery - job->delivery - 1);
	if (job->delivery > 0)
		job->crashes_most += may_have_crashed(job);
	if (max > 0 && job->crashes_least >= max && !job->is_loose &&
	    !keys_is_steered(job))
		broken("who crashes too often is parked",
		    "job %llu: delivery %lld after %u crashes of %u",
		    (unsigned long long)job->id, (long long)delivered->delivery,
		    job->crashes_least, max);
}

/* With a failure of its own, or a death, nobody can tell how many counted. */
void
steered_delivered(struct known *job, const struct delivered *delivered)
{
	if (job->stopping && !job->may_begin && !delivered->late)
		broken("what was cancelled or deleted is gone",
		    "job %llu was cancelled: delivery %lld",
		    (unsigned long long)job->id,
		    (long long)delivered->delivery);
	job->may_begin = false;
	if (delivered->ttr_ms != oracle_rules(job)->ttr_ms)
		broken("a run has the time of its queue",
		    "job %llu: %lld ms, not %lld", (unsigned long long)job->id,
		    (long long)delivered->ttr_ms,
		    (long long)oracle_rules(job)->ttr_ms);
	count_crashes(job, delivered);
	job->touched_us = 0;
	if (job->is_loose && job->unrevived == 0) {
		job->is_loose = false;
		sight(SIGHT_REVIVED);
	}
}

bool
steered_may_count(const struct known *job)
{
	return oracle_rules(job)->ttr_ms > 0 || job->was_touched ||
	    keys_is_steered(job);
}

/* Was it confirmed as what it was said to be? */
static bool
was_not_stopped(const struct known *job, bool again)
{
	return !again && job->stop_heard != job->delivery &&
	    !keys_is_steered(job);
}

void
steered_failed(struct known *job, bool again)
{
	if (job->said_crash && was_not_stopped(job, again) && !job->is_loose)
		job->crashes_least++;
}

bool
steered_stays_dead(const struct known *job, bool again)
{
	return was_not_stopped(job, again) && !job->is_loose;
}

/* ---- time ---- */

static void
check_time(const struct known *job, int64_t delivery, bool late)
{
	const struct queue_rules *rules = oracle_rules(job);
	int64_t now_us = time_now_us();
	bool was_touched = job->was_touched || keys_is_steered(job);
	bool is_touched = !late && job->touched_us > 0 &&
	    job->touched_delivery == delivery &&
	    job->touched_life == queue_life();
	if (rules->ttr_ms == 0 && !was_touched)
		broken("a run is stopped only for a reason",
		    "job %llu has all the time", (unsigned long long)job->id);
	if (is_touched && now_us + TICK_US < job->touched_us)
		broken("a touch gives the time that it was told",
		    "job %llu is stopped, and has %lld us more",
		    (unsigned long long)job->id,
		    (long long)(job->touched_us - now_us));
	if (!was_touched && job->delivery == delivery &&
	    now_us + TICK_US < job->decided_us + rules->ttr_ms * 1000)
		broken("a run has the time of its queue",
		    "job %llu is stopped, and began %lld us ago at most",
		    (unsigned long long)job->id,
		    (long long)(now_us - job->decided_us));
	if (is_touched && rules->ttr_ms > 0 &&
	    now_us > job->decided_us + rules->ttr_ms * 1000)
		sight(SIGHT_TOUCH_KEPT);
	sight(SIGHT_STOPPED_FOR_TIME);
}

void
oracle_stop_heard(uint64_t id, int64_t delivery)
{
	struct known *job = oracle_job(id);
	if (job != NULL)
		job->stop_heard = delivery;
}

void
oracle_stops(uint64_t id, int64_t delivery, struct span reason, bool late)
{
	const struct known *job = oracle_job(id);
	if (job == NULL)
		broken("nothing unknown appears", "job %llu is to be stopped",
		    (unsigned long long)id);
	if (span_is_text(reason, "timeout"))
		check_time(job, delivery, late);
	else if (!span_is_text(reason, "cancelled") ||
	    (!job->unwanted && !keys_is_steered(job)))
		broken("a run is stopped only for a reason", "job %llu: %.*s",
		    (unsigned long long)id, (int)reason.count,
		    reason.count > 0 ? reason.bytes : "");
	else if (job->stopping && job->cancelled_life != queue_life())
		sight(SIGHT_CANCELLED_OVER_RESTART);
}

/* ---- deaths, lists ---- */

void
steered_power_lost(struct known *job)
{
	job->crashes_unknown = true;
	job->may_begin = false;
	job->touched_us = job->stop_heard = 0;
	if (job->promise == PROMISE_SYNC)
		return;
	job->crashes_least = 0;
	job->stopping = false;
	if (job->ended == ENDED_GONE)
		job->ended = ENDED_NOT;
}

/* Attempts that nobody has seen may all have been crashes. */
static uint32_t
most_crashes(const struct known *job, const struct listed *listed)
{
	int64_t unseen = listed->attempt - job->attempt;
	uint32_t most = job->crashes_most;
	if (job->delivery > 0) {
		most += may_have_crashed(job);
		unseen++; /* that one may not have counted */
	}
	return unseen > 0 ? most + (uint32_t)unseen : most;
}

void
steered_listed(
    const struct known *job, const struct listed *listed, bool is_dead)
{
	uint32_t max = oracle_rules(job)->max_crashes;
	bool is_poison = is_dead && span_is_text(listed->cause, "poison");
	if (max > 0 &&
	    (is_poison ? listed->crashes != max
		       : listed->crashes >= max && !is_dead))
		broken("who crashes too often is parked",
		    "job %llu, crashes %lld of %u, is %.*s",
		    (unsigned long long)job->id, (long long)listed->crashes,
		    max, (int)listed->state.count, listed->state.bytes);
	if (is_poison && max == 0)
		broken("who crashes too often is parked", "job %llu may crash",
		    (unsigned long long)job->id);
	if (listed->crashes > 0 && !job->crashes_unknown && !job->revived &&
	    !keys_is_steered(job) &&
	    (uint32_t)listed->crashes > most_crashes(job, listed))
		broken("only what crashes counts as a crash",
		    "job %llu: %lld crashes, %u at most",
		    (unsigned long long)job->id, (long long)listed->crashes,
		    most_crashes(job, listed));
}
