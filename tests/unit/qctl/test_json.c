/* SPDX-License-Identifier: MIT */
#include "qctl/json.h"

#include "qctl/text.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static msgpack_sbuffer packed;
static msgpack_packer packer;
static msgpack_unpacked unpacked;

static void
set_up(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	msgpack_unpacked_init(&unpacked);
}

static void
tear_down(void)
{
	msgpack_unpacked_destroy(&unpacked);
	msgpack_sbuffer_destroy(&packed);
}

TestSuite(json, .init = set_up, .fini = tear_down, .timeout = 60);

static void
pack_key(const char *key)
{
	msgpack_pack_str(&packer, strlen(key));
	msgpack_pack_str_body(&packer, key, strlen(key));
}

static void
pack_bytes(struct span bytes)
{
	msgpack_pack_bin(&packer, bytes.count);
	msgpack_pack_bin_body(&packer, bytes.bytes, bytes.count);
}

/* {"body": bytes} */
static void
pack_body(struct span bytes)
{
	msgpack_pack_map(&packer, 1);
	pack_key("body");
	pack_bytes(bytes);
}

static void
expect_printed(const char *wanted)
{
	char text[512];
	cr_assert_eq(
	    msgpack_unpack_next(&unpacked, packed.data, packed.size, NULL),
	    MSGPACK_UNPACK_SUCCESS);
	FILE *file = tmpfile();
	cr_assert_not_null(file);
	json_print(file, json_of(&unpacked.data));
	rewind(file);
	size_t count = fread(text, 1, sizeof(text) - 1, file);
	text[count] = '\0';
	fclose(file);
	cr_assert_str_eq(text, wanted);
}

Test(json, a_body_of_text_is_text)
{
	pack_body(SPAN_LITERAL("hello \"you\"\nGr\xc3\xbc\xc3\x9f"
			       "e"));
	expect_printed("{\"body\":\"hello \\\"you\\\"\\nGrüße\"}");
}

Test(json, an_empty_body_is_empty_text)
{
	pack_body(SPAN_LITERAL(""));
	expect_printed("{\"body\":\"\"}");
}

Test(json, bytes_that_are_no_text_stand_in_base64_under_their_own_key)
{
	pack_body(SPAN_LITERAL("\xff\xfe"));
	expect_printed("{\"body_base64\":\"//4=\"}");
}

Test(json, a_nul_is_no_text)
{
	pack_body(SPAN_LITERAL("a\0b"));
	expect_printed("{\"body_base64\":\"YQBi\"}");
}

Test(json, base64_has_its_padding)
{
	pack_body(SPAN_LITERAL("\xff"));
	expect_printed("{\"body_base64\":\"/w==\"}");
}

Test(json, what_could_move_a_terminal_is_escaped)
{
	pack_body(SPAN_LITERAL("\033[31m \xc2\x9b \xe2\x80\xae"));
	expect_printed("{\"body\":\"\\u001B[31m \\u009B \\u202E\"}");
}

Test(json, a_body_that_a_list_cut_within_a_character_stays_text)
{
	msgpack_pack_map(&packer, 2);
	pack_key("body_bytes");
	msgpack_pack_int(&packer, 100);
	pack_key("body");
	pack_bytes(SPAN_LITERAL("ab\xc3"));
	expect_printed("{\"body_bytes\":100,\"body\":\"ab\"}");
}

Test(json, every_kind_of_value_has_its_form)
{
	msgpack_pack_array(&packer, 8);
	msgpack_pack_nil(&packer);
	msgpack_pack_true(&packer);
	msgpack_pack_int64(&packer, INT64_MIN);
	msgpack_pack_uint64(&packer, INT64_MAX);
	msgpack_pack_double(&packer, 0.5);
	msgpack_pack_double(&packer, NAN);
	msgpack_pack_ext(&packer, 1, 3);
	msgpack_pack_ext_body(&packer, "x", 1);
	pack_bytes(SPAN_LITERAL("\xff"));
	expect_printed("[null,true,-9223372036854775808,9223372036854775807,"
		       "0.5,null,null,{\"base64\":\"/w==\"}]");
}

Test(json, keys_that_are_no_text_are_left_out)
{
	msgpack_pack_map(&packer, 3);
	msgpack_pack_int(&packer, 1);
	msgpack_pack_true(&packer);
	pack_bytes(SPAN_LITERAL("\xff"));
	msgpack_pack_true(&packer);
	pack_key("good");
	msgpack_pack_false(&packer);
	expect_printed("{\"good\":false}");
}
