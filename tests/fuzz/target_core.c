/* SPDX-License-Identifier: MIT */
/*
 * The core, told any sequence of facts that its owner may tell: restored jobs,
 * enqueues, workers that subscribe, ask, answer right, late or twice, die, come
 * back and lie, whoever steers jobs and queues, time. Built with GSQ_VERIFY, so
 * every invariant is checked after each. Beside that stands a small model that
 * knows from the wishes alone what became of each job: no job is given to two,
 * nobody gets more than he asked for, answers count exactly when their delivery
 * stands, deliveries count up, ids are never used again, nothing of a paused
 * queue is given out or enters one that is drained, and no more run than may.
 *
 * Input: how it begins, the restored jobs, then facts.
 */
#include "core/autopsy.h"
#include "core/core.h"
#include "core/pause.h"
#include "tests/fuzz/fuzz.h"

#define JOBS_MAX    1024
#define CLIENTS_MAX 32
#define LANES	    4
#define HELD_MAX    4

enum stand { STAND_NONE, STAND_WAITING, STAND_RUNNING, STAND_DEAD, STAND_OVER };

struct model_job {
	enum stand stand;
	uint32_t runner; /* subscriber; 0: of before, not back yet */
	uint64_t msgid;	 /* 0: of an earlier connection */
	uint32_t delivery;
	unsigned lane;
};

struct client {
	uint32_t handle; /* 0: none */
	uint64_t owed;	 /* asked for and not delivered */
};

static struct core core;
static int64_t now_ms;
static struct model_job jobs[JOBS_MAX];
static uint64_t last_id;
static struct client clients[CLIENTS_MAX];
static int64_t paused_until_ms[LANES]; /* 0: not paused */
static bool drained[LANES];

static const char *const queues[LANES] = { "default", "mail", "a",
	"a-queue-with-a-name-that-is-as-long-as-a-name-of-a-queue-may-be-" };

static uint32_t
most_running(struct span queue)
{
	return queue.count % 2 ? 0 : 4;
}

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context;
	return (struct lane_policy){ .max_attempts = (uint32_t)queue.count % 4,
		.retry = { queue.count % 2 ? 1000 : 0, 8000 },
		.mode = (enum key_mode)(queue.count % KEY_MODE_COUNT),
		.merge = (enum key_merge)(queue.count % KEY_MERGE_COUNT),
		.max_crashes = (uint32_t)queue.count % 3,
		.ttr_ms = queue.count % 2 ? 5000 : 0,
		.ttr_grace_ms = 1000,
		.max_running = most_running(queue),
		.rate_jobs = queue.count % 4 == 0 ? 2 : 0,
		.rate_ms = 1000,
		.rate_burst = 3 };
}

/* Few keys, so that they meet; often none. */
static struct span
key_from(uint8_t how)
{
	static const char *const keys[] = { "42", "7", "user" };
	return how % 4u < 3 ? span_of(keys[how % 4u]) : (struct span){ 0 };
}

static struct span
queue_from(struct source *source)
{
	return span_of(queues[source_byte(source) % LANES]);
}

static struct client *
client_of(uint32_t handle)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (handle != 0 && clients[i].handle == handle)
			return &clients[i];
	return NULL;
}

static struct client *
client_from(struct source *source)
{
	return &clients[source_byte(source) % CLIENTS_MAX];
}

/* ---- the model ---- */

/* Of jobs; certificates have ids, too, and there may be more. */
static uint64_t
known_ids(void)
{
	return last_id < JOBS_MAX ? last_id : JOBS_MAX - 1;
}

static struct model_job *
model_of(uint64_t id)
{
	CHECK(id > 0 && id < JOBS_MAX);
	return &jobs[id];
}

static unsigned
lane_of(uint32_t handle)
{
	uint32_t lane = job_at(&core.jobs, handle)->lane;
	unsigned at = 0;
	while (strcmp(lane_at(&core.lanes, lane)->name.text, queues[at]) != 0)
		at++;
	return at;
}

static bool
is_paused(unsigned lane)
{
	return paused_until_ms[lane] > now_ms;
}

