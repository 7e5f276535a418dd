/* SPDX-License-Identifier: MIT */
/*
 * The configuration file, read by libconfuse: one schema for all processes.
 * The order of strength is command line, then environment, then file, then
 * default.
 *
 *     directory = "/run/gsq"           # sockets and lock
 *     store     = "/var/lib/gsq"       # the jobs
 *     max_connections = 16384          # clients of the queue
 *     max_output_bytes = "1MiB"        # that wait for each of them
 *     supervisor {
 *         max_restarts = "12"          # a number, "inf", default 3 x children
 *         max_seconds  = 5
 *         backoff      = "100ms..5s"   # or "off"
 *         strategy     = "one_for_one" # or "rest_for_one", "one_for_all"
 *         hang_timeout = "10s"         # 0: any time
 *     }
 *     queue "default" {
 *         max_attempts = 10  retry_base = "2s"  retry_cap = "1h"
 *         max_crashes = 3              # 0: any number
 *         ttr        = "5m"            # time of a run; 0: any
 *         ttr_grace  = "5s"            # then, from TERM to KILL
 *         max_running = 0              # 0: any number
 *         rate       = "10/s"          # default off
 *         burst      = 1
 *         max_jobs   = 0               # that wait or run; 0: any number
 *         max_bytes  = "0"             # of their bodies
 *         max_keys   = 0               # that they have
 *         max_body_bytes = "0"         # of each; 0: 1MiB
 *         durability = "sync"          # or "relaxed", "memory"
 *         keys       = "serial"        # or "coalesce", "parallel"
 *         merge      = "last"          # or "first", "append"
 *     }
 *     pool "sync" {
 *         queue = "default"  workers = 4  max_demand = 1  min_demand = 0
 *         restart = "permanent"        # or "transient", "temporary"
 *         command = { "/usr/local/bin/sync-user", "--quiet" }
 *     }
 *     include("more.conf")             # found beside this file
 *
 * A pool's queue is "default", workers and max_demand are 1, min_demand is half
 * of max_demand, and without a command it is builtin:demo.
 */
#ifndef GSQ_SYS_CONFIGURATION_H
#define GSQ_SYS_CONFIGURATION_H

#include "base/backoff.h"
#include "base/durability.h"
#include "base/key_rule.h"
#include "base/name.h"
#include "base/restart_rule.h"
#include "base/schedule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESTARTS_UNLIMITED (-1)
#define RESTARTS_AUTOMATIC (-2) /* 3 x the number of children */

struct queue_options {
	struct name name;
	int64_t max_attempts; /* deliveries before a job is dead; 1..1000 */
	int64_t max_crashes;  /* 0..CRASHES_MAX; 0: any number */
	struct backoff retry; /* delay before the next attempt */
	struct schedule retry_schedule; /* instead, if there is one */
	int64_t ttr_ms;			/* of a run; 0: as long as it wants */
	int64_t ttr_grace_ms;		/* then, between TERM and KILL */
	int64_t max_running;		/* 0..1000000; 0: any number */
	int64_t rate_jobs; /* that may begin in rate_ms; 0: any number */
	int64_t rate_ms;
	int64_t rate_burst;	/* from 1 */
	int64_t max_jobs;	/* that wait or run; 0: any number */
	int64_t max_bytes;	/* of their bodies; 0: any */
	int64_t max_keys;	/* that they have; 0: any number */
	int64_t max_body_bytes; /* of each; 0: as many as there may be */
	enum durability durability;
	enum key_mode keys;   /* of jobs that say none; default serial */
	enum key_merge merge; /* of bodies, where keys coalesce */
};

#define POOL_AS_IT_IS INT64_MIN

struct pool_options {
	struct name name;
	struct name queue;
	int64_t workers;    /* 0..CHILDREN_MAX */
	int64_t max_demand; /* 1..DEMAND_MAX */
	int64_t min_demand; /* 0..max_demand-1 */
	enum restart_kind restart;
	char **limits; /* as written; ends with NULL; NULL: none */
	char *user;    /* of the handlers; NULL: as gsq, the next two, too */
	char *umask;
	char *cwd;
	int64_t nice;	       /* POOL_AS_IT_IS */
	int64_t oom_score_adj; /* POOL_AS_IT_IS */
	bool no_new_privs;
	int64_t max_jobs;   /* then it is renewed; 0: never */
	int64_t max_rss;    /* bytes; 0: never */
	int64_t max_age_ms; /* 0: never */
	char **command;	    /* ends with NULL; NULL: builtin:demo */
};

struct configuration {
	char *directory;	  /* NULL: not set */
	char *store;		  /* NULL: not set */
	int64_t max_connections;  /* of the queue; 1..CONNECTIONS_MAX */
	int64_t max_output_bytes; /* for each; OUTPUT_BYTES_MIN..MAX */
	int64_t max_restarts;	  /* or one of RESTARTS_* */
	int64_t max_window_ms;	  /* max_seconds in milliseconds */
	struct backoff backoff;	  /* of restarts; base_ms 0: off */
	enum restart_strategy strategy;
	int64_t hang_timeout_ms;	/* of a worker; 0: any; default 10 s */
	int64_t queue_hang_timeout_ms;	/* default 60 s */
	int64_t start_timeout_ms;	/* of a worker; default 10 s */
	int64_t queue_start_timeout_ms; /* default 60 s */
	int64_t stop_grace_ms; /* a worker's time to end its job; 30 s */
	size_t queue_count;
	struct queue_options *queues;
	size_t pool_count;
	struct pool_options *pools;
};

/* What holds when nothing is said. */
void configuration_init(struct configuration *configuration);
void configuration_release(struct configuration *configuration);

/*
 * Reads a file over what is there; the queues and pools of the file, when it
 * has any, take the place of those before. NULL when good; else all that is
 * wrong, one "file:line: what" a line, each with its newline, allocated, to be
 * freed by the caller, and the configuration is as it was. errno is then 0, or
 * what kept the machine from reading a file that may be good (EMFILE, ...).
 */
char *configuration_read(struct configuration *configuration, const char *path);

/* The options of a queue: its own section's, else the defaults with that
 * name. */
struct queue_options configuration_queue(
    const struct configuration *configuration, const char *name);

/* "off" or "MIN..MAX" as in "100ms..5s"; false when it is neither. */
bool configuration_parse_backoff(const char *text, struct backoff *ret_backoff);

/* "inf" or 0..1000000; false when it is neither. */
bool configuration_parse_restarts(const char *text, int64_t *ret_restarts);

#endif
