/* SPDX-License-Identifier: MIT */
#include "sys/configuration.h"

#include "base/buffer.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/units.h"

#include "sys/configuration_text.h"
#include "sys/confine.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESTARTS_MAX	   1000000
#define WINDOW_SECONDS_MAX 86400
#define INCLUDE_DEPTH_MAX  10
#define POOLS_MAX	   CHILDREN_MAX
#define ERROR_BYTES_MAX	   1024

#define ATTEMPTS_DEFAULT   10
#define CRASHES_DEFAULT	   3
#define TTR_DEFAULT	   (5 * MINUTE_MS)
#define BURST_DEFAULT	   1
#define TTR_GRACE_DEFAULT  (5 * SECOND_MS)
#define RETRY_BASE_DEFAULT (2 * SECOND_MS)
#define RETRY_CAP_DEFAULT  HOUR_MS
#define QUEUE_DEFAULT	   "default"

/* ---- values that the command line has too ---- */

bool
configuration_parse_backoff(const char *text, struct backoff *ret_backoff)
{
	char first[32];
	struct backoff backoff;
	const char *dots = strstr(text, "..");
	if (strcmp(text, "off") == 0) {
		*ret_backoff = (struct backoff){ 0, 0 };
		return true;
	}
	if (dots == NULL || (size_t)(dots - text) >= sizeof(first))
		return false;
	snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
	if (!duration_parse(first, &backoff.base_ms) ||
	    !duration_parse(dots + 2, &backoff.cap_ms))
		return false;
	if (backoff.base_ms < 1 || backoff.cap_ms < backoff.base_ms)
		return false;
	*ret_backoff = backoff;
	return true;
}

bool
configuration_parse_restarts(const char *text, int64_t *ret_restarts)
{
	int64_t value = 0;
	if (strcmp(text, "inf") == 0) {
		*ret_restarts = RESTARTS_UNLIMITED;
		return true;
	}
	for (const char *at = text; *at != '\0'; at++) {
		if (!isdigit((unsigned char)*at))
			return false;
		value = value * 10 + (*at - '0');
		if (value > RESTARTS_MAX)
			return false;
	}
	if (*text == '\0')
		return false;
	*ret_restarts = value;
	return true;
}

/* ---- what is wrong ---- */

/* libconfuse's callbacks carry nothing of ours, so the file being read is kept
 * here; a file is read at a time. */
static struct {
	cfg_t *root; /* its filename is the one being read, also of sections */
	struct buffer errors;
	int depth; /* of includes */
	int need;  /* an errno: the machine could not read, for now */
} reading;

static void
add_error(const char *where, const char *text)
{
	CHECK(buffer_append(&reading.errors, where, strlen(where)) == 0);
	CHECK(buffer_append(&reading.errors, text, strlen(text)) == 0);
	CHECK(buffer_append(&reading.errors, "\n", 1) == 0);
}

/* A file's bytes come back in messages and must not move a terminal. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

/* A "[" that begins no list here is the first word of it. */
static bool
has_bracket(const cfg_t *section)
{
	for (cfg_opt_t *option = section->opts; option->name != NULL; option++)
		if (option->type == CFGT_STR && cfg_opt_size(option) > 0 &&
		    cfg_opt_getnstr(option, 0) != NULL &&
		    cfg_opt_getnstr(option, 0)[0] == '[')
			return true;
	return false;
}

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *section, const char *format, va_list arguments)
{
	char where[ERROR_BYTES_MAX];
	char text[ERROR_BYTES_MAX];
	const char *file = reading.root->filename;
	snprintf(where, sizeof(where), "%s:%d: ", file != NULL ? file : "?",
	    section->line);
	vsnprintf(text, sizeof(text), format, arguments);
	flatten(text);
	if (has_bracket(section)) {
		size_t count = strlen(text);
		snprintf(text + count, sizeof(text) - count,
		    "; a list is written {\"a\", \"b\"}");
	}
	add_error(where, text);
}

/* ---- rules for single options ---- */

