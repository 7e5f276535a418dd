/* SPDX-License-Identifier: MIT */
#include "supervisor/control.h"

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/peer.h"
#include "sys/socket.h"
#include "wire/method.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Out of descriptors: look again after that time, instead of being called by
 * the loop without end. */
#define ACCEPT_PAUSE_MS 100

/* When those may come again for whom there is no place. */
#define RETRY_AFTER_MS INT64_C(1000)

#define PROTOCOL_VERSION 1

struct control_client {
	struct peer peer;
	struct control *control;
	LIST_ENTRY(control_client) link;
};

/* What is waited for. */
enum order {
	ORDER_START,
	ORDER_STOP,
	ORDER_RESTART,
	ORDER_RENEW /* one after the other */
};

/* Whom an order is for: one child, a pool, or all workers. */
struct target {
	enum { TARGET_CHILD, TARGET_POOL, TARGET_WORKERS } kind;
	unsigned number;	       /* the place, or the pool */
	char name[NAME_BYTES_MAX + 1]; /* as it was said */
};

/* An order whose answer is due when it is carried out. */
struct control_waiter {
	struct control_client *client;
	uint64_t msgid;
	enum order order;
	struct target target;
	int64_t incarnation; /* of one child: the life before */
	bool given;	     /* everybody who is meant has been told */
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

/* ---- targets ---- */

static bool
is_meant(
    const struct control *control, const struct target *target, unsigned place)
{
	const struct plan_child *planned = &control->view.plan->children[place];
	if (planned->state == PLAN_STATE_ABSENT)
		return false;
	if (target->kind == TARGET_CHILD)
		return place == target->number &&
		    strcmp(control->view.children[place].id, target->name) == 0;
	if (place == PLAN_QUEUE || planned->want == PLAN_WANT_GONE)
		return false;
	return target->kind == TARGET_WORKERS ||
	    planned->pool == target->number;
}

/* A child of that name, else a pool, else "workers". */
static bool
find_target(
    const struct control *control, struct span name, struct target *target)
{
	const struct view *view = &control->view;
	snprintf(target->name, sizeof(target->name), "%.*s", (int)name.count,
	    name.bytes);
	target->kind = TARGET_CHILD;
	for (unsigned i = 0; i < view->plan->places; i++) {
		target->number = i;
		if (is_meant(control, target, i))
			return true;
	}
	target->kind = TARGET_POOL;
	for (size_t i = 0; i < view->options->pool_count; i++) {
		target->number = (unsigned)i;
		if (!view->options->gone[i] &&
		    span_is_text(name, view->options->pools[i].name.text))
			return true;
	}
	target->kind = TARGET_WORKERS;
	return span_is_text(name, "workers");
}

/* ---- the end of an order ---- */

static void
answer_order(const struct control *control, const struct control_waiter *waiter)
{
	const struct target *target = &waiter->target;
	const struct child *child = &control->view.children[target->number];
	struct message_writer writer;
	uint32_t count = 0;
	message_response(&writer, &waiter->client->peer.output, waiter->msgid);
	if (target->kind == TARGET_CHILD) {
		put_map(&writer, 3);
		put_pair_text(&writer, "id", child->id);
		put_pair(&writer, "pid", child->pid);
		put_pair(&writer, "incarnation", child->incarnation);
	} else {
		for (unsigned i = 0; i < control->view.plan->places; i++)
			count += is_meant(control, target, i);
		put_map(&writer, 2);
		put_pair_text(&writer, "id", target->name);
		put_pair(&writer, "children", count);
	}
	finish(waiter->client, &writer);
}

static void
refuse_waiter(const struct control_waiter *waiter, enum refusal refusal,
    const char *id, const char *what, const char *detail)
{
	char text[160];
	snprintf(text, sizeof(text), "'%s' %s%s%s", id, what,
	    *detail != '\0' ? ": " : "", detail);
	refuse(waiter->client, waiter->msgid, refusal, text);
}

enum progress { UNDER_WAY, CARRIED_OUT, REFUSED };

static enum progress
progress_of_start(const struct control *control,
    const struct control_waiter *waiter, unsigned place)
{
	const struct child *child = &control->view.children[place];
	const struct plan_child *planned = &control->view.plan->children[place];
	bool new_life = waiter->order != ORDER_RESTART ||
	    child->incarnation > waiter->incarnation;
	if (planned->want != PLAN_WANT_UP)
		refuse_waiter(waiter, REFUSAL_BAD_STATE, child->id,
		    "was stopped meanwhile", "");
	else if (planned->state == PLAN_STATE_FAILED)
		refuse_waiter(waiter, REFUSAL_UNAVAILABLE, child->id,
		    "does not start", child->last_death);
	else
		return planned->state == PLAN_STATE_READY && new_life
		    ? CARRIED_OUT
		    : UNDER_WAY;
	return REFUSED;
}

static enum progress
progress_of_stop(const struct control *control,
    const struct control_waiter *waiter, unsigned place)
{
	const struct child *child = &control->view.children[place];
	const struct plan_child *planned = &control->view.plan->children[place];
	if (planned->want == PLAN_WANT_UP) {
		refuse_waiter(waiter, REFUSAL_BAD_STATE, child->id,
		    "was started meanwhile", "");
		return REFUSED;
	}
	return plan_is_alive(planned->state) ? UNDER_WAY : CARRIED_OUT;
}

/* One that is held back may yet come; one that is down or failed has not to be
 * waited for. */
static enum progress
progress_of_renewal(const struct control *control, unsigned place)
{
	const struct plan_child *planned = &control->view.plan->children[place];
	return planned->renew || planned->renewing ? UNDER_WAY : CARRIED_OUT;
}

static enum progress
progress_of(const struct control *control, const struct control_waiter *waiter,
    unsigned place)
{
	if (waiter->order == ORDER_RENEW)
		return progress_of_renewal(control, place);
	if (waiter->order == ORDER_STOP)
		return progress_of_stop(control, waiter, place);
	return progress_of_start(control, waiter, place);
}

/* True when the waiter has its answer. */
static bool
answer_waiter(
    const struct control *control, const struct control_waiter *waiter)
{
	const struct plan *plan = control->view.plan;
	const char *name = waiter->target.name;
	bool any = waiter->target.kind != TARGET_CHILD;
	if (!waiter->given)
		return false;
	if (plan_is_stopping(plan)) {
		refuse_waiter(waiter, REFUSAL_STOPPING, name,
		    "is not waited for: gsq is stopping", "");
		return true;
	}
	for (unsigned i = 0; i < plan->places; i++) {
		if (!is_meant(control, &waiter->target, i))
			continue;
		enum progress progress = progress_of(control, waiter, i);
		if (progress != CARRIED_OUT)
			return progress == REFUSED;
		any = true;
	}
	if (any)
		answer_order(control, waiter);
	else
		refuse_waiter(waiter, REFUSAL_NOT_FOUND, name,
		    "was removed meanwhile", "");
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

/* ---- ping, tree, deaths ---- */

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

static void
do_tree(struct control_client *client, uint64_t msgid, const void *params)
{
	(void)params;
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_tree(&writer, &client->control->view);
	finish(client, &writer);
}

static void
do_deaths(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_deaths *deaths = params;
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_deaths(
	    &writer, &client->control->view, deaths->id, (size_t)deaths->limit);
	finish(client, &writer);
}

/* ---- scale, start, stop, restart, shutdown ---- */

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
	int only = options_only_pool(options);
	if (name.count == 0 && only >= 0)
		return only;
	if (name.count == 0) {
		refuse(client, msgid, REFUSAL_BAD_ARGUMENT,
		    "there are several pools: say which");
		return -1;
	}
	for (size_t i = 0; i < options->pool_count; i++)
		if (!options->gone[i] &&
		    span_is_text(name, options->pools[i].name.text))
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
	control->events->on_fact(control->context,
	    &(struct plan_fact){ .event = PLAN_EVENT_SCALE,
		.pool = (unsigned)pool,
		.workers = to });
}

/* NULL: no room. */
static struct control_waiter *
add_waiter(struct control_client *client, uint64_t msgid, enum order order,
    const struct target *target)
{
	struct control *control = client->control;
	if (control->waiter_count == CONTROL_WAITERS_MAX)
		return NULL;
	struct control_waiter *waiter = calloc(1, sizeof(*waiter));
	if (waiter == NULL)
		return NULL;
	waiter->client = client;
	waiter->msgid = msgid;
	waiter->order = order;
	waiter->target = *target;
	if (target->kind == TARGET_CHILD)
		waiter->incarnation =
		    control->view.children[target->number].incarnation;
	LIST_INSERT_HEAD(&control->waiters, waiter, link);
	control->waiter_count++;
	return waiter;
}

static const struct {
	const char *word; /* for the log */
	enum plan_event event;
} orders[] = {
	[ORDER_START] = { "start-asked", PLAN_EVENT_START },
	[ORDER_STOP] = { "stop-asked", PLAN_EVENT_STOP },
	[ORDER_RESTART] = { "restart-asked", PLAN_EVENT_RESTART },
	[ORDER_RENEW] = { "renew-asked", PLAN_EVENT_RENEW },
};

/* Backwards, so that what is stopped together is in the order of a stop. */
static void
carry_out(
    struct control *control, enum order order, const struct target *target)
{
	for (unsigned i = control->view.plan->places; i-- > 0;)
		if (is_meant(control, target, i))
			control->events->on_fact(control->context,
			    &(struct plan_fact){
				.event = orders[order].event, .child = i });
}

static void
take_order(struct control_client *client, uint64_t msgid, enum order order,
    struct span name)
{
	struct control *control = client->control;
	struct target target;
	char text[NAME_BYTES_MAX + 64];
	if (refuse_stopping(client, msgid))
		return;
	if (!find_target(control, name, &target)) {
		snprintf(text, sizeof(text),
		    "no child and no pool '%.*s', and it is not 'workers'",
		    (int)name.count, name.bytes);
		refuse(client, msgid, REFUSAL_NOT_FOUND, text);
		return;
	}
	if (target.kind == TARGET_CHILD &&
	    control->view.plan->children[target.number].want ==
		PLAN_WANT_GONE) {
		refuse(client, msgid, REFUSAL_BAD_STATE,
		    "it is being removed by a scale");
		return;
	}
	if (order == ORDER_RESTART && target.kind != TARGET_CHILD)
		order = ORDER_RENEW;
	struct control_waiter *waiter =
	    add_waiter(client, msgid, order, &target);
	if (waiter == NULL) {
		refuse(client, msgid, REFUSAL_FULL,
		    "too many wait for an order already");
		return;
	}
	log_event(LOG_INFO, orders[order].word, "target=%s", target.name);
	carry_out(control, order, &target);
	waiter->given = true;
	control_update(control);
}

static void
do_start(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_start_child *start = params;
	take_order(client, msgid, ORDER_START, start->id);
}

static void
do_stop(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_stop_child *stop = params;
	take_order(client, msgid, ORDER_STOP, stop->id);
}

static void
do_restart(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_restart *restart = params;
	take_order(client, msgid, ORDER_RESTART, restart->id);
}

/* Workers that live are told at once, those to come begin so. */
static void
do_quiet(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_quiet *quiet = params;
	struct control *control = client->control;
	struct target target;
	uint32_t count = 0;
	if (refuse_stopping(client, msgid))
		return;
	if (!find_target(control, quiet->id, &target) ||
	    (target.kind == TARGET_CHILD && target.number == PLAN_QUEUE)) {
		refuse(client, msgid, REFUSAL_NOT_FOUND,
		    "no worker and no pool of that name, and it is not "
		    "'workers'");
		return;
	}
	log_event(LOG_INFO, quiet->on ? "quiet-asked" : "resume-asked",
	    "target=%s", target.name);
	for (unsigned i = PLAN_QUEUE + 1; i < control->view.plan->places; i++) {
		if (!is_meant(control, &target, i))
			continue;
		control->view.children[i].quiet = quiet->on;
		child_tell_rest(&control->view.children[i]);
		count++;
	}
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 2);
	put_pair_text(&writer, "id", target.name);
	put_pair(&writer, "children", count);
	finish(client, &writer);
}

