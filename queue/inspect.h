/* SPDX-License-Identifier: MIT */
/*
 * Looking: answers that change nothing. They show the core as it is, without
 * waiting for the disk.
 */
#ifndef GSQ_QUEUE_INSPECT_H
#define GSQ_QUEUE_INSPECT_H

#include "queue/server.h"
#include "wire/method.h"

/* Each writes the whole response to that request, a refusal too. */
void inspect_ping(struct client *client, uint64_t msgid);
void inspect_get(
    struct client *client, uint64_t msgid, const struct params_get *params);
void inspect_peek(
    struct client *client, uint64_t msgid, const struct params_peek *params);
void inspect_list(
    struct client *client, uint64_t msgid, const struct params_list *params);
void inspect_queues(struct client *client, uint64_t msgid);
void inspect_workers(struct client *client, uint64_t msgid);
void inspect_stats(
    struct client *client, uint64_t msgid, const struct params_stats *params);

#endif
