/* SPDX-License-Identifier: MIT */
/*
 * The judge of keys, by what the outside sees.
 *
 * What an enqueue that coalesces is promised is a run of its key that began
 * after it was taken. It is open from when it is sent until one who had such a
 * run says that it is done; meanwhile, once it was answered, each list must
 * have a job, dead or not, that can stand for it. A body proves that a run
 * began after it: where they are appended, its own; where the last one counts,
 * its own or one that was not answered before it was sent.
 */
#include "tests/sim/known.h"

#include "base/check.h"
#include "tests/sim/sim.h"
#include "tests/sim/time.h"

#include <string.h>

/* A relaxed job is on the disk by then; see oracle.c. */
#define RELAXED_SAFE_US (8 * 1000000)

struct key {
	uint32_t open;	  /* tokens */
	uint32_t present; /* jobs that the list of now has; number + 1 */
	uint64_t running; /* the last job that began */
	uint64_t started; /* the highest id of a serial one that began */
	uint8_t urgency;  /* the most urgent priority of an enqueue */
	bool steered;
};

static struct key keys[QUEUES][KEYS_MOST + 1];

void
keys_reset(void)
{
	memset(keys, 0, sizeof(keys));
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 1; k <= KEYS_MOST; k++)
			keys[i][k].urgency = UINT8_MAX;
}

static struct key *
key_of(const struct token *token)
{
	return &keys[token->enqueue.queue][token->enqueue.key];
}

static const struct token *
token_of(const struct known *job)
{
	return oracle_token(job->token);
}

enum key_mode
keys_mode(const struct token *token)
{
	if (token->enqueue.key == 0)
		return KEY_PARALLEL;
	if (token->enqueue.mode < KEY_MODE_COUNT)
		return token->enqueue.mode;
	return queue_rules(token->enqueue.queue)->mode;
}

static enum key_merge
rule_of(const struct token *token)
{
	return queue_rules(token->enqueue.queue)->merge;
}

bool
keys_append(const struct token *token)
{
	return keys_mode(token) == KEY_COALESCE &&
	    rule_of(token) == MERGE_APPEND;
}

bool
keys_are_one(const struct token *one, const struct token *other)
{
	return one->enqueue.queue == other->enqueue.queue &&
	    one->enqueue.key == other->enqueue.key &&
	    keys_mode(one) == KEY_COALESCE && keys_mode(other) == KEY_COALESCE;
}

void
keys_steered(const struct known *job)
{
	if (keys_mode(token_of(job)) == KEY_COALESCE)
		key_of(token_of(job))->steered = true;
}

bool
keys_is_steered(const struct known *job)
{
	return keys_mode(token_of(job)) == KEY_COALESCE &&
	    key_of(token_of(job))->steered;
}

/* ---- open enqueues ---- */

/* Was it taken before the other one, for certain? */
static bool
is_before(const struct token *token, const struct token *other)
{
	return token->answers == token->sends &&
	    token->answered_at < other->sent_at;
}

void
keys_sent(uint32_t number)
{
	struct token *token = oracle_token(number);
	struct key *key = key_of(token);
	if (keys_mode(token) != KEY_COALESCE)
		return;
	if (token->enqueue.priority < key->urgency)
		key->urgency = token->enqueue.priority;
	if (token->open)
		return;
	token->open = true;
	token->next_open = key->open;
	key->open = number;
}

/* Closes those of the key for which is_over holds. */
static void
close_tokens(struct key *key, const struct known *job,
    bool (*is_over)(const struct known *job, const struct token *token))
{
	uint32_t *link = &key->open;
	while (*link != 0) {
		struct token *token = oracle_token(*link);
		if (!is_over(job, token)) {
			link = &token->next_open;
			continue;
		}
		token->open = false;
		*link = token->next_open;
	}
}

/* Did the last run of the job begin after the enqueue was taken? */
static bool
has_run(const struct known *job, const struct token *token)
{
	switch (rule_of(token)) {
	case MERGE_APPEND:
		return token->run_id == job->id &&
		    token->run_delivery == job->delivery &&
		    job->run_at > token->sent_at;
	case MERGE_LAST:
		return !is_before(oracle_token(job->run_token), token);
	case MERGE_FIRST:
		return job->run_at > token->sent_at;
	case KEY_MERGE_COUNT:
		break;
	}
	UNREACHABLE();
}

