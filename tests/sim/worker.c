/* SPDX-License-Identifier: MIT */
#include "tests/sim/worker.h"

#include "base/check.h"
#include "tests/sim/clients.h"
#include "tests/sim/loop.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/tree.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in worker/work.c, which needs processes and is not here. */
#define GRACE_US  5000000
#define SETTLE_US 1000000
#define RETURN_US 5000000

enum stage { STAGE_NONE, STAGE_QUIET, STAGE_TERM, STAGE_KILL };

struct run {
	TAILQ_ENTRY(run) in_all;
	struct worker *worker;
	struct ledger_job *job;
	uint64_t id;
	bool going; /* else it waits for its predecessor */
	bool stopped;
	bool asked; /* to end, by the queue */
	struct outcome outcome;
	struct timer end;
};

static struct worker workers[WORKERS_MAX];
static char *command[] = { (char *)"sim", NULL };

struct worker *
worker_at(unsigned at)
{
	return &workers[at];
}

const char *
worker_name(const struct worker *worker)
{
	return worker->options.name.text;
}

int64_t
worker_pid(const struct worker *worker)
{
	return worker->process.pid;
}

int64_t
worker_incarnation(const struct worker *worker)
{
	return worker->options.incarnation;
}

/* ---- the end of a run ---- */

static void
end_run(struct run *run)
{
	struct worker *worker = run->worker;
	struct ledger_job *job = run->job;
	struct outcome outcome = run->outcome;
	timer_cancel(&run->end);
	if (run->going)
		oracle_run_ends(worker->holder, run->id);
	TAILQ_REMOVE(&worker->runs, run, in_all);
	job->context = NULL;
	free(run);
	session_finish(&worker->session, job, &outcome);
}

static void
on_run_end(void *context)
{
	struct run *run = context;
	struct process *process = &run->worker->process;
	int64_t still_us = process->stopped_until_us - time_now_us();
	if (still_us > 0) {
		timer_set(&run->end, still_us);
		return;
	}
	struct process *before = process_enter(process);
	end_run(run);
	process_leave(before);
}

static struct outcome
draw_failure(void)
{
	uint64_t what = draw(20);
	if (what == 0) /* for good: dead jobs stay, and worlds are small */
		return outcome_of_exit(65, 0, 0);
	if (what < 5)
		return outcome_of_exit(75, draw(3), draw(UINT64_MAX));
	if (what < 9)
		return outcome_of_signal(SIGSEGV);
	return outcome_of_exit(1, 0, 0);
}

/* What fails complains, some of it at length. */
static struct outcome
draw_outcome(void)
{
	static const char complaints[STDERR_BYTES_MAX] = "oh dear";
	if (!strikes(FAULT_FAIL_JOBS))
		return (struct outcome){ .verdict = OUTCOME_DONE };
	struct outcome outcome = draw_failure();
	outcome.measured = true;
	outcome.errors.bytes = complaints;
	outcome.errors.count = draw(4) != 0 ? draw(200) : draw(4096);
	return outcome;
}

static int64_t
draw_duration_us(const struct worker *worker)
{
	int64_t ttr_us = queue_rules(worker->pool)->ttr_ms * 1000;
	if (ttr_us > 0 && strikes(FAULT_TTR))
		return draw_about(ttr_us, 3 * ttr_us);
	if (strikes(FAULT_HANG_JOBS))
		return INT64_C(3600) * 1000000;
	if (strikes(FAULT_SLOW_JOBS))
		return draw_about(10000, 6000000);
	return chance(200) ? 0 : draw_about(20, 8000);
}

/* ---- the beginning of a run ---- */

static struct run *
make_run(struct worker *worker, struct ledger_job *job)
{
	struct run *run = calloc(1, sizeof(*run));
	CHECK(run != NULL);
	run->worker = worker;
	run->job = job;
	run->id = job->id;
	run->end.fire = on_run_end;
	run->end.context = run;
	job->context = run;
	TAILQ_INSERT_TAIL(&worker->runs, run, in_all);
	return run;
}

static void
begin(struct run *run)
{
	int64_t duration_us = draw_duration_us(run->worker);
	run->going = true;
	run->outcome = draw_outcome();
	oracle_run_begins(run->worker->holder, run->id);
	if (duration_us > 0)
		timer_set(&run->end, duration_us);
	else
		end_run(run);
}

