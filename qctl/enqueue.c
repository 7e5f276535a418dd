/* SPDX-License-Identifier: MIT */
/*
 * The verb enqueue. One body or a million go the same way: gathered into
 * batches, sent without waiting for the answers of those before, the ids
 * printed in order. Nobody is left in doubt: what is not certainly a job is
 * told.
 */
#include "base/key_rule.h"
#include "base/limits.h"
#include "qctl/answer.h"
#include "qctl/bulk.h"
#include "qctl/input.h"
#include "qctl/patience.h"
#include "qctl/progress.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "sys/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a request. */
#define ENQUEUE_FIELDS 11

struct loading {
	struct command *command;
	struct gsq *gsq;
	const char *queue;
	/* Absent: gsq's default. */
	struct gsq_field priority, delay, at, expires, mode, ttr, attempts;
	const char *token; /* of the one body; NULL: none */
	bool is_repeated;  /* it was known */
	const char *key;   /* of all; NULL: none */
	bool is_keyed;	   /* each body says its own */
	const char *noun;  /* "line" or "body": what is counted */
	const char *nouns; /* "lines" or "bodies" */
	bool is_single;	   /* one body, not one of many */
	struct input input;
	bool input_over;
	bool starved; /* nothing to gather before input is read */
	struct span gathered[BULK_BATCH_JOBS];
	struct span gathered_keys[BULK_BATCH_JOBS];
	size_t gathered_count;
	size_t gathered_bytes;
	struct bulk bulk;
	struct patience patience; /* with a queue that is full */
	bool said_full;
	struct progress progress;
	int64_t heard_ms;	 /* when gsq last gave a sign of life */
	sigset_t signals_before; /* the mask, for waiting */
	bool printed;		 /* an id */
	int status;		 /* EXIT_DONE while all is well */
};

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* They are let in only while the program waits, so that none comes between a
 * look at the flag and the wait. The second one ends it at once. */
static void
watch_for_interrupts(struct loading *loading)
{
	struct sigaction action = {
		.sa_handler = on_interrupt,
		.sa_flags = (int)SA_RESETHAND,
	};
	sigset_t signals;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &loading->signals_before);
	/* Without a reader for the ids the jobs still go in. */
	signal(SIGPIPE, SIG_IGN);
}

/* No more input after this; what is on its way is still waited for. */
static void
stop(struct loading *loading, int status)
{
	if (loading->status == EXIT_DONE)
		loading->status = status;
	loading->input_over = true;
}

static void __attribute__((format(printf, 3, 4)))
stop_saying(struct loading *loading, int status, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	progress_erase(&loading->progress);
	say("%s", text);
	stop(loading, status);
}

/* Something is wrong with gsq or the way to it. */
static void
stop_failed(struct loading *loading, enum gsq_status status)
{
	progress_erase(&loading->progress);
	stop(
	    loading, session_failed(loading->command, SOCKET_OF_QUEUE, status));
}

/* ---- input ---- */

static void
refuse_body(struct loading *loading)
{
	uint64_t number = loading->bulk.sent + loading->gathered_count + 1;
	if (loading->input.whole)
		stop_saying(loading, EXIT_REFUSED,
		    "TOO_BIG: the input is longer than a body may be (%u "
		    "bytes); with --lines every line is a job",
		    BODY_BYTES_MAX);
	else
		stop_saying(loading, EXIT_REFUSED,
		    "TOO_BIG: %s %" PRIu64
		    " is longer than a body may be (%u bytes)",
		    loading->noun, number, BODY_BYTES_MAX);
}

/* "42<tab>body", or "42" alone for both. False, said, when that is no key. */
static bool
take_key(struct loading *loading, struct span *body)
{
	struct span key = *body;
	const char *tab =
	    body->count > 0 ? memchr(body->bytes, '\t', body->count) : NULL;
	if (tab != NULL) {
		key.count = (size_t)(tab - body->bytes);
		body->count -= key.count + 1;
		body->bytes = tab + 1;
	}
	loading->gathered_keys[loading->gathered_count] = key;
	if (key_is_valid(key))
		return true;
	stop_saying(loading, EXIT_REFUSED,
	    "BAD_NAME: the key of %s %" PRIu64
	    " is empty, longer than %d bytes or has a zero byte in it",
	    loading->noun, loading->bulk.sent + loading->gathered_count + 1,
	    KEY_BYTES_MAX);
	return false;
}

