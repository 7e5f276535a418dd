/* SPDX-License-Identifier: MIT */
/*
 * The table of queues, alone and on the screen of status.
 */
#ifndef GSQ_QCTL_QUEUES_H
#define GSQ_QCTL_QUEUES_H

#include "qctl/rows.h"

extern const struct rows_view queues_view;

#endif
