/* SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "tests/support/memory.h"
#include "worker/ledger.h"

#include "base/limits.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

static struct ledger ledger;
static struct ledger_wishes wishes; /* of the last step */
static uint64_t last_msgid;

static const struct outcome done = { .verdict = OUTCOME_DONE };
static const struct outcome failed = {
	.verdict = OUTCOME_FAIL, .cause = OUTCOME_CAUSE_EXIT, .number = 1
};

static void
step(const struct ledger_fact *fact)
{
	wishes = ledger_step(&ledger, fact);
	cr_assert_null(ledger_verify(&ledger), "%s", ledger_verify(&ledger));
}

static void
tell(enum ledger_event event)
{
	step(&(struct ledger_fact){ .event = event });
}

/* A delivery; returns the job that it became, whatever is wished for it. */
static struct ledger_job *
deliver(uint64_t id, uint32_t delivery)
{
	step(&(struct ledger_fact){ .event = LEDGER_JOB,
	    .job = { .id = id, .msgid = ++last_msgid, .delivery = delivery } });
	return wishes.run != NULL ? wishes.run
	    : wishes.keep != NULL ? wishes.keep
				  : wishes.send;
}

static void
finish(struct ledger_job *job, const struct outcome *outcome)
{
	step(&(struct ledger_fact){ .event = LEDGER_EXITED,
	    .exited = { .job = job, .outcome = *outcome } });
}

static void
settle(uint64_t count)
{
	step(
	    &(struct ledger_fact){ .event = LEDGER_SETTLED, .settled = count });
}

static void
answer(uint64_t msgid)
{
	step(&(struct ledger_fact){
	    .event = LEDGER_ANSWERED, .answered = msgid });
}

static void
unknown(uint64_t id)
{
	step(&(struct ledger_fact){ .event = LEDGER_UNKNOWN, .unknown = id });
}

static void
appetite(enum ledger_appetite how)
{
	step(
	    &(struct ledger_fact){ .event = LEDGER_APPETITE, .appetite = how });
}

static bool
nothing_is_wished(void)
{
	return wishes.run == NULL && wishes.keep == NULL &&
	    wishes.stop == NULL && wishes.end == NULL && wishes.send == NULL &&
	    wishes.ask == 0 && !wishes.full;
}

/* "5/1 6/2": what subscribe would list. */
static const char *
held(void)
{
	static char text[200];
	const struct ledger_job *job = NULL;
	int count = 0;
	uint32_t jobs = 0;
	text[0] = '\0';
	while ((job = ledger_next_held(&ledger, job)) != NULL) {
		count += snprintf(text + count, sizeof(text) - (size_t)count,
		    "%s%d/%u", jobs > 0 ? " " : "", (int)job->id,
		    job->delivery);
		jobs++;
	}
	cr_assert_eq(ledger_held_count(&ledger), jobs);
	return text;
}

static void
begin(uint32_t max, uint32_t min)
{
	ledger_init(&ledger, max, min);
	last_msgid = 100;
}

static void
set_up(void)
{
	begin(1, 0);
	tell(LEDGER_CONNECTED);
}

static void
tear_down(void)
{
	ledger_release(&ledger);
}

TestSuite(ledger, .init = set_up, .fini = tear_down, .timeout = 60);

/* ---- how much is asked for ---- */

struct demand_case {
	uint32_t max;
	uint32_t min;
	uint32_t jobs;	  /* that are delivered at once and then finished */
	uint32_t asks[8]; /* after each one that asks, in order */
	uint32_t outstanding;
};

