/* SPDX-License-Identifier: MIT */
/*
 * The text of a configuration file as libconfuse shall see it: comments are
 * blanked out. libconfuse 3.3 counts the line of a comment two or three times,
 * and its errors would name the wrong line behind one.
 */
#ifndef GSQ_SYS_CONFIGURATION_TEXT_H
#define GSQ_SYS_CONFIGURATION_TEXT_H

#include <stddef.h>

#define CONFIGURATION_BYTES_MAX (1024u * 1024)

struct configuration_text {
	char *bytes; /* owned */
	size_t count;
	int open_line; /* of a "{" that is never closed; 0 when there is none */
};

/* Reads a file. NULL when good, else the reason, which lasts. */
const char *configuration_text_read(
    struct configuration_text *text, const char *path);
void configuration_text_release(struct configuration_text *text);

#endif
