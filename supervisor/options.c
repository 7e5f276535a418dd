/* SPDX-License-Identifier: MIT */
#include "supervisor/options.h"

#include "base/limits.h"
#include "supervisor/plan.h"
#include "sys/directory.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_DEFAULT 3
#define QUEUE_DEFAULT	"default"

/* A window of a day is longer than any intensity anybody means. */
#define WINDOW_MS_MAX (24 * 3600 * 1000)

/* "-" and four digits must fit behind the name of a pool. */
#define POOL_NAME_BYTES_MAX (NAME_BYTES_MAX - 5)

/* Keys of argp: the letter, else the place beyond all letters. */
#define KEY_PLACES 0x100

enum option_place {
#define OPTION(name, ...) PLACE_##name,
#include "supervisor/option.def"
#undef OPTION
};

enum option_key {
#define OPTION(name, long_name, letter, ...) \
	KEY_##name = (letter) != 0 ? (letter) : KEY_PLACES + (int)PLACE_##name,
#include "supervisor/option.def"
#undef OPTION
};

static const struct argp_option option_table[] = {
#define OPTION(name, long_name, letter, argument, group, summary) \
	{ long_name, KEY_##name, argument, 0, summary, group },
#include "supervisor/option.def"
#undef OPTION
	{ 0 },
};

_Static_assert(EXIT_STOPPED == PLAN_EXIT_CLEAN &&
	EXIT_BOOT_FAILED == PLAN_EXIT_BOOT_FAILED &&
	EXIT_GAVE_UP == PLAN_EXIT_GAVE_UP,
    "the plan and the table mean the same");

/* The command line as it was said; what was not said does not overrule the
 * file. */
struct command_line {
	const char *configuration_path;
	const char *directory;
	const char *store;
	const char *workers; /* only whether it was said */
	const char *queue;
	const char *max_demand;
	char **command;
	struct pool_options pool;
	bool has_restarts;
	int64_t max_restarts;
	bool has_window;
	int64_t window_ms;
	bool has_backoff;
	struct backoff backoff;
	bool verbose;
};

static error_t parse_option(int key, char *text, struct argp_state *state);

static const char document[] =
    "Starts a queue and workers that run COMMAND for each job, and restarts "
    "whichever dies."
    "\vWithout COMMAND the workers run builtin:demo, which prints each job and "
    "sleeps a second.\n\n"
    "Exit status:"
#define EXIT_STATUS(name, number, meaning, advice) "\n  " #number "\t" meaning
#include "supervisor/exit_status.def"
#undef EXIT_STATUS
    ;

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "[-- COMMAND ARG...]",
	.doc = document,
};

__attribute__((format(printf, 1, 2), noreturn)) static void
usage_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("supervisor: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	argp_help(&parser, stderr, ARGP_HELP_USAGE, "supervisor");
	exit(EXIT_USAGE);
}

static int64_t
parse_count(const char *option, const char *text, int64_t min, int64_t max)
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

static int64_t
parse_window_ms(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end != '\0' || !(seconds >= 0.001) ||
	    seconds > WINDOW_MS_MAX / 1000)
		usage_error("--max-seconds must be a number of seconds up to "
			    "%d, not '%s'",
		    WINDOW_MS_MAX / 1000, text);
	return (int64_t)(seconds * 1000 + 0.5);
}

static void
parse_queue(struct command_line *said, const char *text)
{
	said->queue = text;
	if (!name_set(&said->pool.queue, span_of(text)))
		usage_error("'%s' is no name for a queue: it takes 1 to %d of "
			    "A-Z a-z 0-9 . _ -",
		    text, NAME_BYTES_MAX);
}

static void
parse_restarts(struct command_line *said, const char *text)
{
	if (!configuration_parse_restarts(text, &said->max_restarts))
		usage_error("--max-restarts must be inf or a number from 0 to "
			    "1000000, not '%s'",
		    text);
	said->has_restarts = true;
}

static void
parse_backoff(struct command_line *said, const char *text)
{
	if (!configuration_parse_backoff(text, &said->backoff))
		usage_error("--backoff must be off or MIN..MAX as in "
			    "100ms..5s, not '%s'",
		    text);
	said->has_backoff = true;
}

