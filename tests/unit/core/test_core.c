/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#include "base/units.h"
#include "core/verify.h"
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void
release(void)
{
	core_release(&core);
}

TestSuite(core, .init = begin, .fini = release);

static void
subscribe_holding(const char *queue, int64_t pid, int64_t incarnation,
    struct held *held, size_t count)
{
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = span_of(queue),
		.pid = pid,
		.incarnation = incarnation,
		.held = held,
		.held_count = count } });
}

static void
report(uint32_t subscriber, uint64_t id, uint32_t delivery)
{
	tell((struct fact){ .kind = FACT_RESULT,
	    .subscriber = subscriber,
	    .result = { .id = id,
		.delivery = delivery,
		.outcome = { .verdict = VERDICT_DONE } } });
}

/* ---- the step ---- */

Test(core, events_have_the_names_of_the_wire)
{
	static const char *const names[] = { "enqueued", "merged", "folded",
		"delivered", "done", "failed", "retried", "released",
		"returned", "dead", "overdue", "cancelled", "deleted",
		"revived", "paused", "resumed", "draining", "opened",
		"subscribed", "gone" };
	for (int i = 0; i < EVENT_COUNT; i++)
		cr_expect_str_eq(core_event_name((enum core_event)i), names[i]);
}

Test(core, an_event_that_is_none_has_no_name, .signal = SIGABRT)
{
	core_event_name(EVENT_COUNT);
}

Test(core, a_fact_that_is_none_ends_the_process, .signal = SIGABRT)
{
	tell((struct fact){ .kind = FACT_KIND_COUNT });
}

Test(core, time_never_goes_back, .signal = SIGABRT)
{
	pass(10);
	now_ms--;
	tell((struct fact){ .kind = FACT_TIME });
}

Test(core, ids_begin_above_zero, .signal = SIGABRT)
{
	core_init(&core, 0, 1, NULL, NULL);
}

Test(core, a_step_forgets_what_the_one_before_answered)
{
	answer(0, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	cr_expect_str_neq(core.words, "");
	pass(0);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	cr_expect_str_eq(core.words, "");
	enqueue("mail");
	pass(0);
	cr_expect_eq(core.answer, 0);
}

Test(core, a_broken_invariant_ends_the_process, .signal = SIGABRT)
{
	enqueue("mail");
	lane_named("mail")->counts[JOB_READY]++;
	core_step(&core, &(struct fact){ .kind = FACT_TIME, .now_ms = now_ms });
}

/* ---- producers ---- */

Test(core, ids_rise_over_all_queues)
{
	cr_expect_eq(enqueue("mail"), 1);
	cr_expect_eq(enqueue("sync"), 2);
	cr_expect_eq(enqueue("mail"), 3);
	cr_expect_eq(core.counters.enqueued, 3);
	cr_expect_eq(lane_named("mail")->enqueued, 2);
}

Test(core, a_new_job_is_saved_with_its_body_and_told)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 12,
		.priority = 3,
		.wall_ms = 99 } });
	cr_assert_eq(core.wish_count, 2);
	cr_expect_eq(core.wishes[0].kind, WISH_SAVE);
	cr_expect(core.wishes[0].with_body);
	cr_expect_eq(core.wishes[1].event, EVENT_ENQUEUED);
	const struct job *job = job_with(core.answer);
	cr_expect_eq(job->body_bytes, 12);
	cr_expect_eq(job->priority, 3);
	cr_expect_eq(job->enqueued_ms, 99);
	core_set_body(&core, core.wishes[0].job, 4);
	cr_expect_eq(job->body, 4);
}

static struct lane_policy
count_calls(const void *context, struct span queue)
{
	++*(unsigned *)(uintptr_t)context;
	cr_expect(span_is_text(queue, "mail"));
	return usual_policy;
}

Test(core, the_rules_of_a_queue_are_asked_for_once)
{
	unsigned calls = 0;
	core_release(&core);
	core_init(&core, 100, 1, count_calls, &calls);
	cr_expect_eq(enqueue("mail"), 100);
	enqueue("mail");
	subscribe("mail");
	cr_expect_eq(calls, 1);
}

#if MEMORY_CAN_FAIL
/* Tells a prepared core the fact, each time with a later failure, until there
 * is none; until then it is refused FULL, and the core is whole. Returns the
 * number of failures. */
