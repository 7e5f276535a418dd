/* SPDX-License-Identifier: MIT */
#include "supervisor/plan.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/units.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Exit codes of a child that say: starting me again is pointless (usage,
 * protocol, configuration). */
static const int hopeless_exits[] = { 64, 76, 78 };

/* Restarts per child that are tolerated in the window by default: killing all
 * children at once, twice, is survived. */
#define RESTARTS_PER_CHILD 3

/* fork said no: the machine is full. Waited out, for as long as it takes. */
static const struct backoff spawn_backoff = { .base_ms = 100, .cap_ms = 5000 };

/* ---- names ---- */

static const char *const state_names[PLAN_STATE_COUNT] = {
	[PLAN_STATE_ABSENT] = "absent",
	[PLAN_STATE_DOWN] = "down",
	[PLAN_STATE_STARTING] = "starting",
	[PLAN_STATE_READY] = "ready",
	[PLAN_STATE_STOPPING] = "stopping",
	[PLAN_STATE_KILLING] = "killing",
	[PLAN_STATE_BACKOFF] = "backoff",
	[PLAN_STATE_FAILED] = "failed",
};

static const char *const why_texts[PLAN_WHY_COUNT] = {
	[PLAN_WHY_NONE] = "none",
	[PLAN_WHY_STOP] = "stop",
	[PLAN_WHY_RESTART] = "restart",
	[PLAN_WHY_RENEW] = "renew",
	[PLAN_WHY_SCALE] = "scale",
	[PLAN_WHY_HURRY] = "hurry",
	[PLAN_WHY_GRACE_OVER] = "grace-over",
	[PLAN_WHY_KILL] = "kill",
	[PLAN_WHY_LOST] = "channel-lost",
	[PLAN_WHY_START_TIMEOUT] = "start-timeout",
	[PLAN_WHY_HANG] = "hang",
	[PLAN_WHY_STRATEGY] = "strategy",
	[PLAN_WHY_UNKILLABLE] = "unkillable",
	[PLAN_WHY_MAX_RESTARTS] = "max-restarts",
	[PLAN_WHY_EXIT_CODE] = "exit-code",
	[PLAN_WHY_EXEC_FAILED] = "exec-failed",
	[PLAN_WHY_DIED] = "died",
};

const char *
plan_state_name(enum plan_state state)
{
	return state_names[state];
}

const char *
plan_why_text(enum plan_why why)
{
	return why_texts[why];
}

/* ---- questions ---- */

static const bool alive_states[PLAN_STATE_COUNT] = {
	[PLAN_STATE_STARTING] = true,
	[PLAN_STATE_READY] = true,
	[PLAN_STATE_STOPPING] = true,
	[PLAN_STATE_KILLING] = true,
};

static const bool timed_states[PLAN_STATE_COUNT] = {
	[PLAN_STATE_STARTING] = true,
	[PLAN_STATE_STOPPING] = true,
	[PLAN_STATE_KILLING] = true,
	[PLAN_STATE_BACKOFF] = true,
};

bool
plan_is_alive(enum plan_state state)
{
	return alive_states[state];
}

bool
plan_is_stopping(const struct plan *plan)
{
	return plan->group >= PLAN_GROUP_STOP_WORKERS;
}

static bool
is_queue(const struct plan *plan, const struct plan_child *child)
{
	return child == &plan->children[PLAN_QUEUE];
}

static unsigned
index_of(const struct plan *plan, const struct plan_child *child)
{
	return (unsigned)(child - plan->children);
}

/* Without those about to leave, so that the count changes when somebody scales
 * and at no other moment. */
static unsigned
children_count(const struct plan *plan)
{
	unsigned count = 0;
	for (unsigned i = 0; i < plan->places; i++)
		count += plan->children[i].state != PLAN_STATE_ABSENT &&
		    plan->children[i].want != PLAN_WANT_GONE;
	return count;
}

unsigned
plan_pool_workers(const struct plan *plan, unsigned pool)
{
	unsigned count = 0;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		const struct plan_child *child = &plan->children[i];
		count += child->state != PLAN_STATE_ABSENT &&
		    child->pool == pool && child->want != PLAN_WANT_GONE;
	}
	return count;
}

/* Those about to leave still need their places. */
bool
plan_scale_fits(const struct plan *plan, unsigned pool, unsigned workers)
{
	unsigned others = 0, own = 0;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		const struct plan_child *child = &plan->children[i];
		if (child->state == PLAN_STATE_ABSENT)
			continue;
		if (child->pool != pool)
			others++;
		else
			own++;
	}
	unsigned wanted = workers > own ? workers : own;
	return workers <= CHILDREN_MAX && others + wanted <= CHILDREN_MAX;
}

int64_t
plan_max_restarts(const struct plan *plan)
{
	if (plan->options.max_restarts != PLAN_RESTARTS_AUTOMATIC)
		return plan->options.max_restarts;
	return RESTARTS_PER_CHILD * (int64_t)children_count(plan);
}

/* ---- the window ---- */

static struct plan_death *
window_at(const struct plan_window *window, size_t i)
{
	return &window->deaths[(window->first + i) % window->capacity];
}

static int64_t
window_time(const struct plan_window *window, size_t i)
{
	return window_at(window, i)->time_ms;
}

static void
window_drop(struct plan_window *window)
{
	window->first = (window->first + 1) % window->capacity;
	window->count--;
}

static void
window_expire(struct plan_window *window, int64_t now_ms, int64_t window_ms)
{
	while (window->count > 0 && now_ms - window_time(window, 0) > window_ms)
		window_drop(window);
}

/* A full window drops its oldest: it is larger than any limit, so only a count
 * that nobody acts upon gets less exact. */
static void
window_add(struct plan_window *window, int64_t now_ms, unsigned child)
{
	if (window->count == window->capacity)
		window_drop(window);
	*window_at(window, window->count++) =
	    (struct plan_death){ .time_ms = now_ms, .child = child };
}

