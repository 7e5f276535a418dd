/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

#include "base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(histogram, .timeout = 60);

static struct histogram histogram;

static void
expect_about(int64_t found, int64_t wanted)
{
	int64_t off = found > wanted ? found - wanted : wanted - found;
	cr_assert_leq(off * 16, wanted, "%lld, and not about %lld",
	    (long long)found, (long long)wanted);
}

Test(histogram, an_empty_one_has_no_quantile)
{
	cr_assert_eq(histogram_quantile(&histogram, 500), -1);
	cr_assert_eq(histogram_quantile(&histogram, 1000), -1);
}

Test(histogram, one_value_is_every_quantile)
{
	histogram_add(&histogram, 7);
	cr_assert_eq(histogram_quantile(&histogram, 1), 7);
	cr_assert_eq(histogram_quantile(&histogram, 500), 7);
	cr_assert_eq(histogram_quantile(&histogram, 1000), 7);
}

Test(histogram, small_values_are_exact)
{
	for (int64_t value = 0; value < 16; value++) {
		struct histogram alone = { 0 };
		histogram_add(&alone, value);
		cr_assert_eq(histogram_quantile(&alone, 500), value);
	}
}

Test(histogram, every_value_is_answered_within_a_sixteenth)
{
	struct random random = { 1 };
	for (int64_t value = 1; value <= HISTOGRAM_VALUE_MAX; value *= 2)
		for (int i = 0; i < 200; i++) {
			struct histogram alone = { 0 };
			int64_t near = value +
			    (int64_t)(random_next(&random) % (uint64_t)value);
			histogram_add(&alone, near);
			expect_about(histogram_quantile(&alone, 500), near);
		}
}

Test(histogram, values_on_the_edge_of_a_bucket_do_not_go_back)
{
	int64_t before = -1;
	for (int64_t value = 0; value < 5000; value++) {
		struct histogram alone = { 0 };
		histogram_add(&alone, value);
		int64_t found = histogram_quantile(&alone, 500);
		cr_assert_geq(found, before);
		before = found;
	}
}

Test(histogram, values_beyond_the_range_count_as_its_ends)
{
	histogram_add(&histogram, -5);
	cr_assert_eq(histogram_quantile(&histogram, 1000), 0);
	histogram_add(&histogram, INT64_MAX);
	expect_about(histogram_quantile(&histogram, 1000), HISTOGRAM_VALUE_MAX);
	histogram_add(&histogram, INT64_MIN);
	cr_assert_eq(histogram_quantile(&histogram, 500), 0);
}

static int
compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

Test(histogram, quantiles_are_those_of_the_sorted_values)
{
	static int64_t values[10000];
	struct random random = { 42 };
	for (size_t i = 0; i < 10000; i++) {
		/* Spread over many doublings, as waiting times are. */
		uint64_t bits = random_next(&random) % 24;
		values[i] = (int64_t)(random_next(&random) >> (63 - bits));
		histogram_add(&histogram, values[i]);
	}
	qsort(values, 10000, sizeof(values[0]), compare);
	for (unsigned thousandths = 1; thousandths <= 1000; thousandths++)
		expect_about(histogram_quantile(&histogram, thousandths),
		    values[thousandths * 10 - 1]);
}

Test(histogram, a_rare_value_is_seen_by_p99_only_when_it_is_a_hundredth)
{
	for (int i = 0; i < 990; i++)
		histogram_add(&histogram, 1);
	for (int i = 0; i < 10; i++)
		histogram_add(&histogram, 1000);
	cr_assert_eq(histogram_quantile(&histogram, 990), 1);
	histogram_add(&histogram, 1000);
	expect_about(histogram_quantile(&histogram, 990), 1000);
}

Test(histogram, full_counts_are_halved_and_keep_their_spread)
{
	histogram.counts[1] = UINT32_MAX - 3;
	histogram.counts[2] = 3;
	histogram.total = UINT32_MAX;
	histogram_add(&histogram, 3);
	cr_assert_eq(histogram.counts[1], (UINT32_MAX - 3) / 2);
	cr_assert_eq(histogram.counts[2], 2);
	cr_assert_eq(histogram.counts[3], 1);
	uint64_t sum = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum += histogram.counts[i];
	cr_assert_eq(histogram.total, sum);
	cr_assert_eq(histogram_quantile(&histogram, 990), 1);
	cr_assert_eq(histogram_quantile(&histogram, 1000), 3);
}
