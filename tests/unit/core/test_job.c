/* SPDX-License-Identifier: MIT */
#include "core/job.h"

#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>

static struct jobs jobs;

static void
init_jobs(void)
{
	jobs_init(&jobs);
}

static void
release_jobs(void)
{
	jobs_release(&jobs);
}

TestSuite(job, .init = init_jobs, .fini = release_jobs);

/* Every transition that there is; all others are forbidden. */
static const enum job_state allowed[][2] = {
	{ JOB_NONE, JOB_READY },      /* enqueued, restored */
	{ JOB_NONE, JOB_DELAYED },    /* restored */
	{ JOB_NONE, JOB_RUNNING },    /* restored */
	{ JOB_NONE, JOB_DEAD },	      /* restored */
	{ JOB_NONE, JOB_BLOCKED },    /* enqueued or restored, not its turn */
	{ JOB_READY, JOB_RUNNING },   /* delivered */
	{ JOB_READY, JOB_BLOCKED },   /* restored, and then one that runs */
	{ JOB_READY, JOB_NONE },      /* cancelled, deleted */
	{ JOB_BLOCKED, JOB_READY },   /* its turn */
	{ JOB_BLOCKED, JOB_NONE },    /* folded into another one, cancelled */
	{ JOB_DELAYED, JOB_READY },   /* its time has come */
	{ JOB_DELAYED, JOB_BLOCKED }, /* and not its turn */
	{ JOB_DELAYED, JOB_NONE },    /* folded into another one, cancelled */
	{ JOB_RUNNING, JOB_NONE },    /* done */
	{ JOB_RUNNING, JOB_READY },   /* given back, its worker died */
	{ JOB_RUNNING, JOB_DELAYED }, /* failed, not now */
	{ JOB_RUNNING, JOB_DEAD },    /* attempts used up, rejected */
	{ JOB_DEAD, JOB_NONE },	      /* deleted, or about to wait again */
};

static bool
is_in_table(enum job_state from, enum job_state to)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (allowed[i][0] == from && allowed[i][1] == to)
			return true;
	return false;
}

Test(job, only_the_transitions_of_the_table_are_allowed)
{
	for (int from = 0; from < JOB_STATE_COUNT; from++)
		for (int to = 0; to < JOB_STATE_COUNT; to++)
			cr_expect_eq(job_may_become((enum job_state)from,
					 (enum job_state)to),
			    is_in_table(
				(enum job_state)from, (enum job_state)to),
			    "from %d to %d", from, to);
}

Test(job, an_allowed_transition_changes_the_state)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		struct job job = { .state = (uint8_t)allowed[i][0] };
		job_set_state(&job, allowed[i][1]);
		cr_expect_eq(job.state, allowed[i][1]);
	}
}

struct transition {
	enum job_state from;
	enum job_state to;
};

ParameterizedTestParameters(job, a_forbidden_transition_ends_the_process)
{
	static struct transition forbidden[JOB_STATE_COUNT * JOB_STATE_COUNT];
	size_t count = 0;
	for (int from = 0; from < JOB_STATE_COUNT; from++)
		for (int to = 0; to < JOB_STATE_COUNT; to++)
			if (!is_in_table(
				(enum job_state)from, (enum job_state)to))
				forbidden[count++] =
				    (struct transition){ (enum job_state)from,
					    (enum job_state)to };
	return cr_make_param_array(struct transition, forbidden, count, NULL);
}

ParameterizedTest(struct transition *forbidden, job,
    a_forbidden_transition_ends_the_process, .signal = SIGABRT)
{
	struct job job = { .state = (uint8_t)forbidden->from };
	job_set_state(&job, forbidden->to);
}

Test(job, a_state_is_found_by_its_name_and_none_by_none)
{
	for (int i = JOB_READY; i < JOB_STATE_COUNT; i++)
		cr_expect_eq((int)job_state_of_name(
				 span_of(job_state_name((enum job_state)i))),
		    i);
	cr_expect_eq(job_state_of_name(SPAN_LITERAL("none")), JOB_NONE);
	cr_expect_eq(job_state_of_name(SPAN_LITERAL("rea")), JOB_NONE);
	cr_expect_eq(job_state_of_name(SPAN_LITERAL("")), JOB_NONE);
}

