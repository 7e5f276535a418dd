/* SPDX-License-Identifier: MIT */
/*
 * What does a long queue cost, and a long life? Memory per waiting job, the
 * way back after kill -9, both beside Redis with a list in an append-only
 * file; an enqueue behind a backlog beside one into an almost empty queue; and,
 * with supervisor and workers, the size on disk and the pauses of the loop
 * while the log is cleaned.
 *
 *     backlog [-j JOBS] [-b BACKLOG] [-c CYCLES] BIN
 */
#include "lockstep.h"
#include "subject.h"
#include "support.h"

#include "sys/clock.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH	    100
#define RECOVERIES  5
#define PATIENCE_MS 60000
#define RETRY_US    200
#define MEBIBYTE    (1024.0 * 1024)
#define WORKERS	    2
#define DEMAND	    100
#define BODY_BYTES  LOCKSTEP_BODY_BYTES

/* What a job takes in the log beside its body, as the store counts it. */
#define RECORD_BYTES 32

#define SLACK_BYTES (128 * MEBIBYTE)

/* As is said to whoever reads a figure made with fewer. */
#define BACKLOG_WANTED 5000000
#define CYCLES_WANTED  10000000

static struct {
	const char *bin;
	uint64_t jobs;
	uint64_t backlog;
	uint64_t cycles;
} options = { .jobs = 1000000, .backlog = 1000000, .cycles = 1500000 };

/* ---- memory, and the way back ---- */

struct sample {
	double empty_bytes, full_bytes, revived_bytes; /* resident */
	double first_us[RECOVERIES]; /* kill -9 to the first delivery */
};

static double
bytes_a_job(double full, double empty)
{
	return (full - empty) / (double)options.jobs;
}

static void
fill(struct subject *subject, struct sample *sample, enum subject_kind kind)
{
	subject_start(subject, kind, options.bin);
	lockstep_fill(subject, BATCH, BATCH); /* what comes with the first */
	sample->empty_bytes = subject_resident_bytes(subject);
	lockstep_fill(subject, options.jobs, BATCH);
	sample->full_bytes = subject_resident_bytes(subject);
}

static const struct message *
receive(struct gsq *gsq)
{
	const struct message *message;
	if (gsq_receive(gsq, PATIENCE_MS, &message) != GSQ_OK)
		give_up("gsq: %s", gsq_error(gsq));
	return message;
}

/* The delivery that a worker asks for; its msgid. */
static uint64_t
receive_job(struct gsq *gsq)
{
	for (;;) {
		const struct message *message = receive(gsq);
		if (message->kind == MESSAGE_REQUEST)
			return message->msgid;
	}
}

/* Done; waits until the queue says that this is on the disk. */
static void
settle(struct gsq *gsq, uint64_t msgid)
{
	struct buffer answer = { 0 };
	struct message_writer writer;
	message_response(&writer, &answer, msgid);
	put_nil(&writer);
	if (message_end(&writer) != 0 ||
	    send(gsq_poll_fd(gsq), buffer_front(&answer), buffer_count(&answer),
		MSG_NOSIGNAL) != (ssize_t)buffer_count(&answer))
		give_up("cannot answer gsq");
	buffer_release(&answer);
	for (;;) {
		const struct message *message = receive(gsq);
		if (message->kind == MESSAGE_NOTIFICATION &&
		    span_is_text(message->method, "settled"))
			return;
	}
}

static void
ask_for_one(struct gsq *gsq)
{
	uint64_t msgid;
	const struct gsq_field subscribe[] = { gsq_text("queue", "default"),
		gsq_integer("max_demand", 1) };
	const struct gsq_field demand[] = { gsq_text("queue", "default"),
		gsq_integer("n", 1) };
	if (gsq_request(gsq, "subscribe", subscribe, 2, &msgid) != GSQ_OK ||
	    gsq_request(gsq, "demand", demand, 2, &msgid) != GSQ_OK)
		give_up("gsq: %s", gsq_error(gsq));
}

static double
first_of_gsq(struct subject *subject)
{
	struct gsq *gsq = gsq_new();
	int64_t began_us = clock_monotonic_us();
	subject_kill(subject);
	subject_revive(subject);
	close(subject_connect(subject)); /* waits */
	if (gsq == NULL ||
	    gsq_connect(gsq, subject->socket, PATIENCE_MS) != GSQ_OK)
		give_up("gsq does not come back");
	ask_for_one(gsq);
	uint64_t msgid = receive_job(gsq);
	int64_t took_us = clock_monotonic_us() - began_us;
	settle(gsq, msgid);
	gsq_free(gsq);
	return (double)took_us;
}

