/* SPDX-License-Identifier: MIT */
/*
 * Requests that steer: cancel, delete and retry of one job or of those that
 * pass a filter, a page at a time; and the touch. params: the method's.
 */
#ifndef GSQ_QUEUE_STEERING_H
#define GSQ_QUEUE_STEERING_H

#include "queue/request.h"

void steering_cancel(const struct request *request, const void *params);
void steering_delete(const struct request *request, const void *params);
void steering_retry(const struct request *request, const void *params);
void steering_touch(const struct request *request, const void *params);

#endif
