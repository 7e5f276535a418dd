/* SPDX-License-Identifier: MIT */
/*
 * What qctl ends with, from the table exit_status.def.
 */
#ifndef GSQ_QCTL_EXIT_STATUS_H
#define GSQ_QCTL_EXIT_STATUS_H

#include "base/refusal.h"

enum exit_status {
#define EXIT_STATUS(name, number, meaning, advice) EXIT_##name = (number),
#include "qctl/exit_status.def"
#undef EXIT_STATUS
};

/* The status that goes with a refusal. */
int exit_status_of(enum refusal refusal);

#endif
