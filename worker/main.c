/* SPDX-License-Identifier: MIT */
/*
 * worker: asks a queue for jobs and runs a command for each.
 */
#include "sys/log.h"
#include "sys/title.h"
#include "worker/options.h"
#include "worker/work.h"

#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
	char **arguments = title_init(argc, argv, "gsq-worker");
	if (arguments == NULL) {
		fputs("worker: out of memory\n", stderr);
		return EXIT_BUG;
	}
	struct options options;
	int status = options_read(&options, argc, arguments);
	if (status != OPTIONS_GO_ON)
		return status;
	log_open(options.name.text, options.verbose ? LOG_DEBUG : LOG_INFO);
	log_set_file(getenv(LOG_FILE_VARIABLE));
	return work(&options);
}
