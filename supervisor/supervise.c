/* SPDX-License-Identifier: MIT */
#include "supervisor/supervise.h"

#include "base/check.h"
#include "supervisor/child.h"
#include "supervisor/control.h"
#include "supervisor/deaths.h"
#include "supervisor/difference.h"
#include "supervisor/notify.h"
#include "supervisor/plan.h"
#include "supervisor/program.h"
#include "sys/clock.h"
#include "sys/directory.h"
#include "sys/log.h"
#include "sys/socket.h"
#include "sys/spawn.h"
#include "sys/title.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(PLAN_RESTARTS_UNLIMITED == RESTARTS_UNLIMITED &&
	PLAN_RESTARTS_AUTOMATIC == RESTARTS_AUTOMATIC,
    "plan and configuration mean the same");

/* Processes started before the loop looks at everything else again: a mass
 * restart must not keep qctl and Ctrl-C waiting. */
#define SPAWNS_PER_TURN 8

/* What was told once is told again after that time. */
#define REPEAT_MS 60000

/* Before anybody's silence counts, all is read that was said: so often the loop
 * looks, as each look may take only some of many children's words. */
#define LOOKS_MAX 100

/* At the end: orphans that do not die of KILL are left behind after that. */
#define LAST_SWEEP_MS 5000

/* Children that this process had before it became the supervisor ("sleep & exec
 * supervisor"): not ours to kill. */
#define INHERITED_MAX 64

enum {
	SIGNAL_CHILD,
	SIGNAL_TERM,
	SIGNAL_INT,
	SIGNAL_HUP,
	SIGNAL_USR1,
	SIGNAL_COUNT
};

static const int signal_numbers[SIGNAL_COUNT] = {
	[SIGNAL_CHILD] = SIGCHLD,
	[SIGNAL_TERM] = SIGTERM,
	[SIGNAL_INT] = SIGINT,
	[SIGNAL_HUP] = SIGHUP,
	[SIGNAL_USR1] = SIGUSR1,
};

/* All that is made of the options, and swapped as one when they are read
 * again. */
struct programs {
	struct program queue;
	struct program pools[PLAN_POOLS_MAX];
};

struct supervisor {
	const struct options *options;
	struct options *own_options; /* the same, when they were read again */
	struct event_base *base;
	struct plan plan;
	struct child *children; /* by the plan's places */
	struct programs *programs;
	struct deaths deaths;
	struct control control;
	bool has_control;
	char queue_path[PATH_MAX];
	char control_path[PATH_MAX];
	int lock; /* of the directory; borrowed, and given to children */
	int queue_listener;
	int control_listener;
	struct event *signal_events[SIGNAL_COUNT];
	struct notify notify;
	struct event *watchdog;		 /* NULL: nobody wants to hear of us */
	bool queue_given, control_given; /* the socket is somebody else's */
	struct event *timer;
	unsigned looks;		   /* since the timer went off */
	uint64_t heard;		   /* messages of children, ever */
	uint64_t heard_before;	   /* the last look */
	struct rlimit descriptors; /* as we found it */
	int64_t started_ms;

	uint64_t orphans_killed; /* in the sweep that is going on */
	bool sweep_failed;
	pid_t inherited[INHERITED_MAX];
	unsigned inherited_count;

	int64_t spawn_failure_told_ms;
	bool finished; /* the plan has; orphans may be left */
	int64_t finish_by_ms;
	int exit_code;
};

/* ---- facts ---- */

static struct child *
queue_of(struct supervisor *supervisor)
{
	return &supervisor->children[PLAN_QUEUE];
}

/* Workers come and go by SCALE alone. */
static void
name_children(struct supervisor *supervisor)
{
	const struct plan *plan = &supervisor->plan;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		const struct plan_child *planned = &plan->children[i];
		struct child *child = &supervisor->children[i];
		char id[NAME_BYTES_MAX + 1];
		if (planned->state == PLAN_STATE_ABSENT)
			continue;
		options_worker_id(
		    supervisor->options, planned->pool, planned->number, id);
		if (strcmp(id, child->id) != 0)
			child_assign(child, id,
			    supervisor->options->pools[planned->pool]
				.name.text);
	}
}

static void
tell_plan(struct supervisor *supervisor, const struct plan_fact *fact)
{
	plan_step(&supervisor->plan, clock_monotonic_ms(), fact);
	if (fact->event == PLAN_EVENT_SCALE)
		name_children(supervisor);
}

static void
tell_plan_about(struct supervisor *supervisor, const struct child *child,
    enum plan_event event)
{
	tell_plan(supervisor,
	    &(struct plan_fact){ .event = event, .child = child->place });
}

/* The queue missed something that it must know: the next one hears all. */
static void
queue_is_deaf(struct supervisor *supervisor, int error)
{
	log_event(
	    LOG_ERROR, "channel", "child=queue error=\"%s\"", strerror(error));
	tell_plan_about(supervisor, queue_of(supervisor), PLAN_EVENT_KILL);
}

static void
tell_queue_up(struct supervisor *supervisor, const char *id, pid_t pid,
    int64_t incarnation)
{
	int error = child_tell_up(queue_of(supervisor), id, pid, incarnation);
	if (error != 0)
		queue_is_deaf(supervisor, error);
}

/* With no queue there, the next one hears it. */
static void
tell_queue_down(struct supervisor *supervisor, struct child *child,
    const struct departed *departed)
{
	if (!queue_of(supervisor)->has_channel) {
		child->untold = *departed;
		return;
	}
	int error = child_tell_down(queue_of(supervisor), departed);
	if (error != 0)
		queue_is_deaf(supervisor, error);
}

/* ---- wishes: spawn ---- */

/* A new queue hears of every worker, also of the dead whose orphans live: what
 * they ran is not over. */
