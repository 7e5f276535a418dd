/* SPDX-License-Identifier: MIT */
#include "core/steer.h"

#include "support.h"

#include <criterion/criterion.h>

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(steer, .init = begin, .fini = end_core);

static enum refusal
steer(enum fact_kind kind, uint64_t id)
{
	tell((struct fact){ .kind = kind, .steer = { .id = id } });
	return core.refusal;
}

static uint64_t
enqueue_key(const char *key, enum key_mode mode, int64_t delay_ms)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.delay_ms = delay_ms,
		.key = span_of(key),
		.mode = mode } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return core.answer;
}

static uint64_t
enqueue_later(int64_t delay_ms)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.delay_ms = delay_ms } });
	return core.answer;
}

static uint32_t
asks_for(uint32_t n)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", n);
	return worker;
}

static enum job_state
state_of(uint64_t id)
{
	uint32_t handle = jobs_find(&core.jobs, id);
	return handle != 0 ? (enum job_state)job_at(&core.jobs, handle)->state
			   : JOB_NONE;
}

/* A dead one, with a run and a crash on its record. */
static uint64_t
make_dead(uint64_t id, uint32_t worker)
{
	job_with(id)->crashes = 1;
	answer(worker, lease_of(id)->msgid, VERDICT_DEAD);
	cr_assert_eq(state_of(id), JOB_DEAD);
	return id;
}

/* A job in each state, the same for all tests: 1 runs, 2 is blocked behind it,
 * 3 is ready, 4 delayed, 5 dead. */
static uint32_t
one_of_each(void)
{
	uint32_t w = asks_for(1);
	enqueue_key("42", KEY_SERIAL, 0);
	enqueue_key("42", KEY_SERIAL, 0);
	enqueue("mail");
	enqueue_later(5000);
	struct fact fact = { .kind = FACT_RESTORE };
	fact.restore.queue = SPAN_LITERAL("mail");
	fact.restore.job = (struct job){
		.id = 5, .state = JOB_DEAD, .hints = 1, .cause = CAUSE_REJECTED
	};
	tell(fact);
	cr_assert_eq(state_of(1), JOB_RUNNING);
	cr_assert_eq(state_of(2), JOB_BLOCKED);
	cr_assert_eq(state_of(3), JOB_READY);
	cr_assert_eq(state_of(4), JOB_DELAYED);
	return w;
}

/* ---- what may be done in which state ---- */

static const struct row {
	enum fact_kind kind;
	enum refusal running, blocked, ready, delayed, dead;
} rows[] = {
	{ FACT_CANCEL, REFUSAL_NONE, REFUSAL_NONE, REFUSAL_NONE, REFUSAL_NONE,
	    REFUSAL_BAD_STATE },
	{ FACT_DELETE, REFUSAL_BAD_STATE, REFUSAL_NONE, REFUSAL_NONE,
	    REFUSAL_NONE, REFUSAL_NONE },
	{ FACT_REVIVE, REFUSAL_BAD_STATE, REFUSAL_BAD_STATE, REFUSAL_BAD_STATE,
	    REFUSAL_NONE, REFUSAL_NONE },
	{ FACT_TOUCH, REFUSAL_NONE, REFUSAL_BAD_STATE, REFUSAL_BAD_STATE,
	    REFUSAL_BAD_STATE, REFUSAL_BAD_STATE },
};

Test(steer, every_state_allows_what_the_table_says)
{
	end_core();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const enum refusal wanted[] = { rows[i].running,
			rows[i].blocked, rows[i].ready, rows[i].delayed,
			rows[i].dead };
		begin();
		one_of_each();
		for (uint64_t id = 5; id >= 1; id--) {
			enum job_state before = state_of(id);
			enum refusal said = steer(rows[i].kind, id);
			cr_expect_eq(said, wanted[id - 1], "%d of %d",
			    (int)rows[i].kind, (int)id);
			if (said == REFUSAL_NONE)
				continue;
			cr_expect_eq(core.wish_count, 0);
			cr_expect_eq(state_of(id), before);
			cr_expect_neq(core.words[0], '\0');
		}
		end_core();
	}
	begin();
}

