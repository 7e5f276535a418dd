/* SPDX-License-Identifier: MIT */
#include "worker/work.h"

#include "base/backoff.h"
#include "base/units.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/spawn.h"
#include "worker/channel.h"
#include "worker/run.h"
#include "worker/session.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From TERM to KILL of the handlers, once the worker was told twice to stop. */
#define GRACE_MS 5000

/* How long the end waits until the queue has confirmed the last results, and
 * how long when it must come back first. */
#define SETTLE_MS 1000
#define RETURN_MS 5000

/* A command that has run for so long can be run. */
#define PROOF_MS 1000

/* How long nothing is asked for while the command cannot be run. */
static const struct backoff hold_back = { 100, 5 * SECOND_MS };

enum stop_stage {
	STOP_NONE,
	STOP_QUIET, /* what runs may end */
	STOP_TERM,  /* the handlers were asked to end */
	STOP_KILL
};

static const int stop_signals[] = { SIGTERM, SIGINT, SIGQUIT };

#define STOP_SIGNALS (sizeof(stop_signals) / sizeof(stop_signals[0]))

struct work {
	const struct options *options;
	struct event_base *base;
	struct channel channel;
	struct session session;
	struct runs runs;
	struct event beat_timer;
	struct event age_timer;
	struct renewal renewal;
	int64_t started_ms;
	bool worked; /* a job has ended here */
	enum ledger_appetite appetite;
	bool resting;
	bool has_signals;
	struct event signal_events[STOP_SIGNALS];

	enum stop_stage stage;
	unsigned asked; /* how often by TERM and INT */
	struct event kill_timer;
	bool leaving; /* nothing is in hand any more */
	struct event leave_timer;

	bool unhealthy;
	bool visible;	 /* that the command cannot be run, without trying */
	uint64_t breaks; /* in a row */
	struct random random;
	struct event taste_timer; /* until something is asked for again */
	struct event proof_timer; /* until what runs proves that it can */
};

static void
arm(struct event *timer, int64_t delay_ms)
{
	struct timeval delay = { .tv_sec = delay_ms / SECOND_MS,
		.tv_usec = delay_ms % SECOND_MS * 1000 };
	event_add(timer, &delay);
}

/* ---- resting ---- */

/* What is wanted for reasons of health; a worker that rests wants nothing. */
static void
set_appetite(struct work *work, enum ledger_appetite appetite)
{
	work->appetite = appetite;
	session_set_appetite(
	    &work->session, work->resting ? LEDGER_RESTING : appetite);
}

static void
on_rest(void *context, bool on)
{
	struct work *work = context;
	if (work->resting == on)
		return;
	work->resting = on;
	log_event(LOG_INFO, on ? "quiet" : "resumed", "jobs=%u",
	    work->session.ledger.in_hand_count);
	set_appetite(work, work->appetite);
}

/* ---- renewal ---- */

/* Pages in use, from the second number of the file. */
static int64_t
memory_in_use(void)
{
	char text[128];
	long long pages = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	if (sscanf(text, "%*s %lld", &pages) != 1)
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

/* It goes on until its turn has come. */
static void
check_renewal(struct work *work)
{
	struct renewal *renewal = &work->renewal;
	int64_t rss = renewal->limits.max_rss > 0 ? memory_in_use() : 0;
	int64_t age_ms = clock_monotonic_ms() - work->started_ms;
	const char *why = renewal_due(renewal, rss, age_ms);
	if (why == NULL)
		return;
	log_event(LOG_INFO, "share-done",
	    "reason=%s jobs=%lld rss=%lld age_ms=%lld", why,
	    (long long)renewal->jobs, (long long)rss, (long long)age_ms);
	channel_tell_renew(&work->channel, why);
}

static void
on_age_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	check_renewal(context);
}

/* ---- health ---- */

static void
become_unhealthy(struct work *work, const struct outcome *outcome)
{
	char reason[REASON_BYTES_MAX + 1];
	if (work->unhealthy)
		return;
	work->unhealthy = true;
	outcome_print(
	    outcome, work->options->command[0], reason, sizeof(reason));
	log_event(LOG_WARNING, "unhealthy",
	    "reason=%s hint=\"jobs are given back until it can be run\"",
	    log_quote(span_of(reason), REASON_BYTES_MAX));
	channel_tell_health(&work->channel, reason);
}

static void
become_healthy(struct work *work)
{
	if (!work->unhealthy)
		return;
	work->unhealthy = false;
	work->breaks = 0;
	event_del(&work->taste_timer);
	event_del(&work->proof_timer);
	log_event(LOG_INFO, "healthy", NULL);
	channel_tell_health(&work->channel, NULL);
	set_appetite(work, LEDGER_HUNGRY);
}

/* Jobs that were under way when it broke break too; only the next attempt makes
 * the wait longer. */
static void
fast_for_a_while(struct work *work)
{
	if (event_pending(&work->taste_timer, EV_TIMEOUT, NULL))
		return;
	work->breaks++;
	work->visible = spawn_check(work->options->command[0]) != 0;
	arm(&work->taste_timer,
	    backoff_delay_ms(
		&hold_back, work->breaks, random_next(&work->random)));
	set_appetite(work, LEDGER_FASTING);
}

