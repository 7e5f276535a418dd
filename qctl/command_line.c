/* SPDX-License-Identifier: MIT */
#include "qctl/command_line.h"

#include "base/limits.h"
#include "qctl/grammar.h"
#include "qctl/say.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

/* Keys of argp: the options by their place, beyond all letters. */
#define KEY_OPTIONS 0x100
#define KEY_USAGE   0x200

#define VERB_COLUMNS 26
#define REASON_MAX   512

/* Those of option.def, help, usage, version and the end. */
#define ROWS_MAX (OPTION_COUNT + 4)

/* argp runs twice: as far as the verb, then over what follows it. */
struct reading {
	struct command *command;
	int verb_at; /* its place in argv; 0: not met yet */
	int status;
};

/* ---- options for argp ---- */

static int
key_of(enum option_id option)
{
	int letter = option_row(option)->letter;
	return letter != 0 ? letter : KEY_OPTIONS + (int)option;
}

static enum option_id
option_of(int key)
{
	unsigned option = 0;
	while (option < OPTION_COUNT && key_of((enum option_id)option) != key)
		option++;
	return (enum option_id)option;
}

static void
fill_rows(struct argp_option rows[ROWS_MAX], const struct verb *verb)
{
	uint64_t allowed = OPTIONS_COMMON | (verb != NULL ? verb->options : 0);
	size_t count = 0;
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = option_row((enum option_id)i);
		if ((allowed & UINT64_C(1) << i) == 0)
			continue;
		/* Those of the verb stand above those of all. */
		rows[count++] = (struct argp_option){
			.name = row->name,
			.key = key_of((enum option_id)i),
			.arg = row->argument,
			.doc = row->summary,
			.group =
			    (OPTIONS_COMMON & UINT64_C(1) << i) != 0 ? 2 : 1,
		};
	}
	rows[count++] =
	    (struct argp_option){ "help", 'h', NULL, 0, "give this help", -1 };
	rows[count++] = (struct argp_option){ "usage", KEY_USAGE, NULL, 0,
		"give a short usage message", -1 };
	if (verb == NULL)
		rows[count++] = (struct argp_option){ "version", 'V', NULL, 0,
			"print the version", -1 };
	rows[count] = (struct argp_option){ 0 };
}

/* ---- help ---- */

static const char qctl_summary[] = "Talks to gsq, the job queue.";

static const char statuses[] = "Exit status:"
#define EXIT_STATUS(name, number, meaning, advice) "\n  " #number "\t" meaning
#include "qctl/exit_status.def"
#undef EXIT_STATUS
    ;

static char *
copy_of(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		out_of_memory();
	return copy;
}

/* "summary\vdetails", as argp wants it. */
static char *
document_of(const char *summary, const char *details)
{
	char *document;
	if (details == NULL)
		return copy_of(summary);
	if (asprintf(&document, "%s\v%s", summary, details) < 0)
		out_of_memory();
	return document;
}

static void
print_verbs(FILE *file, const struct verb *verbs)
{
	fputs("Verbs:\n", file);
	for (const struct verb *verb = verbs; verb->name != NULL; verb++) {
		int columns =
		    fprintf(file, "  %s %s", verb->name, verb->arguments);
		fprintf(file, "%*s %s\n", VERB_COLUMNS - columns, "",
		    verb->summary);
	}
	fputs("\n'qctl help VERB' explains a verb and its options.\n\n", file);
}

/* A sentence for people: "Add jobs, print their ids." */
static char *
sentence_of(const char *summary)
{
	char *sentence;
	if (asprintf(&sentence, "%c%s.", summary[0] - 'a' + 'A', summary + 1) <
	    0)
		out_of_memory();
	return sentence;
}

static error_t
parse_nothing(int key, char *text, struct argp_state *state)
{
	(void)key;
	(void)text;
	(void)state;
	return ARGP_ERR_UNKNOWN;
}

static void
help(FILE *file, const struct verb *verbs, const struct verb *verb,
    unsigned flags)
{
	struct argp_option rows[ROWS_MAX];
	/* argp would explain at length what everybody knows about options. */
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
	fill_rows(rows, verb);
	char *name;
	if (asprintf(&name, "qctl%s%s", verb != NULL ? " " : "",
		verb != NULL ? verb->name : "") < 0)
		out_of_memory();
	char *summary =
	    verb != NULL ? sentence_of(verb->summary) : copy_of(qctl_summary);
	char *document =
	    document_of(summary, verb != NULL ? verb->details : statuses);
	struct argp parser = {
		.options = rows,
		.parser = parse_nothing,
		.args_doc = "VERB [ARGUMENT...]",
		.doc = document,
	};
	if (verb != NULL)
		parser.args_doc =
		    *verb->arguments != '\0' ? verb->arguments : NULL;
	if (verb != NULL || flags == ARGP_HELP_USAGE) {
		argp_help(&parser, file, flags, name);
	} else {
		argp_help(&parser, file,
		    ARGP_HELP_SHORT_USAGE | ARGP_HELP_PRE_DOC, name);
		fputc('\n', file);
		print_verbs(file, verbs);
		argp_help(
		    &parser, file, ARGP_HELP_LONG | ARGP_HELP_POST_DOC, name);
	}
	free(document);
	free(summary);
	free(name);
}

