/* SPDX-License-Identifier: MIT */
/*
 * One world from its first moment to its last: drawn from the seed, tormented
 * until its steps are used up, then healed; what is left must drain, outlive a
 * power cut, and be as the oracle knows it.
 */
#include "base/random.h"
#include "tests/sim/clients.h"
#include "tests/sim/machine.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/time.h"
#include "tests/sim/tree.h"
#include "tests/sim/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How long it may take, and how many steps, until all has drained. */
#define DRAIN_US      INT64_C(400000000)
#define DRAIN_STEPS   UINT64_C(200000)
#define LOOK_US	      20000
#define LOOK_LATER_US 1000000

/* A delayed job is due by the wall clock when the queue starts anew, so what
 * is drawn here is how much later it may come. */
#define JUMP_MS INT64_C(30000)

#define NOTES_USUAL 40
#define TRACE_NOTES 1000000

const char *const fault_names[FAULT_COUNT] = {
#define FAULT(name, weight, words) #name,
#include "tests/sim/fault.def"
#undef FAULT
};

const char *const fault_words[FAULT_COUNT] = {
#define FAULT(name, weight, words) words,
#include "tests/sim/fault.def"
#undef FAULT
};

static const uint32_t fault_weights[FAULT_COUNT] = {
#define FAULT(name, weight, words) weight,
#include "tests/sim/fault.def"
#undef FAULT
};

const char *const sight_words[SIGHT_COUNT] = {
#define SIGHT(name, words) words,
#include "tests/sim/sight.def"
#undef SIGHT
};

const char *const step_words[STEP_COUNT] = {
	[STEP_CORE] = "facts to the core",
	[STEP_LEDGER] = "facts to ledgers",
	[STEP_PLAN] = "facts to the plan",
	[STEP_START] = "starts of a queue",
	[STEP_DEATH] = "deaths",
};

enum phase {
	PHASE_TORMENT,
	PHASE_DRAIN,  /* everything must end */
	PHASE_REBOOT, /* and still be so after a power cut */
	PHASE_OVER
};

static struct {
	struct sim_orders orders;
	struct sim_outcome *outcome;
	struct random random;
	uint32_t rates[FAULT_COUNT];
	uint32_t weights;      /* of all that are on */
	int64_t torment_us;    /* between two strikes, about */
	uint64_t verify_every; /* steps */
	enum phase phase;
	struct timer torment;
	struct timer look; /* is it drained? */
	int64_t healed_us;
	uint64_t healed_steps;
	int64_t look_us; /* between two looks */
	uint64_t lists;	 /* that are to be there for the next decision */
	uint64_t notes;
	jmp_buf end;
} world;

/* Survives the world, to be printed. */
static struct {
	const char *format;
	int64_t at_us;
	uint64_t step;
	long long values[4];
	char words[160]; /* instead, when format is NULL */
} trace[TRACE_NOTES];

/* ---- chance ---- */

uint64_t
draw(uint64_t below)
{
	return random_next(&world.random) % below;
}

bool
chance(uint32_t per_mille)
{
	return draw(1000) < per_mille;
}

int64_t
draw_about(int64_t least, int64_t most)
{
	uint64_t range = (uint64_t)(most - least) + 1;
	uint64_t cut = 1 + draw(range);
	return least + (int64_t)draw(cut);
}

uint32_t
fault_rate(enum fault fault)
{
	return world.rates[fault];
}

/* ---- what happens ---- */

void
mix_in(uint64_t what)
{
	struct sim_outcome *outcome = world.outcome;
	outcome->hash = (outcome->hash ^ what) * UINT64_C(0x100000001b3);
	outcome->hash ^= outcome->hash >> 29;
}

void
step(enum step_kind kind, uint64_t what)
{
	world.outcome->steps++;
	world.outcome->by_kind[kind]++;
	mix_in((uint64_t)kind << 56 ^ what);
	mix_in((uint64_t)time_now_us());
}

bool
verifies_now(void)
{
	return world.outcome->steps % world.verify_every == 0;
}

void
note(const char *format, long long a, long long b, long long c, long long d)
{
	uint64_t at = world.notes++ % world.orders.notes;
	trace[at].format = format;
	trace[at].at_us = time_now_us();
	trace[at].step = world.outcome->steps;
	trace[at].values[0] = a;
	trace[at].values[1] = b;
	trace[at].values[2] = c;
	trace[at].values[3] = d;
}

void
note_words(const char *words)
{
	uint64_t at = world.notes % world.orders.notes;
	note(NULL, 0, 0, 0, 0);
	snprintf(trace[at].words, sizeof(trace[at].words), "%s", words);
}

