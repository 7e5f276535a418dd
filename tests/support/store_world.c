/* SPDX-License-Identifier: MIT */
#include "tests/support/store_world.h"

#include "base/units.h"
#include "queue/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct log_sizes world_sizes = {
	.segment_bytes_min = 8 * 1024,
	.segment_bytes_max = 16 * 1024,
	.slack_bytes = 64 * 1024,
};

const struct world_mix world_mix_usual = {
	.put = 30,
	.note = 8,
	.update = 30,
	.replace = 5,
	.fold = 5,
	.delete = 25,
	.commit = 12,
	.relaxed = 4,
	.progress = 12,
	.body = 6,
	.body_bytes_max = 600,
	.live_max = 120,
};

static const char *const queue_names[] = { "default", "mail", "a",
	"a-queue-with-a-name-that-is-as-long-as-a-name-of-a-queue-may-be-" };

#define KEYS 3

static const char *const key_names[KEYS] = { "42", "user", "a key with words" };

static uint64_t
chance(struct world *world, uint64_t of)
{
	return random_next(&world->random) % of;
}

/* ---- what is right ---- */

static uint64_t
mix_in(uint64_t sum, uint64_t number)
{
	struct random random = { sum ^ number };
	return random_next(&random);
}

static uint64_t
mix_text(uint64_t sum, const char *text)
{
	for (; *text != '\0'; text++)
		sum = mix_in(sum, (unsigned char)*text);
	return sum;
}

static uint64_t
digest_job(const struct world_job *it)
{
	const struct job *job = &it->job;
	uint64_t sum = mix_in(1, job->id);
	sum = mix_in(sum, it->note);
	sum = mix_in(sum, it->note_of);
	sum = mix_in(sum, (uint64_t)job->enqueued_ms);
	sum = mix_in(sum, (uint64_t)it->due_wall_ms);
	sum = mix_in(sum, job->body_bytes);
	sum = mix_in(sum, job->delivery);
	sum = mix_in(sum, job->attempt);
	sum = mix_in(sum, job->priority);
	sum = mix_in(sum, job->state);
	sum = mix_in(sum, job->cause);
	sum = mix_in(sum, job->crashes);
	sum = mix_in(sum, job->cancelled);
	sum = mix_in(sum, (uint64_t)it->terms.ttr_ms);
	sum = mix_in(sum, it->terms.max_attempts);
	sum = mix_in(sum, (uint64_t)it->expires_wall_ms);
	sum = mix_in(sum, job->by_wall);
	sum = mix_text(sum, it->queue.text);
	if (it->key != NULL) {
		sum = mix_text(sum, it->key);
		sum = mix_in(sum, job->mode);
		sum = mix_in(sum, job->hints);
		for (uint32_t i = 0; i < it->alias_count; i++)
			sum = mix_in(sum, it->aliases[i]);
	}
	return mix_text(sum, it->reason);
}

uint64_t
world_digest(const struct world *world)
{
	uint64_t sum = 0;
	for (uint64_t id = 1; id < world->high; id++)
		if (world->jobs[id].is_there)
			sum += digest_job(&world->jobs[id]);
	return sum;
}

static void
make_record(const struct world_job *it, struct record *record)
{
	*record = (struct record){ .job = &it->job,
		.note = it->note,
		.note_of = it->note_of,
		.queue = span_of(it->queue.text),
		.reason = span_of(it->reason),
		.terms = it->terms,
		.due_wall_ms = it->due_wall_ms,
		.expires_wall_ms = it->expires_wall_ms,
		.aliases = it->aliases,
		.alias_count = it->alias_count };
	if (it->key != NULL)
		record->key = span_of(it->key);
}

uint64_t
world_live_bytes(const struct world *world)
{
	uint64_t bytes = 0;
	char text[RECORD_BYTES_MAX];
	for (uint64_t id = 1; id < world->high; id++) {
		const struct world_job *it = &world->jobs[id];
		if (!it->is_there)
			continue;
		struct record record;
		make_record(it, &record);
		bytes += it->job.body_bytes +
		    (uint64_t)(record_write_full(
				   text, &record, (struct span){ 0 }) -
			text);
	}
	return bytes;
}

