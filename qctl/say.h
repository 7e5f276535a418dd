/* SPDX-License-Identifier: MIT */
/*
 * Words for people, on stderr, one line each: "qctl: NOT_FOUND: no job 42".
 */
#ifndef GSQ_QCTL_SAY_H
#define GSQ_QCTL_SAY_H

/* Whatever stands in the arguments cannot move the terminal. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says so and ends the program: nothing that qctl does can go on then. */
_Noreturn void out_of_memory(void);

#endif
