/* SPDX-License-Identifier: MIT */
/*
 * The judge of queues that are paused or drained, or do as much as they may.
 *
 * A delivery is on its way for a while. That it was decided behind a moment is
 * known when something that had to happen before came after that moment: its
 * job was enqueued, its run before was over, the power came back
 * (known->decided_us). So a job that was enqueued to a paused queue and runs is
 * one that must not.
 */
#include "base/check.h"
#include "tests/sim/known.h"
#include "tests/sim/sim.h"
#include "tests/sim/time.h"

#include <string.h>

#define RUNS_MAX    256
#define DECISIONS   40u	 /* of a queue that are looked at together */
#define TICKS_US    2000 /* of the queue's clock, at both ends of a time */
#define FOR_EVER_US INT64_MAX

struct gate {
	/* Somebody was told so. */
	bool is_paused;
	int64_t paused_us;
	int64_t until_us;
	uint64_t paused_life; /* of the queue to which it was said */
	bool was_paused;      /* since: until then nothing went */
	bool is_draining;
	int64_t drained_us;
	uint64_t drained_life;
	bool may_be_paused;
	bool may_be_draining;
	int64_t opened_us; /* what was sent before may have been refused */

	uint64_t runs[RUNS_MAX]; /* that may still go on */
	unsigned run_count;
	int64_t decided_us[DECISIONS]; /* of the last ones, in a ring */
	uint64_t decisions;
};

static struct gate gates[QUEUES];

void
gates_reset(void)
{
	memset(gates, 0, sizeof(gates));
}

static struct gate *
gate_of(const struct known *job)
{
	return &gates[oracle_token(job->token)->enqueue.queue];
}

/* ---- what somebody says ---- */

/* Is it closed now, for certain? The time of a pause is told to the next queue
 * by the wall clock. */
static bool
is_paused(const struct gate *gate)
{
	if (!gate->is_paused || gate->until_us == FOR_EVER_US)
		return gate->is_paused;
	return time_now_us() + TICKS_US < gate->until_us &&
	    (gate->paused_life == queue_life() ||
		fault_rate(FAULT_JUMP_CLOCK) == 0) &&
	    !world_heals();
}

static int64_t
end_of(const struct gate_change *change)
{
	return change->for_ms == 0 ? FOR_EVER_US
				   : change->sent_us + change->for_ms * 1000;
}

void
oracle_gates(struct gate_change *change)
{
	struct gate *gate = &gates[change->queue];
	change->sent_us = time_now_us();
	change->life = queue_life();
	change->must = false;
	switch (change->what) {
	case GATING_PAUSE:
		gate->may_be_paused = true;
		if (gate->until_us > end_of(change))
			gate->until_us = end_of(change);
		break;
	case GATING_RESUME:
		change->must = is_paused(gate) && gate->until_us == FOR_EVER_US;
		change->closed_life = gate->paused_life;
		gate->is_paused = false;
		break;
	case GATING_DRAIN:
		gate->may_be_draining = true;
		break;
	case GATING_OPEN:
		change->must = gate->is_draining;
		change->closed_life = gate->drained_life;
		gate->is_draining = false;
		break;
	}
}

static void
note_paused(struct gate *gate, const struct gate_change *change)
{
	if (!is_paused(gate)) {
		gate->paused_us = time_now_us();
		gate->was_paused = false;
	}
	gate->is_paused = true;
	gate->paused_life = change->life;
	gate->until_us = end_of(change);
}

static void
note_open(struct gate *gate)
{
	gate->may_be_draining = false;
	gate->opened_us = time_now_us();
}

void
oracle_gated(const struct gate_change *change)
{
	struct gate *gate = &gates[change->queue];
	bool over_restart = change->must && change->closed_life != change->life;
	switch (change->what) {
	case GATING_PAUSE:
		note_paused(gate, change);
		break;
	case GATING_RESUME:
		gate->may_be_paused = false;
		if (over_restart)
			sight(SIGHT_PAUSE_KEPT);
		break;
	case GATING_DRAIN:
		if (!gate->is_draining)
			gate->drained_us = time_now_us();
		gate->is_draining = true;
		gate->drained_life = change->life;
		break;
	case GATING_OPEN:
		note_open(gate);
		if (over_restart)
			sight(SIGHT_DRAIN_KEPT);
		break;
	}
}

