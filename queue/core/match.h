/* SPDX-License-Identifier: MIT */
/*
 * The one place where a job meets a demand.
 */
#ifndef GSQ_CORE_MATCH_H
#define GSQ_CORE_MATCH_H

#include "core/core.h"

/* Delivers ready jobs of a lane while somebody asks for them. Called after
 * whatever could have made a job ready or a demand appear. */
void match_lane(struct core *core, struct lane *lane);

#endif
