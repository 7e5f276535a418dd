/* SPDX-License-Identifier: MIT */
/*
 * The process: sockets, clients, time and the loop. One round of the loop is
 * one turn.
 */
#ifndef GSQ_QUEUE_SERVER_H
#define GSQ_QUEUE_SERVER_H

#include "queue/channel.h"
#include "queue/client.h"
#include "queue/options.h"
#include "queue/outlet.h"
#include "queue/roster.h"
#include "queue/turn.h"
#include "queue/watch.h"
#include "sys/clock.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* What became of one body of an enqueue. */
struct taken {
	uint64_t id;
	enum enqueue_result result;
	enum refusal refusal; /* of that body alone; with its words */
	const char *words;
	char *copy; /* owned; of words that would not last, else NULL */
	bool is_repeated;
};

struct server {
	const struct options *options;
	struct event_base *base;
	struct turn turn;
	struct store *log;
	struct store *memory;
	struct outlet outlet;
	struct watch watch;
	struct channel channel;

	struct client_list clients;
	uint32_t client_count;
	int client_descriptors; /* those above are the store's */
	int64_t full_told_ms;	/* when the log said so; 0: never */
	struct roster roster;

	int listener;
	char own_socket[PATH_MAX]; /* that this process made; empty: none */
	struct event *accept_event;
	struct event *resume_event;
	struct event *timer;
	struct event *beat_timer;
	struct event *store_event;
	struct event *stop_event;
	struct event *clock_event;
	int clock_fd;	  /* readable when the wall clock was set; -1: never */
	int64_t armed_ms; /* when the timer goes off */

	int64_t started_ms;
	int64_t began_us; /* of this turn; 0: it has not begun */
	int64_t longest_turn_us;
	int64_t longest_upkeep_turn_us; /* of those with upkeep of the store */
	struct taken *taken;	  /* owned; BATCH_JOBS_MAX, of one enqueue */
	struct arrival *arrivals; /* the same, before it */
	uint64_t refused;	  /* requests answered with an error */
	bool stopping;
	int exit_code;
};

/* The moment of this turn, the same for all that happens in it. */
static inline int64_t
server_now_ms(struct server *server)
{
	if (server->began_us == 0)
		server->began_us = clock_monotonic_us();
	return server->began_us / 1000;
}

/*
 * Runs until the supervisor ends it or dies. Returns the status to exit with.
 */
int serve(const struct options *options);

#endif