static void
print_help(unsigned flags)
{
	argp_help(&parser, stdout, flags, "supervisor");
	exit(0);
}

static void
print_version(void)
{
	puts("gsq supervisor " GSQ_VERSION);
	exit(0);
}

static error_t
parse_option(int key, char *text, struct argp_state *state)
{
	struct command_line *said = state->input;
	switch (key) {
	case KEY_CONFIGURATION:
		said->configuration_path = text;
		return 0;
	case KEY_DIRECTORY:
		said->directory = text;
		return 0;
	case KEY_WORKERS:
		said->workers = text;
		said->pool.workers = parse_count("-n", text, 0, CHILDREN_MAX);
		return 0;
	case KEY_QUEUE:
		parse_queue(said, text);
		return 0;
	case KEY_VERBOSE:
		said->verbose = true;
		return 0;
	case KEY_STORE:
		if (*text == '\0')
			usage_error("--store must not be empty");
		said->store = text;
		return 0;
	case KEY_MAX_DEMAND:
		said->max_demand = text;
		said->pool.max_demand =
		    parse_count("--max-demand", text, 1, DEMAND_MAX);
		return 0;
	case KEY_MAX_RESTARTS:
		parse_restarts(said, text);
		return 0;
	case KEY_MAX_SECONDS:
		said->window_ms = parse_window_ms(text);
		said->has_window = true;
		return 0;
	case KEY_BACKOFF:
		parse_backoff(said, text);
		return 0;
	case KEY_HELP:
		print_help(ARGP_HELP_STD_HELP);
		return 0;
	case KEY_USAGE:
		print_help(ARGP_HELP_USAGE);
		return 0;
	case KEY_VERSION:
		print_version();
		return 0;
	case ARGP_KEY_ARG:
		said->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* ---- together ---- */

/* Both would mean two truths about which workers there are. */
static void
refuse_two_pools(const struct command_line *said)
{
	const char *what = said->workers != NULL ? "-n"
	    : said->queue != NULL		 ? "-q"
	    : said->max_demand != NULL		 ? "--max-demand"
	    : said->command != NULL		 ? "COMMAND"
						 : NULL;
	if (what != NULL)
		usage_error("%s cannot be combined with the pools of '%s': "
			    "the file says which workers there are",
		    what, said->configuration_path);
}

static void
take_pools(struct options *options, const struct command_line *said)
{
	struct configuration *configuration = &options->configuration;
	options->pools_from_file = configuration->pool_count > 0;
	if (options->pools_from_file) {
		refuse_two_pools(said);
		options->pools = configuration->pools;
		options->pool_count = configuration->pool_count;
		return;
	}
	options->demo = said->command == NULL;
	options->own_pool = said->pool;
	options->own_pool.min_demand = said->pool.max_demand / 2;
	options->own_pool.command = said->command;
	options->own_pool.nice = POOL_AS_IT_IS;
	options->own_pool.oom_score_adj = POOL_AS_IT_IS;
	options->pools = &options->own_pool;
	options->pool_count = 1;
}

static void
take_overrules(struct options *options, const struct command_line *said)
{
	struct configuration *configuration = &options->configuration;
	if (said->has_restarts)
		configuration->max_restarts = said->max_restarts;
	if (said->has_window)
		configuration->max_window_ms = said->window_ms;
	if (said->has_backoff)
		configuration->backoff = said->backoff;
	options->verbose = said->verbose;
	options->configuration_path = said->configuration_path;
}

static int
wrong_file(const struct options *options, const char *what)
{
	fprintf(stderr, "%s: %s\n", options->configuration_path, what);
	return EXIT_CONFIGURATION;
}

/* What the file's schema cannot say. */
static int
check_pools(const struct options *options)
{
	int64_t workers = 0;
	for (size_t i = 0; i < options->pool_count; i++) {
		workers += options->pools[i].workers;
		if (strlen(options->pools[i].name.text) > POOL_NAME_BYTES_MAX)
			return wrong_file(options,
			    "the name of a pool is too long for the names of "
			    "its workers (at most 59 characters)");
		for (size_t k = 0; k < i; k++)
			if (strcmp(options->pools[i].name.text,
				options->pools[k].name.text) == 0)
				return wrong_file(
				    options, "two pools have the same name");
	}
	if (options->pool_count > PLAN_POOLS_MAX)
		return wrong_file(options, "more than 64 pools");
	if (workers > CHILDREN_MAX)
		return wrong_file(options, "more than 1024 workers in all");
	return OPTIONS_GO_ON;
}

/* Sockets may live where nothing survives a boot; jobs may not. Who says where
 * a gsq lives means all of it. */
static int
take_store(struct options *options, const struct command_line *said,
    bool directory_was_said)
{
	const char *chosen = said->store;
	size_t bytes = sizeof(options->store);
	if (chosen == NULL)
		chosen = options->configuration.store;
	if (chosen == NULL && !directory_was_said)
		return directory_default_store(
		    options->store, bytes, options->directory);
	int count = chosen != NULL
	    ? snprintf(options->store, bytes, "%s", chosen)
	    : snprintf(options->store, bytes, "%s/%s", options->directory,
		  STORE_NAME);
	return count < (int)bytes ? 0 : ENAMETOOLONG;
}

static int
take_directory(struct options *options, const struct command_line *said)
{
	const char *from_file = options->configuration.directory;
	const char *environment = getenv("GSQ_DIR");
	bool has_environment = environment != NULL && *environment != '\0';
	const char *chosen = said->directory;
	if (chosen == NULL && !has_environment)
		chosen = from_file;
	size_t bytes = sizeof(options->directory);
	int error = 0;
	if (chosen == NULL)
		error = directory_default(options->directory, bytes);
	else if (snprintf(options->directory, bytes, "%s", chosen) >=
	    (int)bytes)
		error = ENAMETOOLONG;
	if (error == 0)
		error = take_store(
		    options, said, chosen != NULL || has_environment);
	if (error == 0)
		return OPTIONS_GO_ON;
	fprintf(stderr, "supervisor: the name of the directory: %s\n",
	    strerror(error));
	return EXIT_CONFIGURATION;
}

static int
read_file(struct options *options, const char *path)
{
	if (path == NULL)
		return OPTIONS_GO_ON;
	char *wrong = configuration_read(&options->configuration, path);
	if (wrong == NULL)
		return OPTIONS_GO_ON;
	size_t count = strlen(wrong);
	bool ended = count > 0 && wrong[count - 1] == '\n';
	fprintf(stderr, "%s%s", wrong, ended ? "" : "\n");
	free(wrong);
	return EXIT_CONFIGURATION;
}

int
options_read(struct options *options, int argc, char **argv)
{
	memset(options, 0, sizeof(*options));
	configuration_init(&options->configuration);
	struct command_line said = { .pool = { .workers = WORKERS_DEFAULT,
					 .max_demand = 1 } };
	name_set(&said.pool.name, span_of(QUEUE_DEFAULT));
	name_set(&said.pool.queue, span_of(QUEUE_DEFAULT));
	if (argp_parse(&parser, argc, argv,
		ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_EXIT, NULL,
		&said) != 0) {
		argp_help(&parser, stderr, ARGP_HELP_USAGE, "supervisor");
		return EXIT_USAGE;
	}
	int status = read_file(options, said.configuration_path);
	if (status != OPTIONS_GO_ON)
		return status;
	take_overrules(options, &said);
	take_pools(options, &said);
	status = check_pools(options);
	if (status != OPTIONS_GO_ON)
		return status;
	return take_directory(options, &said);
}

void
options_release(struct options *options)
{
	configuration_release(&options->configuration);
}

void
options_worker_id(const struct options *options, size_t pool, unsigned number,
    char id[NAME_BYTES_MAX + 1])
{
	const char *name = options->pools[pool].name.text;
	if (options->pools_from_file)
		snprintf(id, NAME_BYTES_MAX + 1, "%.*s-%u", POOL_NAME_BYTES_MAX,
		    name, number);
	else
		snprintf(id, NAME_BYTES_MAX + 1, "w%u", number);
}
