/* SPDX-License-Identifier: MIT */
#include "supervisor/difference.h"

#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_BYTES 256
#define LINE_BYTES  (2 * VALUE_BYTES + 256)

/* Kinds of fields, and how they are shown. */
enum kind {
	NUMBER,
	MILLISECONDS,
	BYTES,
	YES_NO,
	BACKOFF,
	SCHEDULE,
	WORD,
	TEXT,
	LIST
};

struct field {
	const char *name; /* as in the configuration */
	enum kind kind;
	size_t offset;
	const char *(*word)(int value); /* of a WORD */
};

/* ---- words ---- */

static const char *
word_of_strategy(int value)
{
	return restart_strategy_name((enum restart_strategy)value);
}

static const char *
word_of_restart(int value)
{
	return restart_kind_name((enum restart_kind)value);
}

static const char *
word_of_durability(int value)
{
	return durability_name((enum durability)value);
}

static const char *
word_of_keys(int value)
{
	return key_mode_name((enum key_mode)value);
}

static const char *
word_of_merge(int value)
{
	return key_merge_name((enum key_merge)value);
}

/* ---- fields ---- */

#define OF_CONFIGURATION(field) offsetof(struct configuration, field)
#define OF_POOL(field)		offsetof(struct pool_options, field)
#define OF_QUEUE(field)		offsetof(struct queue_options, field)

/* The supervisor alone knows these. */
static const struct field supervisor_fields[] = {
	{ "max_restarts", NUMBER, OF_CONFIGURATION(max_restarts), NULL },
	{ "max_seconds", MILLISECONDS, OF_CONFIGURATION(max_window_ms), NULL },
	{ "backoff", BACKOFF, OF_CONFIGURATION(backoff), NULL },
	{ "strategy", WORD, OF_CONFIGURATION(strategy), word_of_strategy },
	{ "start_timeout", MILLISECONDS, OF_CONFIGURATION(start_timeout_ms),
	    NULL },
	{ "queue_start_timeout", MILLISECONDS,
	    OF_CONFIGURATION(queue_start_timeout_ms), NULL },
	{ "stop_grace", MILLISECONDS, OF_CONFIGURATION(stop_grace_ms), NULL },
};

/* The process of the queue reads these itself, when it starts. */
static const struct field queue_process_fields[] = {
	{ "max_connections", NUMBER, OF_CONFIGURATION(max_connections), NULL },
	{ "max_output_bytes", BYTES, OF_CONFIGURATION(max_output_bytes), NULL },
};

/* These stand in the command line of every worker, or of the queue. */
static const struct field hang_field = { "hang_timeout", MILLISECONDS,
	OF_CONFIGURATION(hang_timeout_ms), NULL };
static const struct field queue_hang_field = { "queue_hang_timeout",
	MILLISECONDS, OF_CONFIGURATION(queue_hang_timeout_ms), NULL };

static const struct field workers_field = { "workers", NUMBER, OF_POOL(workers),
	NULL };
static const struct field restart_field = { "restart", WORD, OF_POOL(restart),
	word_of_restart };

/* These stand in the command line of the workers of a pool. */
static const struct field pool_fields[] = {
	{ "max_demand", NUMBER, OF_POOL(max_demand), NULL },
	{ "min_demand", NUMBER, OF_POOL(min_demand), NULL },
	{ "limits", LIST, OF_POOL(limits), NULL },
	{ "user", TEXT, OF_POOL(user), NULL },
	{ "umask", TEXT, OF_POOL(umask), NULL },
	{ "cwd", TEXT, OF_POOL(cwd), NULL },
	{ "nice", NUMBER, OF_POOL(nice), NULL },
	{ "oom_score_adj", NUMBER, OF_POOL(oom_score_adj), NULL },
	{ "no_new_privs", YES_NO, OF_POOL(no_new_privs), NULL },
	{ "max_jobs", NUMBER, OF_POOL(max_jobs), NULL },
	{ "max_rss", NUMBER, OF_POOL(max_rss), NULL },
	{ "max_age", MILLISECONDS, OF_POOL(max_age_ms), NULL },
	{ "command", LIST, OF_POOL(command), NULL },
};

