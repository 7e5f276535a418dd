/* SPDX-License-Identifier: MIT */
#include "base/durability.h"

#include "base/check.h"

static const char *const names[DURABILITY_COUNT] = {
	[DURABILITY_SYNC] = "sync",
	[DURABILITY_RELAXED] = "relaxed",
	[DURABILITY_MEMORY] = "memory",
};

const char *
durability_name(enum durability durability)
{
	CHECK((unsigned)durability < DURABILITY_COUNT);
	return names[durability];
}

bool
durability_parse(struct span name, enum durability *ret_durability)
{
	for (unsigned i = 0; i < DURABILITY_COUNT; i++) {
		if (!span_is_text(name, names[i]))
			continue;
		*ret_durability = (enum durability)i;
		return true;
	}
	return false;
}
