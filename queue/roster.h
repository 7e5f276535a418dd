/* SPDX-License-Identifier: MIT */
/*
 * Which connection a subscriber of the core is.
 */
#ifndef GSQ_QUEUE_ROSTER_H
#define GSQ_QUEUE_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

struct client;

struct roster {
	struct client **clients; /* owned; by subscriber handle, NULL: none */
	uint32_t room;
};

/* A zeroed struct is an empty roster. */
void roster_release(struct roster *roster);

/* The client that a subscriber is, or NULL when it is not connected. */
struct client *roster_find(const struct roster *roster, uint32_t subscriber);

/* From now on that client is that subscriber. False without memory. */
bool roster_set(
    struct roster *roster, uint32_t subscriber, struct client *client);

/* The subscriber is not connected any more. */
void roster_clear(struct roster *roster, uint32_t subscriber);

#endif
