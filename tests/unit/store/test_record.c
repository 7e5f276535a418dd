/* SPDX-License-Identifier: MIT */
#include "queue/record.h"

#include "base/random.h"
#include "base/units.h"
#include "core/job.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
any(struct random *random)
{
	/* Numbers of every length. */
	return random_next(random) >> random_next(random) % 64;
}

static struct job
any_job(struct random *random)
{
	struct job job = {
		.id = any(random) | 1,
		.enqueued_ms = (int64_t)any(random),
		.delivery = (uint32_t)any(random) | 1,
		.priority = (uint8_t)any(random),
		.state =
		    (uint8_t)(1 + random_next(random) % (JOB_STATE_COUNT - 1)),
	};
	uint32_t most = job.delivery < UINT16_MAX ? job.delivery : UINT16_MAX;
	job.attempt = (uint16_t)(1 + any(random) % most);
	if (job.state == JOB_DEAD)
		job.cause =
		    (uint8_t)(1 + random_next(random) % (CAUSE_COUNT - 1));
	job.hints = (uint32_t)any(random) | 1;
	job.crashes = (uint8_t)any(random);
	job.by_wall = job.state == JOB_DELAYED && any(random) % 2 == 0;
	job.cancelled = job.state == JOB_RUNNING && any(random) % 2 == 0;
	job.mode = (uint8_t)(random_next(random) % KEY_MODE_COUNT);
	return job;
}

static void
expect_where(const struct stored *stored, const struct record *record)
{
	const struct job *job = record->job;
	cr_assert_eq(stored->id, job->id);
	cr_assert_eq(stored->delivery, job->delivery);
	cr_assert_eq(stored->attempt, job->attempt);
	cr_assert_eq(stored->priority, job->priority);
	/* Whether it is its turn is not kept. */
	cr_assert_eq(
	    stored->state, job->state == JOB_BLOCKED ? JOB_READY : job->state);
	cr_assert_eq(stored->hints, record->key.count > 0 ? job->hints : 1);
	cr_assert_eq(stored->crashes, job->crashes);
	cr_assert_eq(stored->cancelled, job->cancelled);
	cr_assert_eq(stored->terms.ttr_ms, record->terms.ttr_ms);
	cr_assert_eq(stored->terms.max_attempts, record->terms.max_attempts);
	cr_assert_eq(stored->expires_wall_ms, record->expires_wall_ms);
	cr_assert_eq(stored->by_wall, job->by_wall);
	struct record restored;
	struct job again;
	uint64_t aliases[ALIASES_MAX];
	record_restore(stored, stored, &again, aliases, &restored);
	cr_assert_eq(restored.alias_count,
	    record->key.count > 0 ? record->alias_count : 0);
	for (uint32_t i = 0; i < restored.alias_count; i++)
		cr_assert_eq(aliases[i], record->aliases[i]);
	cr_assert_eq(stored->cause, job->cause);
	cr_assert_eq(stored->due_wall_ms,
	    job->state == JOB_DELAYED ? record->due_wall_ms : 0);
	cr_assert(span_is(stored->reason, record->reason));
	cr_assert_eq(restored.expires_wall_ms, record->expires_wall_ms);
	cr_assert_eq(again.by_wall, job->by_wall);
}

static void
expect_full(struct random *random, struct job *job, struct record *record)
{
	char room[RECORD_BYTES_MAX + 1000], body_bytes[1000];
	struct span body = { body_bytes, random_next(random) % 1000 };
	struct stored stored;
	const char *at = room;
	uint32_t head;
	memset(body_bytes, 'b', sizeof(body_bytes));
	char *end = record_write_full(room, record, body);
	cr_assert_leq((size_t)(end - room), RECORD_BYTES_MAX + body.count);
	cr_assert(record_read(&at, end, &stored));
	cr_assert_eq(at, end);
	cr_assert_eq(stored.kind, RECORD_FULL);
	expect_where(&stored, record);
	cr_assert_eq(stored.enqueued_ms, job->enqueued_ms);
	cr_assert(span_is(stored.queue, record->queue));
	cr_assert(span_is(stored.key, record->key));
	cr_assert_eq(stored.mode, record->key.count > 0 ? job->mode : 0);
	cr_assert(span_is(stored.body, body));
	cr_assert_eq(stored.body.bytes, end - body.count);
	cr_assert(record_read_head(room, end - body.count, &stored, &head));
	cr_assert_eq(head, (uint32_t)(end - room - (long)body.count));
	cr_assert_eq(stored.body_bytes, body.count);
	for (const char *cut = room; cut < end; cut++) {
		at = room;
		cr_assert_not(record_read(&at, cut, &stored));
		cr_assert_eq(at, (const char *)room);
	}
}

