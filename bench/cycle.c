/* SPDX-License-Identifier: MIT */
/*
 * How many jobs a second go through enqueue, delivery and acknowledgement?
 * gsq with builtin:noop workers beside beanstalkd over its Unix socket, with
 * the same processes: one producer, one server, the same number of workers.
 * Both keep the jobs in memory. Runs of both alternate; ratios are the median
 * of the ratios of each pair.
 *
 *     cycle BIN [WORKERS]
 */
#include "beanstalk.h"
#include "support.h"

#include "sys/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAIRS	    5
#define WORKERS_MAX 64
#define BODY_BYTES  100
#define RUN_MS_MAX  120000
#define FILL_JOBS   1000 /* per request, while no time is taken */

static char body[BODY_BYTES];

/* One comparison. */
struct row {
	const char *name;
	bool filled;	/* the jobs wait already when the workers start */
	size_t batch;	/* else: jobs in one request of the producer */
	int64_t demand; /* of a gsq worker */
	size_t depth;	/* of a beanstalkd worker, see beanstalk_work */
	size_t jobs;
	double target; /* of the ratio; 0: none */
};

static const struct row rows[] = {
	{ "waiting jobs, demand 1 / reserve, delete", true, 0, 1, 0, 20000,
	    1.3 },
	{ "waiting jobs, demand 1 / delete+reserve in one write", true, 0, 1, 1,
	    20000, 0 },
	{ "waiting jobs, demand 100 / 100 commands in one write", true, 0, 100,
	    100, 100000, 4 },
	{ "a job at a time arrives, demand 1 / reserve, delete", false, 1, 1, 0,
	    20000, 1.3 },
	{ "100 at a time arrive, demand 100 / 100 in one write", false, 100,
	    100, 100, 100000, 4 },
};

/* ---- gsq ---- */

static void
gsq_put(struct gsq *gsq, size_t count)
{
	static struct span bodies[FILL_JOBS];
	for (size_t i = 0; i < count; i++)
		bodies[i] = (struct span){ body, sizeof(body) };
	const struct gsq_field fields[] = { gsq_text("queue", "default"),
		count == 1 ? gsq_bytes("body", bodies[0])
			   : gsq_bodies("bodies", bodies, count) };
	instance_call(gsq, "enqueue", fields, 2);
}

static void
gsq_put_all(struct gsq *gsq, size_t jobs, size_t batch)
{
	for (size_t put = 0; put < jobs; put += batch)
		gsq_put(gsq, jobs - put < batch ? jobs - put : batch);
}

static double
run_gsq(const struct row *row, const char *bin, int64_t workers)
{
	struct instance instance;
	const struct gsq_field scale[] = { gsq_integer("workers", workers) };
	const struct gsq_field wait[] = { gsq_text("queue", "default") };
	instance_start(
	    &instance, bin, row->filled ? 0 : workers, row->demand, "memory");
	if (row->filled)
		gsq_put_all(instance.queue, row->jobs, FILL_JOBS);
	int64_t began_us = clock_monotonic_us();
	if (row->filled)
		instance_call(instance.control, "scale", scale, 1);
	else
		gsq_put_all(instance.queue, row->jobs, row->batch);
	instance_call(instance.queue, "wait", wait, 1);
	int64_t took_us = clock_monotonic_us() - began_us;
	const msgpack_object *lane = instance_lane(&instance);
	if (lane == NULL || integer_in(lane, "done") != (int64_t)row->jobs)
		give_up("gsq did not do every job once");
	instance_stop(&instance);
	return (double)row->jobs * 1e6 / (double)took_us;
}

/* ---- beanstalkd ---- */

/* Shared by the producer and the workers of one run. */
struct tally {
	_Atomic size_t done;
	size_t jobs;
	int finished[2]; /* a pipe: a byte when the last job is done */
};

static struct tally *tally;

static void
tell_when_finished(size_t done)
{
	if (done == tally->jobs && write(tally->finished[1], "", 1) != 1)
		_exit(1);
}

/* The pipe stays open when the workers die: their end is a matter of time. */
static void
wait_until_finished(void)
{
	struct pollfd finished = { .fd = tally->finished[0], .events = POLLIN };
	if (poll(&finished, 1, RUN_MS_MAX) != 1)
		give_up("the workers of beanstalkd do not end");
}

