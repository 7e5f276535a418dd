/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share: processes that die with the benchmark, a gsq of
 * its own, and figures. Whatever goes wrong ends the benchmark with a line that
 * says what: a figure from a half-working system is worth nothing.
 */
#ifndef GSQ_BENCH_SUPPORT_H
#define GSQ_BENCH_SUPPORT_H

#include "client/gsq.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Says why, in one line, and ends the benchmark. */
_Noreturn void give_up(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Starts a program, killed when the benchmark dies; its output is appended to
 * log_path. */
pid_t start_program(char *const *argv, const char *log_path);

/* Forks; the child is killed when the benchmark dies. As fork(), 0 in the
 * child. */
pid_t start_fork(void);

/* Kills and reaps. */
void end_process(pid_t pid);

/* ---- a gsq ---- */

struct instance {
	pid_t supervisor;
	char directory[64];
	struct gsq *queue;
	struct gsq *control;
};

/* Starts BIN/supervisor with builtin:noop workers and connects to it; returns
 * when all workers have asked for work. The restart brakes are off. durability
 * is that of the queue "default": "memory" where disks are not compared. */
void instance_start(struct instance *instance, const char *bin, int64_t workers,
    int64_t max_demand, const char *durability);

/* Stops it by SIGTERM and makes sure that it ended well. */
void instance_stop(struct instance *instance);

/* A call that must succeed. The result is good until the next call. */
const msgpack_object *instance_call(struct gsq *gsq, const char *method,
    const struct gsq_field *fields, size_t field_count);

/* The row of the queue "default", or NULL when there is none yet. */
const msgpack_object *instance_lane(struct instance *instance);

/* An integer in a map; it must be there. */
int64_t integer_in(const msgpack_object *map, const char *key);

/* ---- figures ---- */

/* The value that that share (0 to 1) of the values does not exceed; sorts
 * them. */
double quantile(double *values, size_t count, double share);

/* A line that sets a figure beside what is wanted of it; NAN: there was
 * nothing to compare with. */
void print_at_least(const char *what, double here, double target);
void print_at_most(const char *what, double here, double target);

#endif
