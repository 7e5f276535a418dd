# SPDX-License-Identifier: MIT
"""What the last attempts of a job ended of: kept with it, and gone with it."""
import json
import os
import re
import signal

from harness import (
    Gsq, is_equal, is_true, kill, lines_of, program, run, script, temporary,
    wait_until, write_file)

CONFIGURATION = """
queue "default" {
    max_attempts = %d
    retry_base = "1ms"
    retry_cap = "1ms"
    ttr = "%s"
    ttr_grace = "50ms"
    durability = "%s"
}
pool "p" {
    queue = "default"
    workers = 1
    command = { "%s" }
}
"""

# Does what its body says.
OBEDIENT = "cat > \"$0.$GSQ_JOB_ID\"\n. \"$0.$GSQ_JOB_ID\"\n"


def obedient(attempts=1, ttr="1m", durability="sync"):
    return Gsq(configuration=CONFIGURATION % (
        attempts, ttr, durability, script("obedient", OBEDIENT)))


def dead_of(gsq, what):
    """The attempts of a job that does that, and dies of it."""
    (job,) = gsq.enqueue(what)
    is_equal(gsq.wait_job(job), "dead", "end of %r" % what)
    return gsq.job(job)["attempts"]


def test_a_failure_says_what_it_ended_of():
    """Status, stderr as it began, time and memory; and how qctl shows it."""
    with obedient() as gsq:
        (one,) = dead_of(gsq, "echo out; echo oh >&2; echo dear >&2; exit 3")
        is_equal({key: one[key] for key in (
            "attempt", "delivery", "outcome", "reason", "exit", "worker",
            "worker_pid", "stderr")},
                 {"attempt": 1, "delivery": 1, "outcome": "fail",
                  "reason": "exit status 3", "exit": 3, "worker": "p-1",
                  "worker_pid": gsq.pid_of("p-1"),
                  "stderr": b"oh\ndear\n"}, "certificate")
        is_true(0 <= one["duration_ms"] < 60000, "duration", one)
        is_true(0 <= one["cpu_ms"] <= 60000, "CPU time", one)
        is_true(2 ** 16 < one["rss_bytes"] < 2 ** 34, "peak memory", one)
        is_true("signal" not in one and "core" not in one, "no signal", one)
        (row,) = gsq.call("list", state="dead")["jobs"]
        job = row["id"]
        is_true(abs(one["began_ms"] - row["enqueued_ms"]) < 60000, "began",
                one, row)
        shown = gsq.qctl("get", str(job)).stdout
        is_true("stderr    oh\n          dear\n" in shown, "stderr", shown)
        row = shown.rstrip("\n").splitlines()[-1]
        for part in (" fail ", " exit 3 ", " p-1 (", "dear"):
            is_true(part in row, "%r in the row" % part, shown)
        (told,) = gsq.qctl_json("get", str(job))["attempts"]
        is_equal(told["stderr"], "oh\ndear\n", "stderr as JSON")
        is_equal(told["exit"], 3, "exit status as JSON")
        is_true("attempts" not in gsq.call("list", state="dead")["jobs"][0],
                "a list does not tell")


def test_a_handler_that_crashes():
    """The signal, by its name for people."""
    with obedient(attempts=2) as gsq:
        first, second = dead_of(gsq, "echo bye >&2; kill -SEGV $$")
        for at, one in enumerate((first, second)):
            is_equal((one["attempt"], one["outcome"], one["signal"],
                      one["stderr"]), (at + 1, "fail", 11, b"bye\n"),
                     "certificate")
            is_true("exit" not in one, "no exit status", one)
        shown = gsq.qctl("get", "1").stdout
        is_equal(shown.count("signal 11 (SEGV)"), 3,
                 "the reason and two attempts")