/* GenStage's arithmetic; its table says the same in batches. */
ParameterizedTestParameters(demand, follows_max_and_min)
{
	static struct demand_case cases[] = {
		{ 1, 0, 1, { 1 }, 1 },
		{ 1, 0, 3, { 1, 1, 1 }, 1 },
		{ 2, 1, 2, { 1, 1 }, 2 },
		{ 10, 5, 4, { 0 }, 6 },
		{ 10, 5, 10, { 5, 5 }, 10 },
		{ 10, 0, 3, { 0 }, 7 },
		{ 10, 0, 10, { 10 }, 10 },
		{ 10, 9, 3, { 1, 1, 1 }, 10 },
		{ 5, 2, 5, { 3 }, 3 },
		{ 1000, 750, 300, { 250 }, 950 },
		{ 10000, 5000, 10000, { 5000, 5000 }, 10000 },
	};
	return cr_make_param_array(
	    struct demand_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct demand_case *param, demand, follows_max_and_min)
{
	unsigned asked = 0;
	begin(param->max, param->min);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, param->max, "max is asked for at first");
	for (uint32_t i = 0; i < param->jobs; i++) {
		struct ledger_job *job = deliver(1 + i, 1);
		cr_assert_eq(wishes.ask, 0, "a delivery asks for nothing");
		finish(job, &done);
		if (wishes.ask == 0)
			continue;
		cr_assert_lt(asked, 8);
		cr_assert_eq(wishes.ask, param->asks[asked], "ask %u", asked);
		asked++;
	}
	cr_assert(asked == 8 || param->asks[asked] == 0, "asked too rarely");
	cr_assert_eq(ledger.owed + ledger.in_hand_count, param->outstanding);
	tear_down();
}

Test(ledger, jobs_in_hand_are_outstanding)
{
	begin(10, 5);
	tell(LEDGER_CONNECTED);
	struct ledger_job *jobs[10];
	for (uint32_t i = 0; i < 10; i++) {
		jobs[i] = deliver(1 + i, 1);
		cr_assert_eq(wishes.ask, 0);
	}
	for (int i = 9; i > 5; i--) {
		finish(jobs[i], &done);
		cr_assert_eq(wishes.ask, 0);
	}
	finish(jobs[5], &failed);
	cr_assert_eq(wishes.ask, 5, "five are left");
}

Test(ledger, more_than_was_asked_for_is_taken_and_owes_nothing)
{
	struct ledger_job *first = deliver(1, 1);
	struct ledger_job *second = deliver(2, 1);
	finish(first, &done);
	cr_assert_eq(wishes.ask, 0, "one is still in hand");
	finish(second, &done);
	cr_assert_eq(wishes.ask, 1);
}

Test(ledger, nothing_is_asked_for_while_fasting)
{
	struct ledger_job *job = deliver(1, 1);
	appetite(LEDGER_FASTING);
	cr_assert(nothing_is_wished());
	finish(job, &failed);
	cr_assert_eq(wishes.ask, 0);
	cr_assert_eq(wishes.send, job, "its result is sent nevertheless");
	appetite(LEDGER_HUNGRY);
	cr_assert_eq(wishes.ask, 1);
}

Test(ledger, one_is_asked_for_to_taste)
{
	begin(10, 5);
	tell(LEDGER_CONNECTED);
	struct ledger_job *jobs[10];
	for (uint32_t i = 0; i < 10; i++)
		jobs[i] = deliver(1 + i, 1);
	appetite(LEDGER_FASTING);
	for (uint32_t i = 0; i < 9; i++)
		finish(jobs[i], &failed);
	appetite(LEDGER_TASTING);
	cr_assert_eq(wishes.ask, 0, "there is one to taste");
	finish(jobs[9], &failed);
	cr_assert_eq(wishes.ask, 1);
	appetite(LEDGER_TASTING);
	cr_assert_eq(wishes.ask, 0, "asked for already");
	appetite(LEDGER_HUNGRY);
	cr_assert_eq(wishes.ask, 9, "filled up");
}

Test(ledger, a_new_connection_starts_with_what_is_in_hand)
{
	begin(4, 1);
	tell(LEDGER_CONNECTED);
	struct ledger_job *job = deliver(1, 1);
	deliver(2, 1);
	tell(LEDGER_LOST);
	cr_assert(nothing_is_wished());
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, 0, "two in hand are above min");
	finish(job, &done);
	cr_assert_eq(wishes.ask, 3);
}

Test(ledger, nothing_is_asked_for_without_a_connection)
{
	struct ledger_job *job = deliver(1, 1);
	tell(LEDGER_LOST);
	finish(job, &done);
	cr_assert_eq(wishes.ask, 0);
	appetite(LEDGER_HUNGRY);
	cr_assert_eq(wishes.ask, 0);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, 1);
}