/* Somebody starts that child by hand: it is believed to be mended. */
static void
window_forget(struct plan_window *window, unsigned child)
{
	size_t kept = 0;
	for (size_t i = 0; i < window->count; i++)
		if (window_at(window, i)->child != child)
			*window_at(window, kept++) = *window_at(window, i);
	window->count = kept;
}

static size_t
count_expired(const struct plan *plan, int64_t now_ms)
{
	const struct plan_window *window = &plan->window;
	size_t old = 0;
	while (old < window->count &&
	    now_ms - window_time(window, old) > plan->options.window_ms)
		old++;
	return old;
}

size_t
plan_restarts_in_window(const struct plan *plan, int64_t now_ms)
{
	return plan->window.count - count_expired(plan, now_ms);
}

int64_t
plan_window_clears_ms(const struct plan *plan, int64_t now_ms)
{
	size_t oldest = count_expired(plan, now_ms);
	if (oldest == plan->window.count)
		return PLAN_NEVER;
	return window_time(&plan->window, oldest) + plan->options.window_ms + 1;
}

/* ---- changes of one child ---- */

static void
enter(struct plan_child *child, enum plan_state state, int64_t deadline_ms)
{
	child->state = state;
	child->deadline_ms = deadline_ms;
}

static void
leave(struct plan_child *child)
{
	*child = (struct plan_child){ .state = PLAN_STATE_ABSENT,
		.ready_ms = PLAN_NEVER,
		.deadline_ms = PLAN_NEVER };
}

/* Without a process, and none to come. */
static void
rest(struct plan_child *child, enum plan_state state)
{
	if (child->want == PLAN_WANT_GONE)
		leave(child);
	else
		enter(child, state, PLAN_NEVER);
}

static void
start_after(struct plan *plan, struct plan_child *child, int64_t delay_ms)
{
	enter(child, PLAN_STATE_BACKOFF, plan->now_ms + delay_ms);
}

static void
wish_signal(struct plan_child *child, int signal, enum plan_why why)
{
	child->signal_wanted = signal;
	child->signal_why = why;
	if (signal == SIGKILL)
		child->kills++;
}

static void
ask_to_stop(struct plan *plan, struct plan_child *child, enum plan_why why)
{
	bool queue = is_queue(plan, child);
	int64_t grace_ms = plan->options.stop_grace_ms;
	child->planned = true;
	wish_signal(child, SIGTERM, why);
	enter(child, PLAN_STATE_STOPPING,
	    plan->now_ms + (queue ? PLAN_QUEUE_GRACE_MS : grace_ms));
}

static void
ask_again(struct plan *plan, struct plan_child *child, enum plan_why why)
{
	child->hurried = true;
	wish_signal(child, SIGTERM, why);
	child->deadline_ms = plan->now_ms + PLAN_HURRY_MS;
}

static void
kill_now(struct plan *plan, struct plan_child *child, enum plan_why why)
{
	wish_signal(child, SIGKILL, why);
	enter(child, PLAN_STATE_KILLING, plan->now_ms + PLAN_KILL_AGAIN_MS);
}

static void
enter_ready(struct plan *plan, struct plan_child *child)
{
	int64_t timeout_ms = child->hang_timeout_ms;
	enter(child, PLAN_STATE_READY,
	    timeout_ms > 0 ? plan->now_ms + timeout_ms : PLAN_NEVER);
}

static void
forget_failures(struct plan *plan, struct plan_child *child)
{
	child->failures = 0;
	child->spawn_failures = 0;
	window_forget(&plan->window, index_of(plan, child));
}

static void
want_down(struct plan_child *child)
{
	if (child->want != PLAN_WANT_GONE)
		child->want = PLAN_WANT_DOWN;
}

/* ---- the table ---- */

typedef void plan_action(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact);

/* The table's actions stop everything, and stopping goes through the table. */
static void dispatch(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact);

static void
dispatch_event(
    struct plan *plan, struct plan_child *child, enum plan_event event)
{
	dispatch(plan, child, &(struct plan_fact){ .event = event });
}

/* ---- changes of all ---- */

/* The newest first; the queue follows when no worker is left. A queue that is
 * not there now will not be needed any more. */
static void
stop_all(struct plan *plan, int exit_code)
{
	CHECK(!plan_is_stopping(plan));
	plan->group = PLAN_GROUP_STOP_WORKERS;
	plan->regrouping = false;
	plan->exit_code = exit_code;
	plan->stop_requests = 1;
	for (unsigned i = plan->places; i-- > PLAN_QUEUE + 1;)
		dispatch_event(plan, &plan->children[i], PLAN_EVENT_STOP);
	struct plan_child *queue = &plan->children[PLAN_QUEUE];
	if (!plan_is_alive(queue->state))
		dispatch_event(plan, queue, PLAN_EVENT_STOP);
}

static void
give_up(struct plan *plan, struct plan_child *child, enum plan_why why,
    int exit_code)
{
	plan->gave_up_wanted = true;
	plan->gave_up_why = why;
	plan->gave_up_child = index_of(plan, child);
	stop_all(plan, exit_code);
}

static bool
workers_may_start(const struct plan *plan)
{
	if (plan->regrouping || plan->workers_wait)
		return false;
	return plan->group != PLAN_GROUP_BOOT ||
	    plan->children[PLAN_QUEUE].been_ready;
}

static void
start_workers(struct plan *plan)
{
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (child->state == PLAN_STATE_DOWN &&
		    child->want == PLAN_WANT_UP)
			start_after(plan, child, 0);
	}
}

/* ---- the strategy ---- */

static bool
is_regrouped(const struct plan *plan, const struct plan_child *child)
{
	return plan->regrouping && index_of(plan, child) >= plan->regroup_from;
}

