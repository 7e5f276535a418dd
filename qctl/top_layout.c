/* SPDX-License-Identifier: MIT */
#include "qctl/top_layout.h"

#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/child.h"
#include "qctl/say.h"
#include "qctl/workers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Wider names would push out the numbers. */
#define NAME_COLUMNS_MAX 20

/* From so many rows on there are empty ones between the parts. */
#define AIRY_ROWS 16

#define RATE_BYTES 32

static const char *const sort_names[TOP_SORT_COUNT] = {
	[TOP_SORT_NAME] = "name",
	[TOP_SORT_READY] = "ready jobs",
	[TOP_SORT_RATE] = "jobs done per second",
	[TOP_SORT_DEAD] = "dead jobs",
};

const char *
top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

/* ---- what can be selected ---- */

static int64_t
rank_of(const struct snapshot *snapshot, uint32_t at,
    const msgpack_object *queue, enum top_sort sort)
{
	switch (sort) {
	case TOP_SORT_READY:
		return answer_integer(queue, "ready");
	case TOP_SORT_RATE:
		return snapshot_rate(snapshot, at, "done");
	case TOP_SORT_DEAD:
		return answer_integer(queue, "dead");
	case TOP_SORT_NAME:
	case TOP_SORT_COUNT:
		break;
	}
	return 0;
}

static struct span
name_of(const struct top_entry *entry)
{
	return answer_text(
	    entry->object, entry->kind == TOP_CHILD ? "id" : "name");
}

/* The greatest first, and those that are equal by name. */
static int
compare(const void *left, const void *right)
{
	const struct top_entry *a = left, *b = right;
	struct span a_name = name_of(a), b_name = name_of(b);
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	size_t count =
	    a_name.count < b_name.count ? a_name.count : b_name.count;
	int order = count ? memcmp(a_name.bytes, b_name.bytes, count) : 0;
	if (order != 0)
		return order;
	return (a_name.count > b_name.count) - (a_name.count < b_name.count);
}

static void
add_entries(struct top_entry *entries, size_t *count, enum top_kind kind,
    struct elements elements)
{
	for (uint32_t i = 0; i < elements.count; i++) {
		const msgpack_object *object = &elements.items[i];
		if (kind == TOP_FOREIGN && answer_boolean(object, "supervised"))
			continue;
		entries[(*count)++] = (struct top_entry){
			.kind = kind, .at = i, .object = object
		};
	}
}

struct top_entry *
top_entries(const struct snapshot *snapshot, const struct top_view *view,
    size_t *ret_count)
{
	struct elements queues =
	    answer_elements(snapshot->stats.root, "queues");
	struct elements children =
	    answer_elements(snapshot->tree.root, "children");
	struct elements workers =
	    answer_elements(snapshot->workers.root, "workers");
	size_t room = (size_t)queues.count + children.count + workers.count;
	*ret_count = 0;
	if (room == 0)
		return NULL;
	struct top_entry *entries = calloc(room, sizeof(*entries));
	if (entries == NULL)
		out_of_memory();
	add_entries(entries, ret_count, TOP_QUEUE, queues);
	for (size_t i = 0; i < *ret_count; i++)
		entries[i].rank = rank_of(
		    snapshot, entries[i].at, entries[i].object, view->sort);
	qsort(entries, *ret_count, sizeof(*entries), compare);
	add_entries(entries, ret_count, TOP_CHILD, children);
	add_entries(entries, ret_count, TOP_FOREIGN, workers);
	return entries;
}

const struct top_entry *
top_selected(
    const struct top_entry *entries, size_t count, const struct top_view *view)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].kind == view->selected &&
		    span_is_text(name_of(&entries[i]), view->selected_name))
			return &entries[i];
	return count > 0 ? &entries[0] : NULL;
}

void
top_select(struct top_view *view, const struct top_entry *entry)
{
	struct span name = name_of(entry);
	view->selected = entry->kind;
	snprintf(view->selected_name, sizeof(view->selected_name), "%.*s",
	    SPAN_ARGUMENTS(name));
}

/* ---- cells ---- */

