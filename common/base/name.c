/* SPDX-License-Identifier: MIT */
#include "base/name.h"

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool
name_is_valid(struct span text)
{
	if (text.count == 0 || text.count > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < text.count; i++)
		if (!is_name_byte(text.bytes[i]))
			return false;
	return true;
}

bool
name_set(struct name *name, struct span text)
{
	name->text[0] = '\0';
	if (!name_is_valid(text))
		return false;
	memcpy(name->text, text.bytes, text.count);
	name->text[text.count] = '\0';
	return true;
}
