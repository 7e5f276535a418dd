/* SPDX-License-Identifier: MIT */
#include "queue/turn.h"

#include "sys/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A store and effects that write down what is asked of them, in order: "begin
 * put 1 tell enqueued commit". The store completes a commit when it is told
 * to.
 */

static char story[4096];
static struct store fake;   /* the log */
static struct store memory; /* the same operations, another owner */
static struct turn turn;
static bool completes_at_once;
static bool has_room;
static int failing_update;
static char bodies[200002][2];

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	va_list arguments;
	size_t used = strlen(story);
	if (used > 0)
		story[used++] = ' ';
	va_start(arguments, format);
	vsnprintf(story + used, sizeof(story) - used, format, arguments);
	va_end(arguments);
}

/* What happened since the last look. */
static const char *
happened(void)
{
	static char copy[sizeof(story)];
	memcpy(copy, story, sizeof(story));
	story[0] = '\0';
	return copy;
}

static int
fake_load(
    struct store *store, uint64_t *ret_next_id, char *reason, size_t bytes)
{
	(void)store, (void)reason, (void)bytes;
	*ret_next_id = 1;
	return 0;
}

static int
fake_begin(struct store *store)
{
	(void)store;
	note("begin");
	return 0;
}

static bool
fake_has_room(struct store *store, uint32_t jobs, uint64_t bytes)
{
	(void)store, (void)jobs, (void)bytes;
	return has_room;
}

static int
fake_put(struct store *store, const struct record *record, struct span body,
    uint64_t *ret_body)
{
	(void)store;
	uint64_t id = record->job->id;
	note(record->note == NOTE_ATTEMPT ? "certify %d of %d" : "put %d",
	    (int)id, (int)record->note_of);
	if (record->note == NOTE_NONE)
		memcpy(bodies[id], body.bytes, body.count);
	*ret_body = id;
	return 0;
}

static int
fake_reserve_ids(struct store *store, uint64_t next_id)
{
	cr_assert_eq(store, &fake);
	note("reserve %d", (int)next_id);
	return 0;
}

static int
fake_update(struct store *store, const struct record *record)
{
	(void)store;
	note("update %d", (int)record->job->id);
	return failing_update;
}

static int
fake_replace(struct store *store, const struct record *record, struct span body,
    uint64_t old_body, uint32_t old_body_bytes, uint64_t *ret_body)
{
	(void)store, (void)old_body_bytes;
	uint64_t id = record->job->id;
	note("replace %d \"%.*s\"", (int)id, (int)body.count, body.bytes);
	cr_assert_eq(old_body, id);
	memcpy(bodies[id], body.bytes, body.count);
	*ret_body = id;
	return 0;
}

static int
fake_delete(struct store *store, uint64_t id, uint64_t body, uint32_t bytes)
{
	(void)store, (void)bytes;
	note("delete %d", (int)id);
	cr_assert_eq(body, id);
	return 0;
}

static int
fake_write(struct store *store)
{
	cr_assert_eq(store, &fake);
	note("write");
	return 0;
}

static int
fake_commit(struct store *store, bool relaxed)
{
	cr_assert_eq(store, &fake);
	note(relaxed ? "commit-relaxed" : "commit");
	if (completes_at_once)
		store->owner.committed(store->owner.context, 0);
	return 0;
}

static int
fake_body(struct store *store, uint64_t body, uint32_t body_bytes,
    struct span *ret_body)
{
	(void)store;
	*ret_body = (struct span){ bodies[body], body_bytes };
	return 0;
}

static int
fake_progress(struct store *store, int64_t now_ms)
{
	(void)store, (void)now_ms;
	return 0;
}

static int64_t
fake_wake_at(const struct store *store)
{
	(void)store;
	return INT64_MAX;
}