static void
note_delivery(struct worker *worker, const struct params_job *params)
{
	foreigners_note_ends();
	note("worker %lld gets job %lld, delivery %lld, attempt %lld",
	    worker->process.pid, params->id, params->delivery, params->attempt);
	if (params->delivery == 1 && time_now_us() - worker->asked_us > 20000)
		sight(SIGHT_DEMAND_KEPT);
	oracle_delivered(&(struct delivered){ .holder = worker->holder,
	    .id = (uint64_t)params->id,
	    .delivery = params->delivery,
	    .attempt = params->attempt,
	    .priority = params->priority,
	    .asked_us = worker->given_us,
	    .late = stream_is_over(worker->session.peer.fd),
	    .queue = params->queue,
	    .ttr_ms = params->ttr_ms,
	    .key = params->key,
	    .body = params->body });
}

static void
on_job(void *context, struct ledger_job *job, const struct params_job *params)
{
	struct worker *worker = context;
	note_delivery(worker, params);
	begin(make_run(worker, job));
}

static void
on_keep(void *context, struct ledger_job *job, const struct params_job *params)
{
	struct worker *worker = context;
	note_delivery(worker, params);
	if (job->context == NULL)
		make_run(worker, job);
}

static void
on_go_on(void *context, struct ledger_job *job)
{
	(void)context;
	begin(job->context);
}

static void
on_stop(void *context, struct ledger_job *job)
{
	struct run *run = job->context;
	(void)context;
	run->outcome = outcome_of_stop();
	if (run->stopped)
		return;
	run->stopped = true;
	if (run->going)
		timer_set(&run->end, (int64_t)draw(4000));
	else
		end_run(run);
}

/* The queue asks: the handler gets a TERM, and a KILL after the grace. What was
 * on its way to a good end may come to it. */
static void
on_end_asked(
    void *context, struct ledger_job *job, const struct params_stop *params)
{
	struct worker *worker = context;
	struct run *run = job->context;
	note("worker %lld is to stop job %lld, delivery %lld",
	    worker->process.pid, params->id, params->delivery, 0);
	oracle_stops(job->id, params->delivery, params->reason,
	    stream_is_over(worker->session.peer.fd));
	if (run->asked || run->stopped)
		return;
	if (fault_rate(FAULT_DEAF) > 0 && chance(700)) {
		if (run->going)
			timer_set(&run->end, INT64_C(3600) * 1000000);
		return;
	}
	run->asked = true;
	if (!run->going || run->outcome.verdict != OUTCOME_DONE ||
	    chance(700)) {
		run->outcome = outcome_of_signal(SIGTERM);
		run->outcome.asked = true;
	}
	if (run->going)
		timer_hasten(
		    &run->end, draw_about(1, params->grace_ms * 1000 + 20000));
	else
		end_run(run);
}

/* ---- the end of the worker ---- */

static void
stop_timers(struct worker *worker)
{
	struct run *run;
	timer_cancel(&worker->leave);
	timer_cancel(&worker->kill);
	timer_cancel(&worker->ready);
	timer_cancel(&worker->reap);
	TAILQ_FOREACH(run, &worker->runs, in_all)
		timer_cancel(&run->end);
}

static void
end(struct worker *worker, int status, int number)
{
	step(STEP_DEATH, (uint64_t)worker->process.pid);
	note("worker %lld ends, status %lld signal %lld, runs %lld",
	    worker->process.pid, status, number,
	    worker->session.ledger.in_hand_count);
	if (number != 0 && !TAILQ_EMPTY(&worker->runs))
		sight(SIGHT_DIED_WITH_JOB);
	if (number == 0)
		sight(SIGHT_WORKER_QUIT);
	stop_timers(worker);
	process_end(&worker->process);
	TAILQ_INIT(&worker->runs);
	tree_worker_ended(worker, status, number);
}

static void
on_leave(void *context)
{
	end(context, 0, 0);
}

static void
leave_if_possible(struct worker *worker)
{
	if (worker->stage == STAGE_NONE || session_is_busy(&worker->session))
		return;
	if (session_is_settled(&worker->session)) {
		timer_hasten(&worker->leave, 1);
		return;
	}
	if (worker->leaving)
		return;
	worker->leaving = true;
	timer_set(
	    &worker->leave, worker->session.connected ? SETTLE_US : RETURN_US);
}

static void
on_turn(void *context)
{
	leave_if_possible(context);
}

/* Handlers are asked to end, or made to. */
static void
interrupt(struct worker *worker, int64_t most_us)
{
	struct run *run;
	TAILQ_FOREACH(run, &worker->runs, in_all) {
		if (!run->going)
			continue;
		run->outcome = outcome_of_stop();
		timer_hasten(&run->end, draw_about(1, most_us));
	}
}

