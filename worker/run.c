/* SPDX-License-Identifier: MIT */
#include "worker/run.h"

#include "base/check.h"
#include "base/key_rule.h"
#include "base/units.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/title.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Orphans that were killed are looked for again after that time, and told once
 * as unkillable. Nearly all are reaped within a millisecond. */
#define SWEEP_AGAIN_MS 2000

/* Descriptors of the worker's own, with room. */
#define OWN_FDS 64

/* Of a body that is told in the log. */
#define BODY_TOLD_MAX 200

enum run_state { RUN_KEPT, RUN_GOING, RUN_SWEEPING };

struct run {
	TAILQ_ENTRY(run) in_all;
	struct runs *runs;
	struct ledger_job *job;
	enum run_state state;
	bool interrupted; /* by the worker's own end */
	bool asked;	  /* to end, by the queue */
	int64_t attempt;
	int64_t priority;
	int64_t hints;
	uint64_t refusals; /* how often it was given back uncounted */
	int64_t began_ms;
	struct outcome outcome; /* SWEEPING */
	struct handler handler;
	int64_t ttr_ms;	    /* 0: as long as it wants */
	struct event timer; /* of a built-in handler that takes its time, and
			     * of the grace of a process */
	size_t body_bytes;
	size_t key_bytes; /* 0: it has none */
	char body[];	  /* and the key behind it */
};

static struct timeval
timeval_of(int64_t ms)
{
	return (struct timeval){ .tv_sec = ms / SECOND_MS,
		.tv_usec = ms % SECOND_MS * 1000 };
}

static void
tell_title(const struct runs *runs)
{
	const char *name = runs->options->name.text;
	const struct run *first = TAILQ_FIRST(&runs->list);
	if (runs->count == 0)
		title_set("gsq: worker %s (idle)", name);
	else if (runs->count == 1)
		title_set(
		    "gsq: worker %s (job %" PRIu64 ")", name, first->job->id);
	else
		title_set("gsq: worker %s (jobs %u)", name, runs->count);
}

/* ---- the end of a run ---- */

static void
log_end(const struct run *run, const struct outcome *outcome)
{
	char reason[REASON_BYTES_MAX + 1];
	const char *verdict = outcome_verdict_name(outcome->verdict);
	if (!log_wants(LOG_DEBUG))
		return;
	outcome_print(
	    outcome, run->runs->options->command[0], reason, sizeof(reason));
	log_event(LOG_DEBUG, "ended",
	    "job=%" PRIu64 " attempt=%" PRId64
	    " verdict=%s duration_ms=%" PRId64 "%s%s",
	    run->job->id, run->attempt, verdict != NULL ? verdict : "done",
	    run->began_ms > 0 ? clock_monotonic_ms() - run->began_ms : 0,
	    reason[0] != '\0' ? " reason=" : "",
	    reason[0] != '\0' ? log_quote(span_of(reason), REASON_BYTES_MAX)
			      : "");
}

static void
drop_timer(struct run *run)
{
	if (event_initialized(&run->timer))
		event_del(&run->timer);
}

/* It is none of the runs any more. */
static void
leave(struct run *run)
{
	struct runs *runs = run->runs;
	TAILQ_REMOVE(&runs->list, run, in_all);
	runs->count--;
	run->job->context = NULL;
	drop_timer(run);
}

static void
drop(struct run *run)
{
	leave(run);
	free(run);
}

static void
end(struct run *run, const struct outcome *ended)
{
	struct runs *runs = run->runs;
	struct outcome outcome = *ended;
	handler_close(&run->handler);
	if (outcome.measured)
		outcome.errors = (struct span){ run->handler.errors.bytes,
			run->handler.errors.count };
	log_end(run, &outcome);
	leave(run);
	tell_title(runs);
	runs->on_ended(runs->context, run->job, &outcome);
	free(run);
}

/* ---- processes: reaping and sweeping ---- */

