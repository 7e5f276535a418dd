/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include "sys/log.h"

#include <stdlib.h>

_Noreturn void
check_failed(const char *file, int line, const char *condition)
{
	log_event(LOG_ERROR, "check-failed", "at=%s:%d condition=%s", file,
	    line, log_quote(span_of(condition), 200));
	abort();
}