static void
print_note(uint64_t at)
{
	const long long *values = trace[at].values;
	if (trace[at].format == NULL) {
		printf("%s", trace[at].words);
		return;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	printf(trace[at].format, values[0], values[1], values[2], values[3]);
#pragma GCC diagnostic pop
}

void
world_print_trace(void)
{
	uint64_t most = world.orders.notes;
	uint64_t first = world.notes > most ? world.notes - most : 0;
	for (uint64_t i = first; i < world.notes; i++) {
		uint64_t at = i % most;
		printf("  step %6llu %10.6f s  ",
		    (unsigned long long)trace[at].step,
		    (double)trace[at].at_us / 1e6);
		print_note(at);
		putchar('\n');
	}
}

void
sight(enum sight what)
{
	world.outcome->sights[what]++;
}

_Noreturn void
broken(const char *rule, const char *format, ...)
{
	struct sim_outcome *outcome = world.outcome;
	va_list arguments;
	outcome->failed = true;
	snprintf(outcome->rule, sizeof(outcome->rule), "%s", rule);
	va_start(arguments, format);
	vsnprintf(outcome->detail, sizeof(outcome->detail), format, arguments);
	va_end(arguments);
	_longjmp(world.end, 1);
}

/* ---- torment ---- */

void
world_machine_lost(void)
{
	struct process *before = process_enter(NULL);
	note("the power goes", 0, 0, 0, 0);
	if (queue_is_alive() && before != NULL)
		sight(SIGHT_POWER_IN_RECOVERY);
	tree_kill_all();
	stream_lose_all();
	machine_lose_power();
	oracle_power_lost();
	process_leave(before);
}

static void
kill_at_call(bool with_power)
{
	machine_kill_at_call(1 + draw(chance(500) ? 12 : 150), with_power);
	if (chance(300))
		queue_kill();
}

static void
strike(enum fault fault)
{
	int64_t a_while_us = draw_about(20000, 2000000);
	switch (fault) {
	case FAULT_KILL_QUEUE:
		queue_kill();
		break;
	case FAULT_KILL_AT_CALL:
		kill_at_call(false);
		break;
	case FAULT_CUT_POWER:
		world_machine_lost();
		break;
	case FAULT_CUT_AT_CALL:
		kill_at_call(true);
		break;
	case FAULT_FAIL_CALL:
		machine_fail_call(1 + draw(60));
		break;
	case FAULT_FILL_DISK:
		machine_fill(a_while_us, draw(30000));
		break;
	case FAULT_ROT:
		machine_rot();
		if (chance(300))
			queue_kill();
		break;
	case FAULT_DRIBBLE:
		machine_dribble(a_while_us);
		break;
	case FAULT_SLOW_SYNC:
		machine_slow_syncs(a_while_us, draw_about(1000, 40000));
		break;
	case FAULT_JUMP_CLOCK:
		sight(SIGHT_CLOCK_JUMPED);
		oracle_clock_is_set();
		time_jump(JUMP_MS - (int64_t)draw(2 * JUMP_MS));
		oracle_clock_was_set();
		break;
	case FAULT_CUT_STREAM:
		stream_cut_one();
		break;
	case FAULT_SLOW_STREAM:
		stream_set_delay(chance(500) ? 0 : draw_about(100, 30000));
		break;
	case FAULT_KILL_WORKER:
		tree_kill_some_worker();
		break;
	case FAULT_STOP_PROCESS:
		if (chance(300))
			queue_stop_for(a_while_us);
		else
			tree_stop_some_worker(draw_about(20000, 8000000));
		break;
	case FAULT_KILL_ALL:
		sight(SIGHT_ALL_KILLED);
		tree_kill_all();
		break;
	case FAULT_STOP_ALL:
		tree_stop_all();
		break;
	case FAULT_SCALE:
		tree_scale();
		break;
	case FAULT_RESTART:
		tree_restart_some();
		break;
	case FAULT_KILL_AGAIN:
	case FAULT_SMALL_STREAM:
	case FAULT_FAIL_JOBS:
	case FAULT_SLOW_JOBS:
	case FAULT_HANG_JOBS:
	case FAULT_BULK:
	case FAULT_LARGE_BODIES:
	case FAULT_KEYS:
	case FAULT_DELAYS:
	case FAULT_RELAXED:
	case FAULT_MEMORY:
	case FAULT_FOREIGN:
	case FAULT_LIARS:
	case FAULT_GARBAGE:
	case FAULT_OPERATORS:
	case FAULT_TTR:
	case FAULT_DEAF:
	case FAULT_POISON:
	case FAULT_STEER:
	case FAULT_PAUSE:
	case FAULT_EXPIRY:
	case FAULT_AT:
	case FAULT_TICKETS:
	case FAULT_LIMITS:
	case FAULT_COUNT:
		break;
	}
}

static void
strike_one(void)
{
	uint64_t at = draw(world.weights);
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		uint64_t weight = fault_weights[i] * world.rates[i];
		if (at < weight) {
			note(fault_words[i], 0, 0, 0, 0);
			mix_in(i);
			strike((enum fault)i);
			return;
		}
		at -= weight;
	}
}

