/* SPDX-License-Identifier: MIT */
#include "queue/options.h"

#include "sys/directory.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
	KEY_INCARNATION = 0x100,
	KEY_CHANNEL,
	KEY_LISTENER,
	KEY_HEARTBEAT,
	KEY_STORE,
	KEY_CHECK,
	KEY_SALVAGE,
	KEY_VERSION,
	KEY_USAGE
};

static const struct argp_option option_table[] = {
	{ "directory", 'd', "DIR", 0, "where the socket lives", 0 },
	{ "store", KEY_STORE, "DIR", 0, "where the jobs are kept (DIR/store)",
	    0 },
	{ "configuration", 'c', "FILE", 0, "read the configuration file", 0 },
	{ "incarnation", KEY_INCARNATION, "N", 0,
	    "which life of this queue it is, from 1", 0 },
	{ "channel", KEY_CHANNEL, "FD", 0,
	    "descriptor that leads to the supervisor", 0 },
	{ "listener", KEY_LISTENER, "FD", 0,
	    "listening socket to accept from; without it DIR/gsq.sock is made",
	    0 },
	{ "heartbeat", KEY_HEARTBEAT, "MS", 0,
	    "tell the supervisor so often that all is well (never)", 0 },
	{ "check", KEY_CHECK, "STORE", 0,
	    "look whether that store is sound, and change nothing", 1 },
	{ "salvage", KEY_SALVAGE, "STORE", 0,
	    "make a sound store of all that can be read of a damaged one", 1 },
	{ "verbose", 'v', NULL, 0, "log every job", 0 },
	{ "help", 'h', NULL, 0, "give this help list", -1 },
	{ "usage", KEY_USAGE, NULL, 0, "give a short usage message", -1 },
	{ "version", KEY_VERSION, NULL, 0, "print the version", -1 },
	{ 0 },
};

struct command_line {
	const char *configuration_path;
	struct options *options;
};

static error_t parse_option(int key, char *text, struct argp_state *state);

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Keeps jobs and gives them to the workers that ask. Started by "
	       "the supervisor."
	       "\vWith --check or --salvage it serves nobody; the store must "
	       "not be in use.",
};

static int64_t
parse_number(struct argp_state *state, const char *option, const char *text,
    int64_t min, int64_t max)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min ||
	    value > max)
		argp_error(state,
		    "%s must be a number from %lld to %lld, not '%s'", option,
		    (long long)min, (long long)max, text);
	return value;
}

static void
take_path(char path[PATH_MAX], const char *text, struct argp_state *state)
{
	if (*text == '\0')
		argp_error(state, "the name of a directory is missing");
	if (snprintf(path, PATH_MAX, "%s", text) >= PATH_MAX)
		argp_error(state, "the name of a directory is too long");
}

static void
take_work(struct options *options, enum work work, const char *text,
    struct argp_state *state)
{
	if (options->work != WORK_SERVE)
		argp_error(state, "--check and --salvage exclude each other");
	options->work = work;
	take_path(options->store, text, state);
}

static void
complete(struct options *options, struct argp_state *state)
{
	if (options->work != WORK_SERVE)
		return;
	if (*options->directory == '\0')
		argp_error(state,
		    "--directory is missing; the supervisor starts this "
		    "program with all it needs");
	if (*options->store == '\0' &&
	    directory_path(options->store, sizeof(options->store),
		options->directory, STORE_NAME) != 0)
		argp_error(state, "the name of the directory is too long");
}

static error_t
parse_option(int key, char *text, struct argp_state *state)
{
	struct command_line *said = state->input;
	struct options *options = said->options;
	switch (key) {
	case 'd':
		take_path(options->directory, text, state);
		return 0;
	case KEY_STORE:
		take_path(options->store, text, state);
		return 0;
	case KEY_CHECK:
		take_work(options, WORK_CHECK, text, state);
		return 0;
	case KEY_SALVAGE:
		take_work(options, WORK_SALVAGE, text, state);
		return 0;
	case 'c':
		said->configuration_path = text;
		return 0;
	case KEY_INCARNATION:
		options->incarnation =
		    parse_number(state, "--incarnation", text, 1, INT32_MAX);
		return 0;
	case KEY_CHANNEL:
		options->channel_fd =
		    (int)parse_number(state, "--channel", text, 3, INT16_MAX);
		return 0;
	case KEY_LISTENER:
		options->listener_fd =
		    (int)parse_number(state, "--listener", text, 3, INT16_MAX);
		return 0;
	case KEY_HEARTBEAT:
		options->heartbeat_ms =
		    parse_number(state, "--heartbeat", text, 1, INT32_MAX);
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		exit(0);
	case KEY_USAGE:
		argp_state_help(
		    state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
		exit(0);
	case KEY_VERSION:
		printf("gsq queue %s\n", GSQ_VERSION);
		exit(0);
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", text);
		return 0;
	case ARGP_KEY_END:
		complete(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int
read_file(struct options *options, const char *path)
{
	if (path == NULL)
		return OPTIONS_GO_ON;
	char *wrong = configuration_read(&options->configuration, path);
	if (wrong == NULL)
		return OPTIONS_GO_ON;
	/* 78 would tell the supervisor not to try again. */
	int status = errno == 0 ? EXIT_CONFIGURATION : EXIT_BOOT_FAILED;
	fputs(wrong, stderr);
	free(wrong);
	return status;
}

int
options_read(struct options *options, int argc, char **argv)
{
	memset(options, 0, sizeof(*options));
	configuration_init(&options->configuration);
	options->incarnation = 1;
	options->channel_fd = -1;
	options->listener_fd = -1;
	struct command_line said = { .options = options };
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL,
		&said) != 0)
		return EXIT_USAGE;
	return read_file(options, said.configuration_path);
}

void
options_release(struct options *options)
{
	configuration_release(&options->configuration);
}