static void
introduce_workers(struct supervisor *supervisor)
{
	for (unsigned i = PLAN_QUEUE + 1; i < PLAN_CHILDREN; i++) {
		struct child *child = &supervisor->children[i];
		const struct departed *dead[] = { &child->sweeping,
			&child->held };
		if (child->untold.pid != 0)
			tell_queue_down(supervisor, child, &child->untold);
		child->untold.pid = 0;
		for (int k = 0; k < 2; k++)
			if (dead[k]->pid != 0)
				tell_queue_up(supervisor, dead[k]->id,
				    dead[k]->pid, dead[k]->incarnation);
		if (child->pid != 0)
			tell_queue_up(supervisor, child->id, child->pid,
			    child->incarnation);
	}
	int error = child_tell_introduced(queue_of(supervisor));
	if (error != 0)
		queue_is_deaf(supervisor, error);
}

/* departed NULL: it never lived. */
static void
remember_death(struct supervisor *supervisor, const struct child *child,
    const struct departed *departed)
{
	struct death_record record = { .incarnation = child->incarnation + 1,
		.time_ms = child->last_death_ms,
		.wall_ms = clock_wall_ms() };
	memcpy(record.id, child->id, sizeof(record.id));
	memcpy(record.how, child->last_death, sizeof(record.how));
	if (departed != NULL) {
		memcpy(record.id, departed->id, sizeof(record.id));
		death_print(&departed->death, record.how, sizeof(record.how));
		record.pid = departed->pid;
		record.incarnation = departed->incarnation;
		record.up_ms = child->last_death_ms - child->spawned_ms;
		record.planned = departed->planned;
		record.core = departed->death.core;
		record.why = child->why;
	}
	deaths_add(&supervisor->deaths, &record);
}

static void
spawn_failed(
    struct supervisor *supervisor, const struct child *child, int error)
{
	const struct plan *plan = &supervisor->plan;
	int64_t now_ms = clock_monotonic_ms();
	if (!child_is_transient(error)) {
		remember_death(supervisor, child, NULL);
		log_event(LOG_ERROR, "exec-failed", "child=%s error=\"%s\"",
		    child->id, strerror(error));
		tell_plan_about(supervisor, child, PLAN_EVENT_EXEC_FAILED);
		return;
	}
	tell_plan_about(supervisor, child, PLAN_EVENT_SPAWN_FAILED);
	if (supervisor->spawn_failure_told_ms != 0 &&
	    now_ms - supervisor->spawn_failure_told_ms < REPEAT_MS)
		return;
	supervisor->spawn_failure_told_ms = now_ms;
	log_event(LOG_WARNING, "fork-failed",
	    "child=%s error=\"%s\" delay_ms=%" PRId64 " hint=\"waiting for "
	    "room, not counted as a restart\"",
	    child->id, strerror(error),
	    plan->children[child->place].deadline_ms - now_ms);
}

/* The higher limit is for our table and the queue's clients. */
static void
restore_descriptors(struct supervisor *supervisor, const struct child *child)
{
	prlimit(child->pid, RLIMIT_NOFILE, &supervisor->descriptors, NULL);
}

static void
do_spawn(struct supervisor *supervisor, struct child *child)
{
	bool queue = child->place == PLAN_QUEUE;
	unsigned pool = supervisor->plan.children[child->place].pool;
	int error = child_spawn(child,
	    queue ? &supervisor->programs->queue
		  : &supervisor->programs->pools[pool],
	    supervisor->base, supervisor->lock,
	    queue ? supervisor->queue_listener : -1);
	if (error != 0) {
		spawn_failed(supervisor, child, error);
		return;
	}
	log_event(LOG_INFO, "start", "child=%s child_pid=%d inc=%" PRId64,
	    child->id, (int)child->pid, child->incarnation);
	if (queue) {
		introduce_workers(supervisor);
		return;
	}
	restore_descriptors(supervisor, child);
	tell_queue_up(supervisor, child->id, child->pid, child->incarnation);
}

/* ---- wishes: signals and the rest ---- */

/* Once a signal is sent for the n-th time, n being 1, 2, 4, 8, ... */
static bool
is_worth_telling(unsigned count)
{
	return (count & (count - 1)) == 0;
}

/* A second TERM that comes before a busy worker has seen the first is the same
 * one to the kernel; so a worker is hurried by a signal of its own. */
static int
signal_of(const struct supervisor *supervisor, const struct plan_wish *wish)
{
	bool hurried = supervisor->plan.children[wish->child].hurried;
	if (wish->signal == SIGTERM && hurried && wish->child != PLAN_QUEUE)
		return SIGQUIT;
	return wish->signal;
}

static void
do_signal(struct supervisor *supervisor, struct child *child,
    const struct plan_wish *wish)
{
	unsigned kills = supervisor->plan.children[child->place].kills;
	int number = signal_of(supervisor, wish);
	bool term = wish->signal == SIGTERM;
	bool unkillable = wish->why == PLAN_WHY_UNKILLABLE;
	const char *event = term ? "stop" : "kill";
	if (wish->why == PLAN_WHY_START_TIMEOUT || unkillable ||
	    wish->signal == SIGABRT)
		event = plan_why_text(wish->why);
	child_signal(child, number);
	child->why = plan_why_text(wish->why);
	if (!unkillable || is_worth_telling(kills))
		log_event(term ? LOG_INFO : LOG_WARNING, event,
		    "child=%s child_pid=%d inc=%" PRId64 " signal=%s reason=%s",
		    child->id, (int)child->pid, child->incarnation,
		    sigabbrev_np(number), plan_why_text(wish->why));
}

static void
limit_print(const struct plan *plan, char text[24])
{
	int64_t limit = plan_max_restarts(plan);
	if (limit == PLAN_RESTARTS_UNLIMITED)
		snprintf(text, 24, "inf");
	else
		snprintf(text, 24, "%" PRId64, limit);
}

