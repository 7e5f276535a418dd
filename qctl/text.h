/* SPDX-License-Identifier: MIT */
/*
 * Text for a terminal. What comes from outside is shown, not obeyed: control
 * characters, bytes that are no UTF-8 and marks that turn or hide text are
 * written as \n, \x1b, \u202e. Everything printed for people goes through
 * here.
 */
#ifndef GSQ_QCTL_TEXT_H
#define GSQ_QCTL_TEXT_H

#include "base/buffer.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_UNLIMITED SIZE_MAX

/* Reads the locale; to be called once, first. */
void text_init(void);

/* May lines be drawn with the characters of Unicode? */
bool text_is_unicode(void);

/*
 * Appends bytes from outside as they may be shown, at most columns_max columns
 * of them; longer ones are cut and end in "…" or "...". Returns the columns
 * that were added.
 */
size_t text_append(
    struct buffer *buffer, struct span bytes, size_t columns_max);

/* How many bytes at the front fit into that many columns, at least one
 * character; up to a blank when there is one. */
size_t text_fitting_bytes(struct span bytes, size_t columns_max);

/* Prints bytes from outside as they may be shown. */
void text_print(FILE *file, struct span bytes);

/* Would all of it be shown as it is? Line feeds count as harmless. */
bool text_is_harmless(struct span bytes);

/* ---- colour ---- */

enum style {
	STYLE_PLAIN,
	STYLE_TITLE,
	STYLE_FAINT,
	STYLE_GOOD,
	STYLE_CAUTION,
	STYLE_BAD,
	STYLE_COUNT
};

/* Colour for that file: it is a terminal, TERM is not dumb, no NO_COLOR. */
bool style_wanted(FILE *file);

/* The sequences before and behind a styled text; "" for STYLE_PLAIN. */
const char *style_begin(enum style style);
const char *style_end(enum style style);

/* The width of the terminal behind a file, or TEXT_UNLIMITED when it is
 * none. */
size_t terminal_columns(FILE *file);

#endif
