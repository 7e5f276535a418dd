/* SPDX-License-Identifier: MIT */
#include "core/autopsy.h"

#include "base/units.h"
#include "support.h"

#include <criterion/criterion.h>

static void
end_core(void)
{
	core_release(&core);
}

TestSuite(autopsy, .init = begin, .fini = end_core);

static const struct lane_policy patient = { .max_attempts = 100 };

/* What the store would have: where a CERTIFY is carried out, its handle. */
static void
keep_all(void)
{
	const struct wish *wish;
	for (unsigned i = 0; (wish = wished(WISH_CERTIFY, i)) != NULL; i++)
		core_set_attempt(&core, wish->certificate, wish->id * 3);
}

/* What the n-th CERTIFY of the last step says. */
static struct certificate
certified(unsigned n)
{
	const struct wish *wish = wished(WISH_CERTIFY, n);
	struct certificate certificate;
	cr_assert_not_null(wish);
	cr_assert(certificate_read(
	    (struct span){ buffer_front(&core.certificates) + wish->words_at,
		wish->words_bytes },
	    &certificate));
	return certificate;
}

static const struct attempt_list *
kept_of(uint64_t id)
{
	static const struct attempt_list none;
	const struct attempt_list *list =
	    job_attempts(&core.jobs, job_with(id));
	return list != NULL ? list : &none;
}

static void
answer_with(uint32_t worker, uint64_t msgid, struct outcome outcome)
{
	tell((struct fact){ .kind = FACT_ANSWER,
	    .subscriber = worker,
	    .answer = { .msgid = msgid, .outcome = outcome } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	keep_all();
}

/* One attempt of the only job; the n-th of that worker, from 1. */
static void
fail_once(uint32_t worker, uint64_t n)
{
	ask(worker, "mail", 1);
	answer_with(worker, n, (struct outcome){ .verdict = VERDICT_FAIL });
}

/* ---- what it says ---- */

Test(autopsy, a_failure_is_certified)
{
	uint32_t worker = subscribe_worker("mail", 4712, 0);
	ask(worker, "mail", 1);
	uint64_t id = enqueue("mail");
	core.wall_ms = 1767225600000;
	pass(1500);
	struct outcome outcome = { .verdict = VERDICT_FAIL,
		.reason = SPAN_LITERAL("exit status 3"),
		.remains = { .known = REMAINS_EXIT | REMAINS_CPU,
		    .exit = 3,
		    .cpu_ms = 20,
		    .errors = SPAN_LITERAL("oh dear") } };
	answer_with(worker, 1, outcome);
	struct certificate certificate = certified(0);
	cr_expect_eq(certificate.verdict, VERDICT_FAIL);
	cr_expect_eq(certificate.attempt, 1);
	cr_expect_eq(certificate.delivery, 1);
	cr_expect(span_is_text(certificate.worker, "w"));
	cr_expect_eq(certificate.worker_pid, 4712);
	cr_expect(span_is_text(certificate.reason, "exit status 3"));
	cr_expect_eq(certificate.remains.known,
	    REMAINS_EXIT | REMAINS_CPU | REMAINS_DURATION);
	cr_expect_eq(certificate.remains.exit, 3);
	cr_expect_eq(certificate.remains.cpu_ms, 20);
	cr_expect_eq(certificate.remains.duration_ms, 1500);
	cr_expect(span_is_text(certificate.remains.errors, "oh dear"));
	cr_expect_eq(certificate.began_wall_ms, core.wall_ms + now_ms - 1500);
	cr_expect_eq(kept_of(id)->count, 1);
}

Test(autopsy, a_reason_ends_where_the_one_of_the_job_does)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	uint64_t id = enqueue("mail");
	answer_with(worker, 1,
	    (struct outcome){
		.verdict = VERDICT_FAIL, .reason = SPAN_LITERAL("why\0\xff") });
	cr_expect(span_is_text(certified(0).reason, "why"));
	cr_expect_str_eq(job_reason(&core.jobs, job_with(id)), "why");
}

/* First what becomes of the job, then what it ended of. */
Test(autopsy, the_job_is_saved_before_its_certificate)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	uint64_t id = enqueue("mail");
	answer(worker, 1, VERDICT_FAIL);
	const struct wish *save = wished(WISH_SAVE, 0);
	const struct wish *certify = wished(WISH_CERTIFY, 0);
	cr_assert(save != NULL && certify != NULL);
	cr_expect_lt(save, certify);
	cr_expect_eq(certify->id, id + 1);
	cr_expect_eq(job_at(&core.jobs, certify->job)->id, id);
	keep_all();
	cr_expect_gt(enqueue("mail"), id + 1, "its id is not used again");
}

