/* SPDX-License-Identifier: MIT */
/*
 * What comes in: one message of a client becomes facts for the core, and its
 * answer. Whatever is wrong with it is refused here, in words, and changes
 * nothing.
 */
#ifndef GSQ_QUEUE_INLET_H
#define GSQ_QUEUE_INLET_H

#include "queue/server.h"

/* Good messages only; the peer has refused the others. */
void inlet_message(struct client *client, const struct message *message);

/* The client's connection is over. */
void inlet_gone(struct client *client);

#endif