static const struct store_operations fake_operations = {
	.load = fake_load,
	.begin = fake_begin,
	.has_room = fake_has_room,
	.put = fake_put,
	.replace = fake_replace,
	.reserve_ids = fake_reserve_ids,
	.update = fake_update,
	.delete = fake_delete,
	.write = fake_write,
	.commit = fake_commit,
	.body = fake_body,
	.progress = fake_progress,
	.wake_at = fake_wake_at,
};

static void
on_deliver(void *context, uint32_t subscriber, uint32_t job, struct span body,
    bool kept)
{
	(void)context, (void)subscriber;
	note("deliver %d \"%.*s\" %s", (int)job_at(&turn.core.jobs, job)->id,
	    (int)body.count, body.bytes, kept ? "kept" : "new");
}

static void
on_stop(void *context, const struct wish *wish)
{
	(void)context;
	note("stop %d", (int)wish->id);
}

static void
on_kill(void *context, const struct wish *wish)
{
	(void)context;
	note("kill %d", (int)wish->pid);
}

static void
on_cut_off(void *context, const struct wish *wish)
{
	(void)context;
	note("cut off %d", (int)wish->subscriber);
}

static void
on_tell(void *context, const struct wish *wish)
{
	(void)context;
	note("tell %s", core_event_name(wish->event));
}

static void
on_show(void *context)
{
	(void)context;
	note("show");
}

static void
on_leaves(void *context)
{
	(void)context;
	note("leaves");
}

static void
on_committed(void *context)
{
	(void)context;
	note("committed");
}

static struct lane_policy
policy_of(const void *context, struct span queue)
{
	(void)context;
	struct lane_policy policy = { .max_attempts = 3 };
	durability_parse(queue, &policy.durability);
	return policy;
}

static void
set_up(void)
{
	static const struct turn_effects effects = {
		.deliver = on_deliver,
		.stop = on_stop,
		.kill = on_kill,
		.cut_off = on_cut_off,
		.tell = on_tell,
		.show = on_show,
		.batch_leaves = on_leaves,
		.batch_committed = on_committed,
	};
	char reason[64];
	fake.operations = &fake_operations;
	memory.operations = &fake_operations;
	completes_at_once = has_room = true;
	cr_assert_eq(turn_init(&turn, &fake, &memory, &effects, 1, policy_of,
			 NULL, reason, sizeof(reason)),
	    0);
}

static void
tear_down(void)
{
	turn_release(&turn);
}

TestSuite(turn, .init = set_up, .fini = tear_down);

static void
enqueue_into(const char *queue, const char *body)
{
	struct fact fact = { .kind = FACT_ENQUEUE, .now_ms = 1 };
	fact.enqueue.queue = span_of(queue);
	fact.enqueue.body_bytes = (uint32_t)strlen(body);
	cr_assert_eq(turn_step(&turn, &fact, span_of(body)), REFUSAL_NONE);
}

static void
enqueue(const char *body)
{
	enqueue_into("q", body);
}

static uint32_t
subscribe_to(const char *queue)
{
	struct fact fact = { .kind = FACT_SUBSCRIBE, .now_ms = 1 };
	fact.subscribe.queue = span_of(queue);
	cr_assert_eq(turn_step(&turn, &fact, (struct span){ 0 }), REFUSAL_NONE);
	return (uint32_t)turn.core.answer;
}

static uint32_t
subscribe(void)
{
	return subscribe_to("q");
}

static void
ask_of(const char *queue, uint32_t subscriber, uint32_t n)
{
	struct fact fact = {
		.kind = FACT_DEMAND, .now_ms = 1, .subscriber = subscriber
	};
	fact.demand.queue = span_of(queue);
	fact.demand.n = n;
	cr_assert_eq(turn_step(&turn, &fact, (struct span){ 0 }), REFUSAL_NONE);
}

static void
ask(uint32_t subscriber, uint32_t n)
{
	ask_of("q", subscriber, n);
}

static enum refusal
answer_done(uint32_t subscriber, uint64_t msgid)
{
	struct fact fact = {
		.kind = FACT_ANSWER, .now_ms = 1, .subscriber = subscriber
	};
	fact.answer.msgid = msgid;
	return turn_step(&turn, &fact, (struct span){ 0 });
}

