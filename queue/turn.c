/* SPDX-License-Identifier: MIT */
#include "queue/turn.h"

#include "base/check.h"
#include "base/planted.h"
#include "base/units.h"
#include "core/autopsy.h"
#include "core/pause.h"
#include "queue/notes.h"
#include "queue/settings.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define EXIT_STORE_FAILED 74 /* EX_IOERR */

/* What was answered so far is committed, what gathers is nobody's yet: the end
 * of the process is the way back to a state that is known. */
static _Noreturn void
fail(const char *what, int error)
{
	log_event(LOG_ERROR, "store-failed",
	    "what=%s error=\"%s\" hint=\"the queue ends and recovers from what "
	    "is kept\"",
	    what, strerror(error));
	_exit(EXIT_STORE_FAILED);
}

static void
must(const char *what, int error)
{
	if (error != 0)
		fail(what, error);
}

static struct span
read_body(struct store *store, uint64_t handle, uint32_t bytes)
{
	struct span body = { 0 };
	if (bytes > 0)
		must("body",
		    store->operations->body(store, handle, bytes, &body));
	return body;
}

static struct store *
store_of(const struct turn *turn, enum durability durability)
{
	return durability == DURABILITY_MEMORY ? turn->memory : turn->log;
}

static enum durability
durability_of(const struct turn *turn, uint32_t lane)
{
	return lane_at(&turn->core.lanes, lane)->policy.durability;
}

/* ---- what the store asks ---- */

/* Wall and monotonic clock as they stand to each other now. */
static int64_t
wall_of(int64_t monotonic_ms)
{
	return monotonic_ms - clock_monotonic_ms() + clock_wall_ms();
}

/* The other way round. A wall clock that was set since then makes the delay
 * shorter or longer by as much; but none is longer than the longest, whatever
 * was written by whatever clock. */
static int64_t
monotonic_of(int64_t wall_ms)
{
	int64_t now_ms = clock_wall_ms();
	if (wall_ms > now_ms + DURATION_MS_MAX)
		wall_ms = now_ms + DURATION_MS_MAX;
	if (wall_ms < now_ms - DURATION_MS_MAX)
		wall_ms = now_ms - DURATION_MS_MAX;
	return wall_ms - now_ms + clock_monotonic_ms();
}

/* A time of 0 is none. One before it, when the machine began, is good. */
static int64_t
not_0(int64_t ms)
{
	return ms != 0 ? ms : 1;
}

/* The oldest first. */
static void
take_aliases(struct turn *turn, const struct job *job, struct record *record)
{
	const struct jobs *jobs = &turn->core.jobs;
	const struct alias *alias = job_alias(jobs, job);
	uint32_t at = ALIASES_MAX;
	for (; alias != NULL; alias = alias_after(jobs, alias))
		turn->aliases[--at] = alias->id;
	record->aliases = &turn->aliases[at % ALIASES_MAX];
	record->alias_count = ALIASES_MAX - at;
}

static void
make_record(struct turn *turn, uint32_t handle, struct record *record)
{
	const struct job *job = job_at(&turn->core.jobs, handle);
	const struct lane *lane = lane_at(&turn->core.lanes, job->lane);
	*record = (struct record){
		.job = job,
		.queue = span_of(lane->name.text),
		.key = keys_text_of(&turn->core.keys, job),
		.reason = span_of(job_reason(&turn->core.jobs, job)),
		.terms = job_terms(&turn->core.jobs, job),
	};
	if (record->terms.expires_at_ms != 0)
		record->expires_wall_ms = wall_of(record->terms.expires_at_ms);
	if (job->state == JOB_DELAYED)
		record->due_wall_ms =
		    job->by_wall ? job->at_ms : wall_of(job->at_ms);
	if (job->key != 0)
		take_aliases(turn, job, record);
}

static void
on_expect(void *context, size_t jobs)
{
	struct turn *turn = context;
	core_expect(&turn->core, jobs);
}

static bool
on_settings(void *context, struct span lines)
{
	struct turn *turn = context;
	return settings_restore(&turn->core, lines, clock_monotonic_ms(),
	    clock_wall_at_0_ms(), &turn->events_through);
}

