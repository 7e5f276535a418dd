/* SPDX-License-Identifier: MIT */
#include "tests/sim/oracle.h"

#include "base/check.h"
#include "tests/sim/known.h"
#include "tests/sim/sim.h"
#include "tests/sim/time.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX  4096u
#define HOLDERS_MAX 8192u
#define SLOTS	    16384u /* of the table by id; twice the jobs */
#define JOBS_MAX    (SLOTS / 2)

/* A relaxed job is on the disk within 10 ms; a queue that was stopped in
 * between takes longer. */
#define RELAXED_SAFE_US (8 * 1000000)

struct holder {
	bool supervised;
	bool gone;
	int64_t gone_us; /* of a supervised one, before anybody heard */
	uint64_t life;	 /* of the queue, when it came */
};

static struct {
	struct token tokens[TOKENS_MAX];
	uint32_t token_count;
	struct known jobs[JOBS_MAX];
	uint32_t job_count;
	uint32_t slots[SLOTS]; /* job + 1 */
	struct holder holders[HOLDERS_MAX];
	uint32_t holder_count;
	uint64_t moment;
	uint64_t list;
	uint32_t counted;    /* by the list that goes on */
	uint32_t unfinished; /* by the last whole one */
	int64_t power_us;    /* the last time that it went */
	char body[BODY_BYTES_HUGE];
} oracle;

void
oracle_reset(void)
{
	memset(oracle.slots, 0, sizeof(oracle.slots));
	oracle.token_count = oracle.job_count = 0;
	oracle.holder_count = 1; /* 0 is nobody */
	oracle.moment = 1;
	oracle.list = 0;
	oracle.unfinished = 0;
	oracle.power_us = 0;
	keys_reset();
	gates_reset();
	tickets_reset();
	times_reset();
}

uint64_t
oracle_moment(void)
{
	return oracle.moment++;
}

uint64_t
oracle_jobs(void)
{
	return oracle.job_count;
}

/* ---- jobs by id ---- */

static uint32_t *
slot_of(uint64_t id)
{
	uint64_t at = id * UINT64_C(0x9e3779b97f4a7c15) >> 50;
	for (;; at++) {
		uint32_t *slot = &oracle.slots[at % SLOTS];
		if (*slot == 0 || oracle.jobs[*slot - 1].id == id)
			return slot;
	}
}

static struct known *
find(uint64_t id)
{
	uint32_t slot = *slot_of(id);
	return slot != 0 ? &oracle.jobs[slot - 1] : NULL;
}

/* It is what that token enqueued. */
static void
give(struct known *job, uint32_t token)
{
	job->token = token;
	job->promise = queue_rules(oracle.tokens[token].enqueue.queue)->promise;
	/* It was steered by its id before that was given anew. */
	if (job->unwanted || job->revived || job->was_touched)
		keys_steered(job);
}

static struct known *
find_or_add(uint64_t id, uint32_t token)
{
	uint32_t *slot = slot_of(id);
	if (*slot != 0)
		return &oracle.jobs[*slot - 1];
	CHECK(oracle.job_count < JOBS_MAX);
	*slot = ++oracle.job_count;
	struct known *job = &oracle.jobs[*slot - 1];
	*job = (struct known){ .id = id,
		.urgency = UINT8_MAX,
		.use_most_ms = INT64_MAX,
		.use_wall_most_ms = INT64_MAX };
	give(job, token);
	return job;
}

struct known *
oracle_job(uint64_t id)
{
	return find(id);
}

struct known *
oracle_job_at(uint32_t at)
{
	return &oracle.jobs[at];
}

/* ---- tokens and bodies ---- */

uint32_t
oracle_new_token(const struct enqueue *enqueue)
{
	if (oracle.token_count + 1 >= TOKENS_MAX)
		return 0;
	uint32_t token = ++oracle.token_count;
	oracle.tokens[token] = (struct token){ .enqueue = *enqueue };
	return token;
}

