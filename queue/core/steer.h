/* SPDX-License-Identifier: MIT */
/*
 * What people do to single jobs: cancel, delete, revive; and the touch, with
 * which whoever runs a job takes more time.
 *
 *            READY, BLOCKED, DELAYED   RUNNING             DEAD
 *   CANCEL   gone                      stopped, then gone  refused
 *   DELETE   gone                      refused             gone
 *   REVIVE   DELAYED: READY; else refused                  READY, from the
 * first attempt on
 */
#ifndef GSQ_CORE_STEER_H
#define GSQ_CORE_STEER_H

#include "core/core.h"

void steer_touch(struct core *core, const struct fact *fact);
void steer_cancel(struct core *core, const struct fact *fact);
void steer_delete(struct core *core, const struct fact *fact);
void steer_revive(struct core *core, const struct fact *fact);

#endif