Test(job, causes_have_the_names_of_the_wire)
{
	cr_expect_str_eq(job_cause_name(CAUSE_NONE), "none");
	cr_expect_str_eq(job_cause_name(CAUSE_EXHAUSTED), "exhausted");
	cr_expect_str_eq(job_cause_name(CAUSE_REJECTED), "rejected");
}

Test(job, a_state_that_is_none_has_no_name, .signal = SIGABRT)
{
	job_state_name(JOB_STATE_COUNT);
}

Test(job, a_cause_that_is_none_has_no_name, .signal = SIGABRT)
{
	job_cause_name(CAUSE_COUNT);
}

Test(job, is_found_by_id_until_it_is_removed)
{
	uint32_t a = jobs_add(&jobs, 7);
	uint32_t b = jobs_add(&jobs, UINT64_MAX);
	cr_assert_eq(jobs_find(&jobs, 7), a);
	cr_assert_eq(jobs_find(&jobs, UINT64_MAX), b);
	cr_assert_eq(jobs_find(&jobs, 8), 0);
	jobs_remove(&jobs, a);
	cr_assert_eq(jobs_find(&jobs, 7), 0);
	cr_assert_eq(jobs_find(&jobs, UINT64_MAX), b);
}

Test(job, with_a_state_cannot_be_removed, .signal = SIGABRT)
{
	uint32_t handle = jobs_add(&jobs, 7);
	job_set_state(job_at(&jobs, handle), JOB_READY);
	jobs_remove(&jobs, handle);
}

static void
expect_ids(const uint64_t *ids, size_t count)
{
	uint32_t handle = jobs.oldest, older = 0;
	for (size_t i = 0; i < count; i++) {
		cr_assert_neq(handle, 0);
		cr_expect_eq(job_at(&jobs, handle)->id, ids[i]);
		cr_expect_eq(job_at(&jobs, handle)->older, older);
		older = handle;
		handle = jobs_next(&jobs, handle);
	}
	cr_assert_eq(handle, 0);
	cr_assert_eq(jobs.newest, older);
}

Test(job, all_are_in_the_order_of_their_ids_however_they_came)
{
	static const uint64_t come[] = { 5, 9, 2, 7, 12, 1 };
	static const uint64_t in_order[] = { 1, 2, 5, 7, 9, 12 };
	for (size_t i = 0; i < 6; i++)
		cr_assert_neq(jobs_add(&jobs, come[i]), 0);
	expect_ids(in_order, 6);
	jobs_remove(&jobs, jobs_find(&jobs, 1));
	jobs_remove(&jobs, jobs_find(&jobs, 12));
	jobs_remove(&jobs, jobs_find(&jobs, 5));
	static const uint64_t left[] = { 2, 7, 9 };
	expect_ids(left, 3);
	jobs_remove(&jobs, jobs_find(&jobs, 2));
	jobs_remove(&jobs, jobs_find(&jobs, 7));
	jobs_remove(&jobs, jobs_find(&jobs, 9));
	expect_ids(NULL, 0);
}

static uint64_t
id_after(uint64_t id)
{
	uint32_t handle = jobs_after(&jobs, id);
	return handle ? job_at(&jobs, handle)->id : 0;
}

/* What jobs_after promises, found the slow way. */
static uint64_t
slow_id_after(uint64_t id)
{
	for (uint32_t handle = jobs.oldest; handle != 0;
	     handle = jobs_next(&jobs, handle))
		if (job_at(&jobs, handle)->id > id)
			return job_at(&jobs, handle)->id;
	return 0;
}

Test(job, the_next_one_is_found_from_any_id)
{
	cr_expect_eq(id_after(0), 0);
	static const uint64_t ids[] = { 3, 4, 10, 11, 12, 40, 90, 91 };
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		jobs_add(&jobs, ids[i]);
	for (uint64_t id = 0; id < 100; id++)
		cr_expect_eq(id_after(id), slow_id_after(id), "after %lu",
		    (unsigned long)id);
	cr_expect_eq(id_after(UINT64_MAX), 0);
}

