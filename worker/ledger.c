/* SPDX-License-Identifier: MIT */
#include "worker/ledger.h"

#include "base/check.h"
#include "base/planted.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void
ledger_init(struct ledger *ledger, uint32_t max_demand, uint32_t min_demand)
{
	CHECK(min_demand < max_demand);
	*ledger = (struct ledger){ .max_demand = max_demand,
		.min_demand = min_demand };
	slab_init(&ledger->jobs, sizeof(struct ledger_job));
	TAILQ_INIT(&ledger->in_hand);
	TAILQ_INIT(&ledger->unsent);
	TAILQ_INIT(&ledger->sent);
	TAILQ_INIT(&ledger->requested);
}

/* ---- what a failure leaves behind ---- */

/* Without memory, or room for it, the failure is told without it. */
static void
keep_errors(struct ledger *ledger, struct ledger_job *job)
{
	struct span *errors = &job->outcome.errors;
	const struct span given = *errors;
	*errors = (struct span){ 0 };
	if (job->outcome.verdict == OUTCOME_DONE || given.count == 0 ||
	    given.count > LEDGER_ERRORS_BYTES_MAX - ledger->errors_bytes)
		return;
	char *copy = malloc(given.count);
	if (copy == NULL)
		return;
	memcpy(copy, given.bytes, given.count);
	*errors = (struct span){ copy, given.count };
	ledger->errors_bytes += given.count;
}

static void
drop_errors(struct ledger *ledger, struct ledger_job *job)
{
	ledger->errors_bytes -= job->outcome.errors.count;
	free((void *)(uintptr_t)job->outcome.errors.bytes);
	job->outcome.errors = (struct span){ 0 };
}

static void
drop_errors_of(struct ledger *ledger, struct ledger_list *list)
{
	struct ledger_job *job;
	TAILQ_FOREACH(job, list, in_list)
		drop_errors(ledger, job);
}

void
ledger_release(struct ledger *ledger)
{
	drop_errors_of(ledger, &ledger->unsent);
	drop_errors_of(ledger, &ledger->sent);
	drop_errors_of(ledger, &ledger->requested);
	slab_release(&ledger->jobs);
}

/* ---- lists ---- */

static struct ledger_list *
list_of(struct ledger *ledger, enum ledger_state state)
{
	switch (state) {
	case LEDGER_WAITING:
	case LEDGER_RUNNING:
	case LEDGER_STOPPING:
		return &ledger->in_hand;
	case LEDGER_UNSENT:
		return &ledger->unsent;
	case LEDGER_SENT:
		return &ledger->sent;
	case LEDGER_REQUESTED:
		return &ledger->requested;
	}
	UNREACHABLE();
}

static bool
is_in_hand(const struct ledger_job *job)
{
	return job->state <= LEDGER_STOPPING;
}

static bool
is_failure(const struct ledger_job *job)
{
	return !is_in_hand(job) && job->outcome.verdict != OUTCOME_DONE;
}

static void
count(struct ledger *ledger, const struct ledger_job *job, bool comes)
{
	uint32_t one = comes ? 1 : UINT32_MAX; /* adds 1, or takes 1 away */
	if (is_in_hand(job))
		ledger->in_hand_count += one;
	if (job->state == LEDGER_STOPPING)
		ledger->stopping_count += one;
	if (is_failure(job))
		ledger->failure_count += one;
}

static void
enter(struct ledger *ledger, struct ledger_job *job, enum ledger_state state)
{
	job->state = state;
	TAILQ_INSERT_TAIL(list_of(ledger, state), job, in_list);
	count(ledger, job, true);
}

static void
leave(struct ledger *ledger, struct ledger_job *job)
{
	count(ledger, job, false);
	TAILQ_REMOVE(list_of(ledger, job->state), job, in_list);
}

static void
move(struct ledger *ledger, struct ledger_job *job, enum ledger_state state)
{
	leave(ledger, job);
	enter(ledger, job, state);
}

static void
forget(struct ledger *ledger, struct ledger_job *job)
{
	leave(ledger, job);
	drop_errors(ledger, job);
	slab_give(&ledger->jobs, job->handle);
}

static struct ledger_job *
find(struct ledger_list *list, uint64_t id)
{
	struct ledger_job *job;
	TAILQ_FOREACH(job, list, in_list)
		if (job->id == id && job->state != LEDGER_STOPPING)
			return job;
	return NULL;
}