static void
add_name(struct table *table, struct span name)
{
	struct buffer cut = { 0 };
	text_append(&cut, name, NAME_COLUMNS_MAX);
	table_cell(
	    table, (struct span){ buffer_front(&cut), buffer_count(&cut) });
	buffer_release(&cut);
}

/* Nothing is quiet, so that something is seen. */
static void
add_count(struct table *table, int64_t count, enum style style)
{
	table_number(table, count);
	table_style(table, count == 0 ? STYLE_FAINT : style);
}

/* tenths a second: "0.5", "12.0", "340", "-". */
static void
format_rate(int64_t rate, char text[RATE_BYTES])
{
	if (rate == RATE_UNKNOWN)
		snprintf(text, RATE_BYTES, "-");
	else if (rate < 1000)
		snprintf(text, RATE_BYTES, "%" PRId64 ".%d", rate / 10,
		    (int)(rate % 10));
	else
		snprintf(text, RATE_BYTES, "%" PRId64, rate / 10);
}

static void
add_rate(struct table *table, int64_t rate, enum style style)
{
	char text[RATE_BYTES];
	format_rate(rate, text);
	table_text(table, text);
	table_style(table, rate <= 0 ? STYLE_FAINT : style);
}

static void
add_time(struct table *table, const msgpack_object *queue, const char *key)
{
	if (answer_has(queue, key)) {
		table_duration(table, answer_integer(queue, key));
	} else {
		table_text(table, "-");
		table_style(table, STYLE_FAINT);
	}
}

/* ---- queues ---- */

enum queue_column {
	QUEUE_NAME,
	QUEUE_READY,
	QUEUE_BLOCKED,
	QUEUE_DELAYED,
	QUEUE_RUNNING,
	QUEUE_DEAD,
	QUEUE_IN,
	QUEUE_DONE,
	QUEUE_FAILED,
	QUEUE_WAIT,
	QUEUE_RUN,
	QUEUE_WORKERS,
	QUEUE_COLUMN_COUNT
};

static const struct column queue_columns[QUEUE_COLUMN_COUNT] = {
	[QUEUE_NAME] = { .title = "QUEUE", .width = 8 },
	[QUEUE_READY] = { .title = "READY", .right = true },
	[QUEUE_BLOCKED] = { .title = "BLOCK", .right = true },
	[QUEUE_DELAYED] = { .title = "DELAY", .right = true },
	[QUEUE_RUNNING] = { .title = "RUN", .right = true },
	[QUEUE_DEAD] = { .title = "DEAD", .right = true },
	[QUEUE_IN] = { .title = "IN/S", .right = true, .width = 5 },
	[QUEUE_DONE] = { .title = "DONE/S", .right = true },
	[QUEUE_FAILED] = { .title = "FAIL/S", .right = true },
	[QUEUE_WAIT] = { .title = "WAIT95", .right = true },
	[QUEUE_RUN] = { .title = "RUN95", .right = true },
	[QUEUE_WORKERS] = { .title = "WORK", .right = true },
};

static const unsigned char queue_drops[] = { QUEUE_WORKERS, QUEUE_RUN,
	QUEUE_BLOCKED, QUEUE_DELAYED, QUEUE_WAIT, QUEUE_FAILED, QUEUE_IN,
	QUEUE_DEAD, QUEUE_RUNNING, QUEUE_DONE };

static void
add_queue_name(struct table *table, const msgpack_object *queue)
{
	struct buffer cut = { 0 };
	bool is_paused = answer_boolean(queue, "paused");
	bool is_draining = answer_boolean(queue, "draining");
	text_append(&cut, answer_text(queue, "name"), NAME_COLUMNS_MAX);
	if (is_paused)
		text_append(&cut, SPAN_LITERAL(" (paused)"), NAME_COLUMNS_MAX);
	if (is_draining)
		text_append(
		    &cut, SPAN_LITERAL(" (draining)"), NAME_COLUMNS_MAX);
	table_cell(
	    table, (struct span){ buffer_front(&cut), buffer_count(&cut) });
	if (is_paused || is_draining)
		table_style(table, STYLE_CAUTION);
	buffer_release(&cut);
}

