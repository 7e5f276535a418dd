/* SPDX-License-Identifier: MIT */
#include "queue/record.h"

#include "base/units.h"
#include "core/job.h"

#include <string.h>

/* In the log, behind the kinds that are told. */
enum { RECORD_KEYED_FULL = RECORD_GONE + 1, RECORD_KEYED_STATE };

/* In the byte of state and cause, between them: flags follow. */
#define HAS_FLAGS 0x08

/* What few jobs have. The values follow the flags in this order. */
enum record_flag {
	FLAG_CRASHES = 1 << 0,
	FLAG_CANCELLED = 1 << 1,
	FLAG_TTR = 1 << 2,
	FLAG_ATTEMPTS = 1 << 3,
	FLAG_NOTE = 1 << 4,
	FLAG_BY_WALL = 1 << 5,
	FLAG_EXPIRES = 1 << 6,
	FLAGS_KNOWN = FLAG_CRASHES | FLAG_CANCELLED | FLAG_TTR | FLAG_ATTEMPTS |
	    FLAG_NOTE | FLAG_BY_WALL | FLAG_EXPIRES
};

/* ---- writing ---- */

static char *
write_number(char *at, uint64_t number)
{
	while (number >= 0x80) {
		*at++ = (char)(number | 0x80);
		number >>= 7;
	}
	*at++ = (char)number;
	return at;
}

static char *
write_text(char *at, struct span text)
{
	*at++ = (char)text.count;
	if (text.count > 0)
		memcpy(at, text.bytes, text.count);
	return at + text.count;
}

/* Whether it is its turn follows from the others. */
static uint8_t
saved_state(const struct job *job)
{
	return job->state == JOB_BLOCKED ? JOB_READY : job->state;
}

static uint8_t
flags_of(const struct record *record)
{
	const struct job *job = record->job;
	uint8_t flags = 0;
	if (job->crashes > 0)
		flags |= FLAG_CRASHES;
	if (job->cancelled)
		flags |= FLAG_CANCELLED;
	if (record->terms.ttr_ms != 0)
		flags |= FLAG_TTR;
	if (record->terms.max_attempts != 0)
		flags |= FLAG_ATTEMPTS;
	if (record->note != NOTE_NONE)
		flags |= FLAG_NOTE;
	if (job->by_wall)
		flags |= FLAG_BY_WALL;
	if (record->expires_wall_ms != 0)
		flags |= FLAG_EXPIRES;
	return flags;
}

/* 0: as long as it wants. */
static uint64_t
number_of_ttr(int64_t ttr_ms)
{
	return ttr_ms == TTR_NONE ? 0 : (uint64_t)ttr_ms;
}

static char *
write_flags(char *at, const struct record *record, uint8_t flags)
{
	*at++ = (char)flags;
	if (flags & FLAG_CRASHES)
		*at++ = (char)record->job->crashes;
	if (flags & FLAG_TTR)
		at = write_number(at, number_of_ttr(record->terms.ttr_ms));
	if (flags & FLAG_ATTEMPTS)
		at = write_number(at, record->terms.max_attempts);
	if (flags & FLAG_NOTE) {
		*at++ = (char)record->note;
		at = write_number(at, record->note_of);
	}
	if (flags & FLAG_EXPIRES)
		at = write_number(at, (uint64_t)record->expires_wall_ms);
	return at;
}

static char *
write_where(char *at, const struct record *record)
{
	const struct job *job = record->job;
	struct span reason = record->reason;
	uint8_t flags = flags_of(record);
	if (reason.count > REASON_BYTES_MAX)
		reason.count = REASON_BYTES_MAX;
	*at++ = (char)(saved_state(job) | (flags != 0 ? HAS_FLAGS : 0) |
	    job->cause << 4);
	if (flags != 0)
		at = write_flags(at, record, flags);
	*at++ = (char)job->priority;
	at = write_number(at, job->delivery);
	at = write_number(at, job->attempt);
	if (job->state == JOB_DELAYED)
		at = write_number(at, (uint64_t)record->due_wall_ms);
	return write_text(at, reason);
}

/* What is known of a job with a key wherever it stands. */
static char *
write_hints(char *at, const struct record *record)
{
	at = write_number(at, record->job->hints);
	*at++ = (char)record->alias_count;
	for (uint32_t i = 0; i < record->alias_count; i++)
		at = write_number(at, record->aliases[i]);
	return at;
}

