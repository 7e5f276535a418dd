/* SPDX-License-Identifier: MIT */
#include "tests/sim/tree.h"

#include "base/check.h"
#include "supervisor/plan.h"
#include "tests/sim/oracle.h"
#include "tests/sim/queue.h"
#include "tests/sim/sim.h"
#include "tests/sim/stream.h"
#include "tests/sim/talker.h"
#include "tests/sim/time.h"
#include "tests/sim/worker.h"
#include "wire/method.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define PLACES	     (1 + QUEUES * WORKERS_PER_POOL)
#define STATUS_CLEAN 0

static struct {
	bool up;
	struct plan plan;
	struct timer act; /* the plan's wishes and its time */
	struct timer start;
	struct timer reap_queue;
	int queue_status, queue_signal;
	struct talker channel;
	int64_t queue_lives;
	int64_t worker_lives;
	struct worker *places[PLACES];
	bool stops; /* asked to stop */
} tree;

static int64_t
now_ms(void)
{
	return time_now_us() / 1000;
}

/* ---- the plan ---- */

static void
check_plan(void)
{
	const char *wrong = verifies_now() ? plan_verify(&tree.plan) : NULL;
	if (wrong != NULL)
		broken("the plan's invariants hold", "%s", wrong);
}

static void
tell_plan(const struct plan_fact *fact)
{
	if (!tree.up)
		return;
	step(STEP_PLAN, (uint64_t)fact->event << 8 | fact->child);
	plan_step(&tree.plan, now_ms(), fact);
	check_plan();
	timer_hasten(&tree.act, 1);
}

static void
tell_plan_about(enum plan_event event, unsigned place)
{
	tell_plan(&(struct plan_fact){ .event = event, .child = place });
}

/* ---- the channel ---- */

static void
say_worker(const struct worker *worker, struct span method, int64_t status,
    int64_t number, bool planned)
{
	struct message_writer writer;
	bool down = span_is_text(method, "worker_down");
	if (!talker_is_connected(&tree.channel))
		return;
	message_notification(
	    &writer, &tree.channel.output, method, down ? 5 : 3);
	put_key(&writer, "name");
	put_text(&writer, span_of(worker_name(worker)));
	put_key(&writer, "pid");
	put_integer(&writer, worker_pid(worker));
	put_key(&writer, "incarnation");
	put_integer(&writer, worker_incarnation(worker));
	if (down) {
		put_key(&writer, number != 0 ? "signal" : "exit");
		put_integer(&writer, number != 0 ? number : status);
		put_key(&writer, "planned");
		put_boolean(&writer, planned);
	}
	CHECK(message_end(&writer) == 0);
	talker_send(&tree.channel);
}

static void
say_up(struct worker *worker)
{
	say_worker(worker, SPAN_LITERAL("worker_up"), 0, 0, false);
}

static void
say_down(struct worker *worker)
{
	say_worker(worker, SPAN_LITERAL("worker_down"), worker->death.status,
	    worker->death.number, worker->death.planned);
}

/* What a new queue hears first. */
static void
introduce(void)
{
	struct message_writer writer;
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		struct worker *worker = worker_at(i);
		if (worker->state == WORKER_UNTOLD) {
			say_down(worker);
			worker_free(worker);
		} else if (worker->state != WORKER_FREE) {
			say_up(worker);
		}
	}
	message_notification(
	    &writer, &tree.channel.output, SPAN_LITERAL("introduced"), 0);
	CHECK(message_end(&writer) == 0);
	talker_send(&tree.channel);
}

static void
hear_kill(const struct message *message)
{
	int64_t pid;
	struct span reason = { 0 };
	object_span(map_find(message->params, "reason"), &reason);
	bool is_overstayed =
	    span_is_text(reason, "it does not stop a job that it was asked to");
	if (!object_integer(
		map_find(message->params, "pid"), 1, INT32_MAX, &pid))
		broken("gsq sends good messages", "kill without a pid");
	for (unsigned i = 1; i < PLACES; i++) {
		if (tree.places[i] == NULL || worker_pid(tree.places[i]) != pid)
			continue;
		note("the queue asks for the end of worker %lld", pid, 0, 0, 0);
		sight(is_overstayed ? SIGHT_OVERSTAYED_KILLED
				    : SIGHT_SILENT_KILLED);
		tell_plan_about(PLAN_EVENT_KILL, i);
	}
}

static void
on_channel_message(void *context, const struct message *message)
{
	(void)context;
	enum method method = method_of_name(message->method);
	if (method == METHOD_ready)
		tell_plan_about(PLAN_EVENT_READY, PLAN_QUEUE);
	else if (method == METHOD_kill)
		hear_kill(message);
	else
		broken("gsq sends good messages", "%.*s on the channel",
		    (int)message->method.count, message->method.bytes);
}

