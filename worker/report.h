/* SPDX-License-Identifier: MIT */
/*
 * How a job ended, as it stands on the wire: as the response to its delivery,
 * or after a reconnect as a request of its own. What its process left behind
 * goes with it, unless it was done.
 */
#ifndef GSQ_WORKER_REPORT_H
#define GSQ_WORKER_REPORT_H

#include "base/buffer.h"
#include "worker/ledger.h"

/* Append the message to the buffer, with the command's name in the reason where
 * that tells more. 0, or ENOMEM with the buffer unchanged. */
int report_response(struct buffer *buffer, uint64_t msgid,
    const struct outcome *outcome, const char *command);
int report_request(
    struct buffer *buffer, const struct ledger_job *job, const char *command);

#endif
