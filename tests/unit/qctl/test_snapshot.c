/* SPDX-License-Identifier: MIT */
#include "qctl/snapshot.h"

#include "qctl/answer.h"
#include "support.h"

#include <criterion/criterion.h>

static struct snapshot snapshot;

static void
tear_down(void)
{
	snapshot_release(&snapshot);
}

TestSuite(snapshot, .fini = tear_down, .timeout = 60);

static void
take_stats(int64_t now_ms, int pid, int64_t done, const char *queues)
{
	char stats[1024];
	snprintf(stats, sizeof(stats), "{'pid':%d,'done':%lld,'queues':[%s]}",
	    pid, (long long)done, queues);
	snapshot_take_stats(&snapshot, answer_like(stats), now_ms);
}

static int64_t
rate_of_all(void)
{
	return snapshot_rate(&snapshot, RATE_OF_ALL, "done");
}

Test(snapshot, answers_are_copied)
{
	snapshot_take_tree(
	    &snapshot, answer_like("{'children':[{'id':'w1'}]}"));
	snapshot_take_tree(
	    &snapshot, answer_like("{'children':[{'id':'w2'}]}"));
	struct elements children =
	    answer_elements(snapshot.tree.root, "children");
	cr_assert_eq(children.count, 1);
	cr_expect(span_is_text(answer_text(&children.items[0], "id"), "w2"));
	snapshot_take_workers(&snapshot, answer_like("{'workers':[]}"));
	snapshot_take_workers(&snapshot, NULL);
	cr_expect_null(snapshot.workers.root);
}

Test(snapshot, a_rate_needs_two_answers)
{
	cr_expect_eq(rate_of_all(), RATE_UNKNOWN);
	take_stats(1000, 1, 100, "");
	cr_expect_eq(rate_of_all(), RATE_UNKNOWN);
	take_stats(2000, 1, 107, "");
	cr_expect_eq(rate_of_all(), 70);
	take_stats(4000, 1, 108, "");
	cr_expect_eq(rate_of_all(), 5);
}

Test(snapshot, a_rate_is_that_of_a_second_however_often_is_asked)
{
	for (int64_t ms = 0; ms <= 5000; ms += 100) {
		take_stats(ms, 1, ms / 100, "");
		if (ms < 900)
			cr_expect_eq(rate_of_all(), RATE_UNKNOWN);
		else
			cr_expect_eq(
			    rate_of_all(), 100, "at %lld ms", (long long)ms);
	}
	cr_expect_geq(snapshot.stats_ms - snapshot.before_ms, 900);
	cr_expect_leq(snapshot.stats_ms - snapshot.before_ms, 2000);
}

Test(snapshot, another_queue_process_counts_anew)
{
	take_stats(1000, 1, 100, "");
	take_stats(2000, 1, 200, "");
	take_stats(3000, 2, 0, "");
	cr_expect_eq(rate_of_all(), RATE_UNKNOWN);
	take_stats(4000, 2, 3, "");
	cr_expect_eq(rate_of_all(), 30);
}

Test(snapshot, queues_are_known_by_name_wherever_they_stand)
{
	take_stats(0, 1, 0, "{'name':'a','done':5},{'name':'b','done':50}");
	take_stats(1000, 1, 0,
	    "{'name':'new','done':4},{'name':'b','done':51},"
	    "{'name':'a','done':8}");
	cr_expect_eq(snapshot_rate(&snapshot, 0, "done"), 40);
	cr_expect_eq(snapshot_rate(&snapshot, 1, "done"), 10);
	cr_expect_eq(snapshot_rate(&snapshot, 2, "done"), 30);
	cr_expect_eq(snapshot_rate(&snapshot, 3, "done"), RATE_UNKNOWN);
}

Test(snapshot, a_queue_that_was_made_anew_has_no_rate)
{
	take_stats(0, 1, 0, "{'name':'a','done':50}");
	take_stats(1000, 1, 0, "{'name':'a','done':1}");
	cr_expect_eq(snapshot_rate(&snapshot, 0, "done"), RATE_UNKNOWN);
	take_stats(2000, 1, 0, "{'name':'a','done':2}");
	cr_expect_eq(snapshot_rate(&snapshot, 0, "done"), 10);
}
