/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- wishes become happenings ---- */

void
happens(const char *format, ...)
{
	struct text text;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text.text, sizeof(text.text), format, arguments);
	va_end(arguments);
	story.happenings = grow(
	    story.happenings, story.happening_count, sizeof(*story.happenings));
	story.happenings[story.happening_count++] = text;
}

static void
remember_delivery(const struct wish *wish)
{
	const struct job *job = job_at(&story.core.jobs, wish->job);
	unsigned connection = story.connection_count;
	while (connection > 0 &&
	    story.connections[connection - 1].subscriber != wish->subscriber)
		connection--;
	story.sent = grow(story.sent, story.sent_count, sizeof(*story.sent));
	story.sent[story.sent_count++] = (struct sent){
		.connection = connection,
		.id = wish->id,
		.msgid = job_lease(&story.core.jobs, job)->msgid,
		.delivery = job->delivery,
	};
}

/* Is there such a wish for the same job at that place? */
static bool
goes_with(size_t at, enum wish_kind kind, const struct wish *first)
{
	return at < story.core.wish_count &&
	    story.core.wishes[at].kind == kind &&
	    story.core.wishes[at].id == first->id;
}

static bool
tells(size_t at, enum core_event event, const struct wish *first)
{
	return goes_with(at, WISH_TELL, first) &&
	    story.core.wishes[at].event == event;
}

/* A merge: another body, another priority or time, or nothing to write. */
static size_t
render_merge(size_t at)
{
	const struct wish *first = &story.core.wishes[at];
	size_t count = 0;
	count += goes_with(at + count, WISH_REPLACE, first);
	bool is_replaced = count > 0;
	count += goes_with(at + count, WISH_SAVE, first);
	bool is_saved = count > is_replaced;
	if (!tells(at + count, EVENT_MERGED, first))
		fail("a change of %s that belongs to nothing",
		    label_of(first->id));
	happens("merge into %s%s%s", label_of(first->id),
	    is_replaced ? " body" : "", is_saved ? " saved" : "");
	return count + 1;
}

/* What is folded into a job that is to be tried again. */
static size_t
render_fold(size_t at, const struct wish *ending)
{
	size_t count = goes_with(at, WISH_REPLACE, ending);
	const struct wish *tell = &story.core.wishes[at + count];
	if (at + count >= story.core.wish_count || tell->kind != WISH_TELL ||
	    tell->event != EVENT_FOLDED)
		return 0;
	if (tell->into != ending->id ||
	    !goes_with(at + count + 1, WISH_FORGET, tell))
		fail("%s is folded, and the store is not told",
		    label_of(tell->id));
	happens("fold %s%s", label_of(tell->id), count > 0 ? " body" : "");
	return count + 2;
}

/* A dead job that becomes one with another: REPLACE or not, TELL and FORGET. */
static size_t
render_dead_fold(size_t at)
{
	const struct wish *first = &story.core.wishes[at];
	const struct wish other = {
		.id = first->kind == WISH_REPLACE ? first->id : first->into
	};
	return render_fold(at, &other);
}

/* SAVE: of a new job, or of one that is delivered. */
static size_t
render_save(size_t at)
{
	const struct wish *save = &story.core.wishes[at];
	const char *label = label_of(save->id);
	if (tells(at + 1, EVENT_MERGED, save))
		return render_merge(at);
	if (tells(at + 1, EVENT_REVIVED, save)) {
		happens("revived %s", label);
		return 2;
	}
	if (!save->with_body && goes_with(at + 1, WISH_STOP, save)) {
		happens("cancelling %s", label);
		return 1;
	}
	if (save->with_body && tells(at + 1, EVENT_ENQUEUED, save)) {
		happens("accept %s", label);
		return 2;
	}
	if (save->with_body || !goes_with(at + 1, WISH_DELIVER, save) ||
	    !tells(at + 2, EVENT_DELIVERED, save))
		fail("a save of %s that belongs to nothing", label);
	const struct wish *deliver = &story.core.wishes[at + 1];
	const char *name = worker_of_subscriber(deliver->subscriber);
	unsigned attempt = story.core.wishes[at + 2].attempt;
	remember_delivery(deliver);
	if (attempt == 1)
		happens("deliver %s to %s", label, name);
	else
		happens("deliver %s to %s attempt %u", label, name, attempt);
	return 3;
}

