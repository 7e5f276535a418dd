/* SPDX-License-Identifier: MIT */
/*
 * A fast client of beanstalkd, as much as its protocol allows: a producer and
 * a worker on a Unix socket, one command at a time or many in one write.
 */
#ifndef GSQ_BENCH_BEANSTALK_H
#define GSQ_BENCH_BEANSTALK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

struct beanstalk {
	int fd;
	FILE *input;  /* owned; reads fd */
	char *output; /* owned; commands that wait to be written */
	size_t output_bytes;
	size_t output_room;
};

/* Connects; retries for a while, because the server may just be starting. */
void beanstalk_connect(struct beanstalk *client, const char *path);
void beanstalk_close(struct beanstalk *client);

/* Puts that many jobs with this body in one write, reads the answers. */
void beanstalk_put(struct beanstalk *client, const char *body,
    size_t body_bytes, size_t count);

/*
 * Works until it is killed. depth 0: reserve, its answer, delete, its answer.
 * depth n: the deletes of all jobs in hand and n more reserves leave in one
 * write. Adds the deletes that were answered to *done and calls on_done with
 * the new sum.
 */
_Noreturn void beanstalk_work(struct beanstalk *client, size_t depth,
    _Atomic size_t *done, void (*on_done)(size_t done));

#endif