def test_a_worker_that_is_killed():
    """From the supervisor's word, as the worker says nothing more."""
    with obedient(attempts=2) as gsq:
        pids = []
        (job,) = gsq.enqueue("echo lost >&2; sleep 60")
        for attempt in (1, 2):
            row = wait_until(
                lambda: [row for row in [gsq.job(job)]
                         if (row["state"], row["attempt"]) ==
                         ("running", attempt)], "it runs")[0]
            pids.append(row["worker_pid"])
            kill(row["worker_pid"])
        is_equal(gsq.wait_job(job), "dead", "end")
        attempts = gsq.job(job)["attempts"]
        is_equal([(one["outcome"], one["signal"], one["worker"],
                   one["worker_pid"]) for one in attempts],
                 [("died", 9, "p-1", pid) for pid in pids], "certificates")
        is_true("signal 9" in attempts[0]["reason"], "reason", attempts[0])
        is_true("stderr" not in attempts[0], "nobody has it", attempts[0])


def test_a_run_that_takes_too_long():
    """How it ended, and that it was stopped for its time."""
    with obedient(ttr="100ms") as gsq:
        (one,) = dead_of(gsq, "echo slow >&2; exec sleep 60")
        is_equal((one["outcome"], one["signal"], one["stderr"]),
                 ("timeout", 15, b"slow\n"), "certificate")
        is_true(one["duration_ms"] >= 50, "duration", one)
        is_equal(gsq.job(1)["cause"], "exhausted", "no crash, no poison")
        (one,) = dead_of(gsq, "trap '' TERM; while :; do sleep 0.01; done")
        is_equal((one["outcome"], one["signal"]), ("timeout", 9), "deaf")


def test_not_now_is_told_and_what_was_given_back_is_not():
    """75: uncounted, and yet one asks why it is not done; a worker that is
    stopped says nothing about the job."""
    marker = temporary("marker")
    with obedient() as gsq:
        (job,) = gsq.enqueue(
            "if [ -e %s ]; then echo again >&2; sleep 60; fi\n"
            "touch %s; echo busy >&2; exit 75" % (marker, marker))
        wait_until(lambda: gsq.job(job)["state"] == "delayed", "not now")
        (one,) = gsq.job(job)["attempts"]
        is_equal((one["outcome"], one["exit"], one["stderr"], one["attempt"]),
                 ("retry", 75, b"busy\n", 1), "certificate")
        gsq.call("retry", id=job)
        wait_until(lambda: gsq.job(job)["state"] == "running", "it runs")
        old = gsq.job(job)["worker_pid"]
        kill(old, signal.SIGQUIT)
        row = wait_until(
            lambda: [row for row in [gsq.job(job)]
                     if row["state"] == "running"
                     and row["worker_pid"] != old], "it runs elsewhere")[0]
        is_equal(row["attempts"], [one], "nothing new")
        gsq.call("cancel", id=job)


def test_the_last_ten_over_restarts_of_the_queue():
    """12 attempts keep the last 10; the queue dies in the middle, and at the
    end everything is stopped and started again."""
    store = temporary("store")
    directory = temporary("directory")
    gate = temporary("gate")
    os.mkdir(directory, 0o700)
    configuration = 'store = "%s"\n' % store + CONFIGURATION % (
        12, "1m", "sync", script("obedient", OBEDIENT))
    with Gsq(configuration=configuration, directory=directory) as gsq:
        (job,) = gsq.enqueue(
            "if [ $GSQ_ATTEMPT = 6 ]; then while [ ! -e %s ]; do sleep 0.01; "
            "done; fi; echo attempt $GSQ_ATTEMPT >&2; exit $GSQ_ATTEMPT"
            % gate)
        wait_until(lambda: gsq.job(job)["attempt"] == 6, "the sixth")
        old = gsq.pid_of("queue")
        kill(old)
        gsq.wait_new_pid("queue", old)
        write_file(gate, "")
        is_equal(gsq.wait_job(job), "dead", "end")
        attempts = gsq.job(job)["attempts"]
        is_equal([(one["attempt"], one["exit"], one["stderr"])
                  for one in attempts],
                 [(number, number, b"attempt %d\n" % number)
                  for number in range(3, 13)], "the last ten")
        is_equal(sorted(one["began_ms"] for one in attempts),
                 [one["began_ms"] for one in attempts], "in their order")
    with Gsq(configuration=configuration, directory=directory) as gsq:
        is_equal(gsq.job(job)["attempts"], attempts, "after a restart")
        is_equal(gsq.qctl("get", str(job)).stdout.count(" fail "), 10,
                 "rows for people")