static const struct integer_rule {
	const char *section;
	const char *option;
	long min;
	long max;
} integer_rules[] = {
#define INTEGER(section, key, min, max, initial, summary) \
	{ #section, #key, min, max },
#include "sys/configuration_rows.h"
};

static const struct duration_rule {
	const char *section;
	const char *option;
	int64_t min_ms;
	int64_t max_ms;
} duration_rules[] = {
#define DURATION(section, key, min_ms, max_ms, initial, summary) \
	{ #section, #key, min_ms, max_ms },
#include "sys/configuration_rows.h"
};

#define COUNT(rules) (sizeof(rules) / sizeof((rules)[0]))

/* Validators answer 0, so that the reading goes on and all is told that is
 * wrong; that something was is seen by the errors gathered. */
static int
check_integer(cfg_t *section, cfg_opt_t *option)
{
	long value = cfg_opt_getnint(option, 0);
	for (size_t i = 0; i < COUNT(integer_rules); i++) {
		const struct integer_rule *rule = &integer_rules[i];
		/* libconfuse calls the file itself "root". */
		if (strcasecmp(rule->section, section->name) != 0 ||
		    strcmp(rule->option, option->name) != 0)
			continue;
		if (value < rule->min || value > rule->max)
			cfg_error(section, "%s must be %ld to %ld, not %ld",
			    option->name, rule->min, rule->max, value);
	}
	return 0;
}

static void
check_range(cfg_t *section, const struct duration_rule *rule, const char *text,
    int64_t value_ms)
{
	char min[16];
	char max[16];
	if (value_ms >= rule->min_ms && value_ms <= rule->max_ms)
		return;
	duration_print(rule->min_ms, min, sizeof(min));
	duration_print(rule->max_ms, max, sizeof(max));
	cfg_error(section, "%s must be %s to %s, not '%s'", rule->option, min,
	    max, text);
}

static int
check_duration(cfg_t *section, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, 0);
	int64_t value_ms;
	if (!duration_parse(text, &value_ms)) {
		cfg_error(section,
		    "%s must be a duration as in 250ms, 1.5s or 10m, not '%s'",
		    option->name, text);
		return 0;
	}
	for (size_t i = 0; i < COUNT(duration_rules); i++)
		if (strcmp(duration_rules[i].section, section->name) == 0 &&
		    strcmp(duration_rules[i].option, option->name) == 0)
			check_range(
			    section, &duration_rules[i], text, value_ms);
	return 0;
}

static int
check_seconds(cfg_t *section, cfg_opt_t *option)
{
	double value = cfg_opt_getnfloat(option, 0);
	if (!(value >= 0.001 && value <= WINDOW_SECONDS_MAX))
		cfg_error(section, "%s must be 0.001 to %d seconds, not %g",
		    option->name, WINDOW_SECONDS_MAX, value);
	return 0;
}

static int
check_restarts(cfg_t *section, cfg_opt_t *option)
{
	int64_t value;
	const char *text = cfg_opt_getnstr(option, 0);
	if (!configuration_parse_restarts(text, &value))
		cfg_error(section, "%s must be inf or 0 to %d, not '%s'",
		    option->name, RESTARTS_MAX, text);
	return 0;
}

static int
check_backoff(cfg_t *section, cfg_opt_t *option)
{
	struct backoff value;
	const char *text = cfg_opt_getnstr(option, 0);
	if (!configuration_parse_backoff(text, &value))
		cfg_error(section,
		    "%s must be off or MIN..MAX as in 100ms..5s, not '%s'",
		    option->name, text);
	return 0;
}

static struct span
word_of(cfg_opt_t *option)
{
	return span_of(cfg_opt_getnstr(option, 0));
}

static int
expect_word(cfg_t *section, cfg_opt_t *option, bool known, const char *words)
{
	if (!known)
		cfg_error(section, "%s must be %s, not '%s'", option->name,
		    words, cfg_opt_getnstr(option, 0));
	return 0;
}

static int
check_durability(cfg_t *section, cfg_opt_t *option)
{
	enum durability value;
	return expect_word(section, option,
	    durability_parse(word_of(option), &value),
	    "sync, relaxed or memory");
}

/* "off": there is none. */
static bool
parse_schedule(const char *text, struct schedule *ret_schedule)
{
	if (strcmp(text, "off") != 0)
		return schedule_parse(text, ret_schedule);
	*ret_schedule = (struct schedule){ 0 };
	return true;
}

static int
check_schedule(cfg_t *section, cfg_opt_t *option)
{
	struct schedule value;
	if (!parse_schedule(cfg_opt_getnstr(option, 0), &value))
		cfg_error(section,
		    "%s must be off or 1 to %d durations as in 1s, 10s, 5m, "
		    "not '%s'",
		    option->name, SCHEDULE_DELAYS_MAX,
		    cfg_opt_getnstr(option, 0));
	return 0;
}

static int
check_key_mode(cfg_t *section, cfg_opt_t *option)
{
	enum key_mode value;
	return expect_word(section, option,
	    key_mode_parse(word_of(option), &value),
	    "serial, coalesce or parallel");
}

static int
check_key_merge(cfg_t *section, cfg_opt_t *option)
{
	enum key_merge value;
	return expect_word(section, option,
	    key_merge_parse(word_of(option), &value), "last, first or append");
}

static int
check_strategy(cfg_t *section, cfg_opt_t *option)
{
	enum restart_strategy value;
	return expect_word(section, option,
	    restart_strategy_parse(word_of(option), &value),
	    "one_for_one, rest_for_one or one_for_all");
}

static int
check_restart(cfg_t *section, cfg_opt_t *option)
{
	enum restart_kind value;
	return expect_word(section, option,
	    restart_kind_parse(word_of(option), &value),
	    "permanent, transient or temporary");
}

static int
check_umask(cfg_t *section, cfg_opt_t *option)
{
	mode_t value;
	return expect_word(section, option,
	    confine_parse_umask(cfg_opt_getnstr(option, 0), &value),
	    "octal as in 027");
}

static int
check_absolute(cfg_t *section, cfg_opt_t *option)
{
	return expect_word(section, option, *cfg_opt_getnstr(option, 0) == '/',
	    "a path that begins with /");
}

static int
check_yes(cfg_t *section, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, 0);
	return expect_word(section, option,
	    strcmp(text, "yes") == 0 || strcmp(text, "no") == 0, "yes or no");
}

