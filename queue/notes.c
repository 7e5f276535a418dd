/* SPDX-License-Identifier: MIT */
#include "queue/notes.h"

#include "base/check.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Every record is of some queue; this one is of none. */
#define NO_QUEUE "-"

/* Numbers are little endian, the text is the rest. */
struct token_bytes {
	uint64_t digest;
	uint64_t ends_at_wall_ms;
	uint8_t result;
} __attribute__((packed));

struct span
notes_body(const struct core *core, uint32_t handle, struct span text,
    int64_t wall_ms, char room[NOTE_BYTES_MAX])
{
	const struct token *token = token_at(&core->tokens, handle);
	struct token_bytes head = {
		.digest = htole64(token->digest),
		.ends_at_wall_ms =
		    htole64((uint64_t)(token->ends_at_ms + wall_ms)),
		.result = token->result,
	};
	CHECK(text.count <= TOKEN_BYTES_MAX);
	memcpy(room, &head, sizeof(head));
	memcpy(room + sizeof(head), text.bytes, text.count);
	return (struct span){ room, sizeof(head) + text.count };
}

uint64_t
notes_digest(struct span queue, struct span key, struct span body)
{
	struct span parts[] = { queue, key, body };
	uint64_t digest = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		digest = XXH3_64bits_withSeed(
		    parts[i].count > 0 ? parts[i].bytes : "", parts[i].count,
		    digest + i);
	return digest;
}

/* No clock makes a token live for longer than it was to. */
static int64_t
ends_at(int64_t wall_ms, int64_t now_ms)
{
	if (wall_ms < now_ms)
		return now_ms;
	return wall_ms > now_ms + TOKEN_LIFE_MS ? now_ms + TOKEN_LIFE_MS
						: wall_ms;
}

static bool
token_fact(const struct record *record, struct span body, int64_t now_ms,
    int64_t wall_ms, struct fact *ret_fact)
{
	struct token_bytes head;
	if (body.count <= sizeof(head) ||
	    body.count > sizeof(head) + TOKEN_BYTES_MAX)
		return false;
	memcpy(&head, body.bytes, sizeof(head));
	if (head.result >= ENQUEUE_RESULT_COUNT)
		return false;
	*ret_fact =
	    (struct fact){ .kind = FACT_RESTORE_TOKEN, .now_ms = now_ms };
	ret_fact->restore_token.text = (struct span){ body.bytes + sizeof(head),
		body.count - sizeof(head) };
	ret_fact->restore_token.token = (struct token){
		.digest = le64toh(head.digest),
		.job = record->note_of,
		.note = record->job->id,
		.body = record->job->body,
		.body_bytes = record->job->body_bytes,
		.ends_at_ms = ends_at(
		    (int64_t)le64toh(head.ends_at_wall_ms) - wall_ms, now_ms),
		.result = head.result,
	};
	return true;
}

static struct fact
attempt_fact(const struct record *record, int64_t now_ms)
{
	struct fact fact = { .kind = FACT_RESTORE_ATTEMPT, .now_ms = now_ms };
	fact.restore_attempt.job = record->note_of;
	fact.restore_attempt.attempt = (struct attempt){
		.note = record->job->id,
		.body = record->job->body,
		.body_bytes = record->job->body_bytes,
	};
	return fact;
}

bool
notes_need_body(const struct record *record)
{
	return record->note == NOTE_TOKEN;
}

bool
notes_fact(const struct record *record, struct span body, int64_t now_ms,
    int64_t wall_ms, struct fact *ret_fact)
{
	if (record->note == NOTE_TOKEN)
		return token_fact(record, body, now_ms, wall_ms, ret_fact);
	*ret_fact = attempt_fact(record, now_ms);
	return true;
}

/* What is found of a note, whatever it is of. */
struct place {
	enum note_kind note;
	uint64_t of;
	uint64_t body;
	uint32_t body_bytes;
};

static bool
find_attempt(const struct core *core, uint64_t id, struct place *ret_place)
{
	uint32_t handle = attempts_find(&core->attempts, id);
	if (handle == 0)
		return false;
	const struct attempt *attempt = attempt_at(&core->attempts, handle);
	/* One without a job is about to be forgotten. */
	uint64_t of =
	    attempt->job != 0 ? job_at(&core->jobs, attempt->job)->id : id;
	*ret_place = (struct place){ NOTE_ATTEMPT, of, attempt->body,
		attempt->body_bytes };
	return true;
}

static bool
find_token(const struct core *core, uint64_t id, struct place *ret_place)
{
	uint32_t handle = tokens_find_note(&core->tokens, id);
	if (handle == 0)
		return false;
	const struct token *token = token_at(&core->tokens, handle);
	*ret_place = (struct place){ NOTE_TOKEN, token->job, token->body,
		token->body_bytes };
	return true;
}

bool
notes_find(const struct core *core, uint64_t id, struct job *job,
    struct record *ret_record)
{
	struct place place;
	if (!find_token(core, id, &place) && !find_attempt(core, id, &place))
		return false;
	*job = (struct job){ .id = id,
		.body = place.body,
		.body_bytes = place.body_bytes,
		.state = JOB_READY,
		.hints = 1 };
	*ret_record = (struct record){ .job = job,
		.note = place.note,
		.note_of = place.of,
		.queue = span_of(NO_QUEUE) };
	return true;
}

void
notes_moved(struct core *core, uint64_t id, uint64_t body)
{
	uint32_t handle = tokens_find_note(&core->tokens, id);
	if (handle != 0) {
		token_at(&core->tokens, handle)->body = body;
		return;
	}
	handle = attempts_find(&core->attempts, id);
	CHECK(handle != 0);
	core_set_attempt(core, handle, body);
}
