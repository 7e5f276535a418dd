/* SPDX-License-Identifier: MIT */
/*
 * Answers as JSON. Text stays text. A body, or anything else, that is not
 * whole UTF-8 or has a NUL stands in base64 under a key of its own,
 * "body_base64".
 */
#ifndef GSQ_QCTL_JSON_H
#define GSQ_QCTL_JSON_H

#include "wire/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A new reference; NULL becomes null. */
json_t *json_of(const msgpack_object *object);

/* The value itself; without memory for it the program ends. */
json_t *json_made(json_t *value);

/* Adds a key to an object; takes over value. */
void json_put(json_t *object, const char *key, json_t *value);

/* Adds text, or bytes in base64 under "KEY_base64". */
void json_put_bytes(json_t *object, const char *key, struct span bytes);

/* The other way round: the bytes of "KEY" or "KEY_base64". False when what
 * stands there is neither text nor base64. Without either bytes is NULL; else
 * it is good as long as the object, and *ret_owned, which the caller frees. */
bool json_take_bytes(const json_t *object, const char *key,
    struct span *ret_bytes, char **ret_owned);

/* Appends to an array; takes over value. */
void json_add(json_t *array, json_t *value);

/* Prints the value on one line, without its newline; takes it over. What
 * could move a terminal is escaped. */
void json_print(FILE *file, json_t *value);

/* The same on several lines, for a whole document. */
void json_print_document(FILE *file, json_t *value);

#endif
