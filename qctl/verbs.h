/* SPDX-License-Identifier: MIT */
/*
 * The table of verbs, made from verb.def.
 */
#ifndef GSQ_QCTL_VERBS_H
#define GSQ_QCTL_VERBS_H

#include "qctl/command.h"

/* Ends with a row without name. */
extern const struct verb verb_table[];

#endif
