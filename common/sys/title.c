/* SPDX-License-Identifier: MIT */
#include "sys/title.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/*
 * The kernel shows the bytes between the first argument and the last one. When
 * the last of these is not NUL it takes the program for one that writes titles,
 * and shows what stands at the first argument up to the first NUL, over the
 * environment too. So a byte that is not NUL is kept there always.
 */
static struct {
	char *text;	  /* where the first argument stood */
	size_t room;	  /* to the end of the environment */
	size_t arguments; /* bytes of the arguments */
	/* The copies, held here for leak checkers: apart from the environment,
	 * which forgets what is taken out of it. */
	char **argv;
	char **variables;
	char **environment; /* as it was at first */
} title;

/* The strings of a list that stand one behind the other from there on;
 * returns where they end. */
static char *
follow(char *end, char *const *strings, size_t count)
{
	for (size_t i = 0; i < count && strings[i] == end; i++)
		end += strlen(end) + 1;
	return end;
}

static size_t
count_of(char *const *strings)
{
	size_t count = 0;
	while (strings != NULL && strings[count] != NULL)
		count++;
	return count;
}

static char **
copy_strings(char *const *strings, size_t count)
{
	char **copy = calloc(count + 1, sizeof(*copy));
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(strings[i]);
		if (copy[i] != NULL)
			continue;
		while (i > 0)
			free(copy[--i]);
		free(copy);
		return NULL;
	}
	return copy;
}

char **
title_init(int argc, char **argv, const char *short_name)
{
	size_t argument_count = (size_t)argc;
	size_t variable_count = count_of(environ);
	char **arguments = copy_strings(argv, argument_count);
	char **variables = copy_strings(environ, variable_count);
	char **kept = calloc(variable_count + 1, sizeof(*kept));
	if (arguments == NULL || variables == NULL || kept == NULL)
		return NULL;
	memcpy(kept, variables, variable_count * sizeof(*kept));
	if (argc > 0) {
		char *end = follow(argv[0], argv, argument_count);
		title.text = argv[0];
		title.arguments = (size_t)(end - argv[0]);
		end = follow(end, environ, variable_count);
		title.room = (size_t)(end - argv[0]);
	}
	title.argv = arguments;
	title.variables = kept;
	title.environment = environ = variables;
	prctl(PR_SET_NAME, short_name);
	return arguments;
}

void
title_set(const char *format, ...)
{
	va_list arguments;
	if (title.room == 0)
		return;
	va_start(arguments, format);
	int wanted = vsnprintf(title.text, title.room, format, arguments);
	va_end(arguments);
	if (wanted < 0)
		return;
	size_t count = (size_t)wanted;
	if (count + 1 < title.arguments)
		title.text[title.arguments - 1] = '.';
}
