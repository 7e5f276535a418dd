/* SPDX-License-Identifier: MIT */
#include "queue/verdict.h"

#include "base/units.h"

/* When a handler that says "not now" does not say when. */
#define RETRY_DELAY_MS SECOND_MS

static bool
is_true(const msgpack_object *object)
{
	return object != NULL && object->type == MSGPACK_OBJECT_BOOLEAN &&
	    object->via.boolean;
}

/* One number of the remains, if it is there and within its bounds. */
static int64_t
read_number(const msgpack_object *map, const char *key, int64_t min,
    int64_t max, struct remains *remains, enum remains_known which)
{
	int64_t value = 0;
	if (object_integer(map_find(map, key), min, max, &value))
		remains->known |= (uint8_t)which;
	return value;
}

static void
read_remains(const msgpack_object *map, struct remains *remains)
{
	remains->exit = (uint8_t)read_number(
	    map, "exit", 0, UINT8_MAX, remains, REMAINS_EXIT);
	remains->signal = (uint8_t)read_number(
	    map, "signal", 1, SIGNAL_MAX, remains, REMAINS_SIGNAL);
	remains->duration_ms = read_number(
	    map, "duration_ms", 0, DURATION_MS_MAX, remains, REMAINS_DURATION);
	remains->cpu_ms = read_number(
	    map, "cpu_ms", 0, DURATION_MS_MAX, remains, REMAINS_CPU);
	remains->rss_bytes =
	    read_number(map, "rss_bytes", 0, INT64_MAX, remains, REMAINS_RSS);
	remains->core = is_true(map_find(map, "core"));
	object_span(map_find(map, "stderr"), &remains->errors);
	if (remains->errors.count > STDERR_BYTES_MAX)
		remains->errors.count = STDERR_BYTES_MAX;
}

/* Who dies of a signal because the queue had asked for its end has not
 * crashed. */
static bool
has_crashed(const msgpack_object *map)
{
	int64_t signal;
	return object_integer(map_find(map, "signal"), 1, INT32_MAX, &signal) &&
	    !is_true(map_find(map, "asked"));
}

static void
read_map(const msgpack_object *map, struct outcome *outcome)
{
	struct span name;
	if (object_span(map_find(map, "verdict"), &name)) {
		enum verdict verdict = verdict_of_name(name);
		if (verdict < VERDICT_COUNT)
			outcome->verdict = verdict;
	}
	object_span(map_find(map, "reason"), &outcome->reason);
	outcome->crashed = has_crashed(map);
	outcome->delay_ms = RETRY_DELAY_MS;
	object_integer(
	    map_find(map, "delay_ms"), 0, DURATION_MS_MAX, &outcome->delay_ms);
	read_remains(map, &outcome->remains);
}

/* [code, text], as RPC libraries answer; code 1 is for good. */
static void
read_pair(const msgpack_object_array *pair, struct outcome *outcome)
{
	int64_t code;
	if (pair->size != 2)
		return;
	if (object_integer(&pair->ptr[0], 1, 1, &code))
		outcome->verdict = VERDICT_DEAD;
	object_span(&pair->ptr[1], &outcome->reason);
}

struct outcome
verdict_read(const msgpack_object *error)
{
	struct outcome outcome = { .verdict = VERDICT_DONE };
	if (error == NULL)
		return outcome;
	outcome.verdict = VERDICT_FAIL;
	if (error->type == MSGPACK_OBJECT_MAP)
		read_map(error, &outcome);
	else if (error->type == MSGPACK_OBJECT_ARRAY)
		read_pair(&error->via.array, &outcome);
	else
		object_span(error, &outcome.reason);
	if (outcome.verdict != VERDICT_DONE && outcome.reason.count == 0)
		outcome.reason = SPAN_LITERAL("the worker gave no reason");
	return outcome;
}
