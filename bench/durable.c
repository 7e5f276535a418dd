/* SPDX-License-Identifier: MIT */
/*
 * How many jobs a second are enqueued, each answered when it is on the disk?
 * gsq beside beanstalkd -f 0, Redis with appendfsync always, and a bare loop of
 * write and fdatasync on a file that was filled with zeros, all on the same
 * file system and by turns in the same run. Every run has a server of its own
 * with an empty directory.
 *
 *     durable BIN [ROUNDS]
 */
#include "lockstep.h"
#include "subject.h"
#include "support.h"

#include "sys/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX	25
#define DURATION_US	1000000
#define BARE_FILE_BYTES (16 * 1024 * 1024)

/* ---- who takes part ---- */

/* Columns: the servers, then the bare loop with both sizes. */
enum { BARE_SMALL = SUBJECT_COUNT, BARE_LARGE, COLUMNS };

static const size_t bare_bytes[COLUMNS] = {
	[BARE_SMALL] = 512,
	[BARE_LARGE] = 4096,
};

struct load {
	const char *name;
	size_t producers;
	size_t batch;
};

enum { LOAD_ONE, LOAD_CROWD, LOAD_BATCHES, LOADS };

static const struct load loads[LOADS] = {
	[LOAD_ONE] = { "1 producer in lockstep", 1, 1 },
	[LOAD_CROWD] = { "64 producers in lockstep", 64, 1 },
	[LOAD_BATCHES] = { "1 producer, batches of 100", 1, 100 },
};

/* Of each round; NAN: was not there. */
static struct {
	double rates[LOADS][COLUMNS][ROUNDS_MAX];
	double cpu_us[LOADS][COLUMNS][ROUNDS_MAX]; /* of the server, a job */
	double disk_bytes[COLUMNS][ROUNDS_MAX];	   /* a job, batches of 100 */
	double handed_bytes[COLUMNS][ROUNDS_MAX];
} results;

static size_t rounds = 5;

/* ---- the bare loop ---- */

static int
open_bare(void)
{
	static char zeros[64 * 1024];
	char path[128];
	snprintf(path, sizeof(path), "%.40s/bare", subject_folder());
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		give_up("%s: %s", path, strerror(errno));
	unlink(path);
	for (size_t at = 0; at < BARE_FILE_BYTES; at += sizeof(zeros))
		if (pwrite(fd, zeros, sizeof(zeros), (off_t)at) !=
		    sizeof(zeros))
			give_up("%s: %s", path, strerror(errno));
	if (fsync(fd) != 0)
		give_up("fsync: %s", strerror(errno));
	return fd;
}

static double
bare_rate(int fd, size_t bytes)
{
	static char page[4096];
	size_t syncs = 0;
	int64_t began_us = clock_monotonic_us(), now_us = began_us;
	memset(page, 'x', sizeof(page));
	while (now_us < began_us + DURATION_US) {
		off_t at = (off_t)(syncs * bytes % BARE_FILE_BYTES);
		if (pwrite(fd, page, bytes, at) != (ssize_t)bytes ||
		    fdatasync(fd) != 0)
			give_up("bare loop: %s", strerror(errno));
		syncs++;
		now_us = clock_monotonic_us();
	}
	return (double)syncs * 1e6 / (double)(now_us - began_us);
}

/* ---- a round ---- */

static void
run_subject(enum subject_kind kind, const char *bin, size_t load, size_t round)
{
	struct subject subject;
	subject_start(&subject, kind, bin);
	close(subject_connect(&subject));
	double disk = subject_disk_bytes();
	double handed = subject_handed_bytes(&subject);
	double cpu_us = subject_cpu_us(&subject);
	results.rates[load][kind][round] = lockstep_rate(
	    &subject, loads[load].producers, loads[load].batch, DURATION_US);
	double jobs = (double)subject_jobs(&subject);
	results.cpu_us[load][kind][round] =
	    (subject_cpu_us(&subject) - cpu_us) / jobs;
	if (load == LOAD_BATCHES) {
		results.disk_bytes[kind][round] =
		    disk < 0 ? NAN : (subject_disk_bytes() - disk) / jobs;
		results.handed_bytes[kind][round] =
		    (subject_handed_bytes(&subject) - handed) / jobs;
	}
	subject_end(&subject);
}

static void
leave_out(size_t column, size_t round)
{
	for (size_t load = 0; load < LOADS; load++) {
		results.rates[load][column][round] = NAN;
		results.cpu_us[load][column][round] = NAN;
	}
	results.disk_bytes[column][round] = NAN;
	results.handed_bytes[column][round] = NAN;
}

/* Every round begins with another column. */
static void
run_round(const char *bin, int bare_fd, size_t round)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		size_t column = (i + round) % COLUMNS;
		leave_out(column, round);
		if (column >= SUBJECT_COUNT)
			results.rates[LOAD_ONE][column][round] =
			    bare_rate(bare_fd, bare_bytes[column]);
		else if (subject_is_there((enum subject_kind)column))
			for (size_t load = 0; load < LOADS; load++)
				run_subject((enum subject_kind)column, bin,
				    load, round);
	}
}