struct token *
oracle_token(uint32_t number)
{
	return &oracle.tokens[number];
}

uint32_t
oracle_tokens(void)
{
	return oracle.token_count;
}

const struct enqueue *
oracle_enqueue(uint32_t token)
{
	return &oracle.tokens[token].enqueue;
}

const char *
oracle_key(uint8_t key)
{
	static const char *const texts[KEYS_MOST + 1] = { "", "user 1",
		"user 2", "the third" };
	return texts[key];
}

/* The first bytes of its body. */
static struct span
make_body(uint32_t token, uint32_t bytes)
{
	char *body = oracle.body;
	const uint32_t period = 256, first = BODY_BYTES_LEAST + period;
	for (uint32_t i = 0; i < BODY_BYTES_LEAST; i++)
		body[i] = (char)(token >> (i % 4 * 8));
	for (uint32_t i = BODY_BYTES_LEAST; i < bytes && i < first; i++)
		body[i] = (char)(token * 31 + i * (token % 7 + 1));
	for (uint32_t i = first; i < bytes; i += period)
		memcpy(body + i, body + i - period,
		    bytes - i < period ? bytes - i : period);
	return (struct span){ body, bytes };
}

struct span
oracle_body(uint32_t token)
{
	return make_body(token, oracle.tokens[token].enqueue.bytes);
}

static uint32_t
token_of(struct span body)
{
	uint32_t token = 0;
	for (uint32_t i = 0; i < 4; i++)
		token |= (uint32_t)(unsigned char)body.bytes[i] << (i * 8);
	return token <= oracle.token_count ? token : 0;
}

void
oracle_sent(uint32_t token)
{
	if (oracle.tokens[token].sends++ == 0)
		oracle.tokens[token].first_sent_us = time_now_us();
	oracle.tokens[token].sent_at = oracle_moment();
	oracle.tokens[token].sent_us = time_now_us();
	keys_sent(token);
	tickets_sent(token);
	times_sent(token);
}

/* ---- a sighting: the job is what somebody enqueued, byte for byte ---- */

/* What somebody shows of a job. */
struct shown {
	uint64_t id;
	struct span body;    /* its first bytes */
	uint64_t body_bytes; /* all of them */
	struct span queue;
	struct span key;
	int64_t priority;
	int64_t delivery; /* 0: it is only listed */
};

/* A body, of several perhaps, and what has been looked at. */
struct parts {
	const struct shown *shown;
	uint64_t at;
	uint32_t first;
};

static void
mark(struct token *token, const struct shown *shown)
{
	if (shown->delivery == 0) {
		token->list = oracle.list;
		token->list_id = shown->id;
	} else if (token->run_id != shown->id ||
	    token->run_delivery < shown->delivery) {
		token->run_id = shown->id;
		token->run_delivery = shown->delivery;
	}
}

/* The one that is due is looked at; false when that was the last, or nothing is
 * shown of the next one. */
static bool
check_part(struct parts *parts)
{
	const struct shown *shown = parts->shown;
	struct span rest = { shown->body.bytes + parts->at,
		shown->body.count - parts->at };
	uint64_t rest_bytes = shown->body_bytes - parts->at;
	if (rest.count < BODY_BYTES_LEAST && rest.count < rest_bytes)
		return false;
	uint32_t number = rest.count < BODY_BYTES_LEAST ? 0 : token_of(rest);
	if (number == 0 || oracle.tokens[number].sends == 0)
		broken("nothing unknown appears",
		    "job %llu has a body that nobody sent",
		    (unsigned long long)shown->id);
	struct token *token = &oracle.tokens[number];
	uint32_t bytes = token->enqueue.bytes;
	bool is_last = bytes == rest_bytes;
	bool is_good = bytes <= rest_bytes && (is_last || keys_append(token)) &&
	    (parts->first == 0 ||
		keys_are_one(token, &oracle.tokens[parts->first]));
	size_t most = rest.count < bytes ? rest.count : bytes;
	is_good = is_good &&
	    memcmp(rest.bytes, make_body(number, (uint32_t)most).bytes, most) ==
		0 &&
	    (is_last || rest.count <= bytes || rest.bytes[bytes] == '\n');
	if (!is_good)
		broken("bodies come back byte for byte", "job %llu of token %u",
		    (unsigned long long)shown->id, number);
	mark(token, shown);
	if (parts->first == 0)
		parts->first = number;
	parts->at += bytes + 1;
	return !is_last && parts->at < shown->body.count;
}

