/* SPDX-License-Identifier: MIT */
/*
 * Feeds files to a fuzz target, without libFuzzer: every file of the folders
 * that are named, each in a process of its own. The last line is "N passed, M
 * failed".
 *
 *     replay_NAME FOLDER-OR-FILE...
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1024u * 1024)

/* Ends what hangs; a slow machine with sanitizers needs a second. */
#define SECONDS_MAX 60

#pragma weak LLVMFuzzerInitialize

static unsigned passed;
static unsigned failed;

/* Nobody mutates here. */
size_t
LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t room)
{
	(void)bytes;
	(void)room;
	return count;
}

static size_t
read_all(const char *path, uint8_t *bytes)
{
	FILE *file = fopen(path, "rb");
	CHECK(file != NULL);
	size_t count = fread(bytes, 1, FILE_BYTES_MAX, file);
	fclose(file);
	return count;
}

/* What a target prints is of interest only if it fails. */
static void
feed(const char *path, int output, int argc, char **argv)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(nothing, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	alarm(SECONDS_MAX);
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	size_t count = read_all(path, bytes);
	char *copy = copy_exactly(bytes, count);
	LLVMFuzzerTestOneInput((const uint8_t *)copy, count);
	free(copy);
	exit(0); /* the sanitizers look for leaks */
}

static void
show(int output)
{
	char text[4096];
	ssize_t count;
	lseek(output, 0, SEEK_SET);
	while ((count = read(output, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)count, stdout);
}

static void
replay_file(const char *path, int argc, char **argv)
{
	FILE *output = tmpfile();
	int status = 0;
	CHECK(output != NULL);
	fflush(stdout);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0)
		feed(path, fileno(output), argc, argv);
	while (waitpid(child, &status, 0) < 0)
		CHECK(errno == EINTR);
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (good) {
		passed++;
	} else {
		failed++;
		printf("failed: %s (%s %d)\n", path,
		    WIFSIGNALED(status) ? "signal" : "exit status",
		    WIFSIGNALED(status) ? WTERMSIG(status)
					: WEXITSTATUS(status));
		show(fileno(output));
	}
	fclose(output);
}

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* A folder that is not there has nothing to show: not every target has finds.
 */
static void
replay_folder(const char *folder, int argc, char **argv)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_shown, alphasort);
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		snprintf(
		    path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		replay_file(path, argc, argv);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat status;
		if (stat(argv[i], &status) == 0 && S_ISREG(status.st_mode))
			replay_file(argv[i], argc, argv);
		else
			replay_folder(argv[i], argc, argv);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