char *
record_write_full(char *at, const struct record *record, struct span body)
{
	bool has_key = record->key.count > 0;
	*at++ = has_key ? RECORD_KEYED_FULL : RECORD_FULL;
	at = write_number(at, record->job->id);
	at = write_where(at, record);
	at = write_number(at, (uint64_t)record->job->enqueued_ms);
	at = write_text(at, record->queue);
	if (has_key) {
		at = write_hints(at, record);
		*at++ = (char)record->job->mode;
		at = write_text(at, record->key);
	}
	at = write_number(at, body.count);
	if (body.count > 0)
		memcpy(at, body.bytes, body.count);
	return at + body.count;
}

char *
record_write_state(char *at, const struct record *record)
{
	bool has_key = record->key.count > 0;
	*at++ = has_key ? RECORD_KEYED_STATE : RECORD_STATE;
	at = write_number(at, record->job->id);
	at = write_where(at, record);
	return has_key ? write_hints(at, record) : at;
}

char *
record_write_gone(char *at, uint64_t id)
{
	*at++ = RECORD_GONE;
	return write_number(at, id);
}

/* ---- reading ---- */

struct cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool failed;
};

static uint8_t
read_byte(struct cursor *cursor)
{
	if (cursor->at == cursor->end) {
		cursor->failed = true;
		return 0;
	}
	return *cursor->at++;
}

static uint64_t
read_number(struct cursor *cursor, uint64_t max)
{
	uint64_t number = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = read_byte(cursor);
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			cursor->failed |= number > max;
			return number;
		}
	}
	cursor->failed = true;
	return 0;
}

static struct span
read_bytes(struct cursor *cursor, uint64_t count)
{
	if (cursor->failed || count > (uint64_t)(cursor->end - cursor->at)) {
		cursor->failed = true;
		return (struct span){ 0 };
	}
	struct span bytes = { (const char *)cursor->at, (size_t)count };
	cursor->at += count;
	return bytes;
}

static void
read_flags(struct cursor *cursor, struct stored *stored)
{
	uint8_t flags = read_byte(cursor);
	cursor->failed |= flags == 0 || (flags & ~FLAGS_KNOWN) != 0;
	if (flags & FLAG_CRASHES)
		stored->crashes = read_byte(cursor);
	stored->cancelled = (flags & FLAG_CANCELLED) != 0;
	stored->by_wall = (flags & FLAG_BY_WALL) != 0;
	if (flags & FLAG_TTR) {
		uint64_t ttr_ms = read_number(cursor, DURATION_MS_MAX);
		stored->terms.ttr_ms = ttr_ms == 0 ? TTR_NONE : (int64_t)ttr_ms;
	}
	if (flags & FLAG_ATTEMPTS)
		stored->terms.max_attempts =
		    (uint32_t)read_number(cursor, ATTEMPTS_MAX);
	if (flags & FLAG_NOTE) {
		stored->note = read_byte(cursor);
		stored->note_of = read_number(cursor, UINT64_MAX);
		cursor->failed |= stored->note == NOTE_NONE ||
		    stored->note >= NOTE_KIND_COUNT || stored->note_of == 0;
	}
	if (flags & FLAG_EXPIRES)
		stored->expires_wall_ms =
		    (int64_t)read_number(cursor, UINT64_MAX);
}

static void
read_where(struct cursor *cursor, struct stored *stored)
{
	uint8_t both = read_byte(cursor);
	stored->state = both & (HAS_FLAGS - 1);
	stored->cause = both >> 4;
	if (both & HAS_FLAGS)
		read_flags(cursor, stored);
	stored->priority = read_byte(cursor);
	stored->delivery = (uint32_t)read_number(cursor, UINT32_MAX);
	stored->attempt = (uint16_t)read_number(cursor, UINT16_MAX);
	if (stored->state == JOB_DELAYED)
		stored->due_wall_ms = (int64_t)read_number(cursor, UINT64_MAX);
	stored->reason = read_bytes(cursor, read_byte(cursor));
	cursor->failed |= stored->state == JOB_NONE ||
	    stored->state > JOB_DEAD || stored->cause >= CAUSE_COUNT ||
	    stored->reason.count > REASON_BYTES_MAX;
	/* What no queue ever wrote; the core would end the process for it. */
	cursor->failed |=
	    (stored->note != NOTE_NONE &&
		(stored->state != JOB_READY || stored->kind != RECORD_FULL)) ||
	    stored->attempt > stored->delivery ||
	    (stored->state == JOB_RUNNING && stored->attempt == 0) ||
	    (stored->state == JOB_DEAD) != (stored->cause != CAUSE_NONE) ||
	    (stored->cancelled && stored->state != JOB_RUNNING) ||
	    (stored->by_wall && stored->state != JOB_DELAYED);
}

