/* SPDX-License-Identifier: MIT */
/*
 * The death certificate of an attempt: what a run that was not done ended of,
 * and how that is kept in bytes.
 */
#ifndef GSQ_CORE_CERTIFICATE_H
#define GSQ_CORE_CERTIFICATE_H

#include "base/buffer.h"
#include "base/limits.h"
#include "base/span.h"
#include "core/retry.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known of a run that has ended. */
enum remains_known {
	REMAINS_EXIT = 1 << 0,
	REMAINS_SIGNAL = 1 << 1,
	REMAINS_DURATION = 1 << 2,
	REMAINS_CPU = 1 << 3,
	REMAINS_RSS = 1 << 4
};

/* What a run leaves behind beside its verdict: what its worker says, who need
 * not say anything. */
struct remains {
	uint8_t known; /* of enum remains_known, else 0 below */
	uint8_t exit;
	uint8_t signal;	     /* 1..SIGNAL_MAX */
	bool core;	     /* it left a core */
	int64_t duration_ms; /* 0..DURATION_MS_MAX, as the next one */
	int64_t cpu_ms;
	int64_t rss_bytes;  /* from 0 */
	struct span errors; /* how its stderr began; borrowed, at most
			     * STDERR_BYTES_MAX */
};

/* The greatest number of a signal. */
#define SIGNAL_MAX 64

/* All of it; the texts are borrowed. */
struct certificate {
	enum verdict verdict;
	uint32_t attempt; /* which one it was, be it counted or not */
	uint32_t delivery;
	int64_t began_wall_ms; /* 0: not known */
	int64_t worker_pid;    /* 0: not known, as no name */
	struct span worker;    /* at most NAME_BYTES_MAX */
	struct span reason;    /* cut to REASON_BYTES_MAX */
	struct remains remains;
};

/* Appends it; the bytes are good wherever they are read. False without memory,
 * and nothing is appended. */
bool certificate_write(
    struct buffer *buffer, const struct certificate *certificate);

/* The texts are inside of the bytes. False for what certificate_write does not
 * write. */
bool certificate_read(struct span bytes, struct certificate *ret_certificate);

#endif
