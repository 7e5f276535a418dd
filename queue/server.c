/* SPDX-License-Identifier: MIT */
#include "queue/server.h"

#include "base/check.h"
#include "base/units.h"
#include "core/lease.h"
#include "queue/inlet.h"
#include "queue/report.h"
#include "queue/store_log.h"
#include "sys/clock.h"
#include "sys/directory.h"
#include "sys/log.h"
#include "sys/socket.h"
#include "sys/title.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections taken in one turn: a storm of them must not keep the others
 * waiting. */
#define ACCEPTS_PER_TURN 64

/* Out of descriptors: look again after that time, instead of being called by
 * the loop without end. */
#define ACCEPT_PAUSE_MS 100

/* ---- effects of the turn ---- */

static uint32_t
has_end(const struct server *server, const struct job *job)
{
	return lease_left_ms(&server->turn.core, job) != INT64_MAX;
}

static void
put_job(struct message_writer *writer, const struct server *server,
    const struct job *job, struct span body)
{
	const struct lane *lane = lane_at(&server->turn.core.lanes, job->lane);
	put_key(writer, "id");
	put_unsigned(writer, job->id);
	put_key(writer, "queue");
	put_text(writer, span_of(lane->name.text));
	put_key(writer, "attempt");
	put_unsigned(writer, job->attempt);
	put_key(writer, "delivery");
	put_unsigned(writer, job->delivery);
	put_key(writer, "priority");
	put_unsigned(writer, job->priority);
	put_key(writer, "enqueued_ms");
	put_integer(writer, job->enqueued_ms);
	if (job->key != 0) {
		put_key(writer, "key");
		put_bytes(writer, keys_text_of(&server->turn.core.keys, job));
		put_key(writer, "hints");
		put_unsigned(writer, job->hints);
	}
	if (has_end(server, job)) {
		put_key(writer, "ttr_ms");
		put_integer(writer, lease_left_ms(&server->turn.core, job));
	}
	put_key(writer, "body");
	put_bytes(writer, body);
}

static void
on_deliver(void *context, uint32_t subscriber, uint32_t handle,
    struct span body, bool kept)
{
	struct server *server = context;
	struct client *client = roster_find(&server->roster, subscriber);
	const struct job *job = job_at(&server->turn.core.jobs, handle);
	struct message_writer writer;
	if (client == NULL)
		return; /* its end is on the way, and the job comes back */
	uint32_t msgid = job_lease(&server->turn.core.jobs, job)->msgid;
	message_request(&writer, &client->peer.output, msgid,
	    SPAN_LITERAL("job"),
	    7 + (job->key != 0 ? 2u : 0u) + has_end(server, job));
	put_job(&writer, server, job, body);
	outlet_end(&server->outlet, client, &writer,
	    kept ? VISIBLE_NOW : VISIBLE_COMMITTED);
}

static void
on_stop(void *context, const struct wish *wish)
{
	struct server *server = context;
	const struct core *core = &server->turn.core;
	const struct job *job = job_at(&core->jobs, wish->job);
	const struct lane *lane = lane_at(&core->lanes, job->lane);
	struct client *client = roster_find(&server->roster, wish->subscriber);
	struct message_writer writer;
	if (client == NULL)
		return; /* it is told when it comes back */
	message_notification(
	    &writer, &client->peer.output, SPAN_LITERAL("stop"), 4);
	put_key(&writer, "id");
	put_unsigned(&writer, wish->id);
	put_key(&writer, "delivery");
	put_unsigned(&writer, wish->delivery);
	put_key(&writer, "grace_ms");
	put_integer(&writer, lane->policy.ttr_grace_ms);
	put_key(&writer, "reason");
	put_text(&writer,
	    job->cancelled ? SPAN_LITERAL("cancelled")
			   : SPAN_LITERAL("timeout"));
	outlet_end(&server->outlet, client, &writer, VISIBLE_NOW);
}

/* Why a worker is not to live on. */
static const char *
end_reason(const struct wish *wish)
{
	return wish->id != 0 ? "it does not stop a job that it was asked to"
			     : "it holds jobs and is silent";
}

static void
on_kill(void *context, const struct wish *wish)
{
	struct server *server = context;
	log_event(LOG_WARNING, "kill-asked",
	    "worker_pid=%" PRId64 " reason=\"%s\"", wish->pid,
	    end_reason(wish));
	channel_kill(&server->channel, wish->pid, span_of(end_reason(wish)));
}

