/* SPDX-License-Identifier: MIT */
/*
 * queue: keeps jobs and gives them to the workers that ask.
 */
#include "queue/options.h"
#include "queue/server.h"
#include "queue/store_log.h"
#include "sys/log.h"
#include "sys/title.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
say(void *context, const char *line)
{
	(void)context;
	puts(line);
}

/* 0: sound; 1: damaged, or what was asked could not be done. */
static int
mend(const struct options *options)
{
	int error = options->work == WORK_CHECK
	    ? store_log_check(options->store, say, NULL)
	    : store_log_salvage(options->store, say, NULL);
	if (error == 0)
		return 0;
	if (error != EBADMSG)
		fprintf(stderr, "queue: cannot %s the store '%s': %s\n",
		    options->work == WORK_CHECK ? "check" : "salvage",
		    options->store, strerror(error));
	return 1;
}

static int
run(const struct options *options)
{
	if (options->work != WORK_SERVE)
		return mend(options);
	log_open("queue", options->verbose ? LOG_DEBUG : LOG_INFO);
	log_set_file(getenv(LOG_FILE_VARIABLE));
	return serve(options);
}

int
main(int argc, char **argv)
{
	char **arguments = title_init(argc, argv, "gsq-queue");
	if (arguments == NULL) {
		fputs("queue: out of memory\n", stderr);
		return EXIT_BUG;
	}
	struct options options;
	int status = options_read(&options, argc, arguments);
	if (status == OPTIONS_GO_ON)
		status = run(&options);
	options_release(&options);
	return status;
}