static void
complete(int error)
{
	fake.owner.committed(fake.owner.context, error);
}

Test(turn, all_changes_of_a_turn_are_one_batch)
{
	enqueue("a");
	enqueue("b");
	cr_assert_str_eq(
	    happened(), "begin put 1 tell enqueued put 2 tell enqueued");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
}

Test(turn, a_turn_without_a_change_commits_nothing)
{
	subscribe();
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "tell subscribed");
}

Test(turn, a_change_is_in_the_batch_before_it_is_told)
{
	uint32_t worker = subscribe();
	ask(worker, 1);
	happened();
	enqueue("a");
	cr_assert_str_eq(happened(),
	    "begin put 1 tell enqueued update 1 deliver 1 \"a\" new "
	    "tell delivered");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
	cr_assert_eq(answer_done(worker, 1), REFUSAL_NONE);
	cr_assert_str_eq(happened(), "tell done begin delete 1");
}

Test(turn, the_next_batch_gathers_while_one_is_on_its_way)
{
	completes_at_once = false;
	enqueue("a");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "begin put 1 tell enqueued leaves commit");
	enqueue("b");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "begin put 2 tell enqueued");
	complete(0);
	cr_assert_str_eq(happened(), "committed");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit");
	complete(0);
	cr_assert_str_eq(happened(), "committed");
}

Test(turn, a_job_is_kept_from_the_commit_of_its_own_batch_on)
{
	completes_at_once = false;
	uint32_t worker = subscribe();
	enqueue("a");
	turn_end(&turn, 1);
	enqueue("b");
	complete(0);
	happened();
	ask(worker, 2);
	cr_assert_str_eq(happened(),
	    "update 1 deliver 1 \"a\" kept tell delivered "
	    "update 2 deliver 2 \"b\" new tell delivered");
}

Test(turn, what_a_busy_worker_gets_is_shown_before_the_sync)
{
	uint32_t worker = subscribe();
	enqueue("a");
	turn_end(&turn, 1);
	happened();
	ask(worker, 1);
	happened();
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "write show leaves commit committed");
	completes_at_once = false;
	enqueue("b");
	turn_end(&turn, 1); /* on its way */
	enqueue("c");
	complete(0);
	happened();
	ask(worker, 1); /* b, while c gathers */
	turn.committing = true;
	happened();
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "write show");
}

Test(turn, a_job_is_not_kept_while_its_batch_is_on_its_way)
{
	completes_at_once = false;
	uint32_t worker = subscribe();
	enqueue("a");
	turn_end(&turn, 1);
	happened();
	ask(worker, 1);
	cr_assert_str_eq(
	    happened(), "begin update 1 deliver 1 \"a\" new tell delivered");
}

Test(turn, waiting_makes_a_batch_of_its_own)
{
	turn_wait(&turn);
	turn_wait(&turn);
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "begin leaves commit-relaxed committed");
}

Test(turn, a_stale_answer_changes_nothing)
{
	uint32_t worker = subscribe();
	happened();
	cr_assert_eq(answer_done(worker, 7), REFUSAL_STALE);
	cr_assert_str_eq(happened(), "");
}

static void
answer_failed(uint32_t subscriber, uint64_t msgid)
{
	struct fact fact = {
		.kind = FACT_ANSWER, .now_ms = 1, .subscriber = subscriber
	};
	fact.answer.msgid = msgid;
	fact.answer.outcome =
	    (struct outcome){ .verdict = VERDICT_FAIL, .delay_ms = 0 };
	cr_assert_eq(turn_step(&turn, &fact, (struct span){ 0 }), REFUSAL_NONE);
}

