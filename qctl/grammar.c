/* SPDX-License-Identifier: MIT */
#include "qctl/grammar.h"

#include "base/limits.h"
#include "base/name.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_BYTES_MAX 32

/* Longer words are no slips of the fingers. */
#define SUGGEST_BYTES_MAX 24
#define SLIPS_MAX	  2

/* ---- names ---- */

const struct verb *
verb_find(const struct verb *verbs, const char *name)
{
	for (const struct verb *verb = verbs; verb->name != NULL; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

static unsigned
min_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters left out, added, changed or exchanged with their neighbour (optimal
 * string alignment). Both are at most SUGGEST_BYTES_MAX long. */
static unsigned
count_slips(const char *a, const char *b)
{
	unsigned rows[SUGGEST_BYTES_MAX + 1][SUGGEST_BYTES_MAX + 1];
	size_t a_count = strlen(a);
	size_t b_count = strlen(b);
	for (size_t i = 0; i <= a_count; i++)
		for (size_t k = 0; k <= b_count; k++) {
			if (i == 0 || k == 0) {
				rows[i][k] = (unsigned)(i + k);
				continue;
			}
			unsigned differs = a[i - 1] != b[k - 1];
			unsigned best = min_of(rows[i - 1][k - 1] + differs,
			    min_of(rows[i - 1][k], rows[i][k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1])
				best = min_of(best, rows[i - 2][k - 2] + 1);
			rows[i][k] = best;
		}
	return rows[a_count][b_count];
}

const struct verb *
verb_suggest(const struct verb *verbs, const char *name)
{
	const struct verb *found = NULL;
	unsigned fewest = SLIPS_MAX + 1;
	size_t count = strlen(name);
	if (count < 2 || count > SUGGEST_BYTES_MAX)
		return NULL;
	for (const struct verb *verb = verbs; verb->name != NULL; verb++) {
		bool begins = strncmp(verb->name, name, count) == 0;
		unsigned slips = begins ? 0 : count_slips(verb->name, name);
		if (slips < fewest && slips < count) {
			fewest = slips;
			found = verb;
		}
	}
	return found;
}

/* ---- arguments ---- */

struct complaint {
	char *reason;
	size_t bytes;
};

static const char *__attribute__((format(printf, 2, 3)))
complain(const struct complaint *complaint, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(complaint->reason, complaint->bytes, format, arguments);
	va_end(arguments);
	return complaint->reason;
}

static const char *
check_id(const struct complaint *complaint, const char *word, const char *text)
{
	int64_t number;
	if (number_read(text, 1, INT64_MAX, &number))
		return NULL;
	return complain(
	    complaint, "%s must be the number of a job, not '%s'", word, text);
}

static const char *
check_workers(
    const struct complaint *complaint, const char *word, const char *text)
{
	int64_t number;
	if (number_read(text, 0, CHILDREN_MAX, &number))
		return NULL;
	return complain(complaint, "%s must be a number from 0 to %d, not '%s'",
	    word, CHILDREN_MAX, text);
}

static const char *
check_name(
    const struct complaint *complaint, const char *word, const char *text)
{
	if (name_is_valid(span_of(text)))
		return NULL;
	return complain(complaint,
	    "%s must be a name of 1 to %d of A-Z a-z 0-9 . _ -, not '%s'", word,
	    NAME_BYTES_MAX, text);
}

/* Words that are not here may be anything. */
static const struct {
	const char *word;
	const char *(*check)(const struct complaint *complaint,
	    const char *word, const char *text);
} words[] = {
	{ "ID", check_id },
	{ "QUEUE", check_name },
	{ "CHILD", check_name },
	{ "N", check_workers },
};

/* One word of a grammar, "[BODY...]": BODY, optional, repeated. */
struct word {
	char text[WORD_BYTES_MAX];
	bool is_optional;
	bool is_repeated;
};

/* False at the end of the grammar, and before "|". */
static bool
next_word(const char **grammar, struct word *ret_word)
{
	const char *start = *grammar + strspn(*grammar, " ");
	size_t count = strcspn(start, " ");
	if (count == 0 || *start == '|')
		return false;
	*grammar = start + count;
	ret_word->is_optional = *start == '[';
	if (ret_word->is_optional) {
		start++;
		count -= 2;
	}
	ret_word->is_repeated =
	    count > 3 && strncmp(start + count - 3, "...", 3) == 0;
	if (ret_word->is_repeated)
		count -= 3;
	snprintf(
	    ret_word->text, sizeof(ret_word->text), "%.*s", (int)count, start);
	return true;
}

static const char *
check_word(
    const struct complaint *complaint, const char *word, const char *text)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].check(complaint, word, text);
	return NULL;
}

static const char *
check_words(const struct complaint *complaint, const struct verb *verb,
    char *const *arguments, int argument_count)
{
	const char *grammar = verb->arguments;
	struct word word = { .is_repeated = false };
	int taken = 0;
	while (next_word(&grammar, &word)) {
		if (taken == argument_count && !word.is_optional)
			return complain(complaint, "%s is missing: qctl %s %s",
			    word.text, verb->name, verb->arguments);
		int end = word.is_repeated ? argument_count : taken + 1;
		for (; taken < end && taken < argument_count; taken++) {
			const char *wrong =
			    check_word(complaint, word.text, arguments[taken]);
			if (wrong != NULL)
				return wrong;
		}
	}
	if (taken < argument_count)
		return complain(complaint, "'%s' is too much: qctl %s%s%s",
		    arguments[taken], verb->name,
		    *verb->arguments != '\0' ? " " : "", verb->arguments);
	return NULL;
}

/* The option that may stand in place of the words: the one behind "| --"; or
 * OPTION_COUNT. */
static unsigned
alternative_of(const struct verb *verb)
{
	const char *bar = strstr(verb->arguments, "| --");
	if (bar == NULL)
		return OPTION_COUNT;
	const char *name = bar + strlen("| --");
	size_t count = strcspn(name, " ");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const char *known = option_row((enum option_id)i)->name;
		if ((verb->options & UINT64_C(1) << i) != 0 &&
		    strlen(known) == count && memcmp(known, name, count) == 0)
			return i;
	}
	return OPTION_COUNT;
}

const char *
grammar_check(const struct verb *verb,
    const struct option_value options[OPTION_COUNT], char *const *arguments,
    int argument_count, char *reason, size_t reason_bytes)
{
	struct complaint complaint = { reason, reason_bytes };
	unsigned alternative = alternative_of(verb);
	if (alternative == OPTION_COUNT || options[alternative].text == NULL)
		return check_words(&complaint, verb, arguments, argument_count);
	if (argument_count > 0)
		return complain(&complaint,
		    "'%s' is too much beside --%s: qctl %s %s", arguments[0],
		    option_row((enum option_id)alternative)->name, verb->name,
		    verb->arguments);
	return NULL;
}