static unsigned
running_in(unsigned lane)
{
	unsigned count = 0;
	for (uint64_t id = 1; id <= known_ids(); id++)
		count +=
		    jobs[id].stand == STAND_RUNNING && jobs[id].lane == lane;
	return count;
}

static void
see_save(const struct wish *wish)
{
	struct model_job *job = model_of(wish->id);
	if (wish->with_body) {
		CHECK(wish->id > last_id);
		last_id = wish->id;
		job->stand = STAND_WAITING;
		job->lane = lane_of(wish->job);
		core_set_body(&core, wish->job, wish->id * 3);
	}
	CHECK(job->stand != STAND_NONE && job->stand != STAND_OVER);
	CHECK(job_at(&core.jobs, wish->job)->id == wish->id);
}

static void
see_deliver(const struct wish *wish)
{
	const struct job *it = job_at(&core.jobs, wish->job);
	struct model_job *job = model_of(wish->id);
	struct client *client = client_of(wish->subscriber);
	CHECK(job->stand == STAND_WAITING);
	CHECK(client != NULL);
	CHECK(client->owed > 0);
	client->owed--;
	CHECK(it->delivery > job->delivery);
	uint32_t msgid = job_lease(&core.jobs, it)->msgid;
	CHECK(msgid != 0);
	CHECK(!is_paused(job->lane));
	uint32_t most = most_running(span_of(queues[job->lane]));
	CHECK(most == 0 || running_in(job->lane) < most);
	*job = (struct model_job){ STAND_RUNNING, wish->subscriber, msgid,
		it->delivery, job->lane };
}

/* Whoever has it is asked, connected or not, and only about a run that stands.
 */
static void
see_stop(const struct wish *wish)
{
	const struct model_job *job = model_of(wish->id);
	CHECK(job->stand == STAND_RUNNING);
	CHECK(job->delivery == wish->delivery);
	CHECK(job->runner == wish->subscriber);
}

static void
see_tell(const struct wish *wish)
{
	struct model_job *job;
	switch (wish->event) {
	case EVENT_FOLDED:
		job = model_of(wish->id);
		CHECK(job->stand == STAND_WAITING || job->stand == STAND_DEAD);
		CHECK(wish->into != wish->id);
		job->stand = STAND_OVER;
		return;
	case EVENT_MERGED:
		CHECK(model_of(wish->id)->stand == STAND_WAITING);
		return;
	case EVENT_OVERDUE:
		CHECK(model_of(wish->id)->stand == STAND_RUNNING);
		return;
	case EVENT_CANCELLED:
	case EVENT_DELETED:
		job = model_of(wish->id);
		CHECK(job->stand != STAND_NONE && job->stand != STAND_OVER);
		CHECK(wish->event == EVENT_CANCELLED
			? job->stand != STAND_DEAD
			: job->stand != STAND_RUNNING);
		job->stand = STAND_OVER;
		return;
	case EVENT_REVIVED:
		job = model_of(wish->id);
		CHECK(job->stand == STAND_DEAD || job->stand == STAND_WAITING);
		job->stand = STAND_WAITING;
		return;
	case EVENT_PAUSED:
	case EVENT_RESUMED:
	case EVENT_DRAINING:
	case EVENT_OPENED:
	case EVENT_ENQUEUED:
	case EVENT_DELIVERED:
	case EVENT_SUBSCRIBED:
	case EVENT_GONE:
	case EVENT_COUNT:
		return;
	case EVENT_DONE:
	case EVENT_FAILED:
	case EVENT_RETRIED:
	case EVENT_RELEASED:
	case EVENT_RETURNED:
	case EVENT_DEAD:
		break;
	}
	job = model_of(wish->id);
	CHECK(job->stand == STAND_RUNNING ||
	    (wish->event == EVENT_DEAD && job->stand == STAND_WAITING &&
		job_at(&core.jobs, wish->job)->cause == CAUSE_EXPIRED));
	job->stand = wish->event == EVENT_DONE ? STAND_OVER
	    : wish->event == EVENT_DEAD	       ? STAND_DEAD
					       : STAND_WAITING;
	job->runner = 0;
}

/* Only of a job that waits; as it was, or it is not known yet that it was given
 * back. */
