/* SPDX-License-Identifier: MIT */
/*
 * A life by chance in which the queue dies often: no job is lost, none is run
 * by two living workers at a time, and every invariant holds after every step
 * (tell sees to that). What the store would keep, what each worker has in hand
 * and who lives is known here, apart from the core.
 */
#include "core/verify.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define WORKERS 5 /* the last one is foreign */
#define FOREIGN (WORKERS - 1)
#define IDS_MAX 4096

/* A job in the hands of a worker. */
struct task {
	uint64_t id;
	uint32_t delivery;
};

struct worker {
	int64_t incarnation;
	uint32_t subscriber; /* 0: not connected */
	struct task tasks[16];
	unsigned count;
	bool condemned; /* the queue has asked for its end */
};

static struct worker workers[WORKERS];
static struct job disk[IDS_MAX]; /* by id; id 0: not there */
static struct random chance;
static bool is_introduced;
static int64_t crash_ms;
static uint64_t enqueued, forgotten, certified;
static unsigned crashes, kills, taken, unknown, released, died;

static unsigned
choose(unsigned count)
{
	return (unsigned)(random_next(&chance) % count);
}

static int64_t
pid_of(unsigned i)
{
	return 100 + i;
}

static int64_t
incarnation_of(unsigned i)
{
	return i == FOREIGN ? 0 : workers[i].incarnation;
}

static void
drop(struct worker *worker, unsigned at)
{
	worker->tasks[at] = worker->tasks[--worker->count];
}

static void
nobody_else_has(uint64_t id)
{
	for (unsigned i = 0; i < FOREIGN; i++)
		for (unsigned k = 0; k < workers[i].count; k++)
			cr_assert_neq(workers[i].tasks[k].id, id,
			    "job %lu runs twice", (unsigned long)id);
}

static void
hand_over(const struct wish *wish)
{
	unsigned i = 0;
	while (workers[i].subscriber != wish->subscriber)
		cr_assert_lt(++i, WORKERS);
	nobody_else_has(wish->id);
	struct worker *worker = &workers[i];
	cr_assert_lt(worker->count, 16);
	worker->tasks[worker->count++] =
	    (struct task){ wish->id, job_at(&core.jobs, wish->job)->delivery };
}

/* Carries out what the last step wished. A crash comes before what is visible:
 * then deliveries are saved and do not arrive. */
static void
carry_out(bool visible)
{
	for (size_t i = 0; i < core.wish_count; i++) {
		const struct wish *wish = &core.wishes[i];
		enqueued += wish->kind == WISH_SAVE && wish->with_body;
		forgotten += wish->kind == WISH_FORGET;
		certified += wish->kind == WISH_CERTIFY;
		if (wish->kind == WISH_SAVE)
			disk[wish->id] = *job_at(&core.jobs, wish->job);
		else if (wish->kind == WISH_FORGET)
			disk[wish->id].id = 0;
		else if (wish->kind == WISH_DELIVER && visible)
			hand_over(wish);
		else if (wish->kind == WISH_KILL)
			workers[wish->pid - 100].condemned = true;
	}
}

static void
act(struct fact fact)
{
	tell(fact);
	carry_out(true);
}

static void
start(unsigned i, bool told)
{
	workers[i] =
	    (struct worker){ .incarnation = workers[i].incarnation + 1 };
	if (told && i != FOREIGN)
		act((struct fact){ .kind = FACT_WORKER_UP,
		    .worker_up = { .pid = pid_of(i),
			.incarnation = workers[i].incarnation } });
}

/* With it dies what it had in hand, before anybody is told. */
static void
die(unsigned i)
{
	workers[i].count = 0;
	if (i != FOREIGN)
		act((struct fact){ .kind = FACT_WORKER_DOWN,
		    .worker_down = { .pid = pid_of(i),
			.incarnation = workers[i].incarnation,
			.planned = choose(2) == 0 } });
	if (workers[i].subscriber != 0)
		act((struct fact){
		    .kind = FACT_GONE, .subscriber = workers[i].subscriber });
	start(i, true);
}