/* Returns the token of its body, or of the first part of that. */
static uint32_t
look_at_body(const struct shown *shown)
{
	struct parts parts = { .shown = shown };
	if (shown->body.count > shown->body_bytes)
		broken("bodies come back byte for byte", "job %llu",
		    (unsigned long long)shown->id);
	while (check_part(&parts))
		continue;
	return parts.first;
}

static struct known *
see(const struct shown *shown, uint32_t number)
{
	const struct token *token = &oracle.tokens[number];
	if (!span_is_text(
		shown->queue, queue_rules(token->enqueue.queue)->name) ||
	    !span_is_text(shown->key, oracle_key(token->enqueue.key)) ||
	    (shown->priority != token->enqueue.priority &&
		keys_mode(token) != KEY_COALESCE))
		broken("queue, key and priority are kept", "job %llu",
		    (unsigned long long)shown->id);
	struct known *job = find_or_add(shown->id, number);
	if (job->token == number ||
	    keys_are_one(&oracle.tokens[job->token], token))
		return job;
	/* Listed before it was on the disk, then lost with the power. */
	if (job->is_known)
		broken("no id is given twice", "job %llu of tokens %u and %u",
		    (unsigned long long)shown->id, job->token, number);
	give(job, number);
	return job;
}

/* From now on it must not be lost. */
static void
become_known(struct known *job, bool late)
{
	struct token *token = &oracle.tokens[job->token];
	if (job->is_known)
		return;
	job->is_known = true;
	job->may_be_lost = late && job->promise == PROMISE_MEMORY;
	job->known_at = oracle_moment();
	job->known_us = time_now_us();
	job->known_life = queue_life();
	tickets_known(job);
	times_known(job);
	if (keys_mode(token) == KEY_COALESCE)
		return;
	token->ids++;
	if (token->ids == 2)
		sight(SIGHT_RETRY_MADE_TWO);
	if (token->ids > token->sends)
		broken("each request makes its jobs once",
		    "token %u was sent %u times and made %u jobs", job->token,
		    token->sends, token->ids);
}

/* The id of an answer is that of a new job, unless it was merged into one or
 * said before. */
static struct known *
answered_job(const struct acknowledged *acknowledged)
{
	struct token *token = &oracle.tokens[acknowledged->token];
	struct known *job = find_or_add(acknowledged->id, acknowledged->token);
	bool is_new = !acknowledged->is_repeated &&
	    !span_is_text(acknowledged->result, "merged");
	if (job->token != acknowledged->token && job->is_known &&
	    !keys_are_one(&oracle.tokens[job->token], token))
		broken("no id is given twice", "job %llu of tokens %u and %u",
		    (unsigned long long)job->id, job->token,
		    acknowledged->token);
	if (job->acknowledged && is_new)
		broken("no id is given twice", "job %llu was answered twice",
		    (unsigned long long)job->id);
	if (!job->is_known)
		give(job, acknowledged->token);
	job->acknowledged |= is_new;
	return job;
}

static void
check_merge(const struct known *job, uint32_t number)
{
	if (job->ended == ENDED_GONE &&
	    job->ended_at < oracle.tokens[number].sent_at)
		broken("what was cancelled or deleted is gone",
		    "token %u was merged into job %llu", number,
		    (unsigned long long)job->id);
}