static struct ledger_job *
find_unconfirmed(struct ledger *ledger, uint64_t id)
{
	struct ledger_list *lists[] = { &ledger->unsent, &ledger->sent,
		&ledger->requested };
	struct ledger_job *found = NULL;
	for (size_t i = 0; i < 3 && found == NULL; i++)
		found = find(lists[i], id);
	return found;
}

/* ---- how much to ask ---- */

static uint32_t
replenish(struct ledger *ledger)
{
	uint32_t max = ledger->max_demand;
	uint32_t min = ledger->min_demand;
	uint32_t outstanding = ledger->owed + ledger->in_hand_count;
	if (!ledger->connected || ledger->quiet ||
	    ledger->appetite == LEDGER_FASTING ||
	    ledger->appetite == LEDGER_RESTING)
		return 0;
	if (ledger->appetite == LEDGER_TASTING) {
		max = 1;
		min = 0;
	}
	if (outstanding > min)
		return 0;
	ledger->owed += max - outstanding;
	return max - outstanding;
}

/* ---- results ---- */

static void
make_request(struct ledger *ledger, struct ledger_job *job)
{
	job->msgid = ++ledger->last_request;
	move(ledger, job, LEDGER_REQUESTED);
}

/* A delivery is answered on the connection that brought it. On a later one its
 * msgid means nothing, and the result is a request of its own. */
static void
finish(struct ledger *ledger, struct ledger_job *job,
    const struct outcome *outcome, struct ledger_wishes *wishes)
{
	leave(ledger, job);
	job->outcome = *outcome;
	keep_errors(ledger, job);
	enter(ledger, job, LEDGER_UNSENT);
	if (!ledger->connected)
		return;
	if (job->connection == ledger->connection) {
		job->number = ++ledger->responses;
		move(ledger, job, LEDGER_SENT);
	} else {
		make_request(ledger, job);
	}
	wishes->send = job;
}

struct ledger_job *
ledger_resend(struct ledger *ledger)
{
	struct ledger_job *job = TAILQ_FIRST(&ledger->unsent);
	if (job != NULL)
		make_request(ledger, job);
	return job;
}

bool
ledger_is_settled(const struct ledger *ledger)
{
	return TAILQ_EMPTY(&ledger->unsent) && TAILQ_EMPTY(&ledger->sent) &&
	    TAILQ_EMPTY(&ledger->requested);
}

/* ---- what is held ---- */

static const struct ledger_job *
first_wanted(const struct ledger_job *job)
{
	while (job != NULL && job->state == LEDGER_STOPPING)
		job = TAILQ_NEXT(job, in_list);
	return job;
}

/* After LOST there are no others than these two lists. */
const struct ledger_job *
ledger_next_held(const struct ledger *ledger, const struct ledger_job *job)
{
	const struct ledger_job *next = job == NULL
	    ? TAILQ_FIRST(&ledger->in_hand)
	    : TAILQ_NEXT(job, in_list);
	next = first_wanted(next);
	if (next == NULL && (job == NULL || is_in_hand(job)))
		next = TAILQ_FIRST(&ledger->unsent);
	return next;
}

uint32_t
ledger_held_count(const struct ledger *ledger)
{
	uint32_t held = 0;
	const struct ledger_job *job = NULL;
	while ((job = ledger_next_held(ledger, job)) != NULL)
		held++;
	return held;
}

/* ---- facts ---- */

static void
stop(
    struct ledger *ledger, struct ledger_job *job, struct ledger_wishes *wishes)
{
	move(ledger, job, LEDGER_STOPPING);
	wishes->stop = job;
}

static struct ledger_job *
take(struct ledger *ledger, uint64_t id)
{
	uint32_t handle = slab_take(&ledger->jobs);
	if (handle == 0)
		return NULL;
	struct ledger_job *job = slab_at(&ledger->jobs, handle);
	job->handle = handle;
	job->id = id;
	return job;
}

static bool
is_being_stopped(const struct ledger *ledger, uint64_t id)
{
	const struct ledger_job *job;
	if (ledger->stopping_count == 0)
		return false;
	TAILQ_FOREACH(job, &ledger->in_hand, in_list)
		if (job->id == id && job->state == LEDGER_STOPPING)
			return true;
	return false;
}

/* A new delivery of a job means that the queue has done with the one before:
 * its result, if it is still here, is confirmed, its run is void. */
static struct ledger_job *
supersede(struct ledger *ledger, uint64_t id, struct ledger_wishes *wishes)
{
	struct ledger_job *old =
	    ledger->failure_count > 0 ? find_unconfirmed(ledger, id) : NULL;
	if (old != NULL)
		forget(ledger, old);
	old = find(&ledger->in_hand, id);
	if (old == NULL || old->state == LEDGER_WAITING)
		return old;
	stop(ledger, old, wishes);
	return NULL;
}

