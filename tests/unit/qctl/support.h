/* SPDX-License-Identifier: MIT */
/*
 * Answers of gsq for the tests of this folder.
 */
#ifndef GSQ_TESTS_QCTL_SUPPORT_H
#define GSQ_TESTS_QCTL_SUPPORT_H

#include "wire/message.h"

/* The answer that looks so as JSON, with ' for "; good to the end. */
const msgpack_object *answer_like(const char *json);

#endif
