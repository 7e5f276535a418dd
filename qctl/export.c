/* SPDX-License-Identifier: MIT */
/*
 * The verb export: jobs as lines of JSON, a page at a time, in the order of
 * their ids. It says how far it came, so that it can go on from there.
 */
#include "qctl/answer.h"
#include "qctl/job_line.h"
#include "qctl/json.h"
#include "qctl/progress.h"
#include "qctl/say.h"
#include "qctl/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE_JOBS 1000

struct exporting {
	struct command *command;
	struct progress progress;
	int64_t after; /* the page begins behind that id */
	int64_t last;  /* id of the last job that was written; 0: none */
	uint64_t count;
};

/* EXIT_DONE, or EXIT_SYSTEM, said, when they cannot be written. */
static int
write_page(struct exporting *exporting, const struct elements *jobs)
{
	int64_t last = exporting->last;
	progress_hide(&exporting->progress);
	for (uint32_t i = 0; i < jobs->count; i++) {
		json_print(stdout, job_line_of(&jobs->items[i]));
		fputc('\n', stdout);
		last = answer_integer(&jobs->items[i], "id");
	}
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		progress_erase(&exporting->progress);
		say("cannot write what was exported: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	exporting->last = last;
	exporting->count += jobs->count;
	progress_update(&exporting->progress,
	    (struct progress_state){ .jobs = exporting->count });
	return EXIT_DONE;
}

static int
export_page(struct exporting *exporting)
{
	struct command *command = exporting->command;
	const struct gsq_field fields[] = {
		gsq_text("queue",
		    command->argument_count > 0 ? command->arguments[0] : NULL),
		gsq_text("state", command->options[OPTION_STATE].text),
		gsq_text("key", command->options[OPTION_KEY].text),
		gsq_integer("after", exporting->after),
		gsq_integer("limit", PAGE_JOBS),
		gsq_boolean("whole", true),
	};
	const msgpack_object *result;
	int failed = session_call(
	    command, METHOD_list, fields, FIELD_COUNT(fields), &result);
	if (failed != EXIT_DONE)
		return failed;
	struct elements jobs = answer_elements(result, "jobs");
	int64_t next = answer_integer(result, "next");
	failed = write_page(exporting, &jobs);
	/* One that does not move on would be asked for ever. */
	exporting->after = next > exporting->after ? next : 0;
	return failed;
}

int
do_export(struct command *command)
{
	struct exporting exporting = { .command = command,
		.after = command->options[OPTION_AFTER].number };
	int failed;
	exporting.last = exporting.after;
	progress_begin(&exporting.progress, 0);
	do
		failed = export_page(&exporting);
	while (failed == EXIT_DONE && exporting.after > 0);
	progress_end(&exporting.progress, exporting.count);
	if (failed != EXIT_DONE && exporting.count > 0)
		say("%" PRIu64 " jobs are written whole; the next ones come "
		    "with --after %" PRId64,
		    exporting.count, exporting.last);
	return failed;
}