static void
on_channel_end(void *context)
{
	(void)context;
	if (tree.up && plan_is_alive(tree.plan.children[PLAN_QUEUE].state))
		tell_plan_about(PLAN_EVENT_LOST, PLAN_QUEUE);
}

/* ---- deaths ---- */

static void
on_queue_reaped(void *context)
{
	(void)context;
	talker_close(&tree.channel);
	tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_EXITED,
	    .child = PLAN_QUEUE,
	    .exit_code = tree.queue_status,
	    .signal = tree.queue_signal });
}

void
tree_queue_ended(int status, int number)
{
	if (!tree.up)
		return;
	tree.queue_status = status;
	tree.queue_signal = number;
	timer_set(&tree.reap_queue, (int64_t)draw(500));
}

/* Nothing of it lives any more. */
static void
on_swept(void *context)
{
	struct worker *worker = context;
	oracle_holder_gone(worker->holder);
	if (!talker_is_connected(&tree.channel)) {
		worker->state = WORKER_UNTOLD;
		return;
	}
	say_down(worker);
	worker_free(worker);
}

static void
on_worker_reaped(void *context)
{
	struct worker *worker = context;
	const struct plan_child *planned = &tree.plan.children[worker->place];
	worker->death.planned =
	    planned->planned || plan_is_stopping(&tree.plan);
	worker->state = WORKER_SWEEPING;
	tree.places[worker->place] = NULL;
	tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_EXITED,
	    .child = worker->place,
	    .exit_code = worker->death.status,
	    .signal = worker->death.number });
	worker->reap.fire = on_swept;
	timer_set(&worker->reap, chance(500) ? 0 : (int64_t)draw(20000));
}

void
tree_worker_ended(struct worker *worker, int status, int number)
{
	worker->death.status = status;
	worker->death.number = number;
	worker->state = WORKER_DEAD;
	worker->reap.fire = on_worker_reaped;
	worker->reap.context = worker;
	timer_set(&worker->reap, (int64_t)draw(500));
}

void
tree_worker_ready(struct worker *worker)
{
	tell_plan_about(PLAN_EVENT_READY, worker->place);
}

/* ---- wishes ---- */

static void
spawn_queue(void)
{
	int ends[2];
	struct stream_side ours = { .told = talker_told,
		.context = &tree.channel };
	struct stream_side theirs = { .process = queue_process() };
	stream_pair(&ours, &theirs, ends);
	talker_close(&tree.channel);
	talker_take(&tree.channel, ends[0]);
	queue_spawn(ends[1], ++tree.queue_lives);
	introduce();
}

static void
spawn_worker(unsigned place)
{
	const struct plan_child *child = &tree.plan.children[place];
	struct worker *worker =
	    worker_spawn(&(struct worker_orders){ .pool = child->pool,
		.number = child->number,
		.place = place,
		.incarnation = ++tree.worker_lives });
	if (worker == NULL) {
		tell_plan_about(PLAN_EVENT_SPAWN_FAILED, place);
		return;
	}
	tree.places[place] = worker;
	say_up(worker);
}

static void
send_signal(const struct plan_wish *wish)
{
	bool hurried = tree.plan.children[wish->child].hurried;
	int number = wish->signal;
	note("signal %lld to child %lld, why %lld", number, wish->child,
	    wish->why, 0);
	if (wish->child == PLAN_QUEUE) {
		if (number == SIGKILL)
			queue_kill();
		else
			queue_signal(number);
		return;
	}
	if (tree.places[wish->child] == NULL)
		return;
	if (number == SIGTERM && hurried)
		number = SIGQUIT;
	worker_signal(tree.places[wish->child], number);
}

static void
finish(void)
{
	note("the supervisor has finished", 0, 0, 0, 0);
	if (tree.stops)
		sight(SIGHT_ALL_STOPPED);
	tree_release();
	timer_set(&tree.start, draw_about(1000, 200000));
}

static void
carry_out(const struct plan_wish *wish)
{
	switch (wish->kind) {
	case PLAN_WISH_BOOTED:
	case PLAN_WISH_GAVE_UP:
		break;
	case PLAN_WISH_SIGNAL:
		send_signal(wish);
		break;
	case PLAN_WISH_SPAWN:
		if (wish->child == PLAN_QUEUE)
			spawn_queue();
		else
			spawn_worker(wish->child);
		break;
	case PLAN_WISH_FINISHED:
		finish();
		break;
	}
}