void
oracle_acknowledged(const struct acknowledged *acknowledged)
{
	static const char *const words[] = {
		[PROMISE_SYNC] = "sync",
		[PROMISE_RELAXED] = "relaxed",
		[PROMISE_MEMORY] = "memory",
	};
	struct token *token = &oracle.tokens[acknowledged->token];
	struct span durability = acknowledged->durability;
	struct known *job = answered_job(acknowledged);
	tickets_acknowledged(acknowledged, job);
	if (!acknowledged->is_repeated) {
		check_merge(job, acknowledged->token);
		gates_acknowledged(token);
	}
	token->acknowledged = true;
	token->answers++;
	token->answered_at = oracle_moment();
	token->answered_job = job->id;
	token->answered_us = time_now_us();
	token->answered_life = queue_life();
	become_known(job, acknowledged->late);
	keys_acknowledged(acknowledged->token, job, acknowledged->result);
	if (token->sends > 1 && token->ids == 1 && token->enqueue.ticket == 0)
		sight(SIGHT_RETRY_MADE_ONE);
	if (!span_is_text(durability, words[job->promise]))
		broken("the answer says what it promises", "job %llu: %.*s",
		    (unsigned long long)job->id, (int)durability.count,
		    durability.bytes);
}

/* ---- holders ---- */

uint32_t
oracle_new_holder(bool supervised)
{
	CHECK(oracle.holder_count < HOLDERS_MAX);
	oracle.holders[oracle.holder_count] =
	    (struct holder){ .supervised = supervised, .life = queue_life() };
	return oracle.holder_count++;
}

void
oracle_holder_gone(uint32_t holder)
{
	oracle.holders[holder].gone = true;
	oracle.holders[holder].gone_us = time_now_us();
}

const struct queue_rules *
oracle_rules(const struct known *job)
{
	return queue_rules(oracle.tokens[job->token].enqueue.queue);
}

bool
oracle_is_live(uint32_t number)
{
	const struct holder *holder = &oracle.holders[number];
	if (number == 0 || holder->gone)
		return false;
	return holder->supervised || holder->life == queue_life();
}

/* Has the last delivery that was seen ended for a reason that is known? */
static bool
has_reason(const struct known *job)
{
	if (!oracle_is_live(job->holder))
		return true;
	return job->said_delivery == job->delivery && job->said != SAID_DONE;
}

static void
check_attempt(const struct known *job, const struct delivered *delivered)
{
	int64_t more = delivered->attempt - job->attempt;
	int64_t runs = delivered->delivery - job->delivery;
	uint32_t most = oracle_rules(job)->max_attempts;
	bool exact =
	    job->delivery > 0 && runs == 1 && oracle_is_live(job->holder);
	if ((job->is_loose || keys_is_steered(job)) && delivered->attempt > 0 &&
	    delivered->attempt <= most)
		return;
	if (more < 0 || more > runs || delivered->attempt > most ||
	    (exact && more != (job->said == SAID_FAIL) &&
		!(more == 1 && steered_may_count(job))))
		broken("attempts count up by one, and only what counts",
		    "job %llu: attempt %lld of delivery %lld, before %lld of "
		    "%lld, said %d",
		    (unsigned long long)job->id, (long long)delivered->attempt,
		    (long long)delivered->delivery, (long long)job->attempt,
		    (long long)job->delivery, (int)job->said);
}

/* What an old queue had sent may be late for a foreign worker. */
static bool
is_late(const struct known *job, const struct delivered *delivered)
{
	return !oracle_is_live(delivered->holder) &&
	    delivered->delivery < job->delivery;
}

/* At what moment the run before was over, at the earliest. Of a foreign one
 * that is when its connection broke, and the queue may see that long before the
 * worker does, which goes on to say things. */
static int64_t
free_us(const struct known *job)
{
	const struct holder *holder = &oracle.holders[job->holder];
	if (!holder->supervised)
		return job->decided_us;
	if (job->said_delivery == job->delivery)
		return job->said_us;
	return holder->gone ? holder->gone_us : job->decided_us;
}

