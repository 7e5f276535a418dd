/* SPDX-License-Identifier: MIT */
/*
 * What can be seen of other processes.
 */
#ifndef GSQ_SYS_PROCESS_H
#define GSQ_SYS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Does a process of that pid run? One that is dead and not reaped does not. */
bool process_lives(pid_t pid);

/* Of an environment, how much is worth looking at: the variables that gsq sets
 * stand in front of it. */
#define ENVIRONMENT_BYTES_MAX (32u * 1024)

/* The environment with which it was started, as "NAME=VALUE" with a 0 behind
 * each, into bytes[room]. How many bytes; 0 when it has none, is gone or dead,
 * or may not be looked at. */
size_t process_environment(pid_t pid, char *bytes, size_t room);

/* Is that variable, "NAME=VALUE", or with that name, "NAME=", in it? */
bool environment_has(const char *bytes, size_t count, const char *variable);
bool environment_names(const char *bytes, size_t count, const char *name);

#endif