static void
heal(void)
{
	note("the faults stop", 0, 0, 0, 0);
	world.phase = PHASE_DRAIN;
	world.healed_us = time_now_us();
	world.healed_steps = world.outcome->steps;
	memset(world.rates, 0, sizeof(world.rates));
	machine_heal();
	stream_set_delay(0);
	foreigners_leave();
	steerers_heal();
	worker_heal_all();
	queue_stop_for(0);
	world.look_us = LOOK_US;
	timer_set(&world.look, LOOK_US);
}

static void
on_torment(void *context)
{
	(void)context;
	if (world.outcome->steps >= world.orders.steps) {
		heal();
		return;
	}
	if (world.weights > 0)
		strike_one();
	timer_set(&world.torment, draw_about(10, world.torment_us));
}

bool
world_heals(void)
{
	return world.phase != PHASE_TORMENT;
}

/* ---- the end ---- */

static void
check_drain_time(void)
{
	if (time_now_us() - world.healed_us > DRAIN_US ||
	    world.outcome->steps - world.healed_steps > DRAIN_STEPS)
		broken("everything drains when the faults stop",
		    "%u jobs are left, producers are %s", oracle_unfinished(),
		    producers_are_idle() ? "idle" : "waiting");
}

/* A list that began after all was quiet tells. */
static void
on_look(void *context)
{
	(void)context;
	check_drain_time();
	tree_heal();
	world.look_us += world.look_us / 4;
	if (world.look_us > LOOK_LATER_US)
		world.look_us = LOOK_LATER_US;
	timer_set(&world.look, world.look_us);
	if (!producers_are_idle() || !steerers_are_idle() ||
	    operators_lists() < world.lists) {
		operators_list_now();
		return;
	}
	bool is_fresh = world.lists > 0;
	world.lists = operators_lists() + 2;
	if (!is_fresh || oracle_unfinished() > 0)
		return;
	oracle_judge();
	sight(SIGHT_DRAINED);
	world.lists = 0;
	if (world.phase == PHASE_REBOOT) {
		world.phase = PHASE_OVER;
		_longjmp(world.end, 1);
	}
	world.phase = PHASE_REBOOT;
	world.look_us = LOOK_US;
	world_machine_lost();
}

/* ---- the beginning ---- */

/* Each kind is off, rare or frequent. */
static void
draw_rates(void)
{
	world.weights = 0;
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		static const uint32_t rates[] = { 0, 40, 250, 0, 120 };
		uint32_t rate = rates[draw(5)];
		if ((world.orders.without >> i & 1) != 0)
			rate = 0;
		world.rates[i] = rate;
		world.weights += rate * fault_weights[i];
	}
}

/* Some worlds are so calm that what takes seconds comes to its end. */
static int64_t
draw_torment_us(void)
{
	if (chance(40))
		return draw_about(1500000, 10000000);
	return draw_about(5000, chance(350) ? 150000 : 1500000);
}

static void
reset(const struct sim_orders *orders, struct sim_outcome *outcome)
{
	memset(&world, 0, sizeof(world));
	memset(outcome, 0, sizeof(*outcome));
	world.orders = *orders;
	if (world.orders.notes == 0 || world.orders.notes > TRACE_NOTES)
		world.orders.notes = NOTES_USUAL;
	world.outcome = outcome;
	world.random.state = orders->seed * UINT64_C(0x9e3779b97f4a7c15);
	process_reset();
	time_reset();
	draw_rates();
	world.torment_us = draw_torment_us();
	world.verify_every = 1 + draw(16);
	world.torment.fire = on_torment;
	world.look.fire = on_look;
	stream_reset();
	oracle_reset();
	queue_reset();
	machine_reset(draw(UINT64_MAX));
	worker_reset();
	tree_reset();
	producers_reset();
	foreigners_reset();
	operators_reset();
	steerers_reset();
	timer_set(&world.torment, 100000);
}

void
world_run(const struct sim_orders *orders, struct sim_outcome *outcome)
{
	reset(orders, outcome);
	if (_setjmp(world.end) == 0) {
		tree_start();
		for (;;) {
			if (queue_is_due())
				queue_run();
			else
				time_step();
		}
	}
	outcome->time_us = time_now_us();
	outcome->jobs = oracle_jobs();
	process_enter(NULL);
	tree_release();
	queue_release();
	machine_release();
	process_memory_reset();
}
