/* SPDX-License-Identifier: MIT */
#include "qctl/health.h"

#include "qctl/text.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct health health;
static struct health_limits limits;
static char line[2048];

static void
set_up(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
	limits = (struct health_limits){ { NO_LEVEL, NO_LEVEL },
		{ NO_LEVEL, NO_LEVEL }, { NO_LEVEL, NO_LEVEL } };
}

static void
tear_down(void)
{
	health_release(&health);
}

TestSuite(health, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *
line_now(void)
{
	struct buffer buffer = { 0 };
	health_line(&health, &limits, &buffer);
	size_t count = buffer_count(&buffer);
	cr_assert_lt(count, sizeof(line));
	memcpy(line, buffer_front(&buffer), count);
	line[count] = '\0';
	buffer_release(&buffer);
	return line;
}

static void
expect_words(const char *wanted)
{
	const char *found = line_now();
	cr_expect_eq(strncmp(found, wanted, strlen(wanted)), 0,
	    "'%s', and not '%s'", found, wanted);
	char after = found[strlen(wanted)];
	cr_expect(
	    after == '\0' || strncmp(found + strlen(wanted), " |", 2) == 0,
	    "more than that: %s", found);
}

#define CHILD(id, role, state, more) \
	"{'id':'" id "','role':'" role "','state':'" state "'" more "}"
#define HEALTHY ",'healthy':true"

static void
judge_children(const char *children)
{
	char tree[2048];
	snprintf(tree, sizeof(tree),
	    "{'supervisor':{'state':'running'},'children':[%s]}", children);
	health_judge_tree(&health, answer_like(tree));
}

static void
judge_queues(const char *queues, const char *only)
{
	char stats[2048];
	snprintf(stats, sizeof(stats), "{'queues':[%s]}", queues);
	health_judge_queues(&health, answer_like(stats), &limits, only);
}

#define MAIL                                                            \
	"{'name':'mail','ready':7,'blocked':1,'delayed':2,'running':3," \
	"'dead':4,'done':50,'failed':6,'subscribers':3,"                \
	"'oldest_ready_ms':61500}"
#define ALONE  "{'name':'alone','ready':1,'subscribers':0}"
#define UNUSED "{'name':'unused','subscribers':0,'oldest_ready_ms':null}"

Test(health, all_is_well_where_all_live_and_no_level_is_set)
{
	judge_children(CHILD("queue", "queue", "ready", HEALTHY) "," CHILD(
	    "w1", "worker", "ready", HEALTHY));
	judge_queues(MAIL "," UNUSED, NULL);
	cr_expect_eq(health_state(&health), HEALTH_OK);
	cr_expect_str_eq(line_now(),
	    "OK - 2 queues, 7 ready, 3 running, 4 dead, 3 workers |"
	    " ready=7;;;0 dead=4;;;0 oldest=61.500s;;;0 blocked=1;;;0"
	    " delayed=2;;;0 running=3;;;0 workers=3;;;0 done=50c failed=6c");
}

Test(health, a_level_is_exceeded_only_by_more)
{
	limits.ready = (struct levels){ 7, 8 };
	judge_queues(MAIL, NULL);
	cr_expect_eq(health_state(&health), HEALTH_OK);
	cr_expect_not_null(strstr(line_now(), " ready=7;7;8;0 "));
}

Test(health, each_level_has_its_words)
{
	limits.ready = (struct levels){ 6, 100 };
	limits.dead = (struct levels){ 0, 3 };
	limits.oldest_ms = (struct levels){ NO_LEVEL, 60000 };
	judge_queues(MAIL, NULL);
	cr_expect_eq(health_state(&health), HEALTH_CRITICAL);
	expect_words("CRITICAL - 4 jobs are dead, more than 3; a job has been "
		     "ready for 1m01s, longer than 1m00s; 7 jobs are ready, "
		     "more than 6");
	cr_expect_not_null(strstr(line, " oldest=61.500s;;60.000;0 "));
}

Test(health, one_job_is_said_to_be_one)
{
	limits.ready = (struct levels){ 0, NO_LEVEL };
	judge_queues("{'ready':1,'subscribers':1}", NULL);
	expect_words("WARNING - 1 job is ready, more than 0");
}

Test(health, levels_count_all_queues_together)
{
	limits.ready = (struct levels){ 13, NO_LEVEL };
	judge_queues(MAIL "," MAIL, NULL);
	expect_words("WARNING - 14 jobs are ready, more than 13");
}

Test(health, without_any_worker_nothing_is_done)
{
	judge_queues(UNUSED, NULL);
	expect_words("CRITICAL - no worker is there");
}

Test(health, a_queue_that_was_asked_for_must_have_a_worker)
{
	judge_queues(UNUSED, "unused");
	expect_words("CRITICAL - no worker serves 'unused'");
}

Test(health, a_queue_without_workers_is_told_when_it_has_jobs)
{
	judge_queues(MAIL "," ALONE "," UNUSED, NULL);
	expect_words("WARNING - no worker serves 'alone' with its 1 job");
}

Test(health, a_queue_process_that_is_held_back_is_critical)
{
	judge_children(CHILD("queue", "queue", "backoff",
	    HEALTHY ",'last_death':'killed by signal 9'") "," CHILD("w1",
	    "worker", "ready", HEALTHY));
	expect_words("CRITICAL - the queue is held back: killed by signal 9");
}

Test(health, a_queue_process_that_starts_is_a_warning)
{
	judge_children(CHILD("queue", "queue", "starting", HEALTHY));
	expect_words("WARNING - the queue is starting");
}

Test(health, some_sick_workers_are_a_warning)
{
	judge_children(CHILD("queue", "queue", "ready", HEALTHY) "," CHILD(
	    "w1", "worker", "ready", HEALTHY) "," CHILD("w2", "worker",
	    "backoff", HEALTHY ",'last_death':'exit status 1'") "," CHILD("w3",
	    "worker", "failed", HEALTHY) "," CHILD("w4", "worker", "ready",
	    ",'healthy':false,'unhealthy_reason':'cannot run it'"));
	expect_words("WARNING - w2 and 1 more are held back: exit status 1; "
		     "w4 is unhealthy: cannot run it");
}

Test(health, only_sick_workers_are_critical)
{
	judge_children(
	    CHILD("queue", "queue", "ready", HEALTHY) "," CHILD("w1", "worker",
		"ready", ",'healthy':false,'unhealthy_reason':'no such file'"));
	expect_words("CRITICAL - w1 is unhealthy: no such file");
}

Test(health, a_supervisor_that_stops_is_a_warning)
{
	health_judge_tree(&health,
	    answer_like("{'supervisor':{'state':'stopping'},'children':[]}"));
	expect_words("WARNING - gsq is stopping");
}

Test(health, what_is_not_known_is_less_than_what_is_wrong)
{
	health_add(&health, HEALTH_UNKNOWN, "who knows");
	cr_expect_eq(health_state(&health), HEALTH_UNKNOWN);
	expect_words("UNKNOWN - who knows");
	health_add(&health, HEALTH_WARNING, "a little");
	expect_words("WARNING - a little; who knows");
	cr_expect_eq(health_state(&health), HEALTH_WARNING);
}

Test(health, words_from_outside_cannot_break_the_line)
{
	health_add(&health, HEALTH_WARNING, "bad\nOK - fine|dead=0 \033[2J");
	cr_expect_str_eq(
	    line_now(), "WARNING - bad\\nOK - fine/dead=0 \\x1b[2J");
}

Test(health, answers_that_lack_everything_are_survived)
{
	health_judge_tree(&health, answer_like("[]"));
	health_judge_tree(&health, NULL);
	health_judge_queues(&health, answer_like("7"), &limits, NULL);
	health_judge_queues(&health, NULL, &limits, "mail");
	cr_expect_eq(health_state(&health), HEALTH_CRITICAL);
}