static void
regroup_sibling(struct plan *plan, struct plan_child *child)
{
	if (child->want != PLAN_WANT_UP)
		return;
	if (plan->options.restart[child->pool] == RESTART_TEMPORARY &&
	    !is_queue(plan, child))
		child->want = PLAN_WANT_DOWN;
	if (child->state == PLAN_STATE_BACKOFF) {
		if (child->deadline_ms > plan->regroup_ms)
			plan->regroup_ms = child->deadline_ms;
		enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
	} else if (child->state == PLAN_STATE_STARTING ||
	    child->state == PLAN_STATE_READY) {
		ask_to_stop(plan, child, PLAN_WHY_STRATEGY);
	}
}

/* That child died: it and its siblings, from first on, start together. The
 * queue is stopped when no worker lives, in check_regroup. */
static void
regroup(struct plan *plan, unsigned first, int64_t delay_ms)
{
	int64_t start_ms = plan->now_ms + delay_ms;
	if (!plan->regrouping || plan->regroup_ms < start_ms)
		plan->regroup_ms = start_ms;
	if (!plan->regrouping || plan->regroup_from > first)
		plan->regroup_from = first;
	plan->regrouping = true;
	for (unsigned i = plan->places; i-- > PLAN_QUEUE + 1;)
		if (i >= plan->regroup_from)
			regroup_sibling(plan, &plan->children[i]);
}

static void
start_together(struct plan *plan)
{
	int64_t delay_ms = plan->regroup_ms > plan->now_ms
	    ? plan->regroup_ms - plan->now_ms
	    : 0;
	struct plan_child *queue = &plan->children[PLAN_QUEUE];
	plan->regrouping = false;
	if (plan->regroup_from == PLAN_QUEUE &&
	    queue->state == PLAN_STATE_DOWN && queue->want == PLAN_WANT_UP) {
		plan->workers_wait = true;
		start_after(plan, queue, delay_ms);
	}
	if (!workers_may_start(plan))
		return;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		if (plan->children[i].state == PLAN_STATE_DOWN &&
		    plan->children[i].want == PLAN_WANT_UP)
			start_after(plan, &plan->children[i], delay_ms);
}

static void
check_regroup(struct plan *plan)
{
	struct plan_child *queue = &plan->children[PLAN_QUEUE];
	if (!plan->regrouping)
		return;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		if (i >= plan->regroup_from &&
		    plan_is_alive(plan->children[i].state))
			return;
	if (plan->regroup_from == PLAN_QUEUE)
		regroup_sibling(plan, queue);
	if (plan->regroup_from > PLAN_QUEUE || !plan_is_alive(queue->state))
		start_together(plan);
}

/* ---- renewal ---- */

/* Has it come back, or will it not? */
static bool
is_renewed(const struct plan_child *child)
{
	return child->state == PLAN_STATE_READY ||
	    child->state == PLAN_STATE_DOWN ||
	    child->state == PLAN_STATE_FAILED;
}

/* One of a pool at a time, so that the others do its work meanwhile; and the
 * next one when it serves again, so that a program that is broken costs one. */
static void
check_renewal(struct plan *plan)
{
	bool busy[PLAN_POOLS_MAX] = { false };
	if (plan->group != PLAN_GROUP_RUN || plan->regrouping)
		return;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (child->renewing && is_renewed(child))
			child->renewing = false;
		if (child->renewing)
			busy[child->pool] = true;
	}
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (!child->renew || child->state != PLAN_STATE_READY ||
		    busy[child->pool])
			continue;
		busy[child->pool] = true;
		child->renew = false;
		child->renewing = true;
		ask_to_stop(plan, child, PLAN_WHY_RENEW);
	}
}

/* ---- the whole ---- */

/* Boot has ended when every child that is wanted has been ready once. */
static void
check_booted(struct plan *plan)
{
	for (unsigned i = 0; i < plan->places; i++) {
		const struct plan_child *child = &plan->children[i];
		if (child->state != PLAN_STATE_ABSENT &&
		    child->want == PLAN_WANT_UP && !child->been_ready)
			return;
	}
	plan->group = PLAN_GROUP_RUN;
	plan->booted_wanted = true;
}

static void
check_workers_stopped(struct plan *plan)
{
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		if (plan_is_alive(plan->children[i].state))
			return;
	plan->group = PLAN_GROUP_STOP_QUEUE;
	dispatch_event(plan, &plan->children[PLAN_QUEUE], PLAN_EVENT_STOP);
}

static void
check_queue_stopped(struct plan *plan)
{
	if (plan_is_alive(plan->children[PLAN_QUEUE].state))
		return;
	plan->group = PLAN_GROUP_FINISHED;
	plan->finished_wanted = true;
}

/* One group state may follow another within one step. */
static void
check_group(struct plan *plan)
{
	check_regroup(plan);
	check_renewal(plan);
	if (plan->group == PLAN_GROUP_BOOT)
		check_booted(plan);
	if (plan->group == PLAN_GROUP_STOP_WORKERS)
		check_workers_stopped(plan);
	if (plan->group == PLAN_GROUP_STOP_QUEUE)
		check_queue_stopped(plan);
}

/* ---- actions: starting ---- */

static void
act_ignore(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)child, (void)fact;
}

/* The caller told of a process that it never made. */
static void
act_impossible(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)child, (void)fact;
	UNREACHABLE();
}

/* DOWN, FAILED, BACKOFF. */
static void
act_start(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (plan_is_stopping(plan))
		return;
	child->want = PLAN_WANT_UP;
	forget_failures(plan, child);
	if (is_regrouped(plan, child))
		enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
	else if (is_queue(plan, child) || workers_may_start(plan))
		start_after(plan, child, 0);
	else
		enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
}

/* It lives; if it is being stopped it comes back afterwards. */
static void
act_want_up(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (plan_is_stopping(plan))
		return;
	child->want = PLAN_WANT_UP;
	forget_failures(plan, child);
}

