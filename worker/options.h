/* SPDX-License-Identifier: MIT */
/*
 * What the worker was told on its command line; see supervisor/program.c, which
 * makes it.
 */
#ifndef GSQ_WORKER_OPTIONS_H
#define GSQ_WORKER_OPTIONS_H

#include "base/name.h"
#include "sys/confine.h"
#include "worker/renewal.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_GO_ON (-1)

#define EXIT_USAGE	   64
#define EXIT_UNAVAILABLE   69
#define EXIT_BUG	   70
#define EXIT_CONFIGURATION 78

struct options {
	char directory[PATH_MAX];
	struct name queue;
	struct name name;
	int64_t incarnation; /* 0: no supervisor started it */
	uint32_t max_demand;
	uint32_t min_demand;
	int channel_fd;	      /* -1: none */
	int64_t heartbeat_ms; /* between two; 0: none */
	struct renewal_limits renewal;
	struct confinement confinement; /* of the handlers */
	bool rest; /* nothing is begun until the supervisor says so */
	bool verbose;
	char **command; /* borrowed from argv; ends with NULL */
};

/*
 * OPTIONS_GO_ON, or the status to exit with when the words for the user have
 * been written: 0 for help and version, 64 for a wrong command line, 78 for a
 * user that is not there or may not be become. argv must stay good as long as
 * the options.
 */
int options_read(struct options *options, int argc, char **argv);

#endif
