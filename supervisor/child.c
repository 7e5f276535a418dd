/* SPDX-License-Identifier: MIT */
#include "supervisor/child.h"

#include "base/check.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/socket.h"
#include "sys/spawn.h"
#include "wire/method.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- deaths ---- */

void
death_print(const struct death *death, char *text, size_t text_bytes)
{
	const char *name = sigabbrev_np(death->signal);
	if (death->signal == 0)
		snprintf(text, text_bytes, "exit=%d", death->exit_code);
	else if (name != NULL)
		snprintf(text, text_bytes, "signal=%s", name);
	else
		snprintf(text, text_bytes, "signal=%d", death->signal);
}

/* ---- what a child says ---- */

static void
hear_ready(struct child *child, const struct params_ready *params)
{
	if (params->pid == child->pid)
		child->events->on_ready(child);
	else
		log_event(LOG_WARNING, "ignored",
		    "child=%s child_pid=%d message=ready hint=\"for pid %lld\"",
		    child->id, (int)child->pid, (long long)params->pid);
}

static void
set_reason(struct child *child, struct span reason)
{
	size_t count = reason.count;
	if (count >= sizeof(child->unhealthy_reason))
		count = sizeof(child->unhealthy_reason) - 1;
	if (count > 0)
		memcpy(child->unhealthy_reason, reason.bytes, count);
	child->unhealthy_reason[count] = '\0';
}

/* Logged once per change: a worker repeats it for each job it cannot run. */
static void
hear_health(struct child *child, const struct params_health *params)
{
	bool changed = child->healthy != params->healthy;
	child->healthy = params->healthy;
	set_reason(
	    child, params->healthy ? (struct span){ NULL, 0 } : params->reason);
	if (!changed)
		return;
	if (child->healthy)
		log_event(LOG_INFO, "healthy", "child=%s child_pid=%d",
		    child->id, (int)child->pid);
	else
		log_event(LOG_WARNING, "unhealthy",
		    "child=%s child_pid=%d reason=%s", child->id,
		    (int)child->pid,
		    log_quote(params->reason, REASON_BYTES_MAX));
}

static void
ignore_message(struct child *child, struct span method, const char *hint)
{
	log_event(LOG_WARNING, "ignored",
	    "child=%s child_pid=%d message=%s hint=\"%s\"", child->id,
	    (int)child->pid, log_quote(method, NAME_BYTES_MAX), hint);
}

static void
hear_kill(
    struct child *child, struct span method, const struct params_kill *params)
{
	if (child->pool == NULL)
		child->events->on_kill(
		    child, (pid_t)params->pid, params->reason);
	else
		ignore_message(child, method, "only the queue may ask for it");
}

static void
hear_renew(
    struct child *child, struct span method, const struct params_renew *params)
{
	if (child->pool != NULL)
		child->events->on_renew(child, params->reason);
	else
		ignore_message(child, method, "only workers are renewed");
}

static void
hear_worked(struct child *child, struct span method)
{
	if (child->pool != NULL)
		child->events->on_worked(child);
	else
		ignore_message(child, method, "only workers work");
}

static void
on_message(struct peer *peer, const struct message *message)
{
	struct child *child = peer->context;
	union {
		struct params_ready ready;
		struct params_alive alive;
		struct params_worked worked;
		struct params_renew renew;
		struct params_health health;
		struct params_kill kill;
	} params;
	char reason[REASON_BYTES_MAX];
	enum method method = METHOD_NONE;
	if (message->kind == MESSAGE_NOTIFICATION)
		method = method_of_name(message->method);
	if (method != METHOD_ready && method != METHOD_alive &&
	    method != METHOD_worked && method != METHOD_renew &&
	    method != METHOD_health && method != METHOD_kill) {
		ignore_message(child, message->method, "unknown here");
		return;
	}
	if (method_decode(method, message->params, &params, reason,
		sizeof(reason)) != REFUSAL_NONE) {
		ignore_message(child, message->method, reason);
		return;
	}
	if (method == METHOD_ready)
		hear_ready(child, &params.ready);
	else if (method == METHOD_alive)
		child->events->on_alive(child);
	else if (method == METHOD_worked)
		hear_worked(child, message->method);
	else if (method == METHOD_renew)
		hear_renew(child, message->method, &params.renew);
	else if (method == METHOD_health)
		hear_health(child, &params.health);
	else
		hear_kill(child, message->method, &params.kill);
}