static void
restore_note(struct turn *turn, const struct record *record)
{
	const struct job *it = record->job;
	struct span body = { 0 };
	struct fact fact;
	if (PLANTED(TOKEN_FORGOTTEN_AT_RESTART) && record->note == NOTE_TOKEN)
		return;
	if (notes_need_body(record))
		body = read_body(turn->log, it->body, it->body_bytes);
	if (notes_fact(record, body, clock_monotonic_ms(), clock_wall_at_0_ms(),
		&fact))
		core_step(&turn->core, &fact);
	else
		log_event(LOG_WARNING, "note-ignored",
		    "id=%" PRIu64 " reason=\"it is none that this gsq writes; "
		    "no job is concerned\"",
		    it->id);
}

static void
on_restore(void *context, const struct record *record)
{
	struct turn *turn = context;
	if (record->note != NOTE_NONE) {
		restore_note(turn, record);
		return;
	}
	struct fact fact = { .kind = FACT_RESTORE,
		.now_ms = clock_monotonic_ms() };
	fact.restore.queue = record->queue;
	fact.restore.job = *record->job;
	fact.restore.key = record->key;
	fact.restore.aliases = record->aliases;
	fact.restore.alias_count = record->alias_count;
	fact.restore.reason = record->reason;
	fact.restore.terms = record->terms;
	if (record->expires_wall_ms != 0)
		fact.restore.terms.expires_at_ms =
		    not_0(monotonic_of(record->expires_wall_ms));
	if (record->job->by_wall)
		fact.restore.job.at_ms = record->due_wall_ms;
	else if (record->job->state == JOB_DELAYED)
		fact.restore.job.at_ms = monotonic_of(record->due_wall_ms);
	core_step(&turn->core, &fact);
}

static bool
on_find(void *context, uint64_t id, struct record *ret_record)
{
	struct turn *turn = context;
	uint32_t handle = jobs_find(&turn->core.jobs, id);
	if (handle == 0)
		return notes_find(&turn->core, id, &turn->note, ret_record);
	make_record(turn, handle, ret_record);
	return true;
}

static void
on_moved(void *context, uint64_t id, uint64_t body)
{
	struct turn *turn = context;
	uint32_t handle = jobs_find(&turn->core.jobs, id);
	if (handle != 0)
		core_set_body(&turn->core, handle, body);
	else
		notes_moved(&turn->core, id, body);
}

static void
on_committed(void *context, int error)
{
	struct turn *turn = context;
	must("commit", error);
	CHECK(turn->committing);
	turn->committing = false;
	turn->kept_next_id = turn->committing_next_id;
	turn->kept_reserved_next_id = turn->committing_reserved_next_id;
	turn->effects.batch_committed(turn->effects.context);
}

static bool
on_has_room(void *context, uint32_t lane, uint32_t body_bytes)
{
	struct turn *turn = context;
	struct store *store = store_of(turn, durability_of(turn, lane));
	return store->operations->has_room(store, 1, body_bytes);
}

/* ---- life ---- */

int
turn_init(struct turn *turn, struct store *log, struct store *memory,
    const struct turn_effects *effects, uint64_t seed,
    struct lane_policy (*policy_of)(const void *context, struct span queue),
    const void *policy_context, char *reason, size_t reason_bytes)
{
	uint64_t next_id = 1;
	*turn =
	    (struct turn){ .log = log, .memory = memory, .effects = *effects };
	core_init(&turn->core, 1, seed, policy_of, policy_context);
	turn->core.has_room = on_has_room;
	turn->core.room_context = turn;
	turn->core.wall_ms = clock_wall_at_0_ms();
	log->owner = (struct store_owner){
		.context = turn,
		.expect = on_expect,
		.settings = on_settings,
		.restore = on_restore,
		.committed = on_committed,
		.find = on_find,
		.moved = on_moved,
	};
	int error = log->operations->load(log, &next_id, reason, reason_bytes);
	if (error != 0)
		return error;
	CHECK(next_id >= turn->core.next_id);
	if (!PLANTED(ID_USED_AGAIN))
		turn->core.next_id = next_id;
	turn->kept_next_id = next_id;
	turn->reserved_next_id = next_id;
	turn->kept_reserved_next_id = next_id;
	return 0;
}

void
turn_release(struct turn *turn)
{
	core_release(&turn->core);
	buffer_release(&turn->body);
}

/* ---- wishes ---- */

static void
begin(struct turn *turn)
{
	if (turn->gathering)
		return;
	turn->gathering = true;
	must("begin", turn->log->operations->begin(turn->log));
}

