/* SPDX-License-Identifier: MIT */
/*
 * Runs traces: stories in simulated time, told to the real core, which must
 * answer exactly as the story says. tests/trace/README.md has the language.
 *
 * What a step wishes is rendered as happenings, in words, and each of them has
 * to be expected before the next step. Wishes that belong together make one
 * happening (a delivery is SAVE, DELIVER and TELL, in this order), so that a
 * save too many or too few cannot hide.
 */
#include "story.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* A CHECK or an invariant of the core failed and has said so. */
static void
on_abort(int signal_number)
{
	(void)signal_number;
	siglongjmp(give_up, ABORTED);
}

static const struct verb {
	const char *word;
	bool is_step; /* what happened before must have been expected */
	void (*carry_out)(struct line *line);
} verbs[] = {
	{ "at", true, do_at },
	{ "queue", true, do_queue },
	{ "enqueue", true, do_enqueue },
	{ "cancel", true, do_cancel },
	{ "delete", true, do_delete },
	{ "revive", true, do_revive },
	{ "touch", true, do_touch },
	{ "pause", true, do_pause },
	{ "resume", true, do_resume },
	{ "drain", true, do_drain },
	{ "open", true, do_open },
	{ "restore", true, do_restore },
	{ "restored", true, do_restored },
	{ "introduced", true, do_introduced },
	{ "crash", true, do_crash },
	{ "expect", false, do_expect },
	{ "counts", false, do_counts },
	{ "totals", false, do_totals },
	{ "order", false, do_order },
	{ "job", false, do_job },
	{ "certificates", false, do_certificates },
	{ "wake", false, do_wake },
};

static const struct worker_verb {
	const char *word;
	void (*carry_out)(const struct speaker *speaker, struct line *line);
} worker_verbs[] = {
	{ "starts", do_starts },
	{ "lives", do_lives },
	{ "claims", do_claims },
	{ "dies", do_dies },
	{ "stops", do_stops },
	{ "subscribes", do_subscribes },
	{ "asks", do_asks },
	{ "touches", do_touches },
	{ "answers", do_answers },
	{ "repeats", do_repeats },
	{ "reports", do_reports },
	{ "disconnects", do_disconnects },
	{ "reconnects", do_reconnects },
};

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

static void
begin_step(void)
{
	all_must_be_met();
	story.step_line = story.line;
}

static void
carry_out_worker_verb(const char *name, struct line *line)
{
	const char *word = next_word(line, "a verb");
	for (size_t i = 0; i < COUNT_OF(worker_verbs); i++) {
		if (strcmp(worker_verbs[i].word, word) != 0)
			continue;
		struct text plain;
		const char *dot = strstr(name, ".old");
		set_text(&plain, "%.*s",
		    dot ? (int)(dot - name) : (int)strlen(name), name);
		struct speaker speaker = { find_or_add_worker(plain.text),
			dot != NULL };
		begin_step();
		worker_verbs[i].carry_out(&speaker, line);
		return;
	}
	fail("'%s' cannot '%s'", name, word);
}

static void
carry_out_line(struct line *line)
{
	const char *word = next_word(line, "a word");
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (strcmp(verbs[i].word, word) != 0)
			continue;
		if (verbs[i].is_step)
			begin_step();
		verbs[i].carry_out(line);
		return;
	}
	carry_out_worker_verb(word, line);
}

static void
tell_story(FILE *file, char **text, size_t *text_bytes)
{
	static struct line line;
	while (getline(text, text_bytes, file) >= 0) {
		story.line++;
		split(&line, *text);
		if (line.count > 0)
			carry_out_line(&line);
	}
	if (ferror(file))
		fail("cannot be read");
	all_must_be_met();
	if (story.expectations == 0)
		fail("expects nothing, so it proves nothing");
}

/* Reads and tells the whole story; leaves by fail when it goes wrong. */
static void
read_story(void)
{
	static FILE *file;
	static char *text;
	static size_t text_bytes;
	if (file != NULL)
		fclose(file);
	file = fopen(story.file, "r");
	if (file == NULL)
		fail("cannot be opened");
	tell_story(file, &text, &text_bytes);
	fclose(file);
	file = NULL;
	free(text);
	text = NULL;
	text_bytes = 0;
}

static bool
run_trace(const char *path)
{
	story = (struct story){ .file = path, .last_pid = 100 };
	core_init(&story.core, 1, 1, policy_of, NULL);
	int end = sigsetjmp(give_up, 1);
	if (end == 0)
		read_story();
	if (end == ABORTED)
		printf("%s:%u: the core found itself broken (see above)\n",
		    story.file, story.line);
	else
		core_release(&story.core);
	disk_release();
	free(story.happenings);
	free(story.jobs);
	free(story.sent);
	return end == 0;
}

int
main(int count, char **paths)
{
	unsigned passed = 0, failed = 0;
	signal(SIGABRT, on_abort);
	for (int i = 1; i < count; i++) {
		if (run_trace(paths[i]))
			passed++;
		else
			failed++;
		fflush(stdout);
	}
	if (passed + failed == 0)
		printf("no traces: trace FILE.trace...\n");
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