static void
on_cut_off(void *context, const struct wish *wish)
{
	struct server *server = context;
	struct client *client = roster_find(&server->roster, wish->subscriber);
	if (client == NULL)
		return;
	log_event(LOG_WARNING, "cut-off",
	    "client_pid=%d job=%" PRIu64 " reason=\"%s\"",
	    (int)client->credentials.pid, wish->id, end_reason(wish));
	shutdown(client->peer.fd, SHUT_RDWR);
}

static void
on_tell(void *context, const struct wish *wish)
{
	struct server *server = context;
	report_event(&server->turn.core, wish);
	watch_tell(&server->watch, wish,
	    server->turn.gathering ? VISIBLE_COMMITTED : VISIBLE_NOW);
}

static void
on_show(void *context)
{
	struct server *server = context;
	outlet_flush(&server->outlet);
}

static void
on_batch_leaves(void *context)
{
	struct server *server = context;
	outlet_batch_leaves(&server->outlet);
}

static void
on_batch_committed(void *context)
{
	struct server *server = context;
	outlet_batch_committed(&server->outlet);
}

/* Its time counts from here. The wall clock may have been set since the last
 * one, which counts for all that comes. */
static void
begin_turn(struct server *server)
{
	if (server->began_us == 0)
		turn_look_at_clock(&server->turn, server_now_ms(server));
}

/* ---- the supervisor ---- */

static void
on_worker_up(void *context, const struct params_worker_up *params)
{
	struct server *server = context;
	begin_turn(server);
	struct fact fact = { .kind = FACT_WORKER_UP,
		.now_ms = server_now_ms(server) };
	name_set(&fact.worker_up.name, params->name);
	fact.worker_up.pid = params->pid;
	fact.worker_up.incarnation = params->incarnation;
	turn_step(&server->turn, &fact, (struct span){ 0 });
}

static struct remains
remains_of_worker(const struct params_worker_down *params)
{
	struct remains remains = { .core = params->core };
	if (params->signal != 0)
		remains.known = REMAINS_SIGNAL;
	else
		remains.known = REMAINS_EXIT;
	remains.signal = (uint8_t)params->signal;
	remains.exit = (uint8_t)params->exit;
	return remains;
}

static void
on_worker_down(void *context, const struct params_worker_down *params)
{
	struct server *server = context;
	begin_turn(server);
	struct fact fact = { .kind = FACT_WORKER_DOWN,
		.now_ms = server_now_ms(server) };
	const char *signal = sigabbrev_np((int)params->signal);
	char reason[64];
	if (params->signal != 0)
		snprintf(reason, sizeof(reason),
		    "the worker was killed by signal %d (%s)",
		    (int)params->signal, signal != NULL ? signal : "?");
	else
		snprintf(reason, sizeof(reason),
		    "the worker ended with status %d", (int)params->exit);
	fact.worker_down.pid = params->pid;
	fact.worker_down.incarnation = params->incarnation;
	fact.worker_down.planned = params->planned;
	fact.worker_down.reason = span_of(reason);
	fact.worker_down.remains = remains_of_worker(params);
	turn_step(&server->turn, &fact, (struct span){ 0 });
}

static void
on_supervisor_gone(void *context)
{
	struct server *server = context;
	log_event(LOG_ERROR, "stopping", "reason=\"the supervisor is dead\"");
	server->stopping = true;
	server->exit_code = EXIT_BUG;
}

static void
on_introduced(void *context)
{
	struct server *server = context;
	begin_turn(server);
	struct fact fact = { .kind = FACT_INTRODUCED,
		.now_ms = server_now_ms(server) };
	turn_step(&server->turn, &fact, (struct span){ 0 });
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
	.on_worker_up = on_worker_up,
	.on_introduced = on_introduced,
	.on_worker_down = on_worker_down,
	.on_closed = on_supervisor_gone,
};

/* ---- clients ---- */

static void
client_free(struct client *client)
{
	struct server *server = client->server;
	outlet_forget(&server->outlet, client);
	watch_forget(&server->watch, client);
	TAILQ_REMOVE(&server->clients, client, in_all);
	server->client_count--;
	peer_close(&client->peer);
	peer_release_memory(&client->peer);
	free(client);
}