static unsigned
fail_until_it_passes(void (*prepare)(void), struct fact fact)
{
	for (unsigned n = 1;; n++) {
		core_release(&core);
		begin();
		prepare();
		fact.now_ms = now_ms;
		fail_memory(n);
		core_step(&core, &fact);
		bool failed = memory_has_failed();
		fail_memory(0);
		const char *broken = verify_core(&core);
		cr_assert_null(broken, "%s", broken);
		if (!failed) {
			cr_assert_eq(core.refusal, REFUSAL_NONE);
			return n - 1;
		}
		cr_assert_eq(core.refusal, REFUSAL_FULL);
		cr_assert_str_neq(core.words, "");
		cr_assert_eq(core.wish_count, 0);
	}
}

/* Room for wishes is there from the first step on: one too many, and the
 * process ends. */
static void
one_worker_asks(void)
{
	ask(subscribe("other"), "other", 1);
}

static void
one_job_waits(void)
{
	enqueue("other");
}

Test(core, without_memory_an_enqueue_is_refused_and_leaves_nothing)
{
	unsigned failures = fail_until_it_passes(one_worker_asks,
	    (struct fact){ .kind = FACT_ENQUEUE,
		.enqueue = { .queue = SPAN_LITERAL("mail") } });
	cr_expect_geq(failures, 3);
	cr_expect_eq(core.jobs.slab.used, 1);
	cr_expect_eq(core.counters.enqueued, 1);
	cr_expect_eq(core.answer, 1);
}

Test(core, without_memory_for_its_own_terms_an_enqueue_is_refused)
{
	unsigned failures = fail_until_it_passes(one_job_waits,
	    (struct fact){ .kind = FACT_ENQUEUE,
		.enqueue = { .queue = SPAN_LITERAL("other"),
		    .terms = { .ttr_ms = 7 } } });
	cr_expect_geq(failures, 1);
	cr_expect_eq(core.jobs.slab.used, 2);
	cr_expect_eq(core.jobs.extras.used, 1);
}

Test(core, without_memory_a_subscribe_is_refused_and_leaves_nothing)
{
	unsigned failures = fail_until_it_passes(one_job_waits,
	    (struct fact){ .kind = FACT_SUBSCRIBE,
		.subscribe = { .queue = SPAN_LITERAL("mail"),
		    .pid = 9,
		    .incarnation = 1 } });
	cr_expect_geq(failures, 5);
	cr_expect_eq(core.demand.subscribers.used, 1);
	cr_expect_eq(core.demand.subscriptions.used, 1);
}

Test(core, without_memory_a_second_subscribe_leaves_the_first)
{
	unsigned failures = fail_until_it_passes(one_worker_asks,
	    (struct fact){ .kind = FACT_SUBSCRIBE,
		.subscriber = 1,
		.subscribe = { .queue = SPAN_LITERAL("sync") } });
	cr_expect_geq(failures, 1);
	cr_expect_eq(subscriber_at(&core.demand, 1)->subscription_count, 2);
	cr_expect_eq(demand_pending(lane_named("other")), 1);
}

Test(core, without_memory_for_a_living_worker_the_process_ends,
    .signal = SIGABRT)
{
	fail_memory(1);
	worker_up(1, 1);
}

Test(core, without_memory_to_find_a_delivery_again_the_process_ends,
    .signal = SIGABRT)
{
	uint32_t w = subscribe("mail");
	enqueue("mail");
	struct fact fact = { .kind = FACT_DEMAND,
		.now_ms = now_ms,
		.subscriber = w,
		.demand = { .queue = SPAN_LITERAL("mail"), .n = 1 } };
	fail_memory(1);
	core_step(&core, &fact);
}
#endif

/* ---- too many queues ---- */

static void
fill_queues(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "q%u", i);
		struct fact fact = { .kind = FACT_ENQUEUE,
			.now_ms = now_ms,
			.enqueue = { .queue = span_of(name) } };
		core_step(&core, &fact);
		cr_assert_eq(core.refusal, REFUSAL_NONE);
	}
}

/* In test builds every step walks through all there is, which makes thousands
 * of queues slow: so most of them are made without jobs, and at once. */
