/* SPDX-License-Identifier: MIT */
/*
 * The verb top: the whole on one screen, as it changes, and keys to act on it.
 * A key is a row of the table below.
 */
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/child.h"
#include "qctl/gather.h"
#include "qctl/say.h"
#include "qctl/screen.h"
#include "qctl/session.h"
#include "qctl/top_layout.h"
#include "qctl/workers.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_MS     SECOND_MS
#define START_MS_MAX   (10 * SECOND_MS)
#define ENTRIES_A_PAGE 10

struct top {
	struct command *command;
	struct gather gather;
	struct top_view view;
	struct page page;
	bool is_over;
	int status;
	int64_t ask_at_ms;		  /* 0: now */
	char subject[NAME_BYTES_MAX + 1]; /* what the question is about */
	void (*agreed)(
	    struct top *top);	       /* what "yes" does; NULL: no question */
	char pool[NAME_BYTES_MAX + 1]; /* that was scaled last, to so many */
	int64_t workers;
	char queue[NAME_BYTES_MAX + 1]; /* that was steered last */
	int64_t retried;		/* dead jobs of it, so far */
	int64_t job;			/* that the question is about */
};

/* Dead jobs that one request takes: some milliseconds of the queue's time. */
#define RETRY_JOBS_MAX 1000

static void __attribute__((format(printf, 2, 3)))
tell(struct top *top, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(
	    top->view.message, sizeof(top->view.message), format, arguments);
	va_end(arguments);
}

static void
copy_name(char name[NAME_BYTES_MAX + 1], struct span text)
{
	snprintf(name, NAME_BYTES_MAX + 1, "%.*s", SPAN_ARGUMENTS(text));
}

/* ---- the selection ---- */

/* The selected one, to be freed by way of ret_entries; NULL without any. */
static const struct top_entry *
selected(const struct top *top, struct top_entry **ret_entries)
{
	size_t count;
	*ret_entries = top_entries(&top->gather.snapshot, &top->view, &count);
	return top_selected(*ret_entries, count, &top->view);
}

static void
move(struct top *top, int64_t by)
{
	size_t count;
	struct top_entry *entries =
	    top_entries(&top->gather.snapshot, &top->view, &count);
	const struct top_entry *entry =
	    top_selected(entries, count, &top->view);
	if (entry != NULL) {
		int64_t at = (int64_t)(entry - entries) + by;
		if (at < 0)
			at = 0;
		if (at >= (int64_t)count)
			at = (int64_t)count - 1;
		top_select(&top->view, &entries[at]);
	}
	free(entries);
}

static void
act_up(struct top *top)
{
	move(top, -1);
}

static void
act_down(struct top *top)
{
	move(top, 1);
}

static void
act_page_up(struct top *top)
{
	move(top, -ENTRIES_A_PAGE);
}

static void
act_page_down(struct top *top)
{
	move(top, ENTRIES_A_PAGE);
}

static void
act_first(struct top *top)
{
	move(top, INT32_MIN);
}

static void
act_last(struct top *top)
{
	move(top, INT32_MAX);
}

/* ---- looking ---- */

static void
act_quit(struct top *top)
{
	top->is_over = true;
}

static void
act_help(struct top *top)
{
	top->view.wants_help = true;
}

static void
act_sort(struct top *top)
{
	top->view.sort = (top->view.sort + 1) % TOP_SORT_COUNT;
	tell(top, "queues are sorted by %s", top_sort_name(top->view.sort));
}

static void
act_refresh(struct top *top)
{
	top->ask_at_ms = 0;
}

static void
act_redraw(struct top *top)
{
	(void)top;
	screen_spoiled();
}

/* ---- asking first ---- */

static void
ask_user(struct top *top, struct span subject, void (*agreed)(struct top *top))
{
	copy_name(top->subject, subject);
	top->agreed = agreed;
}

static void
end_question(struct top *top)
{
	top->view.question[0] = '\0';
	top->agreed = NULL;
}

/* ---- restart ---- */

static void
restart(struct top *top)
{
	struct gsq_field field = gsq_text("id", top->subject);
	char words[TOP_WORDS_MAX];
	if (gather_want(&top->gather, METHOD_restart, &field, 1,
		clock_monotonic_ms(), words))
		tell(top, "%s is being restarted ...", top->subject);
	else
		tell(top, "%s", words);
}