void
oracle_gate_refused(const struct gate_change *change, bool bad_state)
{
	struct gate *gate = &gates[change->queue];
	if (!bad_state)
		return;
	if (change->must)
		broken("what was said of a queue holds until its end",
		    "queue %u was %s", change->queue,
		    change->what == GATING_RESUME ? "paused" : "drained");
	if (change->what == GATING_RESUME)
		gate->may_be_paused = false;
	else if (change->what == GATING_OPEN)
		note_open(gate);
	else
		broken("an answer says what became of a request",
		    "queue %u cannot be closed", change->queue);
}

bool
oracle_may_be_paused(unsigned queue)
{
	return gates[queue].may_be_paused;
}

bool
oracle_may_be_drained(unsigned queue)
{
	return gates[queue].may_be_draining;
}

/* ---- enqueues ---- */

void
oracle_draining(uint32_t token)
{
	unsigned queue = oracle_enqueue(token)->queue;
	if (!gates[queue].may_be_draining &&
	    oracle_token(token)->sent_us > gates[queue].opened_us)
		broken("good requests are taken or put off",
		    "queue %u is not drained", queue);
	sight(SIGHT_DRAINING_REFUSED);
}

void
gates_acknowledged(const struct token *token)
{
	const struct gate *gate = &gates[token->enqueue.queue];
	if (gate->is_draining && token->sent_us > gate->drained_us)
		broken("a drained queue takes nothing",
		    "queue %u took what was sent %lld us after that",
		    token->enqueue.queue,
		    (long long)(token->sent_us - gate->drained_us));
}

/* ---- deliveries ---- */

static void
check_pause(struct gate *gate, const struct known *job)
{
	if (is_paused(gate) && job->decided_us > gate->paused_us)
		broken("a paused queue gives out nothing",
		    "job %llu, which was decided %lld us after that",
		    (unsigned long long)job->id,
		    (long long)(job->decided_us - gate->paused_us));
	if (gate->paused_us == 0 || job->decided_us <= gate->paused_us ||
	    gate->was_paused)
		return;
	gate->was_paused = true;
	sight(gate->is_paused ? SIGHT_PAUSE_OVER : SIGHT_PAUSE_MET);
}

/* In no time more begin than a full bucket, and what drips into it. */
static void
check_rate(struct gate *gate, const struct known *job)
{
	const struct queue_rules *rules = oracle_rules(job);
	if (rules->rate_jobs == 0)
		return;
	gate->decided_us[gate->decisions++ % DECISIONS] = job->decided_us;
	unsigned count =
	    gate->decisions < DECISIONS ? (unsigned)gate->decisions : DECISIONS;
	for (unsigned i = 0; i < count; i++) {
		int64_t since_us = gate->decided_us[i];
		int64_t begun = 0;
		for (unsigned k = 0; k < count; k++)
			begun += gate->decided_us[k] >= since_us;
		int64_t took_us = time_now_us() - since_us + TICKS_US;
		int64_t most = rules->burst +
		    took_us * rules->rate_jobs / (rules->rate_ms * 1000);
		if (begun > most)
			broken("no more begin than the rate of a queue",
			    "queue %s: %lld in %lld us, and %lld may",
			    rules->name, (long long)begun, (long long)took_us,
			    (long long)most);
	}
}

void
gates_delivered(const struct known *job, const struct delivered *delivered)
{
	struct gate *gate = gate_of(job);
	if (delivered->late)
		return;
	check_pause(gate, job);
	check_rate(gate, job);
}

/* ---- runs ---- */

static bool
goes_on(const struct known *job)
{
	return job->runner != 0 && oracle_is_live(job->runner) &&
	    !job->may_be_lost;
}

void
gates_run_begins(struct known *job)
{
	struct gate *gate = gate_of(job);
	uint32_t most = oracle_rules(job)->max_running;
	unsigned kept = 0;
	if (most == 0 || !goes_on(job))
		return;
	for (unsigned i = 0; i < gate->run_count; i++)
		if (gate->runs[i] != job->id &&
		    goes_on(oracle_job(gate->runs[i])))
			gate->runs[kept++] = gate->runs[i];
	CHECK(kept < RUNS_MAX);
	gate->runs[kept++] = job->id;
	gate->run_count = kept;
	if (kept > most)
		broken("no more run at once than may",
		    "queue %s: %u, and %u may", oracle_rules(job)->name, kept,
		    most);
	if (kept == most)
		sight(SIGHT_AS_MANY_AS_MAY);
}

/* The next queue begins with a full bucket. */
void
gates_queue_died(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		gates[i].decisions = 0;
}