/* Where a look tells that the command is missing, no job is tried with it, and
 * a look tells when it is there. Else one job must show it. */
static void
on_taste_timer(evutil_socket_t fd, short what, void *context)
{
	struct work *work = context;
	(void)fd;
	(void)what;
	if (!work->visible)
		set_appetite(work, LEDGER_TASTING);
	else if (spawn_check(work->options->command[0]) == 0)
		become_healthy(work);
	else
		fast_for_a_while(work);
}

static void
on_proof_timer(evutil_socket_t fd, short what, void *context)
{
	struct work *work = context;
	(void)fd;
	(void)what;
	if (runs_any_since(&work->runs, clock_monotonic_ms() - PROOF_MS))
		become_healthy(work);
}

/* ---- between the session and the runs ---- */

/* The supervisor thinks better of a worker that can do what it is for. */
static void
prove_worth(struct work *work)
{
	if (work->worked)
		return;
	work->worked = true;
	channel_tell_worked(&work->channel);
}

static void
on_ended(void *context, struct ledger_job *job, const struct outcome *outcome)
{
	struct work *work = context;
	if (outcome_is_broken(outcome)) {
		become_unhealthy(work, outcome);
		fast_for_a_while(work);
	} else if (outcome->cause != OUTCOME_CAUSE_STOPPED) {
		become_healthy(work);
		prove_worth(work);
	}
	session_finish(&work->session, job, outcome);
	work->renewal.jobs++;
	check_renewal(work);
}

static void
on_job(void *context, struct ledger_job *job, const struct params_job *params)
{
	struct work *work = context;
	if (work->unhealthy)
		arm(&work->proof_timer, PROOF_MS);
	runs_begin(&work->runs, job, params);
}

static void
on_keep(void *context, struct ledger_job *job, const struct params_job *params)
{
	struct work *work = context;
	runs_keep(&work->runs, job, params);
}

static void
on_go_on(void *context, struct ledger_job *job)
{
	struct work *work = context;
	runs_go_on(&work->runs, job);
}

static void
on_stop(void *context, struct ledger_job *job)
{
	struct work *work = context;
	log_event(LOG_INFO, "forgotten",
	    "job=%llu hint=\"the queue does not know this run any more\"",
	    (unsigned long long)job->id);
	runs_stop(&work->runs, job);
}

static void
on_end(void *context, struct ledger_job *job, const struct params_stop *params)
{
	struct work *work = context;
	log_event(LOG_INFO, "stop",
	    "job=%llu reason=%s hint=\"its handler gets TERM, and KILL after "
	    "%lld ms\"",
	    (unsigned long long)job->id,
	    log_quote(params->reason, REASON_BYTES_MAX),
	    (long long)params->grace_ms);
	runs_end(&work->runs, job, params->grace_ms);
}

/* Whoever hangs is not called any more. */
static void
on_beat_timer(evutil_socket_t fd, short what, void *context)
{
	struct work *work = context;
	(void)fd;
	(void)what;
	channel_tell_alive(&work->channel);
	arm(&work->beat_timer, work->options->heartbeat_ms);
}

static void
on_subscribed(void *context)
{
	struct work *work = context;
	channel_tell_ready(&work->channel);
	if (work->options->heartbeat_ms > 0)
		arm(&work->beat_timer, work->options->heartbeat_ms);
	if (work->renewal.limits.max_age_ms > 0)
		arm(&work->age_timer, work->renewal.limits.max_age_ms);
}

/* ---- the end ---- */

/* Idle: at once. Else when the queue has confirmed the last results, or has
 * had its time. */
static void
leave_if_possible(struct work *work)
{
	if (work->stage == STOP_NONE || session_is_busy(&work->session))
		return;
	if (session_is_settled(&work->session)) {
		event_base_loopbreak(work->base);
		return;
	}
	if (work->leaving)
		return;
	work->leaving = true;
	arm(&work->leave_timer,
	    work->session.connected ? SETTLE_MS : RETURN_MS);
}

static void
on_turn(void *context)
{
	leave_if_possible(context);
}

static void
on_leave_timer(evutil_socket_t fd, short what, void *context)
{
	struct work *work = context;
	(void)fd;
	(void)what;
	log_event(LOG_WARNING, "unconfirmed",
	    "hint=\"the queue did not confirm the last results\"");
	event_base_loopbreak(work->base);
}

static const struct session_events session_events = {
	.on_job = on_job,
	.on_keep = on_keep,
	.on_go_on = on_go_on,
	.on_stop = on_stop,
	.on_end = on_end,
	.on_subscribed = on_subscribed,
	.on_turn = on_turn,
};

