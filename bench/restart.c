/* SPDX-License-Identifier: MIT */
/*
 * How long is a worker away when it is killed? From kill -9 until its successor
 * has subscribed at the queue and the supervisor counts it as ready, beside
 * the least that any supervisor could need: reap, fork, exec, one byte back
 * from the new process, by turns in the same run.
 *
 *     restart BIN [KILLS]
 */
#include "support.h"

#include "sys/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4

/* ---- supervised ---- */

/* The pid of a ready child; 0 when it is not ready. */
static pid_t
pid_of_ready(struct instance *instance, const char *id)
{
	const msgpack_object *children = map_find(
	    instance_call(instance->control, "tree", NULL, 0), "children");
	if (children == NULL || children->type != MSGPACK_OBJECT_ARRAY)
		give_up("tree: no list of children");
	for (uint32_t i = 0; i < children->via.array.size; i++) {
		const msgpack_object *child = &children->via.array.ptr[i];
		struct span name, state;
		if (object_span(map_find(child, "id"), &name) &&
		    span_is_text(name, id) &&
		    object_span(map_find(child, "state"), &state))
			return span_is_text(state, "ready")
			    ? (pid_t)integer_in(child, "pid")
			    : 0;
	}
	give_up("tree: there is no '%s'", id);
}

/* Waits for the event that the worker has subscribed. */
static void
wait_subscribed(struct gsq *watcher, const char *id)
{
	const struct message *message;
	for (;;) {
		if (gsq_receive(watcher, 10000, &message) != GSQ_OK)
			give_up("%s does not come back: %s", id,
			    gsq_error(watcher));
		struct span type, worker;
		if (message->kind == MESSAGE_NOTIFICATION &&
		    object_span(map_find(message->params, "type"), &type) &&
		    object_span(map_find(message->params, "worker"), &worker) &&
		    span_is_text(type, "subscribed") &&
		    span_is_text(worker, id))
			return;
	}
}

static double
supervised_us(struct instance *instance, struct gsq *watcher, unsigned round)
{
	char id[16];
	snprintf(id, sizeof(id), "w%u", 1 + round % WORKERS);
	pid_t old = pid_of_ready(instance, id);
	if (old == 0)
		give_up("%s is not ready", id);
	int64_t began_us = clock_monotonic_us();
	kill(old, SIGKILL);
	wait_subscribed(watcher, id);
	pid_t now = pid_of_ready(instance, id);
	while (now == 0)
		now = pid_of_ready(instance, id);
	int64_t ended_us = clock_monotonic_us();
	if (now == old)
		give_up("%s did not die", id);
	return (double)(ended_us - began_us);
}

static struct gsq *
watch(const struct instance *instance)
{
	char path[sizeof(instance->directory) + 16];
	snprintf(path, sizeof(path), "%s/gsq.sock", instance->directory);
	struct gsq *watcher = gsq_new();
	if (watcher == NULL || gsq_connect(watcher, path, 1000) != GSQ_OK)
		give_up("cannot watch: %s", path);
	instance_call(watcher, "events", NULL, 0);
	return watcher;
}

/* ---- bare ---- */

struct bare {
	const char *program;
	int ready[2]; /* a pipe: a byte for each start */
	pid_t pid;
};

/* As a child: says that it runs, and waits for its end. */
static void
be_bare(int ready_fd)
{
	if (write(ready_fd, "", 1) == 1)
		for (;;)
			pause();
}

static void
bare_start(struct bare *bare)
{
	char fd_text[16], byte;
	snprintf(fd_text, sizeof(fd_text), "%d", bare->ready[1]);
	bare->pid = start_fork();
	if (bare->pid == 0) {
		execl(bare->program, bare->program, "--bare", fd_text, NULL);
		_exit(127);
	}
	if (read(bare->ready[0], &byte, 1) != 1)
		give_up("the bare child does not come");
}

static double
bare_us(struct bare *bare)
{
	int64_t began_us = clock_monotonic_us();
	end_process(bare->pid);
	bare_start(bare);
	return (double)(clock_monotonic_us() - began_us);
}

/* The smallest program there is, from start to end: how fast this machine makes
 * a process at all. */
static double
smallest_us(void)
{
	int64_t began_us = clock_monotonic_us();
	pid_t pid = start_fork();
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	int status;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		give_up("/bin/true does not run");
	return (double)(clock_monotonic_us() - began_us);
}

/* ---- together ---- */

static void
print_row(const char *name, double *times_us, size_t count)
{
	double median = quantile(times_us, count, 0.5);
	double last = quantile(times_us, count, 0.99);
	printf("  %-26s p50 %6.2f ms   p99 %6.2f ms\n", name, median / 1000,
	    last / 1000);
}

static void
measure(const char *bin, const char *program, size_t kills)
{
	double *supervised = calloc(kills, sizeof(*supervised));
	double *bare_times = calloc(kills, sizeof(*bare_times));
	double *smallest = calloc(kills, sizeof(*smallest));
	struct instance instance;
	struct bare bare = { .program = program };
	if (supervised == NULL || bare_times == NULL || smallest == NULL)
		give_up("no memory");
	instance_start(&instance, bin, WORKERS, 1, "memory");
	struct gsq *watcher = watch(&instance);
	if (pipe(bare.ready) != 0)
		give_up("pipe: %s", strerror(errno));
	bare_start(&bare);
	for (size_t i = 0; i < kills; i++) {
		supervised[i] = supervised_us(&instance, watcher, (unsigned)i);
		bare_times[i] = bare_us(&bare);
		smallest[i] = smallest_us();
	}
	end_process(bare.pid);
	gsq_free(watcher);
	instance_stop(&instance);

	printf("kill -9 to ready again, %zu kills of one of %d workers\n",
	    kills, WORKERS);
	print_row("gsq", supervised, kills);
	print_row("bare fork and exec", bare_times, kills);
	print_row("fork, exec, end of true", smallest, kills);
	double median = quantile(supervised, kills, 0.5);
	printf("  %-26s p50 %6.2f\n", "gsq / bare",
	    median / quantile(bare_times, kills, 0.5));
	printf("  %-26s p50 %6.2f\n", "gsq / true",
	    median / quantile(smallest, kills, 0.5));
	free(supervised);
	free(bare_times);
	free(smallest);
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--bare") == 0) {
		be_bare(atoi(argv[2]));
		return 1;
	}
	size_t kills = argc == 3 ? strtoul(argv[2], NULL, 10) : 200;
	if (argc < 2 || argc > 3 || kills == 0) {
		fputs("usage: restart BIN [KILLS]\n", stderr);
		return 64;
	}
	measure(argv[1], argv[0], kills);
	return 0;
}