static void
see_replace(const struct wish *wish)
{
	const struct model_job *job = model_of(wish->id);
	CHECK(job->stand == STAND_WAITING);
	CHECK(wish->body == wish->id * 3);
	CHECK(wish->given != (wish->other != 0) || wish->other_bytes == 0);
	core_set_body(&core, wish->job, wish->id * 3);
}

static void
see_forget(const struct wish *wish)
{
	struct model_job *job = model_of(wish->id);
	CHECK(job->stand == STAND_RUNNING || job->stand == STAND_OVER);
	CHECK(wish->body == wish->id * 3);
	/* TELL follows, or came before. */
}

static void
see_note(const struct wish *wish)
{
	CHECK(wish->id > last_id);
	last_id = wish->id;
	jobs[wish->id].stand = STAND_OVER;
	core_set_note(&core, wish->token, wish->id * 3, 1);
}

/* Now and then there is no room for it. */
static void
see_certify(const struct wish *wish)
{
	struct certificate certificate;
	const char *words = buffer_front(&core.certificates) + wish->words_at;
	CHECK(wish->id > last_id);
	CHECK(certificate_read(
	    (struct span){ words, wish->words_bytes }, &certificate));
	CHECK(autopsy_is_due(certificate.verdict));
	/* It may have been given out again in the same step. */
	CHECK(job_at(&core.jobs, wish->job)->delivery >= certificate.delivery);
	last_id = wish->id;
	if (wish->id < JOBS_MAX)
		jobs[wish->id].stand = STAND_OVER;
	if (wish->id % 16 == 7)
		autopsy_drop(&core, wish->certificate);
	else
		core_set_attempt(&core, wish->certificate, wish->id * 3);
}

static void
see_wishes(void)
{
	for (size_t i = 0; i < core.wish_count; i++) {
		const struct wish *wish = &core.wishes[i];
		switch (wish->kind) {
		case WISH_SAVE:
			see_save(wish);
			break;
		case WISH_REPLACE:
			see_replace(wish);
			break;
		case WISH_FORGET:
			see_forget(wish);
			break;
		case WISH_DELIVER:
			see_deliver(wish);
			break;
		case WISH_STOP:
			see_stop(wish);
			break;
		case WISH_KILL:
			CHECK(wish->pid > 0);
			break;
		case WISH_CUT_OFF:
			CHECK(model_of(wish->id)->runner == wish->subscriber);
			break;
		case WISH_SETTINGS:
			break;
		case WISH_NOTE:
			see_note(wish);
			break;
		case WISH_CERTIFY:
			see_certify(wish);
			break;
		case WISH_FORGET_NOTE:
			CHECK(wish->body == wish->id * 3);
			break;
		case WISH_TELL:
			see_tell(wish);
			break;
		}
	}
}

static enum stand
stand_of(uint64_t id)
{
	static const enum stand stands[JOB_STATE_COUNT] = {
		[JOB_READY] = STAND_WAITING,
		[JOB_BLOCKED] = STAND_WAITING,
		[JOB_DELAYED] = STAND_WAITING,
		[JOB_RUNNING] = STAND_RUNNING,
		[JOB_DEAD] = STAND_DEAD,
	};
	uint32_t handle = jobs_find(&core.jobs, id);
	return handle == 0 ? STAND_OVER
			   : stands[job_at(&core.jobs, handle)->state];
}

static void
compare(void)
{
	for (uint64_t id = 1; id <= known_ids(); id++) {
		enum stand wanted = jobs[id].stand;
		if (wanted == STAND_NONE)
			wanted = STAND_OVER;
		CHECK(stand_of(id) == wanted);
	}
}

static void
tell(struct fact *fact)
{
	fact->now_ms = now_ms;
	core_step(&core, fact);
	if (core.refusal != REFUSAL_NONE)
		CHECK(core.wish_count == 0 && core.words[0] != '\0');
	see_wishes();
	if (fact->kind != FACT_SUBSCRIBE)
		compare();
}

/* ---- the store ---- */