static void
do_give_up(struct supervisor *supervisor, const struct plan_wish *wish)
{
	const struct plan *plan = &supervisor->plan;
	const struct child *child = &supervisor->children[wish->child];
	char limit[24];
	limit_print(plan, limit);
	if (wish->exit_code == PLAN_EXIT_BOOT_FAILED)
		log_event(LOG_ERROR, "boot-failed",
		    "child=%s reason=%s last_death=\"%s\" exit=%d", child->id,
		    plan_why_text(wish->why),
		    child->last_death[0] != '\0' ? child->last_death : "none",
		    wish->exit_code);
	else
		log_event(LOG_ERROR, "escalate",
		    "child=%s reason=%s restarts=%zu/%s window_ms=%" PRId64
		    " exit=%d",
		    child->id, plan_why_text(wish->why), plan->window.count,
		    limit, plan->options.window_ms, wish->exit_code);
}

static void
do_booted(struct supervisor *supervisor)
{
	notify_ready(&supervisor->notify);
	log_event(LOG_INFO, "running", "children=%u boot_ms=%" PRId64,
	    supervisor->plan.places,
	    clock_monotonic_ms() - supervisor->started_ms);
}

/* ---- orphans ---- */

static bool
is_inherited(const struct supervisor *supervisor, pid_t pid)
{
	for (unsigned i = 0; i < supervisor->inherited_count; i++)
		if (supervisor->inherited[i] == pid)
			return true;
	return false;
}

static bool
keep_child(pid_t pid, void *context)
{
	const struct supervisor *supervisor = context;
	for (unsigned i = 0; i < supervisor->plan.places; i++)
		if (supervisor->children[i].pid == pid)
			return true;
	return is_inherited(supervisor, pid);
}

static bool
note_inherited(pid_t pid, void *context)
{
	struct supervisor *supervisor = context;
	if (supervisor->inherited_count < INHERITED_MAX)
		supervisor->inherited[supervisor->inherited_count++] = pid;
	return true;
}

static void
orphan_reaped(struct supervisor *supervisor, pid_t pid)
{
	for (unsigned i = 0; i < supervisor->inherited_count; i++) {
		if (supervisor->inherited[i] != pid)
			continue;
		supervisor->inherited[i] =
		    supervisor->inherited[--supervisor->inherited_count];
		return;
	}
	supervisor->orphans_killed++;
}

/* Workers are subreapers: what falls to us was started by one that is dead.
 * True when nothing is left; else its death makes another SIGCHLD. */
static bool
sweep_orphans(struct supervisor *supervisor)
{
	int found = spawn_kill_orphans(SIGKILL, keep_child, supervisor);
	if (found > 0)
		return false;
	if (found < 0 && !supervisor->sweep_failed) {
		supervisor->sweep_failed = true;
		log_event(LOG_ERROR, "orphans",
		    "error=\"%s\" hint=\"cannot look for orphans\"",
		    strerror(-found));
	}
	if (supervisor->orphans_killed > 0)
		log_event(LOG_INFO, "orphans", "killed=%" PRIu64,
		    supervisor->orphans_killed);
	supervisor->orphans_killed = 0;
	return true;
}

/* ---- deaths ---- */

static void
log_backoff(const struct supervisor *supervisor, const struct child *child)
{
	const struct plan_child *planned =
	    &supervisor->plan.children[child->place];
	int64_t delay_ms = planned->deadline_ms - supervisor->plan.now_ms;
	if (planned->state == PLAN_STATE_BACKOFF && delay_ms > 0)
		log_event(LOG_INFO, "backoff",
		    "child=%s delay_ms=%" PRId64 " failures=%" PRIu64,
		    child->id, delay_ms, planned->failures);
}

static void
log_exit(const struct supervisor *supervisor, const struct child *child,
    const struct departed *departed, int64_t died_ms)
{
	const struct plan *plan = &supervisor->plan;
	const struct plan_child *planned = &plan->children[child->place];
	const struct death *death = &departed->death;
	bool foreign = death->signal == SIGKILL && !child->killed;
	char how[48], limit[24], next[48];
	death_print(death, how, sizeof(how));
	limit_print(plan, limit);
	if (planned->state == PLAN_STATE_BACKOFF)
		snprintf(next, sizeof(next), "delay_ms=%" PRId64,
		    planned->deadline_ms - plan->now_ms);
	else
		snprintf(next, sizeof(next), "next=%s",
		    plan_state_name(planned->state));
	log_event(departed->planned ? LOG_INFO : LOG_WARNING, "exit",
	    "child=%s child_pid=%d inc=%" PRId64 " %s core=%s up_ms=%" PRId64
	    " planned=%s restarts=%zu/%s %s%s",
	    departed->id, (int)departed->pid, departed->incarnation, how,
	    death->core ? "yes" : "no", died_ms - child->spawned_ms,
	    departed->planned ? "yes" : "no",
	    plan_restarts_in_window(plan, plan->now_ms), limit, next,
	    foreign ? " hint=\"perhaps out of memory or kill -9\"" : "");
}

static void
report_death(struct supervisor *supervisor, struct child *child, bool clean)
{
	const struct plan_child *planned =
	    &supervisor->plan.children[child->place];
	struct departed departed = child->held;
	child->held.pid = 0;
	departed.planned =
	    planned->planned || plan_is_stopping(&supervisor->plan);
	tell_plan(supervisor,
	    &(struct plan_fact){ .event = PLAN_EVENT_EXITED,
		.child = child->place,
		.exit_code = departed.death.exit_code,
		.signal = departed.death.signal });
	log_exit(supervisor, child, &departed, child->last_death_ms);
	remember_death(supervisor, child, &departed);
	log_backoff(supervisor, child);
	if (child->place == PLAN_QUEUE)
		return;
	if (clean)
		tell_queue_down(supervisor, child, &departed);
	else
		child->sweeping = departed;
}

