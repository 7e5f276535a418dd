/* SPDX-License-Identifier: MIT */
/*
 * A job as a line of JSON, as export writes and import reads it: what an
 * enqueue can say of it, under the same names, and what became of it where it
 * was, which only people read.
 *
 *     {"queue":"mail","body":"hello","priority":128,"id":812,"state":"ready"}
 */
#ifndef GSQ_QCTL_JOB_LINE_H
#define GSQ_QCTL_JOB_LINE_H

#include "base/name.h"
#include "client/gsq.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The longest line: a body of one MiB whose every byte is escaped in six, and
 * the rest. */
#define JOB_LINE_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* What an enqueue says of a job besides its body, key and token. */
struct job_terms_said {
	const char *queue;
	const char *mode; /* NULL: not said */
	json_int_t numbers[6];
	bool said[6];
};

/* The numbers, as an enqueue calls them. */
extern const char *const job_line_numbers[6];

struct job_line {
	json_t *json; /* owned: all texts are good as long as it */
	char *owned[3];
	struct span body;
	struct span key;   /* bytes NULL: none */
	struct span token; /* the same */
	struct job_terms_said terms;
	bool is_dead; /* it was, where it comes from */
};

/*
 * Reads a line. False, and the words for people in reason[reason_bytes], when
 * it is none, or gsq could not take such a job; then there is nothing to be
 * released.
 */
bool job_line_read(
    struct job_line *line, struct span text, char *reason, size_t reason_bytes);
void job_line_release(struct job_line *line);

/* Could both stand in one request? Where one has a token: never. */
bool job_line_goes_with(
    const struct job_line *line, const struct job_line *other);

/* The job of a list's answer as such a line, without its end. */
json_t *job_line_of(const msgpack_object *job);

#endif