/* As much of the input as is there and fits into a batch. True when it has to
 * be sent before more can be taken. */
static bool
gather(struct loading *loading)
{
	while (!loading->input_over) {
		struct span body;
		if (loading->gathered_count == BULK_BATCH_JOBS ||
		    loading->gathered_bytes >= BULK_BATCH_BYTES)
			return true;
		switch (input_next(&loading->input, &body)) {
		case INPUT_BODY:
			if (loading->is_keyed && !take_key(loading, &body))
				break;
			loading->gathered[loading->gathered_count++] = body;
			loading->gathered_bytes += body.count;
			break;
		case INPUT_MORE:
			loading->starved = true;
			return loading->gathered_count > 0;
		case INPUT_END:
			loading->input_over = true;
			break;
		case INPUT_TOO_BIG:
			refuse_body(loading);
			break;
		}
	}
	return loading->gathered_count > 0;
}

static void
read_more(struct loading *loading)
{
	int error = input_read(&loading->input);
	loading->starved = false;
	if (error != 0 && error != EINTR && error != EAGAIN)
		stop_saying(loading, EXIT_SYSTEM, "cannot read the input: %s",
		    strerror(error));
}

/* ---- gsq ---- */

/* The fields of a request with so many of what was gathered, from one on. */
static void
fill_fields(const struct loading *loading, size_t from, size_t count,
    struct gsq_field fields[ENQUEUE_FIELDS])
{
	const struct gsq_field all[ENQUEUE_FIELDS] = {
		gsq_text("queue", loading->queue),
		gsq_bodies("bodies", loading->gathered + from, count),
		gsq_text("token", loading->token),
		loading->is_keyed
		    ? gsq_bodies("keys", loading->gathered_keys + from, count)
		    : gsq_text("key", loading->key),
		loading->priority,
		loading->delay,
		loading->at,
		loading->expires,
		loading->mode,
		loading->ttr,
		loading->attempts,
	};
	memcpy(fields, all, sizeof(all));
}

static void
forget_gathered(struct loading *loading)
{
	loading->gathered_count = 0;
	loading->gathered_bytes = 0;
}

static void
send_batch(struct loading *loading)
{
	struct gsq_field fields[ENQUEUE_FIELDS];
	uint64_t msgid;
	fill_fields(loading, 0, loading->gathered_count, fields);
	enum gsq_status status = gsq_request(
	    loading->gsq, "enqueue", fields, ENQUEUE_FIELDS, &msgid);
	if (status != GSQ_OK) {
		stop_failed(loading, status);
		return;
	}
	if (loading->bulk.unanswered == 0)
		loading->heard_ms = clock_monotonic_ms();
	bulk_sent(&loading->bulk, msgid, loading->gathered_count,
	    loading->gathered_bytes);
	forget_gathered(loading);
}

static void
print_id(struct loading *loading, int64_t id, const char *result)
{
	enum form form = loading->command->form;
	bool has_keys = loading->is_keyed || loading->key != NULL;
	if (form == FORM_TABLE) {
		printf("%" PRId64 "%s%s\n", id, has_keys ? " " : "",
		    has_keys ? result : "");
	} else {
		bool is_line = form == FORM_JSONL || loading->is_single;
		fputs(is_line ? "" : loading->printed ? ",\n" : "[\n", stdout);
		printf("{\"id\":%" PRId64 ",\"result\":\"%s\"%s}%s", id, result,
		    loading->token == NULL     ? ""
			: loading->is_repeated ? ",\"dup\":true"
					       : ",\"dup\":false",
		    is_line ? "\n" : "");
	}
	loading->printed = true;
}

static void
print_batch(struct loading *loading, const struct bulk_batch *batch)
{
	progress_hide(&loading->progress);
	for (size_t i = 0; i < batch->count; i++)
		print_id(loading, batch->ids[i], batch->results[i]);
}

