/* SPDX-License-Identifier: MIT */
#include "qctl/top_layout.h"

#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct top_help help[] = {
	{ "q", "quit", "leave" },
	{ "up", NULL, "the one above" },
	{ "h", "help", "this" },
};

static struct snapshot snapshot;
static struct top_view view;
static struct page page;

static void
set_up(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	text_init();
	view.help = help;
	view.help_count = 3;
}

static void
tear_down(void)
{
	snapshot_release(&snapshot);
	page_release(&page);
}

TestSuite(top_layout, .init = set_up, .fini = tear_down, .timeout = 60);

#define TREE                                                               \
	"{'supervisor':{'pid':7,'version':'0.1.0','directory':'/run/gsq'," \
	"'uptime_ms':8600,'state':'running'},'children':["                 \
	"{'id':'queue','role':'queue','pool':'','pid':11,'state':'ready'," \
	"'uptime_ms':8200,'restarts':1,'healthy':true},"                   \
	"{'id':'w1','role':'worker','pool':'p','pid':12,'state':'ready',"  \
	"'uptime_ms':7900,'restarts':0,'healthy':true},"                   \
	"{'id':'w2','role':'worker','pool':'p','pid':0,'state':'backoff'," \
	"'uptime_ms':0,'restarts':3,'healthy':true,"                       \
	"'last_death':'signal=KILL','last_death_ms_ago':5,"                \
	"'start_in_ms':1500}]}"

#define WORKERS                                                      \
	"{'workers':[{'name':'w1','pid':12,'queue':'mail','done':4," \
	"'supervised':true,'connected':true,'jobs':[{'id':9,"        \
	"'running_ms':250}]},{'name':'py','pid':99,'queue':'sync',"  \
	"'done':0,'supervised':false,'connected':true,'jobs':[]}]}"

#define QUEUE(name, ready, done, dead)                                    \
	"{'name':'" name "','ready':" #ready ",'running':1,'dead':" #dead \
	",'subscribers':2,'done':" #done ",'wait_p95_ms':1200,"           \
	"'run_p95_ms':null}"

static void
prepare(void)
{
	snapshot_take_tree(&snapshot, answer_like(TREE));
	snapshot_take_workers(&snapshot, answer_like(WORKERS));
	snapshot_take_stats(&snapshot,
	    answer_like("{'pid':11,'jobs':12,'done':0,'queues':[" QUEUE(
		"sync", 0, 0, 0) "," QUEUE("mail", 8, 0, 4) "]}"),
	    1000);
	snapshot_take_stats(&snapshot,
	    answer_like("{'pid':11,'jobs':12,'done':25,'queues':[" QUEUE(
		"sync", 0, 5, 0) "," QUEUE("mail", 8, 20, 4) "]}"),
	    2000);
}

static void
lay_out(size_t rows, size_t columns)
{
	page_begin(&page, rows, columns);
	top_layout(&page, &snapshot, &view);
}

static void
expect_seen(const char *text)
{
	const char *lines = lines_of(&page);
	cr_expect_not_null(strstr(lines, text), "no '%s' in\n%s", text, lines);
}

static void
expect_unseen(const char *text)
{
	const char *lines = lines_of(&page);
	cr_expect_null(strstr(lines, text), "'%s' in\n%s", text, lines);
}

Test(top_layout, a_usual_page)
{
	prepare();
	lay_out(16, 80);
	expect_page(&page,
	    "gsq 0.1.0 running for 8.6s, pid 7, in /run/gsq\n"
	    "12 jobs; per second 0.0 come, 25.0 are done, 0.0 fail; queues by "
	    "name\n"
	    "\n"
	    "  QUEUE     READY  BLOCK  DELAY  RUN  DEAD   IN/S  DONE/S  FAIL/S "
	    " "
	    "WAIT95  RUN95\n"
	    "> mail          8      0      0    1     4    0.0    20.0     0.0 "
	    " "
	    "  1.2s      -\n"
	    "  sync          0      0      0    1     0    0.0     5.0     0.0 "
	    " "
	    "  1.2s      -\n"
	    "\n"
	    "  PROCESS   POOL  PID  STATE      UP  DIED  DONE  NOW\n"
	    "  queue            11  ready    8.2s     1\n"
	    "  w1        p      12  ready    7.9s     0     4  job 9 for "
	    "250ms\n"
	    "  w2        p       -  backoff     -     3        signal=KILL, "
	    "starts in 1.5s\n"
	    "  py               99  outside                 0  idle\n"
	    "\n\n\n"
	    "q quit  h help\n");
}

Test(top_layout, a_closed_queue_says_so)
{
	prepare();
	snapshot_take_stats(&snapshot,
	    answer_like("{'pid':11,'jobs':0,'queues':["
			"{'name':'a','paused':true,'draining':false},"
			"{'name':'b','paused':true,'draining':true},"
			"{'name':'c','paused':false,'draining':false}]}"),
	    3000);
	lay_out(16, 80);
	expect_seen("> a (paused) ");
	expect_seen("  b (paused) (draining) ");
	expect_seen("  c    ");
}

Test(top_layout, nothing_known_yet_is_no_harm)
{
	lay_out(24, 80);
	expect_seen("PROCESS");
	expect_seen("q quit");
	cr_expect_null(top_entries(&snapshot, &view, &(size_t){ 1 }));
}