static void
act_ready(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	bool first = plan->group == PLAN_GROUP_BOOT && !child->been_ready;
	child->been_ready = true;
	child->ready_ms = plan->now_ms;
	enter_ready(plan, child);
	if (!is_queue(plan, child) || (!first && !plan->workers_wait))
		return;
	plan->workers_wait = false;
	if (workers_may_start(plan))
		start_workers(plan);
}

static void
act_beat(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	enter_ready(plan, child);
}

static void
act_worked(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)fact;
	child->worked = true;
}

static void
act_spawn_failed(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	child->spawn_failures++;
	if (plan_is_stopping(plan)) {
		rest(child, PLAN_STATE_DOWN);
		return;
	}
	start_after(plan, child,
	    backoff_delay_ms(&spawn_backoff, child->spawn_failures,
		random_next(&plan->random)));
}

static void
act_exec_failed(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	rest(child, PLAN_STATE_FAILED);
	if (plan->group == PLAN_GROUP_BOOT)
		give_up(
		    plan, child, PLAN_WHY_EXEC_FAILED, PLAN_EXIT_BOOT_FAILED);
	else if (is_queue(plan, child) && !plan_is_stopping(plan))
		give_up(plan, child, PLAN_WHY_EXEC_FAILED, PLAN_EXIT_GAVE_UP);
}

/* ---- actions: stopping ---- */

/* DOWN, BACKOFF, FAILED: nothing to wait for. */
static void
act_stop_idle(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)fact;
	want_down(child);
	rest(child, PLAN_STATE_DOWN);
}

/* STARTING, READY. */
static void
act_stop(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	want_down(child);
	ask_to_stop(plan, child,
	    child->want == PLAN_WANT_GONE ? PLAN_WHY_SCALE : PLAN_WHY_STOP);
}

/* STOPPING: either for another reason, or because its channel was lost. */
static void
act_stop_already(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)fact;
	want_down(child);
}

/* STARTING, READY. */
static void
act_restart(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (plan_is_stopping(plan))
		return;
	child->want = PLAN_WANT_UP;
	forget_failures(plan, child);
	ask_to_stop(plan, child, PLAN_WHY_RESTART);
}

/* STARTING, READY. */
static void
act_renew(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)plan, (void)fact;
	child->renew = true;
}

static void
act_hurry(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (!child->hurried)
		ask_again(plan, child, PLAN_WHY_HURRY);
}

static void
act_kill(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (plan_is_stopping(plan))
		child->planned = true;
	kill_now(plan, child, PLAN_WHY_KILL);
}

/* Its end comes by itself within microseconds, unless it only closed the
 * channel: then nobody could talk to it any more. */
static void
act_lost(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	child->hurried = true;
	enter(child, PLAN_STATE_STOPPING, plan->now_ms + PLAN_LOST_MS);
}

/* ---- actions: deadlines ---- */

static void
act_start_timeout(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	kill_now(plan, child, PLAN_WHY_START_TIMEOUT);
	if (plan->group == PLAN_GROUP_BOOT)
		give_up(
		    plan, child, PLAN_WHY_START_TIMEOUT, PLAN_EXIT_BOOT_FAILED);
}

static void
act_grace_over(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	if (!child->hurried)
		ask_again(plan, child, PLAN_WHY_GRACE_OVER);
	else
		kill_now(plan, child,
		    child->planned ? PLAN_WHY_GRACE_OVER : PLAN_WHY_LOST);
}

/* READY: it has not been heard of for too long. ABRT leaves a core where cores
 * are wanted; its death is unplanned. */
static void
act_hang(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	child->aborted = true;
	wish_signal(child, SIGABRT, PLAN_WHY_HANG);
	enter(child, PLAN_STATE_KILLING, plan->now_ms + PLAN_ABORT_MS);
}

/* A process in an uninterruptible call does not die. A second copy is never
 * started beside it. */
static void
act_kill_again(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	(void)fact;
	kill_now(plan, child,
	    child->kills == 0 ? PLAN_WHY_HANG : PLAN_WHY_UNKILLABLE);
}

/* ---- actions: death ---- */

static bool
is_hopeless(const struct plan_fact *fact)
{
	if (fact->signal != 0)
		return false;
	for (size_t i = 0; i < sizeof(hopeless_exits) / sizeof(int); i++)
		if (fact->exit_code == hopeless_exits[i])
			return true;
	return false;
}

/* A child that ends by itself before it serves is a fault of the installation
 * and better told at once than tried again. A worker killed by somebody is
 * not. */
static bool
breaks_boot(const struct plan *plan, const struct plan_child *child,
    const struct plan_fact *fact, bool was_ready)
{
	return plan->group == PLAN_GROUP_BOOT && !was_ready &&
	    (is_queue(plan, child) || fact->signal == 0);
}

/* What that end means to a child of this kind. */
static bool
is_restarted(const struct plan *plan, const struct plan_child *child,
    const struct plan_fact *fact)
{
	enum restart_kind restart = plan->options.restart[child->pool];
	if (is_queue(plan, child) || restart == RESTART_PERMANENT)
		return true;
	return restart == RESTART_TRANSIENT &&
	    (fact->signal != 0 || fact->exit_code != 0);
}

static bool
is_excused(uint64_t failures, int64_t healthy_ms)
{
	return failures == 1 && healthy_ms >= PLAN_HEALTHY_MS;
}

static bool
is_forgotten(const struct plan_child *child, int64_t healthy_ms)
{
	return healthy_ms >=
	    (child->worked ? PLAN_FORGET_WORKED_MS : PLAN_FORGET_MS);
}

static int64_t
restart_delay_ms(
    struct plan *plan, const struct plan_child *child, int64_t healthy_ms)
{
	if (is_excused(child->failures, healthy_ms))
		return 0;
	return backoff_delay_ms(&plan->options.backoff, child->failures,
	    random_next(&plan->random));
}

