/* SPDX-License-Identifier: MIT */
#include "supervisor/control.h"

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/peer.h"
#include "sys/socket.h"
#include "wire/method.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Out of descriptors: look again after that time, instead of being called by
 * the loop without end. */
#define ACCEPT_PAUSE_MS 100

#define PROTOCOL_VERSION 1

struct control_client {
	struct peer peer;
	struct control *control;
	LIST_ENTRY(control_client) link;
};

/* A restart whose answer is due when that place lives its next life. */
struct control_waiter {
	struct control_client *client;
	uint64_t msgid;
	unsigned place;
	int64_t incarnation; /* of the life before */
	char id[NAME_BYTES_MAX + 1];
	LIST_ENTRY(control_waiter) link;
};

/* ---- waiters ---- */

static void
waiter_free(struct control *control, struct control_waiter *waiter)
{
	LIST_REMOVE(waiter, link);
	control->waiter_count--;
	free(waiter);
}

static void
forget_waiters(struct control *control, const struct control_client *client)
{
	struct control_waiter *next;
	for (struct control_waiter *waiter = LIST_FIRST(&control->waiters);
	     waiter != NULL; waiter = next) {
		next = LIST_NEXT(waiter, link);
		if (waiter->client == client)
			waiter_free(control, waiter);
	}
}

/* ---- answers ---- */

static void
put_pair(struct message_writer *writer, const char *key, int64_t value)
{
	put_key(writer, key);
	put_integer(writer, value);
}

static void
put_pair_text(struct message_writer *writer, const char *key, const char *text)
{
	put_key(writer, key);
	put_text(writer, span_of(text));
}

/* A client that cannot be answered for want of memory is let go, so that it
 * does not wait for ever. */
static void
finish(struct control_client *client, struct message_writer *writer)
{
	if (message_end(writer) != 0)
		shutdown(client->peer.fd, SHUT_RDWR);
	peer_send(&client->peer);
}

static void
refuse(struct control_client *client, uint64_t msgid, enum refusal refusal,
    const char *text)
{
	if (message_refuse(&client->peer.output, msgid, refusal, text) != 0)
		shutdown(client->peer.fd, SHUT_RDWR);
	peer_send(&client->peer);
}

static void
answer_restart(const struct control *control,
    const struct control_waiter *waiter, const struct child *child)
{
	(void)control;
	struct message_writer writer;
	message_response(&writer, &waiter->client->peer.output, waiter->msgid);
	put_map(&writer, 3);
	put_pair_text(&writer, "id", child->id);
	put_pair(&writer, "pid", child->pid);
	put_pair(&writer, "incarnation", child->incarnation);
	finish(waiter->client, &writer);
}

static void
refuse_waiter(const struct control_waiter *waiter, enum refusal refusal,
    const char *what, const char *detail)
{
	char text[160];
	snprintf(text, sizeof(text), "'%s' %s%s%s", waiter->id, what,
	    *detail != '\0' ? ": " : "", detail);
	refuse(waiter->client, waiter->msgid, refusal, text);
}

/* True when the waiter has its answer. */
static bool
answer_waiter(
    const struct control *control, const struct control_waiter *waiter)
{
	const struct plan *plan = control->view.plan;
	const struct child *child = &control->view.children[waiter->place];
	const struct plan_child *planned = &plan->children[waiter->place];
	if (plan_is_stopping(plan))
		refuse_waiter(waiter, REFUSAL_STOPPING,
		    "is not started: gsq is stopping", "");
	else if (planned->state == PLAN_STATE_ABSENT ||
	    strcmp(child->id, waiter->id) != 0)
		refuse_waiter(
		    waiter, REFUSAL_NOT_FOUND, "was removed meanwhile", "");
	else if (planned->want != PLAN_WANT_UP)
		refuse_waiter(
		    waiter, REFUSAL_BAD_STATE, "was stopped meanwhile", "");
	else if (planned->state == PLAN_STATE_FAILED)
		refuse_waiter(waiter, REFUSAL_UNAVAILABLE, "does not start",
		    child->last_death);
	else if (planned->state == PLAN_STATE_READY &&
	    child->incarnation > waiter->incarnation)
		answer_restart(control, waiter, child);
	else
		return false;
	return true;
}

void
control_update(struct control *control)
{
	struct control_waiter *next;
	for (struct control_waiter *waiter = LIST_FIRST(&control->waiters);
	     waiter != NULL; waiter = next) {
		next = LIST_NEXT(waiter, link);
		if (answer_waiter(control, waiter))
			waiter_free(control, waiter);
	}
}

/* ---- ping, tree ---- */

static void
do_ping(struct control_client *client, uint64_t msgid, const void *params)
{
	(void)params;
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 4);
	put_pair_text(&writer, "version", GSQ_VERSION);
	put_pair(&writer, "protocol", PROTOCOL_VERSION);
	put_pair(&writer, "pid", getpid());
	put_pair_text(&writer, "role", "supervisor");
	finish(client, &writer);
}

