/* SPDX-License-Identifier: MIT */
#include "supervisor/options.h"

#include "base/check.h"
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
	const char *log;
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
	case KEY_LOG:
		said->log = text;
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

/* What of the command line says which workers there are; NULL: nothing. */
static const char *
said_of_workers(const struct command_line *said)
{
	return said->workers != NULL   ? "-n"
	    : said->queue != NULL      ? "-q"
	    : said->max_demand != NULL ? "--max-demand"
	    : said->command != NULL    ? "COMMAND"
				       : NULL;
}

static char *
wrong_file(const struct command_line *said, const char *what)
{
	char *text;
	CHECK(asprintf(&text, "%s: %s\n", said->configuration_path, what) > 0);
	return text;
}

static void
take_own_pool(struct options *options, const struct command_line *said)
{
	struct pool_options *pool = &options->pools[0];
	options->demo = said->command == NULL;
	options->pool_count = 1;
	*pool = said->pool;
	pool->min_demand = said->pool.max_demand / 2;
	pool->command = said->command;
	pool->nice = POOL_AS_IT_IS;
	pool->oom_score_adj = POOL_AS_IT_IS;
}

static char *
take_pools(struct options *options, const struct command_line *said)
{
	const struct configuration *configuration = &options->configuration;
	options->pools_from_file = configuration->pool_count > 0;
	if (!options->pools_from_file) {
		take_own_pool(options, said);
		return NULL;
	}
	if (configuration->pool_count > PLAN_POOLS_MAX)
		return wrong_file(said, "more than 64 pools");
	options->pool_count = configuration->pool_count;
	memcpy(options->pools, configuration->pools,
	    options->pool_count * sizeof(*options->pools));
	return NULL;
}

/* Both would mean two truths about which workers there are. */
static void
refuse_two_pools(const struct options *options, const struct command_line *said)
{
	const char *what = said_of_workers(said);
	if (options->pools_from_file && what != NULL)
		usage_error("%s cannot be combined with the pools of '%s': "
			    "the file says which workers there are",
		    what, said->configuration_path);
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
	options->log = said->log;
	options->configuration_path = said->configuration_path;
}

/* What the file's schema cannot say. NULL, or what is wrong. */
static char *
check_pools(const struct options *options, const struct command_line *said)
{
	int64_t workers = 0;
	for (size_t i = 0; i < options->pool_count; i++) {
		workers += options->pools[i].workers;
		if (strlen(options->pools[i].name.text) > POOL_NAME_BYTES_MAX)
			return wrong_file(said,
			    "the name of a pool is too long for the names of "
			    "its workers (at most 59 characters)");
		for (size_t k = 0; k < i; k++)
			if (strcmp(options->pools[i].name.text,
				options->pools[k].name.text) == 0)
				return wrong_file(
				    said, "two pools have the same name");
	}
	if (workers > CHILDREN_MAX)
		return wrong_file(said, "more than 1024 workers in all");
	return NULL;
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

/* NULL, or what is wrong with the file. */
static char *
read_file(struct options *options, const struct command_line *said)
{
	char *wrong = NULL;
	if (said->configuration_path != NULL)
		wrong = configuration_read(
		    &options->configuration, said->configuration_path);
	if (wrong != NULL)
		return wrong;
	take_overrules(options, said);
	wrong = take_pools(options, said);
	return wrong != NULL ? wrong : check_pools(options, said);
}

/* False when it is no command line; then argp has said why. */
static bool
read_command_line(
    struct options *options, struct command_line *said, int argc, char **argv)
{
	memset(options, 0, sizeof(*options));
	options->argc = argc;
	options->argv = argv;
	configuration_init(&options->configuration);
	*said = (struct command_line){ .pool = { .workers = WORKERS_DEFAULT,
					   .max_demand = 1 } };
	name_set(&said->pool.name, span_of(QUEUE_DEFAULT));
	name_set(&said->pool.queue, span_of(QUEUE_DEFAULT));
	return argp_parse(&parser, argc, argv,
		   ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_EXIT, NULL,
		   said) == 0;
}

int
options_read(struct options *options, int argc, char **argv)
{
	struct command_line said;
	if (!read_command_line(options, &said, argc, argv)) {
		argp_help(&parser, stderr, ARGP_HELP_USAGE, "supervisor");
		return EXIT_USAGE;
	}
	char *wrong = read_file(options, &said);
	refuse_two_pools(options, &said);
	if (wrong == NULL)
		return take_directory(options, &said);
	size_t count = strlen(wrong);
	bool ended = count > 0 && wrong[count - 1] == '\n';
	fprintf(stderr, "%s%s", wrong, ended ? "" : "\n");
	free(wrong);
	return EXIT_CONFIGURATION;
}

/* ---- again ---- */

static size_t
find_pool(const struct options *options, const char *name)
{
	size_t i = 0;
	while (i < options->pool_count &&
	    strcmp(options->pools[i].name.text, name) != 0)
		i++;
	return i;
}

/* A new pool takes the place of one that is gone only when there is no other:
 * workers of that one may still be leaving. */
static bool
put_in_places(struct options *options, const struct options *now)
{
	struct pool_options read[PLAN_POOLS_MAX];
	size_t count = options->pool_count;
	memcpy(read, options->pools, sizeof(read));
	memset(options->pools, 0, sizeof(options->pools));
	options->pool_count = now->pool_count;
	for (size_t i = 0; i < now->pool_count; i++) {
		options->pools[i].name = now->pools[i].name;
		options->gone[i] = true;
	}
	for (size_t i = 0; i < count; i++) {
		size_t place = find_pool(options, read[i].name.text);
		if (place == PLAN_POOLS_MAX)
			return false;
		options->pools[place] = read[i];
		options->gone[place] = false;
		if (place == options->pool_count)
			options->pool_count++;
	}
	return true;
}

char *
options_read_again(struct options *options, const struct options *now)
{
	struct command_line said;
	char *wrong = NULL;
	CHECK(read_command_line(options, &said, now->argc, now->argv));
	wrong = read_file(options, &said);
	if (wrong == NULL && options->pools_from_file &&
	    said_of_workers(&said) != NULL)
		wrong = wrong_file(&said,
		    "has pools, but the command line says which workers there "
		    "are");
	if (wrong == NULL && take_directory(options, &said) != OPTIONS_GO_ON)
		wrong = wrong_file(&said, "the name of a directory is wrong");
	if (wrong == NULL &&
	    (strcmp(options->directory, now->directory) != 0 ||
		strcmp(options->store, now->store) != 0))
		wrong = wrong_file(&said,
		    "directory and store cannot change while gsq runs: stop it "
		    "and start it");
	if (wrong == NULL && !put_in_places(options, now))
		wrong = wrong_file(&said,
		    "more than 64 pools, with those that are gone since gsq "
		    "was started");
	if (wrong != NULL)
		options_release(options);
	return wrong;
}

void
options_release(struct options *options)
{
	configuration_release(&options->configuration);
}

int
options_only_pool(const struct options *options)
{
	int only = -1;
	for (size_t i = 0; i < options->pool_count; i++) {
		if (options->gone[i])
			continue;
		if (only >= 0)
			return -1;
		only = (int)i;
	}
	return only;
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
