/* SPDX-License-Identifier: MIT */
/*
 * What the store would have on disk: of each job the record that was saved
 * last, and the one before, for a last batch that is lost.
 */
#include "story.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct record {
	bool is_there;
	struct job job;
	struct text queue;
	struct text key;
	struct text reason;
	struct job_terms terms;
	uint64_t aliases[ALIASES_MAX];
	size_t alias_count;
};

/* A certificate, which never changes. */
struct note {
	bool is_there;
	uint64_t job;
	char words[256];
	uint32_t words_bytes;
};

struct kept {
	struct record last;
	struct record before;
	struct note note;
};

static struct {
	struct text queue;
	struct lane_gate gate;
} gates[POLICIES_MAX];
static unsigned gate_count;

/* By id, from 1: of the core of now and those before. */
static struct kept *jobs;
static size_t job_count;

static struct kept *
kept_of(uint64_t id)
{
	while (job_count < id) {
		jobs = grow(jobs, job_count, sizeof(*jobs));
		jobs[job_count++] = (struct kept){ 0 };
	}
	return &jobs[id - 1];
}

static struct record *
next_record(uint64_t id)
{
	struct kept *kept = kept_of(id);
	kept->before = kept->last;
	kept->last = (struct record){ 0 };
	return &kept->last;
}

static void
save(uint64_t id, uint32_t handle)
{
	struct record *record = next_record(id);
	record->is_there = true;
	record->job = *job_at(&story.core.jobs, handle);
	const struct lane *lane = lane_at(&story.core.lanes, record->job.lane);
	set_text(&record->queue, "%s", lane->name.text);
	/* It is not saved whether it is its turn. */
	if (record->job.state == JOB_BLOCKED)
		record->job.state = JOB_READY;
	record->terms = job_terms(&story.core.jobs, &record->job);
	const struct alias *alias = job_alias(&story.core.jobs, &record->job);
	for (; alias != NULL; alias = alias_after(&story.core.jobs, alias))
		record->aliases[record->alias_count++] = alias->id;
	struct span key = keys_text_of(&story.core.keys, &record->job);
	set_text(&record->key, "%.*s", (int)key.count, key.bytes);
	set_text(
	    &record->reason, "%s", job_reason(&story.core.jobs, &record->job));
}

/* Where its words are, as a store would say. */
static uint64_t
place_of(uint64_t id)
{
	return 1000 + id;
}

static void
certify(const struct wish *wish)
{
	struct note *note = &kept_of(wish->id)->note;
	note->is_there = true;
	note->job = job_at(&story.core.jobs, wish->job)->id;
	CHECK(wish->words_bytes <= sizeof(note->words));
	memcpy(note->words,
	    buffer_front(&story.core.certificates) + wish->words_at,
	    wish->words_bytes);
	note->words_bytes = wish->words_bytes;
	core_set_attempt(&story.core, wish->certificate, place_of(wish->id));
}

static void
forget_note(const struct wish *wish)
{
	struct note *note = &kept_of(wish->id)->note;
	CHECK(note->is_there && wish->body == place_of(wish->id));
	CHECK(wish->body_bytes == note->words_bytes);
	note->is_there = false;
}

bool
disk_certificate(uint64_t note, struct certificate *ret_certificate)
{
	const struct kept *kept = kept_of(note);
	return kept->note.is_there &&
	    certificate_read(
		(struct span){ kept->note.words, kept->note.words_bytes },
		ret_certificate);
}

void
disk_follow(const struct fact *fact)
{
	if (fact->kind == FACT_RESTORE)
		save(fact->restore.job.id,
		    jobs_find(&story.core.jobs, fact->restore.job.id));
	for (size_t i = 0; i < story.core.wish_count; i++) {
		const struct wish *wish = &story.core.wishes[i];
		if (wish->kind == WISH_SAVE || wish->kind == WISH_REPLACE)
			save(wish->id, wish->job);
		else if (wish->kind == WISH_FORGET)
			next_record(wish->id);
		else if (wish->kind == WISH_CERTIFY)
			certify(wish);
		else if (wish->kind == WISH_FORGET_NOTE)
			forget_note(wish);
	}
}

void
disk_lose_last(uint64_t id)
{
	struct kept *kept = kept_of(id);
	kept->last = kept->before;
}

void
disk_keep_gates(void)
{
	const struct lane *lane, *following;
	gate_count = 0;
	HASH_ITER(by_name, story.core.lanes.by_name, lane, following) {
		if (!lane->gate.is_paused && !lane->gate.is_draining)
			continue;
		CHECK(gate_count < POLICIES_MAX);
		set_text(&gates[gate_count].queue, "%s", lane->name.text);
		gates[gate_count++].gate = lane->gate;
	}
}

static void
restore_gates(void)
{
	for (unsigned i = 0; i < gate_count; i++) {
		struct fact fact = { .kind = FACT_RESTORE_GATE };
		fact.restore_gate.queue = span_of(gates[i].queue.text);
		fact.restore_gate.gate = gates[i].gate;
		tell(&fact);
	}
}

static void
restore_jobs(void)
{
	/* Telling grows nothing: every id is known already. */
	for (uint64_t id = 1; id <= job_count; id++) {
		struct record record = jobs[id - 1].last;
		if (!record.is_there)
			continue;
		struct fact fact = { .kind = FACT_RESTORE };
		fact.restore.queue = span_of(record.queue.text);
		fact.restore.job = record.job;
		fact.restore.key = span_of(record.key.text);
		fact.restore.aliases = record.aliases;
		fact.restore.alias_count = record.alias_count;
		fact.restore.reason = span_of(record.reason.text);
		fact.restore.terms = record.terms;
		tell(&fact);
	}
}

void
disk_restore(void)
{
	restore_gates();
	restore_jobs();
	for (uint64_t id = 1; id <= job_count; id++) {
		const struct note *note = &jobs[id - 1].note;
		if (!note->is_there)
			continue;
		struct fact fact = { .kind = FACT_RESTORE_ATTEMPT };
		fact.restore_attempt.job = note->job;
		fact.restore_attempt.attempt = (struct attempt){ .note = id,
			.body = place_of(id),
			.body_bytes = note->words_bytes };
		tell(&fact);
	}
}

void
disk_release(void)
{
	free(jobs);
	jobs = NULL;
	job_count = 0;
}