/* ", which runs job 812" */
static void
write_work(const struct top *top, struct span id, char *text, size_t text_bytes)
{
	struct elements jobs = answer_elements(
	    workers_find(top->gather.snapshot.workers.root, id), "jobs");
	text[0] = '\0';
	if (jobs.count > 0)
		snprintf(text, text_bytes, ", which runs job %" PRId64,
		    answer_integer(&jobs.items[0], "id"));
}

static void
act_restart(struct top *top)
{
	struct top_entry *entries;
	const struct top_entry *entry = selected(top, &entries);
	char work[64];
	if (entry == NULL || entry->kind != TOP_CHILD) {
		tell(top, "select a process that gsq has started (up, down)");
	} else {
		struct span id = answer_text(entry->object, "id");
		write_work(top, id, work, sizeof(work));
		ask_user(top, id, restart);
		snprintf(top->view.question, sizeof(top->view.question),
		    "restart %s%s? (y, or any other key)", top->subject, work);
	}
	free(entries);
}

/* ---- scale ---- */

/* The pool of the selected worker, or of one that serves the selected queue. */
static struct span
pool_of(const struct top *top, const struct top_entry *entry)
{
	const struct snapshot *snapshot = &top->gather.snapshot;
	struct elements children =
	    answer_elements(snapshot->tree.root, "children");
	if (entry->kind == TOP_CHILD)
		return answer_text(entry->object, "pool");
	for (uint32_t i = 0; i < children.count; i++) {
		const msgpack_object *child = &children.items[i];
		const msgpack_object *worker = workers_find(
		    snapshot->workers.root, answer_text(child, "id"));
		if (entry->kind == TOP_QUEUE && worker != NULL &&
		    span_is(answer_text(worker, "queue"),
			answer_text(entry->object, "name")))
			return answer_text(child, "pool");
	}
	return SPAN_LITERAL("");
}

/* Those that are to stay. */
static int64_t
count_workers(const struct top *top, struct span pool)
{
	struct elements children =
	    answer_elements(top->gather.snapshot.tree.root, "children");
	int64_t count = 0;
	/* The tree does not know yet what was asked for a moment ago. */
	if (gather_awaits(&top->gather, METHOD_scale) &&
	    span_is_text(pool, top->pool))
		return top->workers;
	for (uint32_t i = 0; i < children.count; i++)
		count +=
		    span_is(answer_text(&children.items[i], "pool"), pool) &&
		    !answer_boolean(&children.items[i], "leaving");
	return count;
}

static void
scale_pool(struct top *top, struct span pool, int64_t by)
{
	char words[TOP_WORDS_MAX];
	int64_t workers = count_workers(top, pool) + by;
	if (workers < 0) {
		tell(top, "pool '%.*s' has no worker", SPAN_ARGUMENTS(pool));
		return;
	}
	copy_name(top->pool, pool);
	top->workers = workers;
	const struct gsq_field fields[] = {
		gsq_integer("workers", workers),
		gsq_text("pool", top->pool),
	};
	if (!gather_want(&top->gather, METHOD_scale, fields,
		FIELD_COUNT(fields), clock_monotonic_ms(), words))
		tell(top, "%s", words);
}

static void
scale_selected(struct top *top, int64_t by)
{
	struct top_entry *entries;
	const struct top_entry *entry = selected(top, &entries);
	struct span pool =
	    entry != NULL ? pool_of(top, entry) : SPAN_LITERAL("");
	if (pool.count > 0)
		scale_pool(top, pool, by);
	else
		tell(top,
		    "select a worker of the pool, or its queue (up, "
		    "down)");
	free(entries);
}

static void
act_more(struct top *top)
{
	scale_selected(top, 1);
}

static void
act_fewer(struct top *top)
{
	scale_selected(top, -1);
}

/* ---- queues ---- */

/* The selected queue; NULL, having said so, when it is none. To be freed by way
 * of ret_entries. */