Test(job, a_reason_is_kept_replaced_and_cut)
{
	char words[REASON_BYTES_MAX + 20];
	struct job *job = job_at(&jobs, jobs_add(&jobs, 1));
	cr_expect_str_eq(job_reason(&jobs, job), "");
	job_set_reason(&jobs, job, SPAN_LITERAL("exit 1"));
	cr_expect_str_eq(job_reason(&jobs, job), "exit 1");
	memset(words, 'x', sizeof(words));
	job_set_reason(&jobs, job, (struct span){ words, sizeof(words) });
	cr_expect_eq(strlen(job_reason(&jobs, job)), REASON_BYTES_MAX);
	job_set_reason(&jobs, job, (struct span){ NULL, 0 });
	cr_expect_str_eq(job_reason(&jobs, job), "");
	cr_expect_eq(jobs.extras.used, 1);
}

Test(job, its_reason_goes_with_it)
{
	uint32_t handle = jobs_add(&jobs, 1);
	job_set_reason(&jobs, job_at(&jobs, handle), SPAN_LITERAL("exit 1"));
	jobs_remove(&jobs, handle);
	cr_expect_eq(jobs.extras.used, 0);
}

#if MEMORY_CAN_FAIL
Test(job, without_memory_a_reason_is_forgotten)
{
	struct job *job = job_at(&jobs, jobs_add(&jobs, 1));
	fail_memory(1);
	job_set_reason(&jobs, job, SPAN_LITERAL("exit 1"));
	fail_memory(0);
	cr_expect_str_eq(job_reason(&jobs, job), "");
}
#endif

/* Three jobs with the ids 1, 2, 3; their handles. */
static void
add_three(uint32_t *handles)
{
	for (uint64_t id = 1; id <= 3; id++)
		handles[id - 1] = jobs_add(&jobs, id);
}

/* Reads a list both ways, as "123". */
static const char *
text_of(const struct job_list *list)
{
	static char text[16];
	size_t count = 0;
	uint32_t previous = 0;
	for (uint32_t handle = list->head; handle != 0;) {
		const struct job *job = job_at(&jobs, handle);
		cr_assert_eq(job->previous, previous);
		text[count++] = (char)('0' + job->id);
		previous = handle;
		handle = job->next;
	}
	cr_assert_eq(list->tail, previous);
	text[count] = '\0';
	return text;
}

Test(job, a_list_takes_at_both_ends_and_behind_any)
{
	uint32_t handles[3];
	struct job_list list = { 0 };
	add_three(handles);
	job_list_push_back(&jobs, &list, handles[1]);
	job_list_push_front(&jobs, &list, handles[0]);
	job_list_push_back(&jobs, &list, handles[2]);
	cr_expect_str_eq(text_of(&list), "123");
	job_list_remove(&jobs, &list, handles[1]);
	cr_expect_str_eq(text_of(&list), "13");
	job_list_insert_after(&jobs, &list, handles[2], handles[1]);
	cr_expect_str_eq(text_of(&list), "132");
	job_list_remove(&jobs, &list, handles[0]);
	job_list_insert_after(&jobs, &list, handles[2], handles[0]);
	cr_expect_str_eq(text_of(&list), "312");
	job_list_remove(&jobs, &list, handles[1]);
	job_list_remove(&jobs, &list, handles[2]);
	job_list_remove(&jobs, &list, handles[0]);
	cr_expect_str_eq(text_of(&list), "");
	job_list_push_front(&jobs, &list, handles[2]);
	cr_expect_str_eq(text_of(&list), "3");
}

