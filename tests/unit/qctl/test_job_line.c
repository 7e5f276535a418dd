/* SPDX-License-Identifier: MIT */
#include "qctl/job_line.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct job_line line;
static char reason[256];

static bool
read_text(const char *text)
{
	return job_line_read(&line, span_of(text), reason, sizeof(reason));
}

static void
expect_good(const char *text)
{
	cr_assert(read_text(text), "%s: %s", text, reason);
}

static void
expect_bad(const char *text, const char *words)
{
	cr_expect_not(read_text(text), "%s", text);
	cr_expect_not_null(strstr(reason, words), "%s: '%s', and not '%s'",
	    text, reason, words);
	cr_expect_null(line.json);
}

Test(job_line, little_need_be_said)
{
	expect_good("{\"queue\":\"mail\"}");
	cr_expect_str_eq(line.terms.queue, "mail");
	cr_expect_eq(line.body.count, 0);
	cr_expect_not_null(line.body.bytes);
	cr_expect_null(line.key.bytes);
	cr_expect_null(line.token.bytes);
	cr_expect_null(line.terms.mode);
	for (size_t i = 0; i < 6; i++)
		cr_expect_not(line.terms.said[i]);
	job_line_release(&line);
}

Test(job_line, all_that_an_enqueue_says_can_be_said)
{
	expect_good(
	    "{\"queue\":\"mail\",\"body\":\"a\\u0000\\u00e4\",\"key\":\"k\","
	    "\"token\":\"t\",\"mode\":\"coalesce\",\"priority\":0,"
	    "\"delay_ms\":5,\"expires_ms\":6,\"ttr_ms\":0,"
	    "\"max_attempts\":1000}");
	cr_expect_eq(line.body.count, 4);
	cr_expect_arr_eq(line.body.bytes, "a\0\xc3\xa4", 4);
	cr_expect(span_is_text(line.key, "k"));
	cr_expect(span_is_text(line.token, "t"));
	cr_expect_str_eq(line.terms.mode, "coalesce");
	static const struct {
		bool said;
		json_int_t number;
	} wanted[] = { { true, 0 }, { true, 5 }, { false, 0 }, { true, 6 },
		{ true, 0 }, { true, 1000 } };
	for (size_t i = 0; i < 6; i++) {
		cr_expect_eq(line.terms.said[i], wanted[i].said, "%s",
		    job_line_numbers[i]);
		cr_expect_eq(line.terms.numbers[i], wanted[i].number, "%s",
		    job_line_numbers[i]);
	}
	job_line_release(&line);
}

Test(job_line, what_is_no_text_is_base64)
{
	expect_good("{\"queue\":\"q\",\"body_base64\":\"/wD/\","
		    "\"key_base64\":\"/w==\"}");
	cr_expect_eq(line.body.count, 3);
	cr_expect_arr_eq(line.body.bytes, "\xff\0\xff", 3);
	cr_expect(span_is_text(line.key, "\xff"));
	job_line_release(&line);
	expect_good("{\"queue\":\"q\",\"body_base64\":\"\"}");
	cr_expect_eq(line.body.count, 0);
	job_line_release(&line);
	expect_good("{\"queue\":\"q\",\"body_base64\":\"YWI=\"}");
	cr_expect(span_is_text(line.body, "ab"));
	job_line_release(&line);
	static const char *const bad[] = { "Y", "YWI", "YW=I",
		"Y===", "====", "YWI=YWI=", "YW I", "YW_-" };
	char text[64];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    "{\"queue\":\"q\",\"body_base64\":\"%s\"}", bad[i]);
		expect_bad(text, "base64");
	}
}