static const msgpack_object *
selected_queue(struct top *top, struct top_entry **ret_entries)
{
	const struct top_entry *entry = selected(top, ret_entries);
	if (entry != NULL && entry->kind == TOP_QUEUE)
		return entry->object;
	tell(top, "select a queue (up, down)");
	return NULL;
}

/* One after the other, so that an answer is known to be that of a queue. */
static bool
steers_already(struct top *top)
{
	if (!gather_awaits(&top->gather, METHOD_pause) &&
	    !gather_awaits(&top->gather, METHOD_resume) &&
	    !gather_awaits(&top->gather, METHOD_retry))
		return false;
	tell(top, "%s has not been answered for yet: try again", top->queue);
	return true;
}

static void
act_pause(struct top *top)
{
	struct top_entry *entries;
	const msgpack_object *queue = selected_queue(top, &entries);
	char words[TOP_WORDS_MAX];
	if (queue != NULL && !steers_already(top)) {
		copy_name(top->queue, answer_text(queue, "name"));
		struct gsq_field field = gsq_text("queue", top->queue);
		if (!gather_want(&top->gather,
			answer_boolean(queue, "paused") ? METHOD_resume
							: METHOD_pause,
			&field, 1, clock_monotonic_ms(), words))
			tell(top, "%s", words);
	}
	free(entries);
}

/* A page of them; the answer asks for the next one. */
static void
retry_page(struct top *top, int64_t after)
{
	char words[TOP_WORDS_MAX];
	const struct gsq_field fields[] = {
		gsq_text("queue", top->queue),
		gsq_text("state", "dead"),
		gsq_integer("after", after),
		gsq_integer("limit", RETRY_JOBS_MAX),
	};
	if (!gather_want(&top->gather, METHOD_retry, fields,
		FIELD_COUNT(fields), clock_monotonic_ms(), words))
		tell(top, "%s", words);
}

static void
retry_dead(struct top *top)
{
	if (steers_already(top))
		return;
	copy_name(top->queue, span_of(top->subject));
	top->retried = 0;
	retry_page(top, 0);
}

static void
on_retried(struct top *top, const msgpack_object *result)
{
	int64_t next = answer_integer(result, "next");
	top->retried += answer_integer(result, "count");
	tell(top, "%s: %" PRId64 " dead job%s retried", top->queue,
	    top->retried, top->retried == 1 ? " is" : "s are");
	if (next > 0)
		retry_page(top, next);
}

static void
act_retry(struct top *top)
{
	struct top_entry *entries;
	const msgpack_object *queue = selected_queue(top, &entries);
	int64_t dead = answer_integer(queue, "dead");
	if (queue != NULL && dead == 0) {
		tell(top, "no job of that queue is dead");
	} else if (queue != NULL) {
		ask_user(top, answer_text(queue, "name"), retry_dead);
		snprintf(top->view.question, sizeof(top->view.question),
		    "retry %" PRId64 " dead job%s of %s? (y, or any other key)",
		    dead, dead == 1 ? "" : "s", top->subject);
	}
	free(entries);
}

/* ---- cancel ---- */

static void
cancel_job(struct top *top)
{
	struct gsq_field field = gsq_integer("id", top->job);
	char words[TOP_WORDS_MAX];
	if (!gather_want(&top->gather, METHOD_cancel, &field, 1,
		clock_monotonic_ms(), words))
		tell(top, "%s", words);
}

/* What the selected worker runs, the first where that are several. */
static int64_t
running_job(const struct top *top, const struct top_entry *entry)
{
	const msgpack_object *worker = NULL;
	if (entry != NULL && entry->kind == TOP_FOREIGN)
		worker = entry->object;
	else if (entry != NULL && entry->kind == TOP_CHILD)
		worker = workers_find(top->gather.snapshot.workers.root,
		    answer_text(entry->object, "id"));
	struct elements jobs = answer_elements(worker, "jobs");
	return jobs.count > 0 ? answer_integer(&jobs.items[0], "id") : 0;
}

