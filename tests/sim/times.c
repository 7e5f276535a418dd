/* SPDX-License-Identifier: MIT */
/*
 * The judge of jobs that are of use until some time, and of those that wait for
 * a time of the wall clock.
 *
 * When a job was taken is known within bounds: after its enqueue was sent and
 * before the job was known. While the queue lives what it is of use for is
 * measured by the monotonic clock; what is kept of it is a time of the wall
 * clock, as the two stood to each other when it was kept, which may have been
 * at any moment of that life, and the next queue measures by that. So both
 * bounds are carried along by both clocks, and are as far apart as the wall
 * clock was set meanwhile. They are in the milliseconds of the queue. It gives
 * out nothing whose time is over by the time of its turn, so that there is no
 * slack; that it is dead is so from the end of a turn on, which is known by an
 * answer of an earlier one.
 */
#include "tests/sim/known.h"

#include "tests/sim/sim.h"
#include "tests/sim/time.h"

#include <string.h>

static struct {
	bool lives; /* the queue */
	int64_t began_us;
	int64_t set_ms; /* the last time that the clock was set */
} now;

static int64_t
now_ms(void)
{
	return time_now_us() / 1000;
}

/* The wall clock when the monotonic one was 0, as they stand now. */
static int64_t
offset_ms(void)
{
	return time_wall_ms() - now_ms();
}

