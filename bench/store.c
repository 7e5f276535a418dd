/* SPDX-License-Identifier: MIT */
/*
 * The durable store by itself, beside a bare loop of pwrite and fdatasync on a
 * zero-filled file in the same run and directory.
 *
 *     store DIRECTORY [JOBS]
 *
 * The directory is made, used and removed.
 */
#include "core/job.h"
#include "queue/store_log.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BODY_BYTES 100

struct bench {
	struct store *store;
	struct job *jobs; /* owned; by id */
	uint64_t count;
	uint64_t next_id;
	uint64_t restored;
	bool committed;
	int64_t longest_us; /* of a call of progress */
};

static const char *parent;
static char directory[512];

static _Noreturn void
die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
	exit(1);
}

static void
must(const char *what, int error)
{
	if (error != 0)
		die(what, error);
}

/*
 * What the disk itself has written, by anybody. write_bytes of /proc/self/io
 * would not do: with large folios it counts 64 KiB or more for each page that
 * is written to.
 */
static uint64_t
bytes_written(void)
{
	char name[64];
	struct stat status;
	unsigned long sectors = 0;
	if (stat(parent, &status) != 0)
		die(parent, errno);
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/stat",
	    major(status.st_dev), minor(status.st_dev));
	FILE *file = fopen(name, "r");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %*u %*u %*u %*u %*u %lu", &sectors) != 1)
		sectors = 0;
	fclose(file);
	return (uint64_t)sectors * 512;
}

static long
resident_kib(void)
{
	long pages = 0, total;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file != NULL && fscanf(file, "%ld %ld", &total, &pages) != 2)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- the owner ---- */

static const struct span queue_name = { "default", 7 };

static void
on_restore(void *context, const struct record *record)
{
	struct bench *bench = context;
	uint64_t id = record->job->id;
	if (id < bench->count)
		bench->jobs[id] = *record->job;
	bench->restored++;
}

static void
on_committed(void *context, int error)
{
	must("commit", error);
	((struct bench *)context)->committed = true;
}

static bool
on_find(void *context, uint64_t id, struct record *ret_record)
{
	struct bench *bench = context;
	if (id >= bench->count || bench->jobs[id].id == 0)
		return false;
	*ret_record =
	    (struct record){ .job = &bench->jobs[id], .queue = queue_name };
	return true;
}

static void
on_expect(void *context, size_t jobs)
{
	(void)context;
	(void)jobs;
}

static void
on_moved(void *context, uint64_t id, uint64_t body)
{
	((struct bench *)context)->jobs[id].body = body;
}

static void
open_store(struct bench *bench)
{
	char reason[512] = "";
	bench->store = store_log_open(directory);
	if (bench->store == NULL)
		die("open", ENOMEM);
	bench->store->owner = (struct store_owner){ .context = bench,
		.expect = on_expect,
		.restore = on_restore,
		.committed = on_committed,
		.find = on_find,
		.moved = on_moved };
	bench->restored = 0;
	int error = bench->store->operations->load(
	    bench->store, &bench->next_id, reason, sizeof(reason));
	if (error != 0)
		die(reason, error);
}

static void
close_store(struct bench *bench)
{
	bench->store->operations->close(bench->store);
	bench->store = NULL;
}

static void
progress(struct bench *bench)
{
	int64_t begun_us = clock_monotonic_us();
	must("progress",
	    bench->store->operations->progress(
		bench->store, clock_monotonic_ms()));
	int64_t took_us = clock_monotonic_us() - begun_us;
	if (took_us > bench->longest_us)
		bench->longest_us = took_us;
}

/* As a turn ends: what is due, then the batch. */
static void
end_turn(struct bench *bench)
{
	progress(bench);
	bench->committed = false;
	must("commit", bench->store->operations->commit(bench->store, false));
	struct pollfd wake = { bench->store->operations->wake_fd(bench->store),
		POLLIN, 0 };
	while (!bench->committed) {
		poll(&wake, 1, -1);
		progress(bench);
	}
}

static void
put(struct bench *bench)
{
	char body[BODY_BYTES];
	const struct store_operations *operations = bench->store->operations;
	struct job *job = &bench->jobs[bench->next_id];
	memset(body, 'b', sizeof(body));
	*job = (struct job){ .id = bench->next_id++,
		.enqueued_ms = clock_wall_ms(),
		.body_bytes = BODY_BYTES,
		.priority = 128,
		.state = JOB_READY };
	struct record record = { .job = job, .queue = queue_name };
	if (!operations->has_room(bench->store, 1, BODY_BYTES))
		die("put", ENOSPC);
	must("put",
	    operations->put(bench->store, &record,
		(struct span){ body, sizeof(body) }, &job->body));
}

static void
update(struct bench *bench, uint64_t id)
{
	struct job *job = &bench->jobs[id];
	struct record record = { .job = job, .queue = queue_name };
	struct span body;
	job->state = JOB_RUNNING;
	job->attempt++;
	job->delivery++;
	must("update", bench->store->operations->update(bench->store, &record));
	must("body",
	    bench->store->operations->body(
		bench->store, job->body, job->body_bytes, &body));
}

static void
forget(struct bench *bench, uint64_t id)
{
	struct job *job = &bench->jobs[id];
	must("delete",
	    bench->store->operations->delete (
		bench->store, id, job->body, job->body_bytes));
	job->id = 0;
}

static void
begin(struct bench *bench)
{
	must("begin", bench->store->operations->begin(bench->store));
}

/* ---- the bare loop ---- */

