/* SPDX-License-Identifier: MIT */
/*
 * The invariants of the whole core. Test builds check them after every step;
 * it takes time in proportion to everything there is.
 */
#ifndef GSQ_CORE_VERIFY_H
#define GSQ_CORE_VERIFY_H

#include "core/core.h"

/* NULL when everything holds, else what does not. */
const char *verify_core(const struct core *core);

#endif
