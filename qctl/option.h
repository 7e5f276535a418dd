/* SPDX-License-Identifier: MIT */
/*
 * The options, from the table option.def: what they are called, how their
 * arguments are read and what is wrong with bad ones.
 */
#ifndef GSQ_QCTL_OPTION_H
#define GSQ_QCTL_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_id {
#define OPTION(name, ...) OPTION_##name,
#include "qctl/option.def"
#undef OPTION
	OPTION_COUNT
};

#define OPTION_BIT(name) (UINT64_C(1) << OPTION_##name)

/* Taken by every verb. */
#define OPTIONS_COMMON \
	(OPTION_BIT(SOCKET) | OPTION_BIT(OUTPUT) | OPTION_BIT(TIMEOUT))

enum option_kind {
	OPTION_KIND_FLAG,
	OPTION_KIND_NUMBER,
	OPTION_KIND_NAME,
	OPTION_KIND_DURATION,
	OPTION_KIND_TIME, /* of the wall clock */
	OPTION_KIND_CHOICE,
	OPTION_KIND_KEY,
	OPTION_KIND_LEVELS,
	OPTION_KIND_LEVELS_MS,
	OPTION_KIND_TEXT
};

struct option_row {
	const char *name;
	int letter;	      /* 0: none */
	const char *argument; /* NULL: none */
	enum option_kind kind;
	int64_t min;
	int64_t max;
	const char *choices; /* "a|b"; of a CHOICE */
	const char *summary;
};

/* From which numbers on something is wrong: greater ones are. */
struct levels {
	int64_t warning; /* NO_LEVEL: none */
	int64_t critical;
};

#define NO_LEVEL INT64_C(-1)

/* What was said on the command line. */
struct option_value {
	const char *text;     /* NULL: not said; of a CHOICE the word itself */
	int64_t number;	      /* of NUMBER, DURATION (ms) and CHOICE (place) */
	struct levels levels; /* of LEVELS, and LEVELS_MS in ms */
};

const struct option_row *option_row(enum option_id option);

/*
 * Reads an argument, NULL for a FLAG. NULL when good, else what is wrong, in
 * reason[reason_bytes].
 */
const char *option_read(enum option_id option, const char *text,
    struct option_value *ret_value, char *reason, size_t reason_bytes);

/* A whole decimal number from min to max; false for anything else. */
bool number_read(
    const char *text, int64_t min, int64_t max, int64_t *ret_number);

#endif
