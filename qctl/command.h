/* SPDX-License-Identifier: MIT */
/*
 * What a verb is, and what its function gets: one command line, understood.
 */
#ifndef GSQ_QCTL_COMMAND_H
#define GSQ_QCTL_COMMAND_H

#include "client/gsq.h"
#include "qctl/exit_status.h"
#include "qctl/option.h"
#include "qctl/place.h"

#include <stdint.h>

struct command;

struct verb {
	const char *name; /* NULL ends a table */
	const char *arguments;
	const char *summary;
	const char *details; /* NULL: none */
	uint64_t options;    /* OPTION_BITs besides OPTIONS_COMMON */
	int64_t timeout_ms;  /* when --timeout is not said */
	int (*run)(struct command *command);
};

/* As in the words of --output. */
enum form { FORM_TABLE, FORM_JSON, FORM_JSONL };

enum socket_of { SOCKET_OF_QUEUE, SOCKET_OF_SUPERVISOR, SOCKET_COUNT };

struct command {
	const struct verb *verbs; /* all there are */
	const struct verb *verb;
	char **arguments;
	int argument_count;
	struct option_value options[OPTION_COUNT];
	enum form form;
	struct place place;
	int64_t deadline_ms;		   /* GSQ_NO_TIMEOUT: none */
	struct gsq *sockets[SOCKET_COUNT]; /* NULL: not connected */
};

/* int do_enqueue(struct command *), ...; each returns the exit status. */
#define VERB(name, ...) int do_##name(struct command *command);
#include "qctl/verb.def"
#undef VERB

#endif
