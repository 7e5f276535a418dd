/* SPDX-License-Identifier: MIT */
#include "qctl/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* The longest way to show one character: \U0010ffff. */
#define SHOWN_BYTES_MAX 16

static bool is_unicode;

void
text_init(void)
{
	setlocale(LC_CTYPE, "");
	is_unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	/* Widths of characters are known only to a UTF-8 locale. */
	if (!is_unicode)
		setlocale(LC_CTYPE, "C.UTF-8");
}

bool
text_is_unicode(void)
{
	return is_unicode;
}

/* ---- UTF-8 ---- */

struct character {
	uint32_t code;
	size_t bytes; /* 0: these bytes are no character */
	bool cut;     /* it could become one with more bytes */
};

/* The range of the second byte forbids overlong forms, surrogates and what
 * lies above U+10FFFF. */
static bool
is_second(unsigned char first, unsigned char second)
{
	if (first == 0xe0)
		return second >= 0xa0 && second <= 0xbf;
	if (first == 0xed)
		return second >= 0x80 && second <= 0x9f;
	if (first == 0xf0)
		return second >= 0x90 && second <= 0xbf;
	if (first == 0xf4)
		return second >= 0x80 && second <= 0x8f;
	return second >= 0x80 && second <= 0xbf;
}

static size_t
bytes_promised(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static struct character
decode(struct span bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.bytes;
	size_t promised = bytes_promised(at[0]);
	if (promised < 2)
		return (struct character){ at[0], promised, false };
	uint32_t code = at[0] & (0xffu >> (promised + 1));
	for (size_t i = 1; i < promised; i++) {
		if (i == bytes.count)
			return (struct character){ at[0], 0, true };
		if (i == 1 ? !is_second(at[0], at[1]) : (at[i] & 0xc0) != 0x80)
			return (struct character){ at[0], 0, false };
		code = code << 6 | (at[i] & 0x3f);
	}
	return (struct character){ code, promised, false };
}

size_t
text_whole_bytes(struct span bytes)
{
	size_t back = bytes.count < 3 ? bytes.count : 3;
	for (size_t i = 1; i <= back; i++) {
		size_t start = bytes.count - i;
		struct span tail = { bytes.bytes + start, i };
		if (decode(tail).cut)
			return start;
	}
	return bytes.count;
}

/* ---- showing ---- */

/* Marks that change the direction of text or cannot be seen at all. */
static bool
is_trick(uint32_t code)
{
	return (code >= 0x200b && code <= 0x200f) ||
	    (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
	    code == 0xad || code == 0x61c;
}

struct shown {
	char text[SHOWN_BYTES_MAX];
	size_t bytes;
	size_t columns;
};

/* "\n", "\x1b", "\u202e", "\U0001f600": what C would write for it. */
static void
show_escaped(struct shown *shown, uint32_t code)
{
	char *text = shown->text;
	size_t room = sizeof(shown->text);
	int count;
	if (code == '\n')
		count = snprintf(text, room, "\\n");
	else if (code == '\t')
		count = snprintf(text, room, "\\t");
	else if (code == '\r')
		count = snprintf(text, room, "\\r");
	else if (code < 0x80)
		count = snprintf(text, room, "\\x%02x", (unsigned)code);
	else
		count = snprintf(text, room,
		    code > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)code);
	shown->bytes = shown->columns = (size_t)count;
}

static void
show(struct shown *shown, const struct character *character, const char *bytes)
{
	uint32_t code = character->code;
	int columns = code != 0 ? wcwidth((wchar_t)code) : -1;
	if (character->bytes == 0) {
		int count = snprintf(shown->text, sizeof(shown->text),
		    "\\x%02x", (unsigned)code);
		shown->bytes = shown->columns = (size_t)count;
	} else if (columns < 0 || is_trick(code)) {
		show_escaped(shown, code);
	} else {
		memcpy(shown->text, bytes, character->bytes);
		shown->bytes = character->bytes;
		shown->columns = (size_t)columns;
	}
}

/* Takes one character off the front. */
static void
show_next(struct shown *shown, struct span *bytes)
{
	struct character character = decode(*bytes);
	show(shown, &character, bytes->bytes);
	size_t taken = character.bytes > 0 ? character.bytes : 1;
	bytes->bytes += taken;
	bytes->count -= taken;
}

/* Is what follows at most that wide? Looks no further than needed. */
static bool
fits(struct span bytes, size_t columns_max)
{
	struct shown shown;
	size_t columns = 0;
	while (bytes.count > 0 && columns <= columns_max) {
		show_next(&shown, &bytes);
		columns += shown.columns;
	}
	return columns <= columns_max;
}

size_t
text_fitting_bytes(struct span bytes, size_t columns_max)
{
	struct shown shown;
	struct span rest = bytes;
	size_t columns = 0;
	size_t blank = 0;
	while (rest.count > 0) {
		size_t before = bytes.count - rest.count;
		bool is_blank = *rest.bytes == ' ';
		show_next(&shown, &rest);
		columns += shown.columns;
		if (is_blank && before > 0)
			blank = before;
		if (columns > columns_max && before > 0)
			return blank > 0 ? blank : before;
	}
	return bytes.count;
}

static size_t
append_cut_mark(struct buffer *buffer, size_t columns_max)
{
	struct span mark = is_unicode ? SPAN_LITERAL("…") : SPAN_LITERAL("...");
	size_t columns = is_unicode ? 1 : 3;
	if (columns > columns_max)
		return 0;
	buffer_append(buffer, mark.bytes, mark.count);
	return columns;
}

size_t
text_append(struct buffer *buffer, struct span bytes, size_t columns_max)
{
	size_t mark_columns = is_unicode ? 1 : 3;
	size_t columns = 0;
	while (bytes.count > 0) {
		struct shown shown;
		struct span before = bytes;
		show_next(&shown, &bytes);
		size_t left = columns_max - columns;
		bool cuts = columns_max != TEXT_UNLIMITED &&
		    shown.columns + mark_columns > left && !fits(before, left);
		if (cuts)
			return columns + append_cut_mark(buffer, left);
		buffer_append(buffer, shown.text, shown.bytes);
		columns += shown.columns;
	}
	return columns;
}

bool
text_is_harmless(struct span bytes)
{
	while (bytes.count > 0) {
		struct shown shown;
		struct span before = bytes;
		show_next(&shown, &bytes);
		if (*before.bytes != '\n' && shown.text[0] != *before.bytes)
			return false;
	}
	return true;
}

void
text_print(FILE *file, struct span bytes)
{
	struct shown shown;
	while (bytes.count > 0) {
		show_next(&shown, &bytes);
		fwrite(shown.text, 1, shown.bytes, file);
	}
}

/* ---- colour ---- */

static const char *const sequences[STYLE_COUNT] = {
	[STYLE_PLAIN] = "",
	[STYLE_TITLE] = "\033[1m",
	[STYLE_FAINT] = "\033[2m",
	[STYLE_GOOD] = "\033[32m",
	[STYLE_CAUTION] = "\033[33m",
	[STYLE_BAD] = "\033[31m",
};

bool
style_wanted(FILE *file)
{
	const char *terminal = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");
	if (no_color != NULL && *no_color != '\0')
		return false;
	if (terminal == NULL || strcmp(terminal, "dumb") == 0)
		return false;
	return isatty(fileno(file));
}

const char *
style_begin(enum style style)
{
	return sequences[style];
}

const char *
style_end(enum style style)
{
	return style == STYLE_PLAIN ? "" : "\033[0m";
}

size_t
terminal_columns(FILE *file)
{
	struct winsize size;
	if (!isatty(fileno(file)))
		return TEXT_UNLIMITED;
	if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}