int64_t
plan_next_delay_ms(const struct plan *plan, unsigned place, int64_t now_ms)
{
	const struct plan_child *child = &plan->children[place];
	const struct backoff *backoff = &plan->options.backoff;
	int64_t healthy_ms =
	    child->ready_ms == PLAN_NEVER ? -1 : now_ms - child->ready_ms;
	uint64_t failures =
	    is_forgotten(child, healthy_ms) ? 0 : child->failures;
	if (is_excused(++failures, healthy_ms))
		return 0;
	int64_t delay_ms = backoff->base_ms;
	while (--failures > 0 && delay_ms < backoff->cap_ms)
		delay_ms *= 2;
	return delay_ms < backoff->cap_ms ? delay_ms : backoff->cap_ms;
}

/* The dead child and, as the strategy says, others. */
static void
start_anew(struct plan *plan, struct plan_child *child, int64_t delay_ms)
{
	enum restart_strategy strategy = plan->options.strategy;
	if (strategy == ONE_FOR_ONE) {
		start_after(plan, child, delay_ms);
		return;
	}
	enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
	regroup(plan,
	    strategy == ONE_FOR_ALL ? PLAN_QUEUE : index_of(plan, child),
	    delay_ms);
}

static void
restart_unplanned(
    struct plan *plan, struct plan_child *child, int64_t healthy_ms)
{
	int64_t limit = plan_max_restarts(plan);
	window_expire(&plan->window, plan->now_ms, plan->options.window_ms);
	window_add(&plan->window, plan->now_ms, index_of(plan, child));
	if (limit != PLAN_RESTARTS_UNLIMITED &&
	    (int64_t)plan->window.count > limit + PLANTED(WINDOW_OFF_BY_ONE)) {
		rest(child, PLAN_STATE_DOWN);
		give_up(plan, child, PLAN_WHY_MAX_RESTARTS, PLAN_EXIT_GAVE_UP);
		return;
	}
	if (is_forgotten(child, healthy_ms))
		child->failures = 0;
	child->failures++;
	child->restarts++;
	start_anew(plan, child, restart_delay_ms(plan, child, healthy_ms));
}

static void
restart_planned(struct plan *plan, struct plan_child *child)
{
	if (is_regrouped(plan, child) ||
	    (!is_queue(plan, child) && !workers_may_start(plan)))
		enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
	else
		start_after(plan, child, 0);
}

static void
act_exited(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	bool was_ready = child->ready_ms != PLAN_NEVER;
	int64_t healthy_ms = was_ready ? plan->now_ms - child->ready_ms : -1;
	bool planned = child->planned;
	child->signal_wanted = 0;
	child->spawn_failures = 0;

	if (plan_is_stopping(plan) || child->want != PLAN_WANT_UP) {
		rest(child, PLAN_STATE_DOWN);
	} else if (planned) {
		restart_planned(plan, child);
	} else if (breaks_boot(plan, child, fact, was_ready)) {
		rest(child, PLAN_STATE_FAILED);
		give_up(plan, child,
		    is_hopeless(fact) ? PLAN_WHY_EXIT_CODE : PLAN_WHY_DIED,
		    PLAN_EXIT_BOOT_FAILED);
	} else if (is_hopeless(fact)) {
		rest(child, PLAN_STATE_FAILED);
		if (is_queue(plan, child))
			give_up(
			    plan, child, PLAN_WHY_EXIT_CODE, PLAN_EXIT_GAVE_UP);
	} else if (is_restarted(plan, child, fact)) {
		restart_unplanned(plan, child, healthy_ms);
	} else {
		child->want = PLAN_WANT_DOWN;
		rest(child, PLAN_STATE_DOWN);
	}
}

static plan_action *const actions[PLAN_STATE_COUNT][PLAN_EVENT_CHILD_COUNT] = {
	[PLAN_STATE_ABSENT] = {
		[PLAN_EVENT_START] = act_ignore,
		[PLAN_EVENT_STOP] = act_ignore,
		[PLAN_EVENT_RESTART] = act_ignore,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_ignore,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_impossible,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_impossible,
	},
	[PLAN_STATE_DOWN] = {
		[PLAN_EVENT_START] = act_start,
		[PLAN_EVENT_STOP] = act_stop_idle,
		[PLAN_EVENT_RESTART] = act_start,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_ignore,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_impossible,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_impossible,
	},
	[PLAN_STATE_STARTING] = {
		[PLAN_EVENT_START] = act_want_up,
		[PLAN_EVENT_STOP] = act_stop,
		[PLAN_EVENT_RESTART] = act_restart,
		[PLAN_EVENT_RENEW] = act_renew,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_kill,
		[PLAN_EVENT_READY] = act_ready,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_lost,
		[PLAN_EVENT_EXITED] = act_exited,
		[PLAN_EVENT_SPAWN_FAILED] = act_spawn_failed,
		[PLAN_EVENT_EXEC_FAILED] = act_exec_failed,
		[PLAN_EVENT_DUE] = act_start_timeout,
	},
	[PLAN_STATE_READY] = {
		[PLAN_EVENT_START] = act_want_up,
		[PLAN_EVENT_STOP] = act_stop,
		[PLAN_EVENT_RESTART] = act_restart,
		[PLAN_EVENT_RENEW] = act_renew,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_kill,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_beat,
		[PLAN_EVENT_WORKED] = act_worked,
		[PLAN_EVENT_LOST] = act_lost,
		[PLAN_EVENT_EXITED] = act_exited,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_hang,
	},
	[PLAN_STATE_STOPPING] = {
		[PLAN_EVENT_START] = act_want_up,
		[PLAN_EVENT_STOP] = act_stop_already,
		[PLAN_EVENT_RESTART] = act_want_up,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_hurry,
		[PLAN_EVENT_KILL] = act_kill,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_exited,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_grace_over,
	},
	[PLAN_STATE_KILLING] = {
		[PLAN_EVENT_START] = act_want_up,
		[PLAN_EVENT_STOP] = act_stop_already,
		[PLAN_EVENT_RESTART] = act_want_up,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_ignore,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_exited,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_kill_again,
	},
	[PLAN_STATE_BACKOFF] = {
		[PLAN_EVENT_START] = act_start,
		[PLAN_EVENT_STOP] = act_stop_idle,
		[PLAN_EVENT_RESTART] = act_start,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_ignore,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_impossible,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_ignore, /* plan_take sees it */
	},
	[PLAN_STATE_FAILED] = {
		[PLAN_EVENT_START] = act_start,
		[PLAN_EVENT_STOP] = act_stop_idle,
		[PLAN_EVENT_RESTART] = act_start,
		[PLAN_EVENT_RENEW] = act_ignore,
		[PLAN_EVENT_HURRY] = act_ignore,
		[PLAN_EVENT_KILL] = act_ignore,
		[PLAN_EVENT_READY] = act_ignore,
		[PLAN_EVENT_BEAT] = act_ignore,
		[PLAN_EVENT_WORKED] = act_ignore,
		[PLAN_EVENT_LOST] = act_ignore,
		[PLAN_EVENT_EXITED] = act_impossible,
		[PLAN_EVENT_SPAWN_FAILED] = act_impossible,
		[PLAN_EVENT_EXEC_FAILED] = act_impossible,
		[PLAN_EVENT_DUE] = act_impossible,
	},
};

