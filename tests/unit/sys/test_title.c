/* SPDX-License-Identifier: MIT */
#include "sys/title.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int argument_count;
static char **arguments;

/* The C library hands the real arguments to what runs before main. */
static void __attribute__((constructor)) keep_arguments(int argc, char **argv)
{
	argument_count = argc;
	arguments = argv;
}

static size_t
read_file(const char *path, char *bytes, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	ssize_t got = read(fd, bytes, room);
	cr_assert_geq(got, 0);
	close(fd);
	return (size_t)got;
}

/* What ps reads, which ends at the first NUL and has nothing behind it. */
static void
expect_shown(const char *wanted)
{
	char bytes[4096];
	size_t count = read_file("/proc/self/cmdline", bytes, sizeof(bytes));
	cr_assert_eq(count, strlen(wanted) + 1, "%zu bytes", count);
	cr_assert_eq(memcmp(bytes, wanted, count), 0);
}

Test(title, the_kernel_shows_it_long_or_short)
{
	char text[100]; /* there is room for more in any environment */
	char name[64] = "";
	cr_assert_not_null(title_init(argument_count, arguments, "gsq-worker"));
	title_set("gsq: worker w2 (job %d)", 812);
	expect_shown("gsq: worker w2 (job 812)");
	title_set("x");
	expect_shown("x");
	for (size_t count = 1; count < sizeof(text); count++) {
		memset(text, 'y', count);
		text[count] = '\0';
		title_set("%s", text);
		expect_shown(text);
	}
	title_set("%s", "gsq: queue (/run/gsq)");
	expect_shown("gsq: queue (/run/gsq)");
	size_t got = read_file("/proc/self/comm", name, sizeof(name) - 1);
	cr_assert_eq(got, 11);
	cr_assert_str_eq(name, "gsq-worker\n");
}

Test(title, one_longer_than_the_room_is_cut)
{
	static char text[1 << 20];
	memset(text, 'z', sizeof(text) - 1);
	cr_assert_not_null(title_init(argument_count, arguments, "gsq-worker"));
	title_set("%s", text);
	char bytes[64];
	cr_assert_gt(read_file("/proc/self/cmdline", bytes, 64), 20);
	cr_assert_eq(memcmp(bytes, "zzzzzzzzzzzzzzzz", 16), 0);
	cr_assert_not_null(getenv("PATH"));
}

/* A process image as the kernel lays it out, small enough to look at. */
static char block[] = "prog\0-a\0value\0ONE=1\0TWO=2\0behind";
static char *block_arguments[] = { block, block + 5, block + 8, NULL };
static char *block_variables[] = { block + 14, block + 20, NULL };

Test(title, arguments_and_environment_survive_in_the_copy)
{
	environ = block_variables;
	char **copy = title_init(3, block_arguments, "gsq-worker");
	cr_assert_not_null(copy);
	title_set("%s", "a title that is longer than all of it");
	cr_assert_str_eq(block, "a title that is longer th");
	cr_assert_str_eq(copy[0], "prog");
	cr_assert_str_eq(copy[1], "-a");
	cr_assert_str_eq(copy[2], "value");
	cr_assert_null(copy[3]);
	cr_assert_str_eq(getenv("ONE"), "1");
	cr_assert_str_eq(getenv("TWO"), "2");
	cr_assert_str_eq(block + 26, "behind", "written behind its room");
	cr_assert_eq(setenv("THREE", "3", 1), 0);
	cr_assert_str_eq(getenv("THREE"), "3");
}

Test(title, an_environment_that_lies_elsewhere_is_not_written_over)
{
	static char *elsewhere[] = { NULL, NULL };
	static char variable[] = "ONE=1";
	elsewhere[0] = variable;
	environ = elsewhere;
	cr_assert_not_null(title_init(3, block_arguments, "gsq-worker"));
	title_set("%s", "a title that is longer than all of it");
	cr_assert_str_eq(block, "a title that ");
	cr_assert_str_eq(block + 14, "ONE=1");
	cr_assert_str_eq(variable, "ONE=1");
}

Test(title, without_arguments_there_is_no_title)
{
	static char *none[] = { NULL };
	cr_assert_not_null(title_init(0, none, "gsq-worker"));
	title_set("%s", "nothing to write to");
}

Test(title, a_title_before_the_start_does_nothing)
{
	title_set("%s", "too early");
}