static void
print_answered(struct loading *loading)
{
	const struct bulk_batch *batch;
	while ((batch = bulk_take(&loading->bulk)) != NULL)
		print_batch(loading, batch);
}

/* A reader of the ids that went away is no reason to stop. */
static void
flush_ids(void)
{
	if (fflush(stdout) != 0 && errno == EPIPE &&
	    freopen("/dev/null", "w", stdout) == NULL)
		return;
}

static void
show_progress(struct loading *loading)
{
	progress_update(&loading->progress,
	    (struct progress_state){
		.jobs = loading->bulk.accepted,
		.bytes = loading->input.bytes_read,
	    });
}

static void
heed_interrupt(struct loading *loading)
{
	if (interrupted && loading->status == EXIT_DONE)
		stop_saying(loading, EXIT_INTERRUPTED,
		    "interrupted: waiting for what is on its way");
}

/* ---- gsq, which may be full ---- */

/* How long gsq may take for an answer, and be full. */
static int64_t
answer_timeout_ms(const struct loading *loading)
{
	const struct option_value *said =
	    &loading->command->options[OPTION_TIMEOUT];
	return said->text != NULL ? said->number
				  : loading->command->verb->timeout_ms;
}

/* Pauses, or less when there is an interrupt. */
static void
pause_for(struct loading *loading, int64_t wait_ms)
{
	struct timespec wait = { .tv_sec = (time_t)(wait_ms / 1000),
		.tv_nsec = (long)(wait_ms % 1000) * 1000000 };
	show_progress(loading);
	flush_ids();
	if (wait_ms > 0)
		ppoll(NULL, 0, &wait, &loading->signals_before);
}

static void
note_repeated(struct loading *loading, const msgpack_object *result)
{
	const msgpack_object *dups = map_find(result, "dups");
	loading->is_repeated = dups != NULL &&
	    dups->type == MSGPACK_OBJECT_ARRAY && dups->via.array.size == 1 &&
	    dups->via.array.ptr[0].type == MSGPACK_OBJECT_BOOLEAN &&
	    dups->via.array.ptr[0].via.boolean;
}

static void
take_pieces(struct loading *loading, size_t count, const msgpack_object *result)
{
	struct bulk *bulk = &loading->bulk;
	uint64_t msgid = bulk->sent + 1;
	bulk_sent(bulk, msgid, count, 0);
	note_repeated(loading, result);
	if (!bulk_accept(bulk, msgid, map_find(result, "ids"),
		map_find(result, "results")))
		stop_saying(loading, EXIT_UNREACHABLE,
		    "gsq answered something else than the ids of what it was "
		    "given");
	print_answered(loading);
	patience_taken(
	    &loading->patience, BULK_BATCH_JOBS, clock_monotonic_ms());
}

/* They were sent and will not be any more. */
static void
give_up(struct loading *loading, size_t count, bool is_unanswered)
{
	struct bulk *bulk = &loading->bulk;
	uint64_t msgid = bulk->sent + 1;
	bulk_sent(bulk, msgid, count, 0);
	if (!is_unanswered)
		bulk_refuse(bulk, msgid);
}

/* Says once that it waits, to whoever looks. */
static void
say_full(struct loading *loading)
{
	if (loading->said_full)
		return;
	loading->said_full = true;
	progress_erase(&loading->progress);
	say("%s; waiting", gsq_error(loading->gsq));
}

/* True when there is something else to try. */
static bool
bear_refusal(struct loading *loading, size_t count)
{
	int64_t wait_ms;
	switch (patience_refused(&loading->patience, gsq_refusal(loading->gsq),
	    count, gsq_retry_after_ms(loading->gsq), clock_monotonic_ms(),
	    (uint64_t)clock_monotonic_us(), &wait_ms)) {
	case PATIENCE_AGAIN:
		if (wait_ms > 0)
			say_full(loading);
		pause_for(loading, wait_ms);
		return !interrupted;
	case PATIENCE_REFUSED:
		stop_failed(loading, GSQ_REFUSED);
		break;
	case PATIENCE_OVER:
		stop_saying(loading, EXIT_TIMED_OUT,
		    "%s; it was so for as long as --timeout says",
		    gsq_error(loading->gsq));
		break;
	}
	give_up(loading, count, false);
	return false;
}