/* At what moment the delivery was decided, at the earliest. */
static int64_t
decided_us(const struct known *job, uint32_t number)
{
	int64_t us = oracle.tokens[number].first_sent_us;
	if (us < oracle.power_us)
		us = oracle.power_us;
	if (job->delivery > 0 && us < free_us(job))
		us = free_us(job);
	return us;
}

static void
check_order(const struct known *job, const struct delivered *delivered)
{
	if (job->ended == ENDED_GONE)
		broken("what was cancelled or deleted is gone",
		    "job %llu, delivery %lld", (unsigned long long)job->id,
		    (long long)delivered->delivery);
	if (job->ended != ENDED_NOT)
		broken("nothing runs after its acknowledged end",
		    "job %llu, delivery %lld", (unsigned long long)job->id,
		    (long long)delivered->delivery);
	if (job->delivery == 0)
		return;
	if (delivered->delivery <= job->delivery)
		broken("delivery numbers rise",
		    "job %llu: delivery %lld after %lld",
		    (unsigned long long)job->id, (long long)delivered->delivery,
		    (long long)job->delivery);
	sight(SIGHT_REDELIVERED);
	if (delivered->delivery == job->delivery + 1 && !has_reason(job))
		broken("a job is given again only for a reason",
		    "job %llu: delivery %lld to holder %u, and holder %u lives",
		    (unsigned long long)job->id, (long long)delivered->delivery,
		    delivered->holder, job->holder);
}

void
oracle_delivered(const struct delivered *delivered)
{
	const struct shown shown = { .id = delivered->id,
		.body = delivered->body,
		.body_bytes = delivered->body.count,
		.queue = delivered->queue,
		.key = delivered->key,
		.priority = delivered->priority,
		.delivery = delivered->delivery };
	uint32_t number = look_at_body(&shown);
	struct known *job = see(&shown, number);
	if (is_late(job, delivered))
		return;
	if (job->ended == ENDED_GONE && delivered->late)
		return;
	check_order(job, delivered);
	check_attempt(job, delivered);
	become_known(job, delivered->late);
	steered_delivered(job, delivered);
	job->decided_us = decided_us(job, number);
	gates_delivered(job, delivered);
	times_delivered(job, delivered);
	job->delivery = delivered->delivery;
	job->attempt = delivered->attempt;
	job->holder = delivered->holder;
	job->life = queue_life();
	keys_delivered(job, number, delivered);
}

void
oracle_run_begins(uint32_t holder, uint64_t id)
{
	struct known *job = find(id);
	CHECK(job != NULL);
	if (!oracle_is_live(
		holder)) /* foreign, and late: nobody waits for it */
		return;
	if (job->runner != 0 && job->runner != holder &&
	    oracle_is_live(job->runner))
		broken("no two live leases of a job",
		    "job %llu runs with holder %u and is given to holder %u",
		    (unsigned long long)id, job->runner, holder);
	job->runner = holder;
	keys_run_begins(job);
	gates_run_begins(job);
}

void
oracle_run_ends(uint32_t holder, uint64_t id)
{
	struct known *job = find(id);
	if (job != NULL && job->runner == holder)
		job->runner = 0;
}

void
oracle_said(uint32_t holder, uint64_t id, int64_t delivery, enum said said,
    bool crashed)
{
	struct known *job = find(id);
	if (job == NULL)
		return;
	job->said_done |= said == SAID_DONE;
	job->said_dead |= said == SAID_DEAD;
	if (job->holder != holder || job->delivery != delivery)
		return;
	job->said = said;
	job->said_crash = crashed;
	if (job->said_delivery != delivery)
		job->said_us = time_now_us();
	job->said_delivery = delivery;
	if (said == SAID_DONE && job->stop_heard == delivery)
		sight(SIGHT_DONE_ALL_THE_SAME);
	if (said != SAID_DONE)
		return;
	keys_said_done(job);
	times_done(job);
}

