/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include "support.h"

#include "wire/scanner.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* How often, and how many times, a socket is asked whether it listens. */
#define CONNECT_PAUSE_US 100
#define CONNECT_TRIES	 300000

static const struct {
	const char *name;
	const char *program; /* NULL: gsq's own */
	const char *socket;  /* in its directory */
} kinds[SUBJECT_COUNT] = {
	[SUBJECT_GSQ] = { "gsq", NULL, "gsq.sock" },
	[SUBJECT_BEANSTALKD] = { "beanstalkd", "beanstalkd", "socket" },
	[SUBJECT_REDIS] = { "redis", "redis-server", "socket" },
};

const char *
subject_name(enum subject_kind kind)
{
	return kinds[kind].name;
}

bool
subject_is_there(enum subject_kind kind)
{
	char places[4096], *rest = places, *place;
	const char *path = getenv("PATH");
	if (kinds[kind].program == NULL)
		return true;
	snprintf(places, sizeof(places), "%s", path != NULL ? path : "");
	while ((place = strsep(&rest, ":")) != NULL) {
		char program[sizeof(places) + 32];
		snprintf(program, sizeof(program), "%s/%s", place,
		    kinds[kind].program);
		if (access(program, X_OK) == 0)
			return true;
	}
	return false;
}

const char *
subject_folder(void)
{
	const char *folder = getenv("TMPDIR");
	return folder != NULL ? folder : "/tmp";
}

void
subject_need_disk(void)
{
	struct statfs status;
	if (statfs(subject_folder(), &status) != 0)
		give_up("%s: %s", subject_folder(), strerror(errno));
	if (status.f_type == TMPFS_MAGIC)
		give_up("%s is in memory: nothing is durable there; set TMPDIR "
			"to a directory on a disk",
		    subject_folder());
}

/* ---- life ---- */

static void
run(struct subject *subject)
{
	char queue[256], address[sizeof(subject->socket) + 8];
	char log[sizeof(subject->directory) + 8];
	const char *directory = subject->directory;
	snprintf(queue, sizeof(queue), "%s/queue", subject->bin);
	snprintf(address, sizeof(address), "unix:%s", subject->socket);
	snprintf(log, sizeof(log), "%s.log", directory);
	const char *const gsq[] = { queue, "-d", directory, NULL };
	const char *const beanstalkd[] = { "beanstalkd", "-l", address, "-b",
		directory, "-f", "0", NULL };
	const char *const redis[] = { "redis-server", "--port", "0",
		"--unixsocket", subject->socket, "--dir", directory,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "",
		"--auto-aof-rewrite-percentage", "0", NULL };
	const char *const *const commands[SUBJECT_COUNT] = {
		[SUBJECT_GSQ] = gsq,
		[SUBJECT_BEANSTALKD] = beanstalkd,
		[SUBJECT_REDIS] = redis,
	};
	subject->pid =
	    start_program((char *const *)commands[subject->kind], log);
}

void
subject_start(struct subject *subject, enum subject_kind kind, const char *bin)
{
	static unsigned number;
	*subject = (struct subject){ .kind = kind, .bin = bin };
	snprintf(subject->directory, sizeof(subject->directory), "%.40s/%s%u",
	    subject_folder(), kinds[kind].name, number++);
	snprintf(subject->socket, sizeof(subject->socket), "%s/%s",
	    subject->directory, kinds[kind].socket);
	if (mkdir(subject->directory, 0700) != 0)
		give_up("%s: %s", subject->directory, strerror(errno));
	run(subject);
}

void
subject_kill(struct subject *subject)
{
	end_process(subject->pid);
}

/* An old socket would refuse connections, or be waited for in vain. */
void
subject_revive(struct subject *subject)
{
	unlink(subject->socket);
	run(subject);
}

static int
remove_one(
    const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status, (void)kind, (void)place;
	return remove(path);
}

void
subject_end(struct subject *subject)
{
	subject_kill(subject);
	nftw(subject->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
subject_connect(const struct subject *subject)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s", subject->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int tries = 0;
	     connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0;
	     tries++) {
		if (tries == CONNECT_TRIES)
			give_up("%s does not come: %s (see %s.log)",
			    kinds[subject->kind].name, strerror(errno),
			    subject->directory);
		usleep(CONNECT_PAUSE_US);
	}
	return fd;
}

