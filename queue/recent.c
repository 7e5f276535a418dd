/* SPDX-License-Identifier: MIT */
#include "queue/recent.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In front of the texts of an event. */
struct entry {
	int64_t time_ms;
	uint64_t job;
	uint64_t into;
	uint32_t attempt;
	uint8_t type;
	uint8_t queue_bytes;
	uint8_t worker_bytes;
	uint8_t reason_bytes;
};

_Static_assert(EVENT_COUNT <= UINT8_MAX, "a type is a byte");
_Static_assert(REASON_BYTES_MAX <= UINT8_MAX && NAME_BYTES_MAX <= UINT8_MAX,
    "and so is the length of a text");

int
recent_init(struct recent *recent)
{
	*recent = (struct recent){ .first = 1 };
	recent->bytes = calloc(1, EVENTS_BYTES_MAX);
	recent->places = calloc(EVENTS_MAX, sizeof(*recent->places));
	if (recent->bytes != NULL && recent->places != NULL)
		return 0;
	recent_release(recent);
	return ENOMEM;
}

void
recent_release(struct recent *recent)
{
	free(recent->bytes);
	free(recent->places);
	recent->bytes = NULL;
	recent->places = NULL;
}

static bool
is_empty(const struct recent *recent)
{
	return recent->first > recent->last;
}

static size_t
place_of(const struct recent *recent, uint64_t n)
{
	return recent->places[n % EVENTS_MAX];
}

/* The oldest ones that begin in that stretch of the bytes. Behind the end
 * stands the oldest of all, and they follow one another. */
static void
forget_between(struct recent *recent, size_t from, size_t to)
{
	while (!is_empty(recent) && place_of(recent, recent->first) >= from &&
	    place_of(recent, recent->first) < to)
		recent->first++;
}

/* Whole events only: one that does not fit behind the others goes to the
 * front. */
static size_t
make_room(struct recent *recent, size_t bytes)
{
	size_t at = recent->end;
	if (recent->last - recent->first + 1 == EVENTS_MAX)
		recent->first++;
	if (at + bytes > EVENTS_BYTES_MAX) {
		forget_between(recent, at, EVENTS_BYTES_MAX);
		at = 0;
	}
	forget_between(recent, at, at + bytes);
	return at;
}

static uint8_t
put(char **at, struct span text)
{
	CHECK(text.count <= UINT8_MAX);
	if (text.count > 0)
		memcpy(*at, text.bytes, text.count);
	*at += text.count;
	return (uint8_t)text.count;
}

void
recent_add(struct recent *recent, const struct happening *happening)
{
	struct entry entry = {
		.time_ms = happening->time_ms,
		.job = happening->job,
		.into = happening->into,
		.attempt = happening->attempt,
		.type = (uint8_t)happening->type,
	};
	size_t place = make_room(recent,
	    sizeof(entry) + happening->queue.count + happening->worker.count +
		happening->reason.count);
	char *at = recent->bytes + place + sizeof(entry);
	entry.queue_bytes = put(&at, happening->queue);
	entry.worker_bytes = put(&at, happening->worker);
	entry.reason_bytes = put(&at, happening->reason);
	memcpy(recent->bytes + place, &entry, sizeof(entry));
	recent->last++;
	recent->places[recent->last % EVENTS_MAX] = (uint32_t)place;
	recent->end = (size_t)(at - recent->bytes);
}

static struct span
take(const char **at, uint8_t bytes)
{
	struct span text = { *at, bytes };
	*at += bytes;
	return text;
}

void
recent_get(
    const struct recent *recent, uint64_t n, struct happening *ret_happening)
{
	struct entry entry;
	CHECK(n >= recent->first && n <= recent->last);
	const char *at = recent->bytes + place_of(recent, n);
	memcpy(&entry, at, sizeof(entry));
	at += sizeof(entry);
	*ret_happening = (struct happening){
		.time_ms = entry.time_ms,
		.type = (enum core_event)entry.type,
		.attempt = entry.attempt,
		.job = entry.job,
		.into = entry.into,
	};
	ret_happening->queue = take(&at, entry.queue_bytes);
	ret_happening->worker = take(&at, entry.worker_bytes);
	ret_happening->reason = take(&at, entry.reason_bytes);
}

void
recent_clear(struct recent *recent)
{
	recent->first = recent->last + 1;
	recent->end = 0;
}

uint64_t
recent_numbers_through(uint64_t used)
{
	return ((used + EVENT_NUMBERS / 2) / EVENT_NUMBERS + 1) * EVENT_NUMBERS;
}

bool
recent_numbers_run_out(uint64_t used, uint64_t through)
{
	return through - used < EVENT_NUMBERS / 4;
}