static size_t
collect_going(struct runs *runs)
{
	const struct run *run;
	size_t count = 0;
	TAILQ_FOREACH(run, &runs->list, in_all) {
		if (run->handler.pid == 0)
			continue;
		CHECK(count < runs->going_room);
		runs->going[count++] =
		    (struct orphans_run){ run->handler.pid, run->job->id };
	}
	return count;
}

static struct run *
first_sweeping(const struct runs *runs)
{
	struct run *run;
	TAILQ_FOREACH(run, &runs->list, in_all)
		if (run->state == RUN_SWEEPING)
			return run;
	return NULL;
}

static void
log_sweep(struct runs *runs, int killed)
{
	if (killed < 0 && !runs->sweep_failed) {
		runs->sweep_failed = true;
		log_event(LOG_ERROR, "orphans",
		    "error=\"%s\" hint=\"cannot look for what a handler left "
		    "behind\"",
		    strerror(-killed));
	}
	if (runs->orphans.reaped > 0)
		log_event(LOG_INFO, "orphans", "killed=%" PRIu64,
		    runs->orphans.reaped);
	runs->orphans.reaped = 0;
	runs->unkillable_told = false;
}

/* Every kill that counts is followed by a SIGCHLD, which brings us here again;
 * the timer is for what KILL does not kill. */
static void
sweep(struct runs *runs)
{
	struct run *run = first_sweeping(runs);
	if (run == NULL)
		return;
	int killed =
	    orphans_kill(&runs->orphans, runs->going, collect_going(runs));
	if (killed > 0) {
		struct timeval later = timeval_of(SWEEP_AGAIN_MS);
		if (!event_pending(&runs->sweep_timer, EV_TIMEOUT, NULL))
			event_add(&runs->sweep_timer, &later);
		return;
	}
	event_del(&runs->sweep_timer);
	log_sweep(runs, killed);
	while ((run = first_sweeping(runs)) != NULL) {
		struct outcome outcome = run->outcome;
		end(run, &outcome);
	}
}

static struct run *
find_process(const struct runs *runs, pid_t pid)
{
	struct run *run;
	TAILQ_FOREACH(run, &runs->list, in_all)
		if (run->handler.pid == pid)
			return run;
	return NULL;
}

static struct outcome
outcome_of_status(const struct run *run, int status)
{
	if (run->interrupted)
		return outcome_of_stop();
	struct outcome outcome = WIFEXITED(status)
	    ? outcome_of_exit(WEXITSTATUS(status), run->refusals,
		  random_next(&run->runs->random))
	    : outcome_of_signal(WTERMSIG(status));
	outcome.asked = run->asked;
	return outcome;
}

static int64_t
ms_of(const struct timeval *time)
{
	return time->tv_sec * SECOND_MS + time->tv_usec / 1000;
}

static void
reaped(struct run *run, int status, const struct rusage *usage)
{
	struct outcome *outcome = &run->outcome;
	*outcome = outcome_of_status(run, status);
	outcome->measured = true;
	outcome->core = WIFSIGNALED(status) && WCOREDUMP(status);
	outcome->duration_ms = clock_monotonic_ms() - run->began_ms;
	outcome->cpu_ms = ms_of(&usage->ru_utime) + ms_of(&usage->ru_stime);
	outcome->rss_bytes = usage->ru_maxrss * INT64_C(1024);
	run->state = RUN_SWEEPING;
	drop_timer(run);
	handler_reaped(&run->handler);
}

/* The group is killed while its dead leader still keeps the number from being
 * used again. */
static void
reap(struct runs *runs)
{
	for (;;) {
		siginfo_t info = { 0 };
		struct rusage usage;
		int status;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid == 0)
			return;
		struct run *run = find_process(runs, info.si_pid);
		if (run != NULL)
			handler_signal(&run->handler, SIGKILL);
		if (wait4(info.si_pid, &status, 0, &usage) != info.si_pid)
			return;
		if (run != NULL)
			reaped(run, status, &usage);
		else
			orphans_reaped(&runs->orphans, info.si_pid);
	}
}

static void
on_child(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	reap(context);
	sweep(context);
}

