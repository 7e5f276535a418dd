/* SPDX-License-Identifier: MIT */
/*
 * One change of one job in bytes, as it lies in the log.
 *
 *   FULL   the job with its body: all there is to know
 *   STATE  where it stands now; its FULL record came before
 *   GONE   it is over
 *
 * FULL and STATE of a job with a key say more, and have a kind of their own in
 * the log; and few jobs have what few have: flags tell what follows. A job is
 * never BLOCKED there: that follows from the others.
 *
 * A record is its kind, then numbers in seven bits a byte, lower ones first,
 * then the texts, each behind its length. A record that changes shape gets a
 * new kind and the store's format a new version (store_log_format.h).
 */
#ifndef GSQ_QUEUE_RECORD_H
#define GSQ_QUEUE_RECORD_H

#include "base/limits.h"
#include "base/span.h"
#include "queue/store.h"

#include <stdbool.h>
#include <stdint.h>

enum record_kind { RECORD_FULL = 1, RECORD_STATE, RECORD_GONE };

/* No record is longer than this and its body. */
#define RECORD_BYTES_MAX                                           \
	(96u + NAME_BYTES_MAX + REASON_BYTES_MAX + KEY_BYTES_MAX + \
	    10u * ALIASES_MAX)

/* What a record says; its texts are inside of it. A STATE knows neither
 * queue nor body nor when, a GONE only the id. */
struct stored {
	enum record_kind kind;
	uint64_t id;
	int64_t enqueued_ms;
	int64_t due_wall_ms; /* of a delayed job, else 0 */
	uint32_t body_bytes;
	uint32_t delivery;
	uint16_t attempt;
	uint8_t priority;
	uint8_t state;
	uint8_t cause;
	uint8_t mode; /* of a FULL */
	uint8_t crashes;
	bool cancelled;
	bool by_wall;	/* due_wall_ms is what was asked for */
	uint32_t hints; /* 1 without a key */
	struct job_terms terms;
	int64_t expires_wall_ms;
	uint8_t note; /* enum note_kind; of a FULL */
	uint64_t note_of;
	struct span queue;
	struct span key;     /* of a FULL; empty: none */
	struct span aliases; /* of jobs folded into it; for record_alias */
	struct span reason;
	struct span body;
};

/* Each writes a record at that place, which has room for RECORD_BYTES_MAX and
 * the body, and returns the end of it. The body of a FULL is what ends it. */
char *record_write_full(
    char *at, const struct record *record, struct span body);
char *record_write_state(char *at, const struct record *record);
char *record_write_gone(char *at, uint64_t id);

/* Reads the record at *at and moves *at behind it. False for bytes that no
 * writer wrote. */
bool record_read(const char **at, const char *end, struct stored *ret_stored);

/* A job as its FULL record and the last one of it say, which may be the same.
 * The texts stay where they are; aliases[ALIASES_MAX] and *job are the
 * record's. The body's handle is left to the caller. */
void record_restore(const struct stored *full, const struct stored *last,
    struct job *job, uint64_t *aliases, struct record *ret_record);

/* The same of a record whose body need not be there: the first
 * RECORD_BYTES_MAX bytes will do. *ret_bytes: where the body of a FULL begins;
 * stored->body is empty. */
bool record_read_head(const char *at, const char *end,
    struct stored *ret_stored, uint32_t *ret_bytes);

#endif
