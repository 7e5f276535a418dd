/* SPDX-License-Identifier: MIT */
/*
 * Makes a manual page: copies a page of docs/man from its input to its output
 * and puts in, for each line
 *
 *     .\"= what [which]
 *
 * what the programs have in a table, so that a page never says what the table
 * does not. The tables are included, and so known at compile time: no program
 * has to be run for it, and a row that is added stands in the page with the
 * next make.
 *
 * To add a table: a print_* that includes it, a row in makers.
 */
#include "base/limits.h"
#include "base/units.h"
#include "qctl/option.h"
#include "worker/environment.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 4096
#define DIRECTIVE      ".\\\"= "

/* ---- text as mdoc wants it ---- */

/* A dash that begins a word is an option's or the word itself, and has to stay
 * one that can be copied from the page; others are hyphens. */
static void
print_byte(char before, char byte)
{
	bool begins = before == ' ' || before == '\n' || before == '(' ||
	    before == '-' || before == '\'' || before == '"';
	if (byte == '\\')
		fputs("\\e", stdout);
	else if (byte == '-' && begins)
		fputs("\\-", stdout);
	else if ((byte == '.' || byte == '\'') && before == '\n')
		printf("\\&%c", byte);
	else
		putchar(byte);
}

static bool
ends_sentence(char before, const char *at)
{
	return *at == ' ' && strchr(".:;", before) != NULL &&
	    isupper((unsigned char)at[1]);
}

/* Prose: a line for each sentence, a paragraph behind an empty line. */
static void
print_text(const char *text)
{
	char before = '\n';
	for (const char *at = text; *at != '\0'; at++) {
		if (at[0] == '\n' && at[1] == '\n') {
			fputs("\n.Pp\n", stdout);
			before = '\n';
			at++;
		} else if (ends_sentence(before, at)) {
			putchar('\n');
			before = '\n';
		} else {
			print_byte(before, *at);
			before = *at;
		}
	}
	putchar('\n');
}

/* Names are never capitalised. */
static bool
begins_with_name(const char *text)
{
	return strncmp(text, "gsq ", 4) == 0 || strncmp(text, "n ", 2) == 0;
}

/* "Add jobs, print their ids." of "add jobs, print their ids". */
static void
print_sentence(const char *text)
{
	char sentence[LINE_BYTES_MAX];
	size_t count = strlen(text);
	bool ended = count > 0 && text[count - 1] == '.';
	snprintf(sentence, sizeof(sentence), "%s%s", text, ended ? "" : ".");
	if (!begins_with_name(text))
		sentence[0] = (char)toupper((unsigned char)sentence[0]);
	print_text(sentence);
}

/* An argument of a macro, which must not be taken for a macro itself. */
static void
print_word(const char *macro, const char *word)
{
	printf(" %s \\&", macro);
	for (char before = ' '; *word != '\0'; before = *word++)
		print_byte(before, *word);
}

static void
begin_list(void)
{
	puts(".Bl -tag -width Ds");
}

static void
end_list(void)
{
	puts(".El");
}

static void
print_item(const char *macro, const char *word)
{
	fputs(".It", stdout);
	print_word(macro, word);
	putchar('\n');
}

/* ---- options ---- */

static void
print_option(const char *name, int letter, const char *argument)
{
	char letters[] = { (char)letter, '\0' };
	fputs(".It", stdout);
	if (letter != 0) {
		print_word("Fl", letters);
		fputs(" ,", stdout);
	}
	print_word("Fl Fl", name);
	if (argument != NULL)
		print_word("Ns = Ns Ar", argument);
	putchar('\n');
}

static void
print_supervisor_options(const char *which)
{
	(void)which;
	begin_list();
#define OPTION(place, name, letter, argument, group, summary) \
	print_option(name, letter, argument);                 \
	print_sentence(summary);
#include "supervisor/option.def"
#undef OPTION
	end_list();
}

static const struct option_row qctl_options[OPTION_COUNT] = {
#define OPTION(                                                              \
    name, long_name, letter, argument, kind, min, max, choices, summary)     \
	[OPTION_##name] = { long_name, letter, argument, OPTION_KIND_##kind, \
		min, max, choices, summary },
#include "qctl/option.def"
#undef OPTION
};