static void
fill_with_idle(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "idle%u", i);
		struct lane *lane =
		    lanes_add(&core.lanes, span_of(name), &usual_policy);
		cr_assert_not_null(lane);
		demand_init_lane(&core.demand, lane);
	}
}

Test(core, an_idle_queue_makes_room_and_a_busy_one_never)
{
	fill_queues(3);
	uint32_t waiting = subscribe("waiting");
	ask(waiting, "waiting", 1);
	fill_with_idle(LANES_MAX - 4);
	cr_assert_eq(core.lanes.slab.used, LANES_MAX);
	enqueue("new");
	cr_expect_null(lanes_find(&core.lanes, SPAN_LITERAL("idle0")));
	cr_expect_not_null(lanes_find(&core.lanes, SPAN_LITERAL("q0")));
	cr_expect_not_null(lanes_find(&core.lanes, SPAN_LITERAL("waiting")));
	/* Its demand stands. */
	enqueue("waiting");
	cr_expect_eq(count_wished(WISH_DELIVER), 1);
}

Test(core, when_every_queue_is_in_use_a_new_one_is_refused)
{
	struct lane *lane;
	fill_with_idle(LANES_MAX);
	while ((lane = TAILQ_FIRST(&core.lanes.idle)) != NULL) {
		uint32_t handle = jobs_add(&core.jobs, core.next_id++);
		struct job *job = job_at(&core.jobs, handle);
		job->lane = lane->handle;
		job_set_state(job, JOB_READY);
		lane_push_back(&core.jobs, lane, handle);
		lane->counts[JOB_READY]++;
		lanes_note(&core.lanes, lane);
	}
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("new") } });
	cr_expect_eq(core.refusal, REFUSAL_FULL);
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = { .queue = SPAN_LITERAL("new") } });
	cr_expect_eq(core.refusal, REFUSAL_FULL);
	cr_expect_eq(core.demand.subscribers.used, 0);
	enqueue("idle7");
}

Test(core, a_refused_subscribe_makes_no_queue)
{
	uint32_t w = subscribe("q");
	for (unsigned i = 1; i < SUBSCRIPTIONS_PER_PEER_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "q%u", i);
		subscribe_too(w, name);
	}
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscriber = w,
	    .subscribe = { .queue = SPAN_LITERAL("one-more") } });
	cr_expect_eq(core.refusal, REFUSAL_TOO_BIG);
	cr_expect_null(lanes_find(&core.lanes, SPAN_LITERAL("one-more")));
}

/* ---- demand ---- */

Test(core, demand_without_subscription_is_refused)
{
	uint32_t w = subscribe("mail");
	struct fact fact = { .kind = FACT_DEMAND,
		.subscriber = w,
		.demand = { .queue = SPAN_LITERAL("sync"), .n = 1 } };
	tell(fact);
	cr_expect_eq(core.refusal, REFUSAL_BAD_STATE);
	enqueue("sync");
	tell(fact);
	cr_expect_eq(core.refusal, REFUSAL_BAD_STATE);
	fact.subscriber = 0;
	tell(fact);
	cr_expect_eq(core.refusal, REFUSAL_BAD_STATE);
}

Test(core, demand_answers_what_is_pending)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 3);
	cr_expect_eq(core.answer, 3);
	ask(w, "mail", 2);
	cr_expect_eq(core.answer, 5);
	enqueue("mail");
	ask(w, "mail", 1);
	cr_expect_eq(core.answer, 5);
}

Test(core, demand_beyond_the_maximum_is_refused_and_changes_nothing)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", DEMAND_MAX);
	tell((struct fact){ .kind = FACT_DEMAND,
	    .subscriber = w,
	    .demand = { .queue = SPAN_LITERAL("mail"), .n = 1 } });
	cr_expect_eq(core.refusal, REFUSAL_TOO_BIG);
	cr_expect_eq(demand_pending(lane_named("mail")), DEMAND_MAX);
}

/* ---- answers ---- */

