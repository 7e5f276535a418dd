/* SPDX-License-Identifier: MIT */
/*
 * What the last attempts of a job ended of, as an answer tells it.
 */
#ifndef GSQ_QUEUE_OBITUARY_H
#define GSQ_QUEUE_OBITUARY_H

#include "queue/turn.h"
#include "wire/message.h"

#include <stdbool.h>

/* Is there anything to tell? */
bool obituary_is_there(const struct core *core, const struct job *job);

/* An array of maps, the last attempt last. */
void obituary_put(
    struct message_writer *writer, struct turn *turn, const struct job *job);

#endif