/* A body is known from the job's id and how often it got another one, which its
 * hints tell. */
static struct random
body_of(const struct job *job)
{
	return (struct random){ job->id + ((uint64_t)job->hints << 32) };
}

static void
make_body(const struct job *job, char *body, uint32_t body_bytes)
{
	struct random random = body_of(job);
	for (uint32_t i = 0; i < body_bytes; i++)
		body[i] = (char)random_next(&random);
}

static bool
is_body(const struct job *job, struct span body)
{
	struct random random = body_of(job);
	for (size_t i = 0; i < body.count; i++)
		if (body.bytes[i] != (char)random_next(&random))
			return false;
	return true;
}

/* ---- what the store asks ---- */

static struct world_job *
touch(struct world *world, uint64_t id)
{
	if (id >= world->high)
		world->high = id + 1;
	return &world->jobs[id];
}

static void
on_expect(void *context, size_t jobs)
{
	((struct world *)context)->expected = jobs;
}

static void
take_key(struct world *world, struct world_job *it, const struct record *record)
{
	it->key = NULL;
	it->alias_count = record->alias_count;
	for (uint32_t i = 0; i < record->alias_count; i++)
		it->aliases[i] = record->aliases[i];
	if (record->key.count == 0)
		return;
	for (size_t i = 0; i < KEYS; i++)
		if (span_is_text(record->key, key_names[i]))
			it->key = key_names[i];
	if (it->key == NULL)
		world->wrong = "restored with another key";
}

static void
on_restore(void *context, const struct record *record)
{
	struct world *world = context;
	uint64_t id = record->job->id;
	if (!world->is_loading)
		world->wrong = "restored when it was not asked to";
	if (id <= world->last_restored)
		world->wrong = "restored out of order";
	world->last_restored = id;
	if (id >= WORLD_JOBS_MAX || id == 0) {
		world->wrong = "restored a job that never was";
		return;
	}
	struct world_job *it = touch(world, id);
	it->is_there = true;
	it->job = *record->job;
	it->note = record->note;
	it->note_of = record->note_of;
	it->due_wall_ms = record->due_wall_ms;
	it->expires_wall_ms = record->expires_wall_ms;
	it->terms = record->terms;
	take_key(world, it, record);
	if (!name_set(&it->queue, record->queue))
		world->wrong = "restored without a queue";
	memcpy(it->reason, record->reason.bytes, record->reason.count);
	it->reason[record->reason.count] = '\0';
	world->live++;
}

static void
on_committed(void *context, int error)
{
	struct world *world = context;
	if (!world->waits)
		world->wrong = "committed what was not";
	world->waits = false;
	if (error != 0) {
		world->error = error;
		return;
	}
	world->written = world->commits;
	if (!world->waits_relaxed)
		world->safe = world->commits;
}

static bool
on_find(void *context, uint64_t id, struct record *ret_record)
{
	struct world *world = context;
	if (id >= world->high || !world->jobs[id].is_there)
		return false;
	make_record(&world->jobs[id], ret_record);
	return true;
}

static void
on_moved(void *context, uint64_t id, uint64_t body)
{
	struct world *world = context;
	world->jobs[id].job.body = body;
	world->moved++;
}

/* ---- life ---- */

void
world_init(struct world *world, struct disk *disk, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	world->disk = disk;
	world->sizes = world_sizes;
	world->random.state = seed;
	world->next_id = 1;
	world->next_ids[0] = 1;
}

static void
forget_jobs(struct world *world)
{
	memset(world->jobs, 0, world->high * sizeof(world->jobs[0]));
	world->high = 0;
	world->live = 0;
	world->last_restored = 0;
	world->wrong = NULL;
	world->error = 0;
	world->gathers = world->waits = false;
}