Test(turn, what_an_attempt_ended_of_is_kept_with_what_becomes_of_its_job)
{
	uint32_t worker = subscribe();
	ask(worker, 1);
	enqueue("a");
	turn_end(&turn, 1);
	happened();
	answer_failed(worker, 1);
	cr_assert_str_eq(
	    happened(), "tell failed begin update 1 certify 2 of 1");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
	struct record record;
	cr_assert(fake.owner.find(fake.owner.context, 2, &record));
	cr_expect_eq(record.note, NOTE_ATTEMPT);
	cr_expect_eq(record.note_of, 1);
	cr_expect_gt(record.job->body_bytes, 0);
	fake.owner.moved(fake.owner.context, 2, 9);
	cr_assert(fake.owner.find(fake.owner.context, 2, &record));
	cr_expect_eq(record.job->body, 9);
	enqueue("b");
	cr_expect_eq(turn.core.answer, 3, "its id is its own");
}

Test(turn, where_there_is_no_room_the_job_goes_on_without_certificate)
{
	struct record record;
	uint32_t worker = subscribe();
	ask(worker, 1);
	enqueue("a");
	turn_end(&turn, 1);
	happened();
	has_room = false;
	answer_failed(worker, 1);
	cr_assert_str_eq(happened(), "tell failed begin update 1");
	cr_expect_not(fake.owner.find(fake.owner.context, 2, &record));
	cr_expect_eq(turn.core.attempts.slab.used, 0);
}

Test(turn, a_certificate_is_restored_to_its_job)
{
	struct job job = { .id = 1,
		.state = JOB_DEAD,
		.cause = CAUSE_EXHAUSTED,
		.delivery = 1,
		.attempt = 1 };
	struct record record = { .job = &job, .queue = SPAN_LITERAL("q") };
	fake.owner.restore(fake.owner.context, &record);
	struct job it = {
		.id = 2, .state = JOB_READY, .body = 77, .body_bytes = 60
	};
	record = (struct record){ .job = &it,
		.note = NOTE_ATTEMPT,
		.note_of = 1,
		.queue = SPAN_LITERAL("-") };
	fake.owner.restore(fake.owner.context, &record);
	const struct core *core = &turn.core;
	const struct attempt_list *list =
	    job_attempts(&core->jobs, job_at(&core->jobs, core->jobs.oldest));
	cr_assert(list != NULL && list->count == 1);
	cr_expect_eq(attempt_at(&core->attempts, list->first)->body, 77);
	cr_expect_eq(attempt_at(&core->attempts, list->first)->note, 2);
}

Test(turn, the_store_says_whether_there_is_room)
{
	struct span queue = SPAN_LITERAL("q");
	cr_assert(turn_has_room(&turn, queue, 1, 10));
	has_room = false;
	cr_assert(!turn_has_room(&turn, queue, 1, 10));
}

Test(turn, the_store_can_find_a_job_and_move_its_body)
{
	struct record record;
	enqueue("a");
	cr_assert(fake.owner.find(fake.owner.context, 1, &record));
	cr_assert_eq(record.job->id, 1);
	cr_assert(span_is_text(record.queue, "q"));
	cr_assert(!fake.owner.find(fake.owner.context, 2, &record));
	fake.owner.moved(fake.owner.context, 1, 9);
	memcpy(bodies[9], "z", 1);
	cr_assert(span_is_text(turn_body(&turn, record.job), "z"));
}

Test(turn, a_failed_change_ends_the_process, .exit_code = 74)
{
	uint32_t worker = subscribe();
	enqueue("a");
	failing_update = EIO;
	ask(worker, 1);
}

Test(turn, a_failed_commit_ends_the_process, .exit_code = 74)
{
	completes_at_once = false;
	enqueue("a");
	turn_end(&turn, 1);
	complete(EIO);
}

/* ---- durability ---- */

Test(turn, the_durability_of_a_queue_is_told_before_it_exists)
{
	cr_assert_eq(
	    turn_durability(&turn, SPAN_LITERAL("q")), DURABILITY_SYNC);
	cr_assert_eq(turn_durability(&turn, SPAN_LITERAL("relaxed")),
	    DURABILITY_RELAXED);
	enqueue_into("memory", "a");
	cr_assert_eq(
	    turn_durability(&turn, SPAN_LITERAL("memory")), DURABILITY_MEMORY);
}

