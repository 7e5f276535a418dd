/* SPDX-License-Identifier: MIT */
#include "sys/confine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct confine_limit
parsed(const char *text)
{
	struct confine_limit limit = { .resource = -1 };
	cr_assert(confine_parse_limit(text, &limit), "%s", text);
	return limit;
}

Test(confine, a_limit_is_a_resource_and_how_much)
{
	struct confine_limit limit = parsed("nofile=1024");
	cr_assert_eq(limit.resource, RLIMIT_NOFILE);
	cr_assert_eq(limit.limit.rlim_cur, 1024);
	cr_assert_eq(limit.limit.rlim_max, 1024);
	limit = parsed("as=2GiB");
	cr_assert_eq(limit.resource, RLIMIT_AS);
	cr_assert_eq(limit.limit.rlim_cur, (rlim_t)2 << 30);
	limit = parsed("core=inf");
	cr_assert_eq(limit.limit.rlim_max, RLIM_INFINITY);
	limit = parsed("nproc=10:20");
	cr_assert_eq(limit.limit.rlim_cur, 10);
	cr_assert_eq(limit.limit.rlim_max, 20);
}

Test(confine, other_words_are_no_limit)
{
	static const char *const wrong[] = { "", "nofile", "nofile=", "=1",
		"no=1", "nofile=-1", "nofile=1k", "cpu=1GiB", "nproc=20:10",
		"nofile=1:", "nofile=1:2:3", "NOFILE=1",
		"nofile=11111111111111111111111111111111111:2" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct confine_limit limit = { .resource = -1 };
		cr_expect_not(
		    confine_parse_limit(wrong[i], &limit), "%s", wrong[i]);
		cr_expect_eq(limit.resource, -1, "and nothing is written");
	}
}

Test(confine, a_umask_is_octal)
{
	mode_t value = 1;
	cr_assert(confine_parse_umask("027", &value));
	cr_assert_eq(value, 027);
	cr_assert(confine_parse_umask("0022", &value));
	cr_assert_eq(value, 022);
	static const char *const wrong[] = { "", "2", "22", "028", "1022",
		"00022", "rwx" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		cr_expect_not(
		    confine_parse_umask(wrong[i], &value), "%s", wrong[i]);
	cr_assert_eq(value, 022);
}

Test(confine, users_are_found_by_name)
{
	struct confinement confinement = { .user = NULL };
	cr_assert_eq(confine_find_user(&confinement, "root"), 0);
	cr_assert_eq(confinement.uid, 0);
	cr_assert_geq(confinement.group_count, 1);
	cr_assert_eq(confine_may_become(&confinement), geteuid() == 0);
	cr_assert_eq(confine_find_user(&confinement, "no such user"), ENOENT);
}

Test(confine, an_empty_one_changes_nothing)
{
	const char *step = NULL;
	cr_assert_eq(confine_apply(&(struct confinement){ 0 }, &step), 0);
	cr_assert_null(step);
}

Test(confine, what_cannot_be_had_is_named)
{
	const char *step = NULL;
	struct confinement confinement = { .directory = "/no/such/directory" };
	cr_assert_eq(confine_apply(&confinement, &step), ENOENT);
	cr_assert_str_eq(step, "cwd");
}
