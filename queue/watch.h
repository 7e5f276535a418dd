/* SPDX-License-Identifier: MIT */
/*
 * Those who wait for something to happen: event streams, which get everything,
 * and waiters, which get one answer.
 *
 * A watcher that reads too slowly, or comes back, goes on from what is
 * remembered; what is not there any more it is told as one gap. It never slows
 * the queue.
 *
 * Events have numbers that no queue of this store gives again. These are taken
 * a billion at a time, which is one write to the disk, and not before somebody
 * wants to see an event: a queue that is not watched takes none.
 */
#ifndef GSQ_QUEUE_WATCH_H
#define GSQ_QUEUE_WATCH_H

#include "core/core.h"
#include "queue/client.h"
#include "queue/outlet.h"
#include "queue/recent.h"
#include "queue/turn.h"

#include <stdint.h>
#include <sys/queue.h>

/* Requests that wait, of one connection: each is remembered until its answer.
 */
#define WAITERS_PER_CLIENT_MAX 10000

/* Jobs that were cancelled or deleted, and are remembered as such: whoever asks
 * for one of them does so soon. */
#define REMOVED_MAX 1024

struct awaited;

/* A job that ended otherwise than done. */
struct removed {
	uint64_t id;
	enum core_event how;
};

struct watch {
	const struct core *core;
	struct outlet *outlet;
	struct client_list watchers;
	struct awaited *jobs;	   /* hash by id: who waits for each */
	struct waiter_list queues; /* who waits for a queue; there are few */
	struct recent recent;	   /* events, by their count */
	int64_t turn_wall_ms;	  /* when those of this turn are; 0: none yet */
	uint64_t base;		  /* event n has the number base + n */
	uint64_t numbers_through; /* those are taken; 0: none are */
	uint64_t first_id; /* jobs below may have been lost by a restart */
	struct removed removed[REMOVED_MAX]; /* the oldest makes room */
	uint64_t removed_count;		     /* ever */
};

/* first_id: a job below that is not there may have been lost by a restart;
 * every other one is done. 0 or ENOMEM. */
int watch_init(struct watch *watch, const struct core *core,
    struct outlet *outlet, uint64_t first_id);
void watch_release(struct watch *watch);

/* Are more numbers wanted for events that somebody watches? */
bool watch_wants_numbers(const struct watch *watch);

/* Takes numbers for events, where there are none or few are left; false when
 * the disk has no room to write that down. */
bool watch_take_numbers(struct watch *watch, struct turn *turn);

/* Those above free, through that one, have been taken. */
void watch_number(struct watch *watch, uint64_t free, uint64_t through);

/* The number of the last event; numbers must have been taken. */
uint64_t watch_last(const struct watch *watch);

/* Streams events to the client, of that queue or, when it is empty, of all;
 * takes the place of an earlier stream. after: a number, not above watch_last;
 * the first event is the next one. The stream begins with watch_go_on, which
 * follows the answer. */
void watch_events(struct watch *watch, struct client *client, struct span queue,
    uint64_t after);

/* Sends the client what has happened and it was not sent, as much as its output
 * and a turn take; the rest when on_drained of its peer comes. visible: when
 * all that has happened may be shown. */
void watch_go_on(
    struct watch *watch, struct client *client, enum visible visible);

/* Answers the request when the job has ended. Refusals are returned, with
 * *ret_words. */
enum refusal watch_job(struct watch *watch, struct client *client,
    uint64_t msgid, uint64_t id, enum visible visible, const char **ret_words);

/* Answers the request when the queue has no unfinished job. */
enum refusal watch_queue(struct watch *watch, struct client *client,
    uint64_t msgid, struct span queue, enum visible visible,
    const char **ret_words);

/* What happens from now on does not happen at the same time as what did. */
void watch_end_turn(struct watch *watch);

/* Something happened (WISH_TELL); visible says when it may be shown. */
void watch_tell(
    struct watch *watch, const struct wish *wish, enum visible visible);

/* The client is about to be freed. */
void watch_forget(struct watch *watch, struct client *client);

#endif