/* A change is about to be made in the store of a lane: which is returned. */
static struct store *
begin_change(struct turn *turn, uint32_t lane)
{
	enum durability durability = durability_of(turn, lane);
	if (durability != DURABILITY_MEMORY) {
		begin(turn);
		turn->needs_sync |= durability == DURABILITY_SYNC;
	}
	return store_of(turn, durability);
}

/* A job may be lost with the power or sooner, its id must not come again: who
 * hears of it waits until the reservation is safe, be it on its way already. */
static void
reserve_ids(struct turn *turn, uint64_t id)
{
	if (id >= turn->kept_reserved_next_id)
		begin(turn);
	if (id < turn->reserved_next_id)
		return;
	turn->reserved_next_id = id + IDS_RESERVED;
	begin(turn);
	turn->needs_sync = true;
	must("reserve",
	    turn->log->operations->reserve_ids(
		turn->log, turn->reserved_next_id));
}

static void
save(struct turn *turn, const struct wish *wish, struct span body)
{
	uint32_t lane = job_at(&turn->core.jobs, wish->job)->lane;
	struct store *store = begin_change(turn, lane);
	struct record record;
	make_record(turn, wish->job, &record);
	if (!wish->with_body) {
		must("update", store->operations->update(store, &record));
		return;
	}
	uint64_t handle = 0;
	if (durability_of(turn, lane) != DURABILITY_SYNC)
		reserve_ids(turn, wish->id);
	must("put", store->operations->put(store, &record, body, &handle));
	core_set_body(&turn->core, wish->job, handle);
}

static void
forget(struct turn *turn, const struct wish *wish)
{
	struct store *store = begin_change(turn, wish->lane);
	must("delete",
	    store->operations->delete (
		store, wish->id, wish->body, wish->body_bytes));
}

/* A token is as safe as the job that it came with, in the same batch. */
static void
note(struct turn *turn, const struct wish *wish, struct span text)
{
	struct store *store = begin_change(turn, wish->lane);
	char room[NOTE_BYTES_MAX];
	struct span body = notes_body(
	    &turn->core, wish->token, text, clock_wall_at_0_ms(), room);
	struct record record;
	uint64_t handle = 0;
	if (PLANTED(TOKEN_NOT_IN_THE_BATCH) && store == turn->log)
		must("write", store->operations->write(store));
	if (durability_of(turn, wish->lane) != DURABILITY_SYNC)
		reserve_ids(turn, wish->id);
	CHECK(notes_find(&turn->core, wish->id, &turn->note, &record));
	must("put", store->operations->put(store, &record, body, &handle));
	core_set_note(&turn->core, wish->token, handle, (uint32_t)body.count);
}

/* A full disk has no room for it, and the job goes on without. */
static void
drop_certificate(struct turn *turn, const struct wish *wish)
{
	static struct log_limit limit = { .event = "certificate-dropped" };
	autopsy_drop(&turn->core, wish->certificate);
	if (log_allows(&limit))
		log_event(LOG_WARNING, "certificate-dropped",
		    "job=%" PRIu64 " bytes=%" PRIu32
		    " hint=\"no room on the disk to keep what the attempt "
		    "ended of; the job is safe\"",
		    job_at(&turn->core.jobs, wish->job)->id, wish->words_bytes);
}

/* What an attempt ended of, in the same batch as what becomes of its job. */
static void
certify(struct turn *turn, const struct wish *wish)
{
	struct store *store = store_of(turn, durability_of(turn, wish->lane));
	const struct span body = { buffer_front(&turn->core.certificates) +
		    wish->words_at,
		wish->words_bytes };
	struct record record;
	uint64_t handle = 0;
	if (!store->operations->has_room(store, 1, body.count)) {
		drop_certificate(turn, wish);
		return;
	}
	begin_change(turn, wish->lane);
	if (durability_of(turn, wish->lane) != DURABILITY_SYNC)
		reserve_ids(turn, wish->id);
	CHECK(notes_find(&turn->core, wish->id, &turn->note, &record));
	must("put", store->operations->put(store, &record, body, &handle));
	core_set_attempt(&turn->core, wish->certificate, handle);
}

struct span
turn_certificate(struct turn *turn, const struct attempt *attempt)
{
	return read_body(attempt->in_memory ? turn->memory : turn->log,
	    attempt->body, attempt->body_bytes);
}

