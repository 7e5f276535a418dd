/* SPDX-License-Identifier: MIT */
/*
 * Verbs about jobs that are there: get, peek, list, why.
 */
#include "base/units.h"
#include "base/utf8.h"
#include "qctl/answer.h"
#include "qctl/attempts.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define PAGE_JOBS_MAX 1000
#define LIST_DEFAULT  100

/* ---- one job ---- */

#define LABEL_COLUMNS 10

static void
print_label(const char *label)
{
	bool styled = style_wanted(stdout);
	fputs(styled ? style_begin(STYLE_FAINT) : "", stdout);
	fputs(label, stdout);
	fputs(styled ? style_end(STYLE_FAINT) : "", stdout);
	printf("%*s", (int)(LABEL_COLUMNS - strlen(label)), "");
}

/* "running on w1 (pid 4712) for 250ms" */
static void
print_state(const msgpack_object *job)
{
	char duration[16];
	print_label("state");
	text_print(stdout, answer_text(job, "state"));
	if (answer_has(job, "cause")) {
		fputs(": ", stdout);
		text_print(stdout, answer_text(job, "cause"));
	}
	if (answer_has(job, "worker")) {
		fputs(" on ", stdout);
		text_print(stdout, answer_text(job, "worker"));
		printf(" (pid %" PRId64 ")", answer_integer(job, "worker_pid"));
	}
	if (answer_has(job, "running_ms")) {
		duration_print(answer_integer(job, "running_ms"), duration,
		    sizeof(duration));
		printf(" for %s", duration);
	}
	if (answer_has(job, "due_in_ms")) {
		duration_print(answer_integer(job, "due_in_ms"), duration,
		    sizeof(duration));
		printf(", due in %s", duration);
	}
	fputc('\n', stdout);
}

static int64_t
age_ms(int64_t wall_ms)
{
	int64_t age = clock_wall_ms() - wall_ms;
	return age > 0 ? age : 0;
}

static void
print_moment(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / SECOND_MS);
	struct tm local;
	char moment[32] = "";
	if (localtime_r(&seconds, &local) != NULL)
		strftime(moment, sizeof(moment), "%Y-%m-%d %H:%M:%S", &local);
	fputs(moment, stdout);
}

static void
print_times(const msgpack_object *job)
{
	int64_t enqueued_ms = answer_integer(job, "enqueued_ms");
	char duration[16];
	duration_print(age_ms(enqueued_ms), duration, sizeof(duration));
	print_label("enqueued");
	print_moment(enqueued_ms);
	printf(", %s ago\n", duration);
	if (answer_has(job, "due_wall_ms")) {
		print_label("due");
		print_moment(answer_integer(job, "due_wall_ms"));
		fputc('\n', stdout);
	}
	if (answer_has(job, "expires_in_ms")) {
		duration_print(answer_integer(job, "expires_in_ms"), duration,
		    sizeof(duration));
		print_label("expires");
		printf("in %s, unless it has begun\n", duration);
	}
}

/* Line by line, each below the other. */
static void
print_lines(const char *label, struct span body)
{
	print_label(label);
	while (body.count > 0) {
		const char *end = memchr(body.bytes, '\n', body.count);
		size_t count =
		    end != NULL ? (size_t)(end - body.bytes) : body.count;
		text_print(stdout, (struct span){ body.bytes, count });
		if (end == NULL)
			break;
		body.bytes += count + 1;
		body.count -= count + 1;
		if (body.count > 0)
			printf("\n%*s", LABEL_COLUMNS, "");
	}
	fputc('\n', stdout);
}

/* "42, coalesce, stands for 3 events" */
static void
print_key(const msgpack_object *job)
{
	int64_t hints = answer_integer(job, "hints");
	print_label("key");
	text_print(stdout, answer_text(job, "key"));
	fputs(", ", stdout);
	text_print(stdout, answer_text(job, "mode"));
	if (hints > 1)
		printf(", stands for %" PRId64 " events", hints);
	fputc('\n', stdout);
}