static void
dispatch(
    struct plan *plan, struct plan_child *child, const struct plan_fact *fact)
{
	actions[child->state][fact->event](plan, child, fact);
}

/* ---- events about all ---- */

static void
boot(struct plan *plan)
{
	struct plan_child *queue = &plan->children[PLAN_QUEUE];
	if (plan->group == PLAN_GROUP_BOOT && queue->state == PLAN_STATE_DOWN)
		start_after(plan, queue, 0);
}

static struct plan_child *
find_worker(struct plan *plan, unsigned pool, unsigned number)
{
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (child->state != PLAN_STATE_ABSENT && child->pool == pool &&
		    child->number == number)
			return child;
	}
	return NULL;
}

static void
add_worker(struct plan *plan, unsigned pool, unsigned number)
{
	unsigned place = PLAN_QUEUE + 1;
	while (place < plan->places &&
	    plan->children[place].state != PLAN_STATE_ABSENT)
		place++;
	CHECK(place < PLAN_CHILDREN);
	if (place == plan->places)
		plan->places++;
	struct plan_child *child = &plan->children[place];
	leave(child);
	child->pool = pool;
	child->number = number;
	child->want = PLAN_WANT_UP;
	enter(child, PLAN_STATE_DOWN, PLAN_NEVER);
	if (workers_may_start(plan))
		start_after(plan, child, 0);
}

static struct plan_child *
find_leaving(struct plan *plan, unsigned pool)
{
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (child->state != PLAN_STATE_ABSENT && child->pool == pool &&
		    child->want == PLAN_WANT_GONE)
			return child;
	}
	return NULL;
}

static unsigned
free_number(struct plan *plan, unsigned pool)
{
	unsigned number = 1;
	while (find_worker(plan, pool, number) != NULL)
		number++;
	return number;
}

/* Who leaves: one that does not live before one that has nothing to do, that
 * before one that works, and the newest of equals. */
static unsigned
cost_of_leaving(const struct plan_child *child, bool busy)
{
	return !plan_is_alive(child->state) ? 0 : busy ? 2 : 1;
}

static struct plan_child *
choose_leaving(struct plan *plan, const struct plan_fact *fact)
{
	struct plan_child *chosen = NULL;
	unsigned least = 0;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		struct plan_child *child = &plan->children[i];
		if (child->state == PLAN_STATE_ABSENT ||
		    child->pool != fact->pool || child->want == PLAN_WANT_GONE)
			continue;
		unsigned cost =
		    cost_of_leaving(child, fact->busy != NULL && fact->busy[i]);
		if (chosen != NULL &&
		    (cost > least ||
			(cost == least && child->number < chosen->number)))
			continue;
		chosen = child;
		least = cost;
	}
	return chosen;
}

/* Who is just leaving is called back before another one is added. The limit may
 * shrink with the children, and deaths that were within the old one must not
 * break the new one. */
static void
scale(struct plan *plan, const struct plan_fact *fact)
{
	CHECK(fact->pool < PLAN_POOLS_MAX);
	if (plan_is_stopping(plan))
		return;
	unsigned count = plan_pool_workers(plan, fact->pool);
	for (; count < fact->workers; count++) {
		struct plan_child *leaving = find_leaving(plan, fact->pool);
		if (leaving != NULL)
			leaving->want = PLAN_WANT_UP;
		else
			add_worker(
			    plan, fact->pool, free_number(plan, fact->pool));
	}
	for (; count > fact->workers; count--) {
		struct plan_child *child = choose_leaving(plan, fact);
		child->want = PLAN_WANT_GONE;
		dispatch_event(plan, child, PLAN_EVENT_STOP);
		if (plan->options.max_restarts == PLAN_RESTARTS_AUTOMATIC)
			plan->window.count = 0;
	}
}

/* Ctrl-C, and again, and again. */
static void
request_stop(struct plan *plan, const struct plan_fact *fact)
{
	if (!plan_is_stopping(plan)) {
		if (fact->has_grace)
			plan->options.stop_grace_ms = fact->grace_ms;
		stop_all(plan, PLAN_EXIT_CLEAN);
		if (!fact->at_once)
			return;
	}
	plan->stop_requests++;
	enum plan_event event =
	    plan->stop_requests > 2 ? PLAN_EVENT_KILL : PLAN_EVENT_HURRY;
	for (unsigned i = plan->places; i-- > 0;)
		dispatch_event(plan, &plan->children[i], event);
}

