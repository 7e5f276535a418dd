/* SPDX-License-Identifier: MIT */
#include "queue/roster.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64

void
roster_release(struct roster *roster)
{
	free(roster->clients);
	*roster = (struct roster){ 0 };
}

struct client *
roster_find(const struct roster *roster, uint32_t subscriber)
{
	return subscriber < roster->room ? roster->clients[subscriber] : NULL;
}

static bool
make_room(struct roster *roster, uint32_t subscriber)
{
	uint32_t room = roster->room ? roster->room : ROOM_MIN;
	while (room <= subscriber)
		room *= 2;
	struct client **clients =
	    realloc(roster->clients, room * sizeof(struct client *));
	if (clients == NULL)
		return false;
	memset(clients + roster->room, 0,
	    (room - roster->room) * sizeof(struct client *));
	roster->clients = clients;
	roster->room = room;
	return true;
}

bool
roster_set(struct roster *roster, uint32_t subscriber, struct client *client)
{
	if (subscriber >= roster->room && !make_room(roster, subscriber))
		return false;
	roster->clients[subscriber] = client;
	return true;
}

void
roster_clear(struct roster *roster, uint32_t subscriber)
{
	if (subscriber < roster->room)
		roster->clients[subscriber] = NULL;
}