Test(autopsy, its_worker_knows_best_how_long_it_took)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	enqueue("mail");
	pass(5000);
	answer_with(worker, 1,
	    (struct outcome){ .verdict = VERDICT_FAIL,
		.remains = { .known = REMAINS_DURATION, .duration_ms = 70 } });
	cr_expect_eq(certified(0).remains.duration_ms, 70);
	cr_expect_eq(certified(0).began_wall_ms, core.wall_ms + now_ms - 70);
}

Test(autopsy, no_run_takes_longer_than_anybody_means)
{
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	enqueue("mail");
	pass(DURATION_MS_MAX + 1);
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_FAIL });
	cr_expect_eq(certified(0).remains.duration_ms, DURATION_MS_MAX);
}

Test(autopsy, each_verdict_that_says_something_about_the_job_is_certified)
{
	static const struct {
		enum verdict verdict;
		bool certified;
	} rows[] = {
		{ VERDICT_DONE, false },
		{ VERDICT_FAIL, true },
		{ VERDICT_RETRY, true },
		{ VERDICT_DEAD, true },
		{ VERDICT_RELEASE, false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint32_t worker = subscribe("mail");
		ask(worker, "mail", 1);
		enqueue("mail");
		answer_with(worker, 1,
		    (struct outcome){
			.verdict = rows[i].verdict, .delay_ms = 1000000 });
		cr_expect_eq(
		    count_wished(WISH_CERTIFY), rows[i].certified, "%zu", i);
		if (rows[i].certified)
			cr_expect_eq(certified(0).verdict, rows[i].verdict);
		core_release(&core);
		begin();
	}
	cr_expect_not(autopsy_is_due(VERDICT_CANCELLED));
	cr_expect_not(autopsy_is_due(VERDICT_COUNT));
}

Test(autopsy, who_died_with_a_job_stands_in_its_certificate)
{
	worker_up(50, 1);
	uint32_t worker = subscribe_worker("mail", 50, 1);
	ask(worker, "mail", 2);
	uint64_t one = enqueue("mail"), other = enqueue("mail");
	pass(10);
	tell((struct fact){ .kind = FACT_WORKER_DOWN,
	    .worker_down = { .pid = 50,
		.incarnation = 1,
		.reason = SPAN_LITERAL("signal 11 (SEGV)"),
		.remains = {
		    .known = REMAINS_SIGNAL, .signal = 11, .core = true } } });
	keep_all();
	cr_assert_eq(count_wished(WISH_CERTIFY), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct certificate certificate = certified(i);
		cr_expect_eq(certificate.verdict, VERDICT_DIED);
		cr_expect_eq(certificate.remains.signal, 11);
		cr_expect(certificate.remains.core);
		cr_expect_eq(certificate.remains.duration_ms, 10);
		cr_expect_eq(certificate.worker_pid, 50);
		cr_expect(span_is_text(certificate.reason, "signal 11 (SEGV)"));
	}
	cr_expect_eq(kept_of(one)->count, 1);
	cr_expect_eq(kept_of(other)->count, 1);
}

Test(autopsy, a_planned_end_of_a_worker_says_nothing_about_its_job)
{
	worker_up(50, 1);
	uint32_t worker = subscribe_worker("mail", 50, 1);
	ask(worker, "mail", 1);
	enqueue("mail");
	worker_down(50, 1, true);
	cr_expect_eq(count_wished(WISH_CERTIFY), 0);
}

/* When a run began that an earlier queue gave out is not known; its worker may
 * know. */
Test(autopsy, a_run_of_before_has_no_beginning)
{
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = 1,
		    .state = JOB_RUNNING,
		    .delivery = 4,
		    .attempt = 2 } } });
	tell((struct fact){
	    .kind = FACT_RESTORED, .restored = { .everything_died = true } });
	pass(RETURN_GRACE_MS);
	keep_all();
	struct certificate certificate = certified(0);
	cr_expect_eq(certificate.verdict, VERDICT_LOST);
	cr_expect_eq(certificate.attempt, 2);
	cr_expect_eq(certificate.delivery, 4);
	cr_expect_eq(certificate.worker.count, 0);
	cr_expect_eq(certificate.worker_pid, 0);
	cr_expect_eq(certificate.began_wall_ms, 0);
	cr_expect_eq(certificate.remains.known, 0);
}

