/* SPDX-License-Identifier: MIT */
/*
 * Verbs that show the whole: status, tree.
 */
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/child.h"
#include "qctl/queues.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "qctl/workers.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- children ---- */

static void
add_state(struct table *table, const msgpack_object *child)
{
	enum style style;
	table_cell(table, child_shown_state(child, &style));
	table_style(table, style);
}

/* A child that does not live has neither. */
static void
add_pid(struct table *table, const msgpack_object *child)
{
	int64_t pid = answer_integer(child, "pid");
	if (pid != 0)
		table_number(table, pid);
	else
		table_text(table, "-");
}

static void
add_uptime(struct table *table, const msgpack_object *child)
{
	if (answer_integer(child, "pid") != 0)
		table_duration(table, answer_integer(child, "uptime_ms"));
	else
		table_text(table, "-");
}

static void
add_restarts(struct table *table, int64_t restarts)
{
	table_number(table, restarts);
	table_style(table, restarts == 0 ? STYLE_FAINT : STYLE_CAUTION);
}

/* ---- tree ---- */

static const struct column tree_columns[] = {
	{ .title = "PROCESS" },
	{ .title = "PID", .right = true },
	{ .title = "STATE" },
	{ .title = "UP", .right = true },
	{ .title = "RESTARTS", .right = true },
	{ .title = "NOTE", .wraps = true },
};

static int64_t
sum_restarts(struct elements children)
{
	int64_t restarts = 0;
	for (uint32_t i = 0; i < children.count; i++)
		restarts += answer_integer(&children.items[i], "restarts");
	return restarts;
}

static void
add_tree_root(struct table *table, const msgpack_object *supervisor,
    struct elements children)
{
	struct span state = answer_text(supervisor, "state");
	table_text(table, "supervisor");
	table_number(table, answer_integer(supervisor, "pid"));
	table_cell(table, state);
	table_style(table, child_state_style(state));
	table_duration(table, answer_integer(supervisor, "uptime_ms"));
	add_restarts(table, sum_restarts(children));
	table_text(table, "");
}

static void
add_tree_child(struct table *table, const msgpack_object *child, bool is_last)
{
	static const char *const branches[2][2] = {
		{ "|-", "`-" },
		{ "├─", "└─" },
	};
	char note[CHILD_NOTE_BYTES_MAX];
	struct span id = answer_text(child, "id");
	table_format(table, "%s %.*s", branches[text_is_unicode()][is_last],
	    SPAN_ARGUMENTS(id));
	add_pid(table, child);
	add_state(table, child);
	add_uptime(table, child);
	add_restarts(table, answer_integer(child, "restarts"));
	child_write_note(child, note);
	table_text(table, note);
}

static void
print_tree(const msgpack_object *tree)
{
	struct elements children = answer_elements(tree, "children");
	struct table table;
	table_init(&table, tree_columns,
	    sizeof(tree_columns) / sizeof(tree_columns[0]));
	add_tree_root(&table, map_find(tree, "supervisor"), children);
	for (uint32_t i = 0; i < children.count; i++)
		add_tree_child(
		    &table, &children.items[i], i + 1 == children.count);
	table_print(&table, stdout);
	table_release(&table);
}

int
do_tree(struct command *command)
{
	const msgpack_object *tree;
	int failed = session_call(command, METHOD_tree, NULL, 0, &tree);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_tree(tree);
	else
		rows_print_json(json_of(tree), command->form);
	return EXIT_DONE;
}

/* ---- status ---- */

static const struct column status_columns[] = {
	{ .title = "CHILD" },
	{ .title = "PID", .right = true },
	{ .title = "STATE" },
	{ .title = "UP", .right = true },
	{ .title = "RESTARTS", .right = true },
	{ .title = "NOW", .wraps = true },
};

/* What was found; the queue may not be there to be asked. */
struct overview {
	const msgpack_object *tree;
	bool has_queue;
	const msgpack_object *workers;
	struct table queues;
	json_t *document; /* all of it, for the other forms */
};

static bool
queue_is_ready(const msgpack_object *tree)
{
	struct elements children = answer_elements(tree, "children");
	for (uint32_t i = 0; i < children.count; i++)
		if (child_is_queue(&children.items[i]))
			return child_is_ready(&children.items[i]);
	return false;
}

static void
add_now(struct table *table, const struct overview *overview,
    const msgpack_object *child)
{
	char note[CHILD_NOTE_BYTES_MAX];
	const msgpack_object *worker =
	    workers_find(overview->workers, answer_text(child, "id"));
	if (child_is_ready(child) && !child_is_unhealthy(child) &&
	    worker != NULL) {
		workers_add_work(table, worker);
		return;
	}
	child_write_note(child, note);
	/* An old death is no news of a child that is well. */
	table_text(table,
	    child_is_ready(child) && !child_is_unhealthy(child) ? "" : note);
}

