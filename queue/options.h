/* SPDX-License-Identifier: MIT */
/*
 * What the queue process was told on its command line and by the configuration
 * file.
 */
#ifndef GSQ_QUEUE_OPTIONS_H
#define GSQ_QUEUE_OPTIONS_H

#include "sys/configuration.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_GO_ON (-1)

#define EXIT_USAGE	   64
#define EXIT_BUG	   70
#define EXIT_BOOT_FAILED   71
#define EXIT_CONFIGURATION 78

enum work {
	WORK_SERVE,
	WORK_CHECK,  /* look whether a store is sound */
	WORK_SALVAGE /* make a sound store of what a damaged one has */
};

struct options {
	enum work work;
	struct configuration configuration;
	char directory[PATH_MAX];
	char store[PATH_MAX]; /* where the jobs are kept */
	int64_t incarnation;  /* which life of this queue it is, from 1 */
	int channel_fd;	      /* -1: no supervisor */
	int listener_fd;      /* -1: it makes its own socket */
	int64_t heartbeat_ms; /* between two to the supervisor; 0: none */
	bool verbose;
};

/*
 * Reads all of it. OPTIONS_GO_ON, or the status to exit with when the words for
 * the user have been written: 0 for help and version, 64 for a wrong command
 * line, 78 for a wrong file.
 */
int options_read(struct options *options, int argc, char **argv);
void options_release(struct options *options);

#endif