Test(autopsy, a_run_whose_time_was_over_says_so_and_how_it_ended)
{
	static const struct lane_policy hasty = {
		.max_attempts = 3, .ttr_ms = 1000, .ttr_grace_ms = 100
	};
	core_release(&core);
	begin_with(&hasty);
	uint32_t worker = subscribe("mail");
	ask(worker, "mail", 1);
	enqueue("mail");
	pass(1000);
	answer_with(worker, 1,
	    (struct outcome){ .verdict = VERDICT_FAIL,
		.reason = SPAN_LITERAL("killed by signal 15 (TERM)"),
		.remains = { .known = REMAINS_SIGNAL, .signal = 15 } });
	cr_expect_eq(certified(0).verdict, VERDICT_TIMEOUT);
	cr_expect_eq(certified(0).remains.signal, 15);
	cr_expect(
	    span_is_text(certified(0).reason, "killed by signal 15 (TERM)"));
}

/* ---- how long it is kept ---- */

Test(autopsy, the_last_ten_are_kept)
{
	core_release(&core);
	begin_with(&patient);
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	for (uint64_t n = 1; n <= ATTEMPTS_KEPT; n++) {
		fail_once(worker, n);
		cr_expect_eq(kept_of(id)->count, n);
		cr_expect_eq(count_wished(WISH_FORGET_NOTE), 0);
	}
	uint64_t first = attempt_at(&core.attempts, kept_of(id)->first)->note;
	fail_once(worker, ATTEMPTS_KEPT + 1);
	cr_expect_eq(kept_of(id)->count, ATTEMPTS_KEPT);
	const struct wish *wish = wished(WISH_FORGET_NOTE, 0);
	cr_assert_not_null(wish);
	cr_expect_eq(wish->id, first);
	cr_expect_eq(wish->body, first * 3);
	cr_expect_gt(wish->body_bytes, 0);
	cr_expect_not(wish->in_memory);
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), 1);
	cr_expect_eq(certified(0).attempt, ATTEMPTS_KEPT + 1);
}

static void
expect_forgotten(unsigned count)
{
	cr_expect_eq(count_wished(WISH_FORGET), 1);
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), count);
	cr_expect_eq(core.attempts.slab.used, 0);
	cr_expect_eq(core.attempts.bytes, 0);
}

Test(autopsy, what_is_done_is_forgotten_with_all_that_it_failed_of)
{
	core_release(&core);
	begin_with(&patient);
	uint32_t worker = subscribe("mail");
	enqueue("mail");
	for (uint64_t n = 1; n <= 3; n++)
		fail_once(worker, n);
	ask(worker, "mail", 1);
	answer(worker, 4, VERDICT_DONE);
	expect_forgotten(3);
}

Test(autopsy, what_is_deleted_is_forgotten)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	ask(worker, "mail", 1);
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_DEAD });
	tell((struct fact){ .kind = FACT_DELETE, .steer = { .id = id } });
	expect_forgotten(1);
}

