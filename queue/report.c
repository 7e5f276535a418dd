/* SPDX-License-Identifier: MIT */
#include "queue/report.h"

#include "sys/log.h"

#include <inttypes.h>

/* Queues whose state is told at the end of a turn; more are told one turn
 * late or never, which is no loss: this is for reading along. */
#define TOUCHED_MAX 8

static struct {
	uint32_t lanes[TOUCHED_MAX];
	unsigned count;
} touched;

/* The level of an event, and its word in the log. */
static const struct {
	enum log_level level;
	const char *word;
} events[EVENT_COUNT] = {
	[EVENT_ENQUEUED] = { LOG_DEBUG, NULL }, /* one line per request */
	[EVENT_MERGED] = { LOG_DEBUG, "merged" },
	[EVENT_FOLDED] = { LOG_DEBUG, "folded" },
	[EVENT_DELIVERED] = { LOG_DEBUG, "deliver" },
	[EVENT_DONE] = { LOG_DEBUG, "done" },
	[EVENT_FAILED] = { LOG_WARNING, "failed" },
	[EVENT_RETRIED] = { LOG_INFO, "retry-later" },
	[EVENT_RELEASED] = { LOG_INFO, "released" },
	[EVENT_RETURNED] = { LOG_WARNING, "returned" },
	[EVENT_DEAD] = { LOG_ERROR, "dead" },
	[EVENT_OVERDUE] = { LOG_WARNING, "overdue" },
	[EVENT_CANCELLED] = { LOG_INFO, "cancelled" },
	[EVENT_DELETED] = { LOG_INFO, "deleted" },
	[EVENT_REVIVED] = { LOG_INFO, "revived" },
	[EVENT_PAUSED] = { LOG_INFO, "paused" },
	[EVENT_RESUMED] = { LOG_INFO, "resumed" },
	[EVENT_DRAINING] = { LOG_INFO, "draining" },
	[EVENT_OPENED] = { LOG_INFO, "opened" },
	[EVENT_SUBSCRIBED] = { LOG_DEBUG, "subscribe" },
	[EVENT_GONE] = { LOG_DEBUG, "gone" },
};

static void
touch(uint32_t lane)
{
	if (lane == 0 || touched.count == TOUCHED_MAX || !log_wants(LOG_DEBUG))
		return;
	for (unsigned i = 0; i < touched.count; i++)
		if (touched.lanes[i] == lane)
			return;
	touched.lanes[touched.count++] = lane;
}

static const char *
worker_name(const struct core *core, uint32_t subscriber)
{
	if (subscriber == 0)
		return "none";
	return subscriber_at(&core->demand, subscriber)->name.text;
}

static const char *
queue_name(const struct core *core, uint32_t lane)
{
	return lane == 0 ? "none" : lane_at(&core->lanes, lane)->name.text;
}

static void
report_job(const struct core *core, const struct wish *wish)
{
	const char *reason = "";
	if (wish->job != 0 && wish->event >= EVENT_FAILED &&
	    wish->event <= EVENT_DEAD)
		reason =
		    job_reason(&core->jobs, job_at(&core->jobs, wish->job));
	log_event(events[wish->event].level, events[wish->event].word,
	    "job=%" PRIu64 " queue=%s attempt=%" PRIu32 " worker=%s%s%s",
	    wish->id, queue_name(core, wish->lane), wish->attempt,
	    worker_name(core, wish->subscriber),
	    *reason != '\0' ? " reason=" : "",
	    *reason != '\0' ? log_quote(span_of(reason), REASON_BYTES_MAX)
			    : "");
}

static void
report_worker(const struct core *core, const struct wish *wish)
{
	const struct subscriber *subscriber =
	    subscriber_at(&core->demand, wish->subscriber);
	log_event(events[wish->event].level, events[wish->event].word,
	    "worker=%s worker_pid=%" PRId64 " queue=%s holds=%" PRIu32,
	    subscriber->name.text, subscriber->pid,
	    queue_name(core, wish->lane), subscriber->running_count);
}

/* Who has paused it is known as long as it is. */
static void
report_lane(const struct core *core, const struct wish *wish)
{
	const struct lane *lane = lane_at(&core->lanes, wish->lane);
	if (wish->event == EVENT_PAUSED)
		log_event(events[wish->event].level, events[wish->event].word,
		    "queue=%s uid=%" PRId64 " for_ms=%" PRId64, lane->name.text,
		    lane->gate.uid,
		    lane->gate.resume_at_ms == INT64_MAX
			? 0
			: lane->gate.resume_at_ms - core->now_ms);
	else
		log_event(events[wish->event].level, events[wish->event].word,
		    "queue=%s", lane->name.text);
}

void
report_event(const struct core *core, const struct wish *wish)
{
	touch(wish->lane);
	if (events[wish->event].word == NULL ||
	    !log_wants(events[wish->event].level))
		return;
	if (wish->id != 0)
		report_job(core, wish);
	else if (wish->subscriber != 0)
		report_worker(core, wish);
	else
		report_lane(core, wish);
}

void
report_enqueue(struct span queue, uint64_t first_id, uint64_t count)
{
	if (!log_wants(LOG_DEBUG))
		return;
	const char *name = log_quote(queue, NAME_BYTES_MAX);
	if (count == 1)
		log_event(LOG_DEBUG, "enqueue", "job=%" PRIu64 " queue=%s",
		    first_id, name);
	else
		log_event(LOG_DEBUG, "enqueue",
		    "jobs=%" PRIu64 " first=%" PRIu64 " last=%" PRIu64
		    " queue=%s",
		    count, first_id, first_id + count - 1, name);
}

void
report_demand(const struct core *core, uint32_t subscriber, struct span queue,
    uint32_t n, uint64_t pending)
{
	if (!log_wants(LOG_DEBUG))
		return;
	const struct lane *lane = lanes_find(&core->lanes, queue);
	if (lane != NULL)
		touch(lane->handle);
	log_event(LOG_DEBUG, "demand",
	    "worker=%s queue=%s n=%" PRIu32 " pending=%" PRIu64,
	    worker_name(core, subscriber), log_quote(queue, NAME_BYTES_MAX), n,
	    pending);
}

void
report_turn(const struct core *core)
{
	for (unsigned i = 0; i < touched.count; i++) {
		const struct lane *lane =
		    lane_at(&core->lanes, touched.lanes[i]);
		log_event(LOG_DEBUG, "state",
		    "queue=%s ready=%" PRIu32 " blocked=%" PRIu32
		    " delayed=%" PRIu32 " running=%" PRIu32 " dead=%" PRIu32
		    " demand=%" PRIu64,
		    lane->name.text, lane->counts[JOB_READY],
		    lane->counts[JOB_BLOCKED], lane->counts[JOB_DELAYED],
		    lane->counts[JOB_RUNNING], lane->counts[JOB_DEAD],
		    demand_pending(lane));
	}
	touched.count = 0;
}
