/* SPDX-License-Identifier: MIT */
#include "qctl/text.h"

#include "base/utf8.h"

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
show(struct shown *shown, const struct utf8 *character, const char *bytes)
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
	struct utf8 character = utf8_decode(*bytes);
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