static void
close_channel(struct child *child)
{
	if (!child->has_channel)
		return;
	child->has_channel = false;
	peer_close(&child->channel);
	peer_release_memory(&child->channel);
}

static void
on_gone(struct peer *peer, const char *reason)
{
	struct child *child = peer->context;
	bool sent_rubbish = peer->sent_rubbish;
	log_event(sent_rubbish ? LOG_WARNING : LOG_DEBUG, "channel",
	    "child=%s child_pid=%d reason=\"%s\"", child->id, (int)child->pid,
	    reason);
	close_channel(child);
	child->events->on_lost(child, sent_rubbish);
}

static const struct peer_events channel_events = {
	.on_message = on_message,
	.on_gone = on_gone,
};

/* ---- life ---- */

void
child_assign(struct child *child, const char *id, const char *pool)
{
	CHECK(child->pid == 0);
	snprintf(child->id, sizeof(child->id), "%s", id);
	child->pool = pool;
	child->quiet = false;
	child->healthy = true;
	child->unhealthy_reason[0] = '\0';
	child->last_death[0] = '\0';
}

static const int transient_errors[] = { EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY,
	EINTR };

bool
child_is_transient(int error)
{
	for (size_t i = 0; i < sizeof(transient_errors) / sizeof(int); i++)
		if (error == transient_errors[i])
			return true;
	return false;
}

static pid_t
start_process(
    const struct program *program, int channel, int listener, int lock)
{
	static const struct confinement worker = { .oom_at_least =
						       CONFINE_OOM_WORKER };
	const int of_queue[] = { channel, listener, lock };
	const int of_worker[] = { channel, lock };
	bool is_queue = listener >= 0;
	const struct spawn spawn = { .path = program->path,
		.argv = program->argv,
		.environment = environ,
		.input_fd = -1,
		.output_fd = -1,
		.error_fd = -1,
		.fds = is_queue ? of_queue : of_worker,
		.fd_count = is_queue ? 3 : 2,
		.confinement = is_queue ? NULL : &worker,
		.death_signal = SIGCONT,
		.new_session = true };
	return spawn_process(&spawn);
}

/* A program that cannot be run is a death as well, told to whoever waits. */
static void
note_failure(struct child *child, int error)
{
	if (child_is_transient(error))
		return;
	snprintf(child->last_death, sizeof(child->last_death), "exec: %s",
	    strerror(error));
	child->last_death_ms = clock_monotonic_ms();
}

