/* SPDX-License-Identifier: MIT */
#include "qctl/say.h"

#include "qctl/exit_status.h"
#include "qctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 2048

static void (*before_saying)(void);
static char *kept;
static size_t kept_bytes;

void
say_into(char *line, size_t line_bytes)
{
	kept = line;
	kept_bytes = line_bytes;
}

void
say_before(void (*prepare)(void))
{
	before_saying = prepare;
}

void
say(const char *format, ...)
{
	char line[LINE_BYTES_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (kept != NULL) {
		snprintf(kept, kept_bytes, "%s", line);
		return;
	}
	if (before_saying != NULL)
		before_saying();
	fputs("qctl: ", stderr);
	text_print(stderr, span_of(line));
	fputc('\n', stderr);
}

_Noreturn void
out_of_memory(void)
{
	say_into(NULL, 0);
	say("out of memory");
	exit(EXIT_SYSTEM);
}