static void
on_sweep_timer(evutil_socket_t fd, short what, void *context)
{
	struct runs *runs = context;
	const struct run *run = first_sweeping(runs);
	(void)fd;
	(void)what;
	if (run != NULL && !runs->unkillable_told) {
		runs->unkillable_told = true;
		log_event(LOG_WARNING, "unkillable",
		    "job=%" PRIu64 " hint=\"a process that it started does not "
		    "die of KILL; the job ends when it does\"",
		    run->job->id);
	}
	sweep(runs);
}

/* ---- the beginning of a run ---- */

static void
start_process(struct run *run)
{
	struct runs *runs = run->runs;
	const struct job_facts job = {
		.id = run->job->id,
		.queue = runs->options->queue.text,
		.attempt = run->attempt,
		.priority = run->priority,
		.hints = run->hints,
		.deadline_ms =
		    run->ttr_ms > 0 ? clock_wall_ms() + run->ttr_ms : 0,
		.key = { run->body + run->body_bytes, run->key_bytes },
	};
	const struct handler_command command = {
		.argv = runs->options->command,
		.environment = environment_of_job(&runs->environment, &job),
		.confinement = &runs->confinement,
	};
	int error = handler_start(&run->handler, runs->base, &command,
	    run->job->id, (struct span){ run->body, run->body_bytes });
	if (error != 0) {
		struct outcome outcome = outcome_of_errno(error);
		end(run, &outcome);
		return;
	}
	log_event(LOG_DEBUG, "run",
	    "job=%" PRIu64 " attempt=%" PRId64 " handler_pid=%d", run->job->id,
	    run->attempt, (int)run->handler.pid);
}

static const struct outcome done = { .verdict = OUTCOME_DONE };

static void
on_builtin_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	end(context, &done);
}

static void
start_builtin(struct run *run)
{
	struct timeval takes = timeval_of(run->runs->builtin->takes_ms);
	evtimer_assign(&run->timer, run->runs->base, on_builtin_timer, run);
	if (event_add(&run->timer, &takes) != 0) {
		struct outcome outcome = outcome_of_errno(ENOMEM);
		end(run, &outcome);
	}
}

static void
start(struct run *run)
{
	const struct builtin *builtin = run->runs->builtin;
	run->state = RUN_GOING;
	run->began_ms = clock_monotonic_ms();
	tell_title(run->runs);
	if (builtin == NULL) {
		start_process(run);
		return;
	}
	log_event(builtin->level, "processing", "job=%" PRIu64 " body=%s",
	    run->job->id,
	    log_quote(
		(struct span){ run->body, run->body_bytes }, BODY_TOLD_MAX));
	start_builtin(run);
}

static bool
make_room(struct runs *runs)
{
	if (runs->count < runs->going_room)
		return true;
	uint32_t room = runs->going_room > 0 ? 2 * runs->going_room : 4;
	struct orphans_run *going = realloc(runs->going, room * sizeof(*going));
	if (going == NULL)
		return false;
	runs->going = going;
	runs->going_room = room;
	return true;
}

static struct run *
make_run(
    struct runs *runs, struct ledger_job *job, const struct params_job *params)
{
	size_t body_bytes = params->body.count;
	size_t key_bytes = key_is_valid(params->key) ? params->key.count : 0;
	if (!make_room(runs))
		return NULL;
	struct run *run = malloc(sizeof(*run) + body_bytes + key_bytes);
	if (run == NULL)
		return NULL;
	memset(run, 0, sizeof(*run));
	run->runs = runs;
	run->job = job;
	run->attempt = params->attempt;
	run->priority = params->priority;
	if (params->delivery > params->attempt)
		run->refusals = (uint64_t)(params->delivery - params->attempt);
	run->hints = params->hints;
	run->ttr_ms = params->ttr_ms;
	run->body_bytes = body_bytes;
	run->key_bytes = key_bytes;
	if (body_bytes > 0)
		memcpy(run->body, params->body.bytes, body_bytes);
	if (key_bytes > 0)
		memcpy(run->body + body_bytes, params->key.bytes, key_bytes);
	job->context = run;
	TAILQ_INSERT_TAIL(&runs->list, run, in_all);
	runs->count++;
	return run;
}

