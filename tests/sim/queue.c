/* SPDX-License-Identifier: MIT */
#include "tests/sim/queue.h"

#include "core/core.h"
#include "core/verify.h"
#include "queue/options.h"
#include "queue/server.h"
#include "queue/turn.h"
#include "tests/sim/inside.h"
#include "tests/sim/loop.h"
#include "tests/sim/machine.h"
#include "tests/sim/oracle.h"
#include "tests/sim/process.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/tree.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	struct process process;
	struct options options;
	struct queue_options queues[QUEUES];
	struct queue_rules rules[QUEUES];
	jmp_buf end;
	bool due;	/* spawned and not run yet */
	bool inside;	/* in serve() */
	bool starting;	/* ... and has not come to its loop */
	bool condemned; /* to be killed at the next moment */
	bool awake;
	int status; /* with which it exited */
	uint64_t lives;
	char refusal[300];
} queue;

/* ---- rules ---- */

static enum promise
draw_promise(unsigned at)
{
	if (at == 1 && fault_rate(FAULT_RELAXED) > 0)
		return PROMISE_RELAXED;
	if (at == 2 && fault_rate(FAULT_MEMORY) > 0)
		return PROMISE_MEMORY;
	return PROMISE_SYNC;
}

/* What a run may take, and how many there may be. */
static void
draw_limits(struct queue_rules *rules)
{
	if (fault_rate(FAULT_TTR) > 0 && chance(600))
		rules->ttr_ms = draw_about(20, 5000);
	rules->grace_ms = draw_about(1, 800);
	if (fault_rate(FAULT_POISON) > 0)
		rules->max_crashes = 1 + (uint32_t)draw(3);
	if (fault_rate(FAULT_LIMITS) > 0 && chance(400))
		rules->max_running = 1 + (uint32_t)draw(4);
	rules->burst = 1;
	if (fault_rate(FAULT_LIMITS) == 0 || chance(600))
		return;
	rules->rate_jobs = 1 + (int64_t)draw(20);
	rules->rate_ms = rules->rate_jobs * draw_about(5, 150);
	rules->burst = 1 + (int64_t)draw(4);
}

void
queue_reset(void)
{
	static const enum durability durabilities[] = {
		[PROMISE_SYNC] = DURABILITY_SYNC,
		[PROMISE_RELAXED] = DURABILITY_RELAXED,
		[PROMISE_MEMORY] = DURABILITY_MEMORY,
	};
	static const enum key_mode modes[] = { KEY_SERIAL, KEY_COALESCE,
		KEY_COALESCE, KEY_PARALLEL };
	memset(&queue, 0, sizeof(queue));
	for (unsigned i = 0; i < QUEUES; i++) {
		struct queue_rules *rules = &queue.rules[i];
		struct queue_options *options = &queue.queues[i];
		snprintf(rules->name, sizeof(rules->name), "q%u", i);
		rules->promise = draw_promise(i);
		rules->max_attempts = 1 + (uint32_t)draw(7);
		rules->mode = modes[draw(4)];
		rules->merge = (enum key_merge)draw(KEY_MERGE_COUNT);
		draw_limits(rules);
		name_set(&options->name, span_of(rules->name));
		options->max_attempts = rules->max_attempts;
		options->retry.base_ms = 1 + (int64_t)draw(200);
		options->retry.cap_ms = options->retry.base_ms * 4;
		options->durability = durabilities[rules->promise];
		options->keys = rules->mode;
		options->merge = rules->merge;
		options->max_crashes = rules->max_crashes;
		options->ttr_ms = rules->ttr_ms;
		options->ttr_grace_ms = rules->grace_ms;
		options->max_running = rules->max_running;
		options->rate_jobs = rules->rate_jobs;
		options->rate_ms = rules->rate_ms;
		options->rate_burst = rules->burst;
	}
	queue.options.configuration.max_connections = CONNECTIONS_MAX;
	queue.options.configuration.max_output_bytes = OUTPUT_BYTES_HIGH;
	queue.options.configuration.queue_count = QUEUES;
	queue.options.configuration.queues = queue.queues;
	strcpy(queue.options.directory, "/gsq");
	strcpy(queue.options.store, "/gsq/store");
	queue.options.listener_fd = STREAM_FD_LISTENER;
}

void
queue_release(void)
{
	process_end(&queue.process);
}

/* What takes the place of the configuration file. */
struct queue_options
configuration_queue(const struct configuration *configuration, const char *name)
{
	for (size_t i = 0; i < configuration->queue_count; i++)
		if (strcmp(configuration->queues[i].name.text, name) == 0)
			return configuration->queues[i];
	broken("nothing unknown appears", "a queue '%s'", name);
}

