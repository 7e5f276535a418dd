/* SPDX-License-Identifier: MIT */
/*
 * The verb check, for monitors.
 */
#ifndef GSQ_QCTL_CHECK_H
#define GSQ_QCTL_CHECK_H

/* Its call was wrong, which has been said to people: says so to the monitor.
 * Returns the exit status. */
int check_misused(void);

#endif
