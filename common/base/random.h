/* SPDX-License-Identifier: MIT */
/*
 * A small seeded generator, so that what depends on chance can be replayed.
 * SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
 * Generators", OOPSLA 2014). Not for secrets.
 */
#ifndef GSQ_BASE_RANDOM_H
#define GSQ_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state; /* any value is a good seed */
};

/* The next number, uniform over all 64 bits. */
static inline uint64_t
random_next(struct random *random)
{
	uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