Test(ledger, a_refused_delivery_counts_as_answered)
{
	tell(LEDGER_REFUSED);
	cr_assert_eq(wishes.ask, 1, "it was owed");
	struct ledger_job *job = deliver(1, 1);
	finish(job, &done);
	settle(1);
	cr_assert_not(ledger_is_settled(&ledger), "1 was the refusal");
	settle(2);
	cr_assert(ledger_is_settled(&ledger));
}

#if MEMORY_CAN_FAIL
Test(ledger, a_job_without_memory_for_it_is_not_taken_and_counts_as_answered)
{
	fail_memory(1);
	struct ledger_wishes got = ledger_step(&ledger,
	    &(struct ledger_fact){ .event = LEDGER_JOB,
		.job = { .id = 1, .msgid = 1, .delivery = 1 } });
	fail_memory(0);
	cr_assert(got.full);
	cr_assert_null(got.run);
	cr_assert_eq(got.ask, 1, "it was owed");
	cr_assert_eq(ledger.in_hand_count, 0);
	finish(deliver(1, 2), &done);
	settle(1);
	cr_assert_not(ledger_is_settled(&ledger), "1 was given back");
	settle(2);
	cr_assert(ledger_is_settled(&ledger));
}
#endif

/* ---- jobs and results ---- */

Test(ledger, a_job_is_run_and_its_result_is_the_response)
{
	struct ledger_job *job = deliver(7, 3);
	cr_assert_eq(wishes.run, job);
	cr_assert_eq(job->id, 7);
	cr_assert_eq(job->delivery, 3);
	cr_assert_eq(job->context, NULL);
	finish(job, &failed);
	cr_assert_eq(wishes.send, job);
	cr_assert_eq(job->state, LEDGER_SENT);
	cr_assert_eq(job->msgid, last_msgid);
	cr_assert_eq(job->outcome.number, 1);
}

Test(ledger, settled_forgets_the_first_responses)
{
	begin(5, 0);
	tell(LEDGER_CONNECTED);
	cr_assert(ledger_is_settled(&ledger));
	struct ledger_job *jobs[5];
	for (uint32_t i = 0; i < 5; i++)
		jobs[i] = deliver(10 + i, 1);
	finish(jobs[3], &done); /* the first response is of 13 */
	finish(jobs[0], &failed);
	finish(jobs[1], &done);
	settle(0);
	cr_assert_eq(jobs[3]->state, LEDGER_SENT);
	settle(2);
	tell(LEDGER_LOST);
	cr_assert_str_eq(held(), "12/1 14/1 11/1");
}

Test(ledger, settled_is_cumulative_and_may_be_repeated)
{
	for (uint64_t id = 1; id <= 4; id++)
		finish(deliver(id, 1), &done);
	settle(1);
	settle(1);
	cr_assert(nothing_is_wished());
	settle(3);
	tell(LEDGER_LOST);
	cr_assert_str_eq(held(), "4/1");
}

Test(ledger, settled_beyond_what_was_sent_forgets_all_and_no_more)
{
	finish(deliver(1, 1), &done);
	settle(1000);
	cr_assert(ledger_is_settled(&ledger));
	finish(deliver(2, 1), &done);
	cr_assert_not(ledger_is_settled(&ledger));
}

Test(ledger, settled_says_nothing_about_jobs_in_hand)
{
	struct ledger_job *job = deliver(1, 1);
	settle(1);
	cr_assert(nothing_is_wished());
	finish(job, &done);
	cr_assert_eq(wishes.send, job);
}

/* ---- lost and connected again ---- */

