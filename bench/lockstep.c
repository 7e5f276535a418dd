/* SPDX-License-Identifier: MIT */
#include "lockstep.h"

#include "support.h"

#include "sys/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not counted: files are made, memory is touched for the first time. */
#define WARM_UP_US 100000

/* The answer to one enqueue. */
#define ANSWER_BYTES_MAX (64 * 1024)

struct producer {
	bool waits;
	char answer[ANSWER_BYTES_MAX];
	size_t answer_bytes;
};

/* One crowd at a time. */
static struct {
	const struct subject *subject;
	struct producer producers[LOCKSTEP_PRODUCERS_MAX];
	struct pollfd polls[LOCKSTEP_PRODUCERS_MAX];
	size_t count;
	size_t waiting;
	size_t batch;
	struct buffer request;
	uint64_t answered; /* jobs */
} crowd;

static void
ask(size_t index)
{
	struct producer *producer = &crowd.producers[index];
	const char *bytes = buffer_front(&crowd.request);
	size_t left = buffer_count(&crowd.request);
	while (left > 0) {
		ssize_t sent =
		    send(crowd.polls[index].fd, bytes, left, MSG_NOSIGNAL);
		if (sent < 0)
			give_up("%s does not listen any more: %s",
			    subject_name(crowd.subject->kind), strerror(errno));
		bytes += sent;
		left -= (size_t)sent;
	}
	producer->waits = true;
	producer->answer_bytes = 0;
	crowd.waiting++;
}

/* Reads what has come, and waits where nothing has; false: the answer is not
 * whole yet. */
static bool
hear(size_t index)
{
	struct producer *producer = &crowd.producers[index];
	ssize_t got = recv(crowd.polls[index].fd,
	    producer->answer + producer->answer_bytes,
	    sizeof(producer->answer) - producer->answer_bytes, 0);
	if (got <= 0)
		give_up("%s does not answer: %s (see %s.log)",
		    subject_name(crowd.subject->kind),
		    got < 0 ? strerror(errno) : "it closed the connection",
		    crowd.subject->directory);
	producer->answer_bytes += (size_t)got;
	struct span answer = { producer->answer, producer->answer_bytes };
	if (!subject_has_answered(crowd.subject->kind, answer, crowd.batch))
		return false;
	producer->waits = false;
	crowd.waiting--;
	crowd.answered += crowd.batch;
	return true;
}

static void
gather(const struct subject *subject, size_t producers, size_t batch)
{
	static char body[LOCKSTEP_BODY_BYTES];
	memset(body, 'x', sizeof(body));
	crowd.subject = subject;
	crowd.count = producers;
	crowd.batch = batch;
	crowd.answered = 0;
	subject_request(subject->kind, &crowd.request,
	    (struct span){ body, sizeof(body) }, batch);
	for (size_t i = 0; i < producers; i++)
		crowd.polls[i] =
		    (struct pollfd){ .fd = subject_connect(subject),
			    .events = POLLIN };
}

static void
dissolve(void)
{
	for (size_t i = 0; i < crowd.count; i++)
		close(crowd.polls[i].fd);
	buffer_release(&crowd.request);
}

/* Hears everyone whose answer is there and calls heard for each that is
 * whole. A single producer simply waits: poll would be one call more. */
static void
hear_all(void (*heard)(size_t index))
{
	if (crowd.count == 1)
		crowd.polls[0].revents = POLLIN;
	else if (poll(crowd.polls, crowd.count, -1) < 0)
		give_up("poll: %s", strerror(errno));
	for (size_t i = 0; i < crowd.count; i++)
		if (crowd.polls[i].revents != 0 && crowd.producers[i].waits &&
		    hear(i))
			heard(i);
}

static void
say_no_more(size_t index)
{
	(void)index;
}

static void
ask_all(void)
{
	for (size_t i = 0; i < crowd.count; i++)
		ask(i);
}

static void
hear_until(int64_t time_us)
{
	while (clock_monotonic_us() < time_us)
		hear_all(ask);
}

double
lockstep_rate(const struct subject *subject, size_t producers, size_t batch,
    int64_t duration_us)
{
	uint64_t before = subject_jobs(subject);
	gather(subject, producers, batch);
	ask_all();
	hear_until(clock_monotonic_us() + WARM_UP_US);
	uint64_t answered = crowd.answered;
	int64_t began_us = clock_monotonic_us();
	hear_until(began_us + duration_us);
	answered = crowd.answered - answered;
	int64_t took_us = clock_monotonic_us() - began_us;
	while (crowd.waiting > 0)
		hear_all(say_no_more);
	dissolve();
	uint64_t after = subject_jobs(subject);
	if (after - before != crowd.answered)
		give_up("%s answered %" PRIu64 " jobs and has %" PRIu64,
		    subject_name(subject->kind), crowd.answered,
		    after - before);
	return (double)answered * 1e6 / (double)took_us;
}

double
lockstep_fill(const struct subject *subject, uint64_t jobs, size_t batch)
{
	gather(subject, 1, batch);
	int64_t began_us = clock_monotonic_us();
	while (crowd.answered < jobs) {
		ask(0);
		while (!hear(0))
			;
	}
	int64_t took_us = clock_monotonic_us() - began_us;
	dissolve();
	return (double)took_us;
}
