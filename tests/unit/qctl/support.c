/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void
pack_text(msgpack_packer *packer, const char *text, size_t count)
{
	msgpack_pack_str(packer, count);
	msgpack_pack_str_body(packer, text, count);
}

static void
pack(msgpack_packer *packer, json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		msgpack_pack_map(packer, json_object_size(value));
		json_object_foreach(value, key, item)
		{
			pack_text(packer, key, strlen(key));
			pack(packer, item);
		}
		break;
	case JSON_ARRAY:
		msgpack_pack_array(packer, json_array_size(value));
		json_array_foreach(value, i, item) pack(packer, item);
		break;
	case JSON_STRING:
		pack_text(packer, json_string_value(value),
		    json_string_length(value));
		break;
	case JSON_INTEGER:
		msgpack_pack_int64(packer, json_integer_value(value));
		break;
	case JSON_REAL:
		msgpack_pack_double(packer, json_real_value(value));
		break;
	case JSON_TRUE:
		msgpack_pack_true(packer);
		break;
	case JSON_FALSE:
		msgpack_pack_false(packer);
		break;
	case JSON_NULL:
		msgpack_pack_nil(packer);
		break;
	}
}

/* What is handed out is held until the process of the test ends. */
static msgpack_unpacked answers[64];
static size_t answer_count;

static void
give_back(void)
{
	while (answer_count > 0)
		msgpack_unpacked_destroy(&answers[--answer_count]);
}

const msgpack_object *
answer_like(const char *json)
{
	json_error_t error;
	char *text = strdup(json);
	cr_assert_not_null(text);
	for (char *at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
	cr_assert_not_null(value, "%s: %s", error.text, text);
	free(text);
	msgpack_sbuffer packed;
	msgpack_packer packer;
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	pack(&packer, value);
	json_decref(value);
	cr_assert_lt(answer_count, sizeof(answers) / sizeof(answers[0]));
	if (answer_count == 0)
		atexit(give_back);
	msgpack_unpacked *answer = &answers[answer_count++];
	msgpack_unpacked_init(answer);
	/* The texts point into the bytes: these live as long. */
	char *bytes = msgpack_zone_malloc(
	    answer->zone = msgpack_zone_new(8192), packed.size);
	cr_assert_not_null(bytes);
	memcpy(bytes, packed.data, packed.size);
	size_t used = 0;
	cr_assert_eq(msgpack_unpack(bytes, packed.size, &used, answer->zone,
			 &answer->data),
	    MSGPACK_UNPACK_SUCCESS);
	msgpack_sbuffer_destroy(&packed);
	return &answer->data;
}

/* ---- pages ---- */

#define LINES_BYTES_MAX 65536

static char lines[LINES_BYTES_MAX];
static size_t line_bytes;

static void
add_bytes(const char *bytes, size_t count)
{
	cr_assert_lt(line_bytes + count, sizeof(lines));
	memcpy(lines + line_bytes, bytes, count);
	line_bytes += count;
	lines[line_bytes] = '\0';
}

/* The piece of a row that begins there or behind it, leftmost; NULL. */
static const struct piece *
piece_from(const struct page *page, size_t row, size_t column)
{
	const struct piece *found = NULL;
	for (size_t i = 0; i < page->piece_count; i++) {
		const struct piece *piece = &page->pieces[i];
		if (piece->row == row && piece->column >= column &&
		    (found == NULL || piece->column < found->column))
			found = piece;
	}
	return found;
}

static size_t
add_line(const struct page *page, size_t row)
{
	const struct piece *piece;
	size_t column = 0, count = 0;
	while ((piece = piece_from(page, row, column)) != NULL) {
		struct span text = page_text(page, piece);
		for (; column < piece->column; column++)
			add_bytes(" ", 1);
		add_bytes(text.bytes, text.count);
		column += piece->columns;
		count++;
	}
	cr_assert_leq(column, page->columns);
	while (line_bytes > 0 && lines[line_bytes - 1] == ' ')
		lines[--line_bytes] = '\0';
	add_bytes("\n", 1);
	return count;
}

const char *
lines_of(const struct page *page)
{
	size_t count = 0;
	line_bytes = 0;
	lines[0] = '\0';
	for (size_t row = 0; row < page->rows; row++)
		count += add_line(page, row);
	cr_assert_eq(count, page->piece_count, "pieces that are not seen");
	return lines;
}

void
expect_page(const struct page *page, const char *wanted)
{
	cr_expect_str_eq(lines_of(page), wanted);
}