static const char *const group_names[PLAN_GROUP_COUNT] = {
	[PLAN_GROUP_BOOT] = "booting",
	[PLAN_GROUP_RUN] = "running",
	[PLAN_GROUP_STOP_WORKERS] = "stopping",
	[PLAN_GROUP_STOP_QUEUE] = "stopping",
	[PLAN_GROUP_FINISHED] = "stopping",
};

static void
put_supervisor(struct message_writer *writer, const struct control_view *view)
{
	const struct plan *plan = view->plan;
	int64_t now_ms = clock_monotonic_ms();
	put_map(writer, 8);
	put_pair(writer, "pid", getpid());
	put_pair_text(writer, "version", GSQ_VERSION);
	put_pair_text(writer, "directory", view->options->directory);
	put_pair(writer, "uptime_ms", now_ms - view->started_ms);
	put_pair_text(writer, "state", group_names[plan->group]);
	put_pair(writer, "restarts_in_window",
	    (int64_t)plan_restarts_in_window(plan, now_ms));
	put_pair(writer, "max_restarts", plan_max_restarts(plan));
	put_pair(writer, "window_ms", plan->options.window_ms);
}

static int64_t
not_negative(int64_t value)
{
	return value > 0 ? value : 0;
}

static void
put_child(struct message_writer *writer, const struct child *child,
    const struct plan_child *planned)
{
	int64_t now_ms = clock_monotonic_ms();
	bool waits = planned->state == PLAN_STATE_BACKOFF;
	bool died = child->last_death[0] != '\0';
	bool sick = !child->healthy;
	bool leaves = planned->want == PLAN_WANT_GONE;
	put_map(writer, 9 + sick + 2 * (uint32_t)died + waits + leaves);
	put_pair_text(writer, "id", child->id);
	put_pair_text(writer, "role", child->pool == NULL ? "queue" : "worker");
	put_pair_text(writer, "pool", child->pool == NULL ? "" : child->pool);
	put_pair(writer, "pid", child->pid);
	put_pair_text(writer, "state", plan_state_name(planned->state));
	put_pair(writer, "incarnation", child->incarnation);
	put_pair(writer, "uptime_ms",
	    child->pid == 0 ? 0 : now_ms - child->spawned_ms);
	put_pair(writer, "restarts", (int64_t)planned->restarts);
	put_key(writer, "healthy");
	put_boolean(writer, child->healthy);
	if (sick)
		put_pair_text(
		    writer, "unhealthy_reason", child->unhealthy_reason);
	if (died) {
		put_pair_text(writer, "last_death", child->last_death);
		put_pair(
		    writer, "last_death_ms_ago", now_ms - child->last_death_ms);
	}
	if (waits)
		put_pair(writer, "start_in_ms",
		    not_negative(planned->deadline_ms - now_ms));
	if (leaves) {
		put_key(writer, "leaving");
		put_boolean(writer, true);
	}
}

static void
do_tree(struct control_client *client, uint64_t msgid, const void *params)
{
	(void)params;
	const struct control_view *view = &client->control->view;
	const struct plan *plan = view->plan;
	uint32_t count = 0;
	for (unsigned i = 0; i < plan->places; i++)
		count += plan->children[i].state != PLAN_STATE_ABSENT;
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 2);
	put_key(&writer, "supervisor");
	put_supervisor(&writer, view);
	put_key(&writer, "children");
	put_array(&writer, count);
	for (unsigned i = 0; i < plan->places; i++)
		if (plan->children[i].state != PLAN_STATE_ABSENT)
			put_child(
			    &writer, &view->children[i], &plan->children[i]);
	finish(client, &writer);
}

/* ---- scale, restart, shutdown ---- */

static bool
refuse_stopping(struct control_client *client, uint64_t msgid)
{
	if (!plan_is_stopping(client->control->view.plan))
		return false;
	refuse(client, msgid, REFUSAL_STOPPING, "gsq is stopping");
	return true;
}

/* The pool of that name; without a name the only one there is. -1 when there is
 * none, and the refusal is written. */
static int
find_pool(struct control_client *client, uint64_t msgid, struct span name)
{
	const struct options *options = client->control->view.options;
	if (name.count == 0 && options->pool_count == 1)
		return 0;
	if (name.count == 0) {
		refuse(client, msgid, REFUSAL_BAD_ARGUMENT,
		    "there are several pools: say which");
		return -1;
	}
	for (size_t i = 0; i < options->pool_count; i++)
		if (span_is_text(name, options->pools[i].name.text))
			return (int)i;
	char text[NAME_BYTES_MAX + 32];
	snprintf(
	    text, sizeof(text), "no pool '%.*s'", (int)name.count, name.bytes);
	refuse(client, msgid, REFUSAL_NOT_FOUND, text);
	return -1;
}

