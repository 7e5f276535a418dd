/* SPDX-License-Identifier: MIT */
/*
 * How values are spread, counted in a fixed number of buckets that grow with
 * the value: those up to 15 have one each, and from there on every doubling is
 * divided into 8 equal parts. What is answered is the middle of a bucket, so
 * that it is off by at most 1/16 of the value. 932 bytes, whatever is counted.
 *
 * The buckets are those of HdrHistogram (Gil Tene, hdrhistogram.org), with
 * 3 bits of every value kept.
 */
#ifndef GSQ_BASE_HISTOGRAM_H
#define GSQ_BASE_HISTOGRAM_H

#include <stdint.h>

/* As milliseconds more than 24 days; what is greater counts as this. */
#define HISTOGRAM_VALUE_MAX INT64_C(0x7fffffff)

#define HISTOGRAM_BUCKETS 232

/* All zero: empty. */
struct histogram {
	uint32_t total;
	uint32_t counts[HISTOGRAM_BUCKETS];
};

/* Counts a value; a negative one counts as 0. When the counts are full all are
 * halved: what came since weighs more then, and the spread stays. */
void histogram_add(struct histogram *histogram, int64_t value);

/*
 * The value that so many thousandths of all, 1 to 1000, do not exceed: 500 for
 * the median, 990 for p99. -1 when nothing was counted.
 */
int64_t histogram_quantile(
    const struct histogram *histogram, unsigned thousandths);

#endif
