/* SPDX-License-Identifier: MIT */
#include "worker/options.h"

#include "base/units.h"
#include "sys/directory.h"
#include "worker/builtin.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As large as a size in the configuration may be. */
#define RENEWAL_MAX (INT64_C(1) << 53)

enum option_key {
	KEY_NAME = 0x100,
	KEY_INCARNATION,
	KEY_MAX_DEMAND,
	KEY_MIN_DEMAND,
	KEY_CHANNEL,
	KEY_HEARTBEAT,
	KEY_REST,
	KEY_LIMIT,
	KEY_USER,
	KEY_UMASK,
	KEY_CWD,
	KEY_NICE,
	KEY_OOM,
	KEY_NO_NEW_PRIVS,
	KEY_MAX_JOBS,
	KEY_MAX_RSS,
	KEY_MAX_AGE,
	KEY_VERSION,
	KEY_USAGE
};

static const struct argp_option option_table[] = {
	{ "directory", 'd', "DIR", 0,
	    "where the queue's socket lives ($GSQ_DIR, else "
	    "$XDG_RUNTIME_DIR/gsq, else /run/gsq or /tmp/gsq-UID)",
	    0 },
	{ "queue", 'q', "QUEUE", 0, "the queue to serve (default)", 0 },
	{ "name", KEY_NAME, "NAME", 0, "what people call it (pid-PID)", 0 },
	{ "incarnation", KEY_INCARNATION, "N", 0,
	    "which life of this worker it is, from 1; needs --channel", 0 },
	{ "max-demand", KEY_MAX_DEMAND, "N", 0,
	    "jobs to hold at once (1); each has a process of its own", 0 },
	{ "min-demand", KEY_MIN_DEMAND, "N", 0,
	    "ask again when only that many are left (half of max-demand)", 0 },
	{ "channel", KEY_CHANNEL, "FD", 0,
	    "descriptor that leads to the supervisor", 0 },
	{ "heartbeat", KEY_HEARTBEAT, "MS", 0,
	    "tell the supervisor so often that all is well (never)", 0 },
	{ "limit", KEY_LIMIT, "RESOURCE=N", 0,
	    "a resource limit of the handlers; may be repeated", 0 },
	{ "user", KEY_USER, "USER", 0, "as whom they run", 0 },
	{ "umask", KEY_UMASK, "OCTAL", 0, "their umask", 0 },
	{ "cwd", KEY_CWD, "DIR", 0, "where they run", 0 },
	{ "nice", KEY_NICE, "N", 0, "how nice they are", 0 },
	{ "oom-score-adj", KEY_OOM, "N", 0,
	    "how gladly the kernel kills them when memory runs out (at least "
	    "600)",
	    0 },
	{ "no-new-privs", KEY_NO_NEW_PRIVS, NULL, 0,
	    "they cannot become anybody else", 0 },
	{ "rest", KEY_REST, "0|1", 0,
	    "begin nothing until the supervisor says so (0)", 0 },
	{ "max-jobs", KEY_MAX_JOBS, "N", 0,
	    "ask to be replaced after so many jobs (never)", 0 },
	{ "max-rss", KEY_MAX_RSS, "BYTES", 0,
	    "and with so much memory in use (never)", 0 },
	{ "max-age", KEY_MAX_AGE, "MS", 0, "and after that time (never)", 0 },
	{ "verbose", 'v', NULL, 0, "log every job", 0 },
	{ "help", 'h', NULL, 0, "give this help list", -1 },
	{ "usage", KEY_USAGE, NULL, 0, "give a short usage message", -1 },
	{ "version", KEY_VERSION, NULL, 0, "print the version", -1 },
	{ 0 },
};

/* The command line as it was said. */
struct command_line {
	struct options *options;
	const char *directory;
	bool has_min_demand;
};

