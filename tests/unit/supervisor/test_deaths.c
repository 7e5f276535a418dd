/* SPDX-License-Identifier: MIT */
#include "supervisor/deaths.h"

#include <criterion/criterion.h>

static struct deaths deaths;

static void
die(pid_t pid)
{
	deaths_add(&deaths, &(struct death_record){ .pid = pid });
}

Test(deaths, the_last_one_comes_first)
{
	cr_assert_eq(deaths_kept(&deaths), 0);
	die(1);
	die(2);
	cr_assert_eq(deaths_kept(&deaths), 2);
	cr_assert_eq(deaths_last(&deaths, 0)->pid, 2);
	cr_assert_eq(deaths_last(&deaths, 1)->pid, 1);
}

Test(deaths, the_oldest_are_forgotten)
{
	for (pid_t pid = 1; pid <= DEATHS_MAX + 10; pid++)
		die(pid);
	cr_assert_eq(deaths_kept(&deaths), DEATHS_MAX);
	cr_assert_eq(deaths.count, DEATHS_MAX + 10);
	cr_assert_eq(deaths_last(&deaths, 0)->pid, DEATHS_MAX + 10);
	cr_assert_eq(deaths_last(&deaths, DEATHS_MAX - 1)->pid, 11);
}