void
oracle_settled(
    uint32_t holder, uint64_t id, int64_t delivery, enum said said, bool again)
{
	struct known *job = find(id);
	if (job == NULL || job->holder != holder || job->delivery != delivery)
		return;
	if (again && job->life != queue_life())
		sight(SIGHT_LEASE_KEPT);
	if (said == SAID_FAIL)
		steered_failed(job, again);
	if (said == SAID_DONE)
		job->ended = ENDED_DONE;
	else if (said == SAID_DEAD && steered_stays_dead(job, again))
		job->ended = ENDED_DEAD;
	else
		return;
	job->ended_at = oracle_moment();
}

bool
oracle_may_end(uint32_t holder, uint64_t id, int64_t delivery)
{
	const struct known *job = find(id);
	return job != NULL && job->holder == holder &&
	    job->delivery == delivery;
}

/* ---- deaths ---- */

void
oracle_queue_died(void)
{
	for (uint32_t i = 0; i < oracle.job_count; i++) {
		struct known *job = &oracle.jobs[i];
		if (job->promise == PROMISE_MEMORY)
			job->may_be_lost = true;
		job->over_death = job->is_known;
		job->folded = false;
	}
	keys_queue_died();
	gates_queue_died();
	times_queue_died();
}

static void
lose_power(struct known *job)
{
	bool is_safe = job->known_life == queue_life() &&
	    time_now_us() - job->known_us > RELAXED_SAFE_US;
	job->over_power = job->is_known;
	/* The last deliveries may be counted again. */
	job->delivery = job->attempt = 0;
	job->holder = job->runner = 0;
	steered_power_lost(job);
	if (job->promise == PROMISE_SYNC)
		return;
	job->may_be_lost |= !is_safe;
	job->urgency = UINT8_MAX;
	if (job->promise == PROMISE_RELAXED)
		job->ended = ENDED_NOT;
}

void
oracle_power_lost(void)
{
	oracle.power_us = time_now_us();
	for (uint32_t i = 0; i < oracle.job_count; i++)
		lose_power(&oracle.jobs[i]);
	for (uint32_t i = 1; i <= oracle.token_count; i++)
		oracle.tokens[i].run_id = 0;
	keys_power_lost();
}

/* ---- lists ---- */

void
oracle_list_begins(void)
{
	oracle.list++;
	oracle.counted = 0;
	keys_list_begins();
}

static void
check_dead(const struct known *job, const struct listed *listed)
{
	uint32_t most =
	    queue_rules(oracle.tokens[job->token].enqueue.queue)->max_attempts;
	bool exhausted = span_is_text(listed->cause, "exhausted");
	bool rejected = span_is_text(listed->cause, "rejected");
	if (span_is_text(listed->cause, "poison")) { /* see steered_listed */
		sight(SIGHT_DEAD_BY_CRASHES);
		return;
	}
	if (span_is_text(listed->cause, "expired")) /* see times_listed */
		return;
	if ((exhausted && listed->attempt == most) ||
	    (rejected && job->said_dead)) {
		sight(
		    exhausted ? SIGHT_DEAD_BY_ATTEMPTS : SIGHT_DEAD_BY_VERDICT);
		return;
	}
	broken("a dead job has a cause",
	    "job %llu is dead, cause '%.*s', attempt %lld of %u",
	    (unsigned long long)job->id, (int)listed->cause.count,
	    listed->cause.count > 0 ? listed->cause.bytes : "",
	    (long long)listed->attempt, most);
}