/* The plan hears of a death, and restarts, at once; the queue hears of it when
 * nothing of that life is left. A place has one such life at a time: a second
 * death waits until the first is over, except at the end of all, which must not
 * wait for an orphan that does not die. */
static void
report_deaths(struct supervisor *supervisor, bool clean)
{
	bool stopping = plan_is_stopping(&supervisor->plan);
	for (unsigned i = 0; i < supervisor->plan.places; i++) {
		struct child *child = &supervisor->children[i];
		if (clean && child->sweeping.pid != 0) {
			tell_queue_down(supervisor, child, &child->sweeping);
			child->sweeping.pid = 0;
		}
		if (child->held.pid != 0 &&
		    (child->sweeping.pid == 0 || stopping))
			report_death(supervisor, child, clean);
	}
}

static struct child *
find_pid(struct supervisor *supervisor, pid_t pid)
{
	for (unsigned i = 0; i < supervisor->plan.places; i++)
		if (supervisor->children[i].pid == pid)
			return &supervisor->children[i];
	return NULL;
}

static void
reaped(struct supervisor *supervisor, const siginfo_t *info)
{
	struct child *child = find_pid(supervisor, info->si_pid);
	if (child == NULL) {
		orphan_reaped(supervisor, info->si_pid);
		return;
	}
	bool exited = info->si_code == CLD_EXITED;
	struct death death = {
		.exit_code = exited ? info->si_status : 0,
		.signal = exited ? 0 : info->si_status,
		.core = info->si_code == CLD_DUMPED,
	};
	child_bury(child, &death, clock_monotonic_ms(), &child->held);
}

/* SIGCHLD is one bit for any number of deaths. */
static void
reap(struct supervisor *supervisor)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		int result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
		if (result != 0 && errno == EINTR)
			continue;
		if (result != 0 || info.si_pid == 0)
			return;
		reaped(supervisor, &info);
	}
}

/* ---- the turn ---- */

static void
end_loop(struct supervisor *supervisor)
{
	log_event(LOG_INFO, "stopped", "exit=%d up_ms=%" PRId64,
	    supervisor->exit_code,
	    clock_monotonic_ms() - supervisor->started_ms);
	event_base_loopbreak(supervisor->base);
}

static void
do_finished(struct supervisor *supervisor, const struct plan_wish *wish)
{
	supervisor->finished = true;
	supervisor->exit_code = wish->exit_code;
	supervisor->finish_by_ms = clock_monotonic_ms() + LAST_SWEEP_MS;
}

static void
fulfil(struct supervisor *supervisor, const struct plan_wish *wish)
{
	struct child *child = &supervisor->children[wish->child];
	switch (wish->kind) {
	case PLAN_WISH_BOOTED:
		do_booted(supervisor);
		break;
	case PLAN_WISH_GAVE_UP:
		do_give_up(supervisor, wish);
		break;
	case PLAN_WISH_SIGNAL:
		do_signal(supervisor, child, wish);
		break;
	case PLAN_WISH_SPAWN:
		do_spawn(supervisor, child);
		break;
	case PLAN_WISH_FINISHED:
		do_finished(supervisor, wish);
		break;
	}
}

static void
arm_timer(struct supervisor *supervisor, bool more)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t wake_ms = plan_wake_at(&supervisor->plan);
	if (supervisor->finished && supervisor->finish_by_ms < wake_ms)
		wake_ms = supervisor->finish_by_ms;
	if (more)
		wake_ms = now_ms;
	if (wake_ms == PLAN_NEVER) {
		event_del(supervisor->timer);
		return;
	}
	int64_t delay_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
	struct timeval delay = { .tv_sec = delay_ms / 1000,
		.tv_usec = delay_ms % 1000 * 1000 };
	event_add(supervisor->timer, &delay);
}

static void
check_finished(struct supervisor *supervisor)
{
	if (!supervisor->finished)
		return;
	if (sweep_orphans(supervisor)) {
		end_loop(supervisor);
	} else if (clock_monotonic_ms() >= supervisor->finish_by_ms) {
		log_event(LOG_ERROR, "orphans",
		    "hint=\"some do not die and are left behind\"");
		end_loop(supervisor);
	}
}

/* "running: queue ready, 4 of 4 workers" */
static void
tell_manager(struct supervisor *supervisor)
{
	const struct plan *plan = &supervisor->plan;
	unsigned workers = 0, ready = 0;
	char status[NOTIFY_STATUS_BYTES];
	if (supervisor->notify.fd < 0)
		return;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++) {
		workers += plan->children[i].state != PLAN_STATE_ABSENT;
		ready += plan->children[i].state == PLAN_STATE_READY;
	}
	snprintf(status, sizeof(status), "%s: queue %s, %u of %u workers",
	    plan_is_stopping(plan)		 ? "stopping"
		: plan->group == PLAN_GROUP_BOOT ? "booting"
						 : "running",
	    plan_state_name(plan->children[PLAN_QUEUE].state), ready, workers);
	notify_status(&supervisor->notify, status);
	if (plan_is_stopping(plan))
		notify_stopping(&supervisor->notify);
}

/* Ends every callback: does what the plan wishes now. */
static void
settle(struct supervisor *supervisor)
{
	unsigned spawns = 0;
	struct plan_wish wish;
	while (spawns < SPAWNS_PER_TURN &&
	    plan_take(&supervisor->plan, clock_monotonic_ms(), &wish)) {
		fulfil(supervisor, &wish);
		spawns += wish.kind == PLAN_WISH_SPAWN;
	}
	if (supervisor->has_control)
		control_update(&supervisor->control);
	tell_manager(supervisor);
	check_finished(supervisor);
	arm_timer(supervisor, spawns == SPAWNS_PER_TURN);
}