static int
check_size(cfg_t *section, cfg_opt_t *option)
{
	uint64_t value;
	const char *text = cfg_opt_getnstr(option, 0);
	if (!size_parse(text, &value))
		cfg_error(section,
		    "%s must be a size as in 64KiB, 256MiB or 1GiB, not '%s'",
		    option->name, text);
	return 0;
}

static int
check_body_size(cfg_t *section, cfg_opt_t *option)
{
	uint64_t value;
	const char *text = cfg_opt_getnstr(option, 0);
	if (!size_parse(text, &value) || value > BODY_BYTES_MAX)
		cfg_error(section, "%s must be a size from 0 to 1MiB, not '%s'",
		    option->name, text);
	return 0;
}

static int
check_output_size(cfg_t *section, cfg_opt_t *option)
{
	uint64_t value;
	const char *text = cfg_opt_getnstr(option, 0);
	if (!size_parse(text, &value) || value < OUTPUT_BYTES_MIN ||
	    value > OUTPUT_BYTES_MAX)
		cfg_error(section,
		    "%s must be a size from 64KiB to 64MiB, not '%s'",
		    option->name, text);
	return 0;
}

/* "off" is no rate: 0 jobs. */
static bool
parse_rate(const char *text, int64_t *ret_jobs, int64_t *ret_ms)
{
	if (strcmp(text, "off") != 0)
		return rate_parse(text, ret_jobs, ret_ms);
	*ret_jobs = *ret_ms = 0;
	return true;
}

static int
check_rate(cfg_t *section, cfg_opt_t *option)
{
	const char *text = cfg_opt_getnstr(option, 0);
	int64_t jobs, ms;
	if (!parse_rate(text, &jobs, &ms))
		cfg_error(section,
		    "%s must be off or a rate as in 10/s, 600/m, 5000/h, 1/d, "
		    "not '%s'",
		    option->name, text);
	return 0;
}