/* Sends what was gathered and waits for its answers; as many at once as the
 * queue takes. */
static void
send_patiently(struct loading *loading)
{
	struct gsq_field fields[ENQUEUE_FIELDS];
	size_t from = 0;
	while (from < loading->gathered_count && !interrupted) {
		const msgpack_object *result;
		size_t count = loading->gathered_count - from;
		if (count > loading->patience.step)
			count = loading->patience.step;
		fill_fields(loading, from, count, fields);
		enum gsq_status status =
		    gsq_call(loading->gsq, "enqueue", fields, ENQUEUE_FIELDS,
			answer_timeout_ms(loading), &result);
		if (status == GSQ_OK) {
			take_pieces(loading, count, result);
			from += count;
		} else if (status != GSQ_REFUSED) {
			stop_failed(loading, status);
			give_up(loading, count, true);
			break;
		} else if (!bear_refusal(loading, count)) {
			break;
		}
	}
	forget_gathered(loading);
}

static void
send_what_is_there(struct loading *loading)
{
	while (bulk_has_room(&loading->bulk) && gather(loading)) {
		if (loading->patience.waits)
			send_patiently(loading);
		else
			send_batch(loading);
		heed_interrupt(loading);
	}
}

static void
take_answer(struct loading *loading, const struct message *message)
{
	struct bulk *bulk = &loading->bulk;
	if (message->kind != MESSAGE_RESPONSE)
		return;
	if (gsq_check(loading->gsq, message) == GSQ_REFUSED) {
		/* Once is enough: those behind it say the same. */
		if (loading->status == EXIT_DONE)
			stop_failed(loading, GSQ_REFUSED);
		bulk_refuse(bulk, message->msgid);
		return;
	}
	note_repeated(loading, message->result);
	if (bulk_accept(bulk, message->msgid, map_find(message->result, "ids"),
		map_find(message->result, "results")))
		return;
	stop_saying(loading, EXIT_UNREACHABLE,
	    "gsq answered something else than the ids of what it was given");
}

/* All answers that are there; writes what waits. False when the connection is
 * over. */
static bool
exchange(struct loading *loading)
{
	const struct message *message;
	enum gsq_status status;
	while ((status = gsq_receive(loading->gsq, 0, &message)) == GSQ_OK) {
		take_answer(loading, message);
		loading->heard_ms = clock_monotonic_ms();
	}
	print_answered(loading);
	if (status == GSQ_TIMEOUT)
		return true;
	if (loading->status == EXIT_DONE)
		stop_failed(loading, status);
	return false;
}

/* ---- both ---- */

/* The time runs only while gsq owes an answer. */
static int64_t
patience_ms(const struct loading *loading)
{
	int64_t timeout_ms = answer_timeout_ms(loading);
	if (loading->bulk.unanswered == 0)
		return GSQ_NO_TIMEOUT;
	int64_t left_ms = loading->heard_ms + timeout_ms - clock_monotonic_ms();
	return left_ms > 0 ? left_ms : 0;
}

/* Waits for gsq, for input that can be taken, or for a signal. False when gsq
 * did not answer in time. */
static bool
wait_for_either(struct loading *loading)
{
	bool wants_input = loading->starved && !loading->input_over &&
	    bulk_has_room(&loading->bulk);
	struct pollfd waited[] = {
		{ gsq_poll_fd(loading->gsq), gsq_poll_events(loading->gsq), 0 },
		{ wants_input ? loading->input.fd : -1, POLLIN, 0 },
	};
	int64_t left_ms = patience_ms(loading);
	struct timespec left = { .tv_sec = (time_t)(left_ms / 1000),
		.tv_nsec = (long)(left_ms % 1000) * 1000000 };
	flush_ids();
	int count = ppoll(
	    waited, 2, left_ms >= 0 ? &left : NULL, &loading->signals_before);
	if (count > 0 && waited[1].revents != 0)
		read_more(loading);
	return count != 0;
}

static bool
is_finished(const struct loading *loading)
{
	return loading->input_over && loading->bulk.unanswered == 0;
}