static void
pass_deadlines(struct plan *plan)
{
	for (unsigned i = 0; i < plan->places; i++)
		if (plan->children[i].deadline_ms <= plan->now_ms)
			dispatch_event(
			    plan, &plan->children[i], PLAN_EVENT_DUE);
}

/* ---- life cycle ---- */

static size_t
window_capacity(int64_t max_restarts)
{
	if (max_restarts >= 0)
		return (size_t)max_restarts + 1;
	return RESTARTS_PER_CHILD * (size_t)PLAN_CHILDREN + 1;
}

int
plan_init(struct plan *plan, const struct plan_options *options)
{
	for (int state = 0; state < PLAN_STATE_COUNT; state++)
		for (int event = 0; event < PLAN_EVENT_CHILD_COUNT; event++)
			CHECK(actions[state][event] != NULL);
	*plan = (struct plan){ .options = *options,
		.random = { .state = options->seed },
		.now_ms = INT64_MIN,
		.places = 1 };
	plan->window.capacity = window_capacity(options->max_restarts);
	plan->window.deaths =
	    calloc(plan->window.capacity, sizeof(*plan->window.deaths));
	plan->children = calloc(PLAN_CHILDREN, sizeof(*plan->children));
	if (plan->window.deaths == NULL || plan->children == NULL) {
		plan_release(plan);
		return ENOMEM;
	}
	for (unsigned i = 0; i < PLAN_CHILDREN; i++)
		leave(&plan->children[i]);
	plan->children[PLAN_QUEUE].state = PLAN_STATE_DOWN;
	return 0;
}

int
plan_set_options(struct plan *plan, const struct plan_options *options)
{
	const struct plan_options *old = &plan->options;
	if (options->max_restarts != old->max_restarts ||
	    options->window_ms != old->window_ms) {
		size_t capacity = window_capacity(options->max_restarts);
		struct plan_death *deaths = calloc(capacity, sizeof(*deaths));
		if (deaths == NULL)
			return ENOMEM;
		free(plan->window.deaths);
		plan->window = (struct plan_window){ .deaths = deaths,
			.capacity = capacity };
	}
	plan->options = *options;
	return 0;
}

void
plan_release(struct plan *plan)
{
	free(plan->window.deaths);
	free(plan->children);
	plan->window.deaths = NULL;
	plan->children = NULL;
}

/* ---- steps ---- */

static void
step_all(struct plan *plan, const struct plan_fact *fact)
{
	if (fact->event == PLAN_EVENT_BOOT)
		boot(plan);
	else if (fact->event == PLAN_EVENT_SCALE)
		scale(plan, fact);
	else if (fact->event == PLAN_EVENT_STOP_ALL)
		request_stop(plan, fact);
	else
		pass_deadlines(plan);
}

void
plan_step(struct plan *plan, int64_t now_ms, const struct plan_fact *fact)
{
	CHECK(now_ms >= plan->now_ms);
	plan->now_ms = now_ms;
	if (fact->event < PLAN_EVENT_CHILD_COUNT) {
		CHECK(fact->child < PLAN_CHILDREN);
		dispatch(plan, &plan->children[fact->child], fact);
	} else {
		step_all(plan, fact);
	}
	check_group(plan);
#ifdef GSQ_VERIFY
	CHECK(plan_verify(plan) == NULL);
#endif
}

/* ---- wishes ---- */

static bool
take_flag(bool *flag)
{
	bool was = *flag;
	*flag = false;
	return was;
}

static bool
take_signal(struct plan *plan, struct plan_wish *ret_wish)
{
	for (unsigned i = plan->places; i-- > 0;) {
		struct plan_child *child = &plan->children[i];
		if (child->signal_wanted == 0)
			continue;
		*ret_wish = (struct plan_wish){ .kind = PLAN_WISH_SIGNAL,
			.child = i,
			.signal = child->signal_wanted,
			.why = child->signal_why };
		child->signal_wanted = 0;
		return true;
	}
	return false;
}

static void
begin_life(struct plan *plan, struct plan_child *child)
{
	int64_t timeout_ms = is_queue(plan, child)
	    ? plan->options.queue_start_timeout_ms
	    : plan->options.start_timeout_ms;
	child->hang_timeout_ms = is_queue(plan, child)
	    ? plan->options.queue_hang_timeout_ms
	    : plan->options.hang_timeout_ms;
	child->planned = false;
	child->hurried = false;
	child->aborted = false;
	child->renew = false;
	child->worked = false;
	child->kills = 0;
	child->ready_ms = PLAN_NEVER;
	enter(child, PLAN_STATE_STARTING, plan->now_ms + timeout_ms);
}

/* Goes round, so that one that dies as fast as it is started does not keep
 * the others from their turn. */
static bool
take_spawn(struct plan *plan, struct plan_wish *ret_wish)
{
	for (unsigned n = 0; n < plan->places; n++) {
		unsigned i = (plan->cursor + n) % plan->places;
		struct plan_child *child = &plan->children[i];
		if (child->state != PLAN_STATE_BACKOFF ||
		    child->deadline_ms > plan->now_ms)
			continue;
		plan->cursor = i + 1;
		begin_life(plan, child);
		*ret_wish =
		    (struct plan_wish){ .kind = PLAN_WISH_SPAWN, .child = i };
		return true;
	}
	return false;
}

bool
plan_take(struct plan *plan, int64_t now_ms, struct plan_wish *ret_wish)
{
	CHECK(now_ms >= plan->now_ms);
	plan->now_ms = now_ms;
	if (take_flag(&plan->booted_wanted)) {
		*ret_wish = (struct plan_wish){ .kind = PLAN_WISH_BOOTED };
		return true;
	}
	if (take_flag(&plan->gave_up_wanted)) {
		*ret_wish = (struct plan_wish){ .kind = PLAN_WISH_GAVE_UP,
			.child = plan->gave_up_child,
			.why = plan->gave_up_why,
			.exit_code = plan->exit_code };
		return true;
	}
	if (take_signal(plan, ret_wish) || take_spawn(plan, ret_wish))
		return true;
	if (take_flag(&plan->finished_wanted)) {
		*ret_wish = (struct plan_wish){ .kind = PLAN_WISH_FINISHED,
			.exit_code = plan->exit_code };
		return true;
	}
	return false;
}