static int
check_not_empty(cfg_t *section, cfg_opt_t *option)
{
	if (*cfg_opt_getnstr(option, 0) == '\0')
		cfg_error(section, "%s must not be empty", option->name);
	return 0;
}

static void
check_name_text(cfg_t *section, const char *what, const char *text)
{
	if (!name_is_valid(span_of(text)))
		cfg_error(section,
		    "%s '%s' must be 1 to %d of A-Z a-z 0-9 . _ -", what, text,
		    NAME_BYTES_MAX);
}

static int
check_name(cfg_t *section, cfg_opt_t *option)
{
	check_name_text(section, option->name, cfg_opt_getnstr(option, 0));
	return 0;
}

/* ---- rules for whole sections ---- */

static int64_t
integer_of(cfg_t *section, const char *option, int64_t otherwise)
{
	if (cfg_size(section, option) == 0)
		return otherwise;
	return cfg_getint(section, option);
}

static int64_t
duration_of(cfg_t *section, const char *option, int64_t otherwise_ms)
{
	int64_t value_ms = otherwise_ms;
	if (cfg_size(section, option) > 0)
		duration_parse(cfg_getstr(section, option), &value_ms);
	return value_ms;
}

static cfg_t *
last_section(cfg_opt_t *option)
{
	return cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
}

static int
check_queue(cfg_t *root, cfg_opt_t *option)
{
	cfg_t *queue = last_section(option);
	check_name_text(root, "the name of a queue", cfg_title(queue));
	if (cfg_opt_size(option) == LANES_MAX + 1)
		cfg_error(root, "more than %d queues", LANES_MAX);
	if (duration_of(queue, "retry_base", RETRY_BASE_DEFAULT) >
	    duration_of(queue, "retry_cap", RETRY_CAP_DEFAULT))
		cfg_error(root,
		    "retry_base must not be more than retry_cap in queue '%s'",
		    cfg_title(queue));
	return 0;
}

static int64_t
min_demand_of(cfg_t *pool)
{
	int64_t max_demand = integer_of(pool, "max_demand", 1);
	return integer_of(pool, "min_demand", max_demand / 2);
}

static void
check_workers(cfg_t *root, cfg_opt_t *option)
{
	int64_t before = 0;
	unsigned count = cfg_opt_size(option);
	for (unsigned i = 0; i + 1 < count; i++)
		before += integer_of(cfg_opt_getnsec(option, i), "workers", 1);
	int64_t all = before + integer_of(last_section(option), "workers", 1);
	if (before <= CHILDREN_MAX && all > CHILDREN_MAX)
		cfg_error(root, "more than %d workers in all", CHILDREN_MAX);
}

static void
check_limits(cfg_t *root, cfg_t *pool)
{
	struct confine_limit limit;
	unsigned count = cfg_size(pool, "limits");
	if (count > CONFINE_LIMITS_MAX)
		cfg_error(root, "more than %d limits in pool '%s'",
		    CONFINE_LIMITS_MAX, cfg_title(pool));
	for (unsigned i = 0; i < count; i++)
		if (!confine_parse_limit(
			cfg_getnstr(pool, "limits", i), &limit))
			cfg_error(root,
			    "a limit must be as \"nofile=1024\" or "
			    "\"as=2GiB\", not '%s', in pool '%s'",
			    cfg_getnstr(pool, "limits", i), cfg_title(pool));
}

static int
check_pool(cfg_t *root, cfg_opt_t *option)
{
	cfg_t *pool = last_section(option);
	const char *title = cfg_title(pool);
	check_name_text(root, "the name of a pool", title);
	check_workers(root, option);
	if (cfg_opt_size(option) == POOLS_MAX + 1)
		cfg_error(root, "more than %d pools", POOLS_MAX);
	if (min_demand_of(pool) >= integer_of(pool, "max_demand", 1))
		cfg_error(root,
		    "min_demand must be less than max_demand in pool '%s'",
		    title);
	check_limits(root, pool);
	if (cfg_size(pool, "command") > 0 &&
	    *cfg_getnstr(pool, "command", 0) == '\0')
		cfg_error(root, "the command of pool '%s' has no name", title);
	return 0;
}

