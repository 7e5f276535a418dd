/* SPDX-License-Identifier: MIT */
#include "core/roll.h"

#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct roll roll;

static void
release(void)
{
	roll_release(&roll);
}

TestSuite(roll, .fini = release);

Test(roll, a_worker_is_known_by_pid_and_incarnation)
{
	cr_expect_not(roll_is_alive(&roll, 10, 1));
	roll_up(&roll, 10, 1, false);
	cr_expect(roll_is_alive(&roll, 10, 1));
	cr_expect_not(roll_is_alive(&roll, 10, 2));
	cr_expect_not(roll_is_alive(&roll, 11, 1));
}

Test(roll, a_new_life_ends_the_one_before_with_that_pid)
{
	roll_up(&roll, 10, 1, true);
	roll_up(&roll, 10, 2, false);
	cr_expect_not(roll_is_alive(&roll, 10, 1));
	cr_expect(roll_is_alive(&roll, 10, 2));
	cr_expect_eq(roll.unheard, 0);
	roll_up(&roll, 10, 3, true);
	cr_expect_eq(roll.unheard, 1);
}

Test(roll, the_dead_are_remembered_until_they_live_again)
{
	cr_expect_not(roll_is_departed(&roll, 10, 1));
	roll_up(&roll, 10, 1, false);
	roll_down(&roll, 10, 1);
	cr_expect_not(roll_is_alive(&roll, 10, 1));
	cr_expect(roll_is_departed(&roll, 10, 1));
	cr_expect_not(roll_is_departed(&roll, 10, 2));
	cr_expect_not(roll_is_departed(&roll, 11, 1));
	roll_up(&roll, 10 + DEPARTED_MAX, 1, false);
	cr_expect(roll_is_departed(&roll, 10, 1), "another pid, same place");
	roll_up(&roll, 10, 2, false);
	cr_expect_not(roll_is_departed(&roll, 10, 1));
}

Test(roll, a_foreign_worker_is_never_departed)
{
	roll_down(&roll, 10, 0);
	cr_expect_not(roll_is_departed(&roll, 10, 0));
}

Test(roll, all_workers_may_die_in_one_moment)
{
	for (int64_t pid = 5000; pid < 5000 + DEPARTED_MAX; pid++)
		roll_down(&roll, pid, 1);
	for (int64_t pid = 5000; pid < 5000 + DEPARTED_MAX; pid++)
		cr_assert(roll_is_departed(&roll, pid, 1));
}

Test(roll, counts_those_who_are_to_be_heard)
{
	roll_up(&roll, 10, 1, true);
	roll_up(&roll, 11, 1, true);
	roll_up(&roll, 12, 1, false);
	roll_up(&roll, 13, 1, true);
	cr_expect_eq(roll.unheard, 3);
	roll_heard(&roll, 10, 1);
	roll_heard(&roll, 10, 1);
	roll_heard(&roll, 12, 1);
	roll_heard(&roll, 11, 2);
	roll_heard(&roll, 99, 1);
	cr_expect_eq(roll.unheard, 2);
	roll_down(&roll, 11, 2);
	cr_expect_eq(roll.unheard, 2);
	roll_down(&roll, 11, 1);
	roll_down(&roll, 12, 1);
	cr_expect_eq(roll.unheard, 1);
	roll_release(&roll);
	cr_expect_eq(roll.unheard, 0);
}

Test(roll, who_was_heard_stays_so_when_he_is_told_of_again)
{
	roll_up(&roll, 10, 1, true);
	roll_up(&roll, 10, 1, true);
	cr_expect_eq(roll.unheard, 1);
	roll_heard(&roll, 10, 1);
	roll_up(&roll, 10, 1, true);
	cr_expect_eq(roll.unheard, 0);
}

Test(roll, says_of_the_dead_whether_they_were_heard)
{
	roll_up(&roll, 10, 1, true);
	cr_expect(roll_down(&roll, 10, 1), "lived unheard");
	cr_expect_not(roll_down(&roll, 10, 1), "has died before");
	roll_up(&roll, 11, 1, true);
	roll_heard(&roll, 11, 1);
	cr_expect_not(roll_down(&roll, 11, 1), "was heard");
	roll_up(&roll, 12, 1, false);
	cr_expect_not(roll_down(&roll, 12, 1), "had nothing to say");
	cr_expect(roll_down(&roll, 13, 1), "was never told of");
}

#if MEMORY_CAN_FAIL
Test(roll, without_memory_for_a_worker_the_process_ends, .signal = SIGABRT)
{
	fail_memory(1);
	roll_up(&roll, 10, 1, false);
}

Test(roll, without_memory_to_find_it_the_process_ends, .signal = SIGABRT)
{
	fail_memory(2);
	roll_up(&roll, 10, 1, false);
}
#endif