static void
enter_stage(struct work *work, enum stop_stage stage)
{
	static const char *const words[] = {
		[STOP_NONE] = NULL,
		[STOP_QUIET] = "no new job is begun",
		[STOP_TERM] = "handlers get TERM, and KILL after 5 s",
		[STOP_KILL] = "handlers are killed",
	};
	if (stage <= work->stage)
		return;
	if (work->stage == STOP_NONE)
		session_quiet(&work->session);
	work->stage = stage;
	log_event(LOG_DEBUG, "stopping", "jobs=%u hint=\"%s\"",
	    work->session.ledger.in_hand_count, words[stage]);
	if (stage == STOP_TERM) {
		arm(&work->kill_timer, GRACE_MS);
		runs_interrupt(&work->runs);
	} else if (stage == STOP_KILL) {
		runs_interrupt(&work->runs);
		runs_kill(&work->runs);
	}
	leave_if_possible(work);
}

static void
on_kill_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	enter_stage(context, STOP_KILL);
}

/* TERM and INT climb step by step. QUIT is the second step at once: two TERM
 * that come in a row may arrive as one. */
static void
on_stop_signal(evutil_socket_t signal, short what, void *context)
{
	static const enum stop_stage steps[] = { STOP_QUIET, STOP_TERM,
		STOP_KILL };
	struct work *work = context;
	(void)what;
	if (signal == SIGQUIT) {
		enter_stage(work, STOP_TERM);
		return;
	}
	if (work->asked < sizeof(steps) / sizeof(steps[0]))
		work->asked++;
	enter_stage(work, steps[work->asked - 1]);
}

/* The supervisor is dead: nobody would know of us any more. Nothing is cleaned
 * up, the jobs come back by themselves. */
static void
on_channel_closed(void *context)
{
	struct work *work = context;
	runs_die(&work->runs);
	_exit(EXIT_UNAVAILABLE);
}

static void
on_reopen(void *context)
{
	(void)context;
	int error = log_reopen();
	if (error != 0)
		log_event(
		    LOG_ERROR, "log-opened", "error=\"%s\"", strerror(error));
}

static const struct channel_events channel_events = {
	.on_reopen = on_reopen,
	.on_closed = on_channel_closed,
	.on_rest = on_rest,
};

/* ---- life ---- */

static int
failed(const char *what, int error)
{
	log_event(LOG_ERROR, "failed", "what=\"%s\" error=\"%s\"", what,
	    strerror(error));
	return EXIT_BUG;
}

static int
make_events(struct work *work)
{
	struct event_base *base = event_base_new();
	if (base == NULL)
		return failed("event loop", ENOMEM);
	work->base = base;
	evtimer_assign(&work->kill_timer, base, on_kill_timer, work);
	evtimer_assign(&work->leave_timer, base, on_leave_timer, work);
	evtimer_assign(&work->taste_timer, base, on_taste_timer, work);
	evtimer_assign(&work->proof_timer, base, on_proof_timer, work);
	evtimer_assign(&work->beat_timer, base, on_beat_timer, work);
	evtimer_assign(&work->age_timer, base, on_age_timer, work);
	work->has_signals = true;
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		evsignal_assign(&work->signal_events[i], base, stop_signals[i],
		    on_stop_signal, work);
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		if (event_add(&work->signal_events[i], NULL) != 0)
			return failed("signals", ENOMEM);
	return 0;
}

static int
open_channel(struct work *work)
{
	int fd = work->options->channel_fd;
	if (fd < 0)
		return 0;
	int error =
	    channel_init(&work->channel, work->base, fd, &channel_events, work);
	return error == 0 ? 0 : failed("channel to the supervisor", error);
}

static int
prepare(struct work *work)
{
	signal(SIGPIPE, SIG_IGN);
	int status = make_events(work);
	if (status == 0)
		status = open_channel(work);
	if (status != 0)
		return status;
	int error =
	    runs_init(&work->runs, work->base, work->options, on_ended, work);
	if (error != 0)
		return failed("handlers", error);
	error = session_init(
	    &work->session, work->base, work->options, &session_events, work);
	return error == 0 ? 0 : failed("connection to the queue", error);
}

static void
release(struct work *work)
{
	session_release(&work->session);
	if (work->runs.options != NULL)
		runs_release(&work->runs);
	channel_release(&work->channel);
	if (work->base == NULL)
		return;
	for (size_t i = 0; i < STOP_SIGNALS; i++)
		event_del(&work->signal_events[i]);
	event_del(&work->kill_timer);
	event_del(&work->leave_timer);
	event_del(&work->taste_timer);
	event_del(&work->proof_timer);
	event_del(&work->beat_timer);
	event_del(&work->age_timer);
	event_base_free(work->base);
}

int
work(const struct options *options)
{
	struct work *work = calloc(1, sizeof(*work));
	if (work == NULL)
		return failed("memory", ENOMEM);
	work->options = options;
	work->random.state =
	    (uint64_t)clock_monotonic_us() ^ (uint64_t)getpid() << 32;
	work->started_ms = clock_monotonic_ms();
	work->resting = options->rest;
	renewal_init(
	    &work->renewal, &options->renewal, random_next(&work->random));
	int status = prepare(work);
	if (status == 0)
		event_base_dispatch(work->base);
	release(work);
	free(work);
	return status;
}