/* ---- reading ---- */

/* How the keys of a section "x" are found below it: "x|key". */
static const struct {
	const char *section;
	const char *option;
	cfg_validate_callback_t check;
} checks[] = {
#define INTEGER(section, key, ...)     { #section, #key, check_integer },
#define DURATION(section, key, ...)    { #section, #key, check_duration },
#define SECONDS(section, key, ...)     { #section, #key, check_seconds },
#define TEXT(section, key, check, ...) { #section, #key, check },
#include "sys/configuration_rows.h"
	{ "ROOT", "queue", check_queue },
	{ "ROOT", "pool", check_pool },
};

static void
parse_text(struct configuration_text *text)
{
	cfg_t *root = reading.root;
	if (text->count == 0)
		return;
	FILE *file = fmemopen(text->bytes, text->count, "r");
	CHECK(file != NULL);
	size_t before = buffer_count(&reading.errors);
	bool failed = cfg_parse_fp(root, file) != CFG_SUCCESS;
	fclose(file);
	bool said = buffer_count(&reading.errors) > before;
	if (failed && !said)
		cfg_error(root, "cannot be understood");
	/* libconfuse takes the end of the file for any number of "}". */
	if (!failed && text->open_line != 0) {
		root->line = text->open_line;
		cfg_error(root, "this '{' is never closed");
	}
}

/* Something that goes by, and says nothing about the file. */
static bool
is_need(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	    error == EIO;
}

/* Parses one file with its name and lines in the errors; what stood there
 * before comes back. NULL, or the reason why the file cannot be read. */
static const char *
parse_file(const char *path)
{
	struct configuration_text text;
	const char *reason = configuration_text_read(&text, path);
	if (reason != NULL && is_need(errno))
		reading.need = errno;
	if (reason == NULL) {
		char *kept_name = reading.root->filename;
		int kept_line = reading.root->line;
		reading.root->filename = strdup(path);
		CHECK(reading.root->filename != NULL);
		parse_text(&text);
		free(reading.root->filename);
		reading.root->filename = kept_name;
		reading.root->line = kept_line;
	}
	configuration_text_release(&text);
	return reason;
}

/* Not libconfuse's own: that one ends the process when it is given a
 * directory, and finds relative names from where the process stands. */
static int
on_include(cfg_t *root, cfg_opt_t *option, int argc, const char **argv)
{
	char path[ERROR_BYTES_MAX];
	(void)option;
	if (argc != 1) {
		cfg_error(root, "include takes one file name");
		return -1;
	}
	const char *slash = strrchr(root->filename, '/');
	bool is_relative = argv[0][0] != '/' && slash != NULL;
	int above = is_relative ? (int)(slash - root->filename + 1) : 0;
	if (snprintf(path, sizeof(path), "%.*s%s", above, root->filename,
		argv[0]) >= (int)sizeof(path)) {
		cfg_error(root, "the name of the included file is too long");
		return -1;
	}
	if (reading.depth == INCLUDE_DEPTH_MAX) {
		cfg_error(root, "includes nest too deeply");
		return -1;
	}
	size_t before = buffer_count(&reading.errors);
	reading.depth++;
	const char *reason = parse_file(path);
	reading.depth--;
	if (reason != NULL)
		cfg_error(root, "cannot read '%s': %s", path, reason);
	return buffer_count(&reading.errors) > before ? -1 : 0;
}

/* ---- taking what was read ---- */

static char *
copy_text(const char *text)
{
	char *copy = strdup(text);
	CHECK(copy != NULL);
	return copy;
}