Test(core, an_answer_of_nobody_or_to_nothing_is_stale)
{
	uint32_t a = subscribe("mail"), b = subscribe("mail");
	ask(a, "mail", 1);
	uint64_t id = enqueue("mail");
	answer(0, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	answer(b, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	answer(a, 0, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	answer(a, 2, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	answer(a, (UINT64_C(1) << 32) + 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	cr_expect_eq(core.counters.stale, 5);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
}

Test(core, a_worker_cannot_say_that_it_died, .signal = SIGABRT)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 1);
	enqueue("mail");
	answer(w, 1, VERDICT_DIED);
}

Test(core, a_result_counts_for_its_owner_and_its_delivery_alone)
{
	uint32_t a = subscribe("mail"), b = subscribe("mail");
	ask(a, "mail", 1);
	uint64_t id = enqueue("mail");
	report(b, id, 1);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(0, id, 1);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(a, id, 2);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(a, id + 1, 1);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(a, id, 1);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	report(a, id, 1);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
}

Test(core, a_result_of_a_job_that_waits_is_stale)
{
	uint32_t a = subscribe("mail");
	ask(a, "mail", 1);
	uint64_t id = enqueue("mail");
	answer(a, 1, VERDICT_RELEASE);
	report(a, id, 1);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	cr_expect_eq(job_with(id)->state, JOB_READY);
}

Test(core, answers_come_in_any_order)
{
	uint32_t w = subscribe("mail");
	ask(w, "mail", 100);
	for (unsigned i = 0; i < 100; i++)
		enqueue("mail");
	for (unsigned i = 0; i < 100; i++) {
		unsigned msgid = i * 7 % 100 + 1;
		answer(w, msgid, VERDICT_DONE);
		cr_assert_eq(core.refusal, REFUSAL_NONE);
		cr_assert_eq(jobs_find(&core.jobs, msgid), 0);
	}
	cr_expect_eq(core.counters.done, 100);
}

/* ---- what is held ---- */

Test(core, held_jobs_stand_where_they_are_the_workers)
{
	worker_up(10, 1);
	uint32_t w = subscribe_worker("mail", 10, 1);
	ask(w, "mail", 2);
	enqueue("mail");
	enqueue("mail");
	enqueue("mail");
	uint32_t other = subscribe("sync");
	ask(other, "sync", 1);
	uint64_t of_another = enqueue("sync");
	gone(w);
	struct held held[] = { { 2, 1, false }, { 2, 1, false }, { 1, 2, true },
		{ 3, 0, true }, { 99, 1, true }, { of_another, 1, true } };
	subscribe_holding("mail", 10, 1, held, 6);
	cr_expect(held[0].stands);
	cr_expect(held[1].stands, "twice is once");
	cr_expect_not(held[2].stands, "another delivery");
	cr_expect_not(held[3].stands, "never delivered");
	cr_expect_not(held[4].stands, "no such job");
	cr_expect_not(held[5].stands, "another worker's");
	cr_expect_eq(job_with(of_another)->place, other);
	cr_expect_eq(job_with(1)->state, JOB_READY);
	cr_expect_eq(job_with(2)->state, JOB_RUNNING);
	cr_expect_eq(core.demand.subscribers.used, 2);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(core, an_adopted_job_is_answered_by_result_not_by_an_old_msgid)
{
	worker_up(10, 1);
	uint32_t w = subscribe_worker("mail", 10, 1);
	ask(w, "mail", 1);
	enqueue("mail");
	struct held held = { 1, 1, false };
	subscribe_holding("mail", 10, 1, &held, 1);
	uint32_t anew = (uint32_t)core.answer;
	cr_assert_neq(anew, w);
	answer(anew, 1, VERDICT_DONE);
	cr_expect_eq(core.refusal, REFUSAL_STALE);
	report(anew, 1, 1);
	cr_expect_eq(core.refusal, REFUSAL_NONE);
	gone(w);
	cr_expect_eq(core.demand.subscribers.used, 1);
}

Test(core, a_replaced_connection_cannot_subscribe_again)
{
	worker_up(10, 1);
	uint32_t w = subscribe_worker("mail", 10, 1);
	subscribe_worker("mail", 10, 1);
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscriber = w,
	    .subscribe = { .queue = SPAN_LITERAL("sync") } });
	cr_expect_eq(core.refusal, REFUSAL_BAD_STATE);
	gone(w);
}

/* ---- the supervisor ---- */

Test(core, a_dead_worker_is_known_by_pid_and_incarnation)
{
	worker_up(10, 1);
	worker_down(10, 1, false);
	tell((struct fact){ .kind = FACT_SUBSCRIBE,
	    .subscribe = {
		.queue = SPAN_LITERAL("mail"), .pid = 10, .incarnation = 1 } });
	cr_expect_eq(core.refusal, REFUSAL_BAD_STATE);
	subscribe_worker("mail", 10, 2);
	subscribe_worker("mail", 11, 1);
	subscribe_worker("mail", 10, 0);
}

Test(core, a_pid_and_incarnation_may_come_again_with_another_worker)
{
	worker_up(10, 1);
	worker_down(10, 1, false);
	worker_up(10, 1);
	subscribe_worker("mail", 10, 1);
}

Test(core, the_death_of_an_earlier_life_is_not_that_of_a_later)
{
	worker_up(10, 1);
	worker_up(10, 2);
	uint32_t w = subscribe_worker("mail", 10, 2);
	ask(w, "mail", 1);
	uint64_t id = enqueue("mail");
	worker_down(10, 1, false);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
	gone(w);
	pass(WORKER_SILENCE_MS);
	cr_assert_eq(count_wished(WISH_KILL), 1);
	cr_expect_eq(wished(WISH_KILL, 0)->pid, 10);
}

Test(core, a_worker_never_seen_may_die)
{
	worker_down(10, 1, false);
	cr_expect_eq(core.wish_count, 0);
}

Test(core, foreign_workers_are_no_matter_of_the_supervisor)
{
	uint32_t w = subscribe_worker("mail", 10, 0);
	ask(w, "mail", 1);
	uint64_t id = enqueue("mail");
	worker_down(10, 0, false);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
}

Test(core, a_supervised_worker_without_jobs_is_not_waited_for)
{
	worker_up(10, 1);
	gone(subscribe_worker("mail", 10, 1));
	cr_expect_eq(core.demand.subscribers.used, 0);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(core, many_silent_workers_are_acted_on_in_their_order)
{
	uint32_t workers[20];
	for (int i = 0; i < 20; i++) {
		worker_up(100 + i, 1);
		workers[i] = subscribe_worker("mail", 100 + i, 1);
		ask(workers[i], "mail", 1);
		enqueue("mail");
	}
	for (int i = 0; i < 20; i++) {
		now_ms += 10;
		gone(workers[i]);
	}
	int64_t first_ms = now_ms - 190 + WORKER_SILENCE_MS;
	cr_expect_eq(core_wake_at(&core), first_ms);
	pass(WORKER_SILENCE_MS - 100);
	cr_assert_eq(count_wished(WISH_KILL), 10);
	for (unsigned i = 0; i < 10; i++)
		cr_expect_eq(wished(WISH_KILL, i)->pid, 100 + i);
	cr_expect_eq(core_wake_at(&core), first_ms + 100);
	for (int i = 0; i < 20; i++)
		worker_down(100 + i, 1, false);
	cr_expect_eq(lane_named("mail")->counts[JOB_READY], 20);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(core, wakes_for_whatever_comes_first)
{
	worker_up(10, 1);
	uint32_t w = subscribe_worker("mail", 10, 1);
	ask(w, "mail", 3);
	for (int i = 0; i < 3; i++)
		enqueue("mail");
	struct fact fact = { .kind = FACT_ANSWER,
		.subscriber = w,
		.answer = { .msgid = 1,
		    .outcome = { .verdict = VERDICT_RETRY,
			.delay_ms = WORKER_SILENCE_MS + 1 } } };
	tell(fact);
	cr_expect_eq(core_wake_at(&core), now_ms + WORKER_SILENCE_MS + 1);
	fact.answer.outcome.delay_ms = WORKER_SILENCE_MS - 1;
	gone(w);
	cr_expect_eq(core_wake_at(&core), now_ms + WORKER_SILENCE_MS);
	uint32_t other = subscribe("sync");
	ask(other, "sync", 1);
	enqueue("sync");
	fact.subscriber = other;
	fact.answer.msgid = 1;
	tell(fact);
	cr_expect_eq(core_wake_at(&core), now_ms + WORKER_SILENCE_MS - 1);
}

static void
restore_due(uint64_t id, int64_t at_ms)
{
	struct fact fact = { .kind = FACT_RESTORE,
		.now_ms = now_ms,
		.restore = { .queue = SPAN_LITERAL("mail"),
		    .job = {
			.id = id, .state = JOB_DELAYED, .at_ms = at_ms } } };
	core_step(&core, &fact);
}

Test(core, many_that_are_due_become_ready_some_at_a_time)
{
	const unsigned count = 2 * DUE_JOBS_PER_STEP_MAX + 1;
	for (unsigned id = 1; id <= count; id++)
		restore_due(id, now_ms - count + id);
	restore_due(count + 1, now_ms + 1);
	uint32_t w = subscribe("mail");
	ask(w, "mail", 1);
	struct lane *lane = lane_named("mail");
	cr_expect_leq(core_wake_at(&core), now_ms);
	pass(0);
	cr_expect_eq(job_with(1)->state, JOB_RUNNING);
	cr_expect_eq(lane->counts[JOB_READY], DUE_JOBS_PER_STEP_MAX - 1);
	cr_expect_leq(core_wake_at(&core), now_ms);
	pass(0);
	cr_expect_leq(core_wake_at(&core), now_ms);
	pass(0);
	cr_expect_eq(lane->counts[JOB_READY], count - 1);
	cr_expect_eq(core_wake_at(&core), now_ms + 1);
	for (uint32_t id = 2, handle = lane_first(lane); id <= count;
	     id++, handle = lane_after(&core.jobs, lane, handle))
		cr_assert_eq(job_at(&core.jobs, handle)->id, id);
}

Test(core, silence_is_acted_on_beside_many_that_are_due)
{
	worker_up(10, 1);
	uint32_t w = subscribe_worker("mail", 10, 1);
	ask(w, "mail", 1);
	enqueue("mail");
	gone(w);
	for (unsigned i = 0; i <= DUE_JOBS_PER_STEP_MAX; i++)
		restore_due(10 + i, now_ms);
	pass(WORKER_SILENCE_MS);
	cr_expect_eq(count_wished(WISH_KILL), 1);
	cr_expect_leq(core_wake_at(&core), now_ms);
}

/* ---- the store ---- */

Test(core, a_restored_job_is_as_it_was_saved)
{
	struct fact fact = { .kind = FACT_RESTORE,
		.restore = { .queue = SPAN_LITERAL("mail"),
		    .job = { .id = 41,
			.body = 5,
			.enqueued_ms = 6,
			.at_ms = 5000,
			.body_bytes = 7,
			.delivery = 9,
			.attempt = 2,
			.priority = 3,
			.state = JOB_DELAYED,
			.next = 1,
			.previous = 2,
			.place = 3,
			.lease = 4,
			.extras = 5,
			.newer = 6,
			.older = 7 },
		    .reason = SPAN_LITERAL("exit 1") } };
	tell(fact);
	const struct job *job = job_with(41);
	cr_expect_eq(job->body, 5);
	cr_expect_eq(job->enqueued_ms, 6);
	cr_expect_eq(job->at_ms, 5000);
	cr_expect_eq(job->body_bytes, 7);
	cr_expect_eq(job->delivery, 9);
	cr_expect_eq(job->attempt, 2);
	cr_expect_eq(job->priority, 3);
	cr_expect_eq(job->state, JOB_DELAYED);
	cr_expect_str_eq(job_reason(&core.jobs, job), "exit 1");
	cr_expect_eq(core.wish_count, 0);
	cr_expect_eq(enqueue("mail"), 42);
}

static void
restore(uint64_t id)
{
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = id, .state = JOB_READY } } });
}