static error_t parse_option(int key, char *text, struct argp_state *state);

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "[--] COMMAND ARG...",
	.doc = "Asks a queue for jobs and runs COMMAND for each, with the body "
	       "on its standard input. Usually started by the supervisor."
	       "\vCOMMAND may be builtin:demo, which prints each job and "
	       "sleeps a second, or builtin:noop, which does nothing.\n\n"
	       "Exit status of COMMAND: 0 done, 75 or 111 not now, 65 or 100 "
	       "hopeless, 126 or 127 the command is broken, others failed.\n\n"
	       "Exit status: 0 stopped, 64 usage, 69 the supervisor died, 70 "
	       "bug, 78 the user of --user.",
};

__attribute__((format(printf, 1, 2), noreturn)) static void
usage_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("worker: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	argp_help(&parser, stderr, ARGP_HELP_USAGE, "worker");
	exit(EXIT_USAGE);
}

static int64_t
parse_number(const char *option, const char *text, int64_t min, int64_t max)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min ||
	    value > max)
		usage_error("%s must be a number from %lld to %lld, not '%s'",
		    option, (long long)min, (long long)max, text);
	return value;
}

static void
parse_name(const char *option, struct name *name, const char *text)
{
	if (!name_set(name, span_of(text)))
		usage_error("%s must be 1 to %d of A-Z a-z 0-9 . _ -, not '%s'",
		    option, NAME_BYTES_MAX, text);
}

static void
print_help(unsigned flags)
{
	argp_help(&parser, stdout, flags, "worker");
	exit(0);
}

static void
print_version(void)
{
	puts("gsq worker " GSQ_VERSION);
	exit(0);
}

static void
parse_limit(struct confinement *confinement, const char *text)
{
	struct confine_limit limit;
	if (!confine_parse_limit(text, &limit))
		usage_error("--limit must be as nofile=1024 or as=2GiB, not "
			    "'%s'",
		    text);
	if (confinement->limit_count == CONFINE_LIMITS_MAX)
		usage_error("more than %d --limit", CONFINE_LIMITS_MAX);
	confinement->limits[confinement->limit_count++] = limit;
}

/* True when it was one of the handlers' confinement. */
static bool
parse_confinement(struct confinement *confinement, int key, const char *text)
{
	switch (key) {
	case KEY_LIMIT:
		parse_limit(confinement, text);
		return true;
	case KEY_USER:
		confinement->user = text;
		return true;
	case KEY_UMASK:
		if (!confine_parse_umask(text, &confinement->umask))
			usage_error("--umask must be as 027, not '%s'", text);
		confinement->has_umask = true;
		return true;
	case KEY_CWD:
		confinement->directory = text;
		return true;
	case KEY_NICE:
		confinement->nice = (int)parse_number("--nice", text, -20, 19);
		confinement->has_nice = true;
		return true;
	case KEY_OOM:
		confinement->oom_score_adj =
		    (int)parse_number("--oom-score-adj", text, -1000, 1000);
		confinement->has_oom = true;
		return true;
	case KEY_NO_NEW_PRIVS:
		confinement->no_new_privileges = true;
		return true;
	}
	return false;
}