Test(job, a_delivery_is_found_by_subscriber_and_msgid_while_it_stands)
{
	uint32_t handle = jobs_add(&jobs, 1);
	struct job *job = job_at(&jobs, handle);
	job->place = 4;
	job->lease = slab_take(&jobs.leases);
	job_lease(&jobs, job)->msgid = 9;
	jobs_note_delivery(&jobs, handle);
	cr_expect_eq(jobs_find_delivery(&jobs, 4, 9), handle);
	cr_expect_eq(jobs_find_delivery(&jobs, 9, 4), 0);
	cr_expect_eq(jobs_find_delivery(&jobs, 4, 0), 0);
	/* A msgid of a peer may be anything. */
	cr_expect_eq(jobs_find_delivery(&jobs, 4, UINT64_C(1) << 32 | 9), 0);
	cr_expect_eq(jobs_find_delivery(&jobs, 0, UINT64_C(4) << 32 | 9), 0);
	jobs_drop_delivery(&jobs, handle);
	cr_expect_eq(jobs_find_delivery(&jobs, 4, 9), 0);
	cr_expect_eq(job_lease(&jobs, job)->msgid, 0);
	jobs_drop_delivery(&jobs, handle);
	cr_expect_eq(jobs.by_delivery.count, 0);
}

/* ---- aliases ---- */

static uint32_t
job_made(uint64_t id)
{
	uint32_t handle = jobs_add(&jobs, id);
	cr_assert_neq(handle, 0);
	return handle;
}

Test(job, is_found_by_the_ids_of_those_that_were_folded_into_it)
{
	uint32_t job = job_made(7);
	cr_expect_eq(jobs_resolve(&jobs, 7), job);
	cr_expect_eq(jobs_resolve(&jobs, 9), 0);
	jobs_add_alias(&jobs, job, 9);
	jobs_add_alias(&jobs, job, 12);
	cr_expect_eq(jobs_resolve(&jobs, 9), job);
	cr_expect_eq(jobs_resolve(&jobs, 12), job);
	cr_expect_eq(jobs_find(&jobs, 9), 0, "it is no job");
	const struct alias *alias = job_alias(&jobs, job_at(&jobs, job));
	cr_assert_eq(alias->id, 12, "the newest first");
	cr_assert_eq(alias_after(&jobs, alias)->id, 9);
	cr_assert_null(alias_after(&jobs, alias_after(&jobs, alias)));
	jobs_remove(&jobs, job);
	cr_expect_eq(jobs_resolve(&jobs, 9), 0);
	cr_expect_eq(jobs.aliases.used, 0);
	cr_expect_eq(jobs.extras.used, 0);
}

#if MEMORY_CAN_FAIL
Test(job, without_memory_an_alias_is_forgotten_and_nothing_else)
{
	uint32_t job;
	unsigned n = 0;
	do {
		jobs_release(&jobs);
		jobs_init(&jobs);
		job = job_made(1);
		fail_memory(++n);
		jobs_add_alias(&jobs, job, 9);
		bool failed = memory_has_failed();
		fail_memory(0);
		if (!failed)
			break;
		cr_assert_eq(jobs_resolve(&jobs, 9), 0);
		cr_assert_eq(jobs.aliases.used, 0);
		cr_assert_eq(jobs.by_alias.count, 0);
	} while (n < 20);
	cr_expect_gt(n, 3, "extras, aliases and their map need some");
	cr_expect_eq(jobs_resolve(&jobs, 9), job);
}
#endif

Test(job, of_too_many_aliases_the_oldest_is_forgotten)
{
	uint32_t job = job_made(1);
	for (uint64_t id = 10; id <= 10 + ALIASES_MAX; id++)
		jobs_add_alias(&jobs, job, id);
	cr_expect_eq(jobs_resolve(&jobs, 10), 0);
	cr_expect_eq(jobs_resolve(&jobs, 11), job);
	cr_expect_eq(jobs_resolve(&jobs, 10 + ALIASES_MAX), job);
	cr_expect_eq(jobs.aliases.used, ALIASES_MAX);
}

Test(job, its_aliases_move_to_the_one_it_is_folded_into)
{
	uint32_t from = job_made(1), to = job_made(2);
	jobs_move_aliases(&jobs, from, to);
	jobs_add_alias(&jobs, from, 10);
	jobs_add_alias(&jobs, from, 11);
	jobs_move_aliases(&jobs, from, to);
	cr_expect_eq(jobs_resolve(&jobs, 10), to);
	cr_expect_eq(jobs_resolve(&jobs, 11), to);
	cr_expect_null(job_alias(&jobs, job_at(&jobs, from)));
	jobs_remove(&jobs, from);
	jobs_remove(&jobs, to);
}
