/* SPDX-License-Identifier: MIT */
/*
 * The handler of the storm: EFFECTS LOCKS. It takes the lock of its key, which
 * ends with its process and nothing else, writes down that it begins and that
 * it ends, and whether somebody else had the lock. In C, as a shell would be
 * most of what the storm does.
 *
 *     B KEY JOB ATTEMPT PID
 *     T KEY JOB ATTEMPT PID          two runs at a time
 *     E KEY JOB ATTEMPT PID STATUS
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define SLOW_MS 20

static const char *
variable(const char *name)
{
	const char *value = getenv(name);
	return value != NULL ? value : "-";
}

/* One write to the end of the file: the order of the lines is that of the
 * events. */
static void
tell(int effects, char kind, const char *status)
{
	char line[256];
	int count = snprintf(line, sizeof(line), "%c %s %s %s %d%s\n", kind,
	    variable("GSQ_KEY"), variable("GSQ_JOB_ID"),
	    variable("GSQ_ATTEMPT"), (int)getpid(), status);
	if (write(effects, line, (size_t)count) != count)
		exit(2);
}

static bool
take_lock(const char *folder)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, variable("GSQ_KEY"));
	int lock = open(path, O_RDWR | O_CREAT, 0600);
	return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0;
}

int
main(int argc, char **argv)
{
	char body[16] = "";
	if (argc != 3)
		return 2;
	int effects = open(argv[1], O_WRONLY | O_APPEND);
	if (effects < 0)
		return 2;
	if (!take_lock(argv[2]))
		tell(effects, 'T', "");
	tell(effects, 'B', "");
	if (read(STDIN_FILENO, body, sizeof(body) - 1) < 0)
		return 2;
	if (strcmp(body, "slow") == 0)
		nanosleep(&(struct timespec){ 0, SLOW_MS * 1000000L }, NULL);
	/* It fails once. */
	bool fails = strcmp(body, "fails") == 0 &&
	    strcmp(variable("GSQ_ATTEMPT"), "1") == 0;
	tell(effects, 'E', fails ? " 1" : " 0");
	return fails;
}
