/* SPDX-License-Identifier: MIT */
/*
 * The rows of configuration.def for who wants some kinds of them: the kinds
 * that are not defined here come to nothing, and all are undefined behind it.
 * Meant to be included several times.
 */
#ifndef SECTION
#define SECTION(...)
#endif
#ifndef INTEGER
#define INTEGER(...)
#endif
#ifndef DURATION
#define DURATION(...)
#endif
#ifndef SECONDS
#define SECONDS(...)
#endif
#ifndef TEXT
#define TEXT(...)
#endif
#ifndef LIST
#define LIST(...)
#endif
#ifndef CALL
#define CALL(...)
#endif
#ifndef INSIDE
#define INSIDE(...)
#endif
#ifndef END
#define END(...)
#endif

#include "sys/configuration.def"

#undef SECTION
#undef INTEGER
#undef DURATION
#undef SECONDS
#undef TEXT
#undef LIST
#undef CALL
#undef INSIDE
#undef END