bool
world_open(struct world *world, bool power_was_cut)
{
	uint32_t first = power_was_cut ? world->safe : world->written;
	uint64_t next_id = 0;
	forget_jobs(world);
	world->store = store_log_open_on(disk_open(world->disk), &world->sizes);
	world->store->owner = (struct store_owner){ .context = world,
		.expect = on_expect,
		.restore = on_restore,
		.committed = on_committed,
		.find = on_find,
		.moved = on_moved };
	world->is_loading = true;
	world->reason[0] = '\0';
	world->error = world->store->operations->load(
	    world->store, &next_id, world->reason, sizeof(world->reason));
	world->is_loading = false;
	if (world->error != 0) {
		world_close(world);
		return false;
	}
	if (world->expected != world->live)
		world->wrong = "not as many jobs as were announced";
	uint64_t digest = world_digest(world);
	uint32_t found = first;
	while (found <= world->commits && world->digests[found] != digest)
		found++;
	if (found > world->commits)
		world->wrong = "not what was committed";
	else if (next_id < world->next_ids[found])
		world->wrong = "an id would be used again";
	if (world->wrong != NULL)
		return false;
	/* Now this is what is there. */
	world->digests[0] = digest;
	world->next_ids[0] = next_id;
	world->commits = world->written = world->safe = 0;
	world->next_id = next_id;
	return true;
}

void
world_rewind(struct world *world, const struct world *to)
{
	size_t count = to->commits + 1;
	memcpy(world->digests, to->digests, count * sizeof(to->digests[0]));
	memcpy(world->next_ids, to->next_ids, count * sizeof(to->next_ids[0]));
	world->commits = to->commits;
	world->written = to->written;
	world->safe = to->safe;
}

void
world_close(struct world *world)
{
	if (world->store != NULL)
		world->store->operations->close(world->store);
	world->store = NULL;
}

/* ---- changes ---- */

static bool
take(struct world *world, int error)
{
	if (error != 0 && world->error == 0)
		world->error = error;
	return error == 0;
}

static bool
begin(struct world *world)
{
	if (world->gathers)
		return true;
	world->gathers = true;
	return take(world, world->store->operations->begin(world->store));
}

static struct job_terms
any_terms(struct world *world)
{
	static const int64_t ttrs_ms[] = { 0, 0, TTR_NONE, 1, DURATION_MS_MAX };
	static const uint32_t attempts[] = { 0, 0, 1, ATTEMPTS_MAX };
	return (struct job_terms){ .ttr_ms = ttrs_ms[chance(world, 5)],
		.max_attempts = attempts[chance(world, 4)] };
}

/* Is there an id, and room, for one more with such a body? */
static bool
can_put(struct world *world, uint32_t body_bytes)
{
	struct store *store = world->store;
	if (world->next_id >= WORLD_JOBS_MAX)
		return false;
	if (store->operations->has_room(store, 1, body_bytes))
		return true;
	world->refused++;
	return false;
}

static struct world_job *
make_job(struct world *world, uint32_t body_bytes)
{
	struct world_job *it = touch(world, world->next_id);
	*it = (struct world_job){ .is_there = true };
	it->job.id = world->next_id++;
	it->job.body_bytes = body_bytes;
	it->job.state = JOB_READY;
	it->job.hints = 1;
	world->live++;
	return it;
}

static bool
put(struct world *world, struct world_job *it)
{
	static char body[64 * 1024];
	struct record record;
	make_body(&it->job, body, it->job.body_bytes);
	make_record(it, &record);
	return take(world,
	    world->store->operations->put(world->store, &record,
		(struct span){ body, it->job.body_bytes }, &it->job.body));
}

