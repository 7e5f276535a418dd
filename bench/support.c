/* SPDX-License-Identifier: MIT */
#include "support.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 10000

void
give_up(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fflush(stdout);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

pid_t
start_fork(void)
{
	fflush(stdout);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid < 0)
		give_up("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

pid_t
start_program(char *const *argv, const char *log_path)
{
	pid_t pid = start_fork();
	if (pid != 0)
		return pid;
	int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
	execvp(argv[0], argv);
	fprintf(stderr, "cannot run '%s': %s\n", argv[0], strerror(errno));
	_exit(127);
}

void
end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- a gsq ---- */

/* The supervisor makes its sockets when it is ready to. */
static struct gsq *
connect_to(const struct instance *instance, const char *name)
{
	char path[sizeof(instance->directory) + 32];
	snprintf(path, sizeof(path), "%s/%s", instance->directory, name);
	struct gsq *gsq = gsq_new();
	if (gsq == NULL)
		give_up("no memory");
	int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
	while (gsq_connect(gsq, path, PATIENCE_MS) != GSQ_OK) {
		if (clock_monotonic_ms() > deadline_ms)
			give_up("cannot connect to %s: %s (see %s.log)", path,
			    gsq_error(gsq), instance->directory);
		usleep(1000);
	}
	return gsq;
}

static void
wait_until_all_ask(struct instance *instance, int64_t demand)
{
	int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
	while (demand > 0) {
		const msgpack_object *lane = instance_lane(instance);
		if (lane != NULL && integer_in(lane, "demand") == demand)
			return;
		if (clock_monotonic_ms() > deadline_ms)
			give_up("the workers do not ask for work (see %s.log)",
			    instance->directory);
		usleep(1000);
	}
}

static void
write_configuration(const char *path, const char *durability)
{
	FILE *file = fopen(path, "w");
	if (file == NULL)
		give_up("cannot write %s: %s", path, strerror(errno));
	fprintf(
	    file, "queue \"default\" { durability = \"%s\" }\n", durability);
	fclose(file);
}

void
instance_start(struct instance *instance, const char *bin, int64_t workers,
    int64_t max_demand, const char *durability)
{
	static unsigned number;
	const char *folder = getenv("TMPDIR");
	snprintf(instance->directory, sizeof(instance->directory),
	    "%.40s/g%d-%u", folder != NULL ? folder : "/tmp", (int)getpid(),
	    number++);
	char program[256];
	char log[sizeof(instance->directory) + 8];
	char configuration[sizeof(instance->directory) + 8];
	char worker_text[24], demand_text[24];
	snprintf(program, sizeof(program), "%s/supervisor", bin);
	snprintf(log, sizeof(log), "%s.log", instance->directory);
	snprintf(configuration, sizeof(configuration), "%s.conf",
	    instance->directory);
	write_configuration(configuration, durability);
	snprintf(worker_text, sizeof(worker_text), "%" PRId64, workers);
	snprintf(demand_text, sizeof(demand_text), "%" PRId64, max_demand);
	char *const argv[] = { program, "-c", configuration, "-d",
		instance->directory, "-n", worker_text, "--max-demand",
		demand_text, "--max-restarts", "inf", "--backoff", "off", "--",
		"builtin:noop", NULL };
	instance->supervisor = start_program(argv, log);
	instance->control = connect_to(instance, "control.sock");
	instance->queue = connect_to(instance, "gsq.sock");
	wait_until_all_ask(instance, workers * max_demand);
}

void
instance_stop(struct instance *instance)
{
	gsq_free(instance->queue);
	gsq_free(instance->control);
	int status = 0;
	kill(instance->supervisor, SIGTERM);
	waitpid(instance->supervisor, &status, 0);
	if (status != 0)
		give_up("the supervisor ended badly (see %s.log)",
		    instance->directory);
}

const msgpack_object *
instance_call(struct gsq *gsq, const char *method,
    const struct gsq_field *fields, size_t field_count)
{
	const msgpack_object *result = NULL;
	if (gsq_call(gsq, method, fields, field_count, GSQ_NO_TIMEOUT,
		&result) != GSQ_OK)
		give_up("%s: %s", method, gsq_error(gsq));
	return result;
}

const msgpack_object *
instance_lane(struct instance *instance)
{
	const msgpack_object *rows = map_find(
	    instance_call(instance->queue, "queues", NULL, 0), "queues");
	if (rows == NULL || rows->type != MSGPACK_OBJECT_ARRAY)
		give_up("queues: no list of queues");
	for (uint32_t i = 0; i < rows->via.array.size; i++) {
		const msgpack_object *row = &rows->via.array.ptr[i];
		struct span name;
		if (object_span(map_find(row, "name"), &name) &&
		    span_is_text(name, "default"))
			return row;
	}
	return NULL;
}

int64_t
integer_in(const msgpack_object *map, const char *key)
{
	int64_t value;
	if (!object_integer(map_find(map, key), INT64_MIN, INT64_MAX, &value))
		give_up("an answer has no '%s'", key);
	return value;
}

/* ---- figures ---- */

static int
compare(const void *a, const void *b)
{
	const double *left = a, *right = b;
	return (*left > *right) - (*left < *right);
}

double
quantile(double *values, size_t count, double share)
{
	qsort(values, count, sizeof(*values), compare);
	size_t at = (size_t)(share * (double)count);
	return values[at < count ? at : count - 1];
}

static void
print_target(
    const char *what, double here, const char *sign, double target, bool is_met)
{
	printf("  %-48s target %s %-7.4g here ", what, sign, target);
	if (isnan(here))
		printf("-        not measured\n");
	else
		printf("%-8.3g %s\n", here, is_met ? "met" : "MISSED");
}

void
print_at_least(const char *what, double here, double target)
{
	print_target(what, here, ">=", target, here >= target);
}

void
print_at_most(const char *what, double here, double target)
{
	print_target(what, here, "<=", target, here <= target);
}
