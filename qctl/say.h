/* SPDX-License-Identifier: MIT */
/*
 * Words for people, on stderr, one line each: "qctl: NOT_FOUND: no job 42".
 */
#ifndef GSQ_QCTL_SAY_H
#define GSQ_QCTL_SAY_H

#include <stddef.h>

/* Whatever stands in the arguments cannot move the terminal. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What is said from now on goes into line instead, cut to its size and as it
 * is, the last one standing; with NULL to stderr again.
 */
void say_into(char *line, size_t line_bytes);

/* To be called before something is said to stderr: whoever has the terminal
 * gives it back. */
void say_before(void (*prepare)(void));

/* Says so, to stderr, and ends the program: nothing that qctl does can go on
 * then. */
_Noreturn void out_of_memory(void);

#endif
