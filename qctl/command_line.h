/* SPDX-License-Identifier: MIT */
/*
 * The command line: options, a verb, its options and arguments; and the help,
 * which is made from the same tables.
 */
#ifndef GSQ_QCTL_COMMAND_LINE_H
#define GSQ_QCTL_COMMAND_LINE_H

#include "qctl/command.h"

#include <stdio.h>

#define COMMAND_LINE_GO_ON (-1)

/*
 * Understands it. COMMAND_LINE_GO_ON with the command set but for its
 * deadline, or the status to exit with: 0 after --help and --version, else
 * EXIT_USAGE, having said why. The texts point into argv.
 */
int command_line_read(
    struct command *command, const struct verb *verbs, int argc, char **argv);

/* The verb of that name; NULL when there is none, having said so. */
const struct verb *command_line_verb(
    const struct verb *verbs, const char *name);

/* The help of qctl, or, when verb is not NULL, of one verb. */
void command_line_help(
    FILE *file, const struct verb *verbs, const struct verb *verb);

#endif
