/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

#define PART_BITS 3
#define PARTS	  (1u << PART_BITS)

/* Where two parts of a doubling are no longer one value each. */
#define EXACT (2 * PARTS)

static unsigned
bucket_of(uint32_t value)
{
	if (value < EXACT)
		return value;
	unsigned shift = 31u - (unsigned)__builtin_clz(value) - PART_BITS;
	return shift * PARTS + (value >> shift);
}

static int64_t
middle_of(unsigned bucket)
{
	if (bucket < EXACT)
		return bucket;
	unsigned shift = bucket / PARTS - 1;
	int64_t first = (int64_t)(bucket % PARTS + PARTS) << shift;
	return first + (INT64_C(1) << shift) / 2;
}

/* Rounded up, so that what was seen once is not forgotten. */
static void
halve(struct histogram *histogram)
{
	histogram->total = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint32_t count = histogram->counts[i];
		histogram->counts[i] = count / 2 + count % 2;
		histogram->total += histogram->counts[i];
	}
}

void
histogram_add(struct histogram *histogram, int64_t value)
{
	if (value < 0)
		value = 0;
	if (value > HISTOGRAM_VALUE_MAX)
		value = HISTOGRAM_VALUE_MAX;
	if (histogram->total == UINT32_MAX)
		halve(histogram);
	histogram->counts[bucket_of((uint32_t)value)]++;
	histogram->total++;
}

int64_t
histogram_quantile(const struct histogram *histogram, unsigned thousandths)
{
	uint64_t total = histogram->total;
	if (total == 0)
		return -1;
	/* At least the first one, as thousandths is not 0. */
	uint64_t rank = (total * thousandths + 999) / 1000;
	uint64_t seen = 0;
	unsigned bucket = 0;
	while ((seen += histogram->counts[bucket]) < rank)
		bucket++;
	return middle_of(bucket);
}