/* ---- what happens ---- */

static void
on_child_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	struct supervisor *supervisor = context;
	reap(supervisor);
	report_deaths(supervisor, sweep_orphans(supervisor));
	settle(supervisor);
}

static void
on_stop_signal(evutil_socket_t number, short what, void *context)
{
	(void)what;
	struct supervisor *supervisor = context;
	static const char *const effects[] = {
		"running jobs may finish",
		"ending running jobs now",
		"killing everything",
	};
	unsigned times = supervisor->plan.stop_requests;
	log_event(LOG_INFO, "stopping", "reason=SIG%s hint=\"%s\"",
	    sigabbrev_np((int)number), effects[times < 2 ? times : 2]);
	tell_plan(
	    supervisor, &(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL });
	settle(supervisor);
}

/* Timers go off before what has come meanwhile is read, when this process was
 * halted: so the children are listened to first. */
static bool
has_listened(struct supervisor *supervisor)
{
	bool news = supervisor->heard != supervisor->heard_before;
	supervisor->heard_before = supervisor->heard;
	if (supervisor->looks > 0 && (!news || supervisor->looks == LOOKS_MAX))
		return true;
	supervisor->looks++;
	event_add(supervisor->timer, &(struct timeval){ 0, 0 });
	return false;
}

static void
on_timer(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct supervisor *supervisor = context;
	if (!has_listened(supervisor))
		return;
	supervisor->looks = 0;
	tell_plan(supervisor, &(struct plan_fact){ .event = PLAN_EVENT_TIME });
	settle(supervisor);
}

static void
look_who_is_busy(const struct supervisor *supervisor, unsigned pool,
    bool busy[PLAN_CHILDREN])
{
	const struct plan *plan = &supervisor->plan;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		busy[i] = plan_is_alive(plan->children[i].state) &&
		    plan->children[i].pool == pool &&
		    !child_is_idle(&supervisor->children[i]);
}

static void
on_control_fact(void *context, const struct plan_fact *told)
{
	struct supervisor *supervisor = context;
	bool busy[PLAN_CHILDREN] = { false };
	struct plan_fact fact = *told;
	if (fact.event == PLAN_EVENT_SCALE) {
		look_who_is_busy(supervisor, fact.pool, busy);
		fact.busy = busy;
	}
	tell_plan(supervisor, &fact);
	settle(supervisor);
}

static void
on_child_ready(struct child *child)
{
	struct supervisor *supervisor = child->context;
	if (supervisor->plan.children[child->place].state ==
	    PLAN_STATE_STARTING)
		log_event(LOG_INFO, "ready",
		    "child=%s child_pid=%d inc=%" PRId64 " ready_ms=%" PRId64,
		    child->id, (int)child->pid, child->incarnation,
		    clock_monotonic_ms() - child->spawned_ms);
	tell_plan_about(supervisor, child, PLAN_EVENT_READY);
	settle(supervisor);
}

/* Nothing follows from it but that a deadline is later: the timer, when it
 * fires, looks when that is. */
static void
on_child_alive(struct child *child)
{
	struct supervisor *supervisor = child->context;
	supervisor->heard++;
	tell_plan_about(child->context, child, PLAN_EVENT_BEAT);
}

/* Counts when it dies. */
static void
on_child_worked(struct child *child)
{
	tell_plan_about(child->context, child, PLAN_EVENT_WORKED);
}

static void
on_child_renew(struct child *child, struct span reason)
{
	struct supervisor *supervisor = child->context;
	log_event(LOG_INFO, "recycle",
	    "child=%s child_pid=%d inc=%" PRId64 " reason=%s", child->id,
	    (int)child->pid, child->incarnation,
	    log_quote(reason, NAME_BYTES_MAX));
	tell_plan_about(supervisor, child, PLAN_EVENT_RENEW);
	settle(supervisor);
}

static void
on_child_lost(struct child *child, bool sent_rubbish)
{
	struct supervisor *supervisor = child->context;
	tell_plan_about(supervisor, child,
	    sent_rubbish ? PLAN_EVENT_KILL : PLAN_EVENT_LOST);
	settle(supervisor);
}

static void
on_queue_asks_kill(struct child *queue, pid_t pid, struct span reason)
{
	struct supervisor *supervisor = queue->context;
	const struct child *child = pid > 0 ? find_pid(supervisor, pid) : NULL;
	if (child == NULL || child->place == PLAN_QUEUE) {
		log_event(LOG_INFO, "ignored",
		    "child=queue message=kill hint=\"no worker has pid %d\"",
		    (int)pid);
		return;
	}
	log_event(LOG_WARNING, "kill-asked",
	    "child=%s child_pid=%d by=queue reason=%s", child->id, (int)pid,
	    log_quote(reason, REASON_BYTES_MAX));
	tell_plan_about(supervisor, child, PLAN_EVENT_KILL);
	settle(supervisor);
}

static const struct child_events child_events = {
	.on_ready = on_child_ready,
	.on_alive = on_child_alive,
	.on_worked = on_child_worked,
	.on_renew = on_child_renew,
	.on_lost = on_child_lost,
	.on_kill = on_queue_asks_kill,
};

/* ---- life cycle ---- */

static int
failed(const char *what, int error, int status)
{
	log_event(LOG_ERROR, "boot-failed", "what=\"%s\" error=\"%s\" exit=%d",
	    what, strerror(error), status);
	return status;
}

/* One that was given is used as it is: bound by somebody else, and not
 * unlinked by us. */
static int
open_socket(const struct options *options, const char *name,
    char path[PATH_MAX], int *ret_listener)
{
	int error = directory_path(path, PATH_MAX, options->directory, name);
	if (*ret_listener >= 0) {
		log_event(
		    LOG_INFO, "listen", "given=%s fd=%d", name, *ret_listener);
		return 0;
	}
	if (error != 0) {
		path[0] = '\0';
		return failed(name, error, EXIT_CONFIGURATION);
	}
	int listener = socket_listen(path);
	if (listener < 0)
		return failed(path, -listener, EXIT_BOOT_FAILED);
	log_event(LOG_INFO, "listen", "socket=%s", path);
	*ret_listener = listener;
	return 0;
}

