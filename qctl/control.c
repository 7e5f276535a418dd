/* SPDX-License-Identifier: MIT */
/*
 * Verbs that change what runs: scale, start, stop, restart, quiet, reload,
 * shutdown.
 */
#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <inttypes.h>
#include <stdio.h>

static void
print_scale(const msgpack_object *result)
{
	int64_t to = answer_integer(result, "to");
	text_print(stdout, answer_text(result, "pool"));
	printf(": %" PRId64 " worker%s, before %" PRId64 "\n", to,
	    to == 1 ? "" : "s", answer_integer(result, "from"));
}

int
do_scale(struct command *command)
{
	int64_t workers = 0;
	number_read(command->arguments[0], 0, INT64_MAX, &workers);
	const struct gsq_field fields[] = {
		gsq_integer("workers", workers),
		gsq_text("pool", command->options[OPTION_POOL].text),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, METHOD_scale, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_scale(result);
	else
		rows_print_json(json_of(result), command->form);
	return EXIT_DONE;
}

/* "w1: ready again, pid 4712", or "mail: 4 workers ready again" */
static void
print_order(const msgpack_object *result, const char *done)
{
	int64_t pid = answer_integer(result, "pid");
	int64_t children = answer_integer(result, "children");
	text_print(stdout, answer_text(result, "id"));
	fputs(": ", stdout);
	if (answer_has(result, "children"))
		printf("%" PRId64 " worker%s ", children,
		    children == 1 ? "" : "s");
	fputs(done, stdout);
	if (pid != 0)
		printf(", pid %" PRId64, pid);
	fputc('\n', stdout);
}

static int
give_order(struct command *command, enum method method, const char *done)
{
	struct gsq_field field = gsq_text("id", command->arguments[0]);
	const msgpack_object *result;
	int failed = session_call(command, method, &field, 1, &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_order(result, done);
	else
		rows_print_json(json_of(result), command->form);
	return EXIT_DONE;
}

int
do_start(struct command *command)
{
	return give_order(command, METHOD_start_child, "ready");
}

int
do_stop(struct command *command)
{
	return give_order(command, METHOD_stop_child, "down");
}

int
do_quiet(struct command *command)
{
	bool on = command->options[OPTION_OFF].text == NULL;
	const struct gsq_field fields[] = {
		gsq_text("id", command->arguments[0]),
		gsq_boolean("on", on),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, METHOD_quiet, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_order(result, on ? "quiet" : "at work again");
	else
		rows_print_json(json_of(result), command->form);
	return EXIT_DONE;
}

int
do_restart(struct command *command)
{
	return give_order(command, METHOD_restart, "ready again");
}

int
do_reload(struct command *command)
{
	const msgpack_object *result;
	int failed = session_call(command, METHOD_reload, NULL, 0, &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form != FORM_TABLE) {
		rows_print_json(json_of(result), command->form);
		return EXIT_DONE;
	}
	struct elements changes = answer_elements(result, "changes");
	for (uint32_t i = 0; i < changes.count; i++) {
		struct span line;
		if (object_span(&changes.items[i], &line))
			text_print(stdout, line);
		fputc('\n', stdout);
	}
	if (changes.count == 0)
		puts("nothing has changed");
	return EXIT_DONE;
}

/* The supervisor's end closes its connections: nothing else is as certain. */
static int
wait_for_end(struct command *command)
{
	struct gsq *gsq = command->sockets[SOCKET_OF_SUPERVISOR];
	const struct message *message;
	enum gsq_status status;
	while ((status = gsq_receive(
		    gsq, session_left_ms(command), &message)) == GSQ_OK)
		continue;
	if (status == GSQ_BROKEN)
		return EXIT_DONE;
	if (status == GSQ_TIMEOUT) {
		say("gsq is still stopping");
		return EXIT_TIMED_OUT;
	}
	return session_failed(command, SOCKET_OF_SUPERVISOR, status);
}

int
do_shutdown(struct command *command)
{
	const struct option_value *drain = &command->options[OPTION_DRAIN];
	bool now = command->options[OPTION_NOW].text != NULL;
	struct gsq_field fields[2] = { gsq_boolean("now", now) };
	unsigned count = 1;
	const msgpack_object *result;
	if (drain->text != NULL && now) {
		say("--drain and --now exclude each other");
		return EXIT_USAGE;
	}
	if (drain->text != NULL) {
		fields[count++] = gsq_integer("drain_ms", drain->number);
		if (command->options[OPTION_TIMEOUT].text == NULL)
			command->deadline_ms += drain->number;
	}
	int status =
	    session_call(command, METHOD_shutdown, fields, count, &result);
	if (status == EXIT_DONE)
		status = wait_for_end(command);
	if (status != EXIT_DONE)
		return status;
	if (command->form == FORM_TABLE) {
		puts("gsq has stopped");
		return EXIT_DONE;
	}
	json_t *stopped = json_made(json_object());
	json_put(stopped, "state", json_string("stopped"));
	rows_print_json(stopped, command->form);
	return EXIT_DONE;
}