static void
disconnect(unsigned i)
{
	uint32_t subscriber = workers[i].subscriber;
	workers[i].subscriber = 0;
	if (subscriber != 0)
		act((struct fact){
		    .kind = FACT_GONE, .subscriber = subscriber });
}

static void
connect_one(unsigned i)
{
	struct worker *worker = &workers[i];
	struct held held[16];
	for (unsigned k = 0; k < worker->count; k++)
		held[k] = (struct held){ .id = worker->tasks[k].id,
			.delivery = worker->tasks[k].delivery };
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = SPAN_LITERAL("mail"),
		.pid = pid_of(i),
		.incarnation = incarnation_of(i),
		.held = held,
		.held_count = worker->count } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	worker->subscriber = (uint32_t)core.answer;
	for (unsigned k = worker->count; k-- > 0;) {
		if (held[k].stands) {
			taken++;
			continue;
		}
		cr_assert(
		    i == FOREIGN || jobs_find(&core.jobs, held[k].id) == 0,
		    "what a living worker has is known to be its own");
		unknown++;
		drop(worker, k);
	}
	carry_out(true);
}

static void
work(unsigned i, enum verdict verdict)
{
	struct worker *worker = &workers[i];
	if (worker->count == 0 || worker->subscriber == 0)
		return;
	unsigned at = choose(worker->count);
	struct task task = worker->tasks[at];
	drop(worker, at);
	act((struct fact){ .kind = FACT_RESULT,
	    .subscriber = worker->subscriber,
	    .result = { task.id, task.delivery,
		{ .verdict = verdict, .delay_ms = choose(3) * 100 } } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

static void
ask_one(unsigned i, bool visible)
{
	const struct worker *worker = &workers[i];
	if (worker->subscriber == 0 ||
	    worker->count +
		    demand_find(subscriber_at(&core.demand, worker->subscriber),
			lane_named("mail"))
			->demand >=
		4)
		return;
	tell((struct fact){ .kind = FACT_DEMAND,
	    .subscriber = worker->subscriber,
	    .demand = { SPAN_LITERAL("mail"), 1 } });
	carry_out(visible);
}

static void
introduce(void)
{
	is_introduced = true;
	for (unsigned i = 0; i < FOREIGN; i++)
		act((struct fact){ .kind = FACT_WORKER_UP,
		    .worker_up = { .pid = pid_of(i),
			.incarnation = workers[i].incarnation } });
	act((struct fact){ .kind = FACT_INTRODUCED });
}

/* While the queue is away workers go on, and some die unseen. */
static void
crash(void)
{
	uint64_t next_id = core.next_id;
	int64_t at_ms = now_ms;
	const struct counters *counters = &core.counters;
	released += (unsigned)counters->released;
	died += (unsigned)counters->died;
	core_release(&core);
	begin();
	core.next_id = next_id;
	crash_ms = now_ms = at_ms + choose(100);
	crashes++;
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].subscriber = 0;
		if (workers[i].condemned || choose(4) == 0)
			start(i, false);
	}
	for (uint64_t id = 1; id < next_id; id++)
		if (disk[id].id != 0)
			tell((struct fact){ .kind = FACT_RESTORE,
			    .restore = { .queue = SPAN_LITERAL("mail"),
				.job = disk[id] } });
	tell((struct fact){
	    .kind = FACT_RESTORED, .restored = { .supervised = true } });
	carry_out(true);
	is_introduced = false;
	if (choose(4) != 0)
		introduce();
}

/* Nobody is given what runs only because the supervisor is silent: so it never
 * is for as long as that would take. */
static void
let_time_pass(void)
{
	if (!is_introduced && now_ms - crash_ms > INTRODUCTION_MS / 2)
		introduce();
	now_ms += choose(10) == 0 ? 3000 : choose(200);
	act((struct fact){ .kind = FACT_TIME });
}

static void
kill_the_condemned(void)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		if (!workers[i].condemned)
			continue;
		kills++;
		die(i);
	}
}