/* What this brake will do: ", 2 more end gsq, the oldest is forgotten in 3s" */
static void
print_window(const msgpack_object *supervisor, int64_t max_restarts)
{
	char duration[16];
	int64_t count = answer_integer(supervisor, "restarts_in_window");
	if (count == 0)
		return;
	if (max_restarts >= 0)
		printf(", %" PRId64 " more end gsq", max_restarts - count + 1);
	duration_print(answer_integer(supervisor, "window_clears_in_ms"),
	    duration, sizeof(duration));
	printf(", the oldest is forgotten in %s", duration);
}

static void
print_supervisor(const msgpack_object *supervisor)
{
	bool styled = style_wanted(stdout);
	struct span state = answer_text(supervisor, "state");
	enum style style = child_state_style(state);
	int64_t max_restarts = answer_integer(supervisor, "max_restarts");
	char uptime[16];
	char window[16];
	duration_print(
	    answer_integer(supervisor, "uptime_ms"), uptime, sizeof(uptime));
	duration_print(
	    answer_integer(supervisor, "window_ms"), window, sizeof(window));
	fputs("gsq ", stdout);
	text_print(stdout, answer_text(supervisor, "version"));
	fputs(styled ? style_begin(style) : "", stdout);
	fputc(' ', stdout);
	text_print(stdout, state);
	fputs(styled ? style_end(style) : "", stdout);
	fputs(" in ", stdout);
	text_print(stdout, answer_text(supervisor, "directory"));
	printf(" for %s, pid %" PRId64 "\nrestarts: %" PRId64 " in %s, ",
	    uptime, answer_integer(supervisor, "pid"),
	    answer_integer(supervisor, "restarts_in_window"), window);
	if (max_restarts >= 0)
		printf("at most %" PRId64, max_restarts);
	else
		fputs("no limit", stdout);
	print_window(supervisor, max_restarts);
	fputs("\n\n", stdout);
}

static void
print_children(const struct overview *overview)
{
	struct elements children = answer_elements(overview->tree, "children");
	struct table table;
	table_init(&table, status_columns,
	    sizeof(status_columns) / sizeof(status_columns[0]));
	for (uint32_t i = 0; i < children.count; i++) {
		const msgpack_object *child = &children.items[i];
		table_cell(&table, answer_text(child, "id"));
		add_pid(&table, child);
		add_state(&table, child);
		add_uptime(&table, child);
		add_restarts(&table, answer_integer(child, "restarts"));
		add_now(&table, overview, child);
	}
	table_print(&table, stdout);
	table_release(&table);
}

/* First the queues, whose rows are kept, then the workers, whose answer is. */
static int
ask_queue(struct command *command, struct overview *overview)
{
	const msgpack_object *result;
	int failed = session_call(command, METHOD_queues, NULL, 0, &result);
	if (failed != EXIT_DONE)
		return failed;
	struct elements queues = answer_elements(result, "queues");
	for (uint32_t i = 0; i < queues.count; i++)
		queues_view.fill(&overview->queues, &queues.items[i]);
	json_put(
	    overview->document, "queues", json_of(map_find(result, "queues")));
	failed =
	    session_call(command, METHOD_workers, NULL, 0, &overview->workers);
	if (failed != EXIT_DONE)
		return failed;
	json_put(overview->document, "workers",
	    json_of(map_find(overview->workers, "workers")));
	return EXIT_DONE;
}

static void
print_overview(struct overview *overview)
{
	print_supervisor(map_find(overview->tree, "supervisor"));
	print_children(overview);
	if (!overview->has_queue) {
		puts("\nThe queue is not ready: nothing is known of jobs.");
		return;
	}
	fputc('\n', stdout);
	table_print(&overview->queues, stdout);
}

int
do_status(struct command *command)
{
	struct overview overview = { .has_queue = false };
	int status =
	    session_call(command, METHOD_tree, NULL, 0, &overview.tree);
	if (status != EXIT_DONE)
		return status;
	/* {"supervisor": {}, "children": [], "queues": [], "workers": []} */
	overview.document = json_of(overview.tree);
	overview.has_queue = queue_is_ready(overview.tree);
	table_init(
	    &overview.queues, queues_view.columns, queues_view.column_count);
	if (overview.has_queue)
		status = ask_queue(command, &overview);
	if (status == EXIT_DONE && command->form == FORM_TABLE)
		print_overview(&overview);
	if (status == EXIT_DONE && command->form != FORM_TABLE)
		rows_print_json(json_incref(overview.document), command->form);
	json_decref(overview.document);
	table_release(&overview.queues);
	return status;
}
