/* SPDX-License-Identifier: MIT */
#include "qctl/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct place place;
static char directory[] = "/tmp/gsq-test-place-XXXXXX";

static void
set_up(void)
{
	cr_assert_not_null(mkdtemp(directory));
	unsetenv("GSQ_DIR");
	unsetenv("XDG_RUNTIME_DIR");
}

static void
tear_down(void)
{
	rmdir(directory);
}

TestSuite(place, .init = set_up, .fini = tear_down, .timeout = 60);

static void
expect_sockets(const char *queue, const char *control)
{
	cr_expect_str_eq(place.queue_socket, queue);
	cr_expect_str_eq(place.control_socket, control);
}

Test(place, a_directory_has_both_sockets)
{
	char queue[128];
	char control[128];
	snprintf(queue, sizeof(queue), "%s/gsq.sock", directory);
	snprintf(control, sizeof(control), "%s/control.sock", directory);
	cr_assert_null(place_set(&place, directory));
	expect_sockets(queue, control);
}

Test(place, an_empty_variable_says_nothing)
{
	cr_assert_null(place_set(&place, NULL));
	cr_expect_not(place.is_said);
	setenv("GSQ_DIR", "", 1);
	cr_assert_null(place_set(&place, NULL));
	cr_expect_not(place.is_said);
	setenv("GSQ_DIR", directory, 1);
	cr_assert_null(place_set(&place, NULL));
	cr_expect(place.is_said);
	unsetenv("GSQ_DIR");
	cr_assert_null(place_set(&place, directory));
	cr_expect(place.is_said);
}

Test(place, the_control_socket_is_beside_the_named_one)
{
	cr_assert_null(place_set(&place, "/srv/a/gsq.sock"));
	expect_sockets("/srv/a/gsq.sock", "/srv/a/control.sock");
	cr_expect_str_eq(place.directory, "/srv/a");
	cr_assert_null(place_set(&place, "/srv/a/other.sock"));
	expect_sockets("/srv/a/other.sock", "/srv/a/control.sock");
	cr_assert_null(place_set(&place, "gsq.sock"));
	expect_sockets("gsq.sock", "./control.sock");
	cr_assert_null(place_set(&place, "/gsq.sock"));
	cr_expect_str_eq(place.directory, "/");
}

Test(place, the_control_socket_names_its_neighbour_too)
{
	cr_assert_null(place_set(&place, "/srv/a/control.sock"));
	expect_sockets("/srv/a/gsq.sock", "/srv/a/control.sock");
}

Test(place, without_a_word_it_is_the_default)
{
	setenv("GSQ_DIR", "/srv/b", 1);
	cr_assert_null(place_set(&place, NULL));
	expect_sockets("/srv/b/gsq.sock", "/srv/b/control.sock");
}

Test(place, what_is_too_long_or_empty_is_refused)
{
	char path[5000];
	cr_expect_not_null(place_set(&place, ""));
	for (size_t count = 120; count < sizeof(path); count *= 6) {
		memset(path, 'x', count);
		path[0] = '/';
		path[count - 1] = '\0';
		cr_expect_not_null(place_set(&place, path));
	}
}

Test(place, the_hint_names_the_supervisor_and_the_directory)
{
	char hint[256];
	setenv("GSQ_DIR", "/srv/b", 1);
	cr_assert_null(place_set(&place, "/srv/c/gsq.sock"));
	place_start_hint(&place, hint, sizeof(hint));
	cr_expect_not_null(strstr(hint, "supervisor -d /srv/c"), "%s", hint);
	cr_assert_null(place_set(&place, NULL));
	place_start_hint(&place, hint, sizeof(hint));
	cr_expect_not_null(strstr(hint, "supervisor"));
	cr_expect_null(strstr(hint, "-d"), "the usual place: %s", hint);
}