static int
open_sockets(struct supervisor *supervisor)
{
	struct given_sockets given;
	const char *reason;
	if (!notify_take_sockets(&given, &reason)) {
		log_event(LOG_ERROR, "boot-failed",
		    "what=LISTEN_FDS error=\"%s\" exit=%d", reason,
		    EXIT_CONFIGURATION);
		return EXIT_CONFIGURATION;
	}
	supervisor->queue_listener = given.queue;
	supervisor->control_listener = given.control;
	supervisor->queue_given = given.queue >= 0;
	supervisor->control_given = given.control >= 0;
	int status = open_socket(supervisor->options, QUEUE_SOCKET_NAME,
	    supervisor->queue_path, &supervisor->queue_listener);
	if (status != 0)
		return status;
	return open_socket(supervisor->options, CONTROL_SOCKET_NAME,
	    supervisor->control_path, &supervisor->control_listener);
}

static void
close_socket(int listener, const char *path, bool given)
{
	if (listener < 0)
		return;
	if (!given)
		unlink(path);
	close(listener);
}

static void
programs_free(struct programs *programs)
{
	if (programs == NULL)
		return;
	program_release(&programs->queue);
	for (size_t i = 0; i < PLAN_POOLS_MAX; i++)
		program_release(&programs->pools[i]);
	free(programs);
}

/* 0, or an errno and *ret_what that could not be had. */
static int
programs_make(const struct options *options, struct programs **ret_programs,
    const char **ret_what)
{
	struct programs *programs = calloc(1, sizeof(*programs));
	*ret_what = "memory";
	if (programs == NULL)
		return ENOMEM;
	int error = program_init_queue(&programs->queue, options);
	if (error != 0)
		*ret_what = "the program 'queue' beside the supervisor or in "
			    "../libexec/gsq";
	for (size_t i = 0; error == 0 && i < options->pool_count; i++) {
		if (options->gone[i])
			continue;
		error = program_init_worker(
		    &programs->pools[i], options, &options->pools[i]);
		if (error != 0)
			*ret_what = "the program 'worker' beside the "
				    "supervisor or in ../libexec/gsq";
	}
	if (error == 0)
		*ret_programs = programs;
	else
		programs_free(programs);
	return error;
}

static int
make_programs(struct supervisor *supervisor)
{
	const char *what;
	int error =
	    programs_make(supervisor->options, &supervisor->programs, &what);
	return error == 0 ? 0 : failed(what, error, EXIT_BOOT_FAILED);
}

static struct plan_options
plan_options_of(const struct options *from)
{
	const struct configuration *configuration = &from->configuration;
	struct plan_options options = {
		.max_restarts = configuration->max_restarts,
		.window_ms = configuration->max_window_ms,
		.backoff = configuration->backoff,
		.start_timeout_ms = configuration->start_timeout_ms,
		.queue_start_timeout_ms = configuration->queue_start_timeout_ms,
		.stop_grace_ms = configuration->stop_grace_ms,
		.seed = (uint64_t)clock_wall_ms() ^ (uint64_t)getpid(),
		.strategy = configuration->strategy,
		.hang_timeout_ms = configuration->hang_timeout_ms,
		.queue_hang_timeout_ms = configuration->queue_hang_timeout_ms,
	};
	for (size_t i = 0; i < from->pool_count; i++)
		options.restart[i] = from->pools[i].restart;
	return options;
}

static int
make_plan(struct supervisor *supervisor)
{
	const struct plan_options options =
	    plan_options_of(supervisor->options);
	int error = plan_init(&supervisor->plan, &options);
	if (error != 0)
		return failed("memory", error, EXIT_BOOT_FAILED);
	supervisor->children =
	    calloc(PLAN_CHILDREN, sizeof(*supervisor->children));
	if (supervisor->children == NULL)
		return failed("memory", ENOMEM, EXIT_BOOT_FAILED);
	for (unsigned i = 0; i < PLAN_CHILDREN; i++) {
		supervisor->children[i].place = i;
		supervisor->children[i].context = supervisor;
		supervisor->children[i].events = &child_events;
	}
	child_assign(queue_of(supervisor), "queue", NULL);
	return 0;
}

/* ---- the configuration, again ---- */

/* Have all pools together room, also for those that are just leaving? */
static bool
has_room(const struct supervisor *supervisor, const struct options *options,
    const struct difference *difference)
{
	const struct plan *plan = &supervisor->plan;
	unsigned there[PLAN_POOLS_MAX] = { 0 }, all = 0;
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		if (plan->children[i].state != PLAN_STATE_ABSENT)
			there[plan->children[i].pool]++;
	for (size_t i = 0; i < options->pool_count; i++) {
		unsigned wanted = (unsigned)options->pools[i].workers;
		bool grows = difference->scaled[i] && wanted > there[i];
		all += grows ? wanted : there[i];
	}
	return all <= CHILDREN_MAX;
}

/* Programs and names point into the options. */
static void
swap_options(struct supervisor *supervisor, struct options *options,
    struct programs *programs)
{
	programs_free(supervisor->programs);
	supervisor->programs = programs;
	supervisor->options = options;
	supervisor->control.view.options = options;
	for (unsigned i = PLAN_QUEUE + 1; i < supervisor->plan.places; i++)
		supervisor->children[i].pool =
		    options->pools[supervisor->plan.children[i].pool].name.text;
	if (supervisor->own_options != NULL)
		options_release(supervisor->own_options);
	free(supervisor->own_options);
	supervisor->own_options = options;
}

