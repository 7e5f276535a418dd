/* SPDX-License-Identifier: MIT */
#include "qctl/attempts.h"

#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/table.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static const struct column columns[] = {
	{ .title = "TRY", .right = true },
	{ .title = "BEGAN" },
	{ .title = "OUTCOME" },
	{ .title = "HOW" },
	{ .title = "TOOK", .right = true },
	{ .title = "CPU", .right = true },
	{ .title = "PEAK", .right = true },
	{ .title = "WORKER" },
	{ .title = "LAST WORDS" },
};

static void
add_moment(struct table *table, const msgpack_object *attempt)
{
	time_t seconds = (time_t)(answer_integer(attempt, "began_ms") / 1000);
	struct tm local;
	char moment[32] = "-";
	if (answer_has(attempt, "began_ms") &&
	    localtime_r(&seconds, &local) != NULL)
		strftime(moment, sizeof(moment), "%Y-%m-%d %H:%M:%S", &local);
	table_text(table, moment);
}

/* "exit 1", "signal 11 (SEGV), core" */
static void
add_how(struct table *table, const msgpack_object *attempt)
{
	int64_t signal = answer_integer(attempt, "signal");
	const char *core = answer_boolean(attempt, "core") ? ", core" : "";
	const char *name =
	    signal > 0 && signal < NSIG ? sigabbrev_np((int)signal) : NULL;
	if (signal > 0 && name != NULL)
		table_format(
		    table, "signal %" PRId64 " (%s)%s", signal, name, core);
	else if (signal > 0)
		table_format(table, "signal %" PRId64 "%s", signal, core);
	else if (answer_has(attempt, "exit"))
		table_format(
		    table, "exit %" PRId64, answer_integer(attempt, "exit"));
	else
		table_text(table, "-");
}

static void
add_duration(
    struct table *table, const msgpack_object *attempt, const char *key)
{
	if (answer_has(attempt, key))
		table_duration(table, answer_integer(attempt, key));
	else
		table_text(table, "-");
}

static void
add_peak(struct table *table, const msgpack_object *attempt)
{
	static const int64_t mebibyte = 1024 * 1024;
	int64_t bytes = answer_integer(attempt, "rss_bytes");
	if (answer_has(attempt, "rss_bytes"))
		table_format(table, "%" PRId64 "MiB",
		    bytes / mebibyte + (bytes % mebibyte != 0));
	else
		table_text(table, "-");
}

static void
add_worker(struct table *table, const msgpack_object *attempt)
{
	struct span name = answer_text(attempt, "worker");
	if (name.count > 0)
		table_format(table, "%.*s (%" PRId64 ")", SPAN_ARGUMENTS(name),
		    answer_integer(attempt, "worker_pid"));
	else
		table_text(table, "-");
}

/* The last line that is not empty: what programs say last tells most. */
static struct span
last_line(struct span text)
{
	while (text.count > 0 && text.bytes[text.count - 1] == '\n')
		text.count--;
	const char *feed =
	    text.count > 0 ? memrchr(text.bytes, '\n', text.count) : NULL;
	if (feed == NULL)
		return text;
	size_t before = (size_t)(feed + 1 - text.bytes);
	return (struct span){ feed + 1, text.count - before };
}

static void
fill_row(struct table *table, const msgpack_object *attempt)
{
	struct span words = last_line(answer_text(attempt, "stderr"));
	if (words.count == 0)
		words = answer_text(attempt, "reason");
	table_number(table, answer_integer(attempt, "attempt"));
	add_moment(table, attempt);
	table_cell(table, answer_text(attempt, "outcome"));
	add_how(table, attempt);
	add_duration(table, attempt, "duration_ms");
	add_duration(table, attempt, "cpu_ms");
	add_peak(table, attempt);
	add_worker(table, attempt);
	table_cell(table, words);
}

void
attempts_print(const msgpack_object *job)
{
	struct elements attempts = answer_elements(job, "attempts");
	struct table table;
	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < attempts.count; i++)
		fill_row(&table, &attempts.items[i]);
	table_print(&table, stdout);
	table_release(&table);
}

struct span
attempts_last_words(const msgpack_object *job)
{
	struct elements attempts = answer_elements(job, "attempts");
	if (attempts.count == 0)
		return (struct span){ 0 };
	return answer_text(&attempts.items[attempts.count - 1], "stderr");
}