Test(ledger, what_ends_while_the_queue_is_away_is_sent_after_the_reconnect)
{
	struct ledger_job *job = deliver(5, 2);
	tell(LEDGER_LOST);
	finish(job, &failed);
	cr_assert(nothing_is_wished());
	cr_assert_eq(job->state, LEDGER_UNSENT);
	cr_assert_not(ledger_is_settled(&ledger));
	cr_assert_str_eq(held(), "5/2");
	tell(LEDGER_CONNECTED);
	cr_assert_eq(ledger_resend(&ledger), job);
	cr_assert_eq(job->state, LEDGER_REQUESTED);
	cr_assert_gt(job->msgid, (uint64_t)LEDGER_SUBSCRIBE_MSGID);
	cr_assert_null(ledger_resend(&ledger));
	answer(job->msgid + 1);
	cr_assert_not(ledger_is_settled(&ledger), "of another request");
	answer(job->msgid);
	cr_assert(ledger_is_settled(&ledger));
}

static void
fail_with(struct ledger_job *job, const char *errors, size_t count)
{
	struct outcome outcome = failed;
	outcome.errors = (struct span){ errors, count };
	finish(job, &outcome);
}

Test(ledger, what_a_failure_left_behind_is_sent_again_with_it)
{
	char errors[] = "oh dear";
	struct ledger_job *job = deliver(5, 2);
	fail_with(job, errors, 7);
	memset(errors, 'x', sizeof(errors)); /* it has its own */
	cr_assert(span_is_text(job->outcome.errors, "oh dear"));
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(ledger_resend(&ledger), job);
	cr_assert(span_is_text(job->outcome.errors, "oh dear"));
	cr_assert_eq(ledger.errors_bytes, 7);
	answer(job->msgid);
	cr_assert_eq(ledger.errors_bytes, 0);
	struct outcome outcome = done;
	outcome.errors = SPAN_LITERAL("it went well");
	finish(deliver(6, 1), &outcome);
	cr_assert_eq(ledger.errors_bytes, 0, "of what is done nothing is kept");
}

Test(ledger, what_failures_leave_behind_is_bounded)
{
	static const char errors[STDERR_BYTES_MAX];
	unsigned room = LEDGER_ERRORS_BYTES_MAX / STDERR_BYTES_MAX;
	for (uint64_t id = 1; id <= room; id++)
		fail_with(deliver(id, 1), errors, sizeof(errors));
	struct ledger_job *job = deliver(room + 1, 1);
	fail_with(job, "x", 1);
	cr_assert_eq(job->outcome.errors.count, 0);
	cr_assert_eq(job->outcome.verdict, OUTCOME_FAIL);
	settle(1);
	job = deliver(room + 2, 1);
	fail_with(job, "x", 1);
	cr_assert_eq(job->outcome.errors.count, 1, "there is room again");
}

#if MEMORY_CAN_FAIL
Test(ledger, without_memory_a_failure_is_told_without_what_it_left_behind)
{
	struct ledger_job *job = deliver(1, 1);
	fail_memory(1);
	fail_with(job, "x", 1);
	fail_memory(0);
	cr_assert_eq(wishes.send, job);
	cr_assert_eq(job->outcome.errors.count, 0);
	cr_assert_eq(job->outcome.verdict, OUTCOME_FAIL);
}
#endif

Test(ledger, what_runs_through_a_reconnect_is_a_request)
{
	struct ledger_job *job = deliver(5, 2);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	cr_assert_null(ledger_resend(&ledger));
	finish(job, &done);
	cr_assert_eq(wishes.send, job);
	cr_assert_eq(job->state, LEDGER_REQUESTED);
	settle(100);
	cr_assert_not(ledger_is_settled(&ledger), "it is no response");
}

Test(ledger, responses_are_counted_anew_on_each_connection)
{
	finish(deliver(1, 1), &done);
	settle(1);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	finish(deliver(2, 1), &done);
	settle(1);
	cr_assert(ledger_is_settled(&ledger));
}

Test(ledger, what_was_sent_and_not_settled_is_sent_again)
{
	struct ledger_job *first = deliver(1, 1);
	finish(first, &done);
	struct ledger_job *second = deliver(2, 1);
	finish(second, &failed);
	tell(LEDGER_LOST);
	cr_assert_str_eq(held(), "1/1 2/1");
	tell(LEDGER_CONNECTED);
	cr_assert_eq(ledger_resend(&ledger), first);
	cr_assert_eq(ledger_resend(&ledger), second);
	cr_assert_neq(first->msgid, second->msgid);
	tell(LEDGER_LOST); /* the requests are lost as well */
	cr_assert_str_eq(held(), "1/1 2/1");
	tell(LEDGER_CONNECTED);
	cr_assert_eq(ledger_resend(&ledger), first);
	answer(first->msgid);
	cr_assert_eq(ledger_resend(&ledger), second);
	answer(second->msgid);
	cr_assert(ledger_is_settled(&ledger));
}

