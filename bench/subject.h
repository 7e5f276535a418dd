/* SPDX-License-Identifier: MIT */
/*
 * The servers whose durable queues are compared: gsq's queue process,
 * beanstalkd with a synced log, and Redis with an append-only file that is
 * synced always. Each has a directory of its own under TMPDIR, with its socket
 * in it, and answers an enqueue when the job is on the disk. All other settings
 * are as they come; Redis makes no snapshots and does not rewrite its file
 * meanwhile.
 */
#ifndef GSQ_BENCH_SUBJECT_H
#define GSQ_BENCH_SUBJECT_H

#include "base/buffer.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum subject_kind { SUBJECT_GSQ, SUBJECT_BEANSTALKD, SUBJECT_REDIS };

#define SUBJECT_COUNT 3

struct subject {
	enum subject_kind kind;
	const char *bin; /* where gsq's programs are; borrowed */
	pid_t pid;
	char directory[64];
	char socket[96];
};

const char *subject_name(enum subject_kind kind);

/* Is its program installed? */
bool subject_is_there(enum subject_kind kind);

/* Ends the benchmark, with words, when what is in TMPDIR is not on a disk. */
void subject_need_disk(void);

/* Where TMPDIR is; /tmp without one. */
const char *subject_folder(void);

/* Starts an empty one; it may not listen yet. */
void subject_start(
    struct subject *subject, enum subject_kind kind, const char *bin);

/* kill -9, and the same again with what it left. The latter returns before it
 * listens. */
void subject_kill(struct subject *subject);
void subject_revive(struct subject *subject);

/* Kills it and removes its files. */
void subject_end(struct subject *subject);

/* A connection; waits until it listens. */
int subject_connect(const struct subject *subject);

/* ---- one enqueue ---- */

/* The bytes that enqueue so many jobs. */
void subject_request(enum subject_kind kind, struct buffer *request,
    struct span body, size_t jobs);

/* Are these bytes the whole answer to it? Gives up when it is a bad one, or
 * does not promise that the jobs are on the disk. */
bool subject_has_answered(
    enum subject_kind kind, struct span answer, size_t jobs);

/* ---- questions to it and about it ---- */

uint64_t subject_jobs(const struct subject *subject); /* that wait */
double subject_cpu_us(const struct subject *subject); /* used so far */
double subject_resident_bytes(const struct subject *subject);

/* Bytes that it has handed to write calls so far; answers to clients are
 * among them, but not those of gsq, which sends. */
double subject_handed_bytes(const struct subject *subject);

/* Bytes that the disk of TMPDIR was made to write so far, by anybody. Below 0:
 * not known. */
double subject_disk_bytes(void);

#endif
