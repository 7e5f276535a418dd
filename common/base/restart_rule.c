/* SPDX-License-Identifier: MIT */
#include "base/restart_rule.h"

#include "base/check.h"

static const char *const strategies[RESTART_STRATEGY_COUNT] = {
	[ONE_FOR_ONE] = "one_for_one",
	[REST_FOR_ONE] = "rest_for_one",
	[ONE_FOR_ALL] = "one_for_all",
};

static const char *const kinds[RESTART_KIND_COUNT] = {
	[RESTART_PERMANENT] = "permanent",
	[RESTART_TRANSIENT] = "transient",
	[RESTART_TEMPORARY] = "temporary",
};

const char *
restart_strategy_name(enum restart_strategy strategy)
{
	CHECK((unsigned)strategy < RESTART_STRATEGY_COUNT);
	return strategies[strategy];
}

const char *
restart_kind_name(enum restart_kind kind)
{
	CHECK((unsigned)kind < RESTART_KIND_COUNT);
	return kinds[kind];
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
restart_strategy_parse(struct span name, enum restart_strategy *ret_strategy)
{
	unsigned at = place_of_name(name, strategies, RESTART_STRATEGY_COUNT);
	if (at < RESTART_STRATEGY_COUNT)
		*ret_strategy = (enum restart_strategy)at;
	return at < RESTART_STRATEGY_COUNT;
}

bool
restart_kind_parse(struct span name, enum restart_kind *ret_kind)
{
	unsigned at = place_of_name(name, kinds, RESTART_KIND_COUNT);
	if (at < RESTART_KIND_COUNT)
		*ret_kind = (enum restart_kind)at;
	return at < RESTART_KIND_COUNT;
}