/* The end of a run is told, then saved; or the job is forgotten. */
static size_t
render_ending(size_t at)
{
	const struct wish *tell = &story.core.wishes[at];
	const char *label = label_of(tell->id);
	bool is_gone = tell->event == EVENT_DONE ||
	    tell->event == EVENT_CANCELLED || tell->event == EVENT_DELETED;
	enum wish_kind kind = is_gone ? WISH_FORGET : WISH_SAVE;
	size_t first = story.happening_count;
	size_t folded = render_fold(at + 1, tell);
	struct text fold = { "" };
	if (folded > 0)
		fold = story.happenings[--story.happening_count];
	if (!goes_with(at + 1 + folded, kind, tell))
		fail("%s is told %s, and the store is not", label,
		    core_event_name(tell->event));
	if (tell->event == EVENT_DEAD) {
		const struct job *job = job_at(&story.core.jobs, tell->job);
		happens("dead %s %s", label,
		    job_cause_name((enum job_cause)job->cause));
	} else {
		happens("%s %s", core_event_name(tell->event), label);
	}
	CHECK(story.happening_count == first + 1);
	if (folded > 0)
		happens("%s", fold.text);
	return 2 + folded;
}

static size_t
render_tell(size_t at)
{
	const struct wish *tell = &story.core.wishes[at];
	switch (tell->event) {
	case EVENT_DONE:
	case EVENT_FAILED:
	case EVENT_RETRIED:
	case EVENT_RELEASED:
	case EVENT_RETURNED:
	case EVENT_DEAD:
	case EVENT_CANCELLED:
	case EVENT_DELETED:
		return render_ending(at);
	case EVENT_OVERDUE:
		happens("overdue %s", label_of(tell->id));
		return 1;
	case EVENT_SUBSCRIBED:
		happens("subscribed %s to %s",
		    worker_of_subscriber(tell->subscriber),
		    lane_at(&story.core.lanes, tell->lane)->name.text);
		return 1;
	case EVENT_GONE:
		happens("gone %s", worker_of_subscriber(tell->subscriber));
		return 1;
	case EVENT_MERGED:
		return render_merge(at);
	case EVENT_FOLDED:
		return render_dead_fold(at);
	case EVENT_PAUSED:
	case EVENT_RESUMED:
	case EVENT_DRAINING:
	case EVENT_OPENED:
		happens("%s %s", core_event_name(tell->event),
		    lane_at(&story.core.lanes, tell->lane)->name.text);
		return 1;
	case EVENT_REVIVED:
	case EVENT_ENQUEUED:
	case EVENT_DELIVERED:
	case EVENT_COUNT:
		break;
	}
	fail("%s is told, and the store is not", core_event_name(tell->event));
}

static bool
tells_fold(size_t at)
{
	return at < story.core.wish_count &&
	    story.core.wishes[at].kind == WISH_TELL &&
	    story.core.wishes[at].event == EVENT_FOLDED;
}

static size_t
render(size_t at)
{
	switch (story.core.wishes[at].kind) {
	case WISH_SAVE:
		return render_save(at);
	case WISH_REPLACE:
		return tells_fold(at + 1) ? render_dead_fold(at)
					  : render_merge(at);
	case WISH_TELL:
		return render_tell(at);
	case WISH_SETTINGS:
		if (at + 1 == story.core.wish_count ||
		    story.core.wishes[at + 1].kind != WISH_TELL)
			fail("settings are kept, and nobody is told");
		return 1;
	case WISH_STOP:
		happens("stop %s of %s", label_of(story.core.wishes[at].id),
		    worker_of_subscriber(story.core.wishes[at].subscriber));
		return 1;
	case WISH_CUT_OFF:
		happens("cut off %s",
		    worker_of_subscriber(story.core.wishes[at].subscriber));
		return 1;
	case WISH_KILL:
		happens("kill %s", worker_of_pid(story.core.wishes[at].pid));
		return 1;
	case WISH_CERTIFY:
	case WISH_FORGET_NOTE:
		return 1; /* looked at by "certificates" */
	case WISH_NOTE:
		fail("a note of a token: no trace has any");
	case WISH_FORGET:
		fail("%s is forgotten, and nobody is told",
		    label_of(story.core.wishes[at].id));
	case WISH_DELIVER:
		fail("%s is delivered, and the store is not told",
		    label_of(story.core.wishes[at].id));
	}
	UNREACHABLE();
}