Test(steer, what_never_was_and_what_is_gone_are_not_found)
{
	uint32_t w = asks_for(1);
	enqueue("mail");
	answer(w, 1, VERDICT_DONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_expect_eq(steer(rows[i].kind, 1), REFUSAL_NOT_FOUND);
		cr_expect_str_eq(core.words, "no such job any more");
		cr_expect_eq(steer(rows[i].kind, 99), REFUSAL_NOT_FOUND);
		cr_expect_str_eq(core.words, "no such job");
	}
}

/* ---- cancel ---- */

static void
expect_gone(uint64_t id, enum core_event event)
{
	cr_expect_eq(state_of(id), JOB_NONE);
	const struct wish *told = wished(WISH_TELL, 0);
	const struct wish *forget = wished(WISH_FORGET, 0);
	cr_assert_not_null(told);
	cr_assert_not_null(forget);
	cr_expect_eq(told->event, event);
	cr_expect_eq(told->id, id);
	cr_expect_eq(told->job, 0, "it cannot be read any more");
	cr_expect_eq(forget->id, id);
}

Test(steer, cancelled_a_job_that_waits_is_gone)
{
	one_of_each();
	for (uint64_t id = 2; id <= 4; id++) {
		steer(FACT_CANCEL, id);
		expect_gone(id, EVENT_CANCELLED);
		cr_expect_eq(core.answer, 0);
	}
	cr_expect_eq(core.counters.cancelled, 3);
	cr_expect_eq(core_wake_at(&core), INT64_MAX, "no delay is left");
}

Test(steer, cancelled_a_job_that_runs_is_stopped_and_never_runs_again)
{
	uint32_t w = asks_for(2);
	uint64_t id = enqueue("mail");
	steer(FACT_CANCEL, id);
	cr_expect_eq(core.answer, 1, "it is being stopped");
	cr_expect_eq(count_wished(WISH_STOP), 1);
	cr_expect_eq(core.counters.cancelled, 0);
	answer(w, 1, VERDICT_FAIL);
	expect_gone(id, EVENT_CANCELLED);
	cr_expect_eq(core.counters.cancelled, 1);
	cr_expect_eq(core.counters.failed, 0);
	cr_expect_eq(demand_pending(lane_named("mail")), 1);
}

Test(steer, cancelled_and_done_in_time_it_is_done)
{
	uint32_t w = asks_for(1);
	uint64_t id = enqueue("mail");
	steer(FACT_CANCEL, id);
	answer(w, 1, VERDICT_DONE);
	expect_gone(id, EVENT_DONE);
	cr_expect_eq(core.counters.cancelled, 0);
}

Test(steer, cancelled_its_worker_may_die_too)
{
	uint32_t w = asks_for(1);
	uint64_t id = enqueue("mail");
	steer(FACT_CANCEL, id);
	gone(w);
	cr_expect_eq(state_of(id), JOB_NONE);
	cr_expect_eq(core.counters.cancelled, 1);
	cr_expect_eq(core.counters.died, 0);
}

Test(steer, who_held_the_turn_of_a_key_leaves_it_to_the_next)
{
	uint64_t first = enqueue_key("42", KEY_SERIAL, 0);
	uint64_t second = enqueue_key("42", KEY_SERIAL, 0);
	asks_for(1);
	uint32_t w = asks_for(1);
	cr_assert_eq(state_of(first), JOB_RUNNING);
	steer(FACT_CANCEL, first);
	cr_expect_eq(state_of(second), JOB_BLOCKED, "its run is not over");
	answer(1, lease_of(first)->msgid, VERDICT_FAIL);
	cr_expect_eq(state_of(second), JOB_RUNNING);
	cr_expect_eq(job_with(second)->place, w);
}

Test(steer, deleted_a_ready_job_leaves_its_key_and_the_next_runs_at_once)
{
	uint64_t first = enqueue_key("42", KEY_SERIAL, 0);
	uint64_t second = enqueue_key("42", KEY_SERIAL, 0);
	steer(FACT_DELETE, first);
	expect_gone(first, EVENT_DELETED);
	cr_expect_eq(state_of(second), JOB_READY);
	cr_expect_eq(core.counters.deleted, 1);
}

