/* SPDX-License-Identifier: MIT */
#include "qctl/option.h"

#include "qctl/command.h"
#include "qctl/verbs.h"

#include <criterion/criterion.h>
#include <string.h>

static struct option_value value;
static char reason[256];

static const char *
read_option(enum option_id option, const char *text)
{
	value = (struct option_value){ .number = -7 };
	return option_read(option, text, &value, reason, sizeof(reason));
}

static void
expect_refused(enum option_id option, const char *text)
{
	const char *wrong = read_option(option, text);
	cr_assert_not_null(wrong, "'%s' was taken", text);
	cr_expect_not_null(
	    strstr(wrong, option_row(option)->name), "%s", wrong);
	cr_expect_not_null(strstr(wrong, text), "%s", wrong);
	cr_expect_null(value.text, "a refused value is not kept");
}

Test(option, numbers_are_whole_and_in_their_range)
{
	cr_assert_null(read_option(OPTION_PRIORITY, "0"));
	cr_assert_eq(value.number, 0);
	cr_assert_null(read_option(OPTION_PRIORITY, "255"));
	cr_assert_eq(value.number, 255);
	expect_refused(OPTION_PRIORITY, "256");
	expect_refused(OPTION_PRIORITY, "-1");
	expect_refused(OPTION_PRIORITY, "+1");
	expect_refused(OPTION_PRIORITY, " 1");
	expect_refused(OPTION_PRIORITY, "1.5");
	expect_refused(OPTION_PRIORITY, "high");
	expect_refused(OPTION_PRIORITY, "");
	expect_refused(OPTION_LIMIT, "99999999999999999999");
}

Test(option, a_choice_is_the_place_of_its_word)
{
	cr_assert_null(read_option(OPTION_OUTPUT, "table"));
	cr_assert_eq(value.number, 0);
	cr_assert_null(read_option(OPTION_OUTPUT, "json"));
	cr_assert_eq(value.number, 1);
	cr_assert_null(read_option(OPTION_OUTPUT, "jsonl"));
	cr_assert_eq(value.number, 2);
	cr_assert_str_eq(value.text, "jsonl");
	expect_refused(OPTION_OUTPUT, "xml");
	expect_refused(OPTION_OUTPUT, "");
	expect_refused(OPTION_OUTPUT, "jso");
	expect_refused(OPTION_OUTPUT, "table|json");
}

Test(option, a_duration_has_its_unit)
{
	cr_assert_null(read_option(OPTION_TIMEOUT, "1.5s"));
	cr_assert_eq(value.number, 1500);
	cr_assert_null(read_option(OPTION_TIMEOUT, "0"));
	cr_assert_eq(value.number, 0);
	expect_refused(OPTION_TIMEOUT, "5");
	expect_refused(OPTION_TIMEOUT, "soon");
}

Test(option, a_name_is_checked)
{
	cr_assert_null(read_option(OPTION_QUEUE, "mail.out-2"));
	cr_assert_str_eq(value.text, "mail.out-2");
	expect_refused(OPTION_QUEUE, "bad name");
	expect_refused(OPTION_QUEUE, "");
}

Test(option, a_key_has_1_to_255_bytes)
{
	char text[257] = "";
	expect_refused(OPTION_KEY, text);
	memset(text, 'k', 255);
	cr_assert_null(read_option(OPTION_KEY, text));
	cr_assert_str_eq(value.text, text);
	text[255] = 'k';
	const char *wrong = read_option(OPTION_KEY, text);
	cr_assert_not_null(wrong);
	cr_expect_not_null(strstr(wrong, "--key"), "%s", wrong);
	cr_expect_not_null(strstr(wrong, "not of 256"), "%s", wrong);
}

Test(option, a_flag_is_said_or_not)
{
	cr_assert_null(read_option(OPTION_LINES, NULL));
	cr_assert_not_null(value.text);
}

/* Then they need names of their own. */
static bool
are_taken_together(unsigned one, unsigned other)
{
	for (const struct verb *verb = verb_table; verb->name != NULL; verb++) {
		uint64_t taken = OPTIONS_COMMON | verb->options;
		if ((taken & UINT64_C(1) << one) != 0 &&
		    (taken & UINT64_C(1) << other) != 0)
			return true;
	}
	return false;
}

Test(option, every_row_is_whole)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = option_row((enum option_id)i);
		cr_expect_gt(strlen(row->name), 1);
		cr_expect_gt(strlen(row->summary), 5);
		cr_expect_eq(row->argument == NULL,
		    row->kind == OPTION_KIND_FLAG, "%s", row->name);
		cr_expect_eq(row->choices != NULL,
		    row->kind == OPTION_KIND_CHOICE, "%s", row->name);
		for (unsigned k = 0; k < i; k++) {
			const struct option_row *other =
			    option_row((enum option_id)k);
			if (are_taken_together(i, k))
				cr_expect_str_neq(row->name, other->name);
			cr_expect(
			    row->letter == 0 || row->letter != other->letter,
			    "-%c is taken twice", row->letter);
		}
	}
}

static void
expect_levels(
    enum option_id option, const char *text, int64_t warning, int64_t critical)
{
	cr_assert_null(read_option(option, text), "%s", reason);
	cr_expect_eq(value.levels.warning, warning, "of '%s'", text);
	cr_expect_eq(value.levels.critical, critical, "of '%s'", text);
}

Test(option, levels_are_one_number_or_two)
{
	expect_levels(OPTION_READY, "100", 100, NO_LEVEL);
	expect_levels(OPTION_READY, "100,1000", 100, 1000);
	expect_levels(OPTION_READY, ",1000", NO_LEVEL, 1000);
	expect_levels(OPTION_READY, "0,0", 0, 0);
	expect_levels(OPTION_READY, "5,", 5, NO_LEVEL);
	expect_levels(OPTION_OLDEST, "1m,10m", 60000, 600000);
	expect_levels(OPTION_OLDEST, ",1.5s", NO_LEVEL, 1500);
	expect_refused(OPTION_READY, "");
	expect_refused(OPTION_READY, ",");
	expect_refused(OPTION_READY, "-1");
	expect_refused(OPTION_READY, "1,2,3");
	expect_refused(OPTION_READY, "1m");
	expect_refused(OPTION_READY, "100,10");
	expect_refused(OPTION_READY, "00000000000000000000000000000000001,2");
	expect_refused(OPTION_OLDEST, "60");
	expect_refused(OPTION_OLDEST, "10m,1m");
}
