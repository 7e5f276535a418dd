# SPDX-License-Identifier: MIT
"""The story that gsq comes from: workers ask an empty queue, jobs arrive."""
from harness import Gsq, is_equal, is_true, wait_until

BODIES = [str(number) for number in range(10, 21)]


def rows_of(gsq, verb):
    """The rows of `qctl VERB -o json`, whose top is a list."""
    rows = gsq.qctl_json(verb)
    is_true(isinstance(rows, list), "a list of rows", rows)
    return rows


def test_demand_of_an_empty_queue_is_met_when_jobs_arrive():
    """Two demo workers ask; 10..20 are enqueued; both start at once."""
    with Gsq(workers=2) as gsq:
        # 1. The workers ask while there is nothing.
        gsq.wait_lane(demand=2, ready=0, running=0)
        (row,) = [row for row in rows_of(gsq, "queues")
                  if row["name"] == "default"]
        is_equal(row["demand"], 2, "pending demand that qctl shows")
        asked = gsq.wait_event("demand", count=2)

        # 2. Jobs arrive.
        before = gsq.mark()
        gsq.qctl("enqueue", "default", *BODIES)
        enqueued = gsq.wait_event("enqueue", after=before)
        is_true(asked[-1].index < enqueued.index, "asked, then enqueued")

        # 3. The pending demand is met: both start at once.
        started = gsq.wait_event("processing", after=before, count=2)
        is_equal(sorted(line["body"] for line in started), BODIES[:2],
                 "the first two jobs")
        is_true(started[0]["pid"] != started[1]["pid"], "by two workers")
        is_true(started[1].seen - enqueued.seen < 0.5, "both at once",
                started, enqueued)
        row = gsq.lane()
        is_equal((row["running"], row["demand"]), (2, 0), "counts")
        is_true(row["ready"] >= len(BODIES) - 2 - 2, "the rest waits", row)

        # 4. Each asks again after its job, until all is done, in order.
        gsq.wait_lane(done=len(BODIES), demand=2, timeout=20)
        gsq.wait_event("demand", after=before, count=len(BODIES))
        gsq.wait_event("processing", after=before, count=len(BODIES))
        delivered = [line["job"] for line in
                     gsq.events("deliver", after=before)]
        is_equal(len(delivered), len(BODIES), "deliveries")
        is_equal(delivered, sorted(delivered, key=int), "order of delivery")
        processed = [line["body"] for line in
                     gsq.events("processing", after=before)]
        is_equal(sorted(processed), BODIES, "each job once")
        is_equal(len(gsq.events("demand", after=before)), len(BODIES),
                 "one demand after each job")
        is_true(gsq.log(r"event=state", after=before),
                "the state of the queue is told")


def test_without_a_command_the_workers_are_the_demo_and_that_is_said():
    """Nobody should wonder what the workers of a bare supervisor do."""
    with Gsq() as gsq:
        is_equal(len(gsq.worker_pids()), 3, "default number of workers")
        gsq.wait_log("builtin:demo")


def test_many_workers_share_few_jobs_fairly():
    """Each of four workers that ask for one gets one of four jobs."""
    with Gsq(workers=4) as gsq:
        gsq.wait_lane(demand=4)
        gsq.enqueue("a", "b", "c", "d")
        started = gsq.wait_event("processing", count=4)
        is_equal(len({line["pid"] for line in started}), 4, "workers used")
        wait_until(lambda: gsq.lane()["done"] == 4, "all are done")