/* What they ended of, and all that is known of what the last one had to say. */
static void
print_attempts(const msgpack_object *job)
{
	struct span words = attempts_last_words(job);
	if (words.count > 0)
		print_lines("stderr", words);
	if (answer_has(job, "attempts"))
		fputc('\n', stdout);
	attempts_print(job);
}

static void
print_job(const msgpack_object *job)
{
	print_label("job");
	printf("%" PRId64 "\n", answer_integer(job, "id"));
	print_label("queue");
	text_print(stdout, answer_text(job, "queue"));
	fputc('\n', stdout);
	print_state(job);
	if (answer_has(job, "reason")) {
		print_label("reason");
		text_print(stdout, answer_text(job, "reason"));
		fputc('\n', stdout);
	}
	print_label("attempt");
	printf("%" PRId64, answer_integer(job, "attempt"));
	if (answer_has(job, "crashes"))
		printf(", %" PRId64 " of them ended by a signal",
		    answer_integer(job, "crashes"));
	fputc('\n', stdout);
	print_label("priority");
	printf("%" PRId64 "\n", answer_integer(job, "priority"));
	if (answer_has(job, "key"))
		print_key(job);
	print_times(job);
	print_label("size");
	printf("%" PRId64 " bytes\n", answer_integer(job, "body_bytes"));
	print_lines("body", answer_text(job, "body"));
	print_attempts(job);
}

static int
show_job(struct command *command, enum method method, struct gsq_field field)
{
	const msgpack_object *job;
	int failed = session_call(command, method, &field, 1, &job);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_job(job);
	else
		rows_print_json(json_of(job), command->form);
	return EXIT_DONE;
}

/* The grammar has seen that it is a number. */
static int64_t
id_of(const char *text)
{
	int64_t id = 0;
	number_read(text, 1, INT64_MAX, &id);
	return id;
}

int
do_get(struct command *command)
{
	return show_job(command, METHOD_get,
	    gsq_integer("id", id_of(command->arguments[0])));
}

int
do_peek(struct command *command)
{
	return show_job(
	    command, METHOD_peek, gsq_text("queue", command->arguments[0]));
}

/* ---- list ---- */

static const struct column list_columns[] = {
	{ .title = "ID", .right = true },
	{ .title = "QUEUE" },
	{ .title = "STATE" },
	{ .title = "TRY", .right = true },
	{ .title = "PRIO", .right = true },
	{ .title = "AGE", .right = true },
	{ .title = "KEY" },
	{ .title = "BODY" },
};

static enum style
state_style(struct span state)
{
	if (span_is_text(state, "running"))
		return STYLE_GOOD;
	if (span_is_text(state, "delayed"))
		return STYLE_CAUTION;
	return span_is_text(state, "dead") ? STYLE_BAD : STYLE_PLAIN;
}

/* The state and what matters in it: "delayed 1.5s", "running w1". */
static void
add_state(struct table *table, const msgpack_object *job)
{
	struct span state = answer_text(job, "state");
	struct span detail = answer_text(job, "worker");
	char due[16];
	if (answer_has(job, "cause"))
		detail = answer_text(job, "cause");
	if (answer_has(job, "due_in_ms")) {
		duration_print(
		    answer_integer(job, "due_in_ms"), due, sizeof(due));
		detail = span_of(due);
	}
	table_format(table, "%.*s%s%.*s", SPAN_ARGUMENTS(state),
	    detail.count > 0 ? " " : "", SPAN_ARGUMENTS(detail));
	table_style(table, state_style(state));
}