/* A queue that gives more than was asked for is owed nothing. */
static void
note_delivery(struct ledger *ledger)
{
	if (ledger->owed > 0)
		ledger->owed--;
}

static void
see_refused(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	(void)fact;
	note_delivery(ledger);
	ledger->responses++;
	wishes->ask = replenish(ledger);
}

static void
see_job(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	static const struct outcome stopped = { .verdict = OUTCOME_RELEASE,
		.cause = OUTCOME_CAUSE_STOPPED };
	struct ledger_job *job = supersede(ledger, fact->job.id, wishes);
	if (job == NULL) {
		job = take(ledger, fact->job.id);
		if (job == NULL) {
			wishes->full = true;
			see_refused(ledger, fact, wishes);
			return;
		}
		enter(ledger, job, LEDGER_WAITING);
	}
	note_delivery(ledger);
	job->msgid = fact->job.msgid;
	job->delivery = fact->job.delivery;
	job->connection = ledger->connection;
	if (is_being_stopped(ledger, job->id)) {
		wishes->keep = job;
	} else if (ledger->quiet || ledger->appetite == LEDGER_RESTING) {
		finish(ledger, job, &stopped, wishes);
	} else {
		move(ledger, job, LEDGER_RUNNING);
		wishes->run = job;
	}
}

/* The one that waited for this one's end. */
static void
see_successor(struct ledger *ledger, uint64_t id, struct ledger_wishes *wishes)
{
	struct ledger_job *job = find(&ledger->in_hand, id);
	if (job == NULL || is_being_stopped(ledger, id))
		return;
	CHECK(job->state == LEDGER_WAITING);
	if (ledger->quiet) { /* it comes back when the worker ends */
		stop(ledger, job, wishes);
		return;
	}
	move(ledger, job, LEDGER_RUNNING);
	wishes->run = job;
}

static void
see_exited(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	struct ledger_job *job = fact->exited.job;
	CHECK(is_in_hand(job));
	if (job->state == LEDGER_STOPPING) {
		uint64_t id = job->id;
		forget(ledger, job);
		see_successor(ledger, id, wishes);
	} else {
		finish(ledger, job, &fact->exited.outcome, wishes);
	}
	wishes->ask = replenish(ledger);
}

static void
see_settled(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	struct ledger_job *job;
	(void)wishes;
	while ((job = TAILQ_FIRST(&ledger->sent)) != NULL &&
	    job->number <= fact->settled)
		forget(ledger, job);
}

/* Answers mostly come in the order of the requests. */
static void
see_answered(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	struct ledger_job *job;
	(void)wishes;
	TAILQ_FOREACH(job, &ledger->requested, in_list) {
		if (job->msgid != fact->answered)
			continue;
		forget(ledger, job);
		return;
	}
}

static void
see_connected(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	(void)fact;
	CHECK(!ledger->connected);
	ledger->connected = true;
	ledger->connection++;
	ledger->responses = 0;
	ledger->last_request = LEDGER_SUBSCRIBE_MSGID;
	wishes->ask = replenish(ledger);
}

static void
unsend(struct ledger *ledger, struct ledger_list *list)
{
	struct ledger_job *job;
	while ((job = TAILQ_FIRST(list)) != NULL)
		move(ledger, job, LEDGER_UNSENT);
}

static void
see_lost(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	(void)fact;
	(void)wishes;
	ledger->connected = false;
	ledger->owed = 0;
	if (PLANTED(UNSETTLED_RESULTS_DROPPED))
		while (!TAILQ_EMPTY(&ledger->sent))
			forget(ledger, TAILQ_FIRST(&ledger->sent));
	unsend(ledger, &ledger->sent);
	unsend(ledger, &ledger->requested);
}

/* Only what an earlier connection brought was asked about: a delivery of this
 * one may have overtaken the answer. */
static void
see_unknown(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	struct ledger_job *job = find(&ledger->in_hand, fact->unknown);
	if (job != NULL && job->connection < ledger->connection)
		stop(ledger, job, wishes);
	job = find_unconfirmed(ledger, fact->unknown);
	if (job != NULL && job->connection < ledger->connection)
		forget(ledger, job);
}

static void
see_end(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	struct ledger_job *job = find(&ledger->in_hand, fact->end.id);
	if (job != NULL &&
	    (fact->end.delivery == 0 || fact->end.delivery == job->delivery))
		wishes->end = job;
}

