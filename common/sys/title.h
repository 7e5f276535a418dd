/* SPDX-License-Identifier: MIT */
/*
 * What ps shows: "gsq: worker w2 (job 812)". Written over the arguments and as
 * far as the environment that follows them.
 */
#ifndef GSQ_SYS_TITLE_H
#define GSQ_SYS_TITLE_H

/* Once, first thing in main: moves the environment away so that its room can
 * be used, and sets the short name (at most 15 bytes, "gsq-worker"). argv must
 * not be used afterwards; options point to copies. Returns a copy of argv that
 * stays good, or NULL without memory. */
char **title_init(int argc, char **argv, const char *short_name);

/* Sets the title; costs no system call. */
void title_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