static void
add_queue(struct table *table, const struct snapshot *snapshot,
    const struct top_entry *entry)
{
	const msgpack_object *queue = entry->object;
	add_queue_name(table, queue);
	add_count(table, answer_integer(queue, "ready"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "blocked"), STYLE_PLAIN);
	add_count(table, answer_integer(queue, "delayed"), STYLE_CAUTION);
	add_count(table, answer_integer(queue, "running"), STYLE_GOOD);
	add_count(table, answer_integer(queue, "dead"), STYLE_BAD);
	add_rate(
	    table, snapshot_rate(snapshot, entry->at, "enqueued"), STYLE_PLAIN);
	add_rate(table, snapshot_rate(snapshot, entry->at, "done"), STYLE_GOOD);
	add_rate(
	    table, snapshot_rate(snapshot, entry->at, "failed"), STYLE_BAD);
	add_time(table, queue, "wait_p95_ms");
	add_time(table, queue, "run_p95_ms");
	add_count(table, answer_integer(queue, "subscribers"), STYLE_PLAIN);
}

/* ---- processes ---- */

enum process_column {
	PROCESS_NAME,
	PROCESS_POOL,
	PROCESS_PID,
	PROCESS_STATE,
	PROCESS_UP,
	PROCESS_RESTARTS,
	PROCESS_DONE,
	PROCESS_NOW,
	PROCESS_COLUMN_COUNT
};

static const struct column process_columns[PROCESS_COLUMN_COUNT] = {
	[PROCESS_NAME] = { .title = "PROCESS", .width = 8 },
	[PROCESS_POOL] = { .title = "POOL" },
	[PROCESS_PID] = { .title = "PID", .right = true },
	[PROCESS_STATE] = { .title = "STATE", .width = 5 },
	[PROCESS_UP] = { .title = "UP", .right = true },
	[PROCESS_RESTARTS] = { .title = "DIED", .right = true },
	[PROCESS_DONE] = { .title = "DONE", .right = true },
	[PROCESS_NOW] = { .title = "NOW" },
};

static const unsigned char process_drops[] = { PROCESS_POOL, PROCESS_DONE,
	PROCESS_RESTARTS, PROCESS_PID, PROCESS_UP };

static void
add_dash(struct table *table)
{
	table_text(table, "-");
	table_style(table, STYLE_FAINT);
}

static void
add_child(struct table *table, const struct snapshot *snapshot,
    const msgpack_object *child)
{
	char note[CHILD_NOTE_BYTES_MAX];
	enum style style;
	bool lives = answer_integer(child, "pid") != 0;
	bool is_well = child_is_ready(child) && !child_is_unhealthy(child);
	const msgpack_object *worker = child_is_queue(child)
	    ? NULL
	    : workers_find(snapshot->workers.root, answer_text(child, "id"));
	add_name(table, answer_text(child, "id"));
	add_name(table, answer_text(child, "pool"));
	if (lives)
		table_number(table, answer_integer(child, "pid"));
	else
		add_dash(table);
	table_cell(table, child_shown_state(child, &style));
	table_style(table, style);
	if (lives)
		table_duration(table, answer_integer(child, "uptime_ms"));
	else
		add_dash(table);
	add_count(table, answer_integer(child, "restarts"), STYLE_CAUTION);
	if (worker != NULL)
		add_count(table, answer_integer(worker, "done"), STYLE_PLAIN);
	else
		table_text(table, "");
	if (is_well && worker != NULL) {
		workers_add_work(table, worker);
		return;
	}
	child_write_brief(child, note);
	table_text(table, is_well ? "" : note);
}

static void
add_foreign(struct table *table, const msgpack_object *worker)
{
	bool is_connected = answer_boolean(worker, "connected");
	add_name(table, answer_text(worker, "name"));
	table_text(table, "");
	table_number(table, answer_integer(worker, "pid"));
	table_text(table, is_connected ? "outside" : "lost");
	table_style(table, is_connected ? STYLE_PLAIN : STYLE_CAUTION);
	table_text(table, "");
	table_text(table, "");
	add_count(table, answer_integer(worker, "done"), STYLE_PLAIN);
	workers_add_work(table, worker);
}

