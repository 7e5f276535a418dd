/* SPDX-License-Identifier: MIT */
#include "base/key_rule.h"

#include "base/check.h"
#include "base/limits.h"

#include <string.h>

static const char *const modes[KEY_MODE_COUNT] = {
	[KEY_PARALLEL] = "parallel",
	[KEY_SERIAL] = "serial",
	[KEY_COALESCE] = "coalesce",
};

static const char *const merges[KEY_MERGE_COUNT] = {
	[MERGE_LAST] = "last",
	[MERGE_FIRST] = "first",
	[MERGE_APPEND] = "append",
};

const char *
key_mode_name(enum key_mode mode)
{
	CHECK((unsigned)mode < KEY_MODE_COUNT);
	return modes[mode];
}

const char *
key_merge_name(enum key_merge merge)
{
	CHECK((unsigned)merge < KEY_MERGE_COUNT);
	return merges[merge];
}

/* The place of a name among others, or their count. */
static unsigned
place_of_name(struct span name, const char *const *names, unsigned count)
{
	unsigned at = 0;
	while (at < count && !span_is_text(name, names[at]))
		at++;
	return at;
}

bool
key_mode_parse(struct span name, enum key_mode *ret_mode)
{
	unsigned at = place_of_name(name, modes, KEY_MODE_COUNT);
	if (at < KEY_MODE_COUNT)
		*ret_mode = (enum key_mode)at;
	return at < KEY_MODE_COUNT;
}

bool
key_merge_parse(struct span name, enum key_merge *ret_merge)
{
	unsigned at = place_of_name(name, merges, KEY_MERGE_COUNT);
	if (at < KEY_MERGE_COUNT)
		*ret_merge = (enum key_merge)at;
	return at < KEY_MERGE_COUNT;
}

bool
key_is_valid(struct span key)
{
	return key.count > 0 && key.count <= KEY_BYTES_MAX &&
	    memchr(key.bytes, 0, key.count) == NULL;
}