static void
live_one_step(void)
{
	unsigned i = choose(WORKERS);
	switch (choose(12)) {
	case 0:
	case 1:
		if (core.next_id < IDS_MAX)
			act((struct fact){ .kind = FACT_ENQUEUE,
			    .enqueue = { .queue = SPAN_LITERAL("mail") } });
		break;
	case 2:
		let_time_pass();
		break;
	case 3:
		if (choose(4) == 0 && is_introduced)
			die(i);
		break;
	case 4:
		disconnect(i);
		break;
	case 5:
		if (choose(3) == 0)
			crash();
		break;
	case 6:
		if (!is_introduced)
			introduce();
		break;
	case 7:
	case 8:
		if (workers[i].subscriber == 0)
			connect_one(i);
		break;
	case 9:
		ask_one(i, true);
		break;
	case 10:
		/* It dies between the store and the socket. */
		if (choose(8) == 0) {
			ask_one(i, false);
			crash();
		}
		break;
	default:
		work(i, (enum verdict)choose(VERDICT_DIED));
		break;
	}
	kill_the_condemned();
}

static void
come_to_an_end(void)
{
	if (!is_introduced)
		introduce();
	for (unsigned steps = 0; lane_unfinished(lane_named("mail")) > 0;
	     steps++) {
		unsigned i = steps % WORKERS;
		cr_assert_lt(steps, 100000, "some jobs are never given out");
		if (workers[i].subscriber == 0)
			connect_one(i);
		ask_one(i, true);
		work(i, VERDICT_DONE);
		let_time_pass();
		kill_the_condemned();
	}
}

Test(restarts, a_long_life_with_many_loses_and_doubles_nothing)
{
	begin();
	for (uint64_t seed = 1; seed <= 30; seed++) {
		chance = (struct random){ seed };
		core_release(&core);
		begin();
		memset(disk, 0, sizeof(disk));
		memset(workers, 0, sizeof(workers));
		enqueued = forgotten = certified = 0;
		tell((struct fact){ .kind = FACT_RESTORED,
		    .restored = { .supervised = true } });
		act((struct fact){ .kind = FACT_ENQUEUE,
		    .enqueue = { .queue = SPAN_LITERAL("mail") } });
		for (unsigned i = 0; i < WORKERS; i++)
			start(i, true);
		introduce();
		for (unsigned step = 0; step < 2000; step++)
			live_one_step();
		come_to_an_end();
		cr_assert_eq(enqueued, forgotten + core.jobs.slab.used);
		cr_assert_eq(
		    core.jobs.slab.used, lane_named("mail")->counts[JOB_DEAD]);
		cr_assert_eq(enqueued + certified, core.next_id - 1);
	}
	core_release(&core);
	/* It was a life. */
	cr_expect_gt(crashes, 1000);
	cr_expect_gt(kills, 20);
	cr_expect_gt(taken, 500);
	cr_expect_gt(unknown, 50);
	cr_expect_gt(released, 500);
	cr_expect_gt(died, 300);
}

Test(restarts, many_restored_jobs_are_found_by_their_ids)
{
	enum { COUNT = 5000 };
	begin();
	core_expect(&core, COUNT);
	for (uint64_t id = 1; id <= COUNT; id++) {
		struct fact fact = { .kind = FACT_RESTORE, .now_ms = now_ms };
		fact.restore.queue = SPAN_LITERAL("mail");
		fact.restore.job = (struct job){
			.id = 3 * id, .priority = 128, .state = JOB_READY
		};
		core_step(&core, &fact);
	}
	cr_assert_null(verify_core(&core));
	for (uint64_t id = 1; id <= COUNT; id++)
		cr_assert_neq(jobs_find(&core.jobs, 3 * id), 0);
	cr_assert_eq(jobs_find(&core.jobs, 4), 0);
	cr_assert_eq(core.next_id, 3 * COUNT + 1);
	core_release(&core);
}