static void
add_process(struct table *table, const struct snapshot *snapshot,
    const struct top_entry *entry)
{
	if (entry->kind == TOP_CHILD)
		add_child(table, snapshot, entry->object);
	else
		add_foreign(table, entry->object);
}

/* ---- a part of the page ---- */

struct part {
	const struct column *columns;
	size_t column_count;
	const unsigned char *drops;
	size_t drop_count;
	void (*add)(struct table *table, const struct snapshot *snapshot,
	    const struct top_entry *entry);
};

static const struct part queues_part = { queue_columns, QUEUE_COLUMN_COUNT,
	queue_drops, sizeof(queue_drops), add_queue };

static const struct part processes_part = { process_columns,
	PROCESS_COLUMN_COUNT, process_drops, sizeof(process_drops),
	add_process };

struct place_on_page {
	size_t row;    /* of the titles */
	size_t height; /* rows behind them */
};

/* Only what is seen is made. Where not all is, the title says so: "QUEUE 4-9
 * of 40". */
static void
put_part(struct page *page, const struct part *part,
    const struct snapshot *snapshot, const struct top_entry *entries,
    size_t count, const struct top_entry *selected,
    const struct place_on_page *place)
{
	struct column columns[TABLE_COLUMNS_MAX];
	char title[80];
	struct table table;
	struct page_window window = {
		.row = place->row, .height = place->height, .marked = SIZE_MAX
	};
	size_t chosen = selected >= entries && selected < entries + count
	    ? (size_t)(selected - entries)
	    : SIZE_MAX;
	size_t first = chosen != SIZE_MAX && chosen >= place->height
	    ? chosen - place->height + 1
	    : 0;
	memcpy(columns, part->columns, part->column_count * sizeof(*columns));
	if (count > place->height) {
		snprintf(title, sizeof(title), "%s %zu-%zu of %zu",
		    columns[0].title, first + 1, first + place->height, count);
		columns[0].title = title;
	}
	table_init(&table, columns, part->column_count);
	for (size_t i = first; i < count && i < first + place->height; i++)
		part->add(&table, snapshot, &entries[i]);
	if (chosen != SIZE_MAX)
		window.marked = chosen - first;
	page_table(page, &table, &window, part->drops, part->drop_count);
	table_release(&table);
}

/* Each has what it needs; where that is too much, a half, and what the other
 * does not need. */
static size_t
share_of_queues(size_t rows, size_t queues, size_t processes)
{
	if (queues + processes <= rows)
		return queues;
	size_t half = rows / 2;
	if (queues <= half)
		return queues;
	return processes < rows - half ? rows - processes : half;
}

/* From that row to that one, which is not part of it. */
static void
put_parts(struct page *page, const struct snapshot *snapshot,
    const struct top_view *view, size_t row, size_t end)
{
	size_t count;
	struct top_entry *entries = top_entries(snapshot, view, &count);
	const struct top_entry *selected = top_selected(entries, count, view);
	size_t queues = 0;
	size_t gap = page->rows >= AIRY_ROWS;
	while (queues < count && entries[queues].kind == TOP_QUEUE)
		queues++;
	if (end >= row + 2 + gap + 2) {
		size_t rows = end - row - 2 - gap;
		struct place_on_page place = { row,
			share_of_queues(rows, queues, count - queues) };
		put_part(page, &queues_part, snapshot, entries, queues,
		    selected, &place);
		place.row = row + 1 + place.height + gap;
		place.height = rows - place.height;
		put_part(page, &processes_part, snapshot, entries + queues,
		    count - queues, selected, &place);
	} else if (end >= row + 2) {
		/* Room for one of them: where the user is. */
		bool is_queue = selected == NULL || selected->kind == TOP_QUEUE;
		struct place_on_page place = { row, end - row - 1 };
		put_part(page, is_queue ? &queues_part : &processes_part,
		    snapshot, is_queue ? entries : entries + queues,
		    is_queue ? queues : count - queues, selected, &place);
	}
	free(entries);
}

/* ---- the head ---- */