static void
restore_one(struct source *source)
{
	uint8_t how = source_byte(source);
	uint8_t counts = source_byte(source);
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = span_of(queues[how % LANES]);
	fact.restore.reason =
	    how & 4 ? SPAN_LITERAL("exit status 1") : SPAN_LITERAL("");
	struct job *job = &fact.restore.job;
	job->id = last_id + 1 + how / 64u;
	job->body = job->id * 3;
	job->body_bytes = counts;
	job->priority = counts;
	job->state = (uint8_t)(JOB_READY + (how / 8u) % 4u);
	job->delivery = counts / 16u;
	job->attempt = (uint16_t)(counts % 16u <= counts / 16u ? counts % 16u
							       : counts / 16u);
	if (job->state == JOB_RUNNING && job->attempt == 0)
		job->attempt = (uint16_t)(job->delivery = 1);
	if (job->state == JOB_DEAD)
		job->cause = CAUSE_REJECTED;
	if (job->state == JOB_DELAYED)
		job->at_ms = now_ms + counts * 100 - 5000;
	fact.restore.key = key_from(counts);
	job->mode = (uint8_t)(counts / 4u % KEY_MODE_COUNT);
	job->hints = counts;
	jobs[job->id] = (struct model_job){
		.stand = job->state == JOB_RUNNING ? STAND_RUNNING
		    : job->state == JOB_DEAD	   ? STAND_DEAD
						   : STAND_WAITING,
		.delivery = job->delivery,
		.lane = how % LANES,
	};
	last_id = job->id;
	tell(&fact);
}

static void
begin(struct source *source)
{
	uint8_t how = source_byte(source);
	memset(jobs, 0, sizeof(jobs));
	memset(clients, 0, sizeof(clients));
	memset(paused_until_ms, 0, sizeof(paused_until_ms));
	memset(drained, 0, sizeof(drained));
	last_id = 0;
	now_ms = 1000;
	core_init(&core, 1, how, policy_of, NULL);
	for (unsigned left = how % 8u; left > 0; left--)
		restore_one(source);
	if (how & 8)
		tell(&(struct fact){ .kind = FACT_RESTORED,
		    .restored = { .everything_died = (how & 16) != 0,
			.supervised = (how & 32) != 0 } });
}

/* ---- producers and workers ---- */

static void
enqueue(struct source *source)
{
	static const uint32_t sizes[] = { 1, 0, 1000, BODY_BYTES_MAX };
	uint8_t how = source_byte(source);
	uint8_t what = source_byte(source);
	if (last_id + 8 >= JOBS_MAX)
		return;
	struct fact fact = { .kind = FACT_ENQUEUE,
		.enqueue = { .queue = span_of(queues[how % LANES]),
		    .body_bytes = sizes[(how / 4u) % 4u],
		    .priority = (uint8_t)(how / 16u),
		    .key = key_from(what),
		    .mode = (enum key_mode)(what / 4u % 4u),
		    .delay_ms = what / 16u < 12 ? 0 : 1000 * (what / 16u) } };
	/* Some say a token, and some of these say it of another job. */
	static const char *const tokens[] = { "a", "b", "c", "d" };
	bool has_token = last_id % 4 == 3;
	fact.enqueue.token =
	    has_token ? span_of(tokens[how / 4u % 4u]) : (struct span){ 0 };
	fact.enqueue.digest = how / 16u % 2u;
	if (last_id % 8 == 5)
		fact.enqueue.terms.expires_at_ms = now_ms + 100 * what;
	uint32_t known =
	    has_token ? tokens_find(&core.tokens, fact.enqueue.token) : 0;
	uint64_t before = last_id;
	struct token said = { 0 };
	if (known != 0)
		said = *token_at(&core.tokens, known);
	tell(&fact);
	CHECK(core.is_repeated ==
	    (known != 0 && said.digest == fact.enqueue.digest));
	if (known != 0) {
		CHECK(core.wish_count == 0 && last_id == before);
		CHECK(core.is_repeated ? core.answer == said.job
				       : core.refusal == REFUSAL_TOKEN_REUSED);
		return;
	}
	CHECK(!drained[how % LANES] || core.refusal == REFUSAL_DRAINING);
	if (core.refusal == REFUSAL_NONE)
		CHECK(core.result == ENQUEUE_MERGED
			? core.answer <= before
			: core.answer + has_token == last_id);
}