static void
do_scale(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_scale *scale = params;
	struct control *control = client->control;
	if (refuse_stopping(client, msgid))
		return;
	int pool = find_pool(client, msgid, scale->pool);
	if (pool < 0)
		return;
	unsigned to = (unsigned)scale->workers;
	unsigned from = plan_pool_workers(control->view.plan, (unsigned)pool);
	if (!plan_scale_fits(control->view.plan, (unsigned)pool, to)) {
		refuse(client, msgid, REFUSAL_FULL,
		    "more than 1024 workers in all, those that are just "
		    "leaving included");
		return;
	}
	const char *name = control->view.options->pools[pool].name.text;
	log_event(LOG_INFO, "scale", "pool=%s from=%u to=%u", name, from, to);
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 3);
	put_pair_text(&writer, "pool", name);
	put_pair(&writer, "from", from);
	put_pair(&writer, "to", to);
	finish(client, &writer);
	control->on_fact(control->context,
	    &(struct plan_fact){ .event = PLAN_EVENT_SCALE,
		.pool = (unsigned)pool,
		.workers = to });
}

static const struct child *
find_child(const struct control_view *view, struct span id)
{
	for (unsigned i = 0; i < view->plan->places; i++)
		if (view->plan->children[i].state != PLAN_STATE_ABSENT &&
		    span_is_text(id, view->children[i].id))
			return &view->children[i];
	return NULL;
}

static bool
add_waiter(
    struct control_client *client, uint64_t msgid, const struct child *child)
{
	struct control *control = client->control;
	if (control->waiter_count == CONTROL_WAITERS_MAX)
		return false;
	struct control_waiter *waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return false;
	waiter->client = client;
	waiter->msgid = msgid;
	waiter->place = child->place;
	waiter->incarnation = child->incarnation;
	memcpy(waiter->id, child->id, sizeof(waiter->id));
	LIST_INSERT_HEAD(&control->waiters, waiter, link);
	control->waiter_count++;
	return true;
}

static void
do_restart(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_restart *restart = params;
	struct control *control = client->control;
	if (refuse_stopping(client, msgid))
		return;
	const struct child *child = find_child(&control->view, restart->id);
	if (child == NULL) {
		char text[NAME_BYTES_MAX + 32];
		snprintf(text, sizeof(text), "no child '%.*s'",
		    (int)restart->id.count, restart->id.bytes);
		refuse(client, msgid, REFUSAL_NOT_FOUND, text);
		return;
	}
	const struct plan_child *planned =
	    &control->view.plan->children[child->place];
	if (planned->want == PLAN_WANT_GONE) {
		refuse(client, msgid, REFUSAL_BAD_STATE,
		    "it is being removed by a scale");
		return;
	}
	if (!add_waiter(client, msgid, child)) {
		refuse(client, msgid, REFUSAL_FULL,
		    "too many wait for a restart already");
		return;
	}
	log_event(LOG_INFO, "restart", "child=%s child_pid=%d inc=%lld",
	    child->id, (int)child->pid, (long long)child->incarnation);
	control->on_fact(control->context,
	    &(struct plan_fact){
		.event = PLAN_EVENT_RESTART, .child = child->place });
}

static void
do_shutdown(struct control_client *client, uint64_t msgid, const void *params)
{
	(void)params;
	struct control *control = client->control;
	log_event(LOG_INFO, "stopping", "reason=shutdown");
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 0);
	finish(client, &writer);
	control->on_fact(control->context,
	    &(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL });
}

/* ---- requests ---- */

typedef void control_action(
    struct control_client *client, uint64_t msgid, const void *params);

static control_action *const control_actions[METHOD_COUNT] = {
	[METHOD_ping] = do_ping,
	[METHOD_tree] = do_tree,
	[METHOD_scale] = do_scale,
	[METHOD_restart] = do_restart,
	[METHOD_shutdown] = do_shutdown,
};

static void
on_message(struct peer *peer, const struct message *message)
{
	struct control_client *client = peer->context;
	union {
		struct params_ping ping;
		struct params_tree tree;
		struct params_scale scale;
		struct params_restart restart;
		struct params_shutdown shutdown;
	} params;
	char reason[REASON_BYTES_MAX];
	if (message->kind != MESSAGE_REQUEST)
		return;
	enum method method = method_of_name(message->method);
	if (method == METHOD_NONE || control_actions[method] == NULL) {
		refuse(client, message->msgid, REFUSAL_NO_METHOD,
		    "the supervisor has no such method");
		return;
	}
	enum refusal refusal = REFUSAL_BAD_ARGUMENT;
	if (message->odd_params)
		snprintf(
		    reason, sizeof(reason), "params must be [] or [{...}]");
	else
		refusal = method_decode(
		    method, message->params, &params, reason, sizeof(reason));
	if (refusal != REFUSAL_NONE)
		refuse(client, message->msgid, refusal, reason);
	else
		control_actions[method](client, message->msgid, &params);
}

