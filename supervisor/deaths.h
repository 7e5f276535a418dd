/* SPDX-License-Identifier: MIT */
/*
 * The last deaths of all children, for those who ask afterwards why. A ring of
 * fixed size: remembering one asks for no memory.
 */
#ifndef GSQ_SUPERVISOR_DEATHS_H
#define GSQ_SUPERVISOR_DEATHS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of all together: 150 KiB. A child that dies twice a second pushes the others
 * out after eight minutes; held back as usual, after more than an hour. */
#define DEATHS_MAX 1000

#define DEATH_HOW_BYTES 64

struct death_record {
	char id[NAME_BYTES_MAX + 1];
	char how[DEATH_HOW_BYTES]; /* "signal=KILL", "exit=1", "exec: ..." */
	const char *why; /* why we ended it, a constant; NULL: we did not */
	pid_t pid;	 /* 0: there never was a process */
	int64_t incarnation;
	int64_t time_ms; /* monotonic */
	int64_t wall_ms;
	int64_t up_ms;
	bool planned;
	bool core;
};

/* Zeroed, it is empty. */
struct deaths {
	struct death_record records[DEATHS_MAX];
	uint64_t count; /* ever */
};

void deaths_add(struct deaths *deaths, const struct death_record *record);

/* How many can be looked at. */
size_t deaths_kept(const struct deaths *deaths);

/* The n-th last one, from 0, which is below deaths_kept. */
const struct death_record *deaths_last(const struct deaths *deaths, size_t n);

#endif