/* It listens before it has read its file, and says -LOADING until it has. */
static double
first_of_redis(struct subject *subject)
{
	static const char pop[] = "RPOP jobs\r\n";
	char answer[256] = "-";
	int64_t began_us = clock_monotonic_us();
	subject_kill(subject);
	subject_revive(subject);
	int fd = subject_connect(subject);
	while (answer[0] == '-') {
		if (send(fd, pop, sizeof(pop) - 1, MSG_NOSIGNAL) < 0 ||
		    recv(fd, answer, sizeof(answer), 0) <= 0)
			give_up("redis does not come back");
		if (answer[0] == '-')
			usleep(RETRY_US);
	}
	int64_t took_us = clock_monotonic_us() - began_us;
	if (answer[0] != '$' || answer[1] == '-')
		give_up("redis has lost its jobs: %.20s", answer);
	close(fd);
	return (double)took_us;
}

static void
recover(struct subject *subject, struct sample *sample, unsigned round)
{
	uint64_t before = subject_jobs(subject);
	sample->first_us[round] = subject->kind == SUBJECT_GSQ
	    ? first_of_gsq(subject)
	    : first_of_redis(subject);
	uint64_t after = subject_jobs(subject);
	if (after != before - 1)
		give_up("%s had %" PRIu64 " jobs, then %" PRIu64,
		    subject_name(subject->kind), before, after);
	if (round == 0)
		sample->revived_bytes = subject_resident_bytes(subject);
}

static void
print_sample(const struct subject *subject, struct sample *sample)
{
	printf("  %-10s %9.0f ms %12.0f bytes a job, %.0f after the recovery\n",
	    subject_name(subject->kind),
	    quantile(sample->first_us, RECOVERIES, 0.5) / 1000,
	    bytes_a_job(sample->full_bytes, sample->empty_bytes),
	    bytes_a_job(sample->revived_bytes, sample->empty_bytes));
}

/* gsq stays, with its jobs. */
static void
measure_recovery(struct subject *gsq)
{
	struct subject redis;
	struct sample ours, theirs;
	bool has_redis = subject_is_there(SUBJECT_REDIS);
	double ratio = NAN;
	fill(gsq, &ours, SUBJECT_GSQ);
	if (has_redis)
		fill(&redis, &theirs, SUBJECT_REDIS);
	for (unsigned i = 0; i < RECOVERIES; i++) {
		recover(gsq, &ours, i);
		if (has_redis)
			recover(&redis, &theirs, i);
	}
	printf("kill -9 with %" PRIu64 " waiting jobs of %d bytes to the first "
	       "delivery (median of %d), resident memory\n",
	    options.jobs, BODY_BYTES, RECOVERIES);
	print_sample(gsq, &ours);
	if (has_redis) {
		print_sample(&redis, &theirs);
		ratio = quantile(ours.first_us, RECOVERIES, 0.5) /
		    quantile(theirs.first_us, RECOVERIES, 0.5);
		subject_end(&redis);
	} else {
		printf("  SKIPPED: redis is not installed\n");
	}
	double resident = ours.full_bytes > ours.revived_bytes
	    ? ours.full_bytes
	    : ours.revived_bytes;
	print_at_most("first delivery, gsq / redis", ratio, 1);
	print_at_most("gsq, resident bytes a waiting job",
	    bytes_a_job(resident, ours.empty_bytes), 180);
}

/* ---- the cost of an enqueue ---- */

#define COST_ROUNDS  9
#define COST_JOBS    20000 /* in batches */
#define COST_SINGLES 500

/* Microseconds a job. */
struct cost {
	double batch_us[COST_ROUNDS];
	double batch_cpu_us[COST_ROUNDS];
	double single_us[COST_ROUNDS];
};

static void
measure_cost(const struct subject *subject, struct cost *cost, unsigned round)
{
	double cpu_us = subject_cpu_us(subject);
	cost->batch_us[round] =
	    lockstep_fill(subject, COST_JOBS, BATCH) / COST_JOBS;
	cost->batch_cpu_us[round] =
	    (subject_cpu_us(subject) - cpu_us) / COST_JOBS;
	cost->single_us[round] =
	    lockstep_fill(subject, COST_SINGLES, 1) / COST_SINGLES;
}