static void
read_hints(struct cursor *cursor, struct stored *stored)
{
	stored->hints = (uint32_t)read_number(cursor, UINT32_MAX);
	unsigned count = read_byte(cursor);
	const char *first = (const char *)cursor->at;
	cursor->failed |= stored->hints == 0 || count > ALIASES_MAX;
	for (unsigned i = 0; i < count && !cursor->failed; i++)
		cursor->failed |= read_number(cursor, UINT64_MAX) == 0;
	stored->aliases =
	    (struct span){ first, (size_t)((const char *)cursor->at - first) };
}

static void
read_key(struct cursor *cursor, struct stored *stored)
{
	read_hints(cursor, stored);
	stored->mode = read_byte(cursor);
	stored->key = read_bytes(cursor, read_byte(cursor));
	cursor->failed |=
	    stored->mode >= KEY_MODE_COUNT || !key_is_valid(stored->key);
}

static void
read_full(struct cursor *cursor, struct stored *stored, bool has_key)
{
	read_where(cursor, stored);
	stored->enqueued_ms = (int64_t)read_number(cursor, UINT64_MAX);
	stored->queue = read_bytes(cursor, read_byte(cursor));
	if (has_key)
		read_key(cursor, stored);
	stored->body_bytes = (uint32_t)read_number(cursor, BODY_BYTES_MAX);
	cursor->failed |=
	    stored->queue.count == 0 || stored->queue.count > NAME_BYTES_MAX;
}

/* All but the body. */
static struct cursor
read_head(const char *at, const char *end, struct stored *ret_stored)
{
	struct cursor cursor = { (const unsigned char *)at,
		(const unsigned char *)end, false };
	uint8_t kind = read_byte(&cursor);
	bool has_key = kind == RECORD_KEYED_FULL || kind == RECORD_KEYED_STATE;
	if (has_key)
		kind = kind == RECORD_KEYED_FULL ? RECORD_FULL : RECORD_STATE;
	*ret_stored = (struct stored){ .kind = kind, .hints = 1 };
	ret_stored->id = read_number(&cursor, UINT64_MAX);
	if (kind == RECORD_FULL)
		read_full(&cursor, ret_stored, has_key);
	else if (kind == RECORD_STATE)
		read_where(&cursor, ret_stored);
	else
		cursor.failed |= kind != RECORD_GONE;
	if (kind == RECORD_STATE && has_key)
		read_hints(&cursor, ret_stored);
	cursor.failed |= ret_stored->id == 0;
	return cursor;
}

bool
record_read(const char **at, const char *end, struct stored *ret_stored)
{
	struct cursor cursor = read_head(*at, end, ret_stored);
	if (ret_stored->kind == RECORD_FULL)
		ret_stored->body = read_bytes(&cursor, ret_stored->body_bytes);
	if (cursor.failed)
		return false;
	*at = (const char *)cursor.at;
	return true;
}

/* The next one; 0 behind the last. */
static uint64_t
take_alias(struct span *aliases)
{
	if (aliases->count == 0)
		return 0;
	const char *end = aliases->bytes + aliases->count;
	struct cursor cursor = { (const unsigned char *)aliases->bytes,
		(const unsigned char *)end, false };
	uint64_t id = read_number(&cursor, UINT64_MAX);
	aliases->bytes = (const char *)cursor.at;
	aliases->count = (size_t)(end - aliases->bytes);
	return id;
}

void
record_restore(const struct stored *full, const struct stored *last,
    struct job *job, uint64_t *aliases, struct record *ret_record)
{
	struct span left = last->aliases;
	uint64_t id;
	*job = (struct job){
		.id = full->id,
		.enqueued_ms = full->enqueued_ms,
		.body_bytes = full->body_bytes,
		.delivery = last->delivery,
		.attempt = last->attempt,
		.priority = last->priority,
		.state = last->state,
		.cause = last->cause,
		.hints = last->hints,
		.mode = full->mode,
		.crashes = last->crashes,
		.cancelled = last->cancelled,
		.by_wall = last->by_wall,
	};
	*ret_record = (struct record){
		.job = job,
		.note = (enum note_kind)full->note,
		.note_of = full->note_of,
		.queue = full->queue,
		.key = full->key,
		.reason = last->reason,
		.terms = last->terms,
		.aliases = aliases,
		.due_wall_ms = last->due_wall_ms,
		.expires_wall_ms = last->expires_wall_ms,
	};
	while ((id = take_alias(&left)) != 0)
		aliases[ret_record->alias_count++] = id;
}

bool
record_read_head(const char *at, const char *end, struct stored *ret_stored,
    uint32_t *ret_bytes)
{
	struct cursor cursor = read_head(at, end, ret_stored);
	*ret_bytes = (uint32_t)((const char *)cursor.at - at);
	return !cursor.failed;
}
