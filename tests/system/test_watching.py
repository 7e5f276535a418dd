# SPDX-License-Identifier: MIT
"""What people and monitors watch gsq with: stats, check, top."""
import signal

from harness import (
    Gsq, is_equal, is_true, kill, script, temporary, wait_until)


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


# ---- check -----------------------------------------------------------------

OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def check(gsq, *arguments):
    """What a monitor sees: (exit status, line)."""
    done = gsq.qctl("check", *arguments, status=None)
    is_equal(done.stdout.count("\n"), 1, "lines of check")
    line = done.stdout.rstrip("\n")
    is_true(line.startswith(STATES[done.returncode] + " - "),
            "the status is the word", done)
    return done.returncode, line


def expect_check(gsq, state, words, *arguments):
    found, line = check(gsq, *arguments)
    is_equal(STATES[found], STATES[state], "state: " + line)
    is_true(words in line, "words", line, words)
    return line


def test_check_compares_with_levels():
    reject = script("reject", "exit 65\n")
    with Gsq(workers=1, command=[reject]) as gsq:
        line = expect_check(gsq, OK, "1 queue, 0 ready")
        is_true(" | ready=0;;;0 " in line, "numbers for graphs", line)
        gsq.enqueue("a", "b")
        gsq.wait_lane(dead=2)
        expect_check(gsq, OK, "2 dead", "--dead", "2,3")
        expect_check(gsq, WARNING, "2 jobs are dead", "--dead", "0")
        expect_check(gsq, CRITICAL, "2 jobs are dead", "--dead", "0,1")
        gsq.enqueue("c", queue="other")
        expect_check(gsq, WARNING, "no worker serves 'other'")
        expect_check(gsq, CRITICAL, "1 job is ready", "--ready", ",0")
        expect_check(gsq, CRITICAL, "no worker serves 'other'", "-q", "other")
        expect_check(gsq, OK, "1 queue,", "-q", "default", "--ready", "0")
        expect_check(gsq, UNKNOWN, "no queue 'third'", "-q", "third")
        expect_check(gsq, UNKNOWN, "help check", "--oldest", "5")
        wait_until(lambda: check(gsq, "--oldest", "1ms,5ms")[0] == CRITICAL,
                   "the ready job is too old")


def test_check_sees_workers_and_supervisor():
    with Gsq(workers=1, command=[temporary("nosuch")]) as gsq:
        wait_until(lambda: not gsq.enqueue("x") or
                   not gsq.children()["w1"]["healthy"],
                   "the worker is unhealthy")
        expect_check(gsq, CRITICAL, "w1 is unhealthy: ")
        gsq.qctl("scale", "0")
        wait_until(lambda: not gsq.worker_pids(), "no worker is left")
        expect_check(gsq, CRITICAL, "no worker is there")
        kill(gsq.pid_of("queue"), signal.SIGSTOP)
        expect_check(gsq, CRITICAL, "", "--timeout", "200ms")
        kill(gsq.pid_of("queue"), signal.SIGCONT)
    expect_check(gsq, CRITICAL, "start gsq with: ")


def test_check_sees_a_child_that_is_held_back():
    with Gsq("--max-restarts", "inf", "--backoff", "1m..1m", workers=1,
             command=["builtin:noop"]) as gsq:
        kill(gsq.pid_of("w1"))
        wait_until(lambda: gsq.children()["w1"]["state"] == "backoff",
                   "the worker is held back")
        expect_check(gsq, CRITICAL, "w1 is held back: signal=KILL")
        kill(gsq.pid_of("queue"))
        wait_until(lambda: gsq.children()["queue"]["state"] == "backoff",
                   "the queue is held back")
        expect_check(gsq, CRITICAL, "the queue is held back: signal=KILL",
                     "--timeout", "1s")