static void
put_supervisor(struct page *page, const struct snapshot *snapshot,
    const struct top_view *view)
{
	const msgpack_object *supervisor =
	    map_find(snapshot->tree.root, "supervisor");
	struct span state = answer_text(supervisor, "state");
	char uptime[16];
	if (view->supervisor_away[0] != '\0') {
		page_format(page, 0, 0, STYLE_BAD, "the supervisor is away: %s",
		    view->supervisor_away);
		return;
	}
	duration_print(
	    answer_integer(supervisor, "uptime_ms"), uptime, sizeof(uptime));
	size_t at = page_format(page, 0, 0, STYLE_TITLE, "gsq %.*s ",
	    SPAN_ARGUMENTS(answer_text(supervisor, "version")));
	at = page_put(page, 0, at, state, child_state_style(state));
	page_format(page, 0, at, STYLE_PLAIN,
	    " for %s, pid %" PRId64 ", in %.*s", uptime,
	    answer_integer(supervisor, "pid"),
	    SPAN_ARGUMENTS(answer_text(supervisor, "directory")));
}

static size_t
put_total_rate(struct page *page, size_t at, const struct snapshot *snapshot,
    const char *counter, const char *words)
{
	char text[RATE_BYTES];
	format_rate(snapshot_rate(snapshot, RATE_OF_ALL, counter), text);
	return page_format(page, 1, at, STYLE_PLAIN, "%s %s", text, words);
}

static void
put_jobs(struct page *page, const struct snapshot *snapshot,
    const struct top_view *view)
{
	int64_t jobs = answer_integer(snapshot->stats.root, "jobs");
	if (view->queue_away[0] != '\0') {
		page_format(page, 1, 0, STYLE_BAD, "the queue is away: %s",
		    view->queue_away);
		return;
	}
	if (snapshot->stats.root == NULL)
		return;
	size_t at = page_format(page, 1, 0, STYLE_PLAIN,
	    "%" PRId64 " job%s; per second ", jobs, jobs == 1 ? "" : "s");
	at = put_total_rate(page, at, snapshot, "enqueued", "come, ");
	at = put_total_rate(page, at, snapshot, "done", "are done, ");
	at = put_total_rate(page, at, snapshot, "failed", "fail");
	page_format(page, 1, at, STYLE_FAINT, "; queues by %s",
	    top_sort_name(view->sort));
}

/* ---- the foot ---- */

static void
put_foot(struct page *page, const struct top_view *view, size_t row)
{
	size_t at = 0;
	if (view->question[0] != '\0') {
		page_format(page, row, 0, STYLE_CAUTION, "%s", view->question);
		return;
	}
	if (view->message[0] != '\0') {
		page_format(page, row, 0, STYLE_TITLE, "%s", view->message);
		return;
	}
	for (size_t i = 0; i < view->help_count; i++) {
		if (view->help[i].word == NULL)
			continue;
		at = page_format(page, row, at, STYLE_TITLE, "%s%s",
		    at > 0 ? "  " : "", view->help[i].key);
		at = page_format(
		    page, row, at, STYLE_FAINT, " %s", view->help[i].word);
	}
}

static void
put_help(struct page *page, const struct top_view *view)
{
	page_format(page, 0, 0, STYLE_TITLE, "Keys");
	for (size_t i = 0; i < view->help_count; i++) {
		page_format(
		    page, 2 + i, 2, STYLE_TITLE, "%s", view->help[i].key);
		page_format(
		    page, 2 + i, 12, STYLE_PLAIN, "%s", view->help[i].help);
	}
	page_format(
	    page, 3 + view->help_count, 0, STYLE_FAINT, "Any key leads back.");
}

/* ---- the page ---- */

void
top_layout(struct page *page, const struct snapshot *snapshot,
    const struct top_view *view)
{
	if (view->wants_help) {
		put_help(page, view);
		return;
	}
	size_t head = page->rows >= 4 ? 2 : 1;
	size_t foot = page->rows >= 2;
	size_t gap = page->rows >= AIRY_ROWS;
	put_supervisor(page, snapshot, view);
	if (head > 1)
		put_jobs(page, snapshot, view);
	if (page->rows > head + gap + foot)
		put_parts(page, snapshot, view, head + gap, page->rows - foot);
	if (foot > 0)
		put_foot(page, view, page->rows - 1);
}