def records_in(store):
    """(jobs, certificates) that a store has."""
    checked = run([program("queue"), "--check", store])
    is_equal(checked.returncode, 0, "the store is sound")
    found = re.search(r"^(\d+) jobs, 0 tokens, (\d+) certificates; the next id",
                      checked.stdout, re.M)
    return int(found.group(1)), int(found.group(2))


def test_they_go_with_their_job():
    """Done, deleted, purged, folded: nothing of it is left in the store."""
    store = temporary("store")
    directory = temporary("directory")
    os.mkdir(directory, 0o700)
    big = "head -c 4096 /dev/zero >&2; exit 1"
    configuration = 'store = "%s"\n' % store + CONFIGURATION % (
        2, "1m", "sync", script("obedient", OBEDIENT))
    with Gsq(configuration=configuration, directory=directory) as gsq:
        (done,) = gsq.enqueue("[ $GSQ_ATTEMPT = 2 ] || { %s; }" % big)
        is_equal(gsq.wait_job(done), "done", "end")
        deleted, purged = gsq.enqueue(big, big)
        for job in (deleted, purged):
            is_equal(gsq.wait_job(job), "dead", "end")
            is_equal([len(one["stderr"]) for one in gsq.job(job)["attempts"]],
                     [4096, 4096], "stderr")
        gsq.call("delete", id=deleted)
        gsq.qctl("purge", "default", "--state", "dead", "--yes")
        (dead,) = gsq.enqueue(big, keys=["k"], mode="coalesce")
        is_equal(gsq.wait_job(dead), "dead", "end")
        gsq.call("pause", queue="default")
        (waiting,) = gsq.enqueue("exit 0", keys=["k"], mode="coalesce")
        gsq.call("retry", id=dead)
        row = gsq.job(waiting)
        is_true("attempts" not in row, "what was folded is forgotten", row)
        is_equal(gsq.job(dead)["id"], waiting, "they are one")
        gsq.call("delete", id=waiting)
        gsq.call("resume", queue="default")
        (last,) = gsq.enqueue("exit 65")
        is_equal(gsq.wait_job(last), "dead", "end")
    is_equal(records_in(store), (1, 1), "the last job and its certificate")
    with Gsq(configuration=configuration, directory=directory) as gsq:
        is_equal(len(gsq.job(last)["attempts"]), 1, "it is there")
        gsq.call("delete", id=last)
    is_equal(records_in(store), (0, 0), "nothing is left")


def test_where_jobs_are_kept_in_memory():
    """So are their certificates, with what they say."""
    with obedient(attempts=2, durability="memory") as gsq:
        attempts = dead_of(gsq, "echo $GSQ_ATTEMPT >&2; exit 1")
        is_equal([one["stderr"] for one in attempts], [b"1\n", b"2\n"],
                 "stderr")
        gsq.call("delete", id=1)
        is_equal(gsq.lane()["dead"], 0, "gone")


def test_what_a_handler_writes_is_shown_and_not_obeyed():
    """Escapes, bytes that are no text, and more than is kept."""
    with obedient() as gsq:
        (one,) = dead_of(
            gsq, r"printf '\033[31mred\377\n\033]0;title\007' >&2; exit 1")
        is_equal(one["stderr"], b"\x1b[31mred\xff\n\x1b]0;title\x07", "bytes")
        shown = gsq.qctl("get", "1").stdout
        is_true("\x1b" not in shown and "\x07" not in shown, "tame", shown)
        is_true(r"\x1b[31mred\xff" in shown, "shown", shown)
        json.loads(gsq.qctl("-o", "json", "get", "1").stdout)
        (one,) = dead_of(gsq, "seq 1000000 1999999 >&2; exit 1")
        is_equal(one["stderr"],
                 "".join("%d\n" % number for number in range(
                     1000000, 1000600)).encode()[:4096], "how it began")