/* All or none: what is admitted is taken. */
static void
enqueue_batch(struct source *source)
{
	static const uint32_t sizes[] = { 1, 0, 40000, BODY_BYTES_MAX };
	struct arrival arrivals[4];
	uint8_t how = source_byte(source);
	if (last_id + 8 >= JOBS_MAX)
		return;
	struct fact fact = { .kind = FACT_ADMIT,
		.admit = { .queue = span_of(queues[how % LANES]),
		    .arrivals = arrivals,
		    .count = 1 + how / 4u % 4u,
		    .mode = (enum key_mode)(how / 16u % 4u) } };
	for (uint32_t i = 0; i < fact.admit.count; i++) {
		uint8_t what = source_byte(source);
		arrivals[i] = (struct arrival){ .key = key_from(what),
			.body_bytes = sizes[what / 4u % 4u] };
	}
	tell(&fact);
	for (uint32_t i = 0;
	     core.refusal == REFUSAL_NONE && i < fact.admit.count; i++) {
		struct fact one = { .kind = FACT_ENQUEUE };
		one.enqueue.queue = fact.admit.queue;
		one.enqueue.body_bytes = arrivals[i].body_bytes;
		one.enqueue.key = arrivals[i].key;
		one.enqueue.mode = fact.admit.mode;
		tell(&one);
		CHECK(core.refusal == REFUSAL_NONE);
	}
}

/* What it says it holds: the truth, or not. */
static size_t
hold(struct source *source, struct held *held)
{
	size_t count = source_byte(source) % (HELD_MAX + 1u);
	for (size_t i = 0; i < count; i++) {
		uint8_t id = source_byte(source);
		uint8_t lie = source_byte(source);
		held[i] = (struct held){ .id = id,
			.delivery = lie < 192 ? jobs[id].delivery : lie };
	}
	return count;
}

static void
see_adopted(const struct held *held, size_t count, uint32_t subscriber)
{
	for (size_t i = 0; i < count; i++) {
		if (!held[i].stands)
			continue;
		struct model_job *job = model_of(held[i].id);
		/* An older subscriber may have ended in this step; the job is
		 * not among what came back then. */
		CHECK(job->stand == STAND_RUNNING);
		CHECK(job->delivery == held[i].delivery);
		if (job->runner != subscriber)
			job->msgid = 0;
		job->runner = subscriber;
	}
}

static void
subscribe(struct source *source)
{
	struct held held[HELD_MAX];
	struct client *client = client_from(source);
	uint8_t who = source_byte(source);
	struct fact fact = { .kind = FACT_SUBSCRIBE,
		.subscriber = client->handle };
	fact.subscribe.queue = queue_from(source);
	fact.subscribe.name = who & 1 ? SPAN_LITERAL("w1") : SPAN_LITERAL("");
	fact.subscribe.pid = (who / 2u) % 4u;
	fact.subscribe.incarnation =
	    fact.subscribe.pid > 0 ? (who / 8u) % 4u : 0;
	fact.subscribe.held = held;
	fact.subscribe.held_count = hold(source, held);
	tell(&fact);
	if (core.refusal == REFUSAL_NONE) {
		CHECK(core.answer != 0);
		CHECK(client->handle == 0 || client->handle == core.answer);
		client->handle = (uint32_t)core.answer;
		see_adopted(held, fact.subscribe.held_count, client->handle);
	}
	compare();
}

static void
ask(struct source *source)
{
	struct client *client = client_from(source);
	uint8_t n = source_byte(source);
	struct fact fact = { .kind = FACT_DEMAND,
		.subscriber = client->handle };
	fact.demand.queue = queue_from(source);
	fact.demand.n = n < 250 ? 1u + n % 16u : DEMAND_MAX - n % 2u;
	/* Before it is known whether it may: it is served in the same step. */
	client->owed += fact.demand.n;
	tell(&fact);
	if (core.refusal != REFUSAL_NONE)
		client->owed -= fact.demand.n;
}

