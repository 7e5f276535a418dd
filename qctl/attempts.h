/* SPDX-License-Identifier: MIT */
/*
 * What the last attempts of a job ended of, for people.
 */
#ifndef GSQ_QCTL_ATTEMPTS_H
#define GSQ_QCTL_ATTEMPTS_H

#include "base/span.h"

#include <msgpack.h>

/* Of a job as get answers it: a table, the last one last; nothing where nothing
 * is known. */
void attempts_print(const msgpack_object *job);

/* How the stderr of the last one began, or an empty span. */
struct span attempts_last_words(const msgpack_object *job);

#endif
