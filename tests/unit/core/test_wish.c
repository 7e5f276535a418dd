/* SPDX-License-Identifier: MIT */
#include "core/wish.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

static void
release(void)
{
	core_release(&core);
}

TestSuite(wish, .init = begin, .fini = release);

Test(wish, is_zeroed_but_for_its_kind)
{
	wish_add(&core, WISH_KILL)->pid = 12;
	core.wish_count = 0;
	const struct wish *wish = wish_add(&core, WISH_DELIVER);
	cr_expect_eq(wish->kind, WISH_DELIVER);
	cr_expect_eq(wish->pid, 0);
	cr_expect_eq(core.wish_count, 1);
}

Test(wish, many_keep_their_order)
{
	for (int64_t pid = 1; pid <= 1000; pid++)
		wish_add(&core, WISH_KILL)->pid = pid;
	cr_assert_eq(core.wish_count, 1000);
	for (int64_t pid = 1; pid <= 1000; pid++)
		cr_expect_eq(core.wishes[pid - 1].pid, pid);
}

Test(wish, of_a_step_are_forgotten_by_the_next)
{
	enqueue("mail");
	cr_expect_eq(core.wish_count, 2);
	pass(0);
	cr_expect_eq(core.wish_count, 0);
}

Test(wish, to_tell_of_a_job_names_it)
{
	uint64_t id = enqueue("mail");
	struct job *job = job_with(id);
	job->attempt = 3;
	job->delivery = 5;
	core.wish_count = 0;
	wish_tell_job(&core, EVENT_FAILED, jobs_find(&core.jobs, id), 9);
	const struct wish *tell = wished(WISH_TELL, 0);
	cr_assert_not_null(tell);
	cr_expect_eq(tell->event, EVENT_FAILED);
	cr_expect_eq(tell->id, id);
	cr_expect_eq(tell->lane, lane_named("mail")->handle);
	cr_expect_eq(tell->subscriber, 9);
	cr_expect_eq(tell->attempt, 3);
	cr_expect_eq(tell->delivery, 5);
}

#if MEMORY_CAN_FAIL
Test(wish, without_memory_the_process_ends, .signal = SIGABRT)
{
	fail_memory(1);
	wish_add(&core, WISH_KILL);
}
#endif
