/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/units.h"

#include <ctype.h>
#include <stdlib.h>

void
split(struct line *line, char *text)
{
	char *rest = NULL;
	line->count = line->at = 0;
	text[strcspn(text, "#\n")] = '\0';
	for (char *word = strtok_r(text, " \t", &rest); word != NULL;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (line->count == WORDS_MAX)
			fail("more than %d words in a line", WORDS_MAX);
		line->words[line->count++] = word;
	}
}

bool
has_more(const struct line *line)
{
	return line->at < line->count;
}

const char *
next_word(struct line *line, const char *what)
{
	if (!has_more(line))
		fail("%s is missing", what);
	return line->words[line->at++];
}

/* Reads the word if it is the next one. */
bool
next_is(struct line *line, const char *word)
{
	if (!has_more(line) || strcmp(line->words[line->at], word) != 0)
		return false;
	line->at++;
	return true;
}

void
end_of_line(const struct line *line)
{
	if (has_more(line))
		fail("what is '%s' here?", line->words[line->at]);
}

/* What is left of the line, as one text. */
void
rest_of_line(struct line *line, struct text *ret_text)
{
	ret_text->text[0] = '\0';
	while (has_more(line)) {
		struct text so_far = *ret_text;
		const char *word = next_word(line, "a word");
		if (so_far.text[0] == '\0')
			set_text(ret_text, "%s", word);
		else
			set_text(ret_text, "%s %s", so_far.text, word);
	}
}

static uint64_t
parse_number(const char *word, uint64_t max)
{
	char *end;
	unsigned long long number = strtoull(word, &end, 10);
	if (!isdigit((unsigned char)*word) || *end != '\0' || number > max)
		fail("'%s' is no number from 0 to %llu", word,
		    (unsigned long long)max);
	return number;
}

uint64_t
next_number(struct line *line, const char *what, uint64_t max)
{
	return parse_number(next_word(line, what), max);
}

static int64_t
parse_duration(const char *word)
{
	int64_t duration_ms;
	if (!duration_parse(word, &duration_ms))
		fail("'%s' is no time like 20ms or 1.5s", word);
	return duration_ms;
}

int64_t
next_duration(struct line *line, const char *what)
{
	return parse_duration(next_word(line, what));
}

/* "2s" or "1s..3s" */
void
next_durations(struct line *line, const char *what, int64_t *ret_from_ms,
    int64_t *ret_to_ms)
{
	const char *word = next_word(line, what);
	const char *dots = strstr(word, "..");
	if (dots == NULL) {
		*ret_from_ms = *ret_to_ms = parse_duration(word);
		return;
	}
	struct text first;
	set_text(&first, "%.*s", (int)(dots - word), word);
	*ret_from_ms = parse_duration(first.text);
	*ret_to_ms = parse_duration(dots + 2);
}

/* Calls back for the job named by the word, or for each of "10..20". */
void
each_label(const char *word, void (*call)(void *context, const char *label),
    void *context)
{
	const char *dots = strstr(word, "..");
	if (dots == NULL) {
		call(context, word);
		return;
	}
	struct text first;
	set_text(&first, "%.*s", (int)(dots - word), word);
	uint64_t from = parse_number(first.text, UINT32_MAX);
	uint64_t to = parse_number(dots + 2, UINT32_MAX);
	if ((from < to ? to - from : from - to) >= RANGE_MAX)
		fail("more than %d jobs in '%s'", RANGE_MAX, word);
	for (uint64_t n = from;; n = from <= to ? n + 1 : n - 1) {
		struct text label;
		set_text(&label, "%llu", (unsigned long long)n);
		call(context, label.text);
		if (n == to)
			return;
	}
}

/* The core is told of valid names alone. */
const char *
next_queue(struct line *line)
{
	const char *name = next_word(line, "a queue");
	if (!name_is_valid(span_of(name)))
		fail("'%s' is no name of a queue", name);
	return name;
}