static void
fill_list_row(struct table *table, const msgpack_object *job)
{
	struct span body = answer_text(job, "body");
	bool is_cut = answer_integer(job, "body_bytes") > (int64_t)body.count;
	if (is_cut)
		body.count = utf8_whole_bytes(body);
	table_number(table, answer_integer(job, "id"));
	table_cell(table, answer_text(job, "queue"));
	add_state(table, job);
	table_number(table, answer_integer(job, "attempt"));
	table_number(table, answer_integer(job, "priority"));
	table_duration(table, age_ms(answer_integer(job, "enqueued_ms")));
	table_cell(table, answer_text(job, "key"));
	if (is_cut)
		table_format(table, "%.*s%s", SPAN_ARGUMENTS(body),
		    text_is_unicode() ? "…" : "...");
	else
		table_cell(table, body);
}

static const struct rows_view list_view = {
	.columns = list_columns,
	.column_count = sizeof(list_columns) / sizeof(list_columns[0]),
	.fill = fill_list_row,
	.nothing = "no jobs",
};

/* Where a listing stands. */
struct listing {
	int64_t after;
	int64_t left; /* jobs still wanted */
};

static int
list_page(struct command *command, struct rows *rows, struct listing *listing)
{
	int64_t limit =
	    listing->left < PAGE_JOBS_MAX ? listing->left : PAGE_JOBS_MAX;
	const struct gsq_field fields[] = {
		gsq_text("queue", command->options[OPTION_QUEUE].text),
		gsq_text("state", command->options[OPTION_STATE].text),
		gsq_text("key", command->options[OPTION_KEY].text),
		gsq_integer("after", listing->after),
		gsq_integer("limit", limit),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, METHOD_list, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	struct elements jobs = answer_elements(result, "jobs");
	for (uint32_t i = 0; i < jobs.count; i++)
		rows_add(rows, &jobs.items[i]);
	rows_flush(rows);
	int64_t next = answer_integer(result, "next");
	/* One that does not move on would be asked for ever. */
	listing->after = next > listing->after ? next : 0;
	listing->left -= limit;
	return EXIT_DONE;
}

int
do_list(struct command *command)
{
	const struct option_value *limit = &command->options[OPTION_LIMIT];
	struct listing listing = {
		.after = command->options[OPTION_AFTER].number,
		.left = limit->text == NULL ? LIST_DEFAULT : limit->number,
	};
	struct rows rows;
	int failed;
	if (listing.left == 0)
		listing.left = INT64_MAX;
	rows_begin(&rows, &list_view, command->form);
	do
		failed = list_page(command, &rows, &listing);
	while (failed == EXIT_DONE && listing.after > 0 && listing.left > 0);
	if (failed == EXIT_DONE)
		rows_end(&rows);
	else
		table_release(&rows.table);
	if (failed == EXIT_DONE && listing.after > 0 && limit->text == NULL)
		say("there are more: --after %" PRId64
		    " for the next, --limit 0 for all",
		    listing.after);
	return failed;
}

/* ---- why ---- */

int
do_why(struct command *command)
{
	const struct gsq_field by_id[] = {
		gsq_integer("id",
		    command->argument_count > 0 ? id_of(command->arguments[0])
						: 0),
	};
	const struct gsq_field by_key[] = {
		gsq_text("queue", command->options[OPTION_QUEUE].text),
		gsq_text("key", command->options[OPTION_KEY].text),
	};
	bool is_by_id = command->argument_count > 0;
	const msgpack_object *result;
	int failed =
	    session_call(command, METHOD_why, is_by_id ? by_id : by_key,
		is_by_id ? FIELD_COUNT(by_id) : FIELD_COUNT(by_key), &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form != FORM_TABLE) {
		rows_print_json(json_of(result), command->form);
		return EXIT_DONE;
	}
	printf("job %" PRId64 " is ", answer_integer(result, "id"));
	text_print(stdout, answer_text(result, "state"));
	fputs(": ", stdout);
	text_print(stdout, answer_text(result, "text"));
	fputc('\n', stdout);
	return EXIT_DONE;
}
