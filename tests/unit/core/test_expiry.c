/* SPDX-License-Identifier: MIT */
#include "core/expiry.h"

#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(expiry, .init = begin, .fini = end_core);

/* Of use for so long; 0: for ever. */
static uint64_t
enqueue_for(int64_t life_ms, int64_t delay_ms, const char *key)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.delay_ms = delay_ms,
		.key = span_of(key),
		.mode = *key != '\0' ? KEY_COALESCE : KEY_MODE_COUNT,
		.terms.expires_at_ms = life_ms > 0 ? now_ms + life_ms : 0 } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return core.answer;
}

static void
expect_expired(uint64_t id)
{
	const struct job *job = job_with(id);
	cr_expect_eq(job->state, JOB_DEAD);
	cr_expect_eq(job->cause, CAUSE_EXPIRED);
	cr_expect_eq(job_terms(&core.jobs, job).expires_at_ms, 0);
}

Test(expiry, a_job_that_has_not_begun_in_time_is_dead)
{
	uint64_t ready = enqueue_for(1000, 0, "");
	uint64_t delayed = enqueue_for(1000, 5000, "");
	uint64_t other = enqueue_for(0, 0, "");
	pass(999);
	cr_expect_eq(job_with(ready)->state, JOB_READY);
	cr_expect_eq(core_wake_at(&core), now_ms + 1);
	pass(1);
	expect_expired(ready);
	expect_expired(delayed);
	cr_expect_eq(job_with(other)->state, JOB_READY);
	cr_expect_eq(count_wished(WISH_SAVE), 2);
	cr_expect_eq(core.counters.expired, 2);
	cr_expect_eq(core.counters.dead, 2);
	cr_expect_neq(*job_reason(&core.jobs, job_with(ready)), '\0');
	cr_expect_eq(lane_named("mail")->counts[JOB_DEAD], 2);
}

Test(expiry, what_runs_runs_on_and_may_be_done)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue_for(1000, 0, "");
	ask(worker, "mail", 1);
	pass(5000);
	cr_expect_eq(job_with(id)->state, JOB_RUNNING);
	answer(worker, 1, VERDICT_DONE);
	cr_expect_eq(jobs_find(&core.jobs, id), 0);
	cr_expect_eq(core.counters.expired, 0);
}

Test(expiry, whatever_else_ends_the_run_ends_the_job)
{
	static const enum verdict verdicts[] = { VERDICT_FAIL, VERDICT_RETRY,
		VERDICT_RELEASE };
	uint32_t worker = subscribe("mail");
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t id = enqueue_for(1000, 0, "");
		ask(worker, "mail", 1);
		pass(1000);
		answer(worker, i + 1, verdicts[i]);
		expect_expired(id);
	}
	/* And of one that dies of something else that is told. */
	uint64_t id = enqueue_for(1000, 0, "");
	ask(worker, "mail", 1);
	pass(1000);
	answer(worker, 4, VERDICT_DEAD);
	cr_expect_eq(job_with(id)->cause, CAUSE_REJECTED);
}

Test(expiry, one_that_waits_for_its_next_attempt_expires_in_time)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue_for(500, 0, "");
	ask(worker, "mail", 1);
	answer(worker, 1, VERDICT_FAIL);
	cr_assert_eq(job_with(id)->state, JOB_DELAYED);
	pass(500);
	expect_expired(id);
}

Test(expiry, of_two_that_become_one_the_longer_counts)
{
	uint64_t id = enqueue_for(1000, 0, "42");
	cr_expect_eq(enqueue_for(3000, 0, "42"), id);
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	cr_expect_eq(enqueue_for(2000, 0, "42"), id);
	cr_expect_eq(count_wished(WISH_SAVE), 0);
	pass(2999);
	cr_expect_eq(job_with(id)->state, JOB_READY);
	cr_expect_eq(enqueue_for(0, 0, "42"), id);
	cr_expect_eq(count_wished(WISH_SAVE), 1);
	pass(100000);
	cr_expect_eq(job_with(id)->state, JOB_READY);
	cr_expect_eq(core_wake_at(&core), INT64_MAX);
}

Test(expiry, who_stood_behind_it_has_the_turn)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.key = SPAN_LITERAL("42"),
		.mode = KEY_SERIAL,
		.terms.expires_at_ms = now_ms + 1000 } });
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.key = SPAN_LITERAL("42"),
		.mode = KEY_SERIAL } });
	uint64_t second = core.answer;
	cr_assert_eq(job_with(second)->state, JOB_BLOCKED);
	uint32_t worker = subscribe("mail");
	pass(1000);
	cr_expect_eq(job_with(second)->state, JOB_READY);
	ask(worker, "mail", 1);
	cr_expect_eq(job_with(second)->state, JOB_RUNNING);
	/* And a blocked one leaves its line. */
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.key = SPAN_LITERAL("42"),
		.mode = KEY_SERIAL,
		.terms.expires_at_ms = now_ms + 1000 } });
	uint64_t third = core.answer;
	cr_assert_eq(job_with(third)->state, JOB_BLOCKED);
	pass(1000);
	expect_expired(third);
}

/* What has come in meanwhile is read before the time is told. */
Test(expiry, nobody_is_given_what_is_about_to_expire)
{
	uint32_t worker = subscribe("mail");
	uint64_t over = enqueue_for(1000, 0, "");
	uint64_t good = enqueue_for(0, 0, "");
	now_ms += 1000;
	ask(worker, "mail", 1);
	cr_expect_eq(job_with(over)->delivery, 0);
	cr_expect_eq(job_with(good)->state, JOB_READY);
	pass(0);
	expect_expired(over);
	cr_expect_eq(job_with(good)->state, JOB_RUNNING);
}

Test(expiry, one_that_is_retried_is_of_use_for_ever)
{
	uint64_t id = enqueue_for(1000, 0, "");
	pass(1000);
	expect_expired(id);
	tell((struct fact){ .kind = FACT_REVIVE, .steer = { .id = id } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	pass(100000);
	cr_expect_eq(job_with(id)->state, JOB_READY);
}

Test(expiry, deleted_or_done_it_is_forgotten)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue_for(1000, 0, "");
	tell((struct fact){ .kind = FACT_DELETE, .steer = { .id = id } });
	enqueue_for(1000, 0, "");
	ask(worker, "mail", 1);
	answer(worker, 1, VERDICT_DONE);
	cr_expect_eq(core.expiries.count, 0);
	cr_expect_eq(core.jobs.extras.used, 0);
}

Test(expiry, many_expire_a_thousand_a_step)
{
	for (int i = 0; i < 2500; i++)
		enqueue_for(1000, 0, "");
	pass(1000);
	cr_expect_eq(core.counters.expired, 1000);
	cr_expect_leq(core_wake_at(&core), now_ms);
	pass(0);
	pass(0);
	cr_expect_eq(core.counters.expired, 2500);
}

Test(expiry, it_is_restored_with_its_time)
{
	struct fact fact = { .kind = FACT_RESTORE, .now_ms = now_ms };
	fact.restore.queue = SPAN_LITERAL("mail");
	fact.restore.job =
	    (struct job){ .id = 7, .state = JOB_READY, .priority = 128 };
	fact.restore.terms.expires_at_ms = now_ms + 10;
	tell(fact);
	fact.restore.job.id = 8;
	fact.restore.terms.expires_at_ms = 1;
	tell(fact);
	tell((struct fact){ .kind = FACT_RESTORED });
	pass(0);
	expect_expired(8);
	cr_expect_eq(job_with(7)->state, JOB_READY);
	pass(10);
	expect_expired(7);
}
