/* SPDX-License-Identifier: MIT */
#include "qctl/verbs.h"

/* The kinds of timeout in verb.def. */
#define ANSWER	30000
#define LONG	120000
#define MONITOR 10000
#define NONE	GSQ_NO_TIMEOUT

const struct verb verb_table[] = {
#define VERB(name, arguments, summary, options, timeout, details) \
	{ #name, arguments, summary, details, options, timeout, do_##name },
#include "qctl/verb.def"
#undef VERB
	{ 0 },
};