static void
act_cancel(struct top *top)
{
	struct top_entry *entries;
	const struct top_entry *entry = selected(top, &entries);
	top->job = running_job(top, entry);
	if (top->job == 0) {
		tell(top, "select a worker that runs a job (up, down)");
	} else {
		ask_user(top,
		    answer_text(entry->object,
			entry->kind == TOP_CHILD ? "id" : "name"),
		    cancel_job);
		snprintf(top->view.question, sizeof(top->view.question),
		    "cancel job %" PRId64
		    ", which %s runs? (y, or any other key)",
		    top->job, top->subject);
	}
	free(entries);
}

/* ---- answers ---- */

static void
tell_answer(struct top *top, enum method method, const msgpack_object *result)
{
	struct span pool = answer_text(result, "pool");
	int64_t to = answer_integer(result, "to");
	if (method == METHOD_scale)
		tell(top, "%.*s: %" PRId64 " worker%s, before %" PRId64,
		    SPAN_ARGUMENTS(pool), to, to == 1 ? "" : "s",
		    answer_integer(result, "from"));
	else if (method == METHOD_pause)
		tell(top, "%s is paused: p again lets it go on", top->queue);
	else if (method == METHOD_resume)
		tell(top, "%s goes on", top->queue);
	else if (method == METHOD_retry)
		on_retried(top, result);
	else if (method == METHOD_cancel)
		tell(top, "job %" PRId64 ": %.*s", answer_integer(result, "id"),
		    SPAN_ARGUMENTS(answer_text(result, "result")));
	else
		tell(top, "%.*s: ready again, pid %" PRId64,
		    SPAN_ARGUMENTS(answer_text(result, "id")),
		    answer_integer(result, "pid"));
}

static void
on_answer(void *context, enum method method, const msgpack_object *result,
    const char *words)
{
	struct top *top = context;
	if (result == NULL)
		tell(top, "%s: %s", method_name(method), words);
	else
		tell_answer(top, method, result);
	act_refresh(top);
}

/* ---- the keys ---- */

/* To add one: a row. Its word stands at the foot of the screen. */
static const struct key_row {
	int key;
	int other; /* does the same; 0: none */
	struct top_help help;
	void (*act)(struct top *top);
} key_rows[] = {
	{ 'q', 'Q', { "q", "quit", "quit" }, act_quit },
	{ 'h', '?', { "h", "help", "this help (?, F1)" }, act_help },
	{ 's', 0,
	    { "s", "sort", "sort queues by name, ready jobs, rate, dead jobs" },
	    act_sort },
	{ SCREEN_KEY_UP, 0,
	    { "up", NULL, "select the queue or process above (page up, home)" },
	    act_up },
	{ SCREEN_KEY_DOWN, 0,
	    { "down", NULL, "select the one below (page down, end)" },
	    act_down },
	{ 'k', 'r',
	    { "k", "restart",
		"restart (kill) the selected process, when you say yes" },
	    act_restart },
	{ '+', '=',
	    { "+", "more", "one worker more in the pool of the selected one" },
	    act_more },
	{ '-', '_', { "-", "fewer", "one worker fewer" }, act_fewer },
	{ 'p', 0, { "p", "pause", "pause the selected queue, or let it go on" },
	    act_pause },
	{ 'd', 0,
	    { "d", "retry",
		"retry the dead jobs of the selected queue, when you say yes" },
	    act_retry },
	{ 'x', 0,
	    { "x", "cancel",
		"cancel the job of the selected worker, when you say yes" },
	    act_cancel },
	{ ' ', 0, { "space", NULL, "ask anew now" }, act_refresh },
	{ SCREEN_KEY_REDRAW, 0, { "Ctrl-L", NULL, "draw the screen anew" },
	    act_redraw },
	{ SCREEN_KEY_HELP, 0, { NULL, NULL, NULL }, act_help },
	{ SCREEN_KEY_PAGE_UP, 0, { NULL, NULL, NULL }, act_page_up },
	{ SCREEN_KEY_PAGE_DOWN, 0, { NULL, NULL, NULL }, act_page_down },
	{ SCREEN_KEY_HOME, 0, { NULL, NULL, NULL }, act_first },
	{ SCREEN_KEY_END, 0, { NULL, NULL, NULL }, act_last },
};

#define KEY_COUNT (sizeof(key_rows) / sizeof(key_rows[0]))

