/* SPDX-License-Identifier: MIT */
/*
 * What people type: durations, sizes, numbers, names, options, and whole
 * command lines of qctl. What is understood is within its range, what is not is
 * told and leaves the result as it was.
 *
 * Input: a text; its lines are the words of a command line.
 */
#include "base/durability.h"
#include "base/name.h"
#include "base/refusal.h"
#include "base/units.h"
#include "qctl/command_line.h"
#include "qctl/grammar.h"
#include "qctl/verbs.h"
#include "sys/configuration.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <unistd.h>

#define UNTOUCHED  INT64_C(-4242)
#define WORDS_MAX  16
#define TEXT_BYTES 4096

/* ---- one word ---- */

/* Printing rounds down, and what is short is printed with one unit. */
static void
check_printed(int64_t duration_ms)
{
	char text[16];
	int64_t read_ms;
	memset(text, 'x', sizeof(text));
	duration_print(duration_ms, text, sizeof(text));
	CHECK(memchr(text, '\0', sizeof(text)) != NULL && text[0] != '\0');
	if (duration_ms < 0 || duration_ms >= MINUTE_MS)
		return;
	CHECK(duration_parse(text, &read_ms));
	CHECK(read_ms <= duration_ms && duration_ms - read_ms < 100);
	CHECK(duration_ms >= SECOND_MS || read_ms == duration_ms);
}

static void
try_duration(const char *text)
{
	int64_t duration_ms = UNTOUCHED;
	if (!duration_parse(text, &duration_ms)) {
		CHECK(duration_ms == UNTOUCHED);
		return;
	}
	CHECK(duration_ms >= 0 && duration_ms <= DURATION_MS_MAX);
	check_printed(duration_ms);
}

static void
try_size(const char *text)
{
	uint64_t bytes = (uint64_t)UNTOUCHED;
	if (size_parse(text, &bytes))
		CHECK(bytes <= UINT64_C(1) << 53);
	else
		CHECK(bytes == (uint64_t)UNTOUCHED);
}

static void
try_number(const char *text)
{
	int64_t number = UNTOUCHED;
	char again[32];
	if (!number_read(text, 0, INT64_MAX, &number)) {
		CHECK(number == UNTOUCHED);
		return;
	}
	CHECK(number >= 0);
	snprintf(again, sizeof(again), "%lld", (long long)number);
	CHECK(strcmp(again, text + strspn(text, "0")) == 0 || number == 0);
}

static void
try_configured(const char *text)
{
	struct backoff backoff;
	int64_t restarts;
	if (configuration_parse_backoff(text, &backoff)) {
		CHECK(
		    backoff.base_ms >= 0 && backoff.base_ms <= backoff.cap_ms);
		CHECK(backoff.cap_ms <= DURATION_MS_MAX);
	}
	if (configuration_parse_restarts(text, &restarts))
		CHECK(restarts >= RESTARTS_UNLIMITED && restarts <= 1000000);
}

static void
try_names(struct span text)
{
	struct name name;
	enum durability durability;
	CHECK(name_set(&name, text) == name_is_valid(text));
	CHECK(name_is_valid(text) ? span_is(span_of(name.text), text)
				  : name.text[0] == '\0');
	if (durability_parse(text, &durability))
		CHECK(span_is_text(text, durability_name(durability)));
	CHECK((unsigned)refusal_of_text(text) < REFUSAL_COUNT);
}

static void
try_options(const char *text)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		struct option_value value = { .number = UNTOUCHED };
		char reason[512];
		enum option_id option = (enum option_id)i;
		const char *wrong =
		    option_read(option, text, &value, reason, sizeof(reason));
		if (wrong != NULL) {
			CHECK(value.number == UNTOUCHED && wrong[0] != '\0');
			continue;
		}
		CHECK(value.text == text);
		const struct option_row *row = option_row(option);
		if (row->kind == OPTION_KIND_NUMBER)
			CHECK(value.number >= row->min &&
			    value.number <= row->max);
	}
}

/* ---- a command line ---- */

static void
try_command_line(char *text)
{
	struct command command;
	char *words[WORDS_MAX + 2] = { (char[]){ "qctl" } };
	int count = 1;
	char *rest = text;
	while (rest != NULL && count <= WORDS_MAX)
		words[count++] = strsep(&rest, "\n");
	int status = command_line_read(&command, verb_table, count, words);
	if (status != COMMAND_LINE_GO_ON) {
		CHECK(status == EXIT_DONE || status == EXIT_USAGE);
		return;
	}
	CHECK(command.verb != NULL);
	CHECK(verb_find(verb_table, command.verb->name) == command.verb);
	CHECK((unsigned)command.form <= FORM_JSONL);
	CHECK(command.argument_count >= 0 && command.argument_count < count);
	for (int i = 0; i < command.argument_count; i++)
		CHECK(command.arguments[i] != NULL);
	char hint[256];
	place_start_hint(&command.place, hint, sizeof(hint));
	CHECK(memchr(hint, '\0', sizeof(hint)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char text[TEXT_BYTES];
	if (count >= sizeof(text))
		return 0;
	if (count > 0)
		memcpy(text, bytes, count);
	text[count] = '\0';
	try_names((struct span){ text, count });
	/* A NUL ends what is typed. */
	count = strlen(text);
	char *exact = copy_exactly(text, count + 1);
	try_duration(exact);
	try_size(exact);
	try_number(exact);
	try_configured(exact);
	try_options(exact);
	struct source source = { bytes, count };
	check_printed((int64_t)source_number(&source, 8));
	try_command_line(exact);
	free(exact);
	return 0;
}