static void
enter_stage(struct worker *worker, enum stage stage)
{
	if (stage <= worker->stage)
		return;
	if (worker->stage == STAGE_NONE)
		session_quiet(&worker->session);
	worker->stage = stage;
	if (stage == STAGE_TERM)
		timer_set(&worker->kill, GRACE_US);
	if (stage >= STAGE_TERM)
		interrupt(worker, stage == STAGE_TERM ? 6000000 : 1000);
	leave_if_possible(worker);
}

static void
on_kill(void *context)
{
	struct worker *worker = context;
	struct process *before = process_enter(&worker->process);
	enter_stage(worker, STAGE_KILL);
	process_leave(before);
}

static void
look_at_signals(struct worker *worker)
{
	uint64_t signals = worker->process.signals;
	worker->process.signals = 0;
	if ((signals >> SIGQUIT & 1) != 0)
		enter_stage(worker, STAGE_TERM);
	if ((signals >> SIGTERM & 1) != 0) {
		if (worker->asked < STAGE_KILL)
			worker->asked++;
		enter_stage(worker, worker->asked);
	}
}

void
worker_signal(struct worker *worker, int number)
{
	if (worker->state != WORKER_ALIVE)
		return;
	if (number == SIGKILL)
		end(worker, 0, SIGKILL);
	else
		process_signal(&worker->process, number);
}

/* ---- life ---- */

static void
on_wake(void *context)
{
	struct worker *worker = context;
	struct process *before = process_enter(&worker->process);
	look_at_signals(worker);
	loop_dispatch(worker->process.base);
	process_leave(before);
}

static void
on_ready(void *context)
{
	tree_worker_ready(context);
}

static void
on_subscribed(void *context)
{
	struct worker *worker = context;
	timer_set(&worker->ready, (int64_t)draw(300));
}

static const struct session_events events = {
	.on_job = on_job,
	.on_keep = on_keep,
	.on_go_on = on_go_on,
	.on_stop = on_stop,
	.on_end = on_end_asked,
	.on_subscribed = on_subscribed,
	.on_turn = on_turn,
};

void
worker_reset(void)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		workers[i].state = WORKER_FREE;
}

static void
set_options(struct worker *worker, const struct worker_orders *orders)
{
	struct options *options = &worker->options;
	char name[32];
	strcpy(options->directory, "/gsq");
	name_set(&options->queue, span_of(queue_rules(orders->pool)->name));
	snprintf(name, sizeof(name), "p%u-%u", orders->pool, orders->number);
	name_set(&options->name, span_of(name));
	options->incarnation = orders->incarnation;
	options->max_demand = 1 + (uint32_t)draw(chance(300) ? 8 : 2);
	options->min_demand = (uint32_t)draw(options->max_demand);
	options->command = command;
}

struct worker *
worker_spawn(const struct worker_orders *orders)
{
	struct worker *worker = workers;
	while (worker < workers + WORKERS_MAX && worker->state != WORKER_FREE)
		worker++;
	if (worker == workers + WORKERS_MAX)
		return NULL;
	worker->state = WORKER_ALIVE;
	worker->place = orders->place;
	worker->pool = orders->pool;
	worker->holder = oracle_new_holder(true);
	worker->asked = worker->stage = 0;
	worker->leaving = worker->answer_was_error = false;
	worker->leave = (struct timer){ .fire = on_leave, .context = worker };
	worker->kill = (struct timer){ .fire = on_kill, .context = worker };
	worker->ready = (struct timer){ .fire = on_ready, .context = worker };
	worker->reap = (struct timer){ .context = worker };
	worker->asked_us = worker->owed_us = time_now_us();
	TAILQ_INIT(&worker->runs);
	set_options(worker, orders);
	process_start(&worker->process, on_wake, worker);
	note("worker %lld starts in place %lld for queue %lld, holder %lld",
	    worker->process.pid, orders->place, orders->pool, worker->holder);
	struct process *before = process_enter(&worker->process);
	struct event_base *base = event_base_new();
	CHECK(session_init(&worker->session, base, &worker->options, &events,
		  worker) == 0);
	process_leave(before);
	return worker;
}

void
worker_free(struct worker *worker)
{
	stop_timers(worker);
	worker->state = WORKER_FREE;
}

void
worker_vanish(struct worker *worker)
{
	if (worker->state == WORKER_FREE)
		return;
	if (worker->state == WORKER_ALIVE && !TAILQ_EMPTY(&worker->runs))
		sight(SIGHT_DIED_WITH_JOB);
	stop_timers(worker);
	process_end(&worker->process);
	oracle_holder_gone(worker->holder);
	worker->state = WORKER_FREE;
}

void
worker_heal_all(void)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct run *run;
		if (workers[i].state != WORKER_ALIVE)
			continue;
		workers[i].process.stopped_until_us = 0;
		process_wake(&workers[i].process);
		TAILQ_FOREACH(run, &workers[i].runs, in_all)
			if (run->going)
				timer_hasten(&run->end, 50000);
	}
}