void
command_line_help(FILE *file, const struct verb *verbs, const struct verb *verb)
{
	help(file, verbs, verb, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
}

/* ---- reading ---- */

/* Ends the parsing; what was wrong has been said. */
static error_t
stop(struct argp_state *state, int status)
{
	struct reading *reading = state->input;
	reading->status = status;
	state->next = state->argc;
	return EINVAL;
}

static error_t
stop_with_help(struct argp_state *state, unsigned flags)
{
	const struct command *command =
	    ((struct reading *)state->input)->command;
	help(stdout, command->verbs, command->verb, flags);
	return stop(state, EXIT_DONE);
}

static error_t
take_option(struct argp_state *state, enum option_id option, const char *text)
{
	struct reading *reading = state->input;
	char reason[REASON_MAX];
	const char *wrong = option_read(option, text,
	    &reading->command->options[option], reason, sizeof(reason));
	if (wrong == NULL)
		return 0;
	say("%s", wrong);
	return stop(state, EXIT_USAGE);
}

static error_t
parse_word(int key, char *text, struct argp_state *state)
{
	struct reading *reading = state->input;
	struct command *command = reading->command;
	enum option_id option = option_of(key);
	if (option != OPTION_COUNT)
		return take_option(state, option, text);
	switch (key) {
	case 'h':
		return stop_with_help(state, ARGP_HELP_STD_HELP);
	case KEY_USAGE:
		return stop_with_help(state, ARGP_HELP_USAGE);
	case 'V':
		puts("qctl " GSQ_VERSION);
		return stop(state, EXIT_DONE);
	case ARGP_KEY_ARG:
		if (command->verb != NULL)
			return ARGP_ERR_UNKNOWN; /* ARGS follows */
		reading->verb_at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_ARGS:
		command->arguments = state->argv + state->next;
		command->argument_count = state->argc - state->next;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* COMMAND_LINE_GO_ON, or the exit status. */
static int
parse(struct reading *reading, unsigned flags, int argc, char **argv)
{
	struct argp_option rows[ROWS_MAX];
	fill_rows(rows, reading->command->verb);
	const struct argp parser = { .options = rows, .parser = parse_word };
	reading->status = EXIT_USAGE;
	if (argp_parse(&parser, argc, argv, flags | ARGP_NO_HELP | ARGP_NO_EXIT,
		NULL, reading) != 0)
		return reading->status;
	return COMMAND_LINE_GO_ON;
}

const struct verb *
command_line_verb(const struct verb *verbs, const char *name)
{
	const struct verb *verb = verb_find(verbs, name);
	if (verb != NULL)
		return verb;
	const struct verb *meant = verb_suggest(verbs, name);
	if (meant != NULL)
		say("no verb '%s'; did you mean '%s'?", name, meant->name);
	else
		say("no verb '%s'; 'qctl help' names all", name);
	return NULL;
}

static int
read_verb(struct reading *reading, int argc, char **argv)
{
	struct command *command = reading->command;
	static char name[sizeof("qctl ") + NAME_BYTES_MAX];
	if (reading->verb_at == 0) {
		say("what shall it do? 'qctl status' shows what there is, "
		    "'qctl help' names all verbs");
		return EXIT_USAGE;
	}
	char **rest = argv + reading->verb_at;
	command->verb = command_line_verb(command->verbs, rest[0]);
	if (command->verb == NULL)
		return EXIT_USAGE;
	snprintf(name, sizeof(name), "qctl %s", command->verb->name);
	rest[0] = name;
	return parse(reading, 0, argc - reading->verb_at, rest);
}

static int
check(struct command *command)
{
	char reason[REASON_MAX];
	const char *wrong =
	    grammar_check(command->verb, command->options, command->arguments,
		command->argument_count, reason, sizeof(reason));
	if (wrong == NULL)
		wrong = place_set(
		    &command->place, command->options[OPTION_SOCKET].text);
	if (wrong == NULL)
		return COMMAND_LINE_GO_ON;
	say("%s", wrong);
	return EXIT_USAGE;
}

int
command_line_read(
    struct command *command, const struct verb *verbs, int argc, char **argv)
{
	struct reading reading = { .command = command };
	*command = (struct command){ .verbs = verbs };
	int status = parse(&reading, ARGP_IN_ORDER, argc, argv);
	if (status == COMMAND_LINE_GO_ON)
		status = read_verb(&reading, argc, argv);
	if (status == COMMAND_LINE_GO_ON)
		status = check(command);
	command->form = (enum form)command->options[OPTION_OUTPUT].number;
	return status;
}