int64_t
plan_wake_at(const struct plan *plan)
{
	int64_t wake_ms = PLAN_NEVER;
	for (unsigned i = 0; i < plan->places; i++)
		if (plan->children[i].deadline_ms < wake_ms)
			wake_ms = plan->children[i].deadline_ms;
	return wake_ms;
}

/* ---- invariants ---- */

static const char *
verify_child(const struct plan *plan, const struct plan_child *child)
{
	bool alive = plan_is_alive(child->state);
	bool timed = timed_states[child->state] ||
	    (child->state == PLAN_STATE_READY && child->hang_timeout_ms > 0);
	if (timed != (child->deadline_ms != PLAN_NEVER))
		return "exactly the timed states have a deadline";
	if (child->deadline_ms != PLAN_NEVER &&
	    child->deadline_ms - plan->now_ms > DURATION_MS_MAX)
		return "no deadline is out of sight";
	if (child->signal_wanted != 0 && !alive)
		return "only the living are signalled";
	if (child->state == PLAN_STATE_KILLING && child->kills == 0 &&
	    !child->aborted)
		return "who is being killed was sent a KILL, or hung";
	if (child->planned && child->state == PLAN_STATE_READY)
		return "a planned death is on its way";
	if (child->want == PLAN_WANT_GONE &&
	    child->state != PLAN_STATE_STOPPING &&
	    child->state != PLAN_STATE_KILLING)
		return "who has to leave is gone or on its way";
	if (child->want == PLAN_WANT_DOWN && child->state == PLAN_STATE_BACKOFF)
		return "who is wanted down is not started";
	if (child->state == PLAN_STATE_READY && !child->been_ready)
		return "ready is remembered";
	if (is_regrouped(plan, child) && !is_queue(plan, child) &&
	    (child->state == PLAN_STATE_STARTING ||
		child->state == PLAN_STATE_READY ||
		child->state == PLAN_STATE_BACKOFF))
		return "who waits for its siblings neither serves nor starts";
	if (child->state == PLAN_STATE_DOWN && child->want == PLAN_WANT_UP &&
	    plan->group == PLAN_GROUP_RUN && !plan->regrouping &&
	    (!plan->workers_wait || is_queue(plan, child)))
		return "who is wanted up is started";
	return NULL;
}

static const char *
verify_worker(const struct plan *plan, const struct plan_child *child)
{
	if (child->number == 0 || child->pool >= PLAN_POOLS_MAX)
		return "a worker has a pool and a number";
	if (plan->group == PLAN_GROUP_BOOT && plan_is_alive(child->state) &&
	    !plan->children[PLAN_QUEUE].been_ready)
		return "no worker before the queue is ready";
	if (plan->group >= PLAN_GROUP_STOP_WORKERS &&
	    (child->state == PLAN_STATE_BACKOFF ||
		child->state == PLAN_STATE_STARTING ||
		child->state == PLAN_STATE_READY))
		return "no worker serves or starts while all stop";
	if (plan->group >= PLAN_GROUP_STOP_QUEUE && plan_is_alive(child->state))
		return "no worker outlives the queue's stop";
	for (const struct plan_child *other = &plan->children[PLAN_QUEUE + 1];
	     other < child; other++) {
		if (other->renewing && child->renewing &&
		    other->pool == child->pool)
			return "one of a pool is renewed at a time";
		if (other->state != PLAN_STATE_ABSENT &&
		    other->pool == child->pool &&
		    other->number == child->number)
			return "no two workers have one name";
	}
	return NULL;
}

static const char *
verify_queue(const struct plan *plan)
{
	const struct plan_child *queue = &plan->children[PLAN_QUEUE];
	if (queue->state == PLAN_STATE_ABSENT)
		return "the queue always has its place";
	if (plan_is_stopping(plan) && queue->state == PLAN_STATE_BACKOFF)
		return "the queue is not started while all stop";
	if (plan->group == PLAN_GROUP_RUN && queue->state == PLAN_STATE_FAILED)
		return "nothing runs on without a queue";
	if (plan->group == PLAN_GROUP_STOP_QUEUE &&
	    queue->state != PLAN_STATE_STOPPING &&
	    queue->state != PLAN_STATE_KILLING)
		return "the queue is being stopped";
	if (plan->group == PLAN_GROUP_FINISHED && plan_is_alive(queue->state))
		return "finished means that nothing lives";
	return NULL;
}

static const char *
verify_window(const struct plan *plan)
{
	const struct plan_window *window = &plan->window;
	int64_t limit = plan_max_restarts(plan);
	if (window->count > window->capacity)
		return "the window fits";
	for (size_t i = 0; i < window->count; i++)
		if (window_time(window, i) > plan->now_ms ||
		    (i > 0 &&
			window_time(window, i - 1) > window_time(window, i)))
			return "the window is in order";
	if (limit != PLAN_RESTARTS_UNLIMITED && !plan_is_stopping(plan) &&
	    (int64_t)window->count > limit)
		return "more restarts than allowed mean giving up";
	return NULL;
}

const char *
plan_verify(const struct plan *plan)
{
	const char *broken = verify_queue(plan);
	if (broken == NULL)
		broken = verify_window(plan);
	for (unsigned i = 0; broken == NULL && i < plan->places; i++) {
		const struct plan_child *child = &plan->children[i];
		if (child->state == PLAN_STATE_ABSENT)
			continue;
		broken = verify_child(plan, child);
		if (broken == NULL && i != PLAN_QUEUE)
			broken = verify_worker(plan, child);
	}
	return broken;
}
