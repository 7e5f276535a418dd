/* SPDX-License-Identifier: MIT */
/*
 * CHECK: what must be true, in every build. A broken promise between two parts
 * of gsq ends the process at once, loudly: a queue that goes on after one could
 * lose a job, a dead one is restarted and recovers.
 */
#ifndef GSQ_BASE_CHECK_H
#define GSQ_BASE_CHECK_H

#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

/*
 * Says what broke and aborts; never returns. Defined in common/sys/check.c, so
 * that the pure parts do not write themselves.
 */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif
