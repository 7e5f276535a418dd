/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct story story;
sigjmp_buf give_up;

/* Ends the story: prints the one line that says why. */
_Noreturn void
fail_at(unsigned line, const char *format, ...)
{
	va_list arguments;
	printf("%s:%u: ", story.file, line);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	siglongjmp(give_up, GAVE_UP);
}

void *
grow(void *items, size_t count, size_t item_bytes)
{
	/* Doubles whenever the count is a power of two. */
	if ((count & (count - 1)) != 0)
		return items;
	items = realloc(items, (count ? 2 * count : 1) * item_bytes);
	CHECK(items != NULL);
	return items;
}

void
set_text(struct text *text, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int count =
	    vsnprintf(text->text, sizeof(text->text), format, arguments);
	va_end(arguments);
	if (count < 0 || (size_t)count >= sizeof(text->text))
		fail("more than %d bytes in one word or phrase",
		    TEXT_BYTES_MAX - 1);
}
/* ---- names ---- */

const char *
label_of(uint64_t id)
{
	for (size_t i = 0; i < story.job_count; i++)
		if (story.jobs[i].id == id)
			return story.jobs[i].label.text;
	fail("the core speaks of a job %llu that the story does not know",
	    (unsigned long long)id);
}

static const struct named_job *
find_job(const char *label)
{
	for (size_t i = 0; i < story.job_count; i++)
		if (strcmp(story.jobs[i].label.text, label) == 0)
			return &story.jobs[i];
	return NULL;
}

uint64_t
id_of_label(const char *label)
{
	const struct named_job *job = find_job(label);
	if (job == NULL)
		fail("no job is called '%s'", label);
	return job->id;
}

void
name_job(const char *label, uint64_t id)
{
	if (find_job(label) != NULL)
		fail("there is a job '%s' already", label);
	story.jobs = grow(story.jobs, story.job_count, sizeof(*story.jobs));
	struct named_job *job = &story.jobs[story.job_count++];
	set_text(&job->label, "%s", label);
	job->id = id;
}

struct worker *
find_or_add_worker(const char *name)
{
	for (unsigned i = 0; i < story.worker_count; i++)
		if (strcmp(story.workers[i].name.text, name) == 0)
			return &story.workers[i];
	if (!name_is_valid(span_of(name)))
		fail("'%s' is neither a verb nor a worker's name", name);
	if (story.worker_count == WORKERS_MAX)
		fail("more than %d workers", WORKERS_MAX);
	struct worker *worker = &story.workers[story.worker_count++];
	set_text(&worker->name, "%s", name);
	return worker;
}

unsigned
index_of(const struct worker *worker)
{
	return (unsigned)(worker - story.workers);
}

struct connection *
connection_at(unsigned number)
{
	if (number == 0 || story.connections[number - 1].subscriber == 0)
		fail("it has no such connection");
	return &story.connections[number - 1];
}

const char *
worker_of_subscriber(uint32_t subscriber)
{
	for (unsigned i = story.connection_count; i-- > 0;)
		if (story.connections[i].subscriber == subscriber)
			return story.workers[story.connections[i].worker]
			    .name.text;
	fail("the core speaks of a connection that the story does not know");
}

const char *
worker_of_pid(int64_t pid)
{
	for (unsigned i = 0; i < story.worker_count; i++)
		if (story.workers[i].pid == pid)
			return story.workers[i].name.text;
	fail("the core speaks of a pid that the story does not know");
}