static void
forget_note(struct turn *turn, const struct wish *wish)
{
	struct store *store = wish->in_memory ? turn->memory : turn->log;
	if (!wish->in_memory)
		begin(turn);
	must("delete",
	    store->operations->delete (
		store, wish->id, wish->body, wish->body_bytes));
}

struct span
turn_body(struct turn *turn, const struct job *job)
{
	return read_body(store_of(turn, durability_of(turn, job->lane)),
	    job->body, job->body_bytes);
}

static void
add_bytes(struct buffer *buffer, struct span bytes)
{
	must("body", buffer_append(buffer, bytes.bytes, bytes.count));
}

/* The job's new body; good until the next one. What the store shows is gone
 * with the next call, so it is copied. */
static struct span
make_body(struct turn *turn, struct store *store, const struct wish *wish,
    struct span given)
{
	struct buffer *body = &turn->body;
	buffer_consume(body, buffer_count(body));
	if (wish->append) {
		add_bytes(body, read_body(store, wish->body, wish->body_bytes));
		add_bytes(body, SPAN_LITERAL("\n"));
	}
	add_bytes(body,
	    wish->given ? given
			: read_body(store, wish->other, wish->other_bytes));
	return (struct span){ buffer_front(body), buffer_count(body) };
}

/* The most common events say the same again, or nothing: then there is nothing
 * to write. */
static void
replace(struct turn *turn, const struct wish *wish, struct span given)
{
	uint32_t lane = job_at(&turn->core.jobs, wish->job)->lane;
	struct store *store = store_of(turn, durability_of(turn, lane));
	struct span body = make_body(turn, store, wish, given);
	struct record record;
	uint64_t handle = 0;
	if (span_is(body, read_body(store, wish->body, wish->body_bytes)))
		return;
	begin_change(turn, lane);
	make_record(turn, wish->job, &record);
	must("replace",
	    store->operations->replace(
		store, &record, body, wish->body, wish->body_bytes, &handle));
	core_set_body(&turn->core, wish->job, handle);
}

static void
deliver(struct turn *turn, const struct wish *wish)
{
	const struct job *job = job_at(&turn->core.jobs, wish->job);
	bool in_memory = durability_of(turn, job->lane) == DURABILITY_MEMORY;
	bool kept = wish->id < turn->kept_next_id ||
	    (in_memory && wish->id < turn->kept_reserved_next_id) ||
	    PLANTED(DELIVERY_BEFORE_DURABLE);
	if (!kept)
		begin(turn);
	turn->shown |= kept && !in_memory;
	turn->effects.deliver(turn->effects.context, wish->subscriber,
	    wish->job, turn_body(turn, job), kept);
}

static void
carry_out(struct turn *turn, const struct wish *wish, const struct fact *fact,
    struct span body)
{
	switch (wish->kind) {
	case WISH_SAVE:
		save(turn, wish, body);
		break;
	case WISH_REPLACE:
		replace(turn, wish, body);
		break;
	case WISH_FORGET:
		forget(turn, wish);
		break;
	case WISH_NOTE:
		note(turn, wish, fact->enqueue.token);
		break;
	case WISH_CERTIFY:
		certify(turn, wish);
		break;
	case WISH_FORGET_NOTE:
		forget_note(turn, wish);
		break;
	case WISH_DELIVER:
		deliver(turn, wish);
		break;
	case WISH_STOP:
		turn->effects.stop(turn->effects.context, wish);
		break;
	case WISH_KILL:
		turn->effects.kill(turn->effects.context, wish);
		break;
	case WISH_CUT_OFF:
		turn->effects.cut_off(turn->effects.context, wish);
		break;
	case WISH_SETTINGS:
		UNREACHABLE(); /* turn_gate has kept them */
	case WISH_TELL:
		turn->effects.tell(turn->effects.context, wish);
		break;
	}
}

enum refusal
turn_step(struct turn *turn, const struct fact *fact, struct span body)
{
	struct core *core = &turn->core;
	core_step(core, fact);
	for (size_t i = 0; i < core->wish_count; i++)
		carry_out(turn, &core->wishes[i], fact, body);
	return core->refusal;
}

