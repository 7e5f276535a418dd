/* SPDX-License-Identifier: MIT */
#include "worker/report.h"

#include "base/limits.h"
#include "wire/message.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct buffer buffer;
static msgpack_zone zone;
static struct message message;

static void
set_up(void)
{
	cr_assert(msgpack_zone_init(&zone, 4096));
}

static void
tear_down(void)
{
	msgpack_zone_destroy(&zone);
	buffer_release(&buffer);
}

TestSuite(report, .init = set_up, .fini = tear_down);

static void
decode(void)
{
	const char *wrong = message_decode(
	    &message, &zone, buffer_front(&buffer), buffer_count(&buffer));
	cr_assert_null(wrong, "%s", wrong);
}

static void
respond(struct outcome outcome)
{
	buffer_consume(&buffer, buffer_count(&buffer));
	cr_assert_eq(report_response(&buffer, 7, &outcome, "/bin/x"), 0);
	decode();
	cr_assert_eq(message.kind, MESSAGE_RESPONSE);
	cr_assert_eq(message.msgid, 7);
	cr_assert_null(message.result);
}

static bool
has_text(const msgpack_object *map, const char *key, const char *wanted)
{
	struct span span;
	return object_span(map_find(map, key), &span) &&
	    span_is_text(span, wanted);
}

static int64_t
number(const msgpack_object *map, const char *key)
{
	int64_t value = -1;
	object_integer(map_find(map, key), 0, INT64_MAX, &value);
	return value;
}

static bool
is_true(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = map_find(map, key);
	return value != NULL && value->type == MSGPACK_OBJECT_BOOLEAN &&
	    value->via.boolean;
}

Test(report, done_is_nil_and_nil)
{
	respond(outcome_of_exit(0, 0, 0));
	cr_expect_null(message.error);
	cr_expect_eq(buffer_count(&buffer), 5);
	cr_expect_eq(
	    memcmp(buffer_front(&buffer), "\x94\x01\x07\xc0\xc0", 5), 0);
}

Test(report, a_failure_says_its_exit_status)
{
	static const char wanted[] = "\x94\x01\x07\x83\xa7verdict\xa4"
				     "fail\xa6reason\xad"
				     "exit status 1\xa4"
				     "exit\x01\xc0";
	respond(outcome_of_exit(1, 0, 0));
	cr_expect_eq(buffer_count(&buffer), sizeof(wanted) - 1);
	cr_expect_eq(memcmp(buffer_front(&buffer), wanted, sizeof(wanted) - 1),
	    0, "as in the specification");
}

Test(report, a_signal_is_named)
{
	respond(outcome_of_signal(SIGSEGV));
	cr_expect(has_text(message.error, "verdict", "fail"));
	cr_expect(
	    has_text(message.error, "reason", "killed by signal 11 (SEGV)"));
	cr_expect_eq(number(message.error, "signal"), 11);
	cr_expect_null(map_find(message.error, "exit"));
	cr_expect_eq(message.error->via.map.size, 3);
}

Test(report, a_signal_that_the_queue_asked_for_is_no_crash)
{
	struct outcome outcome = outcome_of_signal(SIGTERM);
	outcome.asked = true;
	respond(outcome);
	cr_expect(has_text(message.error, "verdict", "fail"));
	cr_expect(
	    has_text(message.error, "reason", "killed by signal 15 (TERM)"));
	cr_expect_eq(number(message.error, "signal"), 15);
	cr_expect(is_true(message.error, "asked"), "this is how it knows");
	cr_expect_eq(message.error->via.map.size, 4);
}

Test(report, what_the_process_left_behind_goes_with_a_failure)
{
	static char errors[STDERR_BYTES_MAX];
	struct span span;
	struct outcome outcome = outcome_of_signal(SIGSEGV);
	outcome.measured = true;
	outcome.core = true;
	outcome.duration_ms = 1204;
	outcome.cpu_ms = 330;
	outcome.rss_bytes = INT64_C(5) << 32;
	memset(errors, '\0', sizeof(errors));
	outcome.errors = (struct span){ errors, sizeof(errors) };
	respond(outcome);
	cr_expect_eq(number(message.error, "duration_ms"), 1204);
	cr_expect_eq(number(message.error, "cpu_ms"), 330);
	cr_expect_eq(number(message.error, "rss_bytes"), INT64_C(5) << 32);
	cr_expect(is_true(message.error, "core"));
	cr_assert(object_span(map_find(message.error, "stderr"), &span));
	cr_expect_eq(span.count, sizeof(errors));
	cr_expect_eq(memcmp(span.bytes, errors, sizeof(errors)), 0);
	cr_expect_eq(message.error->via.map.size, 8);
	outcome = outcome_of_exit(0, 0, 0);
	outcome.measured = true;
	respond(outcome);
	cr_expect_null(message.error, "what is done needs none");
}

Test(report, what_was_not_begun_was_stopped)
{
	struct outcome outcome = outcome_of_stop();
	outcome.verdict = OUTCOME_FAIL;
	outcome.asked = true;
	respond(outcome);
	cr_expect(has_text(message.error, "reason", "it was stopped"));
	cr_expect_null(map_find(message.error, "signal"));
	cr_expect(is_true(message.error, "asked"));
	cr_expect_eq(message.error->via.map.size, 3);
}

Test(report, not_now_has_its_delay)
{
	struct outcome outcome = outcome_of_exit(75, 0, 0);
	respond(outcome);
	cr_expect(has_text(message.error, "verdict", "retry"));
	cr_expect_eq(number(message.error, "delay_ms"), outcome.delay_ms);
	cr_expect_eq(number(message.error, "exit"), 75);
	cr_expect_eq(message.error->via.map.size, 4);
}

Test(report, a_command_that_cannot_be_run_gives_the_job_back)
{
	respond(outcome_of_errno(2));
	cr_expect(has_text(message.error, "verdict", "release"));
	cr_expect(has_text(message.error, "reason",
	    "cannot run '/bin/x': No such file or directory"));
	cr_expect_eq(message.error->via.map.size, 2);
	respond(outcome_of_stop());
	cr_expect(has_text(message.error, "reason", "worker stops"));
	cr_expect_eq(message.error->via.map.size, 2);
}

Test(report, a_late_result_is_a_request)
{
	struct ledger_job job = { .id = 812,
		.delivery = 2,
		.msgid = 4,
		.outcome = outcome_of_exit(1, 0, 0) };
	cr_assert_eq(report_request(&buffer, &job, "/bin/x"), 0);
	decode();
	cr_expect_eq(message.kind, MESSAGE_REQUEST);
	cr_expect_eq(message.msgid, 4);
	cr_expect(span_is_text(message.method, "result"));
	cr_expect_eq(number(message.params, "job"), 812);
	cr_expect_eq(number(message.params, "delivery"), 2);
	const msgpack_object *error = map_find(message.params, "error");
	cr_expect(has_text(error, "verdict", "fail"));
	cr_expect_eq(number(error, "exit"), 1);
	job.outcome = outcome_of_exit(0, 0, 0);
	buffer_consume(&buffer, buffer_count(&buffer));
	cr_assert_eq(report_request(&buffer, &job, "/bin/x"), 0);
	decode();
	cr_expect_eq(message.params->via.map.size, 2);
}
