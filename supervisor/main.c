/* SPDX-License-Identifier: MIT */
/*
 * supervisor: starts a queue and its workers and restarts whichever dies.
 */
#include "supervisor/options.h"
#include "supervisor/remains.h"
#include "supervisor/supervise.h"
#include "sys/directory.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/title.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
lock_refused(const char *directory, int error, pid_t holder)
{
	if (error != EWOULDBLOCK) {
		fprintf(stderr, "supervisor: cannot lock '%s': %s\n", directory,
		    strerror(error));
		return EXIT_CONFIGURATION;
	}
	if (holder > 0 && !process_lives(holder))
		fprintf(stderr,
		    "supervisor: the one of before in '%s', pid %d, is dead, "
		    "and something that it started is not; see who it is with "
		    "'fuser %s/" LOCK_NAME "' and in the list of processes, "
		    "end it, and start again\n",
		    directory, (int)holder, directory);
	else if (holder > 0)
		fprintf(stderr,
		    "supervisor: already running in '%s' with pid %d\n",
		    directory, (int)holder);
	else
		fprintf(
		    stderr, "supervisor: already running in '%s'\n", directory);
	return EXIT_RUNNING;
}

/* The lock is held until this process and its children end, however they do. */
static int
run(const struct options *options)
{
	const char *directory = options->directory;
	char reason[512];
	char path[PATH_MAX];
	pid_t holder = 0;
	if (directory_path(
		path, sizeof(path), directory, CONTROL_SOCKET_NAME) != 0) {
		fprintf(stderr,
		    "supervisor: the name of the directory is too long: "
		    "'%s/%s' must have at most 107 bytes, as a socket's path; "
		    "choose another with -d\n",
		    directory, CONTROL_SOCKET_NAME);
		return EXIT_CONFIGURATION;
	}
	if (directory_prepare(directory, reason, sizeof(reason)) != NULL) {
		fprintf(stderr, "supervisor: %s\n", reason);
		return EXIT_CONFIGURATION;
	}
	int lock = remains_lock(directory, &holder);
	if (lock < 0)
		return lock_refused(directory, -lock, holder);
	int error = options->log != NULL ? log_to_file(options->log) : 0;
	if (error != 0) {
		fprintf(stderr, "supervisor: cannot write the log '%s': %s\n",
		    options->log, strerror(error));
		return EXIT_CONFIGURATION;
	}
	log_open("supervisor", options->verbose ? LOG_DEBUG : LOG_INFO);
	int status = supervise(options, lock);
	directory_unlock(lock);
	return status;
}

int
main(int argc, char **argv)
{
	char **arguments = title_init(argc, argv, "gsq-supervisor");
	if (arguments == NULL) {
		fputs("supervisor: out of memory\n", stderr);
		return EXIT_BUG;
	}
	struct options options;
	int status = options_read(&options, argc, arguments);
	if (status == OPTIONS_GO_ON)
		status = run(&options);
	options_release(&options);
	return status;
}
