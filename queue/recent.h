/* SPDX-License-Identifier: MIT */
/*
 * What happened last, for those who come back: so many events, in so many bytes
 * in all; the oldest make room. Pure. Events are counted from 1 on; a number
 * that is good beyond this process is made of the count in watch.c.
 */
#ifndef GSQ_QUEUE_RECENT_H
#define GSQ_QUEUE_RECENT_H

#include "base/limits.h"
#include "base/span.h"
#include "core/core.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One event. Texts are empty where they do not apply, and at most
 * REASON_BYTES_MAX long. */
struct happening {
	int64_t time_ms; /* by the wall clock */
	enum core_event type;
	uint32_t attempt; /* of the job */
	uint64_t job;	  /* its id; 0: none */
	uint64_t into;	  /* of a folded job, the other one; 0: none */
	struct span queue;
	struct span worker;
	struct span reason;
};

struct recent {
	char *bytes;	  /* owned; EVENTS_BYTES_MAX */
	uint32_t *places; /* owned; in bytes, of event n: [n % EVENTS_MAX] */
	size_t end;	  /* where the next one goes, if there is room */
	uint64_t first;	  /* kept are first..last; none: first is last + 1 */
	uint64_t last;	  /* ever */
};

/* 0 or ENOMEM. */
int recent_init(struct recent *recent);
void recent_release(struct recent *recent);

/* Keeps a copy as event number last + 1. */
void recent_add(struct recent *recent, const struct happening *happening);

/* Event n, first..last. Its texts are good until the next recent_add. */
void recent_get(
    const struct recent *recent, uint64_t n, struct happening *ret_happening);

/* Forgets them all, and goes on counting. */
void recent_clear(struct recent *recent);

/*
 * Numbers of events are taken so many at a time, for good: a queue that starts
 * anew begins behind all that may have been used. Through which number are they
 * to be taken, when this one is used already? At least half of them are free.
 */
uint64_t recent_numbers_through(uint64_t used);

/* Is it time to take more? */
bool recent_numbers_run_out(uint64_t used, uint64_t through);

#endif