static int64_t
lower(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
higher(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void
times_reset(void)
{
	memset(&now, 0, sizeof(now));
}

/* ---- what was sent ---- */

void
times_sent(uint32_t number)
{
	struct token *token = oracle_token(number);
	struct times *times = &token->times;
	int64_t expires_ms = token->enqueue.expires_ms;
	if (token->sends == 1) {
		*times = (struct times){ .least_ms = INT64_MAX,
			.wall_least_ms = INT64_MAX,
			.most_ms = INT64_MIN,
			.wall_most_ms = INT64_MIN,
			.reached_ms = INT64_MAX,
			.expected_ms = token->enqueue.at_ms - offset_ms() };
		times->waits = token->enqueue.at_ms > time_wall_ms();
	}
	if (expires_ms == 0)
		return;
	int64_t least_ms = now_ms() + expires_ms;
	times->least_ms = lower(times->least_ms, least_ms);
	times->wall_least_ms =
	    lower(times->wall_least_ms, least_ms + offset_ms());
}

/* What was sent may be taken at any time, and written anew at any later one. */
static void
may_be_taken_now(struct token *token)
{
	struct times *times = &token->times;
	if (!now.lives || token->sends == 0 || token->enqueue.expires_ms == 0)
		return;
	times->most_ms =
	    higher(times->most_ms, now_ms() + token->enqueue.expires_ms);
	times->wall_most_ms =
	    higher(times->wall_most_ms, times->most_ms + offset_ms());
}

/* Since it was sent, has the wall clock shown its time? */
static bool
is_reached(const struct token *token, struct times *times)
{
	if (times->reached_ms == INT64_MAX &&
	    time_wall_ms() >= token->enqueue.at_ms)
		times->reached_ms =
		    higher(higher(token->first_sent_us / 1000, now.set_ms),
			token->enqueue.at_ms - offset_ms());
	return times->reached_ms != INT64_MAX;
}

static bool
may_have_expired(const struct token *token)
{
	return token->enqueue.expires_ms > 0 &&
	    (token->times.may_have_expired ||
		now_ms() >= token->times.least_ms);
}

/* ---- the clock, the queue ---- */

void
oracle_clock_is_set(void)
{
	for (uint32_t i = 1; i <= oracle_tokens(); i++) {
		struct token *token = oracle_token(i);
		may_be_taken_now(token);
		if (token->sends > 0)
			is_reached(token, &token->times);
	}
}

void
oracle_clock_was_set(void)
{
	now.set_ms = now_ms();
	for (uint32_t i = 1; i <= oracle_tokens(); i++) {
		struct times *times = &oracle_token(i)->times;
		may_be_taken_now(oracle_token(i));
		if (now.lives && oracle_token(i)->sends > 0 &&
		    times->least_ms != INT64_MAX)
			times->wall_least_ms = lower(times->wall_least_ms,
			    times->least_ms + offset_ms());
	}
	for (uint32_t i = 0; i < oracle_jobs() && now.lives; i++) {
		struct known *job = oracle_job_at(i);
		if (job->use_most_ms != INT64_MAX)
			job->use_wall_most_ms = higher(job->use_wall_most_ms,
			    job->use_most_ms + offset_ms());
	}
}

/* What was not answered may be waiting for this queue. */
static void
begin_life(struct token *token)
{
	struct times *times = &token->times;
	times->least_ms = times->wall_least_ms - offset_ms();
	if (times->wall_most_ms != INT64_MIN)
		times->most_ms = times->wall_most_ms - offset_ms();
	if (token->answers == token->sends)
		return;
	times->least_ms = lower(times->least_ms,
	    token->first_sent_us / 1000 + token->enqueue.expires_ms);
	times->wall_least_ms =
	    lower(times->wall_least_ms, times->least_ms + offset_ms());
}

void
oracle_queue_begins(void)
{
	now.lives = true;
	now.began_us = time_now_us();
	for (uint32_t i = 1; i <= oracle_tokens(); i++)
		if (oracle_token(i)->sends > 0 &&
		    oracle_token(i)->enqueue.expires_ms > 0)
			begin_life(oracle_token(i));
	for (uint32_t i = 0; i < oracle_jobs(); i++) {
		struct known *job = oracle_job_at(i);
		if (job->use_most_ms != INT64_MAX)
			job->use_most_ms = job->use_wall_most_ms - offset_ms();
	}
}

void
times_queue_died(void)
{
	for (uint32_t i = 1; i <= oracle_tokens(); i++) {
		struct token *token = oracle_token(i);
		may_be_taken_now(token);
		if (token->sends > 0)
			token->times.may_have_expired = may_have_expired(token);
	}
	now.lives = false;
}

/* ---- jobs ---- */

void
times_known(struct known *job)
{
	struct token *token = oracle_token(job->token);
	job->use_most_ms = job->use_wall_most_ms = INT64_MAX;
	/* Of those that become one the longer time counts. */
	if (token->enqueue.expires_ms == 0 || keys_mode(token) == KEY_COALESCE)
		return;
	may_be_taken_now(token);
	job->use_most_ms = token->times.most_ms;
	job->use_wall_most_ms = token->times.wall_most_ms;
}

static void
check_use(const struct known *job, const struct delivered *delivered)
{
	int64_t decided_us =
	    higher(higher(job->decided_us, now.began_us), delivered->asked_us);
	if (decided_us / 1000 >= job->use_most_ms)
		broken("what is of no use any more begins no more",
		    "job %llu, delivery %lld, was of use for %lld ms, and %lld "
		    "ms have passed since",
		    (unsigned long long)job->id, (long long)delivered->delivery,
		    (long long)oracle_token(job->token)->enqueue.expires_ms,
		    (long long)(decided_us / 1000 - job->use_most_ms));
}

static void
check_wait(const struct known *job)
{
	struct token *token = oracle_token(job->token);
	struct times *times = &token->times;
	if (token->enqueue.at_ms == 0 || keys_mode(token) == KEY_COALESCE)
		return;
	if (!is_reached(token, times))
		broken("nothing begins before the wall clock shows its time",
		    "job %llu begins %lld ms before it",
		    (unsigned long long)job->id,
		    (long long)(token->enqueue.at_ms - time_wall_ms()));
	if (!times->waits)
		return;
	sight(SIGHT_AT_WAITED);
	if (times->reached_ms > times->expected_ms)
		sight(SIGHT_AT_SET_BACK);
	else if (times->reached_ms < times->expected_ms)
		sight(SIGHT_AT_SET_AHEAD);
}

void
times_delivered(const struct known *job, const struct delivered *delivered)
{
	if (delivered->late || job->revived)
		return;
	check_use(job, delivered);
	check_wait(job);
}

void
times_done(const struct known *job)
{
	if (now_ms() >= job->use_most_ms)
		sight(SIGHT_EXPIRED_AND_DONE);
}

/* ---- lists ---- */

/* All that was merged into it, as far as that is certain. */
static void
check_merged(const struct known *job)
{
	if (job->promise != PROMISE_SYNC || keys_is_steered(job))
		return;
	for (uint32_t i = 1; i <= oracle_tokens(); i++)
		if (oracle_token(i)->answered_job == job->id &&
		    !may_have_expired(oracle_token(i)))
			broken("of two that are one the longer is of use",
			    "job %llu is expired, and token %u is of use",
			    (unsigned long long)job->id, i);
}

static void
check_expired(struct known *job)
{
	const struct token *token = oracle_token(job->token);
	if (job->is_expired)
		return;
	job->is_expired = true;
	if (keys_mode(token) == KEY_COALESCE)
		check_merged(job);
	else if (!may_have_expired(token))
		broken("nothing is expired before its time",
		    "job %llu of token %u, which is of use for %lld ms",
		    (unsigned long long)job->id, job->token,
		    (long long)token->enqueue.expires_ms);
	sight(job->delivery > 0 ? SIGHT_EXPIRED_TRIED : SIGHT_EXPIRED_WAITING);
	if (job->is_known && job->known_life != queue_life())
		sight(SIGHT_EXPIRED_OVER_RESTART);
}

void
times_listed(struct known *job, const struct listed *listed, bool is_dead)
{
	if (is_dead && span_is_text(listed->cause, "expired")) {
		check_expired(job);
		return;
	}
	job->is_expired = false;
	if (is_dead || job->revived || listed->since_us == 0 ||
	    span_is_text(listed->state, "running"))
		return;
	if (listed->since_us / 1000 >= job->use_most_ms)
		broken("what is of no use any more is dead",
		    "job %llu is %.*s, and %lld ms have passed since",
		    (unsigned long long)job->id, (int)listed->state.count,
		    listed->state.bytes,
		    (long long)(listed->since_us / 1000 - job->use_most_ms));
}