/* 0, or ENOSPC. */
static int
keep_settings(struct turn *turn)
{
	struct store *log = turn->log;
	struct buffer lines = { 0 };
	if (log->operations->keep_settings == NULL)
		return 0;
	must("settings",
	    settings_print(&lines, &turn->core, turn->events_through,
		clock_wall_at_0_ms()));
	int error = log->operations->keep_settings(
	    log, (struct span){ buffer_front(&lines), buffer_count(&lines) });
	buffer_release(&lines);
	if (error != ENOSPC)
		must("settings", error);
	return error;
}

enum refusal
turn_gate(struct turn *turn, const struct fact *fact)
{
	struct core *core = &turn->core;
	core_step(core, fact);
	if (core->refusal != REFUSAL_NONE)
		return core->refusal;
	if (keep_settings(turn) != 0) {
		pause_undo(core);
		core->refusal = REFUSAL_FULL;
		core->words = "no room on the disk to keep that";
		return core->refusal;
	}
	for (size_t i = 0; i < core->wish_count; i++)
		if (core->wishes[i].kind != WISH_SETTINGS)
			carry_out(
			    turn, &core->wishes[i], fact, (struct span){ 0 });
	return REFUSAL_NONE;
}

bool
turn_take_event_numbers(struct turn *turn, uint64_t through)
{
	uint64_t before = turn->events_through;
	turn->events_through = through;
	if (keep_settings(turn) == 0)
		return true;
	turn->events_through = before;
	return false;
}

enum durability
turn_durability(const struct turn *turn, struct span queue)
{
	const struct core *core = &turn->core;
	const struct lane *lane = lanes_find(&core->lanes, queue);
	if (lane != NULL)
		return lane->policy.durability;
	return core->policy_of(core->policy_context, queue).durability;
}

bool
turn_has_room(
    struct turn *turn, struct span queue, uint32_t jobs, uint64_t body_bytes)
{
	struct store *store = store_of(turn, turn_durability(turn, queue));
	return store->operations->has_room(store, jobs, body_bytes);
}

void
turn_wait(struct turn *turn)
{
	begin(turn);
}

/* ---- the end of a turn ---- */

static void
commit(struct turn *turn)
{
	bool relaxed = !turn->needs_sync || PLANTED(ANSWER_BEFORE_SYNC);
	turn->gathering = false;
	turn->needs_sync = false;
	turn->committing = true;
	turn->committing_next_id = turn->core.next_id;
	turn->committing_reserved_next_id = turn->reserved_next_id;
	turn->effects.batch_leaves(turn->effects.context);
	must("commit", turn->log->operations->commit(turn->log, relaxed));
}

/* A busy worker does not wait for the disk between two jobs. That it was given
 * one survives the death of this process: the next queue knows the run. */
static void
show(struct turn *turn)
{
	turn->shown = false;
	if (turn->log->operations->write != NULL)
		must("write", turn->log->operations->write(turn->log));
	turn->effects.show(turn->effects.context);
}

/* The wall clock is looked at in every turn: what waits for it is to be on time
 * however it is set. */
void
turn_look_at_clock(struct turn *turn, int64_t now_ms)
{
	struct fact fact = { .kind = FACT_CLOCK, .now_ms = now_ms };
	fact.clock.wall_ms = clock_wall_at_0_ms();
	if (fact.clock.wall_ms != turn->core.wall_ms)
		turn_step(turn, &fact, (struct span){ 0 });
}

void
turn_pass(struct turn *turn, int64_t now_ms)
{
	struct fact fact = { .kind = FACT_TIME, .now_ms = now_ms };
	turn_look_at_clock(turn, now_ms);
	if (core_wake_at(&turn->core) <= now_ms)
		turn_step(turn, &fact, (struct span){ 0 });
}

void
turn_end(struct turn *turn, int64_t now_ms)
{
	must("progress", turn->log->operations->progress(turn->log, now_ms));
	if (turn->shown)
		show(turn);
	if (turn->gathering && !turn->committing)
		commit(turn);
}

uint64_t
turn_upkeep_bytes(const struct turn *turn)
{
	const struct store *log = turn->log;
	return log->operations->upkeep_bytes != NULL
	    ? log->operations->upkeep_bytes(log)
	    : 0;
}

int64_t
turn_wake_at(const struct turn *turn)
{
	int64_t core_ms = core_wake_at(&turn->core);
	int64_t store_ms = turn->log->operations->wake_at(turn->log);
	return core_ms < store_ms ? core_ms : store_ms;
}