/* ---- answers ---- */

/* Is it certain that it has been running since before that moment? */
static bool
runs_since(const struct known *job, uint64_t moment)
{
	return job->runner != 0 && oracle_is_live(job->runner) &&
	    job->run_at < moment && job->said_delivery != job->delivery &&
	    !job->may_be_lost;
}

void
keys_acknowledged(uint32_t number, struct known *job, struct span result)
{
	const struct token *token = oracle_token(number);
	enum key_mode mode = keys_mode(token);
	bool is_merged = span_is_text(result, "merged");
	bool is_behind = span_is_text(result, "behind");
	if ((is_merged && mode != KEY_COALESCE) ||
	    (is_behind && mode == KEY_PARALLEL) ||
	    (!is_merged && !is_behind && !span_is_text(result, "new")))
		broken("an answer says what became of an enqueue",
		    "job %llu, mode %d: %.*s", (unsigned long long)job->id,
		    (int)mode, (int)result.count, result.bytes);
	if (is_behind)
		sight(SIGHT_KEY_BEHIND);
	if (mode != KEY_COALESCE)
		return;
	if (is_merged && runs_since(job, token->sent_at))
		broken("nothing is merged into a job that has begun",
		    "token %u into job %llu, delivery %lld", number,
		    (unsigned long long)job->id, (long long)job->delivery);
	if (token->enqueue.priority < job->urgency)
		job->urgency = token->enqueue.priority;
}

/* ---- runs ---- */

static void
check_merged(const struct known *job, uint32_t number, int64_t priority)
{
	if (job->folded)
		broken("what was folded into another job never runs",
		    "job %llu", (unsigned long long)job->id);
	if (priority > job->urgency ||
	    priority < key_of(oracle_token(number))->urgency ||
	    priority > oracle_token(number)->enqueue.priority)
		broken("a merged job has the most urgent priority",
		    "job %llu: %lld, and %u was told",
		    (unsigned long long)job->id, (long long)priority,
		    job->urgency);
}

/* Of the serial ones that were not delayed the one with the lowest id that has
 * not ended is the one that runs. */
static void
check_serial(const struct known *job, struct key *key)
{
	if (job->id < key->started)
		broken("serial jobs run in the order of their enqueues",
		    "job %llu is given, and %llu has begun",
		    (unsigned long long)job->id,
		    (unsigned long long)key->started);
	key->started = job->id;
}

void
keys_delivered(
    struct known *job, uint32_t number, const struct delivered *delivered)
{
	const struct token *token = oracle_token(number);
	job->run_at = oracle_moment();
	job->run_token = number;
	if (job->may_be_lost || !oracle_is_live(delivered->holder) ||
	    job->revived)
		return;
	if (keys_mode(token) == KEY_COALESCE)
		check_merged(job, number, delivered->priority);
	if (keys_mode(token) == KEY_SERIAL && token->enqueue.delay_ms == 0 &&
	    token->enqueue.at_ms == 0)
		check_serial(job, key_of(token));
}

void
keys_run_begins(const struct known *job)
{
	const struct token *token = token_of(job);
	struct key *key = key_of(token);
	if (keys_mode(token) == KEY_PARALLEL || job->may_be_lost)
		return;
	const struct known *other =
	    key->running != 0 ? oracle_job(key->running) : NULL;
	if (other != NULL && other != job && other->runner != 0 &&
	    oracle_is_live(other->runner) && !other->may_be_lost)
		broken("no two live runs of a key",
		    "job %llu begins with holder %u and job %llu runs with "
		    "holder %u",
		    (unsigned long long)job->id, job->runner,
		    (unsigned long long)other->id, other->runner);
	key->running = job->id;
}

void
keys_said_done(const struct known *job)
{
	const struct token *token = token_of(job);
	if (keys_mode(token) == KEY_COALESCE)
		close_tokens(key_of(token), job, has_run);
}

