/* SPDX-License-Identifier: MIT */
#include "qctl/job_line.h"

#include "base/key_rule.h"
#include "base/limits.h"
#include "base/units.h"
#include "qctl/answer.h"
#include "qctl/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum number { PRIORITY, DELAY, AT, EXPIRES, TTR, ATTEMPTS, NUMBERS };

const char *const job_line_numbers[NUMBERS] = {
	[PRIORITY] = "priority",
	[DELAY] = "delay_ms",
	[AT] = "at_ms",
	[EXPIRES] = "expires_ms",
	[TTR] = "ttr_ms",
	[ATTEMPTS] = "max_attempts",
};

static const struct {
	json_int_t min;
	json_int_t max;
} ranges[NUMBERS] = {
	[PRIORITY] = { 0, 255 },
	[DELAY] = { 0, DURATION_MS_MAX },
	[AT] = { 0, INT64_MAX },
	[EXPIRES] = { 0, DURATION_MS_MAX },
	[TTR] = { 0, DURATION_MS_MAX },
	[ATTEMPTS] = { 1, ATTEMPTS_MAX },
};

/* What else may stand in a line: bytes, and what is only for people. */
static const char *const other_keys[] = { "queue", "body", "body_base64", "key",
	"key_base64", "token", "token_base64", "mode", "id", "state", "attempt",
	"enqueued_ms", "hints", "cause", "reason", "reason_base64" };

/* ---- what is wrong ---- */

struct wrong {
	char *reason;
	size_t bytes;
};

static bool __attribute__((format(printf, 2, 3)))
complain(const struct wrong *wrong, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(wrong->reason, wrong->bytes, format, arguments);
	va_end(arguments);
	return false;
}

/* ---- reading ---- */

static bool
is_known(const char *key)
{
	for (size_t i = 0; i < sizeof(other_keys) / sizeof(other_keys[0]); i++)
		if (strcmp(key, other_keys[i]) == 0)
			return true;
	for (size_t i = 0; i < NUMBERS; i++)
		if (strcmp(key, job_line_numbers[i]) == 0)
			return true;
	return false;
}

static bool
check_keys(const json_t *json, const struct wrong *wrong)
{
	const char *key;
	const json_t *value;
	json_object_foreach((json_t *)json, key,
	    value) if (!is_known(key)) return complain(wrong,
	    "no job has a \"%s\"; see gsq-protocol(7) for what "
	    "an enqueue can say",
	    key);
	return true;
}

static bool
take_numbers(struct job_line *line, const struct wrong *wrong)
{
	struct job_terms_said *terms = &line->terms;
	for (size_t i = 0; i < NUMBERS; i++) {
		const json_t *value =
		    json_object_get(line->json, job_line_numbers[i]);
		if (value == NULL || json_is_null(value))
			continue;
		terms->numbers[i] = json_integer_value(value);
		terms->said[i] = true;
		if (!json_is_integer(value) ||
		    terms->numbers[i] < ranges[i].min ||
		    terms->numbers[i] > ranges[i].max)
			return complain(wrong,
			    "\"%s\" must be a number from %" JSON_INTEGER_FORMAT
			    " to %" JSON_INTEGER_FORMAT,
			    job_line_numbers[i], ranges[i].min, ranges[i].max);
	}
	if (terms->said[DELAY] && terms->said[AT] &&
	    terms->numbers[DELAY] != 0 && terms->numbers[AT] != 0)
		return complain(
		    wrong, "\"delay_ms\" and \"at_ms\" exclude each other");
	return true;
}

static bool
take_names(struct job_line *line, const struct wrong *wrong)
{
	struct job_terms_said *terms = &line->terms;
	const json_t *queue = json_object_get(line->json, "queue");
	const json_t *mode = json_object_get(line->json, "mode");
	enum key_mode parsed;
	if (queue == NULL)
		return complain(wrong, "\"queue\" is missing");
	terms->queue = json_string_value(queue);
	if (terms->queue == NULL || !name_is_valid(span_of(terms->queue)))
		return complain(wrong,
		    "\"queue\" must be a name of 1 to %d of A-Z a-z 0-9 . _ -",
		    NAME_BYTES_MAX);
	if (mode == NULL || json_is_null(mode))
		return true;
	terms->mode = json_string_value(mode);
	return (terms->mode != NULL &&
		   key_mode_parse(span_of(terms->mode), &parsed)) ||
	    complain(wrong, "\"mode\" must be parallel, serial or coalesce");
}