static error_t
parse_option(int key, char *text, struct argp_state *state)
{
	struct command_line *said = state->input;
	if (parse_confinement(&said->options->confinement, key, text))
		return 0;
	struct options *options = said->options;
	switch (key) {
	case 'd':
		said->directory = text;
		return 0;
	case 'q':
		parse_name("--queue", &options->queue, text);
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case KEY_NAME:
		parse_name("--name", &options->name, text);
		return 0;
	case KEY_INCARNATION:
		options->incarnation =
		    parse_number("--incarnation", text, 1, INT64_MAX);
		return 0;
	case KEY_MAX_DEMAND:
		options->max_demand =
		    (uint32_t)parse_number("--max-demand", text, 1, DEMAND_MAX);
		return 0;
	case KEY_MIN_DEMAND:
		options->min_demand = (uint32_t)parse_number(
		    "--min-demand", text, 0, DEMAND_MAX - 1);
		said->has_min_demand = true;
		return 0;
	case KEY_CHANNEL:
		options->channel_fd =
		    (int)parse_number("--channel", text, 3, INT16_MAX);
		return 0;
	case KEY_HEARTBEAT:
		options->heartbeat_ms =
		    parse_number("--heartbeat", text, 1, DURATION_MS_MAX);
		return 0;
	case KEY_REST:
		options->rest = parse_number("--rest", text, 0, 1) == 1;
		return 0;
	case KEY_MAX_JOBS:
		options->renewal.max_jobs =
		    parse_number("--max-jobs", text, 0, RENEWAL_MAX);
		return 0;
	case KEY_MAX_RSS:
		options->renewal.max_rss =
		    parse_number("--max-rss", text, 0, RENEWAL_MAX);
		return 0;
	case KEY_MAX_AGE:
		options->renewal.max_age_ms =
		    parse_number("--max-age", text, 0, DURATION_MS_MAX);
		return 0;
	case 'h':
		print_help(ARGP_HELP_STD_HELP);
		return 0;
	case KEY_USAGE:
		print_help(ARGP_HELP_USAGE);
		return 0;
	case KEY_VERSION:
		print_version();
		return 0;
	case ARGP_KEY_ARG:
		options->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void
take_directory(struct options *options, const char *said)
{
	size_t bytes = sizeof(options->directory);
	int error = 0;
	if (said == NULL)
		error = directory_default(options->directory, bytes);
	else if (snprintf(options->directory, bytes, "%s", said) >= (int)bytes)
		error = ENAMETOOLONG;
	if (error != 0)
		usage_error("the name of the directory: %s", strerror(error));
}

static void
check_command(const struct options *options)
{
	char **command = options->command;
	if (command == NULL)
		usage_error("COMMAND is missing: what shall be run for each "
			    "job?");
	if (!builtin_is_meant(*command))
		return;
	if (builtin_find(*command) == NULL)
		usage_error("there is no '%s', only " BUILTIN_NAMES, *command);
	if (command[1] != NULL)
		usage_error("%s takes no arguments", *command);
}

static void
check_demand(struct options *options, bool has_min)
{
	if (!has_min)
		options->min_demand = options->max_demand / 2;
	if (options->min_demand >= options->max_demand)
		usage_error("--min-demand must be less than --max-demand");
}

/* A handler in another's name has that one's home. */
static int
take_user(struct confinement *confinement)
{
	const char *user = confinement->user;
	if (user == NULL)
		return OPTIONS_GO_ON;
	int error = confine_find_user(confinement, user);
	if (error == 0 && !confine_may_become(confinement))
		error = EPERM;
	if (error == 0) {
		confine_adopt_home(confinement);
		return OPTIONS_GO_ON;
	}
	fprintf(stderr, "worker: user '%s': %s\n", user,
	    error == ENOENT	 ? "there is none"
		: error == EPERM ? "only root can run handlers as another user"
				 : strerror(error));
	return EXIT_CONFIGURATION;
}

int
options_read(struct options *options, int argc, char **argv)
{
	struct command_line said = { .options = options };
	memset(options, 0, sizeof(*options));
	options->max_demand = 1;
	options->channel_fd = -1;
	options->confinement.oom_at_least = CONFINE_OOM_HANDLER;
	name_set(&options->queue, SPAN_LITERAL("default"));
	if (argp_parse(&parser, argc, argv,
		ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_EXIT, NULL,
		&said) != 0) {
		argp_help(&parser, stderr, ARGP_HELP_USAGE, "worker");
		return EXIT_USAGE;
	}
	check_command(options);
	check_demand(options, said.has_min_demand);
	if (options->incarnation > 0 && options->channel_fd < 0)
		usage_error("--incarnation needs --channel: who else would "
			    "tell the queue of its death?");
	take_directory(options, said.directory);
	if (options->name.text[0] == '\0')
		snprintf(options->name.text, sizeof(options->name.text),
		    "pid-%d", (int)getpid());
	return take_user(&options->confinement);
}