static struct outcome
outcome_from(struct source *source)
{
	uint8_t how = source_byte(source);
	return (struct outcome){ .verdict = (enum verdict)(how % VERDICT_DIED),
		.crashed = how % VERDICT_DIED == VERDICT_FAIL && how & 32,
		.delay_ms = how / 8u * 100,
		.reason = how & 64 ? SPAN_LITERAL("exit status 1")
				   : SPAN_LITERAL("") };
}

/* A job that runs, from there on, or 0. */
static uint64_t
running_from(struct source *source)
{
	uint64_t start = source_byte(source);
	for (uint64_t i = 0; i < JOBS_MAX; i++) {
		uint64_t id = (start + i) % JOBS_MAX;
		if (id > 0 && jobs[id].stand == STAND_RUNNING)
			return id;
	}
	return 0;
}

static bool
stands_for(uint32_t subscriber, uint64_t msgid)
{
	for (uint64_t id = 1; id <= known_ids(); id++)
		if (jobs[id].stand == STAND_RUNNING && msgid != 0 &&
		    jobs[id].runner == subscriber && jobs[id].msgid == msgid)
			return true;
	return false;
}

static void
answer(struct source *source)
{
	uint8_t lie = source_byte(source);
	uint64_t id = running_from(source);
	struct fact fact = { .kind = FACT_ANSWER };
	if (lie < 192 && client_of(jobs[id].runner) != NULL) {
		fact.subscriber = jobs[id].runner;
		fact.answer.msgid = jobs[id].msgid;
	} else {
		fact.subscriber = clients[lie % CLIENTS_MAX].handle;
		fact.answer.msgid = source_byte(source);
	}
	fact.answer.outcome = outcome_from(source);
	bool stands = fact.subscriber != 0 &&
	    stands_for(fact.subscriber, fact.answer.msgid);
	tell(&fact);
	CHECK(core.refusal == (stands ? REFUSAL_NONE : REFUSAL_STALE));
}

static void
result(struct source *source)
{
	uint8_t lie = source_byte(source);
	uint64_t id = running_from(source);
	struct fact fact = { .kind = FACT_RESULT,
		.subscriber = jobs[id].runner };
	if (client_of(fact.subscriber) == NULL)
		fact.subscriber = 0;
	fact.result.id = id;
	fact.result.delivery = jobs[id].delivery;
	if (lie >= 224)
		fact.result.delivery++;
	else if (lie >= 192)
		fact.subscriber = clients[lie % CLIENTS_MAX].handle;
	else if (lie >= 160)
		fact.result.id = lie - 160u;
	fact.result.outcome = outcome_from(source);
	const struct model_job *job = &jobs[fact.result.id];
	bool stands = job->stand == STAND_RUNNING && fact.subscriber != 0 &&
	    job->runner == fact.subscriber &&
	    job->delivery == fact.result.delivery;
	tell(&fact);
	CHECK(core.refusal == (stands ? REFUSAL_NONE : REFUSAL_STALE));
}

static void
leave(struct source *source)
{
	struct client *client = client_from(source);
	struct fact fact = { .kind = FACT_GONE, .subscriber = client->handle };
	if (client->handle == 0)
		return;
	*client = (struct client){ 0 };
	tell(&fact);
}

/* ---- whoever steers ---- */

/* What is said of it must be so afterwards, or refused. */
static void
steer(struct source *source, enum fact_kind kind)
{
	struct fact fact = { .kind = kind };
	fact.steer.id = source_byte(source);
	enum stand before =
	    fact.steer.id <= known_ids() ? stand_of(fact.steer.id) : STAND_NONE;
	tell(&fact);
	if (core.refusal != REFUSAL_NONE)
		return;
	if (kind == FACT_DELETE || before == STAND_WAITING)
		CHECK(before != STAND_RUNNING);
	if (kind == FACT_CANCEL)
		CHECK(before != STAND_DEAD);
}

static void
cancel_one(struct source *source)
{
	steer(source, FACT_CANCEL);
}

static void
delete_one(struct source *source)
{
	steer(source, FACT_DELETE);
}

static void
revive_one(struct source *source)
{
	steer(source, FACT_REVIVE);
}

