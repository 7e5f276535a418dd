/* SPDX-License-Identifier: MIT */
/*
 * Verbs that steer jobs: cancel, delete, purge, retry, touch; and queues:
 * pause, resume, drain.
 */
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "qctl/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Jobs that one request takes: some milliseconds of the queue's time. */
#define PAGE_JOBS_MAX 1000

/* ---- some jobs by their ids ---- */

static int64_t
id_of(const char *text)
{
	int64_t id = 0;
	number_read(text, 1, INT64_MAX, &id);
	return id;
}

static void
print_one(const struct command *command, const msgpack_object *result)
{
	if (command->form == FORM_TABLE) {
		printf("%" PRId64 ": ", answer_integer(result, "id"));
		text_print(stdout, answer_text(result, "result"));
		fputc('\n', stdout);
	} else {
		rows_print_json(json_of(result), FORM_JSONL);
	}
}

/* Each that is refused is told, and the others are done all the same. */
static int
steer_each(struct command *command, enum method method)
{
	int done = 0, failed = EXIT_DONE;
	for (int i = 0; i < command->argument_count; i++) {
		struct gsq_field field =
		    gsq_integer("id", id_of(command->arguments[i]));
		const msgpack_object *result;
		int status = session_call(command, method, &field, 1, &result);
		if (status == EXIT_DONE) {
			print_one(command, result);
			done++;
			continue;
		}
		failed = status;
		if (status != EXIT_REFUSED)
			break;
	}
	return failed != EXIT_DONE && done > 0 ? EXIT_PARTLY : failed;
}

int
do_cancel(struct command *command)
{
	return steer_each(command, METHOD_cancel);
}

int
do_delete(struct command *command)
{
	return steer_each(command, METHOD_delete);
}

/* ---- all that pass a filter ---- */

struct sweep {
	enum method method;
	const char *queue;
	const char *state;
	int64_t rate; /* jobs a second; 0: as fast as it goes */
	int64_t after;
	int64_t count;
};

/* So many of a page, and a second from one to the next, keep to the rate. */
static int
sweep_page(struct command *command, struct sweep *sweep)
{
	int64_t limit = PAGE_JOBS_MAX;
	if (sweep->rate > 0 && sweep->rate < limit)
		limit = sweep->rate;
	const struct gsq_field fields[] = {
		gsq_text("queue", sweep->queue),
		gsq_text("state", sweep->state),
		gsq_text("key", command->options[OPTION_KEY].text),
		gsq_integer("after", sweep->after),
		gsq_integer("limit", limit),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, sweep->method, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	int64_t next = answer_integer(result, "next");
	sweep->count += answer_integer(result, "count");
	/* One that does not move on would be asked for ever. */
	sweep->after = next > sweep->after ? next : 0;
	return EXIT_DONE;
}

static void
wait_a_second(void)
{
	struct timespec second = { 1, 0 };
	nanosleep(&second, NULL);
}

static int
sweep_all(struct command *command, struct sweep *sweep)
{
	int failed;
	do {
		int64_t before = sweep->count;
		failed = sweep_page(command, sweep);
		if (sweep->rate > 0 && sweep->after > 0 &&
		    sweep->count > before)
			wait_a_second();
	} while (failed == EXIT_DONE && sweep->after > 0);
	return failed != EXIT_DONE && sweep->count > 0 ? EXIT_PARTLY : failed;
}

static void
print_count(
    const struct command *command, const struct sweep *sweep, const char *word)
{
	if (command->form == FORM_TABLE) {
		printf("%" PRId64 " job%s %s\n", sweep->count,
		    sweep->count == 1 ? "" : "s", word);
		return;
	}
	json_t *counted = json_made(json_object());
	json_put(counted, word, json_integer(sweep->count));
	rows_print_json(counted, command->form);
}

int
do_purge(struct command *command)
{
	const struct option_value *options = command->options;
	struct sweep sweep = { .method = METHOD_delete,
		.queue = command->arguments[0],
		.state = options[OPTION_STATE].text };
	if (options[OPTION_STATE].text == NULL &&
	    options[OPTION_KEY].text == NULL &&
	    options[OPTION_YES].text == NULL) {
		say("which jobs of '%s'? Say --state or --key, or --yes for "
		    "all that do not run",
		    sweep.queue);
		return EXIT_USAGE;
	}
	int failed = sweep_all(command, &sweep);
	if (failed == EXIT_DONE || sweep.count > 0)
		print_count(command, &sweep, "deleted");
	return failed;
}

/* ---- once more ---- */

static int
retry_the_dead(struct command *command)
{
	struct sweep sweep = { .method = METHOD_retry,
		.queue = command->options[OPTION_QUEUE].text,
		.state = "dead",
		.rate = command->options[OPTION_RATE].number };
	int failed = sweep_all(command, &sweep);
	if (failed == EXIT_DONE || sweep.count > 0)
		print_count(command, &sweep, "retried");
	return failed;
}

int
do_retry(struct command *command)
{
	const struct option_value *options = command->options;
	if (options[OPTION_ALL_DEAD].text != NULL)
		return retry_the_dead(command);
	if (options[OPTION_QUEUE].text != NULL ||
	    options[OPTION_KEY].text != NULL ||
	    options[OPTION_RATE].text != NULL) {
		say("--queue, --key and --rate go with --dead, not with ids");
		return EXIT_USAGE;
	}
	return steer_each(command, METHOD_retry);
}

/* ---- more time ---- */

int
do_touch(struct command *command)
{
	const struct option_value *ttr = &command->options[OPTION_TTR];
	struct gsq_field fields[] = {
		gsq_integer("id", id_of(command->arguments[0])),
		gsq_integer("ttr_ms", ttr->number),
	};
	const msgpack_object *result;
	return session_call(
	    command, METHOD_touch, fields, ttr->text != NULL ? 2 : 1, &result);
}

/* ---- queues ---- */

int
do_pause(struct command *command)
{
	const struct gsq_field fields[] = {
		gsq_text("queue", command->arguments[0]),
		gsq_integer("for_ms", command->options[OPTION_FOR].number),
	};
	const msgpack_object *result;
	return session_call(
	    command, METHOD_pause, fields, FIELD_COUNT(fields), &result);
}

int
do_resume(struct command *command)
{
	const struct gsq_field field = gsq_text("queue", command->arguments[0]);
	const msgpack_object *result;
	return session_call(command, METHOD_resume, &field, 1, &result);
}

int
do_drain(struct command *command)
{
	bool off = command->options[OPTION_OFF].text != NULL;
	bool waits = command->options[OPTION_UNTIL_EMPTY].text != NULL;
	struct gsq_field queue = gsq_text("queue", command->arguments[0]);
	const struct gsq_field fields[] = { queue, gsq_boolean("on", !off) };
	const msgpack_object *result;
	bool again;
	if (off && waits) {
		say("--off and --wait exclude each other");
		return EXIT_USAGE;
	}
	int failed = session_call(
	    command, METHOD_drain, fields, FIELD_COUNT(fields), &result);
	if (failed == EXIT_DONE && waits)
		failed = wait_through_restarts(command, queue, &result, &again);
	return failed;
}