static void
print_cost(
    const char *name, const double *deep_values, const double *shallow_values)
{
	double deep[COST_ROUNDS], shallow[COST_ROUNDS], ratio[COST_ROUNDS];
	for (unsigned i = 0; i < COST_ROUNDS; i++) {
		deep[i] = deep_values[i];
		shallow[i] = shallow_values[i];
		ratio[i] = deep[i] / shallow[i];
	}
	printf("  %-48s %8.2f us a job beside %8.2f us\n", name,
	    quantile(deep, COST_ROUNDS, 0.5),
	    quantile(shallow, COST_ROUNDS, 0.5));
	print_at_most(
	    "  deep / almost empty", quantile(ratio, COST_ROUNDS, 0.5), 1.2);
}

/* By turns, the one with the backlog first in every other round. */
static void
measure_costs(const struct subject *deep)
{
	struct subject shallow;
	struct cost cost_deep, cost_shallow;
	uint64_t jobs = subject_jobs(deep);
	if (jobs < options.backlog)
		lockstep_fill(deep, options.backlog - jobs, BATCH);
	subject_start(&shallow, SUBJECT_GSQ, options.bin);
	lockstep_fill(&shallow, COST_JOBS, BATCH);
	for (unsigned i = 0; i < COST_ROUNDS; i++) {
		if (i % 2 == 0)
			measure_cost(deep, &cost_deep, i);
		measure_cost(&shallow, &cost_shallow, i);
		if (i % 2 != 0)
			measure_cost(deep, &cost_deep, i);
	}
	subject_end(&shallow);
	printf("an enqueue at a backlog of %" PRIu64
	       " (full measure: BACKLOG=%d), "
	       "beside one of at most %d\n",
	    options.backlog, BACKLOG_WANTED, (COST_ROUNDS + 1) * COST_JOBS);
	print_cost("batches of 100", cost_deep.batch_us, cost_shallow.batch_us);
	print_cost("batches of 100, the queue's processor",
	    cost_deep.batch_cpu_us, cost_shallow.batch_cpu_us);
	print_cost(
	    "one at a time", cost_deep.single_us, cost_shallow.single_us);
}

/* ---- pings ---- */

#define PINGS_MAX      300000
#define PING_PERIOD_US 1000

enum phase { PHASE_IDLE, PHASE_LOAD, PHASE_CLEANING, PHASE_END };

static const char *const phase_names[PHASE_END] = {
	[PHASE_IDLE] = "idle",
	[PHASE_LOAD] = "load",
	[PHASE_CLEANING] = "load, the log is cleaned",
};

/* Shared with the process that pings. echo: the same by a process that does
 * nothing but echo a byte: what this machine does to any process. */
struct pings {
	_Atomic int phase;
	size_t count[PHASE_END];
	double us[PHASE_END][PINGS_MAX];
	double echo_us[PHASE_END][PINGS_MAX];
};

static struct pings *pings;

static _Noreturn void
be_echo(int fd)
{
	char byte;
	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			break;
	_exit(0);
}

static double
echo_us(int fd)
{
	char byte = 0;
	int64_t began_us = clock_monotonic_us();
	if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		give_up("the echo has ended");
	return (double)(clock_monotonic_us() - began_us);
}

static double
ping_us(struct gsq *gsq)
{
	int64_t began_us = clock_monotonic_us();
	instance_call(gsq, "ping", NULL, 0);
	return (double)(clock_monotonic_us() - began_us);
}

/* Every millisecond, or as soon as the last one is answered. */
static _Noreturn void
ping_until_end(const char *path, int echo_fd)
{
	struct gsq *gsq = gsq_new();
	if (gsq == NULL || gsq_connect(gsq, path, PATIENCE_MS) != GSQ_OK)
		give_up("cannot ping %s", path);
	int64_t next_us = clock_monotonic_us();
	for (;;) {
		int phase = atomic_load(&pings->phase);
		if (phase == PHASE_END)
			_exit(0);
		double ping = ping_us(gsq), echo = echo_us(echo_fd);
		size_t at = pings->count[phase];
		if (at < PINGS_MAX) {
			pings->us[phase][at] = ping;
			pings->echo_us[phase][at] = echo;
			pings->count[phase] = at + 1;
		}
		next_us += PING_PERIOD_US;
		int64_t now_us = clock_monotonic_us();
		if (next_us > now_us)
			usleep((useconds_t)(next_us - now_us));
		else
			next_us = now_us;
	}
}

