/* SPDX-License-Identifier: MIT */
#include "base/refusal.h"

#include "base/check.h"

static const struct {
	const char *name;
	int code;
	const char *meaning;
} refusals[REFUSAL_COUNT] = {
	[REFUSAL_NONE] = { "NONE", 0, "no error" },
#define REFUSAL(name, code, meaning) \
	[REFUSAL_##name] = { #name, code, meaning },
#include "base/refusal.def"
#undef REFUSAL
};

const char *
refusal_name(enum refusal refusal)
{
	CHECK((unsigned)refusal < REFUSAL_COUNT);
	return refusals[refusal].name;
}

int
refusal_code(enum refusal refusal)
{
	CHECK((unsigned)refusal < REFUSAL_COUNT);
	return refusals[refusal].code;
}

const char *
refusal_meaning(enum refusal refusal)
{
	CHECK((unsigned)refusal < REFUSAL_COUNT);
	return refusals[refusal].meaning;
}

enum refusal
refusal_of_text(struct span text)
{
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		size_t count = strlen(refusals[i].name);
		if (text.count >= count &&
		    memcmp(text.bytes, refusals[i].name, count) == 0 &&
		    (text.count == count || text.bytes[count] == ':'))
			return (enum refusal)i;
	}
	return REFUSAL_NONE;
}