static void
print_qctl_options_of(uint64_t bits)
{
	begin_list();
	for (int i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &qctl_options[i];
		if ((bits & (uint64_t)1 << i) == 0)
			continue;
		print_option(row->name, row->letter,
		    row->choices != NULL ? row->choices : row->argument);
		print_sentence(row->summary);
	}
	end_list();
}

static void
print_qctl_options(const char *which)
{
	(void)which;
	print_qctl_options_of(OPTIONS_COMMON);
}

/* ---- verbs ---- */

/* A word of a verb's grammar, "[BODY...]" or "--empty"; see verb.def. */
static void
print_grammar_word(char *word)
{
	bool opens = *word == '[';
	word += opens;
	size_t count = strlen(word);
	bool closes = count > 0 && word[count - 1] == ']';
	word[count - closes] = '\0';
	char *dots = strstr(word, "...");
	bool repeats = dots != NULL && dots != word;
	if (repeats)
		*dots = '\0';
	if (opens)
		fputs(" Oo", stdout);
	if (strncmp(word, "--", 2) == 0)
		print_word("Fl Fl", word + 2);
	else if (isupper((unsigned char)*word))
		print_word("Ar", word);
	else
		printf(" %s", word);
	if (repeats)
		fputs(" ...", stdout);
	if (closes)
		fputs(" Oc", stdout);
}

static void
print_verb(const char *name, const char *arguments, const char *summary,
    uint64_t options, const char *details)
{
	char words[LINE_BYTES_MAX];
	fputs(".It", stdout);
	print_word("Cm", name);
	snprintf(words, sizeof(words), "%s", arguments);
	for (char *word = strtok(words, " "); word != NULL;
	     word = strtok(NULL, " "))
		print_grammar_word(word);
	putchar('\n');
	print_sentence(summary);
	if (details != NULL) {
		puts(".Pp");
		print_text(details);
	}
	if (options != 0)
		print_qctl_options_of(options);
}

static void
print_verbs(const char *which)
{
	(void)which;
	begin_list();
#define VERB(name, arguments, summary, options, timeout, details) \
	print_verb(#name, arguments, summary, options, details);
#include "qctl/verb.def"
#undef VERB
	end_list();
}

/* ---- exit statuses ---- */

static void
print_status(int number, const char *meaning, const char *advice)
{
	printf(".It %d Pq %s\n", number, meaning);
	print_text(advice);
}

static void
print_supervisor_statuses(const char *which)
{
	(void)which;
	begin_list();
#define EXIT_STATUS(name, number, meaning, advice) \
	print_status(number, meaning, advice);
#include "supervisor/exit_status.def"
#undef EXIT_STATUS
	end_list();
}

static void
print_qctl_statuses(const char *which)
{
	(void)which;
	begin_list();
#define EXIT_STATUS(name, number, meaning, advice) \
	print_status(number, meaning, advice);
#include "qctl/exit_status.def"
#undef EXIT_STATUS
	end_list();
}

/* ---- configuration ---- */

static void
print_default(const char *initial)
{
	size_t count = strlen(initial);
	bool is_rule = *initial == '(';
	printf(
	    "Default: %.*s.\n", (int)(count - 2 * is_rule), initial + is_rule);
}

static void
print_integer_key(const char *key, int64_t min, int64_t max,
    const char *initial, const char *summary)
{
	print_item("Cm", key);
	print_text(summary);
	printf("A number from %" PRId64 " to %" PRId64 ".\n", min, max);
	print_default(initial);
}

/* In the greatest unit that has a whole number of it. */
static void
print_duration(int64_t duration_ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { DAY_MS, "d" }, { HOUR_MS, "h" }, { MINUTE_MS, "m" },
		{ SECOND_MS, "s" }, { 1, "ms" } };
	size_t i = 0;
	if (duration_ms == 0) {
		putchar('0');
		return;
	}
	while (duration_ms % units[i].ms != 0)
		i++;
	printf("%" PRId64 "%s", duration_ms / units[i].ms, units[i].name);
}

static void
print_duration_key(const char *key, int64_t min_ms, int64_t max_ms,
    const char *initial, const char *summary)
{
	print_item("Cm", key);
	print_text(summary);
	fputs("A duration from ", stdout);
	print_duration(min_ms);
	fputs(" to ", stdout);
	print_duration(max_ms);
	puts(".");
	print_default(initial);
}

