/* SPDX-License-Identifier: MIT */
/*
 * The loop: turns what happens (signals, deaths, messages, time) into facts
 * for the plan, and the plan's wishes into what children do. Never blocks.
 */
#ifndef GSQ_SUPERVISOR_SUPERVISE_H
#define GSQ_SUPERVISOR_SUPERVISE_H

#include "supervisor/options.h"

/*
 * Runs the whole tree in the options' directory, whose lock the caller holds
 * and the children inherit, until it is stopped or gives up. Returns the status
 * to exit with; nothing of the tree lives then, and its sockets are gone.
 */
int supervise(const struct options *options, int lock);

#endif
