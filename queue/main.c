/* SPDX-License-Identifier: MIT */
/*
 * queue: keeps jobs and gives them to the workers that ask.
 */
#include "queue/options.h"
#include "queue/server.h"
#include "sys/log.h"
#include "sys/title.h"

#include <stdio.h>

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
	if (status == OPTIONS_GO_ON) {
		log_open("queue", options.verbose ? LOG_DEBUG : LOG_INFO);
		status = serve(&options);
	}
	options_release(&options);
	return status;
}