Test(core, a_job_cannot_be_restored_twice, .signal = SIGABRT)
{
	restore(3);
	restore(3);
}

Test(core, a_job_without_id_cannot_be_restored, .signal = SIGABRT)
{
	restore(0);
}

Test(core, restored_ids_below_the_next_one_do_not_lower_it)
{
	restore(7);
	restore(3);
	cr_expect_eq(enqueue("mail"), 8);
}

/* ---- chance ---- */

/* A long life of facts by chance: nothing is lost, nothing doubled, and every
 * invariant holds after every step (tell sees to that). */
struct life {
	struct random random;
	uint32_t workers[6];
	int64_t incarnation[6];
};

static const char *const queues[] = { "mail", "sync", "thumb" };

static unsigned
choose(struct life *life, unsigned count)
{
	return (unsigned)(random_next(&life->random) % count);
}

static int64_t
pid_of(unsigned worker)
{
	return 100 + worker;
}

/* Half of them are supervised. */
static void
connect_one(struct life *life, unsigned i)
{
	bool supervised = i % 2 == 0;
	if (supervised && life->incarnation[i] == 0)
		worker_up(pid_of(i), life->incarnation[i] = 1);
	struct held held[4];
	for (unsigned k = 0; k < 4; k++)
		held[k] =
		    (struct held){ .id = core.next_id - 1 - choose(life, 30),
			    .delivery = 1 + choose(life, 2) };
	subscribe_holding(queues[choose(life, 3)], pid_of(i),
	    supervised ? life->incarnation[i] : 0, held, 4);
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	life->workers[i] = (uint32_t)core.answer;
}