void
oracle_listed(const struct listed *listed)
{
	const struct shown shown = { .id = listed->id,
		.body = listed->body,
		.body_bytes = (uint64_t)listed->body_bytes,
		.queue = listed->queue,
		.key = listed->key,
		.priority = listed->priority };
	uint32_t number = look_at_body(&shown);
	struct known *job = see(&shown, number);
	bool is_dead = span_is_text(listed->state, "dead");
	job->list = oracle.list;
	job->list_token = number;
	job->list_dead = is_dead;
	job->list_whole = shown.body.count == shown.body_bytes;
	keys_listed(job);
	steered_listed(job, listed, is_dead);
	times_listed(job, listed, is_dead);
	oracle.counted += !is_dead;
	if (is_dead)
		check_dead(job, listed);
}

static void
check_absent(struct known *job, bool whole)
{
	if (job->said_done || job->unwanted || keys_is_steered(job))
		return;
	if (keys_mode(&oracle.tokens[job->token]) == KEY_COALESCE &&
	    job->ended == ENDED_NOT && !job->may_be_lost) {
		if (whole)
			keys_absent(job);
		return;
	}
	if (!job->may_be_lost)
		broken("nothing that was promised is lost",
		    "job %llu of queue %s is gone, delivery %lld",
		    (unsigned long long)job->id,
		    queue_rules(oracle.tokens[job->token].enqueue.queue)->name,
		    (long long)job->delivery);
	sight(job->promise == PROMISE_MEMORY ? SIGHT_MEMORY_LOST
					     : SIGHT_RELAXED_LOST);
}

static void
check_ended(const struct known *job)
{
	bool is_there = job->list == oracle.list;
	if (job->ended == ENDED_GONE && is_there)
		broken("what was cancelled or deleted is gone",
		    "job %llu is there", (unsigned long long)job->id);
	if (job->ended == ENDED_DONE && is_there)
		broken("what has ended stays ended", "job %llu is back",
		    (unsigned long long)job->id);
	if (job->ended == ENDED_DEAD && !is_there && !job->may_be_lost &&
	    !job->unwanted && !keys_is_steered(job))
		broken("nothing that was promised is lost",
		    "job %llu was dead and is gone",
		    (unsigned long long)job->id);
}

void
oracle_list_ends(uint64_t moment, bool whole)
{
	sight(SIGHT_LOOKED);
	keys_list_ends(moment, whole);
	oracle.unfinished = oracle.counted;
	for (uint32_t i = 0; i < oracle.job_count; i++) {
		struct known *job = &oracle.jobs[i];
		bool is_there = job->list == oracle.list;
		if (!job->is_known || job->known_at >= moment)
			continue;
		if (!is_there)
			check_absent(job, whole);
		if (is_there && job->over_power)
			sight(job->promise == PROMISE_SYNC
				? SIGHT_SYNC_KEPT
				: SIGHT_RELAXED_KEPT);
		if (is_there && job->promise == PROMISE_RELAXED &&
		    job->over_death)
			sight(SIGHT_RELAXED_KEPT);
		if (job->ended != ENDED_NOT && job->ended_at < moment)
			check_ended(job);
	}
}

uint32_t
oracle_unfinished(void)
{
	return oracle.unfinished;
}

void
oracle_judge(void)
{
	for (uint32_t i = 0; i < oracle.job_count; i++) {
		const struct known *job = &oracle.jobs[i];
		if (job->runner != 0 && oracle_is_live(job->runner))
			broken("everything drains when the faults stop",
			    "job %llu still runs", (unsigned long long)job->id);
	}
	for (uint32_t i = 1; i <= oracle.token_count; i++)
		if (oracle.tokens[i].sends > 0 &&
		    !oracle.tokens[i].acknowledged &&
		    !oracle.tokens[i].is_given_up)
			broken("everything drains when the faults stop",
			    "token %u was never answered", i);
	keys_judge();
}

uint64_t
oracle_some_job(int64_t *ret_delivery)
{
	if (oracle.job_count == 0)
		return 0;
	uint64_t back = draw(oracle.job_count < 40 ? oracle.job_count : 40);
	const struct known *job = &oracle.jobs[oracle.job_count - 1 - back];
	*ret_delivery = job->delivery;
	return job->id;
}
