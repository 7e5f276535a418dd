/* SPDX-License-Identifier: MIT */
/*
 * The worker at work: puts the session with the queue and the runs of its jobs
 * together, ends when it is told to, and holds back while its command cannot be
 * run.
 */
#ifndef GSQ_WORKER_WORK_H
#define GSQ_WORKER_WORK_H

#include "worker/options.h"

/* Returns the status to exit with: 0 when it was stopped. */
int work(const struct options *options);

#endif
