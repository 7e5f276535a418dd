/* SPDX-License-Identifier: MIT */
/*
 * What remains of a gsq whose supervisor died in this directory. Its queue and
 * its workers see that and end, but not in the same moment; a new queue that
 * gave out their jobs before would have them run twice at once. And when the
 * workers were killed with it, nobody was left to end what their handlers had
 * started.
 */
#ifndef GSQ_SUPERVISOR_REMAINS_H
#define GSQ_SUPERVISOR_REMAINS_H

#include <sys/types.h>

/*
 * Takes the lock of the directory, which queue and workers hold, too, and waits
 * for them if their supervisor is dead, for ten seconds at most; then ends what
 * is left of their handlers, and waits for that. The descriptor of the lock, or
 * -errno; -EWOULDBLOCK with *ret_holder, who has it, dead or alive, or 0.
 */
int remains_lock(const char *directory, pid_t *ret_holder);

#endif