bool
world_put(struct world *world, uint32_t body_bytes)
{
	if (!can_put(world, body_bytes))
		return true;
	if (!begin(world))
		return false;
	struct world_job *it = make_job(world, body_bytes);
	it->job.enqueued_ms = (int64_t)chance(world, INT64_MAX);
	it->job.priority = (uint8_t)chance(world, 256);
	if (chance(world, 2) == 0) {
		it->key = key_names[chance(world, KEYS)];
		it->job.mode = (uint8_t)chance(world, KEY_MODE_COUNT);
	}
	it->terms = any_terms(world);
	if (chance(world, 4) == 0)
		it->expires_wall_ms = 1 + (int64_t)chance(world, INT64_MAX);
	name_set(&it->queue, span_of(queue_names[chance(world, 4)]));
	return put(world, it);
}

bool
world_note(struct world *world, uint32_t body_bytes)
{
	if (!can_put(world, body_bytes))
		return true;
	if (!begin(world))
		return false;
	struct world_job *it = make_job(world, body_bytes);
	it->note = (enum note_kind)(1 + chance(world, NOTE_KIND_COUNT - 1));
	it->note_of = 1 + chance(world, it->job.id);
	name_set(&it->queue, SPAN_LITERAL("-"));
	return put(world, it);
}

static void
change(struct world *world, struct world_job *it)
{
	static const uint8_t states[] = { JOB_READY, JOB_DELAYED, JOB_RUNNING,
		JOB_DEAD };
	it->job.state = states[chance(world, 4)];
	it->job.cause =
	    it->job.state == JOB_DEAD ? CAUSE_EXHAUSTED : CAUSE_NONE;
	it->due_wall_ms = it->job.state == JOB_DELAYED
	    ? (int64_t)chance(world, INT64_MAX)
	    : 0;
	it->job.by_wall = it->job.state == JOB_DELAYED && chance(world, 3) == 0;
	it->job.cancelled =
	    it->job.state == JOB_RUNNING && chance(world, 4) == 0;
	if (chance(world, 8) == 0)
		it->job.crashes++;
	it->job.delivery++;
	it->job.attempt = (uint16_t)(1 + chance(world, it->job.delivery));
	if (!world->gives_no_reasons && chance(world, 3) == 0) {
		size_t count = chance(world, REASON_BYTES_MAX + 1);
		memset(it->reason, 'r', count);
		it->reason[count] = '\0';
	}
}

bool
world_update(struct world *world, uint64_t id)
{
	struct record record;
	if (!begin(world))
		return false;
	change(world, &world->jobs[id]);
	make_record(&world->jobs[id], &record);
	return take(
	    world, world->store->operations->update(world->store, &record));
}

bool
world_delete(struct world *world, uint64_t id)
{
	const struct job job = world->jobs[id].job;
	if (!begin(world))
		return false;
	world->jobs[id].is_there = false;
	world->live--;
	return take(world,
	    world->store->operations->delete (
		world->store, id, job.body, job.body_bytes));
}

static bool
replace(struct world *world, struct world_job *it, uint32_t body_bytes)
{
	static char body[64 * 1024];
	struct record record;
	struct job old = it->job;
	if (!begin(world))
		return false;
	it->job.hints++;
	it->job.body_bytes = body_bytes;
	make_body(&it->job, body, body_bytes);
	make_record(it, &record);
	return take(world,
	    world->store->operations->replace(world->store, &record,
		(struct span){ body, body_bytes }, old.body, old.body_bytes,
		&it->job.body));
}

bool
world_replace(struct world *world, uint64_t id, uint32_t body_bytes)
{
	struct world_job *it = &world->jobs[id];
	if (it->key == NULL)
		return true;
	if (!world->store->operations->has_room(world->store, 1, body_bytes)) {
		world->refused++;
		return true;
	}
	return replace(world, it, body_bytes);
}

bool
world_fold(struct world *world, uint64_t id, uint64_t other)
{
	struct world_job *it = &world->jobs[id];
	const struct job *job = &world->jobs[other].job;
	if (id == other || it->job.mode != KEY_COALESCE ||
	    job->mode != KEY_COALESCE ||
	    !world->store->operations->has_room(
		world->store, 1, job->body_bytes))
		return true;
	if (it->alias_count < ALIASES_MAX)
		it->aliases[it->alias_count++] = other;
	return replace(world, it, job->body_bytes) &&
	    world_delete(world, other);
}