static void
on_client_message(struct peer *peer, const struct message *message)
{
	struct client *client = peer->context;
	begin_turn(client->server);
	inlet_message(client, message);
}

static void
on_client_gone(struct peer *peer, const char *reason)
{
	static struct log_limit limit = { .event = "bad-message" };
	struct client *client = peer->context;
	if (!peer->sent_rubbish)
		log_event(LOG_DEBUG, "disconnect",
		    "client_pid=%d reason=\"%s\"", (int)client->credentials.pid,
		    reason);
	else if (log_allows(&limit))
		log_event(LOG_WARNING, "bad-message",
		    "client_pid=%d uid=%d reason=\"%s\"",
		    (int)client->credentials.pid, (int)client->credentials.uid,
		    reason);
	begin_turn(client->server);
	inlet_gone(client);
	client_free(client);
}

static void
on_client_drained(struct peer *peer)
{
	struct client *client = peer->context;
	struct turn *turn = &client->server->turn;
	/* What happened may be in a batch that is not safe yet: then it waits
	 * for the one after that. */
	bool is_busy = turn_is_busy(turn);
	if (!client->watching.active)
		return;
	begin_turn(client->server);
	if (is_busy)
		turn_wait(turn);
	watch_go_on(&client->server->watch, client,
	    is_busy ? VISIBLE_COMMITTED : VISIBLE_NOW);
}

static const struct peer_events client_events = {
	.on_message = on_client_message,
	.on_gone = on_client_gone,
	.on_drained = on_client_drained,
};

/* Not each one of a storm of them. */
static void
tell_full(struct server *server, const char *reason)
{
	int64_t now_ms = server_now_ms(server);
	if (server->full_told_ms != 0 &&
	    now_ms - server->full_told_ms < SECOND_MS)
		return;
	server->full_told_ms = now_ms;
	log_event(LOG_WARNING, "connections-full",
	    "connections=%" PRIu32 " reason=\"%s\"", server->client_count,
	    reason);
}

/* Best effort: a fresh socket takes so few bytes at once or never. */
static void
turn_away(struct server *server, int fd, const char *words)
{
	struct buffer buffer = { 0 };
	server->refused++;
	if (message_refuse_for(
		&buffer, 0, REFUSAL_FULL, words, RETRY_AFTER_MS) == 0)
		(void)send(fd, buffer_front(&buffer), buffer_count(&buffer),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_release(&buffer);
	close(fd);
}

static void
welcome(struct server *server, int fd)
{
	const char *full = NULL;
	if (server->client_count >=
	    server->options->configuration.max_connections)
		full = "too many connections";
	else if (fd >= server->client_descriptors)
		full = "too many connections for the limit of descriptors "
		       "(ulimit -n)";
	if (full != NULL) {
		tell_full(server, full);
		turn_away(server, fd, full);
		return;
	}
	struct client *client = calloc(1, sizeof(*client));
	if (client == NULL ||
	    socket_credentials(fd, &client->credentials) != 0 ||
	    peer_init(&client->peer, server->base, 0, fd, &client_events,
		client) != 0) {
		free(client);
		turn_away(server, fd, "no memory for another connection");
		return;
	}
	client->server = server;
	client->peer.output_max =
	    (size_t)server->options->configuration.max_output_bytes;
	LIST_INIT(&client->waiters);
	TAILQ_INSERT_TAIL(&server->clients, client, in_all);
	server->client_count++;
}

static void
pause_accepting(struct server *server, int error)
{
	tell_full(server, strerror(error));
	event_del(server->accept_event);
	event_add(server->resume_event,
	    &(struct timeval){ .tv_usec = ACCEPT_PAUSE_MS * 1000 });
}

static void
on_resume(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct server *server = context;
	event_add(server->accept_event, NULL);
}

static void
on_acceptable(evutil_socket_t listener, short what, void *context)
{
	(void)what;
	struct server *server = context;
	begin_turn(server);
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = socket_accept(listener);
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ||
		    fd == -ENOBUFS)
			pause_accepting(server, -fd);
		if (fd < 0)
			return;
		welcome(server, fd);
	}
}

/* ---- time and signals: they only begin a turn ---- */

static void
on_time(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct server *server = context;
	server->armed_ms = INT64_MAX;
}

static void
on_store_ready(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	begin_turn(context);
}