/* ---- what came out ---- */

static double
median(const double *values)
{
	double copy[ROUNDS_MAX];
	memcpy(copy, values, rounds * sizeof(*copy));
	return quantile(copy, rounds, 0.5);
}

static double
rate(size_t load, size_t column)
{
	return median(results.rates[load][column]);
}

/* Of pairs of the same round, because the machine changes from one to the
 * next. */
static double
ratio(const double *over, const double *under)
{
	double ratios[ROUNDS_MAX];
	for (size_t i = 0; i < rounds; i++)
		ratios[i] = over[i] / under[i];
	return quantile(ratios, rounds, 0.5);
}

static double
ratio_of_rates(size_t load, size_t column, size_t to_load, size_t to_column)
{
	return ratio(
	    results.rates[load][column], results.rates[to_load][to_column]);
}

static void
print_cell(double value)
{
	if (isnan(value))
		printf(" %11s", "-");
	else
		printf(" %11.*f", value < 100 ? 1 : 0, value);
}

static void
print_row(const char *name, double values[COLUMNS])
{
	printf("  %-28s", name);
	for (size_t i = 0; i < COLUMNS; i++)
		print_cell(values[i]);
	putchar('\n');
}

static void
print_table(void)
{
	double values[COLUMNS];
	printf("  %-28s %11s %11s %11s %11s %11s\n", "a second", "gsq",
	    "beanstalkd", "redis", "bare 512 B", "bare 4 KiB");
	for (size_t load = 0; load < LOADS; load++) {
		for (size_t i = 0; i < COLUMNS; i++)
			values[i] = rate(load, i);
		print_row(loads[load].name, values);
	}
	printf("  the server's processor, us a job\n");
	for (size_t load = 0; load < LOADS; load++) {
		for (size_t i = 0; i < COLUMNS; i++)
			values[i] = median(results.cpu_us[load][i]);
		print_row(loads[load].name, values);
	}
	printf("  bytes a job, batches of 100\n");
	for (size_t i = 0; i < COLUMNS; i++)
		values[i] = median(results.disk_bytes[i]);
	print_row("written by the disk", values);
	for (size_t i = 0; i < COLUMNS; i++)
		values[i] = median(results.handed_bytes[i]);
	print_row("handed to write calls", values);
}

static void
print_targets(void)
{
	/* The harder of the two to come near to. */
	size_t bare = rate(LOAD_ONE, BARE_SMALL) > rate(LOAD_ONE, BARE_LARGE)
	    ? BARE_SMALL
	    : BARE_LARGE;
	double disk = median(results.disk_bytes[SUBJECT_GSQ]);
	for (size_t load = LOAD_ONE; load <= LOAD_CROWD; load++)
		for (size_t i = SUBJECT_BEANSTALKD; i < SUBJECT_COUNT; i++) {
			char what[64];
			snprintf(what, sizeof(what), "%s, gsq / %s",
			    loads[load].name,
			    subject_name((enum subject_kind)i));
			print_at_least(what,
			    ratio_of_rates(load, SUBJECT_GSQ, load, i), 1);
		}
	print_at_most("1 producer, bare loop / gsq",
	    ratio_of_rates(LOAD_ONE, bare, LOAD_ONE, SUBJECT_GSQ), 1.4);
	print_at_least("gsq, 64 producers / 1 producer",
	    ratio_of_rates(LOAD_CROWD, SUBJECT_GSQ, LOAD_ONE, SUBJECT_GSQ), 10);
	print_at_least("batches, jobs a bare sync (250 k / 7 k)",
	    ratio_of_rates(LOAD_BATCHES, SUBJECT_GSQ, LOAD_ONE, bare),
	    250.0 / 7);
	print_at_most(isnan(disk) ? "batches, bytes handed over for a job"
				  : "batches, bytes on the disk for a job",
	    isnan(disk) ? median(results.handed_bytes[SUBJECT_GSQ]) : disk,
	    250);
}

int
main(int argc, char **argv)
{
	if (argc == 3)
		rounds = strtoul(argv[2], NULL, 10);
	if (argc < 2 || argc > 3 || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: durable BIN [ROUNDS (1 to %d)]\n",
		    ROUNDS_MAX);
		return 64;
	}
	subject_need_disk();
	printf("durable: an enqueue is answered when its %d-byte jobs are on "
	       "the disk; medians of %zu rounds\n",
	    LOCKSTEP_BODY_BYTES, rounds);
	for (size_t i = 0; i < SUBJECT_COUNT; i++)
		if (!subject_is_there((enum subject_kind)i))
			printf("  SKIPPED: %s is not installed\n",
			    subject_name((enum subject_kind)i));
	int bare_fd = open_bare();
	for (size_t i = 0; i < rounds; i++)
		run_round(argv[1], bare_fd, i);
	close(bare_fd);
	print_table();
	print_targets();
	printf("  The disk counts what anybody writes to it meanwhile; nothing "
	       "was subtracted.\n");
	return 0;
}