/* Those who ping and echo. */
struct watchers {
	pid_t pinger, echo;
	bool is_urgent;
};

static pid_t
pid_of_queue(const struct instance *instance)
{
	const msgpack_object *children = map_find(
	    instance_call(instance->control, "tree", NULL, 0), "children");
	if (children == NULL || children->type != MSGPACK_OBJECT_ARRAY ||
	    children->via.array.size == 0)
		give_up("tree: no children");
	return (pid_t)integer_in(&children->via.array.ptr[0], "pid");
}

/* Ahead of the producer and the workers, which would use up both processors:
 * what is wanted is how long the loop is busy, not how long it has to wait for
 * a processor. */
static bool
make_urgent(pid_t pid)
{
	struct sched_param parameters = { .sched_priority = 10 };
	return sched_setscheduler(pid, SCHED_RR, &parameters) == 0;
}

static void
start_watchers(struct watchers *watchers, const struct instance *instance)
{
	char path[sizeof(instance->directory) + 16];
	int pair[2];
	snprintf(path, sizeof(path), "%s/gsq.sock", instance->directory);
	pings = mmap(NULL, sizeof(*pings), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pings == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		give_up("cannot watch: %s", strerror(errno));
	watchers->echo = start_fork();
	if (watchers->echo == 0)
		be_echo(pair[1]);
	watchers->pinger = start_fork();
	if (watchers->pinger == 0)
		ping_until_end(path, pair[0]);
	close(pair[0]);
	close(pair[1]);
	watchers->is_urgent = make_urgent(pid_of_queue(instance)) &&
	    make_urgent(watchers->pinger) && make_urgent(watchers->echo);
}

static void
stop_watchers(const struct watchers *watchers)
{
	int status = 0;
	atomic_store(&pings->phase, PHASE_END);
	waitpid(watchers->pinger, &status, 0);
	end_process(watchers->echo);
	if (status != 0)
		give_up("the pings were not answered");
}

static void
print_pings(void)
{
	printf("  %-28s %8s %22s %22s\n", "answers to a ping a millisecond",
	    "pings", "p99.9, worst, ms", "a bare echo, ms");
	for (int i = 0; i < PHASE_END; i++) {
		size_t count = pings->count[i];
		if (count == 0)
			continue;
		printf("  %-28s    %8zu %15.2f %6.2f %15.2f %6.2f\n",
		    phase_names[i], count,
		    quantile(pings->us[i], count, 0.999) / 1000,
		    quantile(pings->us[i], count, 1) / 1000,
		    quantile(pings->echo_us[i], count, 0.999) / 1000,
		    quantile(pings->echo_us[i], count, 1) / 1000);
	}
}

/* ---- a long life ---- */

#define PARKED	500000 /* jobs that wait all the time, to be moved */
#define STRIDE	10000  /* jobs between two looks at the disk */
#define IDLE_US 1000000

/* What is in the store's directory. */
struct disk {
	double bytes;
	unsigned long first_segment;
};

static void
look_at_disk(const struct instance *instance, struct disk *disk)
{
	char path[sizeof(instance->directory) + 8];
	*disk = (struct disk){ .first_segment = ULONG_MAX };
	snprintf(path, sizeof(path), "%s/store", instance->directory);
	DIR *directory = opendir(path);
	if (directory == NULL)
		give_up("%s: %s", path, strerror(errno));
	const struct dirent *entry;
	while ((entry = readdir(directory)) != NULL) {
		struct stat status;
		unsigned long number;
		if (fstatat(dirfd(directory), entry->d_name, &status, 0) != 0)
			continue; /* it was given up in this moment */
		if (S_ISREG(status.st_mode))
			disk->bytes += (double)status.st_blocks * 512;
		if (sscanf(entry->d_name, "segment-%lu", &number) == 1 &&
		    number < disk->first_segment)
			disk->first_segment = number;
	}
	closedir(directory);
}

static void
put_all(struct gsq *gsq, const char *queue, uint64_t jobs)
{
	static char body[BODY_BYTES];
	struct span bodies[BATCH];
	for (size_t i = 0; i < BATCH; i++)
		bodies[i] = (struct span){ body, sizeof(body) };
	const struct gsq_field fields[] = { gsq_text("queue", queue),
		gsq_bodies("bodies", bodies, BATCH) };
	for (uint64_t i = 0; i < jobs; i += BATCH) {
		struct span durability = { 0 };
		object_span(map_find(instance_call(gsq, "enqueue", fields, 2),
				"durability"),
		    &durability);
		if (!span_is_text(durability, "sync"))
			give_up("'%s' is not on the disk", queue);
	}
}

/* Enqueue, delivery, acknowledgement; the most that was on the disk. */
static double
run_cycles(struct instance *instance, unsigned long *ret_given_up)
{
	const struct gsq_field wait[] = { gsq_text("queue", "default") };
	struct disk disk, first;
	double most_bytes = 0;
	look_at_disk(instance, &first);
	for (uint64_t i = 0; i < options.cycles; i += STRIDE) {
		put_all(instance->queue, "default", STRIDE);
		instance_call(instance->queue, "wait", wait, 1);
		look_at_disk(instance, &disk);
		if (disk.bytes > most_bytes)
			most_bytes = disk.bytes;
		if (disk.first_segment != first.first_segment)
			atomic_store(&pings->phase, PHASE_CLEANING);
	}
	*ret_given_up = disk.first_segment - first.first_segment;
	return most_bytes;
}

static void
measure_life(void)
{
	struct instance instance;
	struct watchers watchers;
	unsigned long given_up;
	instance_start(&instance, options.bin, WORKERS, DEMAND, "sync");
	put_all(instance.queue, "parked", PARKED);
	start_watchers(&watchers, &instance);
	usleep(IDLE_US);
	atomic_store(&pings->phase, PHASE_LOAD);
	int64_t began_us = clock_monotonic_us();
	double most_bytes = run_cycles(&instance, &given_up);
	int64_t took_us = clock_monotonic_us() - began_us;
	stop_watchers(&watchers);
	const msgpack_object *stats =
	    instance_call(instance.queue, "stats", NULL, 0);
	int64_t turn_us = integer_in(stats, "longest_turn_us");
	int64_t cleaning_us = integer_in(stats, "longest_upkeep_turn_us");
	instance_stop(&instance);

	double live_bytes =
	    (double)(PARKED + STRIDE) * (BODY_BYTES + RECORD_BYTES);
	printf("%" PRIu64 " times enqueue, deliver, acknowledge (full measure: "
	       "CYCLES=%d), %d jobs waiting: %.0f a second\n",
	    options.cycles, CYCLES_WANTED, PARKED,
	    (double)options.cycles * 1e6 / (double)took_us);
	if (given_up == 0)
		printf("  TOO SHORT: no part of the log was cleaned\n");
	print_at_most("MiB on the disk at most (2 x live + 128 MiB)",
	    most_bytes / MEBIBYTE, (2 * live_bytes + SLACK_BYTES) / MEBIBYTE);
	print_pings();
	if (!watchers.is_urgent)
		puts(
		    "  The processors are shared with the load: run as root to "
		    "see the loop alone.");
	size_t count = pings->count[PHASE_CLEANING];
	double *us = pings->us[PHASE_CLEANING];
	print_at_most("p99.9 of the pings while the log is cleaned, ms",
	    count == 0 ? NAN : quantile(us, count, 0.999) / 1000, 5);
	print_at_most("longest turn of the loop that cleaned, ms",
	    cleaning_us == 0 ? NAN : (double)cleaning_us / 1000, 5);
	printf("  longest turn of the loop at all %.2f ms: where the disk "
	       "stalls in one sync, or memory is touched first\n",
	    (double)turn_us / 1000);
}

/* ---- all of it ---- */

static void
read_options(int argc, char **argv)
{
	bool good = true;
	for (int letter; (letter = getopt(argc, argv, "j:b:c:")) != -1;) {
		uint64_t number =
		    letter == '?' ? 0 : strtoull(optarg, NULL, 10);
		good = good && number > 0;
		if (letter == 'j')
			options.jobs = number;
		else if (letter == 'b')
			options.backlog = number;
		else if (letter == 'c')
			options.cycles = number;
	}
	if (!good || optind != argc - 1) {
		fputs("usage: backlog [-j JOBS] [-b BACKLOG] [-c CYCLES] BIN\n",
		    stderr);
		exit(64);
	}
	options.bin = argv[optind];
}

int
main(int argc, char **argv)
{
	struct subject gsq;
	read_options(argc, argv);
	subject_need_disk();
	measure_recovery(&gsq);
	measure_costs(&gsq);
	subject_end(&gsq);
	measure_life();
	return 0;
}