Test(steer, after_the_last_job_of_a_key_an_enqueue_is_new)
{
	static const enum fact_kind kinds[] = { FACT_CANCEL, FACT_DELETE };
	for (size_t i = 0; i < 2; i++) {
		uint64_t id = enqueue_key("42", KEY_COALESCE, 0);
		steer(kinds[i], id);
		cr_expect_neq(enqueue_key("42", KEY_COALESCE, 0), id);
		cr_expect_eq(core.result, ENQUEUE_NEW);
		steer(FACT_DELETE, core.answer);
		cr_expect_eq(
		    core.keys.slab.used, 0, "and the key is forgotten");
	}
}

Test(steer, a_queue_without_its_last_job_is_idle)
{
	uint64_t id = enqueue("mail");
	steer(FACT_DELETE, id);
	cr_expect(lane_named("mail")->idle);
}

/* ---- delete ---- */

Test(steer, deleted_a_dead_job_is_gone_from_its_list)
{
	uint32_t w = asks_for(2);
	uint64_t id = make_dead(enqueue("mail"), w);
	steer(FACT_DELETE, id);
	expect_gone(id, EVENT_DELETED);
	cr_expect_eq(lane_named("mail")->counts[JOB_DEAD], 0);
	cr_expect_eq(lane_named("mail")->dead.head, 0);
}

Test(steer, an_id_of_before_means_the_job_that_it_was_folded_into)
{
	uint32_t w = asks_for(1);
	uint64_t first = enqueue_key("42", KEY_COALESCE, 0);
	uint64_t second = enqueue_key("42", KEY_COALESCE, 0);
	answer(w, 1, VERDICT_FAIL);
	cr_assert_eq(jobs_resolve(&core.jobs, second),
	    jobs_resolve(&core.jobs, first), "they are one");
	cr_expect_eq(steer(FACT_DELETE, second), REFUSAL_NONE);
	cr_expect_eq(state_of(first), JOB_NONE);
}

/* ---- revive ---- */

Test(steer, revived_a_dead_job_begins_anew)
{
	uint32_t w = asks_for(1);
	uint64_t id = make_dead(enqueue("mail"), w);
	cr_expect_eq(steer(FACT_REVIVE, id), REFUSAL_NONE);
	const struct job *job = job_with(id);
	cr_expect_eq(core.answer, id);
	cr_expect_eq(job->state, JOB_READY);
	cr_expect_eq(job->attempt, 0);
	cr_expect_eq(job->crashes, 0);
	cr_expect_eq(job->cause, CAUSE_NONE);
	cr_expect_eq(job->delivery, 1, "the fence goes on");
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	cr_expect_eq(wished(WISH_TELL, 0)->event, EVENT_REVIVED);
	cr_expect_eq(core.counters.revived, 1);
}

Test(steer, revived_it_meets_whoever_asks)
{
	uint32_t w = asks_for(2);
	uint64_t id = make_dead(enqueue("mail"), w);
	steer(FACT_REVIVE, id);
	cr_expect_eq(state_of(id), JOB_RUNNING);
	cr_expect_eq(job_with(id)->attempt, 1);
	cr_expect_eq(job_with(id)->delivery, 2);
}

Test(steer, revived_it_has_all_its_crashes_again)
{
	static struct lane_policy policy;
	end_core();
	policy = usual_policy;
	policy.max_crashes = 2;
	begin_with(&policy);
	uint32_t w = asks_for(1);
	uint64_t id = enqueue("mail");
	gone(w);
	w = asks_for(1);
	gone(w);
	cr_assert_eq(state_of(id), JOB_DEAD);
	cr_assert_eq(job_with(id)->cause, CAUSE_POISON);
	steer(FACT_REVIVE, id);
	w = asks_for(1);
	gone(w);
	cr_expect_eq(state_of(id), JOB_READY, "one of two");
}

