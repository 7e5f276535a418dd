/* SPDX-License-Identifier: MIT */
/*
 * The directory where a gsq lives: its sockets and its lock.
 */
#ifndef GSQ_SYS_DIRECTORY_H
#define GSQ_SYS_DIRECTORY_H

#include <stddef.h>
#include <sys/types.h>

#define QUEUE_SOCKET_NAME   "gsq.sock"
#define CONTROL_SOCKET_NAME "control.sock"
#define LOCK_NAME	    "lock"
#define STORE_NAME	    "store"

/* Where gsq lives when nobody says: $GSQ_DIR, else $XDG_RUNTIME_DIR/gsq, else
 * /run/gsq for root and /tmp/gsq-UID for others. 0, or ENAMETOOLONG. */
int directory_default(char *path, size_t path_bytes);

/* Where jobs are kept when nobody says: /var/lib/gsq for root, for others
 * $XDG_STATE_HOME/gsq, else $HOME/.local/state/gsq, else directory/store. 0, or
 * ENAMETOOLONG. */
int directory_default_store(
    char *path, size_t path_bytes, const char *directory);

/* directory/name into path. 0, or ENAMETOOLONG (a socket's path must also fit
 * into 107 bytes). */
int directory_path(
    char *path, size_t path_bytes, const char *directory, const char *name);

/*
 * Makes the directory (mode 0700) if it is missing, and makes sure it is ours:
 * a real directory, no link, our uid, no right for others to write. NULL when
 * good, else the reason and what to do, in reason[reason_bytes].
 */
const char *directory_prepare(
    const char *path, char *reason, size_t reason_bytes);

/*
 * Takes the directory's lock and writes our pid into it. The descriptor, which
 * holds the lock until it and what was inherited from it are closed, or -errno;
 * -EWOULDBLOCK when another process has it. *ret_holder: who wrote himself into
 * it last and did not let go; 0 when nobody did, or it is unknown.
 */
int directory_lock(const char *path, pid_t *ret_holder);

/* Takes our pid out again and closes it. */
void directory_unlock(int lock);

#endif