static void
see_quiet(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	(void)fact;
	(void)wishes;
	ledger->quiet = true;
}

static void
see_appetite(struct ledger *ledger, const struct ledger_fact *fact,
    struct ledger_wishes *wishes)
{
	ledger->appetite = fact->appetite;
	wishes->ask = replenish(ledger);
}

/* ---- verification ---- */

/* What the counters should be. */
struct census {
	uint32_t in_hand;
	uint32_t stopping;
	uint32_t failures;
	size_t errors_bytes;
	uint64_t number; /* of the last response that is not settled */
};

static const char *
verify_job(const struct ledger *ledger, const struct ledger_job *job,
    struct census *census)
{
	const struct ledger_job *other;
	census->in_hand += is_in_hand(job);
	census->stopping += job->state == LEDGER_STOPPING;
	census->failures += is_failure(job);
	census->errors_bytes += job->outcome.errors.count;
	if (job->state == LEDGER_SENT && job->number <= census->number)
		return "responses are out of order";
	if (job->state == LEDGER_SENT)
		census->number = job->number;
	if (job->connection > ledger->connection)
		return "a job came on a connection that never was";
	if (!is_in_hand(job) || job->state == LEDGER_STOPPING)
		return NULL;
	TAILQ_FOREACH(other, &ledger->in_hand, in_list)
		if (other != job && other->id == job->id &&
		    other->state != LEDGER_STOPPING)
			return "a job is in hand twice";
	if (job->state == LEDGER_RUNNING && is_being_stopped(ledger, job->id))
		return "two runs of one job overlap";
	return NULL;
}

static const char *
verify_list(const struct ledger *ledger, const struct ledger_list *list,
    enum ledger_state first, enum ledger_state last, struct census *census)
{
	const struct ledger_job *job;
	TAILQ_FOREACH(job, list, in_list) {
		if (job->state < first || job->state > last)
			return "a job is in a list of another state";
		const char *wrong = verify_job(ledger, job, census);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

static const char *
verify_counts(const struct ledger *ledger, const struct census *census)
{
	bool elsewhere =
	    !TAILQ_EMPTY(&ledger->sent) || !TAILQ_EMPTY(&ledger->requested);
	if (census->in_hand != ledger->in_hand_count ||
	    census->stopping != ledger->stopping_count ||
	    census->failures != ledger->failure_count ||
	    census->errors_bytes != ledger->errors_bytes)
		return "a counter is wrong";
	if (census->number > ledger->responses)
		return "a response was never given";
	if (!ledger->connected && (elsewhere || ledger->owed > 0))
		return "a lost connection is owed something";
	return NULL;
}

const char *
ledger_verify(const struct ledger *ledger)
{
	struct census census = { 0 };
	const char *wrong = verify_list(
	    ledger, &ledger->in_hand, LEDGER_WAITING, LEDGER_STOPPING, &census);
	if (wrong == NULL)
		wrong = verify_list(ledger, &ledger->unsent, LEDGER_UNSENT,
		    LEDGER_UNSENT, &census);
	if (wrong == NULL)
		wrong = verify_list(
		    ledger, &ledger->sent, LEDGER_SENT, LEDGER_SENT, &census);
	if (wrong == NULL)
		wrong = verify_list(ledger, &ledger->requested,
		    LEDGER_REQUESTED, LEDGER_REQUESTED, &census);
	return wrong != NULL ? wrong : verify_counts(ledger, &census);
}

/* ---- the step ---- */

struct ledger_wishes
ledger_step(struct ledger *ledger, const struct ledger_fact *fact)
{
	static void (*const seers[])(struct ledger *,
	    const struct ledger_fact *, struct ledger_wishes *) = {
		[LEDGER_JOB] = see_job,
		[LEDGER_REFUSED] = see_refused,
		[LEDGER_EXITED] = see_exited,
		[LEDGER_SETTLED] = see_settled,
		[LEDGER_ANSWERED] = see_answered,
		[LEDGER_CONNECTED] = see_connected,
		[LEDGER_LOST] = see_lost,
		[LEDGER_UNKNOWN] = see_unknown,
		[LEDGER_END] = see_end,
		[LEDGER_QUIET] = see_quiet,
		[LEDGER_APPETITE] = see_appetite,
	};
	struct ledger_wishes wishes = { 0 };
	seers[fact->event](ledger, fact, &wishes);
#ifdef GSQ_VERIFY
	CHECK(ledger_verify(ledger) == NULL);
#endif
	return wishes;
}