Test(record, what_is_written_is_read)
{
	struct random random = { 7 };
	char queue[NAME_BYTES_MAX], reason[REASON_BYTES_MAX];
	char key[KEY_BYTES_MAX];
	memset(key, 'k', sizeof(key));
	memset(queue, 'q', sizeof(queue));
	memset(reason, 'r', sizeof(reason));
	for (int i = 0; i < 2000; i++) {
		struct job job = any_job(&random);
		struct record record = { .job = &job,
			.queue = { queue,
			    1 + random_next(&random) % sizeof(queue) },
			.reason = { reason,
			    random_next(&random) % (sizeof(reason) + 1) },
			.due_wall_ms = (int64_t)any(&random) };
		if (random_next(&random) % 2 == 0)
			record.terms.ttr_ms =
			    (int64_t)(1 + any(&random) % DURATION_MS_MAX);
		else if (random_next(&random) % 2 == 0)
			record.terms.ttr_ms = TTR_NONE;
		record.terms.max_attempts =
		    (uint32_t)(random_next(&random) % (ATTEMPTS_MAX + 1));
		record.expires_wall_ms =
		    random_next(&random) % 2 == 0 ? 0 : (int64_t)any(&random);
		if (random_next(&random) % 2 == 0)
			record.key = (struct span){ key,
				1 + random_next(&random) % sizeof(key) };
		uint64_t aliases[ALIASES_MAX];
		record.aliases = aliases;
		record.alias_count =
		    (uint32_t)(random_next(&random) % (ALIASES_MAX + 1));
		for (uint32_t j = 0; j < record.alias_count; j++)
			aliases[j] = any(&random) | 1;
		char room[RECORD_BYTES_MAX];
		struct stored stored;
		const char *at = room;
		expect_full(&random, &job, &record);
		const char *end = record_write_state(room, &record);
		cr_assert(record_read(&at, end, &stored));
		cr_assert_eq(at, end);
		cr_assert_eq(stored.kind, RECORD_STATE);
		expect_where(&stored, &record);
		at = room;
		end = record_write_gone(room, job.id);
		cr_assert(record_read(&at, end, &stored));
		cr_assert_eq(at, end);
		cr_assert_eq(stored.kind, RECORD_GONE);
		cr_assert_eq(stored.id, job.id);
	}
}

Test(record, bytes_that_nobody_wrote_are_refused_or_read_within_their_end)
{
	struct random random = { 8 };
	uint64_t read = 0;
	for (int i = 0; i < 300000; i++) {
		size_t count = random_next(&random) % 64;
		char *bytes = malloc(count + 1);
		for (size_t j = 0; j < count; j++)
			bytes[j] = (char)random_next(&random);
		if (count > 0 && i % 2 == 0)
			bytes[0] = (char)(random_next(&random) % 6);
		const char *at = bytes;
		struct stored stored;
		if (record_read(&at, bytes + count, &stored)) {
			read++;
			cr_assert(at > bytes && at <= bytes + count);
		}
		free(bytes);
	}
	cr_assert_gt(read, 1000);
}

Test(record, an_ordinary_job_takes_a_few_bytes_beside_its_body)
{
	struct job job = { .id = 5000000,
		.enqueued_ms = INT64_C(1790000000000),
		.priority = 128,
		.state = JOB_READY };
	struct record record = { .job = &job, .queue = { "default", 7 } };
	char room[RECORD_BYTES_MAX];
	cr_assert_leq(
	    record_write_full(room, &record, (struct span){ 0 }) - room, 26);
	cr_assert_leq(record_write_state(room, &record) - room, 10);
	cr_assert_leq(record_write_gone(room, job.id) - room, 5);
}