/* There is room and something to gather: no reason to wait. */
static bool
can_go_on(const struct loading *loading)
{
	return !loading->input_over && !loading->starved &&
	    bulk_has_room(&loading->bulk);
}

static void
load(struct loading *loading)
{
	for (;;) {
		heed_interrupt(loading);
		send_what_is_there(loading);
		/* Its answer did not come, and will not. */
		if (loading->patience.waits && loading->bulk.unanswered > 0)
			return;
		if (!exchange(loading) || is_finished(loading))
			return;
		show_progress(loading);
		if (can_go_on(loading) || wait_for_either(loading))
			continue;
		stop_saying(
		    loading, EXIT_TIMED_OUT, "no answer from gsq in time");
		return;
	}
}

/* ---- the end ---- */

static void
say_range(const struct loading *loading, const struct bulk_range *range)
{
	const char *fate = range->fate == BULK_REFUSED
	    ? "refused"
	    : "sent, but whether gsq took it is unknown";
	if (range->first == range->last)
		say("%s %" PRIu64 ": %s", loading->noun, range->first, fate);
	else
		say("%s %" PRIu64 " to %" PRIu64 ": %s", loading->nouns,
		    range->first, range->last, fate);
}

static bool
has_unanswered(const struct bulk *bulk)
{
	for (unsigned i = 0; i < bulk->range_count; i++)
		if (bulk->ranges[i].fate == BULK_UNANSWERED)
			return true;
	return false;
}

/* What the caller needs to go on from here. */
static void
say_what_became(const struct loading *loading)
{
	const struct bulk *bulk = &loading->bulk;
	for (unsigned i = 0; i < bulk->range_count; i++)
		say_range(loading, &bulk->ranges[i]);
	if (bulk->sent == 0)
		say("nothing was sent");
	else
		say("%" PRIu64 " of %" PRIu64 " %s %s jobs; none was sent "
		    "from %s %" PRIu64 " on",
		    bulk->accepted, bulk->sent, loading->nouns,
		    has_unanswered(bulk) ? "are known to be" : "became",
		    loading->noun, bulk->sent + 1);
}

static void
say_single(const struct loading *loading)
{
	if (has_unanswered(&loading->bulk))
		say("whether the job was added is unknown");
}

/* Some jobs were added and the rest may be repeated: that is "partly". What
 * else stopped it is more important to know. */
static int
exit_status(const struct loading *loading)
{
	int status = loading->status;
	bool is_refusal = status == EXIT_REFUSED || status == EXIT_TRY_LATER ||
	    status == EXIT_NOT_PERMITTED;
	return is_refusal && loading->bulk.accepted > 0 ? EXIT_PARTLY : status;
}

static int
finish(struct loading *loading)
{
	const struct bulk_batch *batch;
	while ((batch = bulk_take_last(&loading->bulk)) != NULL)
		print_batch(loading, batch);
	if (loading->command->form == FORM_JSON && !loading->is_single)
		fputs(loading->printed ? "\n]\n" : "[]\n", stdout);
	flush_ids();
	progress_end(&loading->progress, loading->bulk.accepted);
	input_release(&loading->input);
	if (loading->status != EXIT_DONE && loading->is_single)
		say_single(loading);
	else if (loading->status != EXIT_DONE)
		say_what_became(loading);
	return exit_status(loading);
}

/* ---- the beginning ---- */

/* The size of the input, when it is a file; 0 when nobody knows. */
static uint64_t
size_of_input(void)
{
	struct stat status;
	if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode))
		return 0;
	return (uint64_t)status.st_size;
}

static void
greet_typist(bool lines)
{
	if (!isatty(STDIN_FILENO))
		return;
	say(lines ? "type a job a line; Ctrl-D ends the input"
		  : "type the job; Ctrl-D ends the input");
}