Test(steer, revived_a_delayed_job_is_tried_now_and_keeps_its_attempts)
{
	uint32_t w = asks_for(1);
	uint64_t id = enqueue("mail");
	answer(w, 1, VERDICT_FAIL);
	cr_assert_eq(state_of(id), JOB_DELAYED);
	cr_expect_eq(steer(FACT_REVIVE, id), REFUSAL_NONE);
	cr_expect_eq(state_of(id), JOB_READY);
	cr_expect_eq(job_with(id)->attempt, 1);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(steer, revived_it_waits_behind_who_has_the_turn_of_its_key)
{
	uint32_t w = asks_for(2);
	uint64_t id = make_dead(enqueue_key("42", KEY_SERIAL, 0), w);
	enqueue_key("42", KEY_SERIAL, 0);
	steer(FACT_REVIVE, id);
	cr_expect_eq(state_of(id), JOB_BLOCKED);
}

Test(steer, revived_it_becomes_one_with_who_waits_with_its_key)
{
	uint32_t w = asks_for(1);
	uint64_t dead = make_dead(enqueue_key("42", KEY_COALESCE, 0), w);
	uint64_t waiting = enqueue_key("42", KEY_COALESCE, 0);
	cr_expect_eq(steer(FACT_REVIVE, dead), REFUSAL_NONE);
	cr_expect_eq(core.answer, waiting);
	cr_expect_eq(state_of(dead), JOB_NONE);
	cr_expect_eq(job_with(waiting)->hints, 2);
	cr_expect_eq(
	    jobs_resolve(&core.jobs, dead), jobs_find(&core.jobs, waiting));
	cr_expect_eq(core.counters.revived, 1);
}

Test(steer, revived_it_is_what_waits_with_its_key_from_now_on)
{
	uint32_t w = asks_for(1);
	uint64_t dead = make_dead(enqueue_key("42", KEY_COALESCE, 0), w);
	steer(FACT_REVIVE, dead);
	cr_expect_eq(enqueue_key("42", KEY_COALESCE, 0), dead);
	cr_expect_eq(core.result, ENQUEUE_MERGED);
}

static bool
has_no_room(void *context, uint32_t lane, uint32_t body_bytes)
{
	(void)context, (void)lane, (void)body_bytes;
	return false;
}

Test(steer, without_room_to_become_one_both_stay)
{
	uint32_t w = asks_for(1);
	uint64_t dead = make_dead(enqueue_key("42", KEY_COALESCE, 0), w);
	uint64_t waiting = enqueue_key("42", KEY_COALESCE, 0);
	lane_named("mail")->policy.merge = MERGE_APPEND;
	core.has_room = has_no_room;
	cr_expect_eq(steer(FACT_REVIVE, dead), REFUSAL_FULL);
	cr_expect_eq(core.wish_count, 0);
	cr_expect_eq(state_of(dead), JOB_DEAD);
	cr_expect_eq(state_of(waiting), JOB_READY);
	cr_expect_eq(core.counters.revived, 0);
}

/* ---- touch ---- */

static enum refusal
touch_as(uint32_t subscriber, uint64_t id, uint32_t delivery)
{
	tell((struct fact){ .kind = FACT_TOUCH,
	    .subscriber = subscriber,
	    .touch = { .id = id, .delivery = delivery, .ttr_ms = 5000 } });
	return core.refusal;
}

Test(steer, touched_by_a_worker_only_its_own_run_gets_time)
{
	uint32_t w = asks_for(1), other = asks_for(1);
	uint64_t id = enqueue("mail");
	uint32_t runner = job_with(id)->place;
	uint32_t bystander = runner == w ? other : w;
	cr_expect_eq(touch_as(runner, id, 1), REFUSAL_NONE);
	cr_expect_eq(lease_of(id)->end_ms, now_ms + 5000);
	pass(1000);
	int64_t end_ms = lease_of(id)->end_ms;
	cr_expect_eq(touch_as(bystander, id, 1), REFUSAL_STALE);
	cr_expect_eq(touch_as(runner, id, 2), REFUSAL_STALE);
	cr_expect_eq(touch_as(0, id, 1), REFUSAL_STALE);
	cr_expect_eq(lease_of(id)->end_ms, end_ms);
	cr_expect_eq(core.counters.stale, 3);
}

Test(steer, touched_without_a_delivery_whichever_run_it_is_gets_time)
{
	asks_for(1);
	uint64_t id = enqueue("mail");
	cr_expect_eq(touch_as(0, id, 0), REFUSAL_NONE);
	cr_expect_eq(lease_of(id)->end_ms, now_ms + 5000);
}
