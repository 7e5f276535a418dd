/* SPDX-License-Identifier: MIT */
#include "queue/verdict.h"

#include "base/units.h"

#include <criterion/criterion.h>
#include <string.h>

static struct buffer buffer;
static struct message_writer writer;
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

TestSuite(verdict, .init = set_up, .fini = tear_down);

/* An answer whose error is a map of so many keys; what follows puts them. */
static void
begin(uint32_t keys)
{
	buffer_consume(&buffer, buffer_count(&buffer));
	message_verdict(&writer, &buffer, 7, keys);
}

static struct outcome
end(void)
{
	message_verdict_end(&writer);
	cr_assert_eq(message_end(&writer), 0);
	const char *wrong = message_decode(
	    &message, &zone, buffer_front(&buffer), buffer_count(&buffer));
	cr_assert_null(wrong, "%s", wrong);
	return verdict_read(message.error);
}

static void
put_pair(const char *key, int64_t value)
{
	put_key(&writer, key);
	put_integer(&writer, value);
}

static void
put_pair_text(const char *key, const char *text)
{
	put_key(&writer, key);
	put_text(&writer, span_of(text));
}

static struct outcome
read_pair(const char *key, int64_t value)
{
	begin(1);
	put_pair(key, value);
	return end();
}

/* ---- verdicts ---- */

Test(verdict, no_error_is_done)
{
	struct outcome outcome = verdict_read(NULL);
	cr_expect_eq(outcome.verdict, VERDICT_DONE);
	cr_expect_eq(outcome.remains.known, 0);
}

Test(verdict, each_that_a_worker_may_say_is_understood)
{
	static const char *const names[] = { "done", "fail", "retry", "dead",
		"release", "died", "timeout", "cancelled", "sorry" };
	static const enum verdict wanted[] = { VERDICT_DONE, VERDICT_FAIL,
		VERDICT_RETRY, VERDICT_DEAD, VERDICT_RELEASE, VERDICT_FAIL,
		VERDICT_FAIL, VERDICT_FAIL, VERDICT_FAIL };
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		begin(2);
		put_pair_text("verdict", names[i]);
		put_pair_text("reason", "why");
		struct outcome outcome = end();
		cr_expect_eq(outcome.verdict, wanted[i], "%s", names[i]);
		cr_expect(span_is_text(outcome.reason, "why"));
		cr_expect_not(outcome.crashed);
		cr_expect_eq(outcome.delay_ms, 1000, "where it is missing");
	}
}