static void
on_stop_signal(evutil_socket_t number, short what, void *context)
{
	(void)what;
	struct server *server = context;
	log_event(
	    LOG_INFO, "stopping", "reason=SIG%s", sigabbrev_np((int)number));
	server->stopping = true;
}

/* ---- the loop ---- */

static void
arm_timer(struct server *server)
{
	int64_t wake_ms = turn_wake_at(&server->turn);
	if (wake_ms == server->armed_ms)
		return;
	server->armed_ms = wake_ms;
	if (wake_ms == INT64_MAX) {
		event_del(server->timer);
		return;
	}
	int64_t now_ms = clock_monotonic_ms();
	int64_t delay_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
	struct timeval delay = { .tv_sec = delay_ms / 1000,
		.tv_usec = delay_ms % 1000 * 1000 };
	event_add(server->timer, &delay);
}

static void
note_duration(struct server *server, bool with_upkeep)
{
	int64_t took_us = clock_monotonic_us() - server->began_us;
	if (took_us > server->longest_turn_us)
		server->longest_turn_us = took_us;
	if (with_upkeep && took_us > server->longest_upkeep_turn_us)
		server->longest_upkeep_turn_us = took_us;
}

static void
end_turn(struct server *server)
{
	int64_t now_ms = server_now_ms(server);
	uint64_t upkeep_bytes = turn_upkeep_bytes(&server->turn);
	turn_pass(&server->turn, now_ms);
	if (watch_wants_numbers(&server->watch))
		watch_take_numbers(&server->watch, &server->turn);
	watch_end_turn(&server->watch);
	turn_end(&server->turn, now_ms);
	outlet_flush(&server->outlet);
	report_turn(&server->turn.core);
	note_duration(server, turn_upkeep_bytes(&server->turn) != upkeep_bytes);
	server->began_us = 0;
	arm_timer(server);
}

/* What was running when the queue of before ended: with a supervisor that has
 * just started itself, nothing of it lives. */
static void
tell_restored(struct server *server)
{
	const struct options *options = server->options;
	struct fact fact = { .kind = FACT_RESTORED,
		.now_ms = server_now_ms(server) };
	fact.restored.supervised = options->channel_fd >= 0;
	fact.restored.everything_died =
	    fact.restored.supervised && options->incarnation == 1;
	turn_step(&server->turn, &fact, (struct span){ 0 });
}

/* Asked to stop, it still answers what it has on its way to the disk; without a
 * supervisor it must be gone at once. */
static bool
goes_on(const struct server *server)
{
	if (!server->stopping)
		return true;
	return server->exit_code == 0 && turn_is_busy(&server->turn);
}

static void
run_loop(struct server *server)
{
	tell_restored(server);
	end_turn(server);
	while (goes_on(server)) {
		if (event_base_loop(server->base, EVLOOP_ONCE) < 0) {
			log_event(LOG_ERROR, "loop-failed", "error=\"%s\"",
			    strerror(errno));
			server->exit_code = EXIT_BUG;
			return;
		}
		end_turn(server);
	}
}

/* ---- life cycle ---- */

static int
failed(const char *what, int error, int status)
{
	log_event(LOG_ERROR, "boot-failed", "what=\"%s\" error=\"%s\" exit=%d",
	    what, strerror(error), status);
	return status;
}

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	const struct options *options = context;
	struct name name;
	CHECK(name_set(&name, queue));
	struct queue_options found =
	    configuration_queue(&options->configuration, name.text);
	return (struct lane_policy){
		.max_attempts = (uint32_t)found.max_attempts,
		.max_crashes = (uint32_t)found.max_crashes,
		.retry = found.retry,
		.retry_schedule = found.retry_schedule,
		.ttr_ms = found.ttr_ms,
		.ttr_grace_ms = found.ttr_grace_ms,
		.max_running = (uint32_t)found.max_running,
		.rate_jobs = found.rate_jobs,
		.rate_ms = found.rate_ms,
		.rate_burst = found.rate_burst,
		.max_jobs = found.max_jobs,
		.max_bytes = found.max_bytes,
		.max_keys = found.max_keys,
		.max_body_bytes = found.max_body_bytes,
		.durability = found.durability,
		.mode = found.keys,
		.merge = found.merge,
	};
}

/* Errors of the store that no further start mends: somebody must do
 * something. */
static bool
is_hopeless(int error)
{
	return error == EBADMSG || error == EPROTONOSUPPORT || error == EPERM ||
	    error == EACCES || error == EWOULDBLOCK || error == EROFS;
}