Test(turn, a_batch_of_relaxed_changes_need_not_be_synced)
{
	enqueue_into("relaxed", "first"); /* reserves ids, once for many */
	turn_end(&turn, 1);
	happened();
	enqueue_into("relaxed", "a");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(),
	    "begin put 2 tell enqueued leaves commit-relaxed committed");
	enqueue_into("relaxed", "b");
	enqueue("c");
	enqueue_into("relaxed", "d");
	happened();
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
	enqueue_into("relaxed", "e");
	happened();
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit-relaxed committed");
}

Test(turn, changes_in_memory_wait_for_nothing)
{
	uint32_t worker = subscribe_to("memory");
	enqueue_into("memory", "a"); /* reserves ids */
	turn_end(&turn, 1);
	happened();
	enqueue_into("memory", "b");
	ask_of("memory", worker, 2);
	cr_assert_str_eq(happened(),
	    "put 2 tell enqueued update 1 deliver 1 \"a\" kept "
	    "tell delivered update 2 deliver 2 \"b\" kept tell delivered");
	cr_assert_eq(answer_done(worker, 1), REFUSAL_NONE);
	cr_assert_str_eq(happened(), "tell done delete 1");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "");
}

Test(turn, ids_of_relaxed_jobs_are_reserved_as_the_power_may_take_them)
{
	enqueue_into("relaxed", "a");
	cr_assert_str_eq(
	    happened(), "begin reserve 100001 put 1 tell enqueued");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
}

Test(turn, ids_of_jobs_in_memory_are_reserved_in_the_log)
{
	enqueue_into("memory", "a");
	cr_assert_str_eq(
	    happened(), "begin reserve 100001 put 1 tell enqueued");
	turn_end(&turn, 1);
	cr_assert_str_eq(happened(), "leaves commit committed");
	turn.core.next_id = 100000;
	enqueue_into("memory", "b");
	happened();
	turn.core.next_id = 100001;
	enqueue_into("memory", "c");
	cr_assert_str_eq(
	    happened(), "begin reserve 200001 put 100001 tell enqueued");
}

Test(turn, a_job_in_memory_is_not_shown_before_its_id_is_reserved_for_good)
{
	uint32_t worker = subscribe_to("memory");
	completes_at_once = false;
	enqueue_into("memory", "a"); /* reserves ids */
	turn_end(&turn, 1);
	happened();
	ask_of("memory", worker, 3); /* the batch is still on its way */
	cr_assert_str_eq(
	    happened(), "update 1 begin deliver 1 \"a\" new tell delivered");
	cr_assert(turn.gathering);
	fake.owner.committed(fake.owner.context, 0);
	completes_at_once = true;
	turn_end(&turn, 2);
	happened();
	enqueue_into("memory", "b");
	cr_assert_str_eq(happened(),
	    "put 2 tell enqueued update 2 deliver 2 \"b\" kept tell delivered");
	cr_assert_not(turn.gathering);
}

/* It may run yet, and be kept anew: by a clock that is set back then. */
Test(turn, what_expired_before_the_machine_began_keeps_its_time)
{
	const int64_t expires_wall_ms = 1000000; /* in 1970 */
	const struct job job = {
		.id = 1, .state = JOB_RUNNING, .attempt = 1, .delivery = 1
	};
	const struct record record = { .job = &job,
		.queue = SPAN_LITERAL("sync"),
		.expires_wall_ms = expires_wall_ms };
	fake.owner.restore(fake.owner.context, &record);
	const struct jobs *jobs = &turn.core.jobs;
	const struct job *restored = job_at(jobs, jobs_find(jobs, 1));
	int64_t wall_ms =
	    job_terms(jobs, restored).expires_at_ms + clock_wall_at_0_ms();
	cr_expect_lt(llabs(wall_ms - expires_wall_ms), 1000);
}