static const struct field queue_fields[] = {
	{ "max_attempts", NUMBER, OF_QUEUE(max_attempts), NULL },
	{ "max_crashes", NUMBER, OF_QUEUE(max_crashes), NULL },
	{ "retry_base..retry_cap", BACKOFF, OF_QUEUE(retry), NULL },
	{ "retry", SCHEDULE, OF_QUEUE(retry_schedule), NULL },
	{ "ttr", MILLISECONDS, OF_QUEUE(ttr_ms), NULL },
	{ "ttr_grace", MILLISECONDS, OF_QUEUE(ttr_grace_ms), NULL },
	{ "max_running", NUMBER, OF_QUEUE(max_running), NULL },
	{ "rate", NUMBER, OF_QUEUE(rate_jobs), NULL },
	{ "rate in", MILLISECONDS, OF_QUEUE(rate_ms), NULL },
	{ "burst", NUMBER, OF_QUEUE(rate_burst), NULL },
	{ "max_jobs", NUMBER, OF_QUEUE(max_jobs), NULL },
	{ "max_bytes", BYTES, OF_QUEUE(max_bytes), NULL },
	{ "max_keys", NUMBER, OF_QUEUE(max_keys), NULL },
	{ "max_body_bytes", BYTES, OF_QUEUE(max_body_bytes), NULL },
	{ "durability", WORD, OF_QUEUE(durability), word_of_durability },
	{ "keys", WORD, OF_QUEUE(keys), word_of_keys },
	{ "merge", WORD, OF_QUEUE(merge), word_of_merge },
};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/* ---- values ---- */

static void
print_number(int64_t value, char text[VALUE_BYTES])
{
	if (value == POOL_AS_IT_IS)
		snprintf(text, VALUE_BYTES, "as gsq has it");
	else if (value == RESTARTS_UNLIMITED)
		snprintf(text, VALUE_BYTES, "inf");
	else if (value == RESTARTS_AUTOMATIC)
		snprintf(text, VALUE_BYTES, "automatic");
	else
		snprintf(text, VALUE_BYTES, "%" PRId64, value);
}

/* As it could stand in the file: in the largest unit that it is a multiple
 * of. */
static void
print_bytes(int64_t value, char text[VALUE_BYTES])
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB" };
	size_t unit = 0;
	for (; value > 0 && value % 1024 == 0 && unit < 3; unit++)
		value /= 1024;
	snprintf(text, VALUE_BYTES, "%" PRId64 "%s", value, units[unit]);
}

static void
print_schedule(const struct schedule *schedule, char text[VALUE_BYTES])
{
	size_t used = 0;
	snprintf(text, VALUE_BYTES, "off");
	for (uint32_t i = 0; i < schedule->count; i++) {
		char delay[16];
		duration_print(schedule->delays_ms[i], delay, sizeof(delay));
		int count = snprintf(text + used, VALUE_BYTES - used, "%s%s",
		    i > 0 ? " " : "", delay);
		used += (size_t)count;
		if (used >= VALUE_BYTES)
			return;
	}
}

static bool
same_schedule(const struct schedule *one, const struct schedule *other)
{
	if (one->count != other->count)
		return false;
	return memcmp(one->delays_ms, other->delays_ms,
		   one->count * sizeof(one->delays_ms[0])) == 0;
}

static void
print_backoff(const struct backoff *backoff, char text[VALUE_BYTES])
{
	char base[16], cap[16];
	duration_print(backoff->base_ms, base, sizeof(base));
	duration_print(backoff->cap_ms, cap, sizeof(cap));
	if (backoff->base_ms == 0)
		snprintf(text, VALUE_BYTES, "off");
	else
		snprintf(text, VALUE_BYTES, "%s..%s", base, cap);
}

