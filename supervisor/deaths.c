/* SPDX-License-Identifier: MIT */
#include "supervisor/deaths.h"

#include "base/check.h"

void
deaths_add(struct deaths *deaths, const struct death_record *record)
{
	deaths->records[deaths->count++ % DEATHS_MAX] = *record;
}

size_t
deaths_kept(const struct deaths *deaths)
{
	return deaths->count < DEATHS_MAX ? (size_t)deaths->count : DEATHS_MAX;
}

const struct death_record *
deaths_last(const struct deaths *deaths, size_t n)
{
	CHECK(n < deaths_kept(deaths));
	return &deaths->records[(deaths->count - 1 - n) % DEATHS_MAX];
}