Test(ledger, an_answer_to_a_request_of_another_connection_is_ignored)
{
	struct ledger_job *job = deliver(1, 1);
	finish(job, &done);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	uint64_t old = ledger_resend(&ledger)->msgid;
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	answer(old);
	cr_assert_not(ledger_is_settled(&ledger));
}

/* ---- unknown ---- */

Test(ledger, an_unknown_job_is_stopped_and_forgotten)
{
	struct ledger_job *job = deliver(5, 2);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	unknown(5);
	cr_assert_eq(wishes.stop, job);
	cr_assert_str_eq(held(), "", "nobody wants it");
	unknown(5);
	cr_assert(nothing_is_wished(), "it is stopped once");
	finish(job, &done);
	cr_assert_null(wishes.send);
	cr_assert_eq(wishes.ask, 1);
	cr_assert(ledger_is_settled(&ledger));
}

Test(ledger, an_unknown_result_is_forgotten)
{
	struct ledger_job *job = deliver(5, 2);
	finish(job, &failed);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	uint64_t msgid = ledger_resend(&ledger)->msgid;
	unknown(5);
	cr_assert(nothing_is_wished());
	cr_assert(ledger_is_settled(&ledger));
	answer(msgid); /* STALE */
	cr_assert(nothing_is_wished());
}

Test(ledger, an_id_that_was_never_here_is_ignored)
{
	deliver(1, 1);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	unknown(4711);
	cr_assert(nothing_is_wished());
}

Test(ledger, a_delivery_that_overtakes_the_answer_is_not_what_is_unknown)
{
	begin(2, 0);
	tell(LEDGER_CONNECTED);
	struct ledger_job *old = deliver(5, 1);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	struct ledger_job *new = deliver(5, 2);
	cr_assert_eq(wishes.keep, new);
	cr_assert_eq(wishes.stop, old);
	unknown(5);
	cr_assert(nothing_is_wished());
	finish(old, &done);
	cr_assert_eq(wishes.run, new);
}

/* ---- the queue wants a run to end ---- */

static void
end(uint64_t id, uint32_t delivery)
{
	step(&(struct ledger_fact){
	    .event = LEDGER_END, .end = { .id = id, .delivery = delivery } });
}

Test(ledger, a_run_that_is_to_end_is_asked_and_its_result_is_sent)
{
	struct ledger_job *job = deliver(5, 2);
	end(5, 2);
	cr_assert_eq(wishes.end, job);
	cr_assert_null(wishes.stop, "its result is wanted");
	cr_assert_str_eq(held(), "5/2", "until it ended it is in hand");
	finish(job, &failed);
	cr_assert_eq(wishes.send, job);
	cr_assert_eq(wishes.ask, 1);
}

Test(ledger, without_a_delivery_whichever_run_it_is_ends)
{
	struct ledger_job *job = deliver(5, 2);
	end(5, 0);
	cr_assert_eq(wishes.end, job);
}

Test(ledger, it_may_be_told_twice)
{
	struct ledger_job *job = deliver(5, 2);
	end(5, 2);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	end(5, 2);
	cr_assert_eq(wishes.end, job, "of the later connection too");
	finish(job, &failed);
	cr_assert_eq(wishes.send, job);
}

Test(ledger, another_delivery_another_job_or_what_has_ended_is_not_ended)
{
	struct ledger_job *job = deliver(5, 2);
	end(5, 1);
	cr_assert(nothing_is_wished());
	end(6, 2);
	cr_assert(nothing_is_wished());
	finish(job, &done);
	end(5, 2);
	cr_assert(nothing_is_wished(), "its result is on its way");
	end(5, 0);
	cr_assert(nothing_is_wished());
}

