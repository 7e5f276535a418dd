/* SPDX-License-Identifier: MIT */
/*
 * The verb import: lines of JSON become jobs, many in a request where they have
 * the same terms, one request at a time. It stops at the first line that is no
 * job, when all in front of it are, and says from where to go on.
 */
#include "qctl/answer.h"
#include "qctl/bulk.h"
#include "qctl/input.h"
#include "qctl/job_line.h"
#include "qctl/patience.h"
#include "qctl/progress.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS (sizeof(job_line_numbers) / sizeof(job_line_numbers[0]))

struct importing {
	struct command *command;
	struct input input;
	uint64_t number; /* of the line that was read last, from 1 */
	uint64_t from;	 /* lines before that one are passed over */
	uint64_t done;	 /* all up to that line are done with */
	uint64_t imported;
	uint64_t left_out_dead;
	struct job_line lines[BULK_BATCH_JOBS]; /* gathered */
	uint64_t numbers[BULK_BATCH_JOBS];	/* of these */
	size_t count;
	size_t bytes;
	struct job_line next; /* one that did not go with them */
	bool has_next;
	struct patience patience;
	bool said_full;
	struct progress progress;
};

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* The second one ends it at once. */
static void
watch_for_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt,
		.sa_flags = (int)SA_RESETHAND };
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int __attribute__((format(printf, 3, 4)))
fail(struct importing *importing, int status, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	progress_erase(&importing->progress);
	say("%s", text);
	return status;
}

/* ---- lines ---- */

/* The next line in *ret_text, good until the next call. EXIT_DONE, and false in
 * *ret_is_there at the end. */
static int
read_line(
    struct importing *importing, struct span *ret_text, bool *ret_is_there)
{
	int error;
	*ret_is_there = false;
	for (;;) {
		switch (input_next(&importing->input, ret_text)) {
		case INPUT_BODY:
			importing->number++;
			*ret_is_there = true;
			return EXIT_DONE;
		case INPUT_END:
			return EXIT_DONE;
		case INPUT_TOO_BIG:
			return fail(importing, EXIT_REFUSED,
			    "line %" PRIu64 ": longer than a job can be",
			    importing->number + 1);
		case INPUT_MORE:
			error = input_read(&importing->input);
			if (error == EINTR && interrupted)
				return EXIT_INTERRUPTED;
			if (error != 0 && error != EINTR)
				return fail(importing, EXIT_SYSTEM,
				    "cannot read the input: %s",
				    strerror(error));
			break;
		}
	}
}

static bool
is_blank(struct span text)
{
	for (size_t i = 0; i < text.count; i++)
		if (strchr(" \t\r", text.bytes[i]) == NULL)
			return false;
	return true;
}

/* Is it for somebody else, by what the command says? */
static bool
is_left_out(struct importing *importing, const struct job_line *line)
{
	const struct command *command = importing->command;
	const char *queue = command->options[OPTION_QUEUE].text;
	if (queue != NULL && strcmp(queue, line->terms.queue) != 0)
		return true;
	if (!line->is_dead || command->options[OPTION_WITH_DEAD].text != NULL)
		return false;
	importing->left_out_dead++;
	return true;
}

/* The next job in importing->next, if there is one. */
static int
read_job(struct importing *importing)
{
	char reason[256];
	while (!importing->has_next) {
		struct span text;
		bool is_there;
		int failed = read_line(importing, &text, &is_there);
		if (failed != EXIT_DONE || !is_there)
			return failed;
		if (importing->number < importing->from || is_blank(text))
			continue;
		if (!job_line_read(
			&importing->next, text, reason, sizeof(reason)))
			return fail(importing, EXIT_REFUSED,
			    "line %" PRIu64 ": %s", importing->number, reason);
		importing->has_next = !is_left_out(importing, &importing->next);
		if (!importing->has_next)
			job_line_release(&importing->next);
	}
	return EXIT_DONE;
}

/* Lines with the same terms, as many as one request may have. What is wrong
 * with the line behind them is the status. */