static void
on_act(void *context)
{
	struct plan_wish wish;
	(void)context;
	if (plan_wake_at(&tree.plan) <= now_ms())
		tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_TIME });
	while (tree.up && plan_take(&tree.plan, now_ms(), &wish))
		carry_out(&wish);
	if (!tree.up || plan_wake_at(&tree.plan) == PLAN_NEVER)
		return;
	int64_t wait_us = plan_wake_at(&tree.plan) * 1000 - time_now_us();
	timer_hasten(&tree.act, wait_us > 1 ? wait_us : 1);
}

/* ---- life ---- */

void
tree_start(void)
{
	const struct plan_options options = {
		.max_restarts = PLAN_RESTARTS_UNLIMITED,
		.window_ms = 5000,
		.backoff = { 10 + (int64_t)draw(50), 400 },
		.start_timeout_ms = 10000,
		.queue_start_timeout_ms = 60000,
		.stop_grace_ms = 2000,
		.seed = draw(UINT64_MAX),
	};
	note("a supervisor starts", 0, 0, 0, 0);
	CHECK(plan_init(&tree.plan, &options) == 0);
	tree.up = true;
	tree.stops = false;
	tree.queue_lives = 0;
	stream_listen(true);
	for (unsigned i = 0; i < QUEUES; i++)
		tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_SCALE,
		    .pool = i,
		    .workers = 1 + (unsigned)draw(WORKERS_PER_POOL) });
	tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_BOOT });
}

static void
on_start(void *context)
{
	(void)context;
	tree_start();
}

void
tree_reset(void)
{
	memset(&tree, 0, sizeof(tree));
	tree.act.fire = on_act;
	tree.start.fire = on_start;
	tree.reap_queue.fire = on_queue_reaped;
	tree.channel.fd = -1;
	tree.channel.on_message = on_channel_message;
	tree.channel.on_end = on_channel_end;
}

void
tree_release(void)
{
	if (!tree.up)
		return;
	tree.up = false;
	plan_release(&tree.plan);
	timer_cancel(&tree.act);
	timer_cancel(&tree.reap_queue);
	talker_close(&tree.channel);
	stream_listen(false);
	/* Whose orphans were still looked for, or whose death nobody heard of.
	 */
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		worker_vanish(worker_at(i));
	memset(tree.places, 0, sizeof(tree.places));
}

bool
tree_is_up(void)
{
	return tree.up;
}

void
tree_kill_all(void)
{
	step(STEP_DEATH, 0);
	if (!tree.up)
		return;
	queue_kill();
	tree_release();
	timer_set(&tree.start, draw_about(1000, 500000));
}

/* ---- operators ---- */

static unsigned
some_worker(void)
{
	unsigned found[PLACES], count = 0;
	for (unsigned i = 1; i < PLACES; i++)
		if (tree.places[i] != NULL &&
		    tree.places[i]->state == WORKER_ALIVE)
			found[count++] = i;
	return count > 0 ? found[draw(count)] : 0;
}

void
tree_kill_some_worker(void)
{
	unsigned place = some_worker();
	if (place != 0)
		worker_signal(tree.places[place], SIGKILL);
}

void
tree_stop_some_worker(int64_t for_us)
{
	unsigned place = some_worker();
	if (place == 0)
		return;
	note("worker %lld stands still for %lld us",
	    worker_pid(tree.places[place]), for_us, 0, 0);
	process_stop(&tree.places[place]->process, for_us);
}

static bool
takes_orders(void)
{
	return tree.up && !plan_is_stopping(&tree.plan);
}

void
tree_scale(void)
{
	unsigned pool = (unsigned)draw(QUEUES);
	unsigned workers = (unsigned)draw(WORKERS_PER_POOL + 1);
	if (!takes_orders() || !plan_scale_fits(&tree.plan, pool, workers))
		return;
	note("pool %lld is scaled to %lld", pool, workers, 0, 0);
	sight(SIGHT_SCALED);
	tell_plan(&(struct plan_fact){
	    .event = PLAN_EVENT_SCALE, .pool = pool, .workers = workers });
}

void
tree_restart_some(void)
{
	unsigned place = chance(200) ? PLAN_QUEUE : some_worker();
	if (!takes_orders())
		return;
	note("child %lld is restarted on request", place, 0, 0, 0);
	sight(SIGHT_CHILD_RESTARTED);
	tell_plan_about(PLAN_EVENT_RESTART, place);
}

void
tree_stop_all(void)
{
	if (!takes_orders())
		return;
	note("everything is stopped in good order", 0, 0, 0, 0);
	tree.stops = true;
	tell_plan(&(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL });
}

void
tree_heal(void)
{
	if (!takes_orders())
		return;
	for (unsigned i = 0; i < QUEUES; i++)
		if (plan_pool_workers(&tree.plan, i) == 0)
			tell_plan(
			    &(struct plan_fact){ .event = PLAN_EVENT_SCALE,
				.pool = i,
				.workers = 1 });
}
