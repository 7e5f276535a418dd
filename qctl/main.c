/* SPDX-License-Identifier: MIT */
/*
 * qctl: what people and scripts say to gsq.
 */
#include "qctl/check.h"
#include "qctl/command_line.h"
#include "qctl/say.h"
#include "qctl/session.h"
#include "qctl/text.h"
#include "qctl/verbs.h"
#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A reader that went away, as in `qctl list | head`, is no drama; anything
 * else that keeps the data from where it should go is. */
static int
close_output(int status)
{
	bool failed = ferror(stdout) != 0;
	errno = 0;
	failed = fclose(stdout) != 0 || failed;
	if (!failed || errno == EPIPE)
		return status;
	if (errno != 0)
		say("cannot write the output: %s", strerror(errno));
	else
		say("cannot write the output");
	return status == EXIT_DONE ? EXIT_SYSTEM : status;
}

static int64_t
deadline_of(const struct command *command)
{
	const struct option_value *said = &command->options[OPTION_TIMEOUT];
	int64_t timeout_ms =
	    said->text != NULL ? said->number : command->verb->timeout_ms;
	if (timeout_ms == GSQ_NO_TIMEOUT)
		return GSQ_NO_TIMEOUT;
	return clock_monotonic_ms() + timeout_ms;
}

/* A closed descriptor would become the socket, and be read from as input. What
 * stands in for it can neither be read nor written, as one expects of it. */
static void
fill_closed_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null",
			    fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int
main(int argc, char **argv)
{
	struct command command;
	char name[] = "qctl";
	fill_closed_descriptors();
	signal(SIGPIPE, SIG_DFL);
	text_init();
	if (argc > 0)
		argv[0] = name;
	int status = command_line_read(&command, verb_table, argc, argv);
	if (status == COMMAND_LINE_GO_ON) {
		command.deadline_ms = deadline_of(&command);
		status = command.verb->run(&command);
		session_close(&command);
	}
	/* A monitor knows no status but its own. */
	if (status == EXIT_USAGE && command.verb != NULL &&
	    command.verb->run == do_check)
		status = check_misused();
	return close_output(status);
}