/* ---- deaths ---- */

static bool
is_in_memory(const struct known *job, const struct token *token)
{
	(void)job;
	return queue_rules(token->enqueue.queue)->promise == PROMISE_MEMORY;
}

/* May it be lost with the power? */
static bool
is_unsafe(const struct known *job, const struct token *token)
{
	(void)job;
	return queue_rules(token->enqueue.queue)->promise != PROMISE_SYNC &&
	    (token->answered_life != queue_life() ||
		time_now_us() - token->answered_us <= RELAXED_SAFE_US);
}

static void
close_all(bool (*is_over)(const struct known *job, const struct token *token))
{
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 1; k <= KEYS_MOST; k++)
			close_tokens(&keys[i][k], NULL, is_over);
}

void
keys_queue_died(void)
{
	close_all(is_in_memory);
}

/* What had ended, and was not confirmed, may run again. */
void
keys_power_lost(void)
{
	close_all(is_unsafe);
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 1; k <= KEYS_MOST; k++)
			keys[i][k].started = 0;
}

/* ---- lists ---- */

void
keys_list_begins(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 1; k <= KEYS_MOST; k++)
			keys[i][k].present = 0;
}

void
keys_listed(struct known *job)
{
	const struct token *token = token_of(job);
	if (keys_mode(token) != KEY_COALESCE)
		return;
	struct key *key = key_of(token);
	job->next_present = key->present;
	key->present = (uint32_t)(job - oracle_job_at(0)) + 1;
}

void
keys_absent(struct known *job)
{
	if (job->runner != 0 && oracle_is_live(job->runner) &&
	    job->said_delivery != job->delivery)
		broken("a job that runs is folded into none", "job %llu",
		    (unsigned long long)job->id);
	job->folded = true;
}

/* Can a job that is in the list be the one that stands for the enqueue? */
static bool
stands_for(const struct known *job, const struct token *token)
{
	switch (rule_of(token)) {
	case MERGE_APPEND:
		return !job->list_whole ||
		    (token->list == job->list && token->list_id == job->id);
	case MERGE_LAST:
		return !is_before(oracle_token(job->list_token), token);
	case MERGE_FIRST:
		return !runs_since(job, token->sent_at);
	case KEY_MERGE_COUNT:
		break;
	}
	UNREACHABLE();
}

static void
check_open(const struct key *key, uint64_t moment)
{
	if (key->steered)
		return;
	for (uint32_t number = key->open; number != 0;) {
		const struct token *token = oracle_token(number);
		uint32_t at = key->present;
		while (at != 0 && !stands_for(oracle_job_at(at - 1), token))
			at = oracle_job_at(at - 1)->next_present;
		if (at == 0 && token->answered_at != 0 &&
		    token->answered_at < moment)
			broken("each event has a run that began after it",
			    "token %u, queue %s, key %u: no job stands for it",
			    number, queue_rules(token->enqueue.queue)->name,
			    token->enqueue.key);
		number = token->next_open;
	}
}

static void
check_at_rest(const struct key *key)
{
	unsigned count = 0;
	const struct token *token = NULL;
	for (uint32_t at = key->present; at != 0;
	     at = oracle_job_at(at - 1)->next_present) {
		token = token_of(oracle_job_at(at - 1));
		count += !oracle_job_at(at - 1)->list_dead;
	}
	if (count > 2 && !keys_append(token))
		broken("one job of a key waits at most",
		    "queue %s, key %u: %u jobs",
		    queue_rules(token->enqueue.queue)->name, token->enqueue.key,
		    count);
}

void
keys_list_ends(uint64_t moment, bool whole)
{
	for (unsigned i = 0; i < QUEUES && whole; i++) {
		for (unsigned k = 1; k <= KEYS_MOST; k++) {
			check_open(&keys[i][k], moment);
			check_at_rest(&keys[i][k]);
		}
	}
}

void
keys_judge(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		for (unsigned k = 1; k <= KEYS_MOST; k++)
			check_open(&keys[i][k], UINT64_MAX);
}
