/* SPDX-License-Identifier: MIT */
#include "qctl/place.h"

#include "sys/directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TOO_LONG "the path of the socket is longer than a socket's may be"

#define SOCKET_PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* As `make install` names it, and as the source tree does. */
#define SUPERVISOR_INSTALLED "gsq-supervisor"
#define SUPERVISOR_BUILT     "supervisor"

static bool
is_directory(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static const char *
set_directory(struct place *place, const char *directory)
{
	if (snprintf(place->directory, sizeof(place->directory), "%s",
		directory) >= (int)sizeof(place->directory))
		return TOO_LONG;
	if (directory_path(place->queue_socket, sizeof(place->queue_socket),
		place->directory, QUEUE_SOCKET_NAME) != 0 ||
	    directory_path(place->control_socket, sizeof(place->control_socket),
		place->directory, CONTROL_SOCKET_NAME) != 0)
		return TOO_LONG;
	return NULL;
}

/* The directory of "DIR/gsq.sock", "." for a bare name. */
static const char *
set_beside(struct place *place, const char *socket)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(socket, '/');
	if (slash == NULL)
		return set_directory(place, ".");
	if (slash - socket >= (ptrdiff_t)sizeof(directory))
		return TOO_LONG;
	int count = slash == socket ? 1 : (int)(slash - socket);
	snprintf(directory, sizeof(directory), "%.*s", count, socket);
	return set_directory(place, directory);
}

static bool
is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	return strcmp(slash != NULL ? slash + 1 : path, name) == 0;
}

const char *
place_set(struct place *place, const char *said)
{
	char directory[PATH_MAX];
	const char *own = getenv("GSQ_DIR");
	place->is_said = said != NULL || (own != NULL && *own != '\0');
	if (said == NULL) {
		if (directory_default(directory, sizeof(directory)) != 0)
			return TOO_LONG;
		return set_directory(place, directory);
	}
	if (*said == '\0')
		return "the path of the socket is empty";
	if (is_directory(said))
		return set_directory(place, said);
	const char *wrong = set_beside(place, said);
	if (wrong != NULL || is_named(said, CONTROL_SOCKET_NAME))
		return wrong;
	if (strlen(said) >= SOCKET_PATH_BYTES)
		return TOO_LONG;
	strcpy(place->queue_socket, said);
	return NULL;
}

/* ---- the hint ---- */

/* The supervisor beside this very program, as after `make`, else the installed
 * name. */
static void
find_supervisor(char *path, size_t path_bytes)
{
	char own[PATH_MAX];
	ssize_t count = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash = NULL;
	if (count > 0) {
		own[count] = '\0';
		slash = strrchr(own, '/');
	}
	if (slash != NULL) {
		*slash = '\0';
		int length =
		    snprintf(path, path_bytes, "%s/%s", own, SUPERVISOR_BUILT);
		if (length < (int)path_bytes && access(path, X_OK) == 0)
			return;
	}
	snprintf(path, path_bytes, "%s", SUPERVISOR_INSTALLED);
}

void
place_start_hint(const struct place *place, char *hint, size_t hint_bytes)
{
	char supervisor[PATH_MAX];
	char usual[PATH_MAX];
	find_supervisor(supervisor, sizeof(supervisor));
	if (directory_default(usual, sizeof(usual)) == 0 &&
	    strcmp(usual, place->directory) == 0)
		snprintf(hint, hint_bytes, "%s", supervisor);
	else
		snprintf(
		    hint, hint_bytes, "%s -d %s", supervisor, place->directory);
}
