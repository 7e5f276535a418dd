/* SPDX-License-Identifier: MIT */
/*
 * The errors of the protocol, from the table refusal.def.
 */
#ifndef GSQ_BASE_REFUSAL_H
#define GSQ_BASE_REFUSAL_H

#include "base/span.h"

enum refusal {
	REFUSAL_NONE,
#define REFUSAL(name, code, meaning) REFUSAL_##name,
#include "base/refusal.def"
#undef REFUSAL
	REFUSAL_COUNT
};

/* The name as it stands on the wire, "NOT_FOUND"; "NONE" for REFUSAL_NONE. */
const char *refusal_name(enum refusal refusal);

/* 1: the caller's fault, 0: the moment's; see refusal.def. */
int refusal_code(enum refusal refusal);

/* What the name means, for documents and help. */
const char *refusal_meaning(enum refusal refusal);

/* The refusal whose name starts this error text ("NOT_FOUND: no job 42"), or
 * REFUSAL_NONE when it is none of ours. */
enum refusal refusal_of_text(struct span text);

#endif