Test(ledger, what_waits_for_an_old_run_is_not_begun)
{
	struct ledger_job *old = deliver(5, 1);
	struct ledger_job *new = deliver(5, 2);
	end(5, 1);
	cr_assert(nothing_is_wished(), "it is being stopped already");
	end(5, 2);
	cr_assert_eq(wishes.end, new);
	finish(new, &failed);
	cr_assert_eq(wishes.send, new);
	cr_assert_null(wishes.run);
	finish(old, &done);
	cr_assert_null(wishes.run);
	cr_assert_null(wishes.send);
}

/* ---- delivered again ---- */

Test(ledger, two_runs_of_one_job_never_overlap)
{
	struct ledger_job *old = deliver(5, 1);
	struct ledger_job *new = deliver(5, 2);
	cr_assert_neq(new, old);
	cr_assert_eq(wishes.stop, old);
	cr_assert_eq(wishes.keep, new);
	cr_assert_null(wishes.run);
	finish(old, &done);
	cr_assert_eq(wishes.run, new);
	cr_assert_null(wishes.send, "the old result is void");
	cr_assert_eq(new->delivery, 2);
	finish(new, &done);
	cr_assert_eq(wishes.send, new);
	cr_assert_eq(new->msgid, last_msgid);
}

Test(ledger, a_third_delivery_takes_the_place_of_the_second)
{
	struct ledger_job *old = deliver(5, 1);
	struct ledger_job *second = deliver(5, 2);
	cr_assert_eq(deliver(5, 3), second);
	cr_assert_null(wishes.stop, "it is being stopped already");
	cr_assert_eq(second->delivery, 3);
	cr_assert_eq(ledger.in_hand_count, 2);
	finish(old, &done);
	cr_assert_eq(wishes.run, second);
}

Test(ledger, what_waits_can_be_unknown_too)
{
	struct ledger_job *old = deliver(5, 1);
	struct ledger_job *new = deliver(5, 2);
	tell(LEDGER_LOST);
	cr_assert_str_eq(held(), "5/2");
	tell(LEDGER_CONNECTED);
	unknown(5);
	cr_assert_eq(wishes.stop, new);
	finish(new, &done);
	cr_assert_null(wishes.run);
	cr_assert_null(wishes.send);
	finish(old, &done);
	cr_assert_null(wishes.run);
	cr_assert_eq(ledger.in_hand_count, 0);
}

Test(ledger, a_new_delivery_confirms_the_result_before)
{
	finish(deliver(5, 1), &failed);
	struct ledger_job *again = deliver(5, 2);
	cr_assert_eq(wishes.run, again);
	tell(LEDGER_LOST);
	cr_assert_str_eq(held(), "5/2");
	finish(again, &failed);
	cr_assert_str_eq(held(), "5/2");
}

/* ---- resting ---- */

Test(ledger, who_rests_ends_what_it_has_and_gives_back_what_comes)
{
	ledger_release(&ledger);
	begin(2, 0);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, 2);
	struct ledger_job *running = deliver(1, 1);
	appetite(LEDGER_RESTING);
	cr_assert_eq(wishes.ask, 0);
	struct ledger_job *late = deliver(2, 1);
	cr_assert_null(wishes.run);
	cr_assert_eq(wishes.send, late);
	cr_assert_eq(late->outcome.verdict, OUTCOME_RELEASE);
	finish(running, &done);
	cr_assert_eq(wishes.ask, 0);
	tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, 0, "through a reconnect as well");
	appetite(LEDGER_HUNGRY);
	cr_assert_eq(wishes.ask, 2);
}

/* ---- quiet ---- */

Test(ledger, nothing_new_begins_once_it_is_quiet)
{
	struct ledger_job *running = deliver(1, 1);
	tell(LEDGER_QUIET);
	cr_assert(nothing_is_wished());
	struct ledger_job *late = deliver(2, 1);
	cr_assert_null(wishes.run);
	cr_assert_eq(wishes.send, late);
	cr_assert_eq(late->state, LEDGER_SENT);
	cr_assert_eq(late->outcome.verdict, OUTCOME_RELEASE);
	finish(running, &done);
	cr_assert_eq(wishes.send, running, "what runs may end");
	cr_assert_eq(wishes.ask, 0);
	settle(2);
	cr_assert(ledger_is_settled(&ledger));
}