static void
print_text_key(
    const char *key, const char *form, const char *initial, const char *summary)
{
	print_item("Cm", key);
	print_text(summary);
	printf("Value: %s.\n", form);
	if (initial != NULL)
		print_default(initial);
}

/* The rows of one section, or of all but the file itself, each with a heading.
 */
static void
print_some_sections(const char *which)
{
	bool is_wanted = false;
	bool all = which == NULL;
	/* clang-format off */
#define SECTION(section, titled, summary)                          \
	is_wanted = strcmp(all ? "ROOT" : which, #section) == 0;   \
	is_wanted = is_wanted != all;                              \
	if (is_wanted && all)                                      \
		printf(".Ss %s%s\n", #section,                    \
		    titled ? " \\(dqNAME\\(dq { ... }" : " { ... }"); \
	if (is_wanted && *summary != '\0')                        \
		print_text(summary);                               \
	if (is_wanted)                                             \
		begin_list();
	/* clang-format on */
#define INTEGER(section, key, min, max, initial, summary) \
	if (is_wanted)                                    \
		print_integer_key(#key, min, max, initial, summary);
#define DURATION(section, key, min_ms, max_ms, initial, summary) \
	if (is_wanted)                                           \
		print_duration_key(#key, min_ms, max_ms, initial, summary);
#define SECONDS(section, key, initial, summary) \
	if (is_wanted)                          \
		print_text_key(#key, "a number of seconds", initial, summary);
#define TEXT(section, key, check, form, initial, summary) \
	if (is_wanted)                                    \
		print_text_key(#key, form, initial, summary);
#define LIST(section, key, form, initial, summary) \
	if (is_wanted)                             \
		print_text_key(#key, form, initial, summary);
#define CALL(section, key, function, form, summary) \
	if (is_wanted)                              \
		print_text_key(#key, form, NULL, summary);
#define END(section)   \
	if (is_wanted) \
		end_list();
#include "sys/configuration_rows.h"
}

static void
print_section(const char *which)
{
	print_some_sections(which);
}

static void
print_sections(const char *which)
{
	(void)which;
	print_some_sections(NULL);
}

/* ---- protocol ---- */

#define OPTIONAL INT64_C(0)
#define REQUIRED INT64_MIN

static void
begin_field(const char *name, int64_t need)
{
	print_item("Va", name);
	if (need == REQUIRED)
		puts("Required.");
}

static void
print_integer_field(const char *name, int64_t min, int64_t max, int64_t initial)
{
	begin_field(name, initial);
	printf("An integer, %" PRId64, min);
	if (max >= INT32_MAX)
		fputs(" or more", stdout);
	else
		printf(" to %" PRId64, max);
	if (initial >= min) /* others say that nothing was said */
		printf("; default %" PRId64, initial);
	puts(".");
}

static void
print_field(const char *name, const char *form, int64_t need)
{
	begin_field(name, need);
	printf("%s.\n", form);
}

static void
print_text_field(const char *name, unsigned max, int64_t need)
{
	begin_field(name, need);
	printf("A text of at most %u bytes.\n", max);
}

/* A list for the fields of a method is begun by its first one. */
static void
print_methods(const char *which)
{
	bool is_wanted = false;
	bool has_fields = false;
	begin_list();
#define METHOD(name, server, meaning)            \
	is_wanted = strcmp(which, #server) == 0; \
	has_fields = false;                      \
	if (is_wanted) {                         \
		print_item("Cm", #name);         \
		print_sentence(meaning);         \
	}
#define FIELD(print)                  \
	if (is_wanted) {              \
		if (!has_fields)      \
			begin_list(); \
		has_fields = true;    \
		print;                \
	}
#define FIELD_NAME(name, need)	    FIELD(print_field(#name, "A name", need))
#define FIELD_BYTES(name, need)	    FIELD(print_field(#name, "Bytes", need))
#define FIELD_TEXT(name, max, need) FIELD(print_text_field(#name, max, need))
#define FIELD_INTEGER(name, min, max, initial) \
	FIELD(print_integer_field(#name, min, max, initial))
#define FIELD_BOOLEAN(name, initial)                                          \
	FIELD(print_field(#name,                                              \
	    initial ? "A boolean; default true" : "A boolean; default false", \
	    OPTIONAL))
#define FIELD_OBJECT(name, need) \
	FIELD(print_field(#name, "As PROTOCOL.md says", need))
#define END(name)       \
	if (has_fields) \
		end_list();
#include "wire/method.def"
	end_list();
}

static void
print_refusals(const char *which)
{
	int code = atoi(which);
	begin_list();
#define REFUSAL(name, its_code, meaning) \
	if (its_code == code) {          \
		print_item("Er", #name); \
		print_sentence(meaning); \
	}
#include "base/refusal.def"
#undef REFUSAL
	end_list();
}

/* ---- the rest ---- */

static void
print_allowed(const char *which)
{
	static const char *const allowed[] = { ENVIRONMENT_ALLOWED };
	size_t count = sizeof(allowed) / sizeof(allowed[0]);
	(void)which;
	for (size_t i = 0; i < count; i++) {
		size_t bytes = strlen(allowed[i]);
		bool is_prefix = allowed[i][bytes - 1] == '_';
		printf(".Ev %s%s%s\n", allowed[i], is_prefix ? "*" : "",
		    i + 1 < count ? " ," : " .");
	}
}

/* 1024 is "1,024". */
static void
define_count(const char *name, unsigned long count)
{
	char digits[32];
	int length = snprintf(digits, sizeof(digits), "%lu", count);
	printf(".ds %s ", name);
	for (int i = 0; i < length; i++)
		printf("%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "",
		    digits[i]);
	putchar('\n');
}

static void
define_bytes(const char *name, unsigned long bytes)
{
	if (bytes % (1024 * 1024) == 0)
		printf(".ds %s %lu MiB\n", name, bytes / (1024 * 1024));
	else if (bytes % 1024 == 0)
		printf(".ds %s %lu KiB\n", name, bytes / 1024);
	else
		printf(".ds %s %lu bytes\n", name, bytes);
}

/* For \*[NAME] in the page. */
static void
define_limits(const char *which)
{
	(void)which;
	printf(".ds VERSION %s\n", GSQ_VERSION);
#define COUNT(limit) define_count(#limit, limit)
#define BYTES(limit) define_bytes(#limit, limit)
	BYTES(NAME_BYTES_MAX);
	BYTES(KEY_BYTES_MAX);
	BYTES(BODY_BYTES_MAX);
	BYTES(MERGED_BODY_BYTES_MAX);
	COUNT(MERGED_HINTS_MAX);
	BYTES(MESSAGE_BYTES_MAX);
	COUNT(MESSAGE_DEPTH_MAX);
	COUNT(MESSAGE_ELEMENTS_MAX);
	COUNT(BATCH_JOBS_MAX);
	COUNT(DEMAND_MAX);
	COUNT(LANES_MAX);
	COUNT(CONNECTIONS_MAX);
	COUNT(CHILDREN_MAX);
	BYTES(LOG_LINE_BYTES_MAX);
	BYTES(OUTPUT_LINE_BYTES_MAX);
	BYTES(OUTPUT_JOB_BYTES_MAX);
	BYTES(STDERR_BYTES_MAX);
	COUNT(ATTEMPTS_KEPT);
}

static const struct maker {
	const char *what;
	void (*print)(const char *which);
} makers[] = {
	{ "limits", define_limits },
	{ "supervisor-options", print_supervisor_options },
	{ "supervisor-statuses", print_supervisor_statuses },
	{ "qctl-options", print_qctl_options },
	{ "qctl-verbs", print_verbs },
	{ "qctl-statuses", print_qctl_statuses },
	{ "section", print_section },
	{ "sections", print_sections },
	{ "methods", print_methods },
	{ "refusals", print_refusals },
	{ "allowed-environment", print_allowed },
};

static int
put_in(char *directive)
{
	char *what = strtok(directive, " \n");
	char *which = strtok(NULL, " \n");
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (what == NULL || strcmp(makers[i].what, what) != 0)
			continue;
		makers[i].print(which != NULL ? which : "");
		return 0;
	}
	fprintf(stderr, "manual: there is no table '%s'\n",
	    what != NULL ? what : "");
	return 1;
}

int
main(void)
{
	char line[LINE_BYTES_MAX];
	size_t mark = strlen(DIRECTIVE);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (strncmp(line, DIRECTIVE, mark) != 0)
			fputs(line, stdout);
		else if (put_in(line + mark) != 0)
			return 1;
	}
	if (ferror(stdin) || fflush(stdout) != 0) {
		perror("manual");
		return 1;
	}
	return 0;
}