static void
kill_one(struct life *life, unsigned i)
{
	if (life->incarnation[i] == 0)
		return;
	worker_down(pid_of(i), life->incarnation[i], choose(life, 2) == 0);
	worker_up(pid_of(i), ++life->incarnation[i]);
}

static void
answer_some(struct life *life, uint32_t worker)
{
	uint32_t handle = subscriber_at(&core.demand, worker)->running.head;
	for (unsigned skip = choose(life, 3); skip > 0 && handle != 0; skip--)
		handle = job_at(&core.jobs, handle)->next;
	if (handle == 0)
		return;
	const struct job *job = job_at(&core.jobs, handle);
	struct outcome outcome = { .verdict = choose(life, 2) == 0
		    ? VERDICT_DONE
		    : (enum verdict)choose(life, VERDICT_DIED),
		.delay_ms = choose(life, 3) * 100 };
	const struct lease *lease = job_lease(&core.jobs, job);
	struct fact fact = { .kind = FACT_RESULT,
		.subscriber = worker,
		.result = { job->id, job->delivery, outcome } };
	if (lease->msgid != 0 && choose(life, 2) == 0)
		fact = (struct fact){ .kind = FACT_ANSWER,
			.subscriber = worker,
			.answer = { lease->msgid, outcome } };
	tell(fact);
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

/* Where it has not subscribed it is refused. */
static void
ask_everywhere(uint32_t worker, uint32_t n)
{
	for (unsigned i = 0; i < 3; i++)
		tell((struct fact){ .kind = FACT_DEMAND,
		    .subscriber = worker,
		    .demand = { .queue = span_of(queues[i]), .n = n } });
}

static void
live_one_step(struct life *life)
{
	unsigned i = choose(life, 6);
	const char *queue = queues[choose(life, 3)];
	switch (choose(life, 16)) {
	case 0:
	case 1:
	case 2:
		enqueue_sized(queue, (uint8_t)(choose(life, 4) * 80),
		    choose(life, 2) * HELD_BYTES_MAX / 3);
		break;
	case 3:
		pass(choose(life, 400));
		break;
	case 4:
		kill_one(life, i);
		break;
	case 5:
		if (life->workers[i] != 0)
			gone(life->workers[i]);
		life->workers[i] = 0;
		break;
	case 6:
		if (life->workers[i] == 0)
			connect_one(life, i);
		else
			tell((struct fact){ .kind = FACT_SUBSCRIBE,
			    .subscriber = life->workers[i],
			    .subscribe = { .queue = span_of(queue) } });
		break;
	case 7:
	case 8:
		ask_everywhere(life->workers[i], 1 + choose(life, 3));
		break;
	default:
		if (life->workers[i] != 0)
			answer_some(life, life->workers[i]);
		break;
	}
}

Test(core, a_long_life_of_chance_loses_and_doubles_nothing)
{
	uint64_t done = 0, died = 0, released = 0;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct life life = { .random = { seed } };
		begin();
		for (unsigned i = 0; i < 3000; i++)
			live_one_step(&life);
		const struct counters *counters = &core.counters;
		cr_assert_eq(
		    counters->enqueued, counters->done + core.jobs.slab.used);
		uint64_t dead = 0, running = 0;
		for (unsigned i = 0; i < 3; i++) {
			dead += lane_named(queues[i])->counts[JOB_DEAD];
			running += lane_named(queues[i])->counts[JOB_RUNNING];
		}
		cr_assert_eq(counters->dead, dead);
		/* Every delivery ended in exactly one way, or runs. */
		cr_assert_eq(counters->delivered,
		    counters->done + counters->failed + counters->retried +
			counters->released + counters->died + running);
		done += counters->done;
		died += counters->died;
		released += counters->released;
		core_release(&core);
	}
	/* It was a life. */
	cr_expect_gt(done, 1000);
	cr_expect_gt(died, 1000);
	cr_expect_gt(released, 500);
	begin();
}