def test_what_a_foreign_worker_says_is_bounded():
    """All of it is optional; wrong types and what is out of range count as
    missing; too much stderr is cut."""
    cases = [
        ({"exit": 256, "cpu_ms": -1, "rss_bytes": "much", "core": 1,
          "stderr": 5, "duration_ms": None}, {}),
        ({"exit": 3, "stderr": b"x" * 100000}, {
            "exit": 3, "stderr": b"x" * 4096}),
        ({"signal": 11, "core": True, "cpu_ms": 0, "rss_bytes": 2 ** 62,
          "duration_ms": 7, "stderr": "text"}, {
              "signal": 11, "core": True, "cpu_ms": 0, "rss_bytes": 2 ** 62,
              "duration_ms": 7, "stderr": b"text"}),
        ({"signal": 65, "asked": "no"}, {}),
        ({"signal": 15, "asked": True}, {"signal": 15}),
    ]
    with Gsq("-n", "0") as gsq, gsq.client() as worker:
        worker.call("subscribe", queue="q", name="foreign")
        for said, kept in cases:
            (job,) = gsq.enqueue("x", queue="q")
            worker.notify("demand", queue="q", n=1)
            msgid, _ = worker.next_job()
            worker.respond(msgid, dict(said, verdict="dead", reason="why"))
            is_equal(gsq.wait_job(job), "dead", "end")
            (one,) = gsq.job(job)["attempts"]
            is_equal({key: one[key] for key in (
                "exit", "signal", "core", "cpu_ms", "rss_bytes", "stderr")
                      if key in one},
                     {key: value for key, value in kept.items()
                      if key != "duration_ms"}, "kept of %r" % said)
            is_equal(one["worker"], "foreign", "worker")
            is_true(kept.get("duration_ms", one["duration_ms"]) ==
                    one["duration_ms"], "duration", one)
            is_equal(gsq.job(job).get("crashes", 0),
                     int("signal" in said and not said.get("asked") is True),
                     "crashes of %r" % said)


def test_a_reason_that_is_no_utf8_goes_out_escaped():
    """Whatever a foreign worker says, answers and events are text that each
    library can read; half a character at the cut is left out."""
    cases = [
        (b"caf\xe9 \xff\xc3\xa9", r"caf\xe9 \xff\u00e9"),
        (b"\xed\xa0\x80\xc0\xaf\xf5", r"\xed\xa0\x80\xc0\xaf\xf5"),
        (b"x" * 159 + b"\xe2\x82\xac", "x" * 159),
    ]
    with Gsq("-n", "0") as gsq, gsq.client() as worker, gsq.client() as sees:
        sees.call("events")
        worker.call("subscribe", queue="q", name="foreign")
        for said, shown in cases:
            shown = shown.replace(r"\u00e9", "\u00e9")
            (job,) = gsq.enqueue("x", queue="q")
            worker.notify("demand", queue="q", n=1)
            msgid, _ = worker.next_job()
            worker.respond(msgid, {"verdict": "dead", "reason": said})
            is_equal(gsq.wait_job(job), "dead", "end")
            row = gsq.job(job)
            is_equal(row["reason"], shown, "reason of the job")
            is_equal(row["attempts"][0]["reason"], shown, "of its attempt")
            is_true(shown in gsq.call("why", id=job)["text"], "in why")
            event = sees.receive()[2][0]
            while event["type"] != "dead":
                event = sees.receive()[2][0]
            is_equal(event["reason"], shown, "reason of the event")


def test_a_result_that_comes_late_brings_it_along():
    """The queue dies while a job runs, which fails meanwhile: the worker tells
    the next queue what it ended of."""
    gate = temporary("gate")
    ended = temporary("ended")
    with obedient() as gsq:
        (job,) = gsq.enqueue(
            "while [ ! -e %s ]; do sleep 0.01; done; echo late >&2; "
            "echo x >> %s; exit 9" % (gate, ended))
        wait_until(lambda: gsq.job(job)["state"] == "running", "it runs")
        queue = gsq.pid_of("queue")
        kill(queue, signal.SIGSTOP)
        write_file(gate, "")
        wait_until(lambda: os.path.exists(ended) and lines_of(ended),
                   "it ended")
        gsq.wait_event("ended", job=job)
        kill(queue)
        gsq.wait_new_pid("queue", queue)
        is_equal(gsq.wait_job(job), "dead", "end")
        (one,) = gsq.job(job)["attempts"]
        is_equal((one["exit"], one["stderr"], one["worker"]),
                 (9, b"late\n", "p-1"), "certificate")
