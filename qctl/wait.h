/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the end of a job, or of the jobs of a queue.
 */
#ifndef GSQ_QCTL_WAIT_H
#define GSQ_QCTL_WAIT_H

#include "client/gsq.h"
#include "qctl/command.h"

#include <stdbool.h>

/* The answer to the method wait with that field, id or queue, good until the
 * next request: asks until somebody answers, as whoever waits is not disturbed
 * by the death of the queue. *ret_again is set when it died meanwhile. Returns
 * the exit status, having said what went wrong. */
int wait_through_restarts(struct command *command, struct gsq_field field,
    const msgpack_object **ret_result, bool *ret_again);

#endif