static void
take_supervisor(struct configuration *configuration, cfg_t *section)
{
	if (cfg_size(section, "max_restarts") > 0)
		configuration_parse_restarts(
		    cfg_getstr(section, "max_restarts"),
		    &configuration->max_restarts);
	if (cfg_size(section, "max_seconds") > 0)
		configuration->max_window_ms =
		    (int64_t)(cfg_getfloat(section, "max_seconds") * 1000 +
			0.5);
	if (cfg_size(section, "backoff") > 0)
		configuration_parse_backoff(
		    cfg_getstr(section, "backoff"), &configuration->backoff);
	if (cfg_size(section, "strategy") > 0)
		restart_strategy_parse(span_of(cfg_getstr(section, "strategy")),
		    &configuration->strategy);
	configuration->hang_timeout_ms = duration_of(
	    section, "hang_timeout", configuration->hang_timeout_ms);
	configuration->queue_hang_timeout_ms = duration_of(section,
	    "queue_hang_timeout", configuration->queue_hang_timeout_ms);
	configuration->start_timeout_ms = duration_of(
	    section, "start_timeout", configuration->start_timeout_ms);
	configuration->queue_start_timeout_ms = duration_of(section,
	    "queue_start_timeout", configuration->queue_start_timeout_ms);
	configuration->stop_grace_ms =
	    duration_of(section, "stop_grace", configuration->stop_grace_ms);
}

static int64_t
size_of(cfg_t *section, const char *option)
{
	uint64_t value = 0;
	if (cfg_size(section, option) > 0)
		size_parse(cfg_getstr(section, option), &value);
	return (int64_t)value;
}

static struct queue_options
default_queue(const char *name)
{
	struct queue_options queue = { .max_attempts = ATTEMPTS_DEFAULT,
		.max_crashes = CRASHES_DEFAULT,
		.retry = { RETRY_BASE_DEFAULT, RETRY_CAP_DEFAULT },
		.ttr_ms = TTR_DEFAULT,
		.ttr_grace_ms = TTR_GRACE_DEFAULT,
		.rate_burst = BURST_DEFAULT,
		.keys = KEY_SERIAL };
	name_set(&queue.name, span_of(name));
	return queue;
}

static void
take_queue(struct configuration *configuration, cfg_t *section)
{
	struct queue_options queue = default_queue(cfg_title(section));
	queue.max_attempts =
	    integer_of(section, "max_attempts", queue.max_attempts);
	queue.retry.base_ms =
	    duration_of(section, "retry_base", queue.retry.base_ms);
	queue.retry.cap_ms =
	    duration_of(section, "retry_cap", queue.retry.cap_ms);
	if (cfg_size(section, "retry") > 0)
		parse_schedule(
		    cfg_getstr(section, "retry"), &queue.retry_schedule);
	queue.max_crashes =
	    integer_of(section, "max_crashes", queue.max_crashes);
	queue.ttr_ms = duration_of(section, "ttr", queue.ttr_ms);
	queue.ttr_grace_ms =
	    duration_of(section, "ttr_grace", queue.ttr_grace_ms);
	queue.max_running =
	    integer_of(section, "max_running", queue.max_running);
	if (cfg_size(section, "rate") > 0)
		parse_rate(cfg_getstr(section, "rate"), &queue.rate_jobs,
		    &queue.rate_ms);
	queue.rate_burst = integer_of(section, "burst", queue.rate_burst);
	queue.max_jobs = integer_of(section, "max_jobs", queue.max_jobs);
	queue.max_bytes = size_of(section, "max_bytes");
	queue.max_keys = integer_of(section, "max_keys", queue.max_keys);
	queue.max_body_bytes = size_of(section, "max_body_bytes");
	if (cfg_size(section, "durability") > 0)
		durability_parse(span_of(cfg_getstr(section, "durability")),
		    &queue.durability);
	if (cfg_size(section, "keys") > 0)
		key_mode_parse(
		    span_of(cfg_getstr(section, "keys")), &queue.keys);
	if (cfg_size(section, "merge") > 0)
		key_merge_parse(
		    span_of(cfg_getstr(section, "merge")), &queue.merge);
	configuration->queues[configuration->queue_count++] = queue;
}