/* Nothing is kept of a job that is done within the same turn. */
static void
process_at_once(
    struct runs *runs, struct ledger_job *job, const struct params_job *params)
{
	enum log_level level = runs->builtin->level;
	if (log_wants(level))
		log_event(level, "processing", "job=%" PRIu64 " body=%s",
		    job->id, log_quote(params->body, BODY_TOLD_MAX));
	runs->on_ended(runs->context, job, &done);
}

void
runs_begin(
    struct runs *runs, struct ledger_job *job, const struct params_job *params)
{
	if (runs->builtin != NULL && runs->builtin->takes_ms == 0) {
		process_at_once(runs, job, params);
		return;
	}
	struct run *run = make_run(runs, job, params);
	if (run != NULL) {
		start(run);
		return;
	}
	struct outcome outcome = outcome_of_errno(ENOMEM);
	runs->on_ended(runs->context, job, &outcome);
}

/* Without memory nothing is kept: runs_go_on says then that it cannot run. */
void
runs_keep(
    struct runs *runs, struct ledger_job *job, const struct params_job *params)
{
	struct run *kept = job->context;
	/* It was given back and comes again: with other words, perhaps. */
	if (kept != NULL)
		drop(kept);
	make_run(runs, job, params);
}

void
runs_go_on(struct runs *runs, struct ledger_job *job)
{
	struct run *run = job->context;
	if (run != NULL) {
		start(run);
		return;
	}
	struct outcome outcome = outcome_of_errno(ENOMEM);
	runs->on_ended(runs->context, job, &outcome);
}

/* ---- ending runs ---- */

static bool
has_process(const struct run *run)
{
	return run->handler.pid != 0 || run->state == RUN_SWEEPING;
}

void
runs_stop(struct runs *runs, struct ledger_job *job)
{
	struct run *run = job->context;
	const struct outcome stopped = outcome_of_stop();
	if (run == NULL) {
		runs->on_ended(runs->context, job, &stopped);
	} else if (has_process(run)) {
		handler_signal(&run->handler, SIGKILL);
	} else {
		end(run, &stopped);
	}
}

static void
on_grace_over(evutil_socket_t fd, short what, void *context)
{
	struct run *run = context;
	(void)fd;
	(void)what;
	log_event(LOG_WARNING, "kill",
	    "job=%" PRIu64 " handler_pid=%d reason=\"it does not end\"",
	    run->job->id, (int)run->handler.pid);
	handler_signal(&run->handler, SIGKILL);
}

/* What is asked twice has the grace of the first time. */
static void
ask_to_end(struct run *run, int64_t grace_ms)
{
	struct timeval grace = timeval_of(grace_ms);
	if (run->asked || run->state == RUN_SWEEPING)
		return;
	run->asked = true;
	handler_signal(&run->handler, SIGTERM);
	evtimer_assign(&run->timer, run->runs->base, on_grace_over, run);
	/* Without memory for the time there is none. */
	if (event_add(&run->timer, &grace) != 0)
		handler_signal(&run->handler, SIGKILL);
}

void
runs_end(struct runs *runs, struct ledger_job *job, int64_t grace_ms)
{
	struct run *run = job->context;
	struct outcome stopped = outcome_of_stop();
	stopped.verdict = OUTCOME_FAIL;
	stopped.asked = true;
	if (run == NULL)
		runs->on_ended(runs->context, job, &stopped);
	else if (has_process(run))
		ask_to_end(run, grace_ms);
	else
		end(run, &stopped);
}

/* A built-in run has nothing that could be asked. What is kept follows its
 * predecessor. */
void
runs_interrupt(struct runs *runs)
{
	const struct outcome stopped = outcome_of_stop();
	struct run *run, *following;
	for (run = TAILQ_FIRST(&runs->list); run != NULL; run = following) {
		following = TAILQ_NEXT(run, in_all);
		if (run->state != RUN_GOING)
			continue;
		run->interrupted = true;
		if (has_process(run)) {
			handler_signal(&run->handler, SIGTERM);
			continue;
		}
		end(run, &stopped);
	}
}