/* ---- clients ---- */

static void
client_free(struct control_client *client)
{
	forget_waiters(client->control, client);
	LIST_REMOVE(client, link);
	client->control->client_count--;
	peer_close(&client->peer);
	peer_release_memory(&client->peer);
	free(client);
}

static void
on_gone(struct peer *peer, const char *reason)
{
	static struct log_limit limit = { .event = "bad-message" };
	if (!peer->sent_rubbish)
		log_event(LOG_DEBUG, "control-gone", "reason=\"%s\"", reason);
	else if (log_allows(&limit))
		log_event(LOG_WARNING, "bad-message",
		    "socket=control reason=\"%s\"", reason);
	client_free(peer->context);
}

static const struct peer_events client_events = {
	.on_message = on_message,
	.on_gone = on_gone,
};

/* Best effort: a fresh socket takes so few bytes at once or never. */
static void
turn_away(int fd, enum refusal refusal, const char *text)
{
	struct buffer buffer = { 0 };
	if (message_refuse(&buffer, 0, refusal, text) == 0)
		(void)send(fd, buffer_front(&buffer), buffer_count(&buffer),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_release(&buffer);
	close(fd);
}

/* Control means running commands as the supervisor's user. */
static bool
is_permitted(int fd)
{
	static struct log_limit limit = { .event = "refused" };
	struct credentials credentials;
	if (socket_credentials(fd, &credentials) != 0)
		return false;
	if (credentials.uid == 0 || credentials.uid == geteuid())
		return true;
	if (log_allows(&limit))
		log_event(LOG_WARNING, "refused",
		    "socket=control client_pid=%d uid=%u "
		    "reason=\"not permitted\"",
		    (int)credentials.pid, (unsigned)credentials.uid);
	return false;
}

static void
welcome(struct control *control, int fd)
{
	if (!is_permitted(fd)) {
		turn_away(fd, REFUSAL_NOT_PERMITTED,
		    "control is for the supervisor's user and root");
		return;
	}
	if (control->client_count == CONTROL_CLIENTS_MAX ||
	    fd >= socket_client_descriptors()) {
		turn_away(fd, REFUSAL_FULL, "too many control connections");
		return;
	}
	struct control_client *client = calloc(1, sizeof(*client));
	if (client == NULL ||
	    peer_init(&client->peer, control->base, 0, fd, &client_events,
		client) != 0) {
		free(client);
		close(fd);
		return;
	}
	client->control = control;
	LIST_INSERT_HEAD(&control->clients, client, link);
	control->client_count++;
}

static void
pause_accepting(struct control *control, int error)
{
	log_event(LOG_WARNING, "accept-failed", "socket=control error=\"%s\"",
	    strerror(error));
	event_del(control->accept_event);
	event_add(control->resume_event,
	    &(struct timeval){ .tv_usec = ACCEPT_PAUSE_MS * 1000 });
}

static void
on_resume(evutil_socket_t none, short what, void *context)
{
	(void)none, (void)what;
	struct control *control = context;
	event_add(control->accept_event, NULL);
}

/* One per turn: nobody hurries here, and children come first. */
static void
on_acceptable(evutil_socket_t listener, short what, void *context)
{
	(void)what;
	struct control *control = context;
	int fd = socket_accept(listener);
	if (fd >= 0)
		welcome(control, fd);
	else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ||
	    fd == -ENOBUFS)
		pause_accepting(control, -fd);
}

/* ---- life cycle ---- */

int
control_init(struct control *control, struct event_base *base, int listener,
    const struct control_view *view,
    void (*on_fact)(void *context, const struct plan_fact *fact), void *context)
{
	*control = (struct control){ .view = *view,
		.on_fact = on_fact,
		.context = context,
		.base = base };
	LIST_INIT(&control->clients);
	LIST_INIT(&control->waiters);
	control->resume_event = evtimer_new(base, on_resume, control);
	control->accept_event = event_new(
	    base, listener, EV_READ | EV_PERSIST, on_acceptable, control);
	if (control->resume_event == NULL || control->accept_event == NULL ||
	    event_add(control->accept_event, NULL) != 0) {
		control_release(control);
		return ENOMEM;
	}
	return 0;
}

void
control_release(struct control *control)
{
	while (!LIST_EMPTY(&control->clients))
		client_free(LIST_FIRST(&control->clients));
	if (control->accept_event != NULL)
		event_free(control->accept_event);
	if (control->resume_event != NULL)
		event_free(control->resume_event);
	control->accept_event = NULL;
	control->resume_event = NULL;
}