void
render_all(void)
{
	if (story.core.refusal != REFUSAL_NONE) {
		if (story.core.wish_count > 0)
			fail("a refusal with wishes");
		happens("refused %s", refusal_name(story.core.refusal));
	}
	for (size_t at = 0; at < story.core.wish_count;)
		at += render(at);
}

/* Tells the core and leaves the wishes to be rendered. */
void
tell(struct fact *fact)
{
	fact->now_ms = story.now_ms;
	core_step(&story.core, fact);
	disk_follow(fact);
}
/* ---- expectations ---- */

void
all_must_be_met(void)
{
	if (story.met < story.happening_count)
		fail_at(story.step_line, "\"%s\" happened, unexpected",
		    story.happenings[story.met].text);
	story.met = story.happening_count = 0;
}

static void
expect_phrase(const char *phrase)
{
	if (story.met == story.happening_count)
		fail("expected \"%s\", but nothing more happened", phrase);
	const char *happening = story.happenings[story.met].text;
	if (strcmp(happening, phrase) != 0)
		fail("expected \"%s\", but \"%s\" happened", phrase, happening);
	story.met++;
}

struct phrase {
	const char *before;
	const char *after;
};

static void
expect_label(void *context, const char *label)
{
	const struct phrase *phrase = context;
	struct text text;
	set_text(&text, "%s%s%s", phrase->before, label, phrase->after);
	expect_phrase(text.text);
}

/* "done 10..12": a phrase for each. An attempt 1 is not said. */
static void
expect_phrases(char *text)
{
	static const char first[] = " attempt 1";
	size_t count = strlen(text), tail = sizeof(first) - 1;
	if (count > tail && strcmp(text + count - tail, first) == 0)
		text[count - tail] = '\0';
	char *dots = strstr(text, "..");
	if (dots == NULL) {
		expect_phrase(text);
		return;
	}
	char *begin = dots, *end = dots;
	while (begin > text && begin[-1] != ' ')
		begin--;
	while (*end != '\0' && *end != ' ')
		end++;
	struct text before, range, after;
	set_text(&before, "%.*s", (int)(begin - text), text);
	set_text(&range, "%.*s", (int)(end - begin), begin);
	set_text(&after, "%s", end);
	struct phrase phrase = { before.text, after.text };
	each_label(range.text, expect_label, &phrase);
}

/* Joins the words up to one that ends with a comma. */
static void
next_phrase(struct line *line, struct text *ret_phrase)
{
	ret_phrase->text[0] = '\0';
	bool last = false;
	while (!last && has_more(line)) {
		struct text so_far = *ret_phrase;
		const char *word = next_word(line, "a phrase");
		size_t count = strlen(word);
		last = word[count - 1] == ',';
		if (last)
			count--;
		set_text(ret_phrase, "%s%s%.*s", so_far.text,
		    so_far.text[0] ? " " : "", (int)count, word);
	}
}

void
do_expect(struct line *line)
{
	story.expectations++;
	if (next_is(line, "nothing")) {
		end_of_line(line);
		if (story.met < story.happening_count)
			fail("expected nothing, but \"%s\" happened",
			    story.happenings[story.met].text);
		return;
	}
	if (!has_more(line))
		fail("what is expected?");
	while (has_more(line)) {
		struct text phrase;
		next_phrase(line, &phrase);
		expect_phrases(phrase.text);
	}
}
