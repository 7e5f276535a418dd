/* SPDX-License-Identifier: MIT */
/*
 * A lane is one named queue: its ready jobs by priority and arrival, its dead
 * ones, its counts and its rules.
 */
#ifndef GSQ_CORE_LANE_H
#define GSQ_CORE_LANE_H

#include "base/backoff.h"
#include "base/durability.h"
#include "base/heap.h"
#include "base/histogram.h"
#include "base/name.h"
#include "base/schedule.h"
#include "core/job.h"

#include <stdint.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct subscription;

/* The rules of a queue. */
struct lane_policy {
	uint32_t max_attempts; /* counted deliveries before a job is dead */
	uint32_t max_crashes;  /* workers it may kill before it is; 0: any */
	struct backoff retry;  /* delay before the next attempt */
	struct schedule retry_schedule; /* instead, if there is one */
	int64_t ttr_ms;		    /* time of a run; 0: as long as it wants */
	int64_t ttr_grace_ms;	    /* then, between TERM and KILL */
	enum durability durability; /* where the owner keeps its jobs */
	enum key_mode mode;	    /* of jobs that say none */
	enum key_merge merge;
	uint32_t max_running; /* of its jobs at once; 0: any number */
	/* So many jobs may begin in so long (rate_jobs 0: any number), and at
	 * once, behind a pause, at most the burst (from 1). */
	int64_t rate_jobs;
	int64_t rate_ms;
	int64_t rate_burst;
	/* What it may have, of jobs that wait or run; 0: any number. */
	int64_t max_jobs;
	int64_t max_bytes; /* of their bodies */
	int64_t max_keys;
	int64_t max_body_bytes; /* of each body that comes */
};

/* What somebody has said of a queue; it is kept over restarts. */
struct lane_gate {
	bool is_paused;	       /* its jobs wait */
	bool is_draining;      /* it takes no more */
	int64_t resume_at_ms;  /* monotonic; INT64_MAX: when somebody says so */
	int64_t since_wall_ms; /* paused */
	int64_t uid;	       /* who did */
};

struct lane {
	struct name name;
	uint32_t handle;
	struct lane_policy policy;
	struct job_list ready[PRIORITY_COUNT];
	uint64_t occupied[PRIORITY_COUNT / 64]; /* bit set: list not empty */
	struct job_list dead;
	uint32_t counts[JOB_STATE_COUNT];
	uint64_t enqueued; /* since the process started */
	uint64_t done;
	uint64_t failed;
	uint64_t body_bytes; /* of jobs that wait or run */
	uint32_t keys;	     /* that these have */
	int64_t left_at_ms;  /* when the last of them ended or died */
	int64_t pace_us; /* from one to the next, on average; 0: not known */
	struct histogram wait_ms; /* from ready to its delivery */
	struct histogram run_ms;  /* from there to its end; not given back */
	struct lane_gate gate;
	int64_t full_at_us;  /* when the bucket of its rate is full again */
	int64_t act_at_ms;   /* when time opens the gate; INT64_MAX: never */
	uint32_t gate_place; /* position in the heap of gates; 0: not there */
	struct heap asking;  /* subscriptions that can be given a job now */
	LIST_HEAD(, subscription) subscriptions;
	uint32_t subscription_count;
	bool idle; /* it is in lanes->idle */
	TAILQ_ENTRY(lane) in_idle;
	UT_hash_handle by_name;
};

struct lanes {
	struct slab slab; /* struct lane */
	struct lane *by_name;
	/* Without jobs and subscribers; the one that is so longest first. */
	TAILQ_HEAD(lane_list, lane) idle;
};

void lanes_init(struct lanes *lanes);
void lanes_release(struct lanes *lanes);

static inline struct lane *
lane_at(const struct lanes *lanes, uint32_t handle)
{
	return slab_at(&lanes->slab, handle);
}

/* The lane of that name, or NULL. */
struct lane *lanes_find(const struct lanes *lanes, struct span name);

/*
 * A new lane with that name, which is valid and not there yet. Its heap is
 * left to the caller to init. When there are LANES_MAX, the one that has been
 * idle longest makes room; NULL when none is, or no memory.
 */
struct lane *lanes_add(
    struct lanes *lanes, struct span name, const struct lane_policy *policy);

/* To be told when jobs or subscriptions came to a lane or left it. */
void lanes_note(struct lanes *lanes, struct lane *lane);

/* Jobs that are to run some time: not the dead ones. */
static inline uint32_t
lane_unfinished(const struct lane *lane)
{
	return lane->counts[JOB_READY] + lane->counts[JOB_BLOCKED] +
	    lane->counts[JOB_DELAYED] + lane->counts[JOB_RUNNING];
}

/* Neither jobs, dead ones included, nor subscriptions, and nothing was said of
 * it. */
static inline bool
lane_is_idle(const struct lane *lane)
{
	return lane_unfinished(lane) == 0 && lane->counts[JOB_DEAD] == 0 &&
	    lane->subscription_count == 0 && !lane->gate.is_paused &&
	    !lane->gate.is_draining && lane->gate_place == 0;
}

/* The job to be delivered next, or 0. */
uint32_t lane_first(const struct lane *lane);

/*
 * Since when the job that has been ready longest is so, or INT64_MAX without
 * one. Jobs that came back stand in front and are younger: so many looks behind
 * them may be taken, and are taken off; without any left it may be too late a
 * time. So it may where that job became more urgent since.
 */
int64_t lane_ready_since_ms(
    const struct jobs *jobs, const struct lane *lane, unsigned *looks);

/* Among the ready jobs of its priority: behind all, or in front of all. */
void lane_push_back(
    const struct jobs *jobs, struct lane *lane, uint32_t handle);
void lane_push_front(
    const struct jobs *jobs, struct lane *lane, uint32_t handle);
void lane_take(const struct jobs *jobs, struct lane *lane, uint32_t handle);

/* The ready job behind this one in the order of delivery, or 0. */
uint32_t lane_after(
    const struct jobs *jobs, const struct lane *lane, uint32_t handle);

#endif