Test(job_line, what_is_wrong_is_said)
{
	expect_bad("", "no JSON");
	expect_bad("{\"queue\":\"q\"", "no JSON");
	expect_bad("{\"queue\":\"q\",\"queue\":\"q\"}", "no JSON");
	expect_bad("[]", "must be an object");
	expect_bad("{}", "\"queue\" is missing");
	expect_bad("{\"queue\":\"a b\"}", "\"queue\" must be a name");
	expect_bad("{\"queue\":7}", "\"queue\" must be a name");
	expect_bad(
	    "{\"queue\":\"q\",\"prioritty\":1}", "no job has a \"prioritty\"");
	expect_bad("{\"queue\":\"q\",\"priority\":256}", "from 0 to 255");
	expect_bad("{\"queue\":\"q\",\"priority\":1.5}", "from 0 to 255");
	expect_bad("{\"queue\":\"q\",\"max_attempts\":0}", "from 1 to 1000");
	expect_bad("{\"queue\":\"q\",\"mode\":\"x\"}", "\"mode\" must be");
	expect_bad("{\"queue\":\"q\",\"body\":7}", "\"body\" must be text");
	expect_bad("{\"queue\":\"q\",\"body\":\"\",\"body_base64\":\"\"}",
	    "\"body\" must be text");
	expect_bad("{\"queue\":\"q\",\"key\":\"\"}", "its key is empty");
	expect_bad("{\"queue\":\"q\",\"token\":\"\"}", "a token has 1 to");
	expect_bad("{\"queue\":\"q\",\"delay_ms\":1,\"at_ms\":1}", "exclude");
}

Test(job_line, a_body_is_no_longer_than_a_body_may_be)
{
	size_t count = 1024 * 1024;
	char *text = malloc(count + 64);
	strcpy(text, "{\"queue\":\"q\",\"body\":\"");
	size_t head = strlen(text);
	memset(text + head, 'x', count + 1);
	strcpy(text + head + count, "\"}");
	expect_good(text);
	job_line_release(&line);
	text[head + count] = 'x';
	strcpy(text + head + count + 1, "\"}");
	expect_bad(text, "longer than a body may be");
	free(text);
}

static bool
go_together(const char *a, const char *b)
{
	struct job_line other;
	expect_good(b);
	other = line;
	expect_good(a);
	bool together = job_line_goes_with(&line, &other) &&
	    job_line_goes_with(&other, &line);
	job_line_release(&line);
	job_line_release(&other);
	return together;
}

Test(job_line, those_with_the_same_terms_go_together)
{
	cr_expect(go_together("{\"queue\":\"q\",\"body\":\"1\",\"key\":\"a\"}",
	    "{\"queue\":\"q\",\"body\":\"2\",\"id\":7}"));
	static const char *const others[] = { "{\"queue\":\"r\"}",
		"{\"queue\":\"q\",\"mode\":\"serial\"}",
		"{\"queue\":\"q\",\"priority\":0}",
		"{\"queue\":\"q\",\"ttr_ms\":0}",
		"{\"queue\":\"q\",\"token\":\"t\"}" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_expect_not(go_together("{\"queue\":\"q\"}", others[i]), "%s",
		    others[i]);
	cr_expect_not(go_together(others[4], others[4]));
}

Test(job_line, what_is_written_can_be_read)
{
	json_t *json = job_line_of(answer_like(
	    "{'id': 812, 'queue': 'mail', 'state': 'dead', 'priority': 3,"
	    " 'attempt': 2, 'enqueued_ms': 1, 'body_bytes': 5, 'body': 'hello',"
	    " 'key': 'k', 'mode': 'serial', 'hints': 1, 'cause': 'rejected',"
	    " 'reason': 'exit 65', 'due_in_ms': 10, 'expires_in_ms': 20,"
	    " 'ttr_ms': 0, 'max_attempts': 4, 'worker': 'w1'}"));
	char *text = json_dumps(json, JSON_COMPACT);
	cr_expect_str_eq(text,
	    "{\"queue\":\"mail\",\"body\":\"hello\",\"key\":\"k\","
	    "\"mode\":\"serial\",\"priority\":3,\"delay_ms\":10,"
	    "\"expires_ms\":20,\"ttr_ms\":0,\"max_attempts\":4,\"id\":812,"
	    "\"state\":\"dead\",\"attempt\":2,\"enqueued_ms\":1,\"hints\":1,"
	    "\"cause\":\"rejected\",\"reason\":\"exit 65\"}");
	expect_good(text);
	cr_expect(line.is_dead);
	cr_expect(span_is_text(line.body, "hello"));
	job_line_release(&line);
	free(text);
	json_decref(json);
}

Test(job_line, a_time_of_the_wall_clock_stays_one)
{
	json_t *json = job_line_of(answer_like(
	    "{'queue': 'q', 'due_in_ms': 10, 'due_wall_ms': 1767225600000}"));
	cr_expect_eq(
	    json_integer_value(json_object_get(json, "at_ms")), 1767225600000);
	cr_expect_null(json_object_get(json, "delay_ms"));
	json_decref(json);
}
