/* SPDX-License-Identifier: MIT */
#include "core/certificate.h"

#include "base/units.h"
#include "tests/support/memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct buffer buffer;

static void
release(void)
{
	buffer_release(&buffer);
}

TestSuite(certificate, .fini = release);

static const struct certificate whole = {
	.verdict = VERDICT_TIMEOUT,
	.attempt = 7,
	.delivery = 4000000000u,
	.began_wall_ms = 1767225600000,
	.worker_pid = 4712,
	.worker = SPAN_LITERAL("w-1"),
	.reason = SPAN_LITERAL("killed by signal 15 (TERM)"),
	.remains = { .known = REMAINS_EXIT | REMAINS_SIGNAL | REMAINS_DURATION |
		REMAINS_CPU | REMAINS_RSS,
	    .exit = 255,
	    .signal = SIGNAL_MAX,
	    .core = true,
	    .duration_ms = DURATION_MS_MAX,
	    .cpu_ms = 330,
	    .rss_bytes = INT64_MAX,
	    .errors = SPAN_LITERAL("oh\0dear\n") },
};

static struct span
bytes_of(const struct certificate *certificate)
{
	buffer_consume(&buffer, buffer_count(&buffer));
	cr_assert(certificate_write(&buffer, certificate));
	return (struct span){ buffer_front(&buffer), buffer_count(&buffer) };
}

static void
expect_same(const struct certificate *a, const struct certificate *b)
{
	cr_expect_eq(a->verdict, b->verdict);
	cr_expect_eq(a->attempt, b->attempt);
	cr_expect_eq(a->delivery, b->delivery);
	cr_expect_eq(a->began_wall_ms, b->began_wall_ms);
	cr_expect_eq(a->worker_pid, b->worker_pid);
	cr_expect(span_is(a->worker, b->worker));
	cr_expect(span_is(a->reason, b->reason));
	cr_expect_eq(a->remains.known, b->remains.known);
	cr_expect_eq(a->remains.exit, b->remains.exit);
	cr_expect_eq(a->remains.signal, b->remains.signal);
	cr_expect_eq(a->remains.core, b->remains.core);
	cr_expect_eq(a->remains.duration_ms, b->remains.duration_ms);
	cr_expect_eq(a->remains.cpu_ms, b->remains.cpu_ms);
	cr_expect_eq(a->remains.rss_bytes, b->remains.rss_bytes);
	cr_expect(span_is(a->remains.errors, b->remains.errors));
}

Test(certificate, what_was_written_is_read)
{
	static const struct certificate empty = { .verdict = VERDICT_FAIL };
	struct certificate read;
	cr_assert(certificate_read(bytes_of(&whole), &read));
	expect_same(&read, &whole);
	cr_assert(certificate_read(bytes_of(&empty), &read));
	expect_same(&read, &empty);
}

Test(certificate, one_without_words_is_small)
{
	static const struct certificate empty = { .verdict = VERDICT_FAIL };
	cr_expect_leq(bytes_of(&empty).count, 64);
}

Test(certificate, a_reason_that_is_too_long_is_cut)
{
	static char reason[REASON_BYTES_MAX + 1];
	static const char errors[STDERR_BYTES_MAX];
	struct certificate long_one = whole, read;
	memset(reason, 'r', sizeof(reason));
	long_one.reason = (struct span){ reason, sizeof(reason) };
	long_one.remains.errors = (struct span){ errors, sizeof(errors) };
	cr_assert(certificate_read(bytes_of(&long_one), &read));
	cr_expect_eq(read.reason.count, REASON_BYTES_MAX);
	cr_expect_eq(read.remains.errors.count, sizeof(errors));
}

/* The end of it is stderr, so that only its beginning can be too short. */
Test(certificate, one_that_is_cut_is_refused)
{
	struct span bytes = bytes_of(&whole);
	size_t least = bytes.count - whole.remains.errors.count;
	struct certificate read;
	for (size_t count = 0; count < bytes.count; count++) {
		char *copy = malloc(count + 1);
		memcpy(copy, bytes.bytes, count);
		cr_expect_eq(
		    certificate_read((struct span){ copy, count }, &read),
		    count >= least, "%zu bytes", count);
		free(copy);
	}
}

Test(certificate, what_no_gsq_writes_is_refused)
{
	static char text[STDERR_BYTES_MAX + 1];
	struct certificate read, wrong = whole;
	wrong.verdict = VERDICT_COUNT;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.remains.signal = SIGNAL_MAX + 1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.remains.duration_ms = -1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong.remains.duration_ms = DURATION_MS_MAX + 1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.remains.cpu_ms = -1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong.remains.cpu_ms = DURATION_MS_MAX + 1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.remains.rss_bytes = -1;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.worker_pid = INT64_C(1) << 31;
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.worker = (struct span){ text, NAME_BYTES_MAX + 1 };
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
	wrong = whole;
	wrong.remains.errors = (struct span){ text, sizeof(text) };
	cr_expect_not(certificate_read(bytes_of(&wrong), &read));
}

#if MEMORY_CAN_FAIL
Test(certificate, without_memory_nothing_is_written)
{
	fail_memory(1);
	cr_expect_not(certificate_write(&buffer, &whole));
	fail_memory(0);
	cr_expect_eq(buffer_count(&buffer), 0);
}
#endif