static void
print_list(char *const *list, char text[VALUE_BYTES])
{
	size_t used = 0;
	snprintf(text, VALUE_BYTES, "none");
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		int count = snprintf(text + used, VALUE_BYTES - used, "%s%s",
		    i > 0 ? " " : "", list[i]);
		used += (size_t)count;
		if (used >= VALUE_BYTES)
			return;
	}
}

/* A value that is longer than the room is cut; whether it is the same is not
 * decided by its text. */
static void
print_value(
    const struct field *field, const void *object, char text[VALUE_BYTES])
{
	const void *value = (const char *)object + field->offset;
	switch (field->kind) {
	case NUMBER:
		print_number(*(const int64_t *)value, text);
		break;
	case MILLISECONDS:
		duration_print(*(const int64_t *)value, text, VALUE_BYTES);
		break;
	case BYTES:
		print_bytes(*(const int64_t *)value, text);
		break;
	case YES_NO:
		snprintf(text, VALUE_BYTES, "%s",
		    *(const bool *)value ? "yes" : "no");
		break;
	case BACKOFF:
		print_backoff(value, text);
		break;
	case SCHEDULE:
		print_schedule(value, text);
		break;
	case WORD:
		snprintf(
		    text, VALUE_BYTES, "%s", field->word(*(const int *)value));
		break;
	case TEXT:
		snprintf(text, VALUE_BYTES, "%s",
		    *(char *const *)value != NULL ? *(char *const *)value
						  : "as gsq has it");
		break;
	case LIST:
		print_list(*(char *const *const *)value, text);
		break;
	}
}

static bool
same_text(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one, other) == 0;
}

static bool
same_list(char *const *one, char *const *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	while (*one != NULL && *other != NULL && strcmp(*one, *other) == 0)
		one++, other++;
	return *one == NULL && *other == NULL;
}

static bool
same_value(const struct field *field, const void *before, const void *after)
{
	const void *one = (const char *)before + field->offset;
	const void *other = (const char *)after + field->offset;
	switch (field->kind) {
	case NUMBER:
	case MILLISECONDS:
	case BYTES:
		return *(const int64_t *)one == *(const int64_t *)other;
	case YES_NO:
		return *(const bool *)one == *(const bool *)other;
	case BACKOFF:
		return memcmp(one, other, sizeof(struct backoff)) == 0;
	case SCHEDULE:
		return same_schedule(one, other);
	case WORD:
		return *(const int *)one == *(const int *)other;
	case TEXT:
		return same_text(*(char *const *)one, *(char *const *)other);
	case LIST:
		return same_list(
		    *(char *const *const *)one, *(char *const *const *)other);
	}
	return false;
}

/* ---- lines ---- */

__attribute__((format(printf, 2, 3))) static int
add_line(struct difference *difference, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	int count = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (count > (int)sizeof(line) - 2)
		count = (int)sizeof(line) - 2;
	line[count++] = '\n';
	difference->lines++;
	return buffer_append(&difference->text, line, (size_t)count);
}

/* A line when the field differs; *ret_changed is set then, else left. */
static int
compare_field(struct difference *difference, const char *whose,
    const struct field *field, const void *before, const void *after,
    bool *ret_changed)
{
	char one[VALUE_BYTES], other[VALUE_BYTES];
	if (same_value(field, before, after))
		return 0;
	print_value(field, before, one);
	print_value(field, after, other);
	*ret_changed = true;
	return add_line(
	    difference, "%s: %s: %s -> %s", whose, field->name, one, other);
}

static int
compare_fields(struct difference *difference, const char *whose,
    const struct field *fields, size_t count, const void *before,
    const void *after, bool *ret_changed)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < count; i++)
		error = compare_field(
		    difference, whose, &fields[i], before, after, ret_changed);
	return error;
}