Test(ledger, it_stays_quiet_through_a_reconnect)
{
	struct ledger_job *job = deliver(1, 1);
	tell(LEDGER_QUIET);
	tell(LEDGER_LOST);
	finish(job, &done);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(wishes.ask, 0);
	cr_assert_eq(ledger_resend(&ledger), job);
	appetite(LEDGER_HUNGRY);
	cr_assert_eq(wishes.ask, 0);
}

Test(ledger, what_waits_is_not_begun_once_it_is_quiet)
{
	struct ledger_job *old = deliver(5, 1);
	struct ledger_job *new = deliver(5, 2);
	tell(LEDGER_QUIET);
	finish(old, &done);
	cr_assert_null(wishes.run);
	cr_assert_eq(wishes.stop, new);
	finish(new, &done);
	cr_assert_null(wishes.send);
	cr_assert_eq(ledger.in_hand_count, 0);
}

/* ---- everything in any order ---- */

#define MODEL_JOBS 40

/* What a caller keeps of it: the jobs whose run goes, is kept or is stopped. */
static struct ledger_job *busy[MODEL_JOBS];
static unsigned busy_count;
static uint32_t deliveries[10];

static void
note(struct ledger_job *job)
{
	for (unsigned i = 0; job != NULL && i < busy_count; i++)
		if (busy[i] == job)
			return;
	if (job == NULL)
		return;
	cr_assert_lt(busy_count, MODEL_JOBS);
	busy[busy_count++] = job;
}

static void
deliver_any(struct random *random)
{
	uint64_t id = random_next(random) % 10;
	if (!ledger.connected || busy_count + 2 > MODEL_JOBS)
		return;
	deliver(1 + id, ++deliveries[id]);
	note(wishes.run);
	note(wishes.keep);
}

static void
finish_any(struct random *random)
{
	if (busy_count == 0)
		return;
	unsigned at = (unsigned)(random_next(random) % busy_count);
	struct ledger_job *job = busy[at];
	if (job->state == LEDGER_WAITING)
		return;
	busy[at] = busy[--busy_count];
	finish(job, random_next(random) % 2 ? &done : &failed);
	note(wishes.run);
}

static void
any_step(struct random *random)
{
	switch (random_next(random) % 8) {
	case 0:
	case 1:
		deliver_any(random);
		break;
	case 2:
	case 3:
		finish_any(random);
		break;
	case 4:
		settle(random_next(random) % 20);
		break;
	case 5:
		answer(2 + random_next(random) % 5);
		break;
	case 6:
		unknown(1 + random_next(random) % 10);
		break;
	case 7:
		tell(ledger.connected ? LEDGER_LOST : LEDGER_CONNECTED);
		while (ledger.connected && random_next(random) % 4 &&
		    ledger_resend(&ledger) != NULL)
			continue;
		break;
	}
}

Test(ledger, any_order_of_facts_keeps_it_whole)
{
	struct random random = { 20260102 };
	begin(5, 2);
	for (int i = 0; i < 100000; i++) {
		any_step(&random);
		cr_assert_eq(ledger.in_hand_count, busy_count);
	}
	while (busy_count > 0)
		finish_any(&random);
	if (ledger.connected)
		tell(LEDGER_LOST);
	tell(LEDGER_CONNECTED);
	while (ledger_resend(&ledger) != NULL)
		answer(ledger.last_request);
	cr_assert(ledger_is_settled(&ledger));
	cr_assert_eq(ledger.jobs.used, 0, "nothing is left behind");
}

/* ---- lies: each has to be found, and by the rule that it breaks ---- */

static struct ledger_job *
in_hand(enum ledger_state state)
{
	struct ledger_job *job = TAILQ_FIRST(&ledger.in_hand);
	while (job != NULL && job->state != state)
		job = TAILQ_NEXT(job, in_list);
	cr_assert_not_null(job);
	return job;
}

/* 1 is being stopped and waits for that, 2 and 3 run; 4 is requested, 5 not
 * sent, 6 and 7 are sent, 6 as a failure. */
