/* SPDX-License-Identifier: MIT */
#include "qctl/health.h"

#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/child.h"
#include "qctl/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define WORDS_BYTES_MAX 512
#define WORDS_COLUMNS	200

static const char *const state_names[HEALTH_STATE_COUNT] = {
	[HEALTH_OK] = "OK",
	[HEALTH_WARNING] = "WARNING",
	[HEALTH_CRITICAL] = "CRITICAL",
	[HEALTH_UNKNOWN] = "UNKNOWN",
};

static const enum health_state worst_first[] = { HEALTH_CRITICAL,
	HEALTH_WARNING, HEALTH_UNKNOWN };

#define WORST_COUNT (sizeof(worst_first) / sizeof(worst_first[0]))

void
health_release(struct health *health)
{
	for (unsigned i = 0; i < HEALTH_STATE_COUNT; i++)
		buffer_release(&health->problems[i]);
}

const char *
health_state_name(enum health_state state)
{
	return state_names[state];
}

enum health_state
health_state(const struct health *health)
{
	for (size_t i = 0; i < WORST_COUNT; i++)
		if (buffer_count(&health->problems[worst_first[i]]) > 0)
			return worst_first[i];
	return HEALTH_OK;
}

static void __attribute__((format(printf, 2, 3)))
append(struct buffer *buffer, const char *format, ...)
{
	char text[WORDS_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buffer_append(buffer, text, strlen(text));
}

void
health_add(
    struct health *health, enum health_state state, const char *format, ...)
{
	struct buffer *problems = &health->problems[state];
	char text[WORDS_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* The numbers for graphs begin behind the first of these. */
	for (char *at = text; (at = strchr(at, '|')) != NULL;)
		*at = '/';
	if (buffer_count(problems) > 0)
		append(problems, "; ");
	text_append(problems, span_of(text), WORDS_COLUMNS);
}

/* ---- processes ---- */

static void
judge_queue(struct health *health, const msgpack_object *child)
{
	struct span state = answer_text(child, "state");
	struct span death = answer_text(child, "last_death");
	if (child_is_held_back(child))
		health_add(health, HEALTH_CRITICAL,
		    "the queue is held back: %.*s", SPAN_ARGUMENTS(death));
	else if (!child_is_ready(child))
		health_add(health, HEALTH_WARNING, "the queue is %.*s",
		    SPAN_ARGUMENTS(state));
}

/* Workers with the same trouble are one problem, told of the first. */
struct trouble {
	uint32_t count;
	struct span id;
	struct span reason;
};

static void
note_trouble(
    struct trouble *trouble, const msgpack_object *child, const char *reason)
{
	if (trouble->count++ > 0)
		return;
	trouble->id = answer_text(child, "id");
	trouble->reason = answer_text(child, reason);
}

static void
tell_trouble(struct health *health, enum health_state state,
    const struct trouble *trouble, const char *what)
{
	char more[40] = "";
	if (trouble->count == 0)
		return;
	if (trouble->count > 1)
		snprintf(more, sizeof(more), " and %" PRIu32 " more",
		    trouble->count - 1);
	health_add(health, state, "%.*s%s %s %s: %.*s",
	    SPAN_ARGUMENTS(trouble->id), more,
	    trouble->count > 1 ? "are" : "is", what,
	    SPAN_ARGUMENTS(trouble->reason));
}

static void
judge_supervisor(struct health *health, const msgpack_object *supervisor)
{
	struct span state = answer_text(supervisor, "state");
	if (!span_is_text(state, "running"))
		health_add(health, HEALTH_WARNING, "gsq is %.*s",
		    SPAN_ARGUMENTS(state));
}

void
health_judge_tree(struct health *health, const msgpack_object *tree)
{
	struct elements children = answer_elements(tree, "children");
	struct trouble held_back = { 0 }, unhealthy = { 0 };
	uint32_t workers = 0;
	judge_supervisor(health, map_find(tree, "supervisor"));
	for (uint32_t i = 0; i < children.count; i++) {
		const msgpack_object *child = &children.items[i];
		if (child_is_queue(child)) {
			judge_queue(health, child);
			continue;
		}
		workers++;
		if (child_is_held_back(child))
			note_trouble(&held_back, child, "last_death");
		else if (child_is_unhealthy(child))
			note_trouble(&unhealthy, child, "unhealthy_reason");
	}
	enum health_state state =
	    workers > 0 && held_back.count + unhealthy.count == workers
	    ? HEALTH_CRITICAL
	    : HEALTH_WARNING;
	tell_trouble(health, state, &held_back, "held back");
	tell_trouble(health, state, &unhealthy, "unhealthy");
}

/* ---- queues ---- */

static int64_t
unfinished(const msgpack_object *queue)
{
	return answer_integer(queue, "ready") +
	    answer_integer(queue, "blocked") +
	    answer_integer(queue, "delayed") + answer_integer(queue, "running");
}

static void
sum_queue(struct health_sums *sums, const msgpack_object *queue)
{
	int64_t oldest_ms = answer_integer(queue, "oldest_ready_ms");
	sums->queues++;
	sums->ready += answer_integer(queue, "ready");
	sums->blocked += answer_integer(queue, "blocked");
	sums->delayed += answer_integer(queue, "delayed");
	sums->running += answer_integer(queue, "running");
	sums->dead += answer_integer(queue, "dead");
	sums->done += answer_integer(queue, "done");
	sums->failed += answer_integer(queue, "failed");
	sums->workers += answer_integer(queue, "subscribers");
	if (oldest_ms > sums->oldest_ms)
		sums->oldest_ms = oldest_ms;
}

static enum health_state
exceeded(int64_t value, const struct levels *levels)
{
	if (levels->critical >= 0 && value > levels->critical)
		return HEALTH_CRITICAL;
	if (levels->warning >= 0 && value > levels->warning)
		return HEALTH_WARNING;
	return HEALTH_OK;
}

static int64_t
level_of(enum health_state state, const struct levels *levels)
{
	return state == HEALTH_CRITICAL ? levels->critical : levels->warning;
}

static void
judge_count(struct health *health, int64_t count, const struct levels *levels,
    const char *what)
{
	enum health_state state = exceeded(count, levels);
	if (state != HEALTH_OK)
		health_add(health, state,
		    "%" PRId64 " %s %s, more than %" PRId64, count,
		    count == 1 ? "job is" : "jobs are", what,
		    level_of(state, levels));
}

static void
judge_oldest(
    struct health *health, int64_t oldest_ms, const struct levels *levels)
{
	enum health_state state = exceeded(oldest_ms, levels);
	char waited[16], limit[16];
	if (state == HEALTH_OK)
		return;
	duration_print(oldest_ms, waited, sizeof(waited));
	duration_print(level_of(state, levels), limit, sizeof(limit));
	health_add(health, state, "a job has been ready for %s, longer than %s",
	    waited, limit);
}

/* Where other queues have workers, one that has none may be meant so. */
static void
judge_workers(struct health *health, struct elements queues, const char *only)
{
	if (health->sums.workers == 0 && only != NULL) {
		health_add(
		    health, HEALTH_CRITICAL, "no worker serves '%s'", only);
		return;
	}
	if (health->sums.workers == 0) {
		health_add(health, HEALTH_CRITICAL, "no worker is there");
		return;
	}
	for (uint32_t i = 0; i < queues.count; i++) {
		const msgpack_object *queue = &queues.items[i];
		int64_t jobs = unfinished(queue);
		if (answer_integer(queue, "subscribers") > 0 || jobs == 0)
			continue;
		health_add(health, HEALTH_WARNING,
		    "no worker serves '%.*s' with its %" PRId64 " job%s",
		    SPAN_ARGUMENTS(answer_text(queue, "name")), jobs,
		    jobs == 1 ? "" : "s");
	}
}

void
health_judge_queues(struct health *health, const msgpack_object *stats,
    const struct health_limits *limits, const char *only)
{
	struct elements queues = answer_elements(stats, "queues");
	health->has_sums = true;
	for (uint32_t i = 0; i < queues.count; i++)
		sum_queue(&health->sums, &queues.items[i]);
	judge_workers(health, queues, only);
	judge_count(health, health->sums.ready, &limits->ready, "ready");
	judge_count(health, health->sums.dead, &limits->dead, "dead");
	judge_oldest(health, health->sums.oldest_ms, &limits->oldest_ms);
}

/* ---- the line ---- */

void
health_words(const struct health *health, struct buffer *buffer)
{
	const struct health_sums *sums = &health->sums;
	bool any = false;
	for (size_t i = 0; i < WORST_COUNT; i++) {
		const struct buffer *problems =
		    &health->problems[worst_first[i]];
		if (buffer_count(problems) == 0)
			continue;
		append(buffer, "%s", any ? "; " : "");
		buffer_append(
		    buffer, buffer_front(problems), buffer_count(problems));
		any = true;
	}
	if (!any)
		append(buffer,
		    "%" PRId64 " queue%s, %" PRId64 " ready, %" PRId64
		    " running, %" PRId64 " dead, %" PRId64 " worker%s",
		    sums->queues, sums->queues == 1 ? "" : "s", sums->ready,
		    sums->running, sums->dead, sums->workers,
		    sums->workers == 1 ? "" : "s");
}

/* " dead=3;1;10;0": a level that is not set is empty. */
static void
append_number(struct buffer *buffer, const char *name, int64_t value,
    const struct levels *levels)
{
	append(buffer, " %s=%" PRId64 ";", name, value);
	if (levels != NULL && levels->warning >= 0)
		append(buffer, "%" PRId64, levels->warning);
	append(buffer, ";");
	if (levels != NULL && levels->critical >= 0)
		append(buffer, "%" PRId64, levels->critical);
	append(buffer, ";0");
}

static void
append_seconds(struct buffer *buffer, int64_t duration_ms)
{
	append(buffer, "%" PRId64 ".%03d", duration_ms / SECOND_MS,
	    (int)(duration_ms % SECOND_MS));
}

static void
append_oldest(
    struct buffer *buffer, int64_t oldest_ms, const struct levels *levels)
{
	append(buffer, " oldest=");
	append_seconds(buffer, oldest_ms);
	append(buffer, "s;");
	if (levels->warning >= 0)
		append_seconds(buffer, levels->warning);
	append(buffer, ";");
	if (levels->critical >= 0)
		append_seconds(buffer, levels->critical);
	append(buffer, ";0");
}

void
health_line(const struct health *health, const struct health_limits *limits,
    struct buffer *buffer)
{
	const struct health_sums *sums = &health->sums;
	append(buffer, "%s - ", health_state_name(health_state(health)));
	health_words(health, buffer);
	if (!health->has_sums)
		return;
	append(buffer, " |");
	append_number(buffer, "ready", sums->ready, &limits->ready);
	append_number(buffer, "dead", sums->dead, &limits->dead);
	append_oldest(buffer, sums->oldest_ms, &limits->oldest_ms);
	append_number(buffer, "blocked", sums->blocked, NULL);
	append_number(buffer, "delayed", sums->delayed, NULL);
	append_number(buffer, "running", sums->running, NULL);
	append_number(buffer, "workers", sums->workers, NULL);
	append(buffer, " done=%" PRId64 "c failed=%" PRId64 "c", sums->done,
	    sums->failed);
}