static int
load_store(struct server *server)
{
	static const struct turn_effects effects = {
		.deliver = on_deliver,
		.stop = on_stop,
		.kill = on_kill,
		.cut_off = on_cut_off,
		.tell = on_tell,
		.show = on_show,
		.batch_leaves = on_batch_leaves,
		.batch_committed = on_batch_committed,
	};
	struct turn_effects mine = effects;
	char reason[512] = "";
	mine.context = server;
	int64_t began_ms = clock_monotonic_ms();
	uint64_t seed = (uint64_t)clock_wall_ms() ^ (uint64_t)getpid();
	int error = turn_init(&server->turn, server->log, server->memory, &mine,
	    seed, policy_of, server->options, reason, sizeof(reason));
	if (error == 0) {
		log_event(LOG_DEBUG, "loaded",
		    "store=%s jobs=%" PRIu32 " next_id=%" PRIu64
		    " took_ms=%" PRId64 "%s%s",
		    server->options->store, server->turn.core.jobs.slab.used,
		    server->turn.core.next_id, clock_monotonic_ms() - began_ms,
		    *reason != '\0' ? " note=" : "",
		    *reason != '\0' ? log_quote(span_of(reason), 400) : "");
		return 0;
	}
	int status = is_hopeless(error) ? EXIT_CONFIGURATION : EXIT_BOOT_FAILED;
	log_event(LOG_ERROR, "boot-failed", "what=store reason=%s exit=%d",
	    log_quote(span_of(*reason != '\0' ? reason : strerror(error)), 500),
	    status);
	return status;
}

static int
open_store(struct server *server)
{
	server->log = store_log_open(server->options->store);
	server->memory = store_mem_open();
	if (server->log == NULL || server->memory == NULL)
		return failed("store", ENOMEM, EXIT_BOOT_FAILED);
	return load_store(server);
}

static int
open_listener(struct server *server)
{
	char *path = server->own_socket;
	const struct options *options = server->options;
	server->listener = options->listener_fd;
	if (server->listener >= 0) {
		int flags = fcntl(server->listener, F_GETFL);
		if (flags < 0 ||
		    fcntl(server->listener, F_SETFL, flags | O_NONBLOCK) != 0)
			return failed("listener", errno, EXIT_BOOT_FAILED);
		return 0;
	}
	int error = directory_path(
	    path, PATH_MAX, options->directory, QUEUE_SOCKET_NAME);
	if (error != 0) {
		*path = '\0';
		return failed("socket", error, EXIT_CONFIGURATION);
	}
	server->listener = socket_listen(path);
	if (server->listener >= 0)
		return 0;
	int status = failed(path, -server->listener, EXIT_BOOT_FAILED);
	*path = '\0';
	return status;
}

static int
make_events(struct server *server)
{
	int wake_fd = server->log->operations->wake_fd(server->log);
	server->accept_event = event_new(server->base, server->listener,
	    EV_READ | EV_PERSIST, on_acceptable, server);
	server->resume_event = evtimer_new(server->base, on_resume, server);
	server->timer = evtimer_new(server->base, on_time, server);
	server->stop_event =
	    evsignal_new(server->base, SIGTERM, on_stop_signal, server);
	if (wake_fd >= 0)
		server->store_event = event_new(server->base, wake_fd,
		    EV_READ | EV_PERSIST, on_store_ready, server);
	if (server->accept_event == NULL || server->resume_event == NULL ||
	    server->timer == NULL || server->stop_event == NULL ||
	    event_add(server->accept_event, NULL) != 0 ||
	    event_add(server->stop_event, NULL) != 0 ||
	    (wake_fd >= 0 &&
		(server->store_event == NULL ||
		    event_add(server->store_event, NULL) != 0)))
		return failed("events", ENOMEM, EXIT_BOOT_FAILED);
	return 0;
}

static void
on_clock_set(evutil_socket_t fd, short what, void *context)
{
	(void)what;
	clock_watch_on(fd);
	begin_turn(context);
}

/* Without it a clock that was set is noticed with whatever happens next. */
static int
watch_clock(struct server *server)
{
	server->clock_fd = clock_watch();
	if (server->clock_fd < 0)
		return 0;
	server->clock_event = event_new(server->base, server->clock_fd,
	    EV_READ | EV_PERSIST, on_clock_set, server);
	if (server->clock_event == NULL ||
	    event_add(server->clock_event, NULL) != 0)
		return failed("events", ENOMEM, EXIT_BOOT_FAILED);
	return 0;
}

