/* SPDX-License-Identifier: MIT */
#include "supervisor/program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fixed arguments of the longer of the two command lines, with room. */
#define ARGUMENTS_MAX 96

/* /proc/self/exe and not argv[0]: it is right however we were called. */
static int
own_folder(char folder[PATH_MAX])
{
	ssize_t count = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	if (count < 0)
		return errno;
	folder[count] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash == NULL)
		return ENOENT;
	*slash = '\0';
	return 0;
}

static bool
is_program(char path[PATH_MAX], const char *folder, const char *below,
    const char *name)
{
	int count = snprintf(path, PATH_MAX, "%s%s/%s", folder, below, name);
	return count < PATH_MAX && access(path, X_OK) == 0;
}

static int
find_program(char path[PATH_MAX], const char *name)
{
	char folder[PATH_MAX];
	int error = own_folder(folder);
	if (error != 0)
		return error;
	/* Installed first: /usr/local/bin may have a "worker" of others. */
	if (is_program(path, folder, "/../libexec/gsq", name) ||
	    is_program(path, folder, "", name))
		return 0;
	return ENOENT;
}

static int
make_argv(struct program *program, char *const *fixed, char *const *command)
{
	size_t fixed_count = 0, command_count = 0;
	while (fixed[fixed_count] != NULL)
		fixed_count++;
	while (command != NULL && command[command_count] != NULL)
		command_count++;
	program->argv = calloc(fixed_count + command_count + 1, sizeof(char *));
	if (program->argv == NULL)
		return ENOMEM;
	memcpy(program->argv, fixed, fixed_count * sizeof(char *));
	if (command_count > 0)
		memcpy(program->argv + fixed_count, command,
		    command_count * sizeof(char *));
	return 0;
}

/* argv is not const in C's exec; nobody writes to these. */
static char *
word(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* So often does a child say that it is well that one late beat is not taken for
 * a hang. */
#define BEATS_PER_TIMEOUT 4

/* Adds the arguments for it; a child that may be silent is told nothing. */
static size_t
add_heartbeat(struct program *program, char **fixed, int64_t hang_timeout_ms)
{
	if (hang_timeout_ms == 0)
		return 0;
	int64_t beat_ms = hang_timeout_ms / BEATS_PER_TIMEOUT;
	snprintf(program->heartbeat, sizeof(program->heartbeat), "%" PRId64,
	    beat_ms > 0 ? beat_ms : 1);
	fixed[0] = word("--heartbeat");
	fixed[1] = program->heartbeat;
	return 2;
}

/* A limit that nobody set is not said. */
static size_t
add_limit(char **fixed, const char *option, int64_t limit, char text[24])
{
	if (limit == 0)
		return 0;
	snprintf(text, 24, "%" PRId64, limit);
	fixed[0] = word(option);
	fixed[1] = text;
	return 2;
}

static size_t
add_text(char **fixed, const char *option, const char *text)
{
	if (text == NULL)
		return 0;
	fixed[0] = word(option);
	fixed[1] = word(text);
	return 2;
}

static size_t
add_number(char **fixed, const char *option, int64_t number, char text[24])
{
	if (number == POOL_AS_IT_IS)
		return 0;
	snprintf(text, 24, "%" PRId64, number);
	return add_text(fixed, option, text);
}

/* What the handlers of a pool may have, and as whom they run. */
static size_t
add_confinement(
    struct program *program, char **fixed, const struct pool_options *pool)
{
	size_t count = 0;
	for (size_t i = 0; pool->limits != NULL && pool->limits[i] != NULL; i++)
		count += add_text(fixed + count, "--limit", pool->limits[i]);
	count += add_text(fixed + count, "--user", pool->user);
	count += add_text(fixed + count, "--umask", pool->umask);
	count += add_text(fixed + count, "--cwd", pool->cwd);
	count += add_number(fixed + count, "--nice", pool->nice, program->nice);
	count += add_number(fixed + count, "--oom-score-adj",
	    pool->oom_score_adj, program->oom_score_adj);
	if (pool->no_new_privs)
		fixed[count++] = word("--no-new-privs");
	return count;
}

int
program_init_queue(struct program *program, const struct options *options)
{
	memset(program, 0, sizeof(*program));
	int error = find_program(program->path, "queue");
	if (error != 0)
		return error;
	char *fixed[ARGUMENTS_MAX] = { word("queue"), word("--directory"),
		word(options->directory), word("--store"), word(options->store),
		word("--incarnation"), program->incarnation, word("--channel"),
		word("3"), word("--listener"), word("4") };
	size_t count = 11;
	count += add_heartbeat(program, fixed + count,
	    options->configuration.queue_hang_timeout_ms);
	if (options->configuration_path != NULL) {
		fixed[count++] = word("--configuration");
		fixed[count++] = word(options->configuration_path);
	}
	if (options->verbose)
		fixed[count++] = word("--verbose");
	return make_argv(program, fixed, NULL);
}

int
program_init_worker(struct program *program, const struct options *options,
    const struct pool_options *pool)
{
	char *const demo[] = { word("builtin:demo"), NULL };
	memset(program, 0, sizeof(*program));
	int error = find_program(program->path, "worker");
	if (error != 0)
		return error;
	snprintf(program->max_demand, sizeof(program->max_demand), "%" PRId64,
	    pool->max_demand);
	snprintf(program->min_demand, sizeof(program->min_demand), "%" PRId64,
	    pool->min_demand);
	char *fixed[ARGUMENTS_MAX] = { word("worker"), word("--directory"),
		word(options->directory), word("--queue"),
		word(pool->queue.text), word("--name"), program->id,
		word("--incarnation"), program->incarnation,
		word("--max-demand"), program->max_demand, word("--min-demand"),
		program->min_demand, word("--rest"), program->rest,
		word("--channel"), word("3") };
	size_t count = 17;
	count += add_heartbeat(
	    program, fixed + count, options->configuration.hang_timeout_ms);
	count += add_confinement(program, fixed + count, pool);
	count += add_limit(
	    fixed + count, "--max-jobs", pool->max_jobs, program->max_jobs);
	count += add_limit(
	    fixed + count, "--max-rss", pool->max_rss, program->max_rss);
	count += add_limit(
	    fixed + count, "--max-age", pool->max_age_ms, program->max_age);
	if (options->verbose)
		fixed[count++] = word("--verbose");
	fixed[count++] = word("--");
	return make_argv(
	    program, fixed, pool->command != NULL ? pool->command : demo);
}

void
program_release(struct program *program)
{
	free(program->argv);
	program->argv = NULL;
}

void
program_aim(
    struct program *program, const char *id, int64_t incarnation, bool rest)
{
	snprintf(program->rest, sizeof(program->rest), "%d", rest);
	snprintf(program->id, sizeof(program->id), "%s", id);
	snprintf(program->incarnation, sizeof(program->incarnation), "%" PRId64,
	    incarnation);
}