static double
bare_loop(size_t bytes, int rounds)
{
	char name[600];
	static char block[256 * 1024];
	size_t file_bytes = 64u * 1024 * 1024;
	snprintf(name, sizeof(name), "%s.bare", directory);
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		die(name, errno);
	for (size_t at = 0; at < file_bytes; at += sizeof(block))
		if (pwrite(fd, block, sizeof(block), (off_t)at) < 0)
			die(name, errno);
	fsync(fd);
	memset(block, 'b', sizeof(block));
	int64_t begun_us = clock_monotonic_us();
	size_t at = 0;
	for (int i = 0; i < rounds; i++) {
		if (at + bytes > file_bytes)
			at = 0;
		if (pwrite(fd, block, bytes, (off_t)at) < 0 ||
		    fdatasync(fd) != 0)
			die(name, errno);
		at += bytes;
	}
	double seconds = (double)(clock_monotonic_us() - begun_us) / 1000000;
	close(fd);
	unlink(name);
	return rounds / seconds;
}

/* ---- what is measured ---- */

static void
remove_store(void)
{
	char command[700];
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command) != 0)
		die("rm", EIO);
}

static void
measure_puts(struct bench *bench, uint64_t jobs, uint64_t per_commit)
{
	remove_store();
	open_store(bench);
	uint64_t before = bytes_written();
	int64_t begun_us = clock_monotonic_us();
	for (uint64_t i = 0; i < jobs; i += per_commit) {
		begin(bench);
		for (uint64_t j = 0; j < per_commit; j++)
			put(bench);
		end_turn(bench);
	}
	double seconds = (double)(clock_monotonic_us() - begun_us) / 1000000;
	uint64_t written = bytes_written() - before;
	uint64_t rounds = jobs / per_commit;
	/* Closed in between: the bare loop shall not share the cache. */
	close_store(bench);
	size_t bytes = per_commit * 130 + 96;
	bytes = (bytes + 4095) / 4096 * 4096;
	double bare = bare_loop(bytes, rounds > 8000 ? 8000 : (int)rounds);
	printf("put  %5lu a commit: %9.0f jobs/s, %7.0f commits/s "
	       "(bare loop of %zu bytes %6.0f, x%.2f), %6lu bytes written a "
	       "job\n",
	    per_commit, (double)jobs / seconds, (double)rounds / seconds, bytes,
	    bare, bare / ((double)rounds / seconds), written / jobs);
}

/* put, deliver and end, with a backlog behind. */
static void
measure_life(struct bench *bench, uint64_t jobs, uint64_t per_commit)
{
	struct store_log_state state;
	uint64_t done = bench->next_id;
	uint64_t before = bytes_written(), most = 0;
	int64_t begun_us = clock_monotonic_us();
	bench->longest_us = 0;
	for (uint64_t i = 0; i < jobs; i += per_commit) {
		begin(bench);
		for (uint64_t j = 0; j < per_commit; j++)
			put(bench);
		for (uint64_t j = 0; j < per_commit && i > 0; j++) {
			update(bench, done + j);
			forget(bench, done + j);
		}
		if (i > 0)
			done += per_commit;
		end_turn(bench);
		store_log_state(bench->store, &state);
		if (state.disk_bytes > most)
			most = state.disk_bytes;
	}
	double seconds = (double)(clock_monotonic_us() - begun_us) / 1000000;
	printf("life %5lu a commit: %9.0f jobs/s, %6lu bytes written a job, "
	       "disk at most %lu MiB (live %lu MiB), rewritten %lu MiB, "
	       "longest pause of the loop to clean, sync and make room %.1f ms "
	       "(target <= 5)\n",
	    per_commit, (double)jobs / seconds,
	    (bytes_written() - before) / jobs, most >> 20,
	    state.live_bytes >> 20, state.rewritten_bytes >> 20,
	    (double)bench->longest_us / 1000);
}

static void
measure_recovery(struct bench *bench)
{
	close_store(bench);
	for (int i = 0; i < 3; i++) {
		long before = resident_kib();
		int64_t begun_us = clock_monotonic_us();
		open_store(bench);
		int64_t took_us = clock_monotonic_us() - begun_us;
		printf("recovery: %lu jobs in %.0f ms; the store keeps %ld "
		       "KiB\n",
		    bench->restored, (double)took_us / 1000,
		    resident_kib() - before);
		if (i < 2)
			close_store(bench);
	}
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };
	uint64_t jobs = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	if (argc < 2) {
		fprintf(stderr, "usage: store DIRECTORY [JOBS]\n");
		return 64;
	}
	log_open("bench", LOG_ERROR);
	parent = argv[1];
	snprintf(directory, sizeof(directory), "%s/gsq-bench-store.%d", parent,
	    (int)getpid());
	bench.count = 12 * jobs + 1000000;
	bench.jobs = calloc(bench.count, sizeof(*bench.jobs));
	if (bench.jobs == NULL)
		die("jobs", ENOMEM);
	memset(bench.jobs, 0, bench.count * sizeof(*bench.jobs));
	measure_puts(&bench, 10000, 1);
	measure_puts(&bench, 50000, 10);
	measure_puts(&bench, 500000, 100);
	measure_puts(&bench, jobs, 1000);
	open_store(&bench);
	measure_recovery(&bench);
	measure_life(&bench, 5000, 1);
	measure_life(&bench, jobs, 100);
	measure_life(&bench, 2 * jobs, 1000);
	close_store(&bench);
	remove_store();
	free(bench.jobs);
	return 0;
}