void
runs_kill(struct runs *runs)
{
	const struct run *run;
	TAILQ_FOREACH(run, &runs->list, in_all)
		handler_signal(&run->handler, SIGKILL);
}

void
runs_die(struct runs *runs)
{
	runs_kill(runs);
	if (runs->builtin == NULL)
		orphans_kill_all(&runs->orphans);
}

bool
runs_any_since(const struct runs *runs, int64_t began_ms)
{
	const struct run *run;
	TAILQ_FOREACH(run, &runs->list, in_all)
		if (run->state == RUN_GOING && run->began_ms <= began_ms)
			return true;
	return false;
}

/* ---- life ---- */

/* Handlers have the limit as we found it, unless their pool says another. */
static void
keep_descriptors(struct confinement *confinement, const struct rlimit *found)
{
	for (size_t i = 0; i < confinement->limit_count; i++)
		if (confinement->limits[i].resource == RLIMIT_NOFILE)
			return;
	confinement->limits[confinement->limit_count++] =
	    (struct confine_limit){ RLIMIT_NOFILE, *found };
}

/* Many handlers at once need more descriptors than a shell's default. */
static void
raise_descriptors(struct runs *runs)
{
	rlim_t wanted =
	    OWN_FDS + (rlim_t)HANDLER_FDS * runs->options->max_demand;
	struct rlimit found;
	if (getrlimit(RLIMIT_NOFILE, &found) != 0 || found.rlim_cur >= wanted)
		return;
	struct rlimit raised = found;
	raised.rlim_cur = wanted < raised.rlim_max ? wanted : raised.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		keep_descriptors(&runs->confinement, &found);
}

/* What is needed for processes and by no built-in handler. */
static int
init_processes(struct runs *runs)
{
	const struct options *options = runs->options;
	bool supervised = options->channel_fd >= 0;
	char resolved[PATH_MAX];
	/* A handler may be elsewhere when it looks for that name. */
	const char *directory = realpath(options->directory, resolved);
	int error = environment_init(&runs->environment, environ,
	    directory != NULL ? directory : options->directory,
	    supervised ? getppid() : 0);
	if (error != 0)
		return error;
	error = orphans_init(&runs->orphans, !supervised);
	if (error != 0)
		return error;
	raise_descriptors(runs);
	evsignal_assign(
	    &runs->child_event, runs->base, SIGCHLD, on_child, runs);
	evtimer_assign(&runs->sweep_timer, runs->base, on_sweep_timer, runs);
	runs->has_process_events = true;
	return event_add(&runs->child_event, NULL) == 0 ? 0 : ENOMEM;
}

int
runs_init(struct runs *runs, struct event_base *base,
    const struct options *options, run_ended on_ended, void *context)
{
	memset(runs, 0, sizeof(*runs));
	runs->base = base;
	runs->options = options;
	runs->on_ended = on_ended;
	runs->context = context;
	runs->confinement = options->confinement;
	TAILQ_INIT(&runs->list);
	runs->random.state =
	    (uint64_t)clock_monotonic_us() ^ (uint64_t)getpid() << 32;
	runs->builtin = builtin_find(options->command[0]);
	tell_title(runs);
	return runs->builtin == NULL ? init_processes(runs) : 0;
}

static void
discard(struct run *run)
{
	handler_close(&run->handler);
	drop_timer(run);
	free(run);
}

void
runs_release(struct runs *runs)
{
	struct run *run;
	while ((run = TAILQ_FIRST(&runs->list)) != NULL) {
		TAILQ_REMOVE(&runs->list, run, in_all);
		discard(run);
	}
	if (runs->has_process_events) {
		event_del(&runs->child_event);
		event_del(&runs->sweep_timer);
	}
	environment_release(&runs->environment);
	free(runs->going);
	runs->going = NULL;
}
