/* SPDX-License-Identifier: MIT */
/*
 * Requests that steer: cancel, delete and retry of one job or of those that
 * pass a filter, a page at a time; the touch; and of queues pause, resume and
 * drain. params: the method's.
 */
#ifndef GSQ_QUEUE_STEERING_H
#define GSQ_QUEUE_STEERING_H

#include "queue/request.h"

void steering_cancel(const struct request *request, const void *params);
void steering_delete(const struct request *request, const void *params);
void steering_retry(const struct request *request, const void *params);
void steering_touch(const struct request *request, const void *params);
void steering_pause(const struct request *request, const void *params);
void steering_resume(const struct request *request, const void *params);
void steering_drain(const struct request *request, const void *params);

#endif