/* ---- one enqueue ---- */

static void
append(struct buffer *buffer, const void *bytes, size_t count)
{
	if (buffer_append(buffer, bytes, count) != 0)
		give_up("no memory");
}

static void
append_text(struct buffer *buffer, const char *text)
{
	append(buffer, text, strlen(text));
}

static void
request_of_gsq(struct buffer *request, struct span body, size_t jobs)
{
	struct message_writer writer;
	message_request(&writer, request, 1, SPAN_LITERAL("enqueue"), 2);
	put_key(&writer, "queue");
	put_text(&writer, SPAN_LITERAL("default"));
	put_key(&writer, jobs == 1 ? "body" : "bodies");
	if (jobs > 1)
		put_array(&writer, (uint32_t)jobs);
	for (size_t i = 0; i < jobs; i++)
		put_bytes(&writer, body);
	if (message_end(&writer) != 0)
		give_up("no memory");
}

static void
request_of_beanstalkd(struct buffer *request, struct span body, size_t jobs)
{
	char put[64];
	snprintf(put, sizeof(put), "put 1024 0 600 %zu\r\n", body.count);
	for (size_t i = 0; i < jobs; i++) {
		append_text(request, put);
		append(request, body.bytes, body.count);
		append_text(request, "\r\n");
	}
}

static void
request_of_redis(struct buffer *request, struct span body, size_t jobs)
{
	char head[64];
	snprintf(head, sizeof(head), "*%zu\r\n$5\r\nLPUSH\r\n$4\r\njobs\r\n",
	    jobs + 2);
	append_text(request, head);
	snprintf(head, sizeof(head), "$%zu\r\n", body.count);
	for (size_t i = 0; i < jobs; i++) {
		append_text(request, head);
		append(request, body.bytes, body.count);
		append_text(request, "\r\n");
	}
}

void
subject_request(enum subject_kind kind, struct buffer *request,
    struct span body, size_t jobs)
{
	static void (*const writers[SUBJECT_COUNT])(
	    struct buffer *, struct span, size_t) = {
		[SUBJECT_GSQ] = request_of_gsq,
		[SUBJECT_BEANSTALKD] = request_of_beanstalkd,
		[SUBJECT_REDIS] = request_of_redis,
	};
	writers[kind](request, body, jobs);
}

static _Noreturn void
bad_answer(enum subject_kind kind, struct span answer)
{
	give_up("%s refused a job, or does not keep it on the disk: %.*s",
	    kinds[kind].name, (int)answer.count, answer.bytes);
}

static bool
begins_with(struct span bytes, struct span start)
{
	size_t count = bytes.count < start.count ? bytes.count : start.count;
	return memcmp(bytes.bytes, start.bytes, count) == 0;
}

/* [1, 1, nil, {..., "durability": "sync"}] */
static bool
gsq_has_answered(struct span answer, size_t jobs)
{
	/* No error; of one job a pair more is told than of many. */
	static const struct span one = SPAN_LITERAL("\x94\x01\x01\xc0\x83");
	static const struct span many = SPAN_LITERAL("\x94\x01\x01\xc0\x82");
	static const struct span last = SPAN_LITERAL("\xa4sync");
	struct scanner scanner;
	(void)jobs;
	scanner_init(&scanner, MESSAGE_BYTES_MAX);
	enum scan scan = scanner_feed(&scanner, answer.bytes, answer.count);
	if (scan == SCAN_MORE)
		return false;
	if (scan == SCAN_BAD || scanner.offset != answer.count ||
	    !(begins_with(answer, one) || begins_with(answer, many)) ||
	    memcmp(answer.bytes + answer.count - last.count, last.bytes,
		last.count) != 0)
		bad_answer(SUBJECT_GSQ, answer);
	return true;
}

