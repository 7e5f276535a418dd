/* SPDX-License-Identifier: MIT */
#include "worker/builtin.h"

#include "base/units.h"

#include <stddef.h>
#include <string.h>

#define PREFIX "builtin:"

static const struct builtin builtins[] = {
	{ PREFIX "demo", LOG_INFO, SECOND_MS },
	{ PREFIX "noop", LOG_DEBUG, 0 },
};

bool
builtin_is_meant(const char *command)
{
	return strncmp(command, PREFIX, strlen(PREFIX)) == 0;
}

const struct builtin *
builtin_find(const char *command)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++)
		if (strcmp(builtins[i].name, command) == 0)
			return &builtins[i];
	return NULL;
}
