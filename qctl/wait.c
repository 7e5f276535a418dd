/* SPDX-License-Identifier: MIT */
/*
 * The verb wait.
 */
#include "qctl/wait.h"

#include "qctl/answer.h"
#include "qctl/rows.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t
id_of(const char *text)
{
	int64_t id = 0;
	number_read(text, 1, INT64_MAX, &id);
	return id;
}

/* A job's death certificate in a line. */
static void
say_dead(struct command *command, int64_t id)
{
	struct gsq_field field = gsq_integer("id", id);
	const msgpack_object *job;
	if (gsq_call(command->sockets[SOCKET_OF_QUEUE], "get", &field, 1,
		session_left_ms(command), &job) != GSQ_OK) {
		say("job %" PRId64 " is dead", id);
		return;
	}
	struct span cause = answer_text(job, "cause");
	struct span reason = answer_text(job, "reason");
	say("job %" PRId64 " is dead: %.*s%s%.*s", id, SPAN_ARGUMENTS(cause),
	    reason.count > 0 ? ", " : "", SPAN_ARGUMENTS(reason));
}

int
wait_through_restarts(struct command *command, struct gsq_field field,
    const msgpack_object **ret_result, bool *ret_again)
{
	for (;;) {
		int failed = session_connect(command, SOCKET_OF_QUEUE);
		if (failed != EXIT_DONE)
			return failed;
		enum gsq_status status =
		    gsq_call(command->sockets[SOCKET_OF_QUEUE], "wait", &field,
			1, session_left_ms(command), ret_result);
		if (status == GSQ_OK)
			return EXIT_DONE;
		if (status != GSQ_BROKEN)
			return session_failed(command, SOCKET_OF_QUEUE, status);
		*ret_again = true;
		session_pause();
	}
}

static int
judge_end(struct command *command, int64_t id, struct span state, bool again)
{
	if (span_is_text(state, "dead")) {
		say_dead(command, id);
		return EXIT_REFUSED;
	}
	/* A queue that keeps nothing forgets its jobs when it dies. */
	if (span_is_text(state, "gone") && again) {
		say("the queue died and no longer knows job %" PRId64
		    ": whether it was done is unknown",
		    id);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

int
do_wait(struct command *command)
{
	const char *queue = command->options[OPTION_EMPTY].text;
	int64_t id = queue == NULL ? id_of(command->arguments[0]) : 0;
	const msgpack_object *result;
	bool again = false;
	int failed = wait_through_restarts(command,
	    queue != NULL ? gsq_text("queue", queue) : gsq_integer("id", id),
	    &result, &again);
	if (failed != EXIT_DONE)
		return failed;
	struct span state = answer_text(result, "state");
	if (command->form == FORM_TABLE) {
		text_print(stdout, state);
		fputc('\n', stdout);
	} else {
		rows_print_json(json_of(result), command->form);
	}
	return judge_end(command, id, state, again);
}