/* NULL when it is empty. */
static char **
take_list(cfg_t *section, const char *option)
{
	unsigned count = cfg_size(section, option);
	if (count == 0)
		return NULL;
	char **list = calloc(count + 1, sizeof(*list));
	CHECK(list != NULL);
	for (unsigned i = 0; i < count; i++)
		list[i] = copy_text(cfg_getnstr(section, option, i));
	return list;
}

static void
release_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

/* NULL when it is not said. */
static char *
take_text(cfg_t *section, const char *option)
{
	if (cfg_size(section, option) == 0)
		return NULL;
	return copy_text(cfg_getstr(section, option));
}

static void
take_pool(struct configuration *configuration, cfg_t *section)
{
	struct pool_options pool = { .workers =
					 integer_of(section, "workers", 1),
		.max_demand = integer_of(section, "max_demand", 1),
		.min_demand = min_demand_of(section),
		.max_jobs = integer_of(section, "max_jobs", 0),
		.max_rss = size_of(section, "max_rss"),
		.max_age_ms = duration_of(section, "max_age", 0),
		.limits = take_list(section, "limits"),
		.user = take_text(section, "user"),
		.umask = take_text(section, "umask"),
		.cwd = take_text(section, "cwd"),
		.nice = integer_of(section, "nice", POOL_AS_IT_IS),
		.oom_score_adj =
		    integer_of(section, "oom_score_adj", POOL_AS_IT_IS),
		.no_new_privs = cfg_size(section, "no_new_privs") > 0 &&
		    strcmp(cfg_getstr(section, "no_new_privs"), "yes") == 0,
		.command = take_list(section, "command") };
	const char *queue = cfg_size(section, "queue") > 0
	    ? cfg_getstr(section, "queue")
	    : QUEUE_DEFAULT;
	if (cfg_size(section, "restart") > 0)
		restart_kind_parse(
		    span_of(cfg_getstr(section, "restart")), &pool.restart);
	name_set(&pool.name, span_of(cfg_title(section)));
	name_set(&pool.queue, span_of(queue));
	configuration->pools[configuration->pool_count++] = pool;
}

static void
release_pools(struct configuration *configuration)
{
	for (size_t i = 0; i < configuration->pool_count; i++) {
		struct pool_options *pool = &configuration->pools[i];
		release_list(pool->command);
		release_list(pool->limits);
		free(pool->user);
		free(pool->umask);
		free(pool->cwd);
	}
	free(configuration->pools);
	configuration->pools = NULL;
	configuration->pool_count = 0;
}

static void
take_queues(struct configuration *configuration, cfg_t *root)
{
	unsigned count = cfg_size(root, "queue");
	if (count == 0)
		return;
	free(configuration->queues);
	configuration->queue_count = 0;
	configuration->queues = calloc(count, sizeof(struct queue_options));
	CHECK(configuration->queues != NULL);
	for (unsigned i = 0; i < count; i++)
		take_queue(configuration, cfg_getnsec(root, "queue", i));
}

static void
take_pools(struct configuration *configuration, cfg_t *root)
{
	unsigned count = cfg_size(root, "pool");
	if (count == 0)
		return;
	release_pools(configuration);
	configuration->pools = calloc(count, sizeof(struct pool_options));
	CHECK(configuration->pools != NULL);
	for (unsigned i = 0; i < count; i++)
		take_pool(configuration, cfg_getnsec(root, "pool", i));
}

static void
take_path(char **path, cfg_t *root, const char *option)
{
	if (cfg_size(root, option) == 0)
		return;
	free(*path);
	*path = copy_text(cfg_getstr(root, option));
}

static void
take_all(struct configuration *configuration, cfg_t *root)
{
	take_path(&configuration->directory, root, "directory");
	take_path(&configuration->store, root, "store");
	configuration->max_connections =
	    integer_of(root, "max_connections", configuration->max_connections);
	if (cfg_size(root, "max_output_bytes") > 0)
		configuration->max_output_bytes =
		    size_of(root, "max_output_bytes");
	take_supervisor(configuration, cfg_getsec(root, "supervisor"));
	take_queues(configuration, root);
	take_pools(configuration, root);
}

