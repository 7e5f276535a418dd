/* SPDX-License-Identifier: MIT */
/*
 * The method why: the exact reason why a job, or the next one of a key, does
 * not run at this moment, and when that will change.
 */
#ifndef GSQ_QUEUE_WHY_H
#define GSQ_QUEUE_WHY_H

#include "queue/request.h"

void why(const struct request *request, const struct params_why *params);

#endif
