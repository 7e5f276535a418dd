/* SPDX-License-Identifier: MIT */
/*
 * Where the gsq is that is meant, and how one would be started there.
 */
#ifndef GSQ_QCTL_PLACE_H
#define GSQ_QCTL_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct place {
	bool is_said; /* by -s or GSQ_DIR: whose it is, the user knows */
	char directory[PATH_MAX];
	char queue_socket[PATH_MAX];
	char control_socket[PATH_MAX];
};

/*
 * From what -s said: a directory, or the path of a socket in one; NULL: the
 * default. NULL when good, else what is wrong, which lasts.
 */
const char *place_set(struct place *place, const char *said);

/* How to start a gsq there: "gsq-supervisor -d /run/gsq". */
void place_start_hint(const struct place *place, char *hint, size_t hint_bytes);

#endif
