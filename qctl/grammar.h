/* SPDX-License-Identifier: MIT */
/*
 * The verbs by name, and their arguments by the words of their grammar.
 */
#ifndef GSQ_QCTL_GRAMMAR_H
#define GSQ_QCTL_GRAMMAR_H

#include "qctl/command.h"

#include <stddef.h>

/* NULL when there is none of that name. */
const struct verb *verb_find(const struct verb *verbs, const char *name);

/* The verb that was probably meant, or NULL. */
const struct verb *verb_suggest(const struct verb *verbs, const char *name);

/*
 * Are these arguments and options what the verb takes? NULL when they are,
 * else what is wrong, in reason[reason_bytes].
 */
const char *grammar_check(const struct verb *verb,
    const struct option_value options[OPTION_COUNT], char *const *arguments,
    int argument_count, char *reason, size_t reason_bytes);

#endif