static void
touch_one(struct source *source)
{
	uint8_t lie = source_byte(source);
	uint64_t id = running_from(source);
	struct fact fact = { .kind = FACT_TOUCH };
	fact.subscriber = client_of(jobs[id].runner) ? jobs[id].runner : 0;
	fact.touch.id = id;
	fact.touch.delivery = lie & 1 ? 0 : jobs[id].delivery + (lie >= 192);
	fact.touch.ttr_ms = lie & 2 ? 0 : lie * 100;
	tell(&fact);
	if (core.refusal == REFUSAL_NONE)
		CHECK(
		    jobs[id].stand == STAND_RUNNING && (lie & 1 || lie < 192));
}

/* How it is said, and whether it can be kept. */
static void
pause_one(struct source *source)
{
	uint8_t how = source_byte(source);
	unsigned lane = how % LANES;
	struct fact fact = { .kind = FACT_PAUSE };
	fact.gate.queue = span_of(queues[lane]);
	fact.gate.on = (how & 4) != 0;
	fact.gate.for_ms = how & 8 ? 0 : how * 100;
	tell(&fact);
	if (core.refusal != REFUSAL_NONE)
		CHECK(!fact.gate.on && !is_paused(lane));
	else if (how >= 224)
		pause_undo(&core);
	else
		paused_until_ms[lane] = !fact.gate.on ? 0
		    : fact.gate.for_ms > 0 ? now_ms + fact.gate.for_ms
					   : INT64_MAX;
}

static void
drain_one(struct source *source)
{
	uint8_t how = source_byte(source);
	unsigned lane = how % LANES;
	struct fact fact = { .kind = FACT_DRAIN };
	fact.gate.queue = span_of(queues[lane]);
	fact.gate.on = (how & 4) != 0;
	tell(&fact);
	if (core.refusal != REFUSAL_NONE)
		CHECK(!fact.gate.on && !drained[lane]);
	else if (how >= 224)
		pause_undo(&core);
	else
		drained[lane] = fact.gate.on;
}

/* ---- the supervisor, and time ---- */

static void
worker_up(struct source *source)
{
	uint8_t who = source_byte(source);
	struct fact fact = { .kind = FACT_WORKER_UP };
	fact.worker_up.pid = 1 + who % 3;
	fact.worker_up.incarnation = 1 + who / 4 % 3;
	tell(&fact);
}

static void
worker_down(struct source *source)
{
	uint8_t who = source_byte(source);
	struct fact fact = { .kind = FACT_WORKER_DOWN };
	fact.worker_down.pid = 1 + who % 3;
	fact.worker_down.incarnation = 1 + who / 4 % 3;
	fact.worker_down.planned = (who & 64) != 0;
	fact.worker_down.reason = SPAN_LITERAL("signal 9 (KILL)");
	tell(&fact);
}

static void
pass(struct source *source)
{
	static const int64_t steps_ms[] = { 0, 1, 100, 999, 1000, 2000, 5000,
		10000, 60000, 3600000 };
	now_ms += steps_ms[source_byte(source) % 10u];
	tell(&(struct fact){ .kind = FACT_TIME });
	/* What was due was done, or more of it waits for the next step. */
	CHECK(core_wake_at(&core) > now_ms);
}

static void
introduced(struct source *source)
{
	(void)source;
	tell(&(struct fact){ .kind = FACT_INTRODUCED });
}

static void (*const happenings[])(struct source *source) = { enqueue,
	enqueue_batch, subscribe, subscribe, ask, ask, answer, answer, result,
	leave, worker_up, worker_down, pass, pass, introduced };

#define HAPPENINGS (sizeof(happenings) / sizeof(happenings[0]))

static void (*const steerings[])(struct source *source) = { cancel_one,
	delete_one, revive_one, touch_one, pause_one, drain_one };

#define STEERINGS (sizeof(steerings) / sizeof(steerings[0]))
#define STEERED	  225 /* a byte from there on steers */

static void
happen(struct source *source)
{
	uint8_t what = source_byte(source);
	if (what < STEERED)
		happenings[what % HAPPENINGS](source);
	else
		steerings[(what - STEERED) % STEERINGS](source);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct source source = { bytes, count };
	begin(&source);
	while (source.count > 0)
		happen(&source);
	core_release(&core);
	return 0;
}