/* An error is one line: what is wrong with a file may be several. */
static void
refuse_lines(struct control_client *client, uint64_t msgid, char *text)
{
	size_t count = strlen(text);
	if (count > 0 && text[count - 1] == '\n')
		text[count - 1] = '\0';
	for (char *at = text; *at != '\0'; at++)
		if (*at == '\n')
			*at = ';';
	refuse(client, msgid, REFUSAL_BAD_ARGUMENT, text);
}

static uint32_t
count_lines(const char *text)
{
	uint32_t lines = 0;
	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static void
put_lines(struct message_writer *writer, const char *text)
{
	put_array(writer, count_lines(text));
	for (const char *end; (end = strchr(text, '\n')) != NULL;
	     text = end + 1)
		put_text(writer, (struct span){ text, (size_t)(end - text) });
}

static void
do_reload(struct control_client *client, uint64_t msgid, const void *params)
{
	(void)params;
	struct control *control = client->control;
	char *text = NULL;
	if (refuse_stopping(client, msgid))
		return;
	bool taken = control->events->on_reload(control->context, &text);
	if (!taken && text != NULL) {
		refuse_lines(client, msgid, text);
	} else if (!taken) {
		refuse(client, msgid, REFUSAL_UNAVAILABLE, "out of memory");
	} else {
		struct message_writer writer;
		message_response(&writer, &client->peer.output, msgid);
		put_map(&writer, 1);
		put_key(&writer, "changes");
		put_lines(&writer, text != NULL ? text : "");
		finish(client, &writer);
	}
	free(text);
}

static void
do_shutdown(struct control_client *client, uint64_t msgid, const void *params)
{
	const struct params_shutdown *shutdown = params;
	struct control *control = client->control;
	bool has_grace = shutdown->drain_ms >= 0;
	if (has_grace && shutdown->now) {
		refuse(client, msgid, REFUSAL_BAD_ARGUMENT,
		    "drain_ms and now exclude each other");
		return;
	}
	/* What is said once more is to go faster. */
	if (has_grace && refuse_stopping(client, msgid))
		return;
	if (has_grace)
		log_event(LOG_INFO, "stopping",
		    "reason=shutdown drain_ms=%" PRId64, shutdown->drain_ms);
	else
		log_event(LOG_INFO, "stopping", "reason=shutdown now=%s",
		    shutdown->now ? "yes" : "no");
	struct message_writer writer;
	message_response(&writer, &client->peer.output, msgid);
	put_map(&writer, 0);
	finish(client, &writer);
	control->events->on_fact(control->context,
	    &(struct plan_fact){ .event = PLAN_EVENT_STOP_ALL,
		.has_grace = has_grace,
		.grace_ms = shutdown->drain_ms,
		.at_once = shutdown->now });
}

/* ---- requests ---- */

typedef void control_action(
    struct control_client *client, uint64_t msgid, const void *params);

static control_action *const control_actions[METHOD_COUNT] = {
	[METHOD_ping] = do_ping,
	[METHOD_tree] = do_tree,
	[METHOD_deaths] = do_deaths,
	[METHOD_quiet] = do_quiet,
	[METHOD_scale] = do_scale,
	[METHOD_start_child] = do_start,
	[METHOD_stop_child] = do_stop,
	[METHOD_restart] = do_restart,
	[METHOD_reload] = do_reload,
	[METHOD_shutdown] = do_shutdown,
};

static void
on_message(struct peer *peer, const struct message *message)
{
	struct control_client *client = peer->context;
	union {
		struct params_ping ping;
		struct params_tree tree;
		struct params_deaths deaths;
		struct params_quiet quiet;
		struct params_scale scale;
		struct params_start_child start;
		struct params_stop_child stop;
		struct params_restart restart;
		struct params_reload reload;
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
	int error = refusal == REFUSAL_FULL
	    ? message_refuse_for(&buffer, 0, refusal, text, RETRY_AFTER_MS)
	    : message_refuse(&buffer, 0, refusal, text);
	if (error == 0)
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
    const struct view *view, const struct control_events *events, void *context)
{
	*control = (struct control){ .view = *view,
		.events = events,
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