Test(verdict, any_other_error_is_a_failure)
{
	static const struct {
		const char *bytes;
		size_t count;
		enum verdict verdict;
		const char *reason;
	} rows[] = {
		{ "\x94\x01\x07\xa2oh\xc0", 7, VERDICT_FAIL, "oh" },
		{ "\x94\x01\x07\x92\x00\xa2oh\xc0", 9, VERDICT_FAIL, "oh" },
		{ "\x94\x01\x07\x92\x01\xa2oh\xc0", 9, VERDICT_DEAD, "oh" },
		{ "\x94\x01\x07\x91\x01\xc0", 6, VERDICT_FAIL,
		    "the worker gave no reason" },
		{ "\x94\x01\x07\x05\xc0", 5, VERDICT_FAIL,
		    "the worker gave no reason" },
		{ "\x94\x01\x07\x80\xc0", 5, VERDICT_FAIL,
		    "the worker gave no reason" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *wrong = message_decode(
		    &message, &zone, rows[i].bytes, rows[i].count);
		cr_assert_null(wrong, "%zu: %s", i, wrong);
		struct outcome outcome = verdict_read(message.error);
		cr_expect_eq(outcome.verdict, rows[i].verdict, "%zu", i);
		cr_expect(
		    span_is_text(outcome.reason, rows[i].reason), "%zu", i);
		cr_expect_eq(outcome.remains.known, 0);
	}
}

Test(verdict, the_delay_of_not_now_is_bounded)
{
	cr_expect_eq(read_pair("delay_ms", 0).delay_ms, 0);
	cr_expect_eq(
	    read_pair("delay_ms", DURATION_MS_MAX).delay_ms, DURATION_MS_MAX);
	cr_expect_eq(read_pair("delay_ms", DURATION_MS_MAX + 1).delay_ms, 1000);
	cr_expect_eq(read_pair("delay_ms", -1).delay_ms, 1000);
}

/* ---- what a run left behind ---- */

Test(verdict, what_a_run_left_behind_is_read)
{
	begin(7);
	put_pair("exit", 3);
	put_pair("signal", 11);
	put_pair("duration_ms", 1204);
	put_pair("cpu_ms", 330);
	put_pair("rss_bytes", INT64_C(5) << 32);
	put_key(&writer, "core");
	put_boolean(&writer, true);
	put_key(&writer, "stderr");
	put_bytes(&writer, SPAN_LITERAL("a\0b"));
	struct outcome outcome = end();
	const struct remains *remains = &outcome.remains;
	cr_expect_eq(remains->known,
	    REMAINS_EXIT | REMAINS_SIGNAL | REMAINS_DURATION | REMAINS_CPU |
		REMAINS_RSS);
	cr_expect_eq(remains->exit, 3);
	cr_expect_eq(remains->signal, 11);
	cr_expect_eq(remains->duration_ms, 1204);
	cr_expect_eq(remains->cpu_ms, 330);
	cr_expect_eq(remains->rss_bytes, INT64_C(5) << 32);
	cr_expect(remains->core);
	cr_expect(span_is(remains->errors, SPAN_LITERAL("a\0b")));
	cr_expect(outcome.crashed);
}

Test(verdict, what_is_out_of_range_is_missing)
{
	static const struct {
		const char *key;
		int64_t first, last; /* that are taken */
		int64_t below, above;
	} rows[] = {
		{ "exit", 0, 255, -1, 256 },
		{ "signal", 1, 64, 0, 65 },
		{ "duration_ms", 0, DURATION_MS_MAX, -1, DURATION_MS_MAX + 1 },
		{ "cpu_ms", 0, DURATION_MS_MAX, -1, DURATION_MS_MAX + 1 },
		{ "rss_bytes", 0, INT64_MAX, -1, INT64_MIN },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t bit = (uint8_t)(1u << i);
		struct outcome outcome = read_pair(rows[i].key, rows[i].first);
		cr_expect_eq(outcome.remains.known, bit, "%s", rows[i].key);
		outcome = read_pair(rows[i].key, rows[i].last);
		cr_expect_eq(outcome.remains.known, bit, "%s", rows[i].key);
		outcome = read_pair(rows[i].key, rows[i].below);
		cr_expect_eq(outcome.remains.known, 0, "%s", rows[i].key);
		outcome = read_pair(rows[i].key, rows[i].above);
		cr_expect_eq(outcome.remains.known, 0, "%s", rows[i].key);
		begin(1);
		put_pair_text(rows[i].key, "5");
		outcome = end();
		cr_expect_eq(outcome.remains.known, 0, "%s", rows[i].key);
		cr_expect_eq(outcome.verdict, VERDICT_FAIL);
	}
}

Test(verdict, what_is_of_a_wrong_type_is_missing)
{
	begin(2);
	put_pair("core", 1);
	put_pair("stderr", 5);
	struct outcome outcome = end();
	cr_expect_not(outcome.remains.core);
	cr_expect_eq(outcome.remains.errors.count, 0);
	begin(1);
	put_key(&writer, "core");
	put_boolean(&writer, false);
	cr_expect_not(end().remains.core);
}

Test(verdict, more_stderr_than_counts_is_cut)
{
	static char errors[STDERR_BYTES_MAX + 1];
	memset(errors, 'e', sizeof(errors));
	for (size_t less = 0; less < 3; less++) {
		begin(1);
		put_key(&writer, "stderr");
		put_bytes(
		    &writer, (struct span){ errors, sizeof(errors) - less });
		size_t wanted =
		    less == 2 ? STDERR_BYTES_MAX - 1 : STDERR_BYTES_MAX;
		cr_expect_eq(end().remains.errors.count, wanted);
	}
}

Test(verdict, a_signal_is_a_crash_unless_the_queue_asked_for_it)
{
	cr_expect(read_pair("signal", 9).crashed);
	cr_expect(read_pair("signal", 1000).crashed, "of whatever system");
	cr_expect_not(read_pair("signal", 0).crashed);
	begin(2);
	put_pair("signal", 15);
	put_key(&writer, "asked");
	put_boolean(&writer, true);
	struct outcome outcome = end();
	cr_expect_not(outcome.crashed);
	cr_expect_eq(outcome.remains.signal, 15, "and it is known");
	begin(2);
	put_pair("signal", 15);
	put_pair("asked", 1);
	cr_expect(end().crashed);
}