static void
on_beat(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct server *server = context;
	channel_alive(&server->channel);
}

static int
start_heartbeat(struct server *server)
{
	int64_t beat_ms = server->options->heartbeat_ms;
	if (beat_ms == 0)
		return 0;
	server->beat_timer =
	    event_new(server->base, -1, EV_PERSIST, on_beat, server);
	struct timeval period = { .tv_sec = beat_ms / 1000,
		.tv_usec = beat_ms % 1000 * 1000 };
	if (server->beat_timer == NULL ||
	    event_add(server->beat_timer, &period) != 0)
		return failed("heartbeat", ENOMEM, EXIT_BOOT_FAILED);
	return 0;
}

static int
open_channel(struct server *server)
{
	int fd = server->options->channel_fd;
	if (fd < 0)
		return 0;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return failed("channel", errno, EXIT_BOOT_FAILED);
	int error = channel_init(
	    &server->channel, server->base, fd, &channel_events, server);
	return error == 0 ? 0 : failed("channel", error, EXIT_BOOT_FAILED);
}

/* Then a job of an earlier life that is not there may have been lost. */
static bool
has_memory_queue(const struct options *options)
{
	const struct configuration *configuration = &options->configuration;
	for (size_t i = 0; i < configuration->queue_count; i++)
		if (configuration->queues[i].durability == DURABILITY_MEMORY)
			return true;
	return false;
}

static int
prepare(struct server *server)
{
	sigset_t none; /* a parent may have left signals blocked */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is the supervisor's business */
	title_set("gsq: queue (%s)", server->options->directory);
	server->client_descriptors = socket_client_descriptors();
	server->base = event_base_new();
	server->taken = calloc(BATCH_JOBS_MAX, sizeof(*server->taken));
	server->arrivals = calloc(BATCH_JOBS_MAX, sizeof(*server->arrivals));
	if (server->base == NULL || server->taken == NULL ||
	    server->arrivals == NULL)
		return failed("event loop", ENOMEM, EXIT_BOOT_FAILED);
	int (*const steps[])(struct server *) = { open_store, open_listener,
		make_events, watch_clock, open_channel, start_heartbeat };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int status = steps[i](server);
		if (status != 0)
			return status;
	}
	int error = watch_init(&server->watch, &server->turn.core,
	    &server->outlet,
	    has_memory_queue(server->options) ? server->turn.core.next_id : 1);
	return error == 0 ? 0 : failed("watch", error, EXIT_BOOT_FAILED);
}

static void
free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void
close_store(struct store *store)
{
	if (store != NULL)
		store->operations->close(store);
}

static void
release(struct server *server)
{
	while (!TAILQ_EMPTY(&server->clients))
		client_free(TAILQ_FIRST(&server->clients));
	channel_release(&server->channel);
	free_event(server->accept_event);
	free_event(server->resume_event);
	free_event(server->timer);
	free_event(server->beat_timer);
	free_event(server->store_event);
	free_event(server->stop_event);
	free_event(server->clock_event);
	if (server->clock_fd >= 0)
		close(server->clock_fd);
	if (server->base != NULL)
		event_base_free(server->base);
	watch_release(&server->watch);
	turn_release(&server->turn);
	close_store(server->log);
	close_store(server->memory);
	if (*server->own_socket != '\0')
		unlink(server->own_socket);
	roster_release(&server->roster);
	free(server->arrivals);
	free(server->taken);
}

int
serve(const struct options *options)
{
	struct server *server = calloc(1, sizeof(*server));
	if (server == NULL)
		return failed("memory", ENOMEM, EXIT_BOOT_FAILED);
	server->options = options;
	server->started_ms = clock_monotonic_ms();
	server->armed_ms = INT64_MAX;
	server->clock_fd = -1;
	TAILQ_INIT(&server->clients);
	outlet_init(&server->outlet);
	int status = prepare(server);
	if (status == 0) {
		channel_ready(&server->channel);
		log_event(LOG_DEBUG, "ready",
		    "directory=%s incarnation=%" PRId64, options->directory,
		    options->incarnation);
		run_loop(server);
		status = server->exit_code;
	}
	release(server);
	free(server);
	return status;
}