bool
world_commit(struct world *world, bool relaxed)
{
	if (!begin(world))
		return false;
	if (world->waits || world->commits + 1 == WORLD_COMMITS_MAX)
		return true;
	world->gathers = false;
	world->waits = true;
	world->waits_relaxed = relaxed;
	world->commits++;
	world->digests[world->commits] = world_digest(world);
	world->next_ids[world->commits] = world->next_id;
	return take(
	    world, world->store->operations->commit(world->store, relaxed));
}

bool
world_progress(struct world *world)
{
	world->disk->now_us += 1000;
	return take(world,
	    world->store->operations->progress(
		world->store, world->disk->now_us / 1000));
}

static uint64_t
random_job(struct world *world)
{
	uint64_t nth = chance(world, world->live);
	for (uint64_t id = 1; id < world->high; id++)
		if (world->jobs[id].is_there && nth-- == 0)
			return id;
	abort();
}

/* A note never changes. */
static bool
update_some(struct world *world)
{
	uint64_t id = random_job(world);
	return world->jobs[id].note != NOTE_NONE || world_update(world, id);
}

/* There are enough: something goes instead. */
static bool
put_some(struct world *world, const struct world_mix *mix,
    bool (*put_one)(struct world *world, uint32_t body_bytes))
{
	if (world->live >= mix->live_max)
		return world_delete(world, random_job(world));
	return put_one(world, (uint32_t)chance(world, mix->body_bytes_max + 1));
}

static bool
check_body(struct world *world, uint64_t id)
{
	const struct job *job = &world->jobs[id].job;
	struct span body;
	if (!take(world,
		world->store->operations->body(
		    world->store, job->body, job->body_bytes, &body)))
		return false;
	if (body.count != job->body_bytes || !is_body(job, body))
		world->wrong = "not the body of that job";
	return world->wrong == NULL;
}

const char *
world_check_bodies(struct world *world)
{
	for (uint64_t id = 1; id < world->high; id++)
		if (world->jobs[id].is_there && !check_body(world, id))
			return world->wrong != NULL ? world->wrong
						    : strerror(world->error);
	return NULL;
}

bool
world_step(struct world *world, const struct world_mix *mix)
{
	uint64_t what = chance(world,
	    mix->put + mix->note + mix->update + mix->replace + mix->fold +
		mix->delete + mix->commit + mix->relaxed + mix->progress +
		mix->body);
	bool none = world->live == 0;
	if (what < mix->put)
		return put_some(world, mix, world_put);
	what -= mix->put;
	if (what < mix->note)
		return put_some(world, mix, world_note);
	what -= mix->note;
	if (what < mix->update)
		return none || update_some(world);
	what -= mix->update;
	if (what < mix->replace)
		return none ||
		    world_replace(world, random_job(world),
			(uint32_t)chance(world, mix->body_bytes_max + 1));
	what -= mix->replace;
	if (what < mix->fold)
		return none ||
		    world_fold(world, random_job(world), random_job(world));
	what -= mix->fold;
	if (what < mix->delete)
		return none || world_delete(world, random_job(world));
	what -= mix->delete;
	if (what < mix->commit)
		return world_commit(world, false);
	what -= mix->commit;
	if (what < mix->relaxed)
		return world_commit(world, true);
	what -= mix->relaxed;
	if (what < mix->progress)
		return world_progress(world);
	return none || check_body(world, random_job(world));
}

void
world_run(struct world *world, const struct world_mix *mix, uint32_t steps)
{
	while (steps-- > 0)
		if (!world_step(world, mix) || world->wrong != NULL)
			return;
}

bool
world_settle(struct world *world)
{
	for (int tries = 0; world->waits && tries < 100; tries++)
		if (!world_progress(world))
			return false;
	if (!world_commit(world, false))
		return false;
	for (int tries = 0; world->waits && tries < 100; tries++)
		if (!world_progress(world))
			return false;
	return !world->waits;
}
