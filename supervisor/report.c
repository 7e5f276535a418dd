/* SPDX-License-Identifier: MIT */
#include "supervisor/report.h"

#include "sys/clock.h"

#include <string.h>
#include <unistd.h>

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

static void
put_pair_boolean(struct message_writer *writer, const char *key, bool value)
{
	put_key(writer, key);
	put_boolean(writer, value);
}

/* ---- tree ---- */

static const char *const group_names[PLAN_GROUP_COUNT] = {
	[PLAN_GROUP_BOOT] = "booting",
	[PLAN_GROUP_RUN] = "running",
	[PLAN_GROUP_STOP_WORKERS] = "stopping",
	[PLAN_GROUP_STOP_QUEUE] = "stopping",
	[PLAN_GROUP_FINISHED] = "stopping",
};

static void
put_supervisor(struct message_writer *writer, const struct view *view)
{
	const struct plan *plan = view->plan;
	int64_t now_ms = clock_monotonic_ms();
	int64_t clears_ms = plan_window_clears_ms(plan, now_ms);
	put_map(writer, 9 + (clears_ms != PLAN_NEVER));
	put_pair(writer, "pid", getpid());
	put_pair_text(writer, "version", GSQ_VERSION);
	put_pair_text(writer, "directory", view->options->directory);
	put_pair(writer, "uptime_ms", now_ms - view->started_ms);
	put_pair_text(writer, "state", group_names[plan->group]);
	put_pair(writer, "restarts_in_window",
	    (int64_t)plan_restarts_in_window(plan, now_ms));
	put_pair(writer, "max_restarts", plan_max_restarts(plan));
	put_pair(writer, "window_ms", plan->options.window_ms);
	if (clears_ms != PLAN_NEVER)
		put_pair(writer, "window_clears_in_ms", clears_ms - now_ms);
	put_pair_text(
	    writer, "strategy", restart_strategy_name(plan->options.strategy));
}

static int64_t
not_negative(int64_t value)
{
	return value > 0 ? value : 0;
}

static void
put_child(
    struct message_writer *writer, const struct view *view, unsigned place)
{
	const struct child *child = &view->children[place];
	const struct plan_child *planned = &view->plan->children[place];
	int64_t now_ms = clock_monotonic_ms();
	bool waits = planned->state == PLAN_STATE_BACKOFF;
	bool died = child->last_death[0] != '\0';
	bool sick = !child->healthy;
	bool leaves = planned->want == PLAN_WANT_GONE;
	bool renews = planned->renew || planned->renewing;
	put_map(writer,
	    11 + sick + 2 * (uint32_t)died + waits + leaves + renews +
		child->quiet);
	put_pair_text(writer, "id", child->id);
	put_pair_text(writer, "role", child->pool == NULL ? "queue" : "worker");
	put_pair_text(writer, "pool", child->pool == NULL ? "" : child->pool);
	put_pair(writer, "pid", child->pid);
	put_pair_text(writer, "state", plan_state_name(planned->state));
	put_pair(writer, "incarnation", child->incarnation);
	put_pair(writer, "uptime_ms",
	    child->pid == 0 ? 0 : now_ms - child->spawned_ms);
	put_pair(writer, "restarts", (int64_t)planned->restarts);
	put_pair(writer, "failures", (int64_t)planned->failures);
	put_pair(writer, "next_delay_ms",
	    plan_next_delay_ms(view->plan, place, now_ms));
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
	if (leaves)
		put_pair_boolean(writer, "leaving", true);
	if (child->quiet)
		put_pair_boolean(writer, "quiet", true);
	if (renews)
		put_pair_boolean(writer, "renewing", true);
}

void
put_tree(struct message_writer *writer, const struct view *view)
{
	const struct plan *plan = view->plan;
	uint32_t count = 0;
	for (unsigned i = 0; i < plan->places; i++)
		count += plan->children[i].state != PLAN_STATE_ABSENT;
	put_map(writer, 2);
	put_key(writer, "supervisor");
	put_supervisor(writer, view);
	put_key(writer, "children");
	put_array(writer, count);
	for (unsigned i = 0; i < plan->places; i++)
		if (plan->children[i].state != PLAN_STATE_ABSENT)
			put_child(writer, view, i);
}

/* ---- deaths ---- */

static void
put_death(struct message_writer *writer, const struct death_record *record,
    int64_t now_ms)
{
	put_map(writer, 9 + (record->why != NULL));
	put_pair_text(writer, "id", record->id);
	put_pair_text(writer, "how", record->how);
	put_pair(writer, "pid", record->pid);
	put_pair(writer, "incarnation", record->incarnation);
	put_pair(writer, "time_ms", record->wall_ms);
	put_pair(writer, "ms_ago", now_ms - record->time_ms);
	put_pair(writer, "up_ms", record->up_ms);
	put_pair_boolean(writer, "planned", record->planned);
	put_pair_boolean(writer, "core", record->core);
	if (record->why != NULL)
		put_pair_text(writer, "why", record->why);
}

static bool
is_asked_for(const struct death_record *record, struct span id)
{
	return id.count == 0 || span_is_text(id, record->id);
}

void
put_deaths(struct message_writer *writer, const struct view *view,
    struct span id, size_t limit)
{
	const struct deaths *deaths = view->deaths;
	int64_t now_ms = clock_monotonic_ms();
	uint32_t count = 0;
	size_t seen = 0;
	while (seen < deaths_kept(deaths) && count < limit)
		count += is_asked_for(deaths_last(deaths, seen++), id);
	put_map(writer, 2);
	put_pair(writer, "total", (int64_t)deaths->count);
	put_key(writer, "deaths");
	put_array(writer, count);
	for (size_t n = 0; n < seen; n++)
		if (is_asked_for(deaths_last(deaths, n), id))
			put_death(writer, deaths_last(deaths, n), now_ms);
}