Test(top_layout, any_size_will_do)
{
	prepare();
	for (size_t rows = 0; rows <= 30; rows++)
		for (size_t columns = 0; columns <= 100; columns++) {
			lay_out(rows, columns);
			lines_of(&page);
		}
}

Test(top_layout, on_a_low_page_stands_what_is_selected)
{
	prepare();
	lay_out(5, 60);
	expect_seen("> mail");
	expect_unseen("PROCESS");
	view.selected = TOP_CHILD;
	snprintf(view.selected_name, sizeof(view.selected_name), "w2");
	lay_out(5, 60);
	expect_seen("> w2");
	expect_unseen("QUEUE");
}

Test(top_layout, the_selected_one_is_in_sight_and_the_title_says_where)
{
	prepare();
	view.selected = TOP_FOREIGN;
	snprintf(view.selected_name, sizeof(view.selected_name), "py");
	lay_out(8, 80);
	expect_seen("QUEUE 1-1 of 2 ");
	expect_seen("PROCESS 3-4 of 4 ");
	expect_seen("> py");
	expect_unseen("w1");
}

Test(top_layout, one_that_is_gone_leaves_the_first_one_selected)
{
	prepare();
	view.selected = TOP_QUEUE;
	snprintf(view.selected_name, sizeof(view.selected_name), "gone");
	lay_out(16, 80);
	expect_seen("> mail");
}

static void
expect_order(enum top_sort sort, const char *first, const char *second)
{
	char lines[80];
	view.sort = sort;
	lay_out(20, 80);
	const char *seen = lines_of(&page);
	snprintf(lines, sizeof(lines), " %s ", first);
	const char *at = strstr(seen, lines);
	cr_assert_not_null(at);
	snprintf(lines, sizeof(lines), " %s ", second);
	cr_expect_not_null(strstr(at, lines), "%s not first by %s", first,
	    top_sort_name(sort));
}

Test(top_layout, queues_stand_in_the_order_that_is_wanted)
{
	snapshot_take_stats(&snapshot,
	    answer_like("{'pid':1,'queues':[" QUEUE("b", 1, 0, 9) "," QUEUE(
		"a", 2, 0, 0) "]}"),
	    0);
	snapshot_take_stats(&snapshot,
	    answer_like("{'pid':1,'queues':[" QUEUE("b", 1, 7, 9) "," QUEUE(
		"a", 2, 0, 0) "]}"),
	    1000);
	expect_order(TOP_SORT_NAME, "a", "b");
	expect_order(TOP_SORT_READY, "a", "b");
	expect_order(TOP_SORT_RATE, "b", "a");
	expect_order(TOP_SORT_DEAD, "b", "a");
}

Test(top_layout, who_is_away_is_said_to_be)
{
	prepare();
	snprintf(view.queue_away, sizeof(view.queue_away), "no answer for 3 s");
	lay_out(24, 80);
	expect_seen("the queue is away: no answer for 3 s\n");
	snprintf(view.supervisor_away, sizeof(view.supervisor_away), "gone\n!");
	lay_out(24, 80);
	expect_seen("the supervisor is away: gone\\n!\n");
}

Test(top_layout, a_question_goes_before_a_message_and_that_before_the_keys)
{
	prepare();
	snprintf(view.message, sizeof(view.message), "it is done");
	lay_out(24, 80);
	expect_seen("\nit is done\n");
	expect_unseen("q quit");
	snprintf(view.question, sizeof(view.question), "really?");
	lay_out(24, 80);
	expect_seen("\nreally?\n");
}

Test(top_layout, the_help_names_every_key)
{
	view.wants_help = true;
	lay_out(24, 40);
	expect_seen("  q         leave\n  up        the one above\n");
}

Test(top_layout, names_and_reasons_move_nothing)
{
	snapshot_take_tree(&snapshot,
	    answer_like("{'supervisor':{'directory':'/\\u001b[2J'},'children':"
			"[{'id':'a\\u001b[1m','pid':1,'state':'ready\\n',"
			"'healthy':false,'unhealthy_reason':'\\u4f60\\u202e'"
			"}]}"));
	lay_out(24, 100);
	expect_seen("in /\\x1b[2J");
	expect_seen("a\\x1b[1m");
	expect_seen("ready\\n");
	expect_seen("\u4f60\\u202e");
}

Test(top_layout, wide_names_leave_room_for_numbers)
{
	snapshot_take_stats(&snapshot,
	    answer_like("{'queues':[{'name':'a-very-long-name-of-a-queue-that-"
			"goes-on-and-on-and-on-up-to-the-limit','ready':77}]}"),
	    0);
	lay_out(24, 80);
	expect_seen("a-very-long-name-of…     77");
}

Test(top_layout, answers_that_make_no_sense_are_survived)
{
	snapshot_take_tree(&snapshot, answer_like("[1,2]"));
	snapshot_take_workers(&snapshot, answer_like("{'workers':[7,null]}"));
	snapshot_take_stats(
	    &snapshot, answer_like("{'queues':[[],'x',{'name':5}]}"), 0);
	lay_out(24, 80);
	expect_seen("PROCESS");
}