static void
apply_difference(
    struct supervisor *supervisor, const struct difference *difference)
{
	const struct options *options = supervisor->options;
	struct plan *plan = &supervisor->plan;
	if (difference->queue)
		tell_plan_about(
		    supervisor, queue_of(supervisor), PLAN_EVENT_RESTART);
	/* Before new ones come, which are what they should be. */
	for (unsigned i = PLAN_QUEUE + 1; i < plan->places; i++)
		if (plan->children[i].state != PLAN_STATE_ABSENT &&
		    (difference->all ||
			difference->pools[plan->children[i].pool]))
			tell_plan_about(supervisor, &supervisor->children[i],
			    PLAN_EVENT_RENEW);
	for (size_t i = 0; i < options->pool_count; i++)
		if (difference->scaled[i])
			on_control_fact(supervisor,
			    &(struct plan_fact){ .event = PLAN_EVENT_SCALE,
				.pool = (unsigned)i,
				.workers =
				    (unsigned)options->pools[i].workers });
}

static char *
copy_of(const struct buffer *text)
{
	if (buffer_count(text) == 0)
		return strdup("");
	return strndup(buffer_front(text), buffer_count(text));
}

/* All or nothing. NULL, or what is wrong. */
static char *
take_options(struct supervisor *supervisor, struct options *options,
    struct difference *difference)
{
	struct programs *programs;
	const char *what;
	char *wrong = NULL;
	if (!has_room(supervisor, options, difference))
		return strdup("more than 1024 workers in all, those that are "
			      "just leaving included\n");
	int error = programs_make(options, &programs, &what);
	if (error == 0) {
		const struct plan_options planned = plan_options_of(options);
		what = "memory";
		error = plan_set_options(&supervisor->plan, &planned);
		if (error == 0) {
			swap_options(supervisor, options, programs);
			return NULL;
		}
		programs_free(programs);
	}
	if (asprintf(&wrong, "%s: %s\n", what, strerror(error)) < 0)
		wrong = NULL;
	return wrong != NULL ? wrong : strdup("out of memory\n");
}

static void
log_lines(enum log_level level, const char *event, const char *text)
{
	for (const char *end; (end = strchr(text, '\n')) != NULL;
	     text = end + 1)
		log_event(level, event, "what=%s",
		    log_quote((struct span){ text, (size_t)(end - text) },
			REASON_BYTES_MAX));
}

static bool
refuse_reload(struct options *options, char *wrong, char **ret_text)
{
	log_lines(LOG_ERROR, "reload-refused", wrong);
	free(options);
	*ret_text = wrong;
	return false;
}

static bool
on_reload(void *context, char **ret_text)
{
	struct supervisor *supervisor = context;
	struct difference difference;
	struct options *options = calloc(1, sizeof(*options));
	if (options == NULL)
		return refuse_reload(NULL, strdup("out of memory\n"), ret_text);
	char *wrong = options_read_again(options, supervisor->options);
	if (wrong != NULL)
		return refuse_reload(options, wrong, ret_text);
	if (difference_find(&difference, supervisor->options, options) != 0)
		wrong = strdup("out of memory\n");
	else
		wrong = take_options(supervisor, options, &difference);
	if (wrong != NULL) {
		difference_release(&difference);
		options_release(options);
		return refuse_reload(options, wrong, ret_text);
	}
	notify_reloading(&supervisor->notify);
	*ret_text = copy_of(&difference.text);
	log_event(LOG_INFO, "reload", "changes=%u", difference.lines);
	log_lines(LOG_INFO, "changed", *ret_text != NULL ? *ret_text : "");
	apply_difference(supervisor, &difference);
	difference_release(&difference);
	settle(supervisor);
	notify_ready(&supervisor->notify);
	return true;
}

static void
on_reload_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	struct supervisor *supervisor = context;
	char *text = NULL;
	if (!plan_is_stopping(&supervisor->plan))
		on_reload(supervisor, &text);
	free(text);
}

/* Children have the old file as their standard error, and its name. */
static void
on_reopen_signal(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	struct supervisor *supervisor = context;
	int error = log_reopen();
	if (error != 0)
		log_event(
		    LOG_ERROR, "log-opened", "error=\"%s\"", strerror(error));
	else
		log_event(LOG_INFO, "log-opened", NULL);
	for (unsigned i = 0; i < supervisor->plan.places; i++)
		child_tell_reopen(&supervisor->children[i]);
}

static const struct control_events control_events = {
	.on_fact = on_control_fact,
	.on_reload = on_reload,
};

static void (*const signal_actions[SIGNAL_COUNT])(
    evutil_socket_t number, short what, void *context) = {
	[SIGNAL_CHILD] = on_child_signal,
	[SIGNAL_TERM] = on_stop_signal,
	[SIGNAL_INT] = on_stop_signal,
	[SIGNAL_HUP] = on_reload_signal,
	[SIGNAL_USR1] = on_reopen_signal,
};

static int
make_events(struct supervisor *supervisor)
{
	supervisor->base = event_base_new();
	if (supervisor->base == NULL)
		return failed("event loop", ENOMEM, EXIT_BOOT_FAILED);
	supervisor->timer = evtimer_new(supervisor->base, on_timer, supervisor);
	bool good = supervisor->timer != NULL;
	for (int i = 0; i < SIGNAL_COUNT; i++) {
		supervisor->signal_events[i] = evsignal_new(supervisor->base,
		    signal_numbers[i], signal_actions[i], supervisor);
		good = good && supervisor->signal_events[i] != NULL &&
		    event_add(supervisor->signal_events[i], NULL) == 0;
	}
	return good ? 0 : failed("events", ENOMEM, EXIT_BOOT_FAILED);
}

/* Children that hang are our business; this says that we do not. */
static void
on_watchdog(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct supervisor *supervisor = context;
	notify_watchdog(&supervisor->notify);
}