/* ---- the parts ---- */

static int
compare_supervisor(struct difference *difference, const struct options *before,
    const struct options *after)
{
	const struct configuration *one = &before->configuration;
	const struct configuration *other = &after->configuration;
	bool changed = false;
	int error = compare_fields(difference, "supervisor", supervisor_fields,
	    COUNT(supervisor_fields), one, other, &changed);
	if (error == 0)
		error = compare_field(difference, "supervisor", &hang_field,
		    one, other, &difference->all);
	if (error == 0)
		error = compare_field(difference, "supervisor",
		    &queue_hang_field, one, other, &difference->queue);
	if (error == 0)
		error = compare_fields(difference, "queue process",
		    queue_process_fields, COUNT(queue_process_fields), one,
		    other, &difference->queue);
	return error;
}

static int
compare_pool(struct difference *difference, size_t place,
    const struct options *before, const struct options *after)
{
	const struct pool_options *one = &before->pools[place];
	const struct pool_options *other = &after->pools[place];
	char whose[NAME_BYTES_MAX + 8];
	bool changed = false;
	snprintf(whose, sizeof(whose), "pool %s", other->name.text);
	if (place >= before->pool_count || before->gone[place]) {
		difference->scaled[place] = true;
		return after->gone[place]
		    ? 0
		    : add_line(difference, "%s: new, %" PRId64 " workers",
			  whose, other->workers);
	}
	if (after->gone[place]) {
		difference->scaled[place] = true;
		return add_line(
		    difference, "%s: gone, its workers leave", whose);
	}
	int error = compare_field(difference, whose, &workers_field, one, other,
	    &difference->scaled[place]);
	if (error == 0)
		error = compare_field(
		    difference, whose, &restart_field, one, other, &changed);
	if (error == 0 && strcmp(one->queue.text, other->queue.text) != 0) {
		difference->pools[place] = true;
		error = add_line(difference, "%s: queue: %s -> %s", whose,
		    one->queue.text, other->queue.text);
	}
	if (error == 0)
		error = compare_fields(difference, whose, pool_fields,
		    COUNT(pool_fields), one, other, &difference->pools[place]);
	return error;
}

/* A queue that only one of them names has the rules of its default there. */
static int
compare_queues(struct difference *difference, const struct options *before,
    const struct options *after, const struct configuration *named,
    bool seen_before)
{
	for (size_t i = 0; i < named->queue_count; i++) {
		const char *name = named->queues[i].name.text;
		char whose[NAME_BYTES_MAX + 8];
		struct queue_options one =
		    configuration_queue(&before->configuration, name);
		struct queue_options other =
		    configuration_queue(&after->configuration, name);
		bool known = false;
		for (size_t k = 0; seen_before && !known &&
		     k < after->configuration.queue_count;
		     k++)
			known = strcmp(after->configuration.queues[k].name.text,
				    name) == 0;
		if (known)
			continue;
		snprintf(whose, sizeof(whose), "queue %s", name);
		int error = compare_fields(difference, whose, queue_fields,
		    COUNT(queue_fields), &one, &other, &difference->queue);
		if (error != 0)
			return error;
	}
	return 0;
}

int
difference_find(struct difference *difference, const struct options *before,
    const struct options *after)
{
	memset(difference, 0, sizeof(*difference));
	int error = compare_supervisor(difference, before, after);
	for (size_t i = 0; error == 0 && i < after->pool_count; i++)
		error = compare_pool(difference, i, before, after);
	if (error == 0)
		error = compare_queues(
		    difference, before, after, &after->configuration, false);
	if (error == 0)
		error = compare_queues(
		    difference, before, after, &before->configuration, true);
	if (error != 0)
		difference_release(difference);
	return error;
}

void
difference_release(struct difference *difference)
{
	buffer_release(&difference->text);
}