int
child_spawn(struct child *child, struct program *program,
    struct event_base *base, int lock, int listener)
{
	CHECK(child->pid == 0 && !child->has_channel);
	int ends[2];
	int error = socket_pair(ends);
	if (error != 0)
		return error;
	error = peer_init(
	    &child->channel, base, 0, ends[0], &channel_events, child);
	if (error != 0) {
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	child->has_channel = true;
	program_aim(program, child->id, child->incarnation + 1, child->quiet);
	pid_t pid = start_process(program, ends[1], listener, lock);
	close(ends[1]);
	if (pid < 0) {
		close_channel(child);
		note_failure(child, (int)-pid);
		return (int)-pid;
	}
	child->pid = pid;
	child->incarnation++;
	child->spawned_ms = clock_monotonic_ms();
	child->killed = false;
	child->why = NULL;
	child->healthy = true;
	child->unhealthy_reason[0] = '\0';
	return 0;
}

/* The pid cannot be somebody else's: only we reap it, and then it is 0. */
void
child_signal(struct child *child, int signal)
{
	if (child->pid == 0)
		return;
	kill(child->pid, signal);
	if (signal == SIGKILL)
		child->killed = true;
	else
		kill(child->pid, SIGCONT);
}

void
child_bury(struct child *child, const struct death *death, int64_t now_ms,
    struct departed *ret_departed)
{
	memcpy(ret_departed->id, child->id, sizeof(child->id));
	ret_departed->pid = child->pid;
	ret_departed->incarnation = child->incarnation;
	ret_departed->death = *death;
	ret_departed->planned = false;
	death_print(death, child->last_death, sizeof(child->last_death));
	child->last_death_ms = now_ms;
	child->pid = 0;
	close_channel(child);
}

void
child_release(struct child *child)
{
	close_channel(child);
}

void
child_tell_reopen(struct child *child)
{
	if (!child->has_channel)
		return;
	struct message_writer writer;
	message_notification(
	    &writer, &child->channel.output, SPAN_LITERAL("reopen"), 0);
	if (message_end(&writer) != 0)
		log_event(LOG_ERROR, "channel", "child=%s error=\"%s\"",
		    child->id, strerror(ENOMEM));
	peer_send(&child->channel);
}

/* ---- workers ---- */

/* One that was not told serves on; its next life is told. */
void
child_tell_rest(struct child *worker)
{
	if (!worker->has_channel)
		return;
	struct message_writer writer;
	message_notification(
	    &writer, &worker->channel.output, SPAN_LITERAL("rest"), 1);
	put_key(&writer, "on");
	put_boolean(&writer, worker->quiet);
	if (message_end(&writer) != 0)
		log_event(LOG_ERROR, "channel", "child=%s error=\"%s\"",
		    worker->id, strerror(ENOMEM));
	peer_send(&worker->channel);
}

/* Its title says so (worker/run.c); a message for each job would cost more than
 * the jobs. Who cannot be looked at is taken for busy. */
bool
child_is_idle(const struct child *worker)
{
	static const char idle[] = "(idle)";
	char path[32], title[128];
	if (worker->pid == 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)worker->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, title, sizeof(title) - 1);
	close(fd);
	title[got > 0 ? got : 0] = '\0';
	return strstr(title, idle) != NULL;
}

/* ---- what the queue is told ---- */

static void
put_worker(struct message_writer *writer, const char *id, pid_t pid,
    int64_t incarnation)
{
	put_key(writer, "name");
	put_text(writer, span_of(id));
	put_key(writer, "pid");
	put_integer(writer, pid);
	put_key(writer, "incarnation");
	put_integer(writer, incarnation);
}

int
child_tell_up(
    struct child *queue, const char *id, pid_t pid, int64_t incarnation)
{
	if (!queue->has_channel)
		return 0;
	struct message_writer writer;
	message_notification(
	    &writer, &queue->channel.output, SPAN_LITERAL("worker_up"), 3);
	put_worker(&writer, id, pid, incarnation);
	int error = message_end(&writer);
	peer_send(&queue->channel);
	return error;
}

int
child_tell_introduced(struct child *queue)
{
	if (!queue->has_channel)
		return 0;
	struct message_writer writer;
	message_notification(
	    &writer, &queue->channel.output, SPAN_LITERAL("introduced"), 0);
	int error = message_end(&writer);
	peer_send(&queue->channel);
	return error;
}

int
child_tell_down(struct child *queue, const struct departed *departed)
{
	if (!queue->has_channel)
		return 0;
	const struct death *death = &departed->death;
	struct message_writer writer;
	message_notification(&writer, &queue->channel.output,
	    SPAN_LITERAL("worker_down"), death->core ? 6 : 5);
	put_worker(&writer, departed->id, departed->pid, departed->incarnation);
	put_key(&writer, death->signal != 0 ? "signal" : "exit");
	put_integer(
	    &writer, death->signal != 0 ? death->signal : death->exit_code);
	if (death->core) {
		put_key(&writer, "core");
		put_boolean(&writer, true);
	}
	put_key(&writer, "planned");
	put_boolean(&writer, departed->planned);
	int error = message_end(&writer);
	peer_send(&queue->channel);
	return error;
}