static bool
take_texts(struct job_line *line, const struct wrong *wrong)
{
	static const char *const names[] = { "body", "key", "token" };
	struct span *const spans[] = { &line->body, &line->key, &line->token };
	for (size_t i = 0; i < 3; i++)
		if (!json_take_bytes(
			line->json, names[i], spans[i], &line->owned[i]))
			return complain(wrong,
			    "\"%s\" must be text, or \"%s_base64\" base64",
			    names[i], names[i]);
	if (line->body.bytes == NULL)
		line->body = SPAN_LITERAL("");
	if (line->body.count > BODY_BYTES_MAX)
		return complain(wrong,
		    "its body is longer than a body may be (%u bytes)",
		    BODY_BYTES_MAX);
	if (line->key.bytes != NULL && !key_is_valid(line->key))
		return complain(wrong,
		    "its key is empty, longer than %d bytes or has a zero byte "
		    "in it",
		    KEY_BYTES_MAX);
	if (line->token.bytes != NULL &&
	    (line->token.count == 0 || line->token.count > TOKEN_BYTES_MAX))
		return complain(
		    wrong, "a token has 1 to %d bytes", TOKEN_BYTES_MAX);
	return true;
}

bool
job_line_read(
    struct job_line *line, struct span text, char *reason, size_t reason_bytes)
{
	const struct wrong wrong = { reason, reason_bytes };
	json_error_t error;
	*line = (struct job_line){ .json = json_loadb(text.bytes, text.count,
				       JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
				       &error) };
	if (line->json == NULL)
		return complain(&wrong, "no JSON: %s, at byte %d", error.text,
		    error.position);
	bool is_good = json_is_object(line->json) ||
	    complain(&wrong, "must be an object, {\"queue\": ...}");
	is_good = is_good && check_keys(line->json, &wrong) &&
	    take_names(line, &wrong) && take_numbers(line, &wrong) &&
	    take_texts(line, &wrong);
	const char *state =
	    json_string_value(json_object_get(line->json, "state"));
	line->is_dead = state != NULL && strcmp(state, "dead") == 0;
	if (!is_good)
		job_line_release(line);
	return is_good;
}

void
job_line_release(struct job_line *line)
{
	for (size_t i = 0; i < 3; i++)
		free(line->owned[i]);
	json_decref(line->json);
	*line = (struct job_line){ 0 };
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
job_line_goes_with(const struct job_line *line, const struct job_line *other)
{
	const struct job_terms_said *a = &line->terms, *b = &other->terms;
	for (size_t i = 0; i < NUMBERS; i++)
		if (a->said[i] != b->said[i] || a->numbers[i] != b->numbers[i])
			return false;
	return line->token.bytes == NULL && other->token.bytes == NULL &&
	    is_same_text(a->queue, b->queue) && is_same_text(a->mode, b->mode);
}

/* ---- writing ---- */

static void
put_number(json_t *json, const char *key, int64_t value)
{
	json_put(json, key, json_integer(value));
}

static void
put_if_there(
    json_t *json, const msgpack_object *job, const char *key, const char *as)
{
	if (answer_has(job, key))
		put_number(json, as, answer_integer(job, key));
}

static void
put_text_if_there(json_t *json, const msgpack_object *job, const char *key)
{
	if (answer_has(job, key))
		json_put_bytes(json, key, answer_text(job, key));
}

json_t *
job_line_of(const msgpack_object *job)
{
	json_t *json = json_made(json_object());
	put_text_if_there(json, job, "queue");
	put_text_if_there(json, job, "body");
	put_text_if_there(json, job, "key");
	put_text_if_there(json, job, "mode");
	put_if_there(json, job, "priority", "priority");
	if (answer_has(job, "due_wall_ms"))
		put_if_there(json, job, "due_wall_ms", "at_ms");
	else
		put_if_there(json, job, "due_in_ms", "delay_ms");
	put_if_there(json, job, "expires_in_ms", "expires_ms");
	put_if_there(json, job, "ttr_ms", "ttr_ms");
	put_if_there(json, job, "max_attempts", "max_attempts");
	put_if_there(json, job, "id", "id");
	put_text_if_there(json, job, "state");
	put_if_there(json, job, "attempt", "attempt");
	put_if_there(json, job, "enqueued_ms", "enqueued_ms");
	put_if_there(json, job, "hints", "hints");
	put_text_if_there(json, job, "cause");
	put_text_if_there(json, job, "reason");
	return json;
}
