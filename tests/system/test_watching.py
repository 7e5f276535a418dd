# SPDX-License-Identifier: MIT
"""What people and monitors watch gsq with: stats, check, top."""
from harness import Gsq, is_equal, is_true, wait_until


def idle(workers=0, **more):
    """A gsq whose jobs stay where they are."""
    return Gsq(workers=workers, command=["builtin:noop"], **more)


def stats_of(gsq, queue="default"):
    """The row of a queue in stats."""
    (row,) = gsq.call("stats", queue=queue)["queues"]
    return row


# ---- stats -----------------------------------------------------------------

def test_stats_tell_how_long_jobs_waited_and_ran():
    """A foreign worker takes its time before it asks and before it answers."""
    with idle() as gsq, gsq.client() as worker:
        worker.call("subscribe", queue="mail")
        row = stats_of(gsq, "mail")
        for key in ("wait_p50_ms", "run_p99_ms", "oldest_ready_ms"):
            is_equal(row[key], None, key + " of nothing")
        gsq.enqueue("a", queue="mail")
        wait_until(lambda: stats_of(gsq, "mail")["oldest_ready_ms"] >= 30,
                   "the job has waited")
        worker.notify("demand", queue="mail", n=1)
        msgid, job = worker.next_job()
        wait_until(lambda: gsq.job(job["id"])["running_ms"] >= 60,
                   "the job has run")
        worker.respond(msgid)
        gsq.wait_lane("mail", done=1)
        row = stats_of(gsq, "mail")
        is_true(28 <= row["wait_p50_ms"] <= 1000, "wait", row)
        is_true(56 <= row["run_p99_ms"] <= 1000, "run", row)
        is_equal(row["wait_p50_ms"], row["wait_p99_ms"], "of one job")
        is_equal(row["oldest_ready_ms"], None, "oldest of none")


def test_stats_of_one_queue_or_of_all():
    with idle() as gsq:
        gsq.enqueue("a", "b", queue="one")
        gsq.enqueue("c", queue="two")
        found = gsq.qctl_json("stats")
        is_equal(sorted((row["name"], row["ready"])
                        for row in found["queues"]),
                 [("one", 2), ("two", 1)], "all queues")
        is_equal(found["enqueued"], 3, "of all")
        found = gsq.qctl_json("stats", "two")
        is_equal([row["name"] for row in found["queues"]], ["two"], "one")
        table = gsq.qctl("stats", "two").stdout
        is_true("WAIT-P50" in table and "one" not in table, "table", table)
        done = gsq.qctl("stats", "three", status=1)
        is_equal(done.stderr, "qctl: NOT_FOUND: no queue 'three'\n", "words")