Test(autopsy, what_is_tried_anew_remembers)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	ask(worker, "mail", 1);
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_DEAD });
	tell((struct fact){ .kind = FACT_REVIVE, .steer = { .id = id } });
	cr_expect_eq(kept_of(id)->count, 1);
	ask(worker, "mail", 1);
	answer_with(worker, 2, (struct outcome){ .verdict = VERDICT_DEAD });
	cr_expect_eq(kept_of(id)->count, 2);
	cr_expect_eq(certified(0).attempt, 1, "they are counted anew");
	cr_expect_eq(certified(0).delivery, 2);
}

static uint64_t
enqueue_keyed(void)
{
	tell((struct fact){ .kind = FACT_ENQUEUE,
	    .enqueue = { .queue = SPAN_LITERAL("mail"),
		.body_bytes = 1,
		.key = SPAN_LITERAL("42"),
		.mode = KEY_COALESCE } });
	cr_assert_eq(core.refusal, REFUSAL_NONE);
	return core.answer;
}

/* Two stories cannot be told as one. */
Test(autopsy, what_is_folded_into_another_job_is_forgotten)
{
	uint32_t worker = subscribe("mail");
	uint64_t dead = enqueue_keyed();
	ask(worker, "mail", 1);
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_DEAD });
	uint64_t waiting = enqueue_keyed();
	cr_assert_neq(waiting, dead);
	tell((struct fact){ .kind = FACT_REVIVE, .steer = { .id = dead } });
	cr_assert_eq(core.answer, waiting, "they are one now");
	expect_forgotten(1);
	cr_expect_eq(kept_of(waiting)->count, 0);
}

Test(autopsy, the_one_that_has_to_be_tried_again_keeps_its_own)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue_keyed();
	ask(worker, "mail", 1);
	enqueue_keyed();
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_FAIL });
	cr_expect_eq(count_wished(WISH_FORGET), 1, "the one behind it");
	cr_expect_eq(kept_of(id)->count, 1);
}

Test(autopsy, where_jobs_are_kept_in_memory_they_are_too)
{
	static const struct lane_policy forgetful = { .max_attempts = 3,
		.durability = DURABILITY_MEMORY };
	core_release(&core);
	begin_with(&forgetful);
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	ask(worker, "mail", 1);
	answer_with(worker, 1, (struct outcome){ .verdict = VERDICT_DEAD });
	tell((struct fact){ .kind = FACT_DELETE, .steer = { .id = id } });
	cr_assert_not_null(wished(WISH_FORGET_NOTE, 0));
	cr_expect(wished(WISH_FORGET_NOTE, 0)->in_memory);
}

/* ---- bounds ---- */

/* As if so much were kept of others; what has no job is nobody's. */
static void
fill(uint32_t body_bytes)
{
	struct attempt attempt = { .body_bytes = body_bytes };
	attempt.note = core.next_id++;
	attempt.body = attempt.note * 3;
	cr_assert_neq(attempts_add(&core.attempts, NULL, &attempt), 0);
}

Test(autopsy, the_oldest_of_all_goes_where_there_is_no_room)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	fill(100);
	fill(CERTIFICATES_BYTES_MAX - 200);
	uint64_t second = core.next_id - 1;
	ask(worker, "mail", 1);
	answer_with(worker, 1,
	    (struct outcome){ .verdict = VERDICT_FAIL,
		.reason = SPAN_LITERAL("one that does not quite fit into a "
				       "hundred bytes with all else") });
	cr_expect_eq(kept_of(id)->count, 1);
	cr_assert_eq(count_wished(WISH_FORGET_NOTE), 1);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->body_bytes, 100);
	cr_expect_eq(
	    attempt_at(&core.attempts, core.attempts.oldest)->note, second);
}

/* A step may end more runs than there is room for; what it keeps is not taken
 * back within it. */