/* ---- a time of the wall clock ---- */

static void
set_wall(int64_t wall_ms)
{
	tell((struct fact){
	    .kind = FACT_CLOCK, .clock = { .wall_ms = wall_ms - now_ms } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
}

static uint64_t
enqueue_at(int64_t due_wall_ms)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.due_wall_ms = due_wall_ms } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return core.answer;
}

static enum job_state
state_of(uint64_t id)
{
	return (enum job_state)job_with(id)->state;
}

Test(core, a_job_for_a_time_of_the_wall_clock_is_never_early)
{
	set_wall(1000000);
	uint64_t id = enqueue_at(1005000);
	cr_expect_eq(state_of(id), JOB_DELAYED);
	pass(4999);
	cr_expect_eq(state_of(id), JOB_DELAYED);
	pass(1);
	cr_expect_eq(state_of(id), JOB_READY);
	cr_expect_eq(job_with(id)->at_ms, now_ms);
}

Test(core, a_clock_that_is_set_makes_it_earlier_or_later)
{
	set_wall(1000000);
	uint64_t id = enqueue_at(1005000);
	pass(4000);
	set_wall(1001000);
	pass(3999);
	cr_expect_eq(state_of(id), JOB_DELAYED);
	cr_expect_eq(core_wake_at(&core), now_ms + 1);
	set_wall(2000000);
	cr_expect_leq(core_wake_at(&core), now_ms);
	pass(0);
	cr_expect_eq(state_of(id), JOB_READY);
}

