/* SPDX-License-Identifier: MIT */
/*
 * What a worker's answer says of a run. Pure.
 */
#ifndef GSQ_QUEUE_VERDICT_H
#define GSQ_QUEUE_VERDICT_H

#include "core/core.h"
#include "wire/message.h"

/*
 * error: of the response to a delivery, or of a result; NULL: done. Anything is
 * understood: what is not as the protocol says is a failure, and a key of a
 * wrong type or out of range is as if it were missing. The texts of the outcome
 * are the message's.
 */
struct outcome verdict_read(const msgpack_object *error);

#endif