void
worker_note_error(const struct process *process)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		if (process == &workers[i].process)
			workers[i].answer_was_error = true;
}

/* ---- every step of the ledger ---- */

struct ledger_wishes __real_ledger_step(
    struct ledger *ledger, const struct ledger_fact *fact);
struct ledger_wishes __wrap_ledger_step(
    struct ledger *ledger, const struct ledger_fact *fact);
struct ledger_job *__real_ledger_resend(struct ledger *ledger);
struct ledger_job *__wrap_ledger_resend(struct ledger *ledger);

static struct worker *
worker_of(struct ledger *ledger)
{
	return (struct worker *)((char *)ledger -
	    offsetof(struct worker, session.ledger));
}

static enum said
said_of(const struct ledger_job *job)
{
	static const enum said all[] = {
		[OUTCOME_DONE] = SAID_DONE,
		[OUTCOME_FAIL] = SAID_FAIL,
		[OUTCOME_RETRY] = SAID_RETRY,
		[OUTCOME_DEAD] = SAID_DEAD,
		[OUTCOME_RELEASE] = SAID_RELEASE,
	};
	return all[job->outcome.verdict];
}

static void
note_said(const struct worker *worker, const struct ledger_job *job)
{
	note("worker %lld says %lld of job %lld, delivery %lld",
	    worker->process.pid, said_of(job), (long long)job->id,
	    job->delivery);
	oracle_said(worker->holder, job->id, job->delivery, said_of(job),
	    job->outcome.cause == OUTCOME_CAUSE_SIGNAL && !job->outcome.asked);
}

static void
note_settled(const struct worker *worker, uint64_t count)
{
	const struct ledger_job *job;
	if (count > worker->session.ledger.responses)
		broken("settled counts what was sent", "worker %lld",
		    (long long)worker->process.pid);
	TAILQ_FOREACH(job, &worker->session.ledger.sent, in_list)
		if (job->number <= count)
			oracle_settled(worker->holder, job->id, job->delivery,
			    said_of(job), false);
}

static void
note_answered(struct worker *worker, uint64_t msgid)
{
	const struct ledger_job *job;
	bool refused = worker->answer_was_error;
	worker->answer_was_error = false;
	if (refused)
		sight(SIGHT_STALE_REFUSED);
	TAILQ_FOREACH(job, &worker->session.ledger.requested, in_list)
		if (job->msgid == msgid && !refused)
			oracle_settled(worker->holder, job->id, job->delivery,
			    said_of(job), true);
}

static void
look_before(struct worker *worker, const struct ledger_fact *fact)
{
	if (fact->event == LEDGER_SETTLED)
		note_settled(worker, fact->settled);
	else if (fact->event == LEDGER_ANSWERED)
		note_answered(worker, fact->answered);
	else if (fact->event == LEDGER_END)
		oracle_stop_heard(fact->end.id, fact->end.delivery);
	else if (fact->event == LEDGER_JOB && worker->session.ledger.owed == 0)
		broken("nobody gets more than was asked for",
		    "worker %lld, job %llu", (long long)worker->process.pid,
		    (unsigned long long)fact->job.id);
}

struct ledger_wishes
__wrap_ledger_step(struct ledger *ledger, const struct ledger_fact *fact)
{
	struct worker *worker = worker_of(ledger);
	step(STEP_LEDGER,
	    (uint64_t)fact->event | (uint64_t)worker->process.pid << 8);
	look_before(worker, fact);
	worker->given_us = worker->owed_us;
	struct ledger_wishes wishes = __real_ledger_step(ledger, fact);
	if (wishes.send != NULL)
		note_said(worker, wishes.send);
	if (wishes.ask > 0)
		worker->asked_us = time_now_us();
	if (wishes.ask > 0 && ledger->owed == wishes.ask)
		worker->owed_us = time_now_us();
	if (fact->event == LEDGER_UNKNOWN && wishes.stop != NULL)
		sight(SIGHT_RUN_WAS_UNKNOWN);
	const char *wrong = verifies_now() ? ledger_verify(ledger) : NULL;
	if (wrong != NULL)
		broken("the ledger's invariants hold", "%s", wrong);
	return wishes;
}

struct ledger_job *
__wrap_ledger_resend(struct ledger *ledger)
{
	struct ledger_job *job = __real_ledger_resend(ledger);
	if (job == NULL)
		return NULL;
	sight(SIGHT_RESULT_SENT_AGAIN);
	note_said(worker_of(ledger), job);
	return job;
}