Test(core, a_time_that_has_passed_is_at_once)
{
	set_wall(1000000);
	cr_expect_eq(state_of(enqueue_at(999000)), JOB_READY);
	cr_expect_eq(state_of(enqueue_at(1000000)), JOB_READY);
	cr_expect_eq(core.result, ENQUEUE_NEW);
}

/* A delay is none of the wall clock's business. */
Test(core, a_clock_that_is_set_cuts_no_delay_short)
{
	set_wall(1000000);
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.delay_ms = 1000 } });
	uint64_t id = core.answer;
	set_wall(1000000 + DAY_MS);
	pass(999);
	cr_expect_eq(state_of(id), JOB_DELAYED);
	set_wall(1000000 - DAY_MS);
	pass(1);
	cr_expect_eq(state_of(id), JOB_READY);
}

Test(core, the_earlier_of_two_times_counts_for_one_key)
{
	set_wall(1000000);
	struct fact fact = { .kind = FACT_ENQUEUE,
		.enqueue = { .queue = SPAN_LITERAL("mail"),
		    .key = SPAN_LITERAL("42"),
		    .mode = KEY_COALESCE,
		    .due_wall_ms = 1009000 } };
	tell(fact);
	uint64_t id = core.answer;
	fact.enqueue.due_wall_ms = 0;
	fact.enqueue.delay_ms = 5000;
	tell(fact);
	cr_expect_eq(core.result, ENQUEUE_MERGED);
	cr_expect_not(job_with(id)->by_wall);
	cr_expect_eq(core_wake_at(&core), now_ms + 5000);
	fact.enqueue.due_wall_ms = 1003000;
	tell(fact);
	cr_expect(job_with(id)->by_wall);
	cr_expect_eq(core_wake_at(&core), now_ms + 3000);
	fact.enqueue.due_wall_ms = 1004000;
	tell(fact);
	cr_expect_eq(core_wake_at(&core), now_ms + 3000);
	fact.enqueue.due_wall_ms = 1;
	tell(fact);
	cr_expect_eq(state_of(id), JOB_READY);
}
