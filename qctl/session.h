/* SPDX-License-Identifier: MIT */
/*
 * Talking to gsq on behalf of a command: connects when first needed, keeps to
 * the time that --timeout leaves, and turns what goes wrong into one line on
 * stderr and an exit status.
 */
#ifndef GSQ_QCTL_SESSION_H
#define GSQ_QCTL_SESSION_H

#include "qctl/command.h"
#include "wire/method.h"

#include <stddef.h>
#include <stdint.h>

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

/*
 * One request to whichever process serves the method. EXIT_DONE with
 * *ret_result, NULL for nil, good until the next request to that process; or
 * the exit status, having said why.
 */
int session_call(struct command *command, enum method method,
    const struct gsq_field *fields, size_t field_count,
    const msgpack_object **ret_result);

/* A connection, made now if there is none. EXIT_DONE, or as above. */
int session_connect(struct command *command, enum socket_of socket_of);

/* The exit status for what went wrong on a connection, having said it. */
int session_failed(const struct command *command, enum socket_of socket_of,
    enum gsq_status status);

/* To be called between two attempts to ask a queue that goes away again and
 * again. */
void session_pause(void);

/* Milliseconds until the command's time is over, or GSQ_NO_TIMEOUT. */
int64_t session_left_ms(const struct command *command);

void session_close(struct command *command);

#endif