static int
gather(struct importing *importing)
{
	for (;;) {
		int failed = read_job(importing);
		if (failed != EXIT_DONE || !importing->has_next)
			return failed;
		size_t count = importing->count;
		const struct job_line *next = &importing->next;
		if (count == BULK_BATCH_JOBS ||
		    (count > 0 &&
			(importing->bytes + next->body.count >
				BULK_BATCH_BYTES ||
			    !job_line_goes_with(&importing->lines[0], next))))
			return EXIT_DONE;
		importing->bytes += next->body.count;
		importing->lines[count] = *next;
		importing->numbers[count] = importing->number;
		importing->count++;
		importing->has_next = false;
	}
}

/* ---- gsq ---- */

static enum gsq_status
send_lines(struct importing *importing, size_t from, size_t count)
{
	const struct job_line *first = &importing->lines[from];
	struct span bodies[BULK_BATCH_JOBS], keys[BULK_BATCH_JOBS];
	struct gsq_field fields[NUMBERS + 5];
	size_t at = 0;
	bool has_keys = false;
	for (size_t i = 0; i < count; i++) {
		bodies[i] = first[i].body;
		keys[i] = first[i].key;
		has_keys |= keys[i].bytes != NULL;
	}
	fields[at++] = gsq_text("queue", first->terms.queue);
	fields[at++] = gsq_text("mode", first->terms.mode);
	fields[at++] = gsq_bodies("bodies", bodies, count);
	if (has_keys)
		fields[at++] = gsq_bodies("keys", keys, count);
	if (first->token.bytes != NULL)
		fields[at++] = gsq_bytes("token", first->token);
	for (size_t i = 0; i < NUMBERS; i++)
		if (first->terms.said[i])
			fields[at++] = gsq_integer(
			    job_line_numbers[i], first->terms.numbers[i]);
	const struct option_value *said =
	    &importing->command->options[OPTION_TIMEOUT];
	const msgpack_object *result;
	return gsq_call(importing->command->sockets[SOCKET_OF_QUEUE], "enqueue",
	    fields, at,
	    said->text != NULL ? said->number
			       : importing->command->verb->timeout_ms,
	    &result);
}

static void
pause_for(struct importing *importing, int64_t wait_ms)
{
	struct timespec wait = { .tv_sec = (time_t)(wait_ms / 1000),
		.tv_nsec = (long)(wait_ms % 1000) * 1000000 };
	const struct gsq *gsq = importing->command->sockets[SOCKET_OF_QUEUE];
	if (wait_ms == 0)
		return;
	if (!importing->said_full)
		fail(importing, EXIT_DONE, "%s; waiting", gsq_error(gsq));
	importing->said_full = true;
	nanosleep(&wait, NULL);
}

/* EXIT_DONE when there is something else to try, else the status, said. */
static int
bear_refusal(struct importing *importing, size_t count)
{
	struct command *command = importing->command;
	const struct gsq *gsq = command->sockets[SOCKET_OF_QUEUE];
	int64_t wait_ms;
	switch (patience_refused(&importing->patience, gsq_refusal(gsq), count,
	    gsq_retry_after_ms(gsq), clock_monotonic_ms(),
	    (uint64_t)clock_monotonic_us(), &wait_ms)) {
	case PATIENCE_AGAIN:
		pause_for(importing, wait_ms);
		return interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
	case PATIENCE_REFUSED:
		progress_erase(&importing->progress);
		return session_failed(command, SOCKET_OF_QUEUE, GSQ_REFUSED);
	case PATIENCE_OVER:
		return fail(importing, EXIT_TIMED_OUT,
		    "%s; it was so for as long as --timeout says",
		    gsq_error(gsq));
	}
	return EXIT_SYSTEM;
}

static int
tell_unknown(struct importing *importing, size_t from, size_t count,
    enum gsq_status status)
{
	progress_erase(&importing->progress);
	int failed =
	    session_failed(importing->command, SOCKET_OF_QUEUE, status);
	say("lines %" PRIu64 " to %" PRIu64
	    ": sent, but whether gsq took them is unknown",
	    importing->numbers[from], importing->numbers[from + count - 1]);
	return failed;
}

