/* SPDX-License-Identifier: MIT */
/*
 * The verb check: one line and an exit status, as monitoring plugins have
 * them.
 */
#include "qctl/check.h"

#include "qctl/health.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <stdio.h>

#define SAID_BYTES_MAX 2048

/* What could not be asked. That gsq does not answer is what a monitor is for;
 * that it may not ask, or has the wrong name, tells nothing of gsq. */
static enum health_state
state_of_failure(int status)
{
	return status == EXIT_NOT_PERMITTED || status == EXIT_REFUSED ||
		status == EXIT_SYSTEM
	    ? HEALTH_UNKNOWN
	    : HEALTH_CRITICAL;
}

/* The answer, or NULL, having told why there is none. */
static const msgpack_object *
ask(struct command *command, struct health *health, enum method method,
    const char *queue)
{
	struct gsq_field field = gsq_text("queue", queue);
	char said[SAID_BYTES_MAX] = "";
	const msgpack_object *result;
	say_into(said, sizeof(said));
	int status = session_call(command, method, &field, 1, &result);
	say_into(NULL, 0);
	if (status == EXIT_DONE)
		return result;
	health_add(health, state_of_failure(status), "%s", said);
	return NULL;
}

static struct levels
levels_of(const struct option_value *value)
{
	return value->text != NULL ? value->levels
				   : (struct levels){ NO_LEVEL, NO_LEVEL };
}

static void
print_json(const struct health *health, enum form form)
{
	struct buffer words = { 0 };
	json_t *object = json_made(json_object());
	json_put(object, "state",
	    json_string(health_state_name(health_state(health))));
	health_words(health, &words);
	json_put(object, "words",
	    json_stringn(buffer_front(&words), buffer_count(&words)));
	buffer_release(&words);
	const struct {
		const char *key;
		int64_t value;
	} rows[] = {
		{ "queues", health->sums.queues },
		{ "ready", health->sums.ready },
		{ "blocked", health->sums.blocked },
		{ "delayed", health->sums.delayed },
		{ "running", health->sums.running },
		{ "dead", health->sums.dead },
		{ "done", health->sums.done },
		{ "failed", health->sums.failed },
		{ "workers", health->sums.workers },
		{ "oldest_ready_ms", health->sums.oldest_ms },
	};
	for (size_t i = 0;
	     health->has_sums && i < sizeof(rows) / sizeof(rows[0]); i++)
		json_put(object, rows[i].key, json_integer(rows[i].value));
	rows_print_json(object, form);
}

static void
print_line(const struct health *health, const struct health_limits *limits)
{
	struct buffer line = { 0 };
	health_line(health, limits, &line);
	fwrite(buffer_front(&line), 1, buffer_count(&line), stdout);
	fputc('\n', stdout);
	buffer_release(&line);
}

int
do_check(struct command *command)
{
	const char *queue = command->options[OPTION_QUEUE].text;
	struct health health = { 0 };
	const struct health_limits limits = {
		.ready = levels_of(&command->options[OPTION_READY]),
		.dead = levels_of(&command->options[OPTION_DEAD]),
		.oldest_ms = levels_of(&command->options[OPTION_OLDEST]),
	};
	const msgpack_object *tree = ask(command, &health, METHOD_tree, NULL);
	const msgpack_object *stats = NULL;
	if (tree != NULL) {
		health_judge_tree(&health, tree);
		stats = ask(command, &health, METHOD_stats, queue);
	}
	if (stats != NULL)
		health_judge_queues(&health, stats, &limits, queue);
	if (command->form == FORM_TABLE)
		print_line(&health, &limits);
	else
		print_json(&health, command->form);
	int status = (int)health_state(&health);
	health_release(&health);
	return status;
}

int
check_misused(void)
{
	puts("UNKNOWN - the call is wrong: see 'qctl help check'");
	return HEALTH_UNKNOWN;
}
