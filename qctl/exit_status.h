/* SPDX-License-Identifier: MIT */
/*
 * What qctl ends with. Scripts decide by these, so each is one thing to do
 * next: go on, look, mend the call, start gsq, come back later, ask for
 * rights, wait longer.
 */
#ifndef GSQ_QCTL_EXIT_STATUS_H
#define GSQ_QCTL_EXIT_STATUS_H

#include "base/refusal.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,	 /* gsq says no; again will not help */
	EXIT_PARTLY = 2,	 /* some of it is done */
	EXIT_USAGE = 64,	 /* the call is wrong */
	EXIT_UNREACHABLE = 69,	 /* no gsq there, or it went away */
	EXIT_SYSTEM = 71,	 /* this machine: memory, files */
	EXIT_TRY_LATER = 75,	 /* full, stopping, not at this moment */
	EXIT_NOT_PERMITTED = 77, /* no right to it */
	EXIT_TIMED_OUT = 124,	 /* --timeout is over */
	EXIT_INTERRUPTED = 130	 /* Ctrl-C */
};

/* The status that goes with a refusal. */
int exit_status_of(enum refusal refusal);

#endif