/* What was gathered. */
static int
send_gathered(struct importing *importing)
{
	size_t from = 0;
	int failed = EXIT_DONE;
	while (from < importing->count && failed == EXIT_DONE) {
		size_t count = importing->count - from;
		if (count > importing->patience.step)
			count = importing->patience.step;
		enum gsq_status status = send_lines(importing, from, count);
		if (status == GSQ_OK) {
			from += count;
			importing->imported += count;
			importing->done = importing->numbers[from - 1];
			patience_taken(&importing->patience, BULK_BATCH_JOBS,
			    clock_monotonic_ms());
		} else if (status == GSQ_REFUSED) {
			failed = bear_refusal(importing, count);
		} else {
			failed = tell_unknown(importing, from, count, status);
		}
	}
	for (size_t i = 0; i < importing->count; i++)
		job_line_release(&importing->lines[i]);
	importing->count = 0;
	importing->bytes = 0;
	return failed;
}

/* ---- the whole of it ---- */

/* What is wrong with a line is told behind those in front of it. */
static int
import_all(struct importing *importing)
{
	int failed, wrong;
	do {
		wrong = gather(importing);
		bool is_last = importing->count == 0;
		failed = send_gathered(importing);
		if (failed != EXIT_DONE || wrong != EXIT_DONE || is_last)
			break;
		progress_update(&importing->progress,
		    (struct progress_state){ .jobs = importing->imported,
			.bytes = importing->input.bytes_read });
	} while (!interrupted);
	if (failed == EXIT_DONE)
		failed = wrong;
	return failed == EXIT_DONE && interrupted ? EXIT_INTERRUPTED : failed;
}

/* The first line that is still to come. */
static uint64_t
next_line(const struct importing *importing)
{
	uint64_t next = importing->done + 1;
	return next > importing->from ? next : importing->from;
}

static int
finish(struct importing *importing, int failed)
{
	if (importing->has_next)
		job_line_release(&importing->next);
	progress_end(&importing->progress, importing->imported);
	say("%" PRIu64 " jobs imported", importing->imported);
	if (importing->left_out_dead > 0)
		say("%" PRIu64 " dead ones were left out; with --dead they are "
		    "imported, too, to be tried anew",
		    importing->left_out_dead);
	if (failed == EXIT_DONE)
		return EXIT_DONE;
	say("all before line %" PRIu64
	    " is done; to go on: --from-line %" PRIu64,
	    next_line(importing), next_line(importing));
	bool is_refusal = failed == EXIT_REFUSED || failed == EXIT_TRY_LATER;
	return is_refusal && importing->imported > 0 ? EXIT_PARTLY : failed;
}

/* The descriptor of the file; -1, said, when there is none. */
static int
open_input(const char *path)
{
	if (strcmp(path, "-") == 0)
		return STDIN_FILENO;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		say("cannot open '%s': %s", path, strerror(errno));
	return fd;
}

static uint64_t
size_of(int fd)
{
	struct stat status;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return 0;
	return (uint64_t)status.st_size;
}

int
do_import(struct command *command)
{
	/* Too large for a stack, and there is only one. */
	static struct importing importing;
	const struct option_value *limit = &command->options[OPTION_TIMEOUT];
	const struct option_value *from = &command->options[OPTION_FROM_LINE];
	int fd = open_input(command->arguments[0]);
	if (fd < 0)
		return EXIT_SYSTEM;
	int failed = session_connect(command, SOCKET_OF_QUEUE);
	if (failed != EXIT_DONE)
		return failed;
	importing = (struct importing){ .command = command,
		.from = from->text != NULL ? (uint64_t)from->number : 1 };
	patience_begin(&importing.patience,
	    command->options[OPTION_ROOM].text != NULL,
	    limit->text != NULL ? limit->number : PATIENCE_NO_END,
	    BULK_BATCH_JOBS, clock_monotonic_ms());
	input_init_lines(&importing.input, fd);
	input_allow(&importing.input, JOB_LINE_BYTES_MAX);
	watch_for_interrupts();
	progress_begin(&importing.progress, size_of(fd));
	failed = finish(&importing, import_all(&importing));
	input_release(&importing.input);
	if (fd != STDIN_FILENO)
		close(fd);
	return failed;
}