const struct queue_rules *
queue_rules(unsigned at)
{
	return &queue.rules[at];
}

/* ---- life ---- */

static void
on_wake(void *context)
{
	(void)context;
	queue.awake = true;
}

int64_t
queue_spawn(int channel_fd, int64_t incarnation)
{
	process_start(&queue.process, on_wake, NULL);
	queue.options.channel_fd = channel_fd;
	queue.options.incarnation = incarnation;
	queue.due = true;
	queue.lives++;
	return queue.process.pid;
}

bool
queue_is_due(void)
{
	return queue.due && !queue.inside;
}

static void
ended(int status, int number)
{
	note("the queue ended, status %lld signal %lld", status, number, 0, 0);
	queue.inside = queue.condemned = false;
	process_leave(NULL);
	process_end(&queue.process);
	machine_queue_ended();
	oracle_queue_died();
	tree_queue_ended(status, number);
}

enum { JUMP_KILLED = 1, JUMP_EXIT };

static void
check_status(int status)
{
	if (status == EXIT_BOOT_FAILED)
		sight(SIGHT_EIO_IN_RECOVERY);
	if (status == EXIT_CONFIGURATION && machine_is_rotten())
		sight(SIGHT_DAMAGE_REFUSED);
	else if (status == EXIT_CONFIGURATION)
		broken("the store opens after whatever happened", "%s",
		    queue.refusal);
}

void
queue_run(void)
{
	queue.due = false;
	if (queue.condemned) {
		ended(0, SIGKILL);
		return;
	}
	step(STEP_START, queue.lives);
	note("queue %lld starts, incarnation %lld", queue.process.pid,
	    queue.options.incarnation, 0, 0);
	queue.inside = queue.starting = true;
	queue.awake = false;
	queue.refusal[0] = '\0';
	oracle_queue_begins();
	if (strikes(FAULT_KILL_AGAIN))
		machine_kill_at_call(1 + draw(60), chance(300));
	process_enter(&queue.process);
	int jump = _setjmp(queue.end);
	if (jump == 0)
		queue.status = serve(&queue.options);
	if (jump == JUMP_KILLED) {
		step(STEP_DEATH, queue.lives);
		ended(0, SIGKILL);
		return;
	}
	check_status(queue.status);
	ended(queue.status, 0);
}

_Noreturn void
queue_dies(void)
{
	machine_note_death(queue.starting);
	if (queue.starting)
		sight(SIGHT_CRASH_IN_RECOVERY);
	_longjmp(queue.end, JUMP_KILLED);
}

_Noreturn void
queue_exits(int status)
{
	queue.status = status;
	_longjmp(queue.end, JUMP_EXIT);
}

void
queue_kill(void)
{
	if (!queue.process.alive)
		return;
	queue.condemned = true;
	stream_close_all(&queue.process);
}

void
loop_sleep(void)
{
	process_leave(NULL);
	queue.starting = false;
	machine_note_round();
	while (!queue.awake && !queue.condemned)
		time_step();
	process_enter(&queue.process);
	if (queue.condemned)
		queue_dies();
	queue.awake = false;
}

struct process *
queue_process(void)
{
	return &queue.process;
}

bool
queue_is_alive(void)
{
	return queue.process.alive && !queue.condemned;
}

bool
queue_is_condemned(void)
{
	return queue.condemned;
}

void
queue_wake(void)
{
	process_wake(&queue.process);
}

void
queue_signal(int number)
{
	process_signal(&queue.process, number);
}

void
queue_stop_for(int64_t us)
{
	process_stop(&queue.process, us);
}

uint64_t
queue_life(void)
{
	return queue.lives;
}

void
queue_note_refusal(const char *words)
{
	snprintf(queue.refusal, sizeof(queue.refusal), "%s", words);
}

/* ---- every step of the core ---- */

void __real_core_step(struct core *core, const struct fact *fact);
void __wrap_core_step(struct core *core, const struct fact *fact);

void
__wrap_core_step(struct core *core, const struct fact *fact)
{
	step(STEP_CORE,
	    (uint64_t)fact->kind | (uint64_t)fact->subscriber << 8 |
		(uint64_t)fact->now_ms << 24);
	struct inside before = inside_before(core, fact);
	__real_core_step(core, fact);
	inside_after(core, fact, &before);
	if (!verifies_now())
		return;
	const char *wrong = verify_core(core);
	if (wrong != NULL)
		broken("the core's invariants hold", "after fact %d: %s",
		    (int)fact->kind, wrong);
}