/* What the bodies are: EXIT_DONE, or EXIT_USAGE. */
static int
choose_input(struct loading *loading)
{
	struct command *command = loading->command;
	char *const *bodies = command->arguments + 1;
	int count = command->argument_count - 1;
	bool lines = command->options[OPTION_LINES].text != NULL;
	bool dash = count == 1 && strcmp(bodies[0], "-") == 0;
	loading->noun = lines ? "line" : "body";
	loading->nouns = lines ? "lines" : "bodies";
	loading->is_single = !lines && count <= 1;
	if (count > 0 && !dash && lines) {
		say("'%s' is too much: with --lines the bodies are read from "
		    "the input",
		    bodies[0]);
		return EXIT_USAGE;
	}
	if (count > 0 && !dash) {
		input_init_words(&loading->input, bodies, count);
		return EXIT_DONE;
	}
	greet_typist(lines);
	if (lines)
		input_init_lines(&loading->input, STDIN_FILENO);
	else
		input_init_whole(&loading->input, STDIN_FILENO);
	return EXIT_DONE;
}

static struct gsq_field
integer_option(const struct command *command, int option, const char *field)
{
	const struct option_value *value = &command->options[option];
	return value->text != NULL ? gsq_integer(field, value->number)
				   : gsq_text(field, NULL);
}

/* What the options say of keys: EXIT_DONE, or EXIT_USAGE. */
static int
check_keys(const struct loading *loading)
{
	bool has_key = loading->key != NULL;
	if (has_key && loading->is_keyed)
		say("--key and --keyed exclude each other");
	else if (loading->mode.kind != GSQ_ABSENT && !has_key &&
	    !loading->is_keyed)
		say("--mode says what a key means: give --key or --keyed");
	else
		return EXIT_DONE;
	return EXIT_USAGE;
}

static int
check_time(const struct loading *loading)
{
	if (loading->delay.kind == GSQ_ABSENT || loading->at.kind == GSQ_ABSENT)
		return EXIT_DONE;
	say("--in and --at exclude each other");
	return EXIT_USAGE;
}

static int
check_token(const struct loading *loading)
{
	if (loading->token == NULL)
		return EXIT_DONE;
	size_t bytes = strlen(loading->token);
	if (!loading->is_single)
		say("--token stands for one job; give one body");
	else if (bytes == 0 || bytes > TOKEN_BYTES_MAX)
		say("--token takes 1 to %d bytes, not %zu", TOKEN_BYTES_MAX,
		    bytes);
	else
		return EXIT_DONE;
	return EXIT_USAGE;
}

static void
be_patient(struct loading *loading)
{
	const struct command *command = loading->command;
	const struct option_value *limit = &command->options[OPTION_TIMEOUT];
	patience_begin(&loading->patience,
	    command->options[OPTION_ROOM].text != NULL,
	    limit->text != NULL ? limit->number : PATIENCE_NO_END,
	    BULK_BATCH_JOBS, clock_monotonic_ms());
}

int
do_enqueue(struct command *command)
{
	/* Too large for a stack, and there is only one. */
	static struct loading loading;
	loading = (struct loading){
		.command = command,
		.queue = command->arguments[0],
		.priority =
		    integer_option(command, OPTION_PRIORITY, "priority"),
		.delay = integer_option(command, OPTION_IN, "delay_ms"),
		.at = integer_option(command, OPTION_AT, "at_ms"),
		.expires =
		    integer_option(command, OPTION_EXPIRES, "expires_ms"),
		.token = command->options[OPTION_TOKEN].text,
		.mode = gsq_text("mode", command->options[OPTION_MODE].text),
		.ttr = integer_option(command, OPTION_TTR, "ttr_ms"),
		.attempts =
		    integer_option(command, OPTION_ATTEMPTS, "max_attempts"),
		.key = command->options[OPTION_KEY].text,
		.is_keyed = command->options[OPTION_KEYED].text != NULL,
	};
	int failed = check_keys(&loading);
	if (failed == EXIT_DONE)
		failed = check_time(&loading);
	if (failed == EXIT_DONE)
		failed = choose_input(&loading);
	if (failed == EXIT_DONE)
		failed = check_token(&loading);
	if (failed == EXIT_DONE)
		failed = session_connect(command, SOCKET_OF_QUEUE);
	if (failed != EXIT_DONE)
		return failed;
	loading.gsq = command->sockets[SOCKET_OF_QUEUE];
	be_patient(&loading);
	watch_for_interrupts(&loading);
	progress_begin(&loading.progress, size_of_input());
	load(&loading);
	return finish(&loading);
}
