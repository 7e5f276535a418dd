/* SPDX-License-Identifier: MIT */
/*
 * The queue dies and starts again.
 */
#include "story.h"

static void
lose_one(void *context, const char *label)
{
	(void)context;
	disk_lose_last(id_of_label(label));
}

/* Every connection is closed; pids, and what was delivered, stay. */
static void
close_connections(void)
{
	for (unsigned i = 0; i < story.connection_count; i++)
		story.connections[i].subscriber = 0;
	for (unsigned i = 0; i < story.worker_count; i++)
		story.workers[i].now = story.workers[i].old = 0;
}

/* "crash", "crash losing 10 11": what was saved of these last is not on disk.
 * A new core is told what is. */
void
do_crash(struct line *line)
{
	if (next_is(line, "losing")) {
		if (!has_more(line))
			fail("losing which jobs?");
		while (has_more(line))
			each_label(next_word(line, "a job"), lose_one, NULL);
	}
	end_of_line(line);
	uint64_t next_id = story.core.next_id;
	disk_keep_gates();
	core_release(&story.core);
	core_init(&story.core, next_id, 1, policy_of, NULL);
	close_connections();
	disk_restore();
}

/* "restored", "restored supervised", "restored supervised everything died":
 * that was all. */
void
do_restored(struct line *line)
{
	struct fact fact = { .kind = FACT_RESTORED };
	fact.restored.supervised = next_is(line, "supervised");
	if (next_is(line, "everything")) {
		if (!next_is(line, "died"))
			fail("everything died");
		fact.restored.everything_died = true;
	}
	end_of_line(line);
	tell(&fact);
	render_all();
}

/* "introduced": the supervisor has told of all that live. */
void
do_introduced(struct line *line)
{
	end_of_line(line);
	tell(&(struct fact){ .kind = FACT_INTRODUCED });
	render_all();
}