/* A line for each job. */
static bool
beanstalkd_has_answered(struct span answer, size_t jobs)
{
	const char *at = answer.bytes, *end = answer.bytes + answer.count;
	while (at < end) {
		struct span line = { at, (size_t)(end - at) };
		if (!begins_with(line, SPAN_LITERAL("INSERTED ")))
			bad_answer(SUBJECT_BEANSTALKD, line);
		const char *newline = memchr(at, '\n', line.count);
		if (newline == NULL)
			return false;
		at = newline + 1;
		jobs--;
	}
	return jobs == 0;
}

/* How many there are now: ":812\r\n". */
static bool
redis_has_answered(struct span answer, size_t jobs)
{
	(void)jobs;
	if (answer.bytes[0] != ':')
		bad_answer(SUBJECT_REDIS, answer);
	return answer.bytes[answer.count - 1] == '\n';
}

bool
subject_has_answered(enum subject_kind kind, struct span answer, size_t jobs)
{
	static bool (*const readers[SUBJECT_COUNT])(struct span, size_t) = {
		[SUBJECT_GSQ] = gsq_has_answered,
		[SUBJECT_BEANSTALKD] = beanstalkd_has_answered,
		[SUBJECT_REDIS] = redis_has_answered,
	};
	return readers[kind](answer, jobs);
}

/* ---- questions ---- */

/* The number behind word in the one answer to a command of text. */
static uint64_t
ask_text(const struct subject *subject, const char *command, const char *word)
{
	char answer[4096];
	size_t count = 0;
	int fd = subject_connect(subject);
	if (write(fd, command, strlen(command)) < 0)
		give_up("write: %s", strerror(errno));
	const char *at = NULL;
	while (at == NULL || strchr(at, '\n') == NULL) {
		ssize_t got =
		    read(fd, answer + count, sizeof(answer) - 1 - count);
		if (got <= 0)
			give_up("%s says nothing of its jobs",
			    kinds[subject->kind].name);
		count += (size_t)got;
		answer[count] = '\0';
		at = strstr(answer, word);
	}
	close(fd);
	return strtoull(at + strlen(word), NULL, 10);
}

static uint64_t
ask_gsq(const struct subject *subject)
{
	struct instance instance = { .queue = gsq_new() };
	close(subject_connect(subject)); /* waits */
	if (instance.queue == NULL ||
	    gsq_connect(instance.queue, subject->socket, 10000) != GSQ_OK)
		give_up("cannot ask gsq for its jobs");
	const msgpack_object *lane = instance_lane(&instance);
	uint64_t jobs = lane != NULL ? (uint64_t)integer_in(lane, "ready") : 0;
	gsq_free(instance.queue);
	return jobs;
}

uint64_t
subject_jobs(const struct subject *subject)
{
	switch (subject->kind) {
	case SUBJECT_GSQ:
		return ask_gsq(subject);
	case SUBJECT_BEANSTALKD:
		return ask_text(subject, "stats\r\n", "current-jobs-ready: ");
	case SUBJECT_REDIS:
		return ask_text(subject, "LLEN jobs\r\n", ":");
	}
	give_up("no such subject");
}

double
subject_cpu_us(const struct subject *subject)
{
	clockid_t clock;
	struct timespec used;
	if (clock_getcpuclockid(subject->pid, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		give_up("%s has ended", kinds[subject->kind].name);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

/* The n-th number, from 0, of a file that the kernel makes, or behind a word
 * in it; below 0: there is no such file. */
static double
number_in(const char *path, const char *word, int n)
{
	char text[4096];
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	char *at = word != NULL ? strstr(text, word) : text;
	if (at == NULL)
		return -1;
	if (word != NULL)
		at += strlen(word);
	while (n-- > 0)
		strtod(at, &at);
	return strtod(at, NULL);
}

double
subject_resident_bytes(const struct subject *subject)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)subject->pid);
	return number_in(path, NULL, 1) * (double)sysconf(_SC_PAGESIZE);
}

double
subject_handed_bytes(const struct subject *subject)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/io", (int)subject->pid);
	return number_in(path, "wchar: ", 0);
}

double
subject_disk_bytes(void)
{
	char path[64];
	struct stat status;
	if (stat(subject_folder(), &status) != 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
	    major(status.st_dev), minor(status.st_dev));
	double sectors = number_in(path, NULL, 6);
	return sectors < 0 ? -1 : sectors * 512;
}