/* ---- the file ---- */

static void
set_checks(cfg_t *schema)
{
	char path[128];
	for (size_t i = 0; i < COUNT(checks); i++) {
		bool is_root = strcmp(checks[i].section, "ROOT") == 0;
		snprintf(path, sizeof(path), "%s%s%s",
		    is_root ? "" : checks[i].section, is_root ? "" : "|",
		    checks[i].option);
		cfg_set_validate_func(schema, path, checks[i].check);
	}
}

static cfg_t *
make_schema(void)
{
	/* Without defaults, so that what the file does not say is known. */
	enum { TITLED = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES };
	/* clang-format off */
#define SECTION(section, titled, summary)                               \
	const cfg_flag_t section##_flags = titled ? TITLED : CFGF_NONE; \
	cfg_opt_t section##_rows[] = {
#define INTEGER(section, key, ...)  CFG_INT(#key, 0, CFGF_NODEFAULT),
#define DURATION(section, key, ...) CFG_STR(#key, NULL, CFGF_NODEFAULT),
#define SECONDS(section, key, ...)  CFG_FLOAT(#key, 0, CFGF_NODEFAULT),
#define TEXT(section, key, ...)     CFG_STR(#key, NULL, CFGF_NODEFAULT),
#define LIST(section, key, ...)     CFG_STR_LIST(#key, NULL, CFGF_NODEFAULT),
#define CALL(section, key, function, ...) CFG_FUNC(#key, function),
#define INSIDE(section) CFG_SEC(#section, section##_rows, section##_flags),
#define END(section) CFG_END() };
#include "sys/configuration_rows.h"
	/* clang-format on */
	cfg_t *schema = cfg_init(ROOT_rows, ROOT_flags);
	CHECK(schema != NULL);
	cfg_set_error_function(schema, on_error);
	set_checks(schema);
	return schema;
}

/* The errors as one text of the caller's, or NULL when there are none. */
static char *
take_errors(void)
{
	char *text = NULL;
	if (buffer_count(&reading.errors) > 0) {
		CHECK(buffer_append(&reading.errors, "", 1) == 0);
		text = copy_text(buffer_front(&reading.errors));
	}
	buffer_release(&reading.errors);
	return text;
}

char *
configuration_read(struct configuration *configuration, const char *path)
{
	char where[ERROR_BYTES_MAX];
	cfg_t *root = make_schema();
	reading.root = root;
	reading.depth = 0;
	reading.need = 0;
	const char *reason = parse_file(path);
	if (reason != NULL) {
		snprintf(where, sizeof(where), "%s: ", path);
		add_error(where, reason);
	}
	char *errors = take_errors();
	if (errors == NULL)
		take_all(configuration, root);
	cfg_free(root);
	reading.root = NULL;
	errno = reading.need;
	return errors;
}

/* ---- life ---- */

void
configuration_init(struct configuration *configuration)
{
	*configuration =
	    (struct configuration){ .max_restarts = RESTARTS_AUTOMATIC,
		    .max_connections = CONNECTIONS_MAX,
		    .max_output_bytes = OUTPUT_BYTES_HIGH,
		    .max_window_ms = 5 * SECOND_MS,
		    .backoff = { 100, 5 * SECOND_MS },
		    .hang_timeout_ms = 10 * SECOND_MS,
		    .queue_hang_timeout_ms = MINUTE_MS,
		    .start_timeout_ms = 10 * SECOND_MS,
		    .queue_start_timeout_ms = MINUTE_MS,
		    .stop_grace_ms = 30 * SECOND_MS };
}

void
configuration_release(struct configuration *configuration)
{
	free(configuration->directory);
	free(configuration->store);
	free(configuration->queues);
	release_pools(configuration);
	*configuration = (struct configuration){ 0 };
}

struct queue_options
configuration_queue(const struct configuration *configuration, const char *name)
{
	for (size_t i = 0; i < configuration->queue_count; i++)
		if (strcmp(configuration->queues[i].name.text, name) == 0)
			return configuration->queues[i];
	return default_queue(name);
}