Test(autopsy, those_of_one_step_do_not_drive_each_other_out)
{
	const struct certificate certificate = { .verdict = VERDICT_FAIL };
	uint32_t handle = jobs_find(&core.jobs, enqueue("mail"));
	core.wish_count = 0;
	core.first_note = core.next_id;
	autopsy_keep(&core, handle, &certificate);
	cr_expect_eq(count_wished(WISH_CERTIFY), 1);
	core.attempts.bytes += CERTIFICATES_BYTES_MAX;
	autopsy_keep(&core, handle, &certificate);
	core.attempts.bytes -= CERTIFICATES_BYTES_MAX;
	cr_expect_eq(count_wished(WISH_CERTIFY), 1);
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), 0);
	cr_expect_eq(core.attempts.slab.used, 1);
}

Test(autopsy, what_the_disk_has_no_room_for_is_dropped)
{
	uint32_t worker = subscribe("mail");
	uint64_t id = enqueue("mail");
	ask(worker, "mail", 1);
	answer(worker, 1, VERDICT_FAIL);
	autopsy_drop(&core, wished(WISH_CERTIFY, 0)->certificate);
	cr_expect_eq(kept_of(id)->count, 0);
	cr_expect_eq(core.attempts.slab.used, 0);
	pass(2000);
	ask(worker, "mail", 1);
	answer_with(worker, 2, (struct outcome){ .verdict = VERDICT_FAIL });
	cr_expect_eq(kept_of(id)->count, 1);
}

/* ---- from the store ---- */

static void
restore(uint64_t job, uint64_t note)
{
	tell((struct fact){ .kind = FACT_RESTORE_ATTEMPT,
	    .restore_attempt = {
		.attempt = { .note = note, .body = note * 3, .body_bytes = 80 },
		.job = job } });
}

static void
restore_dead(uint64_t id)
{
	tell((struct fact){ .kind = FACT_RESTORE,
	    .restore = { .queue = SPAN_LITERAL("mail"),
		.job = { .id = id,
		    .state = JOB_DEAD,
		    .cause = CAUSE_EXHAUSTED,
		    .delivery = 3,
		    .attempt = 3 } } });
}

Test(autopsy, a_job_gets_back_what_was_kept_of_it)
{
	restore_dead(1);
	restore_dead(2);
	restore(1, 3);
	restore(2, 4);
	restore(1, 7);
	cr_expect_eq(kept_of(1)->count, 2);
	cr_expect_eq(kept_of(2)->count, 1);
	cr_expect_eq(attempt_at(&core.attempts, kept_of(1)->last)->note, 7);
	cr_expect_eq(core.next_id, 8);
	tell((struct fact){ .kind = FACT_RESTORED });
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), 0);
	tell((struct fact){ .kind = FACT_DELETE, .steer = { .id = 1 } });
	cr_expect_eq(count_wished(WISH_FORGET_NOTE), 2);
}

Test(autopsy, what_has_no_job_any_more_is_forgotten)
{
	restore_dead(1);
	restore(1, 3);
	restore(2, 4);
	restore(2, 5);
	tell((struct fact){ .kind = FACT_RESTORED });
	cr_assert_eq(count_wished(WISH_FORGET_NOTE), 2);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->id, 4);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 0)->body, 12);
	cr_expect_eq(wished(WISH_FORGET_NOTE, 1)->id, 5);
	cr_expect_eq(core.attempts.slab.used, 1);
}

/* ---- without memory ---- */

#if MEMORY_CAN_FAIL
Test(autopsy, without_memory_the_job_goes_on_without_it)
{
	bool kept = false;
	for (unsigned n = 1; !kept; n++) {
		struct certificate certificate = { .verdict = VERDICT_FAIL };
		uint32_t worker = subscribe("mail");
		ask(worker, "mail", 1);
		uint64_t id = enqueue("mail");
		uint32_t handle = jobs_find(&core.jobs, id);
		core.wish_count = 0;
		fail_memory(n);
		autopsy_keep(&core, handle, &certificate);
		kept = !memory_has_failed();
		fail_memory(0);
		cr_assert_eq(count_wished(WISH_CERTIFY), kept);
		cr_assert_eq(kept_of(id)->count, kept);
		core_release(&core);
		begin();
	}
}
#endif
