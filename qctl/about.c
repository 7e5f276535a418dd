/* SPDX-License-Identifier: MIT */
/*
 * Verbs about qctl and gsq themselves: ping, version, help.
 */
#include "qctl/answer.h"
#include "qctl/command_line.h"
#include "qctl/rows.h"
#include "qctl/session.h"
#include "sys/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define PROTOCOL_VERSION 1

static void
print_ping(const msgpack_object *result, int64_t took_us)
{
	struct span role = answer_text(result, "role");
	struct span version = answer_text(result, "version");
	text_print(stdout, role);
	printf(" %" PRId64 " answers: gsq ", answer_integer(result, "pid"));
	text_print(stdout, version);
	printf(", protocol %" PRId64 ", %.1f ms\n",
	    answer_integer(result, "protocol"), (double)took_us / 1000);
}

int
do_ping(struct command *command)
{
	const msgpack_object *result;
	int failed = session_connect(command, SOCKET_OF_QUEUE);
	if (failed != EXIT_DONE)
		return failed;
	int64_t began_us = clock_monotonic_us();
	failed = session_call(command, METHOD_ping, NULL, 0, &result);
	if (failed != EXIT_DONE)
		return failed;
	if (command->form == FORM_TABLE)
		print_ping(result, clock_monotonic_us() - began_us);
	else
		rows_print_json(json_of(result), command->form);
	return EXIT_DONE;
}

int
do_version(struct command *command)
{
	if (command->form == FORM_TABLE) {
		puts("qctl " GSQ_VERSION);
		return EXIT_DONE;
	}
	json_t *version = json_made(json_object());
	json_put(version, "version", json_string(GSQ_VERSION));
	json_put(version, "protocol", json_integer(PROTOCOL_VERSION));
	rows_print_json(version, command->form);
	return EXIT_DONE;
}

int
do_help(struct command *command)
{
	const struct verb *verb = NULL;
	if (command->argument_count > 0) {
		verb = command_line_verb(command->verbs, command->arguments[0]);
		if (verb == NULL)
			return EXIT_USAGE;
	}
	command_line_help(stdout, command->verbs, verb);
	return EXIT_DONE;
}