Test(record, a_note_says_what_it_is_and_of_which_job)
{
	struct job job = { .id = 9, .state = JOB_READY };
	struct record record = { .job = &job,
		.note = NOTE_TOKEN,
		.note_of = UINT64_MAX,
		.queue = SPAN_LITERAL("-") };
	char room[RECORD_BYTES_MAX + 4];
	struct stored stored;
	const char *at = room;
	char *end = record_write_full(room, &record, SPAN_LITERAL("note"));
	cr_assert(record_read(&at, end, &stored));
	cr_expect_eq(stored.note, NOTE_TOKEN);
	cr_expect_eq(stored.note_of, UINT64_MAX);
	struct record restored;
	struct job again;
	uint64_t aliases[ALIASES_MAX];
	record_restore(&stored, &stored, &again, aliases, &restored);
	cr_expect_eq(restored.note, NOTE_TOKEN);
	cr_expect_eq(restored.note_of, UINT64_MAX);
	/* It waits for nobody, and never changes. */
	job.state = JOB_DEAD;
	job.cause = CAUSE_REJECTED;
	at = room;
	end = record_write_full(room, &record, (struct span){ 0 });
	cr_expect_not(record_read(&at, end, &stored));
	job = (struct job){ .id = 9, .state = JOB_READY };
	at = room;
	cr_expect_not(
	    record_read(&at, record_write_state(room, &record), &stored));
}

Test(record, a_reason_that_is_too_long_is_cut)
{
	static char reason[REASON_BYTES_MAX + 50], room[4096];
	memset(reason, 'r', sizeof(reason));
	struct job job = { .id = 7, .state = JOB_READY };
	struct record record = { .job = &job,
		.queue = SPAN_LITERAL("mail"),
		.reason = { reason, sizeof(reason) } };
	struct stored stored;
	const char *at = room;
	char *end = record_write_state(room, &record);
	cr_assert(record_read(&at, end, &stored));
	cr_assert_eq(stored.reason.count, REASON_BYTES_MAX);
	cr_assert_eq(at, end);
}

/* A log of another program, or of a liar. */
Test(record, a_key_that_cannot_be_was_written_by_nobody)
{
	static char room[4096];
	struct job job = {
		.id = 7, .state = JOB_READY, .hints = 3, .mode = KEY_COALESCE
	};
	struct record record = { .job = &job,
		.queue = SPAN_LITERAL("mail"),
		.key = SPAN_LITERAL("user 42") };
	struct stored stored;
	const char *at = room;
	/* kind, id, state, priority, delivery, attempt, reason, when, queue;
	 * hints, aliases, mode, key */
	char *hints = room + 8 + 5;
	char *end = record_write_full(room, &record, (struct span){ 0 });
	cr_assert_eq(hints[0], 3);
	cr_assert_eq(hints[3], 7);
	hints[0] = 0;
	cr_expect_not(record_read(&at, end, &stored), "it stands for none");
	hints[0] = 3;
	hints[1] = ALIASES_MAX + 1;
	cr_expect_not(record_read(&at, end, &stored), "too many aliases");
	hints[1] = 0;
	hints[2] = KEY_MODE_COUNT;
	cr_expect_not(record_read(&at, end, &stored), "no such mode");
	hints[2] = KEY_SERIAL;
	hints[6] = 0;
	cr_expect_not(record_read(&at, end, &stored), "a zero in it");
	hints[6] = 'x';
	cr_expect(record_read(&at, end, &stored));
	at = room;
	room[2] = JOB_BLOCKED;
	cr_expect_not(record_read(&at, end, &stored), "not kept so");
}

/* Bytes that say a text is longer than any may be. */
Test(record, a_text_that_is_too_long_was_written_by_nobody)
{
	static char room[4096];
	struct job job = { .id = 7, .state = JOB_READY };
	struct record record = { .job = &job, .queue = SPAN_LITERAL("mail") };
	struct stored stored;
	const char *at = room;
	/* kind, id, state, priority, delivery, attempt, then the reason. */
	record_write_state(room, &record);
	room[6] = (char)(REASON_BYTES_MAX + 1);
	cr_assert_not(record_read(&at, room + sizeof(room), &stored));
	/* And in a FULL: reason, when it was enqueued, then the queue. */
	record_write_full(room, &record, (struct span){ 0 });
	cr_assert_eq(room[8], 4);
	room[8] = NAME_BYTES_MAX + 1;
	cr_assert_not(record_read(&at, room + sizeof(room), &stored));
	room[8] = 0;
	cr_assert_not(record_read(&at, room + sizeof(room), &stored));
}