static pid_t
start_beanstalkd(char *path, size_t path_bytes)
{
	static unsigned number;
	const char *folder = getenv("TMPDIR");
	char address[128], log[128];
	folder = folder != NULL ? folder : "/tmp";
	snprintf(path, path_bytes, "%.40s/b%u", folder, number++);
	snprintf(address, sizeof(address), "unix:%s", path);
	snprintf(log, sizeof(log), "%s.log", path);
	char name[] = "beanstalkd", listen[] = "-l";
	return start_program(
	    (char *const[]){ name, listen, address, NULL }, log);
}

static void
start_workers(pid_t *pids, int64_t workers, const char *path, size_t depth)
{
	for (int64_t i = 0; i < workers; i++) {
		pids[i] = start_fork();
		if (pids[i] != 0)
			continue;
		struct beanstalk client;
		beanstalk_connect(&client, path);
		beanstalk_work(
		    &client, depth, &tally->done, tell_when_finished);
	}
}

static void
beanstalk_put_all(struct beanstalk *client, size_t jobs, size_t batch)
{
	for (size_t put = 0; put < jobs; put += batch)
		beanstalk_put(client, body, sizeof(body),
		    jobs - put < batch ? jobs - put : batch);
}

static void
open_tally(size_t jobs)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED || pipe(tally->finished) != 0)
		give_up("cannot share memory: %s", strerror(errno));
	tally->jobs = jobs;
}

static void
close_tally(void)
{
	close(tally->finished[0]);
	close(tally->finished[1]);
	munmap(tally, sizeof(*tally));
}

static double
run_beanstalkd(const struct row *row, int64_t workers)
{
	char path[64];
	pid_t pids[WORKERS_MAX];
	struct beanstalk producer;
	open_tally(row->jobs);
	pid_t server = start_beanstalkd(path, sizeof(path));
	beanstalk_connect(&producer, path);
	if (row->filled)
		beanstalk_put_all(&producer, row->jobs, FILL_JOBS);
	else
		start_workers(pids, workers, path, row->depth);
	int64_t began_us = clock_monotonic_us();
	if (row->filled)
		start_workers(pids, workers, path, row->depth);
	else
		beanstalk_put_all(&producer, row->jobs, row->batch);
	wait_until_finished();
	int64_t took_us = clock_monotonic_us() - began_us;
	for (int64_t i = 0; i < workers; i++)
		end_process(pids[i]);
	beanstalk_close(&producer);
	end_process(server);
	close_tally();
	return (double)row->jobs * 1e6 / (double)took_us;
}

/* ---- side by side ---- */

static void
compare(const struct row *row, const char *bin, int64_t workers)
{
	double gsq[PAIRS], beanstalkd[PAIRS], ratio[PAIRS];
	for (unsigned i = 0; i < PAIRS; i++) {
		if (i % 2 == 0)
			gsq[i] = run_gsq(row, bin, workers);
		beanstalkd[i] = run_beanstalkd(row, workers);
		if (i % 2 != 0)
			gsq[i] = run_gsq(row, bin, workers);
		ratio[i] = gsq[i] / beanstalkd[i];
	}
	printf("  %-54s %9.0f %11.0f %6.2f", row->name,
	    quantile(gsq, PAIRS, 0.5), quantile(beanstalkd, PAIRS, 0.5),
	    quantile(ratio, PAIRS, 0.5));
	if (row->target > 0)
		printf("  (target %.1f)", row->target);
	putchar('\n');
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int64_t workers = argc == 3 ? atoi(argv[2]) : 2;
	if (argc < 2 || argc > 3 || workers < 1 || workers > WORKERS_MAX) {
		fputs("usage: cycle BIN [WORKERS]\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	memset(body, 'x', sizeof(body));
	printf("enqueue, deliver, acknowledge: %d-byte jobs in memory, 1 "
	       "producer, %d workers, medians of %d\n",
	    BODY_BYTES, (int)workers, PAIRS);
	printf("  %-54s %9s %11s %6s\n", "gsq / beanstalkd", "gsq/s",
	    "beanstalk/s", "ratio");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		compare(&rows[i], argv[1], workers);
	return 0;
}