static int
make_notify(struct supervisor *supervisor)
{
	struct notify *notify = &supervisor->notify;
	notify_open(notify);
	if (notify->watchdog_ms == 0)
		return 0;
	int64_t period_us = notify->watchdog_ms * 1000 / 2;
	struct timeval period = { .tv_sec = period_us / 1000000,
		.tv_usec = period_us % 1000000 };
	supervisor->watchdog = event_new(
	    supervisor->base, -1, EV_PERSIST, on_watchdog, supervisor);
	if (supervisor->watchdog == NULL ||
	    event_add(supervisor->watchdog, &period) != 0)
		return failed("watchdog", ENOMEM, EXIT_BOOT_FAILED);
	return 0;
}

static int
make_control(struct supervisor *supervisor)
{
	const struct view view = { .options = supervisor->options,
		.plan = &supervisor->plan,
		.children = supervisor->children,
		.deaths = &supervisor->deaths,
		.started_ms = supervisor->started_ms };
	int error = control_init(&supervisor->control, supervisor->base,
	    supervisor->control_listener, &view, &control_events, supervisor);
	if (error != 0)
		return failed("control", error, EXIT_BOOT_FAILED);
	supervisor->has_control = true;
	return 0;
}

/* One channel per child and the clients of the control socket. */
static void
raise_descriptors(struct supervisor *supervisor)
{
	getrlimit(RLIMIT_NOFILE, &supervisor->descriptors);
	struct rlimit raised = supervisor->descriptors;
	raised.rlim_cur = raised.rlim_max;
	setrlimit(RLIMIT_NOFILE, &raised);
}

/* For the whole tree. A core has the bodies of jobs in it; who wants one all
 * the same can ask for it: "prlimit --core", or "ulimit -c" in a handler. */
static void
forbid_cores(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return;
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &limit);
}

static int
become_supervisor(struct supervisor *supervisor)
{
	sigset_t none; /* a parent may have left signals blocked */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* until there is something to reload */
	raise_descriptors(supervisor);
	forbid_cores();
	title_set("gsq: supervisor (%s)", supervisor->options->directory);
	if (log_file() != NULL)
		setenv(LOG_FILE_VARIABLE, log_file(), 1);
	else
		unsetenv(LOG_FILE_VARIABLE);
	spawn_kill_orphans(SIGKILL, note_inherited, supervisor);
	int error = spawn_become_subreaper();
	return error == 0 ? 0 : failed("subreaper", error, EXIT_BOOT_FAILED);
}

static int
prepare(struct supervisor *supervisor)
{
	int (*const steps[])(struct supervisor *) = { become_supervisor,
		make_programs, make_plan, make_events, make_notify,
		open_sockets, make_control };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int status = steps[i](supervisor);
		if (status != 0)
			return status;
	}
	return 0;
}

static void
release(struct supervisor *supervisor)
{
	if (supervisor->has_control)
		control_release(&supervisor->control);
	for (unsigned i = 0; supervisor->children != NULL && i < PLAN_CHILDREN;
	     i++)
		child_release(&supervisor->children[i]);
	close_socket(supervisor->control_listener, supervisor->control_path,
	    supervisor->control_given);
	close_socket(supervisor->queue_listener, supervisor->queue_path,
	    supervisor->queue_given);
	notify_close(&supervisor->notify);
	if (supervisor->watchdog != NULL)
		event_free(supervisor->watchdog);
	for (int i = 0; i < SIGNAL_COUNT; i++)
		if (supervisor->signal_events[i] != NULL)
			event_free(supervisor->signal_events[i]);
	if (supervisor->timer != NULL)
		event_free(supervisor->timer);
	if (supervisor->base != NULL)
		event_base_free(supervisor->base);
	programs_free(supervisor->programs);
	if (supervisor->own_options != NULL)
		options_release(supervisor->own_options);
	free(supervisor->own_options);
	free(supervisor->children);
	plan_release(&supervisor->plan);
}

static void
log_boot(const struct options *options)
{
	int64_t workers = 0;
	for (size_t i = 0; i < options->pool_count; i++)
		workers += options->pools[i].workers;
	log_event(LOG_INFO, "boot",
	    "version=%s directory=%s workers=%" PRId64 " pools=%zu",
	    GSQ_VERSION, options->directory, workers, options->pool_count);
	if (options->demo)
		log_event(LOG_INFO, "demo",
		    "hint=\"no COMMAND was given: the workers run "
		    "builtin:demo, which prints each job and sleeps a "
		    "second\"");
}

/* The first wishes are fulfilled by the loop: one that ends all at once could
 * not end a loop that does not run yet. */
static void
boot(struct supervisor *supervisor)
{
	const struct options *options = supervisor->options;
	for (size_t i = 0; i < options->pool_count; i++)
		tell_plan(supervisor,
		    &(struct plan_fact){ .event = PLAN_EVENT_SCALE,
			.pool = (unsigned)i,
			.workers = (unsigned)options->pools[i].workers });
	tell_plan(supervisor, &(struct plan_fact){ .event = PLAN_EVENT_BOOT });
	arm_timer(supervisor, true);
}

int
supervise(const struct options *options, int lock)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	if (supervisor == NULL)
		return failed("memory", ENOMEM, EXIT_BOOT_FAILED);
	supervisor->options = options;
	supervisor->lock = lock;
	supervisor->queue_listener = -1;
	supervisor->control_listener = -1;
	supervisor->notify.fd = -1;
	supervisor->started_ms = clock_monotonic_ms();
	log_boot(options);
	int status = prepare(supervisor);
	if (status == 0) {
		boot(supervisor);
		event_base_dispatch(supervisor->base);
		status = supervisor->exit_code;
	}
	release(supervisor);
	free(supervisor);
	return status;
}