static void
begin_with_all(void)
{
	struct ledger_job *jobs[8];
	begin(9, 0);
	tell(LEDGER_CONNECTED);
	for (uint64_t id = 1; id <= 5; id++)
		jobs[id] = deliver(id, 1);
	tell(LEDGER_LOST);
	finish(jobs[4], &done);
	finish(jobs[5], &failed);
	tell(LEDGER_CONNECTED);
	cr_assert_eq(ledger_resend(&ledger), jobs[4]);
	for (uint64_t id = 6; id <= 7; id++)
		jobs[id] = deliver(id, 1);
	finish(jobs[6], &failed);
	finish(jobs[7], &done);
	unknown(1);
	deliver(1, 2);
}

static void
order_of_responses(void)
{
	TAILQ_FIRST(&ledger.sent)->number = 2;
}

static void
connection_in_hand(void)
{
	in_hand(LEDGER_RUNNING)->connection = 3;
}

static void
connection_of_the_unsent(void)
{
	TAILQ_FIRST(&ledger.unsent)->connection = 3;
}

static void
connection_of_the_sent(void)
{
	TAILQ_FIRST(&ledger.sent)->connection = 3;
}

static void
connection_of_a_request(void)
{
	TAILQ_FIRST(&ledger.requested)->connection = 3;
}

static void
one_job_twice(void)
{
	in_hand(LEDGER_RUNNING)->id = 3;
}

static void
two_runs(void)
{
	in_hand(LEDGER_WAITING)->state = LEDGER_RUNNING;
}

static void
sent_and_in_hand(void)
{
	in_hand(LEDGER_RUNNING)->state = LEDGER_SENT;
}

static void
unsent_and_sent(void)
{
	TAILQ_FIRST(&ledger.sent)->state = LEDGER_UNSENT;
}

static void
number_in_hand(void)
{
	ledger.in_hand_count++;
}

static void
number_of_the_stopping(void)
{
	ledger.stopping_count++;
}

static void
number_of_failures(void)
{
	ledger.failure_count++;
}

static void
bytes_of_failures(void)
{
	ledger.errors_bytes++;
}

static void
response_of_the_future(void)
{
	ledger.responses = 1;
}

static void
sent_without_a_connection(void)
{
	ledger.connected = false;
}

static void
requested_without_a_connection(void)
{
	settle(2);
	ledger.connected = false;
}

static void
owed_without_a_connection(void)
{
	tell(LEDGER_LOST);
	ledger.owed = 1;
}

Test(ledger, verify_names_the_rule_that_each_lie_breaks)
{
	static const struct {
		void (*tell)(void);
		const char *found;
	} lies[] = {
		{ order_of_responses, "responses are out of order" },
		{ connection_in_hand,
		    "a job came on a connection that never was" },
		{ connection_of_the_unsent,
		    "a job came on a connection that never was" },
		{ connection_of_the_sent,
		    "a job came on a connection that never was" },
		{ connection_of_a_request,
		    "a job came on a connection that never was" },
		{ one_job_twice, "a job is in hand twice" },
		{ two_runs, "two runs of one job overlap" },
		{ sent_and_in_hand, "a job is in a list of another state" },
		{ unsent_and_sent, "a job is in a list of another state" },
		{ number_in_hand, "a counter is wrong" },
		{ number_of_the_stopping, "a counter is wrong" },
		{ number_of_failures, "a counter is wrong" },
		{ bytes_of_failures, "a counter is wrong" },
		{ response_of_the_future, "a response was never given" },
		{ sent_without_a_connection,
		    "a lost connection is owed something" },
		{ requested_without_a_connection,
		    "a lost connection is owed something" },
		{ owed_without_a_connection,
		    "a lost connection is owed something" },
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		ledger_release(&ledger);
		begin_with_all();
		lies[i].tell();
		const char *found = ledger_verify(&ledger);
		cr_expect_not_null(
		    found, "lie %zu is believed (%s)", i, lies[i].found);
		if (found != NULL)
			cr_expect_str_eq(found, lies[i].found, "lie %zu", i);
	}
}