static void
on_key(struct top *top, int key)
{
	void (*agreed)(struct top * top) = top->agreed;
	if (key == SCREEN_KEY_RESIZED)
		return;
	top->view.message[0] = '\0';
	if (agreed != NULL) {
		end_question(top);
		if (key == 'y' || key == 'Y')
			agreed(top);
		return;
	}
	if (top->view.wants_help) {
		top->view.wants_help = false;
		return;
	}
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (key_rows[i].key == key || key_rows[i].other == key) {
			key_rows[i].act(top);
			return;
		}
	tell(top, "no such key: h for help");
}

/* ---- the loop ---- */

static void
draw(struct top *top)
{
	size_t rows, columns;
	struct top_view *view = &top->view;
	snprintf(view->queue_away, sizeof(view->queue_away), "%s",
	    top->gather.away[SOCKET_OF_QUEUE]);
	snprintf(view->supervisor_away, sizeof(view->supervisor_away), "%s",
	    top->gather.away[SOCKET_OF_SUPERVISOR]);
	screen_size(&rows, &columns);
	page_begin(&top->page, rows, columns);
	top_layout(&top->page, &top->gather.snapshot, view);
	screen_draw(&top->page);
}

static int64_t
earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static void
wait_for_something(struct top *top)
{
	struct pollfd fds[SOCKET_COUNT];
	size_t count = gather_fds(&top->gather, fds);
	int64_t left_ms = top->ask_at_ms - clock_monotonic_ms();
	int64_t deadline_ms = session_left_ms(top->command);
	if (deadline_ms != GSQ_NO_TIMEOUT)
		left_ms = earlier(left_ms, deadline_ms);
	if (!screen_wait(fds, count, left_ms > 0 ? left_ms : 0)) {
		top->is_over = true;
		top->status = EXIT_INTERRUPTED;
	}
}

static void
turn(struct top *top)
{
	int64_t now_ms = clock_monotonic_ms();
	int key;
	if (session_left_ms(top->command) == 0) {
		top->is_over = true;
		top->status = EXIT_TIMED_OUT;
		return;
	}
	if (now_ms >= top->ask_at_ms) {
		gather_ask(&top->gather, now_ms);
		top->ask_at_ms = now_ms + REFRESH_MS;
	}
	gather_receive(&top->gather, now_ms);
	draw(top);
	wait_for_something(top);
	while (!top->is_over && (key = screen_key()) != SCREEN_NO_KEY)
		on_key(top, key);
}

/* Says why, while that can still be read. */
static int
start(struct top *top)
{
	struct command *command = top->command;
	int64_t deadline_ms = command->deadline_ms;
	const msgpack_object *tree;
	const char *wrong = screen_check();
	if (wrong == NULL && command->form != FORM_TABLE)
		wrong = "top draws on a terminal; for programs there are "
			"'qctl status -o json' and 'qctl stats -o json'";
	if (wrong != NULL) {
		say("%s", wrong);
		return EXIT_USAGE;
	}
	if (deadline_ms == GSQ_NO_TIMEOUT)
		command->deadline_ms = clock_monotonic_ms() + START_MS_MAX;
	int failed = session_call(command, METHOD_tree, NULL, 0, &tree);
	command->deadline_ms = deadline_ms;
	if (failed != EXIT_DONE)
		return failed;
	snapshot_take_tree(&top->gather.snapshot, tree);
	if (screen_open())
		return EXIT_DONE;
	say("the terminal cannot be prepared");
	return EXIT_SYSTEM;
}

int
do_top(struct command *command)
{
	static struct top_help help[KEY_COUNT];
	struct top top = { .command = command, .view = { .help = help } };
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (key_rows[i].help.key != NULL)
			help[top.view.help_count++] = key_rows[i].help;
	gather_init(&top.gather, command, on_answer, &top);
	int failed = start(&top);
	if (failed == EXIT_DONE) {
		say_before(screen_close);
		while (!top.is_over && screen_ended_by() == 0)
			turn(&top);
		say_before(NULL);
		screen_close();
	}
	gather_release(&top.gather);
	page_release(&top.page);
	if (screen_ended_by() != 0)
		screen_die(screen_ended_by());
	return failed != EXIT_DONE ? failed : top.status;
}
